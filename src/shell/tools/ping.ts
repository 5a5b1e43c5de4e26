// `ping`: echo requests and their answers, as iputils prints them.
import { addressBytes, isAddress } from "../../lab/family.ts";
import { icmpMessage, ICMP, ICMP6, ipPacket } from "../../lab/packet.ts";
import { ip6Packet } from "../../lab/packet6.ts";
import { isNumberOfIpv6 } from "../../kernel/kernel.ts";
import type { Mail, Way } from "../../kernel/programs.ts";
import { familyOf, resolve, textOf } from "../names.ts";
import { numberOption, readOptions } from "../options.ts";
import { readIcmpError, readPacket } from "../packets.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";

const ECHO_REQUEST = 8;
const ECHO_REQUEST6 = 128;
const ICMP_HEADER = 8;
const headerBytes = (six: boolean): number => (six ? 40 : 20);
const LARGEST = 65507;
const LINGER_S = 10;
const TIMESTAMP_BYTES = 16;

const SPEC = {
  c: "value",
  i: "value",
  s: "value",
  t: "value",
  w: "value",
  W: "value",
  I: "value",
  M: "value",
  n: "flag",
  q: "flag",
  "4": "flag",
  "6": "flag",
} as const;

interface Settings {
  name: string;
  address: number;
  six: boolean;
  way: Way;
  source: number;
  count: number;
  intervalNs: number;
  bytes: number;
  ttl: number;
  deadlineNs: number;
  lingerNs: number | undefined;
  df: "do" | "want" | "dont";
  quiet: boolean;
}

export const ping: Tool = {
  usage:
    "ping [-4|-6] [-c COUNT] [-i SECONDS] [-s BYTES] [-t TTL] [-W SECONDS] [-w SECONDS] [-M do|want|dont] [-I DEVICE|ADDR] [-n] [-q] HOST",
  async run(context, words) {
    const settings = await readSettings(context, words);
    return new Pinger(context, settings).run();
  },
};

async function readSettings(context: Context, words: readonly string[]): Promise<Settings> {
  const { emulation, namespace, interactive, signal } = context;
  const given = readOptions("ping", words, SPEC);
  const [name, ...more] = given.words;
  if (name === undefined) throw new ToolError("ping: usage error: Destination address required", 1);
  if (more.length > 0) throw new ToolError(`ping: several hops such as ${more[0] ?? ""} are not emulated`);
  const number = (option: string, least = 0): number | undefined => numberOption("ping", given, option, least);
  const count = number("c", 1);
  const deadline = number("w", 1);
  if (count === undefined && deadline === undefined && !interactive)
    throw new ToolError("ping: without -c or -w it would never end here; say how many with -c");
  const bytes = number("s") ?? 56;
  if (bytes > LARGEST)
    throw new ToolError(`ping: invalid -s value: '${bytes}': out of range: 0 <= value <= ${LARGEST}`, 1);
  const df = given.value("M") ?? "want";
  if (df !== "do" && df !== "want" && df !== "dont") throw new ToolError(`ping: invalid -M argument: ${df}`, 1);
  const address = await resolve(emulation, namespace, name, signal, Infinity, familyOf(given));
  if (typeof address !== "number")
    throw new ToolError(
      `ping: ${name}: ${address === "unknown" ? "Name or service not known" : "Temporary failure in name resolution"}`,
    );
  const chosen = chooseSource(context, given.value("I"), address);
  const six = isNumberOfIpv6(address);
  if (six && df !== "do" && bytes + headerBytes(six) + ICMP_HEADER > chosen.way.mtu)
    throw new ToolError(`ping: -s ${bytes}: fragments of IPv6 are not emulated here`);
  return {
    name,
    address,
    six,
    ...chosen,
    count: count ?? Infinity,
    intervalNs: (number("i", 0.002) ?? 1) * 1e9,
    bytes,
    ttl: number("t", 1) ?? 64,
    deadlineNs: deadline === undefined ? Infinity : emulation.nowNs + deadline * 1e9,
    lingerNs: given.has("W") ? (number("W") ?? 0) * 1e9 : undefined,
    df,
    quiet: given.has("q"),
  };
}

/** The way to the target, and the source address: `-I` says an address of this host or a device. */
function chooseSource(
  { emulation, namespace }: Context,
  word: string | undefined,
  address: number,
): Pick<Settings, "way" | "source"> {
  const { kernel } = emulation;
  const own = word !== undefined && isAddress(word) ? kernel.addressNumberOn(namespace.handle, word) : undefined;
  if (own !== undefined && isNumberOfIpv6(own) !== isNumberOfIpv6(address))
    throw new ToolError(`ping: -I ${word ?? ""}: it should be an address of the target's family`);
  const device =
    word === undefined || own !== undefined ? undefined : namespace.devices.find(({ name }) => name === word);
  if (word !== undefined && own === undefined && !device) throw new ToolError(`ping: unknown iface: ${word}`);
  if (own !== undefined && !emulation.programs.way(namespace.handle, own)?.local)
    throw new ToolError("ping: bind: Cannot assign requested address");
  const way = emulation.programs.way(namespace.handle, address, own ?? 0);
  if (!way) throw new ToolError("ping: connect: Network is unreachable");
  if (device && way.device !== device.handle)
    throw new ToolError(
      `ping: the way to ${kernel.addressText(namespace.handle, address)} does not leave by ${device.name}; binding to another device is not emulated`,
    );
  return { way, source: own ?? way.source };
}

class Pinger {
  readonly #context: Context;
  readonly #settings: Settings;
  readonly #sent = new Map<number, number>();
  readonly #rtts: number[] = [];
  #transmitted = 0;
  #errors = 0;
  #duplicates = 0;
  #startNs: number;
  #lastNs: number;

  constructor(context: Context, settings: Settings) {
    this.#context = context;
    this.#settings = settings;
    this.#startNs = this.#lastNs = context.emulation.nowNs;
  }

  async run(): Promise<number> {
    const { emulation, namespace, out, signal } = this.#context;
    const { name, six, bytes, count, intervalNs, deadlineNs } = this.#settings;
    const number = emulation.newNumber();
    const socket = emulation.programs.bind(namespace.handle, "icmp", number, number);
    if (socket === undefined) throw new ToolError("ping: socket: Address already in use");
    const shown = textOf(this.#context, this.#settings.address);
    const whole = bytes + headerBytes(six) + ICMP_HEADER;
    out(
      six
        ? `PING ${name}(${shown}) ${bytes} data bytes\n`
        : `PING ${name} (${shown}) ${bytes}(${whole}) bytes of data.\n`,
    );
    const ended = (): boolean => signal.aborted || emulation.nowNs >= deadlineNs;
    while (this.#transmitted < count && !ended()) {
      const next = Math.min(emulation.nowNs + intervalNs, deadlineNs);
      this.#send(number);
      const last = this.#transmitted >= count;
      const until = last ? Math.min(emulation.nowNs + this.#linger(), deadlineNs) : next;
      while (!(last && this.#answered() >= count)) {
        const mail = await emulation.mail(number, until, signal);
        if (!mail) break;
        this.#take(mail);
      }
      if (!Number.isFinite(count) && this.#context.interactive) await pause(intervalNs / 1e6, signal);
    }
    emulation.programs.closeSocket(socket);
    emulation.forget(number);
    this.#summary();
    const enough =
      deadlineNs === Infinity || !Number.isFinite(count) ? this.#rtts.length > 0 : this.#rtts.length >= count;
    return enough ? 0 : 1;
  }

  #answered(): number {
    return this.#rtts.length + this.#errors;
  }

  /** How long the last answer is waited for. */
  #linger(): number {
    const { lingerNs, intervalNs } = this.#settings;
    if (lingerNs !== undefined) return lingerNs;
    return this.#rtts.length > 0 ? Math.max(2 * Math.max(...this.#rtts), intervalNs) : LINGER_S * 1e9;
  }

  #send(number: number): void {
    const { emulation, namespace, err } = this.#context;
    const { address, six, source, bytes, ttl, df, way } = this.#settings;
    const sequence = ++this.#transmitted & 0xffff;
    this.#lastNs = emulation.nowNs;
    const whole = bytes + headerBytes(six) + ICMP_HEADER;
    if (df === "do" && whole > way.mtu) {
      err(`ping: local error: message too long, mtu=${way.mtu}\n`);
      this.#errors++;
      return;
    }
    this.#sent.set(sequence, emulation.nowNs);
    const ends = {
      src: addressBytes(textOf(this.#context, source)),
      dst: addressBytes(textOf(this.#context, address)),
    };
    const [id, data] = [number * 65536 + sequence, payload(bytes, emulation.nowNs)];
    const packet = six
      ? ip6Packet(
          { ...ends, protocol: ICMP6, hops: ttl, trafficClass: 0 },
          icmpMessage(ECHO_REQUEST6, 0, id, data, ends),
        )
      : ipPacket(
          { ...ends, protocol: ICMP, ttl, df: df !== "dont" && whole <= way.mtu },
          icmpMessage(ECHO_REQUEST, 0, id, data),
        );
    emulation.programs.sendPacket(namespace.handle, packet, emulation.nowNs);
  }

  #take(mail: Mail): void {
    if (mail.kind === "error") {
      this.#takeError(mail);
      return;
    }
    const { source, ttl, body } = readPacket(mail.bytes);
    const sequence = body.readUInt16BE(6);
    const sentNs = this.#sent.get(sequence);
    this.#lastNs = mail.atNs;
    if (sentNs === undefined) {
      this.#duplicates++;
      return;
    }
    this.#sent.delete(sequence);
    const rtt = mail.atNs - sentNs;
    this.#rtts.push(rtt);
    const head = `${mail.length - headerBytes(this.#settings.six)} bytes from ${source}: icmp_seq=${sequence} ttl=${ttl}`;
    // Without room for a time stamp in its payload ping does not know how long it took.
    this.#say(`${head}${this.#settings.bytes >= TIMESTAMP_BYTES ? ` time=${roundTrip(rtt)} ms` : ""}\n`);
  }

  #takeError(mail: Mail): void {
    const { six, from, type, code, mtu, quoted } = readIcmpError(mail.bytes);
    const what = six ? errorText6(type, code, mtu) : errorText(type, code, mtu);
    this.#errors++;
    this.#lastNs = mail.atNs;
    this.#say(`From ${from} icmp_seq=${quoted.body.readUInt16BE(6)} ${what}\n`);
  }

  #say(line: string): void {
    if (!this.#settings.quiet) this.#context.out(line);
  }

  #summary(): void {
    const { out } = this.#context;
    const received = this.#rtts.length;
    const loss = this.#transmitted === 0 ? 0 : ((this.#transmitted - received) * 100) / this.#transmitted;
    const percent = `${Number(loss.toPrecision(6))}%`;
    const parts = [
      `${this.#transmitted} packets transmitted`,
      `${received} received`,
      ...(this.#duplicates > 0 ? [`+${this.#duplicates} duplicates`] : []),
      ...(this.#errors > 0 ? [`+${this.#errors} errors`] : []),
      `${percent} packet loss`,
      `time ${Math.floor((this.#lastNs - this.#startNs) / 1e6)}ms`,
    ];
    out(`\n--- ${this.#settings.name} ping statistics ---\n${parts.join(", ")}\n`);
    if (received > 0 && this.#settings.bytes >= TIMESTAMP_BYTES) {
      const mean = this.#rtts.reduce((sum, rtt) => sum + rtt, 0) / received;
      const squares = this.#rtts.reduce((sum, rtt) => sum + rtt * rtt, 0) / received;
      const deviation = Math.sqrt(Math.max(0, squares - mean * mean));
      const shown = [Math.min(...this.#rtts), mean, Math.max(...this.#rtts), deviation];
      out(`rtt min/avg/max/mdev = ${shown.map((ns) => (Math.floor(ns / 1000) / 1000).toFixed(3)).join("/")} ms\n`);
    } else out("\n");
  }
}

/** A time stamp, then bytes that count up. */
function payload(bytes: number, nowNs: number): Buffer {
  const data = Buffer.from(Array.from({ length: bytes }, (_, i) => i & 255));
  if (bytes >= TIMESTAMP_BYTES) {
    data.writeBigInt64LE(BigInt(Math.floor(nowNs / 1e9)), 0);
    data.writeBigInt64LE(BigInt(Math.floor((nowNs % 1e9) / 1000)), 8);
  }
  return data;
}

/** Milliseconds with three digits that count. */
function roundTrip(ns: number): string {
  const us = Math.floor(ns / 1000);
  if (us >= 100_000 - 50) return `${Math.floor((us + 500) / 1000)}`;
  if (us >= 10_000 - 5) return (Math.floor((us + 50) / 100) / 10).toFixed(1);
  return us >= 1000 ? (Math.floor((us + 5) / 10) / 100).toFixed(2) : (us / 1000).toFixed(3);
}

const UNREACHABLE = [
  "Destination Net Unreachable",
  "Destination Host Unreachable",
  "Destination Protocol Unreachable",
  "Destination Port Unreachable",
  "Frag needed and DF set",
  "Source Route Failed",
  "Destination Net Unknown",
  "Destination Host Unknown",
  "Source Host Isolated",
  "Destination Net Prohibited",
  "Destination Host Prohibited",
  "Destination Net Unreachable for Type of Service",
  "Destination Host Unreachable for Type of Service",
  "Packet filtered",
  "Precedence Violation",
  "Precedence Cutoff",
];

function errorText(type: number, code: number, mtu: number): string {
  if (type === 3)
    return code === 4
      ? `Frag needed and DF set (mtu = ${mtu})`
      : (UNREACHABLE[code] ?? `Dest Unreachable, Bad Code: ${code}`);
  if (type === 11) return code === 1 ? "Frag reassembly time exceeded" : "Time to live exceeded";
  return type === 12 ? `Parameter problem: pointer = ${mtu >>> 8}` : `Bad ICMP type: ${type}`;
}

const UNREACHABLE6 = [
  "No route",
  "Administratively prohibited",
  "Beyond scope of source address",
  "Address unreachable",
  "Port unreachable",
];

/** The same of ICMPv6 (print_icmp of ping6_common.c). */
function errorText6(type: number, code: number, rest: number): string {
  if (type === 1) return `Destination unreachable: ${UNREACHABLE6[code] ?? `Unknown code ${code}`}`;
  if (type === 2) return `Packet too big: mtu=${rest}`;
  if (type === 3)
    return `Time exceeded: ${code === 0 ? "Hop limit" : code === 1 ? "Defragmentation failure" : `code ${code}`}`;
  return type === 4 ? `Parameter problem: at ${rest}` : `unknown icmp type: ${type}`;
}

/** Lets a user read along. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resume) => {
    const timer = setTimeout(resume, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resume();
    });
  });
}
