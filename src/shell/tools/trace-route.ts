// `traceroute` and `tracepath`: who answers when a packet's time to live is over, hop by hop.
import { formatIpv4 } from "../../address.ts";
import { icmpMessage, ICMP, ipPacket, UDP, udpSegment } from "../../lab/packet.ts";
import { resolve4 } from "../names.ts";
import { numberOption, readOptions } from "../options.ts";
import { addressBytes, readIcmpError, readPacket } from "../packets.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";

const FIRST_PORT = 33434;
const OWN_PORT = 40000;
const PACKET_BYTES = 60;
const PROBES = 3;
const HOPS = 30;

/** A probe's answer. */
interface Answer {
  from: string;
  rttNs: number;
  /** Whether the target itself answered, or nobody further on can. */
  last: boolean;
  /** `!N` and the like, for who says that there is no way on. */
  mark: string;
  /** The MTU that an error says. */
  mtu: number;
  /** Hops back, by the answer's time to live. */
  back: number;
}

interface Probe {
  target: number;
  source: number;
  ttl: number;
  bytes: number;
  df: boolean;
  icmp: boolean;
  waitNs: number;
}

const MARKS: Readonly<Record<number, string>> = { 0: "!N", 1: "!H", 2: "!P", 5: "!S", 9: "!X", 10: "!X", 13: "!X" };

/** Sends probes one after the other, from one port. */
class Prober {
  readonly #context: Context;
  #sent = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  async send(probe: Probe): Promise<Answer | undefined> {
    const { emulation, namespace, signal } = this.#context;
    const number = emulation.newNumber();
    const count = this.#sent++;
    const port = OWN_PORT + (count % 1000);
    const socket = emulation.programs.bind(
      namespace.handle,
      probe.icmp ? "icmp" : "udp",
      probe.icmp ? number : port,
      number,
    );
    if (socket === undefined) throw new ToolError("traceroute: bind: Address already in use", 1);
    const startNs = emulation.nowNs;
    emulation.programs.sendPacket(namespace.handle, packet(probe, probe.icmp ? number : port, count), startNs);
    const mail = await emulation.mail(number, startNs + probe.waitNs, signal);
    emulation.programs.closeSocket(socket);
    emulation.forget(number);
    if (!mail) return undefined;
    const rttNs = mail.atNs - startNs;
    if (mail.kind !== "error") {
      const { source, ttl } = readPacket(mail.bytes);
      return { from: source, rttNs, last: true, mark: "", mtu: 0, back: hopsBack(ttl) };
    }
    const { from, ttl, type, code, mtu } = readIcmpError(mail.bytes);
    const reached = type === 3 && code === 3;
    const mark = type !== 3 || reached ? "" : code === 4 ? `!F-${mtu}` : (MARKS[code] ?? `!${code}`);
    return { from, rttNs, last: type === 3, mark, mtu: type === 3 && code === 4 ? mtu : 0, back: hopsBack(ttl) };
  }
}

/** How many hops an answer has come, going by the usual first values of a TTL. */
function hopsBack(ttl: number): number {
  return (ttl <= 64 ? 64 : ttl <= 128 ? 128 : 255) - ttl + 1;
}

function packet({ target, source, ttl, bytes, df, icmp }: Probe, own: number, count: number): Uint8Array {
  const ends = { src: addressBytes(source), dst: addressBytes(target) };
  const payload = Buffer.alloc(Math.max(0, bytes - 28), "@");
  const body = icmp
    ? icmpMessage(8, 0, own * 65536 + 1, payload)
    : udpSegment({ ...ends, sport: own, dport: FIRST_PORT + count }, payload);
  return ipPacket({ ...ends, protocol: icmp ? ICMP : UDP, ttl, df }, body);
}

async function aim(
  tool: string,
  context: Context,
  name: string,
): Promise<{ target: number; source: number; mtu: number }> {
  const { emulation, namespace } = context;
  const target = await resolve4(tool, context, name);
  if (typeof target !== "number") throw new ToolError(`${tool}: ${name}: Name or service not known`, 2);
  const way = emulation.programs.way(namespace.handle, target);
  if (!way) throw new ToolError(`${tool}: connect: Network is unreachable`, 1);
  return { target, source: way.source, mtu: way.mtu };
}

export const traceroute: Tool = {
  usage: "traceroute [-n] [-I] [-m HOPS] [-q PROBES] [-w SECONDS] HOST",
  async run(context, words) {
    const given = readOptions("traceroute", words, {
      n: "flag",
      I: "flag",
      m: "value",
      q: "value",
      w: "value",
      "4": "flag",
    });
    const [name, ...more] = given.words;
    if (name === undefined || more.length > 0) throw new ToolError('traceroute: Specify "host" missing argument.');
    const number = (option: string, standard: number): number =>
      numberOption("traceroute", given, option, 1) ?? standard;
    const hops = number("m", HOPS);
    const { target, source } = await aim("traceroute", context, name);
    const { out, signal } = context;
    out(`traceroute to ${name} (${formatIpv4(target)}), ${hops} hops max, ${PACKET_BYTES} byte packets\n`);
    const prober = new Prober(context);
    const waitNs = number("w", 5) * 1e9;
    const probes = number("q", PROBES);
    for (let ttl = 1; ttl <= hops && !signal.aborted; ttl++) {
      let line = `${ttl}`.padStart(2);
      let last = false;
      let before = "";
      for (let i = 0; i < probes; i++) {
        const answer = await prober.send({
          target,
          source,
          ttl,
          bytes: PACKET_BYTES,
          df: false,
          icmp: given.has("I"),
          waitNs,
        });
        if (!answer) {
          line += " *";
          continue;
        }
        // An address is shown when it changes.
        if (answer.from !== before)
          line += line.endsWith("*") || before !== "" ? ` ${answer.from}` : `  ${answer.from}`;
        line += `  ${(answer.rttNs / 1e6).toFixed(3)} ms${answer.mark === "" ? "" : ` ${answer.mark}`}`;
        before = answer.from;
        last ||= answer.last;
      }
      out(`${line}\n`);
      if (last) break;
    }
    return 0;
  },
};

export const tracepath: Tool = {
  usage: "tracepath [-n] [-m HOPS] [-l BYTES] HOST",
  async run(context, words) {
    const given = readOptions("tracepath", words, { n: "flag", m: "value", l: "value", "4": "flag" });
    const [name, ...more] = given.words;
    if (name === undefined || more.length > 0)
      throw new ToolError("tracepath: usage error: Destination address required", 1);
    const hops = numberOption("tracepath", given, "m", 1) ?? HOPS;
    const { target, source, mtu: own } = await aim("tracepath", context, name);
    const { out, signal } = context;
    let mtu = numberOption("tracepath", given, "l", 28) ?? own;
    const prober = new Prober(context);
    const row = (ttl: number, sure: boolean, text: string): void =>
      out(`${`${ttl}`.padStart(2)}${sure ? ":" : "?:"} ${sure ? " " : ""}${text}\n`);
    row(1, false, `[LOCALHOST]                      pmtu ${mtu}`);
    for (let ttl = 1; ttl <= hops && !signal.aborted; ttl++) {
      const answer = await firstAnswer(prober, { target, source, ttl, bytes: mtu, df: true, icmp: false, waitNs: 1e9 });
      if (!answer) {
        row(ttl, true, "no reply");
        continue;
      }
      const ms = (answer.rttNs / 1e6).toFixed(3);
      const head = `${answer.from.padEnd(52)}${ms.padStart(7)}ms `;
      if (answer.mtu > 0 && answer.mtu < mtu) {
        mtu = answer.mtu;
        row(ttl, true, `${head}pmtu ${mtu}`);
        ttl--;
      } else if (answer.last) {
        row(ttl, true, `${head}${answer.mark === "" ? "reached" : answer.mark}`);
        out(`     Resume: pmtu ${mtu} ${answer.mark === "" ? `hops ${ttl} back ${answer.back} ` : ""}\n`);
        return 0;
      } else row(ttl, true, `${head}${answer.back === ttl ? "" : `asymm ${`${answer.back}`.padStart(2)} `}`);
    }
    out(`     Too many hops: pmtu ${mtu}\n     Resume: pmtu ${mtu} \n`);
    return 0;
  },
};

/** tracepath tries three times before it says that nobody answers. */
async function firstAnswer(prober: Prober, probe: Probe): Promise<Answer | undefined> {
  for (let i = 0; i < PROBES; i++) {
    const answer = await prober.send(probe);
    if (answer) return answer;
  }
  return undefined;
}
