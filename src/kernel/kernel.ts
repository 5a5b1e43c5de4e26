// One kernel instance with typed calls: the only code outside the module that reads and writes its memory.
import {
  DEVICE_BRIDGE,
  DEVICE_DUMMY,
  DEVICE_VETH,
  DEVICE_VXLAN,
  DEVICE_WIRE,
  EADDRINUSE,
  PORT_HAIRPIN,
} from "../../assembly/layout/codes.ts";
import * as codes from "../../assembly/layout/codes.ts";
import { FRAME_DATA, FRAME_LENGTH } from "../../assembly/layout/frame.ts";
import { EPB_INBOUND } from "../../assembly/layout/pcap.ts";
import * as R from "../../assembly/layout/records.ts";
import { BLOCK_RULES } from "../../assembly/layout/rules.ts";
import {
  FAILED_CLOSED,
  FAILED_REFUSED,
  FAILED_RESET,
  FAILED_UNANSWERED,
  FAILED_UNCONNECTED,
  FAILED_UNRESOLVED,
} from "../../assembly/layout/failures.ts";
import { STEP_SIZE } from "../../assembly/layout/trace.ts";
import { formatIpv4, parseIpv4 } from "../address.ts";
import { formatIpv6, ipv6Bytes, ipv6OfBytes, parseIpv6 } from "../address6.ts";
import type { Failures } from "../seam/plan.ts";
import type { Family } from "../iptables/addresses.ts";
import { RULES_AT, type RuleCounters } from "./counters.ts";
import { instantiate, type KernelExports } from "./load.ts";

/** A record of the kernel, as its address. */
export type Handle = number;

/** Whether a number stands for an address of IPv6; others are addresses of IPv4. */
export function isNumberOfIpv6(number: number): boolean {
  return number >>> 23 === R.NUMBERS_OF_IPV6 >>> 23;
}

/** What setMatcher takes, by the names that users know. */
export const MATCHERS = { linear: codes.MATCHER_LINEAR, index: codes.MATCHER_INDEX } as const;

const PROTOCOLS = { tcp: 6, udp: 17 } as const;
/** What may listen; see ListenerConfig for the first two and the last. */
const APPLICATIONS = {
  service: R.OWNER_SERVICE,
  dns: R.OWNER_DNS,
  ingress: R.OWNER_INGRESS,
  /** Sends datagrams back, from the address that the route to their sender says. */
  echo: R.OWNER_ECHO,
  /** Takes what comes, never answers and never closes. */
  sink: R.OWNER_SINK,
  meter: R.OWNER_METER,
  /** A process that has stopped: it accepts no connection. */
  stopped: R.OWNER_STOPPED,
  /** Takes so many bytes as its argument says, then closes the connection. */
  taker: R.OWNER_TAKER,
  /** A load balancer's virtual server that ends connections. */
  relay: R.OWNER_RELAY,
} as const;

/** The names of drop reasons by code: 5 is `NETFILTER_DROP`. */
export const DROP_REASONS: readonly string[] = Object.entries(codes)
  .filter(([name]) => name.startsWith("DROP_") && name !== "DROP_COUNT")
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => name.slice("DROP_".length));

/** The states of a TCP connection as conntrack names them, by CT_TCP_STATE. */
export const TCP_CONNTRACK_STATES: readonly string[] =
  "NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2".split(" ");

/** What `ip link add type vxlan` may say besides. */
export interface TunnelSettings {
  learning?: boolean | undefined;
  ttl?: number | undefined;
  /** 1: that of the inner packet. */
  tos?: number | undefined;
  df?: "unset" | "set" | "inherit" | undefined;
}

/** Counters of one traffic line as one worker has them. */
export interface LineCounters {
  sent: number;
  delivered: number;
  refused: number;
  timedOut: number;
  unresolved: number;
  begun: number;
  retries: number;
  /** By status. */
  statuses: Uint32Array;
  latencySum: number;
  /** By drop code. */
  drops: Uint32Array;
  /** By namespace id. */
  backends: Uint32Array;
  /** See bucketCeiling. */
  histogram: Uint32Array;
  max: number;
  reordered: number;
  duplicates: number;
  /** Streams of which something came. */
  streams: number;
  /** Of them all, and the most of one, in nanoseconds. */
  jitterSum: number;
  jitterMax: number;
  /** The rule that denied first: the id of its namespace, its RULE_INDEX. */
  denied: { atNs: number; namespace: number; rule: number } | undefined;
}

/** A frame that an interface saw. */
export interface CaughtFrame {
  /** The SINK_* record of the interface. */
  sink: Handle;
  direction: "in" | "out";
  atNs: number;
  bytes: Uint8Array;
}

export class Kernel {
  readonly calls: KernelExports;
  readonly #memory: WebAssembly.Memory;
  #words: Uint32Array;
  #bytes: Uint8Array;
  /** Room for the bytes of an address, 0: none yet. */
  #address: Handle = 0;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory) {
    this.calls = instantiate(module, memory);
    this.#memory = memory;
    this.#words = new Uint32Array(memory.buffer);
    this.#bytes = new Uint8Array(memory.buffer);
  }

  /** Views over the whole memory; they are made anew when it has grown. */
  #refresh(): void {
    if (this.#words.length * 4 === this.#memory.buffer.byteLength) return;
    this.#words = new Uint32Array(this.#memory.buffer);
    this.#bytes = new Uint8Array(this.#memory.buffer);
  }

  word(at: Handle): number {
    this.#refresh();
    return this.#words[at >>> 2] ?? 0;
  }

  setWord(at: Handle, value: number): void {
    this.#refresh();
    this.#words[at >>> 2] = value;
  }

  /** A view of words; good until the memory grows. */
  words(at: Handle, length: number): Uint32Array {
    this.#refresh();
    return this.#words.subarray(at >>> 2, (at >>> 2) + length);
  }

  /** A view of bytes; good until the memory grows. */
  bytes(at: Handle, length: number): Uint8Array {
    this.#refresh();
    return this.#bytes.subarray(at >>> 0, (at >>> 0) + length);
  }

  setFloat(at: Handle, value: number): void {
    this.#refresh();
    new Float64Array(this.#memory.buffer, at >>> 0, 1)[0] = value;
  }

  setLong(at: Handle, value: bigint): void {
    this.#refresh();
    new BigUint64Array(this.#memory.buffer, at >>> 0, 1)[0] = value;
  }

  long(at: Handle): bigint {
    return this.#readLong(at);
  }

  #readLong(at: Handle): bigint {
    this.#refresh();
    return new BigUint64Array(this.#memory.buffer, at >>> 0, 1)[0] ?? 0n;
  }

  /** Copies bytes into memory of their own. */
  place(bytes: Uint8Array): Handle {
    const at = this.calls.reserve(bytes.length) >>> 0;
    this.bytes(at, bytes.length).set(bytes);
    return at;
  }

  placeWords(words: Uint32Array): Handle {
    return this.place(new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
  }

  // ---- addresses

  /**
   * What stands for an address in the kernel: an IPv4 address as an unsigned number, the number of one of IPv6, which is the same on
   * all machines. While workers run only one instance may ask for addresses that are new. Throws for what is no address.
   */
  addressNumber(text: string): number {
    const four = parseIpv4(text);
    if (four !== undefined) return four;
    const six = parseIpv6(text);
    if (six === undefined) throw new Error(`${text} is not an IP address`);
    return this.addressNumber6(six);
  }

  /** The number of an IPv6 address. */
  addressNumber6(address: bigint): number {
    this.#address ||= this.calls.reserve(16) >>> 0;
    this.bytes(this.#address, 16).set(ipv6Bytes(address));
    return this.calls.shareAddress(this.#address) >>> 0;
  }

  /**
   * What stands for an address on the machine that a namespace belongs to. Once machines run this is the way to ask: one that a
   * machine has numbered itself keeps that number, where `addressNumber` would give it a second. Throws for what is no address.
   */
  addressNumberOn(ns: Handle, text: string): number {
    const six = parseIpv6(text);
    if (six === undefined) return this.addressNumber(text);
    this.#address ||= this.calls.reserve(16) >>> 0;
    this.bytes(this.#address, 16).set(ipv6Bytes(six));
    return this.calls.machineAddress(this.word(ns + R.NS_MACHINE), this.#address) >>> 0;
  }

  /** The text of what stands for an address on the machine that a namespace belongs to. */
  addressText(ns: Handle, number: number): string {
    if (!isNumberOfIpv6(number)) return formatIpv4(number);
    const at = this.calls.addressBytes(this.word(ns + R.NS_MACHINE), number) >>> 0;
    return formatIpv6(ipv6OfBytes(this.bytes(at, 16)));
  }

  // ---- devices

  newNamespace(machine: Handle, id: number, seed: bigint): Handle {
    return this.calls.newNamespace(machine, id, Number(seed & 0xffff_ffffn), Number(seed >> 32n)) >>> 0;
  }

  /** A device with a name of at most 15 characters and a MAC address of six bytes. */
  newDevice(
    kind: "veth" | "bridge" | "wire" | "vxlan" | "dummy",
    ns: Handle,
    name: string,
    mac: Uint8Array,
    mtu: number,
  ): Handle {
    const kinds = {
      veth: DEVICE_VETH,
      bridge: DEVICE_BRIDGE,
      wire: DEVICE_WIRE,
      vxlan: DEVICE_VXLAN,
      dummy: DEVICE_DUMMY,
    };
    const [high, low] = macWords(mac);
    const device = this.calls.newDevice(ns, kinds[kind], high, low, mtu) >>> 0;
    this.bytes(device + R.DEV_NAME, 16).set(new TextEncoder().encode(name).subarray(0, 15));
    return device;
  }

  addPort(bridge: Handle, device: Handle, hairpin: boolean): void {
    this.calls.addPort(bridge, device, hairpin ? PORT_HAIRPIN : 0);
  }

  /** A forwarding entry that does not age; a local one is an address of the bridge's own. */
  addForwarding(bridge: Handle, port: Handle, mac: Uint8Array, isLocal: boolean): void {
    this.calls.addForwarding(bridge, port, ...macWords(mac), isLocal ? R.FDB_LOCAL : R.FDB_STATIC);
  }

  /** Makes a device of kind vxlan a tunnel: network number, UDP port, source address (0: as the route says), other settings. */
  makeTunnel(device: Handle, ns: Handle, vni: number, port: number, local: number, more: TunnelSettings = {}): void {
    this.calls.makeTunnel(ns, device, vni, port, local);
    const tunnel = this.word(device + R.DEV_TUNNEL);
    this.setWord(tunnel + R.TUNNEL_LEARNING, more.learning ? 1 : 0);
    this.setWord(tunnel + R.TUNNEL_TTL, more.ttl ?? 0);
    this.setWord(tunnel + R.TUNNEL_TOS, more.tos ?? 0);
    this.setWord(tunnel + R.TUNNEL_DF, ["unset", "set", "inherit"].indexOf(more.df ?? "unset"));
  }

  /** Says that an address is behind a remote host of a tunnel; the address of zeros stands for all that are not known. */
  addRemote(device: Handle, mac: Uint8Array, remote: number): void {
    this.calls.addRemote(device, ...macWords(mac), remote);
  }

  /** How long a bridge remembers an address that it learned. */
  setAgeing(bridge: Handle, milliseconds: number): void {
    this.setLong(bridge + R.DEV_AGEING, BigInt(milliseconds) * 1_000_000n);
  }

  addNeighbour(ns: Handle, device: Handle, address: number, mac: Uint8Array): void {
    this.calls.addNeighbour(ns, device, address, ...macWords(mac));
  }

  /** The frames that a device has sent. */
  transmitted(device: Handle): number {
    return this.transmittedBy([device])[0] ?? 0;
  }

  /** The frames that each of these devices has sent. */
  transmittedBy(devices: readonly Handle[]): number[] {
    this.calls.settleCounters();
    return devices.map((device) => Number(this.#readLong(device + R.DEV_TX_PACKETS)));
  }

  // ---- sockets and flows

  /**
   * Binds a listener. Returns the error's text if the kernel refuses it. `argument`: the response, for a service. `backlog`: how many
   * connections may wait to be accepted, no more than net.core.somaxconn.
   */
  listen(
    ns: Handle,
    protocol: "tcp" | "udp",
    address: number,
    port: number,
    application: keyof typeof APPLICATIONS,
    argument: Handle,
    backlog?: number,
  ): string | undefined {
    const owner = APPLICATIONS[application];
    const result = this.calls.listen(ns, PROTOCOLS[protocol], address, port, owner, argument);
    if (result === EADDRINUSE) return "address already in use";
    if (result < 0) return `error ${-result}`;
    if (backlog !== undefined) {
      const word = (this.calls.boundSocket() >>> 0) + R.SOCK_BACKLOG;
      this.setWord(word, Math.min(backlog, this.word(word)));
    }
    return undefined;
  }

  // ---- single frames

  /** A frame of the pool with these bytes; at most FRAME_CAPACITY. */
  newFrame(bytes: Uint8Array): Handle {
    const frame = this.calls.newFrame() >>> 0;
    this.bytes(this.word(frame + FRAME_DATA), bytes.length).set(bytes);
    this.setWord(frame + FRAME_LENGTH, bytes.length);
    return frame;
  }

  /** The frames captured by this worker and not merged yet, in order. */
  caught(worker: number): CaughtFrame[] {
    const frames: CaughtFrame[] = [];
    let block = this.word(R.SHARED_STREAMS + worker * 4);
    for (; block !== 0; block = this.word(block + R.BATCH_NEXT)) {
      const end = block + R.BATCH_HEADER + this.word(block + R.BATCH_USED);
      for (let at = block + R.BATCH_HEADER; at < end;) {
        const length = this.word(at + R.CAUGHT_LENGTH);
        frames.push({
          sink: this.word(at + R.CAUGHT_DEVICE_SINKS),
          direction: this.word(at + R.CAUGHT_DIRECTION) === EPB_INBOUND ? "in" : "out",
          atNs: Number(this.#readLong(at + R.CAUGHT_TIME)),
          bytes: this.bytes(at + R.CAUGHT_BYTES, length).slice(),
        });
        at += (R.CAUGHT_BYTES + length + 7) & ~7;
      }
    }
    return frames;
  }

  /** The steps noted of traced packets (STEP_*), in order; `first` is what `setTrace` returned. */
  *steps(first: Handle): Generator<Handle> {
    for (let block = first; block !== 0; block = this.word(block + R.BATCH_NEXT)) {
      const end = block + R.BATCH_HEADER + this.word(block + R.BATCH_USED);
      for (let at = block + R.BATCH_HEADER; at < end; at += STEP_SIZE) yield at;
    }
  }

  /** Copies of the blocks of those steps, STEP_SIZE bytes each. */
  *stepBlocks(first: Handle): Generator<Uint32Array> {
    for (let block = first; block !== 0; block = this.word(block + R.BATCH_NEXT)) {
      const used = this.word(block + R.BATCH_USED);
      const at = (block + R.BATCH_HEADER) >>> 2;
      this.#refresh();
      yield this.#words.slice(at, at + used / 4);
    }
  }

  // ---- results

  /** The connections of a namespace (CT_*) whose time is not over, in the order of their hashes. */
  connections(ns: Handle): Handle[] {
    const table = this.word(ns + R.NS_CONNECTIONS);
    if (table === 0) return [];
    this.calls.sweepConnections(ns);
    const slots = Array.from({ length: this.calls.connectionSlots(table) }, (_, i) => i);
    // An entry stands in the table under both of its tuples.
    return slots
      .map((i) => this.calls.connectionAt(table, i) >>> 0)
      .filter((record) => record !== 0 && this.word(record + R.TUPLE_DIR) === codes.DIR_ORIGINAL);
  }

  /** The records of a hash table (DEV_FDB), bucket by bucket. */
  records(table: Handle): Handle[] {
    const found: Handle[] = [];
    const buckets = this.calls.bucketCount(table);
    for (let i = 0; i < buckets; i++) {
      for (let at = this.calls.bucketHead(table, i) >>> 0; at !== 0; at = this.word(at)) found.push(at);
    }
    return found;
  }

  lineCounters(line: number, namespaces: number): LineCounters {
    const at = this.calls.lineOf(line + 1) >>> 0;
    const copy = (from: Handle, count: number): Uint32Array => {
      this.#refresh();
      return this.#words.slice(from >>> 2, (from >>> 2) + count);
    };
    return {
      sent: this.word(at + R.LINE_SENT),
      delivered: this.word(at + R.LINE_DELIVERED),
      refused: this.word(at + R.LINE_REFUSED),
      timedOut: this.word(at + R.LINE_TIMED_OUT),
      unresolved: this.word(at + R.LINE_UNRESOLVED),
      begun: this.word(at + R.LINE_BEGUN),
      retries: this.word(at + R.LINE_RETRIES),
      statuses: copy(at + R.LINE_STATUS, R.STATUS_COUNT),
      latencySum: Number(this.#readLong(at + R.LINE_SUM)),
      drops: copy(at + R.LINE_DROPS, codes.DROP_COUNT),
      backends: copy(this.word(at + R.LINE_BACKENDS), namespaces),
      histogram: copy(at + R.LINE_HISTOGRAM, R.HISTOGRAM_BUCKETS),
      max: Number(this.#readLong(at + R.LINE_MAX)),
      reordered: this.word(at + R.LINE_REORDERED),
      duplicates: this.word(at + R.LINE_DUPLICATES),
      streams: this.word(at + R.LINE_STREAMS),
      jitterSum: Number(this.#readLong(at + R.LINE_JITTER_SUM)) / 16,
      jitterMax: Number(this.#readLong(at + R.LINE_JITTER_MAX)) / 16,
      denied: this.#denied(at),
    };
  }

  /** What a line has counted for an event: requests that failed, by how they did. */
  failures(line: number, event: number): Failures {
    const at = this.calls.failuresOf(line + 1, event) >>> 0;
    const count = (kind: number): number => this.word(at + kind * 4);
    return {
      refused: count(FAILED_REFUSED),
      reset: count(FAILED_RESET),
      closed: count(FAILED_CLOSED),
      unconnected: count(FAILED_UNCONNECTED),
      unanswered: count(FAILED_UNANSWERED),
      unresolved: count(FAILED_UNRESOLVED),
    };
  }

  /** Requests of a line so far: sent, delivered, failed (refused, timed out, or without an address). */
  lineTotals(line: number): [number, number, number] {
    const at = this.calls.lineOf(line + 1) >>> 0;
    const failed =
      this.word(at + R.LINE_REFUSED) + this.word(at + R.LINE_TIMED_OUT) + this.word(at + R.LINE_UNRESOLVED);
    return [this.word(at + R.LINE_SENT), this.word(at + R.LINE_DELIVERED), failed];
  }

  #denied(line: Handle): LineCounters["denied"] {
    const rule = this.word(line + R.LINE_DENIED_RULE);
    if (rule === 0) return undefined;
    const atNs = Number(this.#readLong(line + R.LINE_DENIED_AT));
    return { atNs, namespace: this.word(line + R.LINE_DENIED_NS), rule: rule - 1 };
  }

  /** Drops of a namespace by code. */
  drops(ns: Handle): Uint32Array {
    this.#refresh();
    return this.#words.slice((ns + R.NS_DROPS) >>> 2, ((ns + R.NS_DROPS) >>> 2) + codes.DROP_COUNT);
  }

  /** Puts a block of rules in force, of iptables or of ip6tables. `changed`: it was made by changing the one that is. */
  enforceRules(ns: Handle, block: Handle, family: Family, changed = false): void {
    const isSix = family === "ipv6";
    if (changed && isSix) this.calls.changeRules6(ns, block);
    else if (changed) this.calls.changeRules(ns, block);
    else if (isSix) this.calls.loadRules6(ns, block);
    else this.calls.loadRules(ns, block);
  }

  /** Sets the counters of the rule with a RULE_INDEX, of iptables or of ip6tables. */
  setRuleCounter(ns: Handle, index: number, packets: number, bytes: number, family: Family = "ipv4"): void {
    this.calls.settleCounters();
    const at = this.calls.ruleCounter(ns + RULES_AT[family], index) >>> 0;
    this.setLong(at, BigInt(packets));
    this.setLong(at + 8, BigInt(bytes));
  }

  /** Packets and bytes of the rules of a namespace, of iptables or of ip6tables; empty if it has none. */
  ruleCounters(ns: Handle, family: Family = "ipv4"): RuleCounters {
    const rules = ns + RULES_AT[family];
    const pages = new Map<number, BigUint64Array>();
    const block = this.word(rules + R.RULESET_BLOCK);
    if (block === 0) return pages;
    this.calls.settleCounters();
    const first = this.word(rules + R.RULESET_COUNTERS);
    const count = this.word(block + BLOCK_RULES);
    for (let page = 0; page << R.COUNTER_PAGE_SHIFT < count; page++) {
      const at = this.word(first + page * 4);
      if (at !== 0) pages.set(page, new BigUint64Array(this.#memory.buffer, at, R.COUNTER_PAGE_SIZE / 8).slice());
    }
    return pages;
  }
}

function macWords(mac: Uint8Array): [high: number, low: number] {
  const view = new DataView(mac.buffer, mac.byteOffset, 6);
  return [view.getUint16(0), view.getUint32(2)];
}

/** The largest value of a histogram bucket (assembly/observe/lines.ts counts into them). */
export function bucketCeiling(bucket: number): number {
  const sub = 1 << R.HISTOGRAM_SUB_BITS;
  if (bucket < 2 * sub) return bucket;
  const shift = (bucket >>> R.HISTOGRAM_SUB_BITS) - 1;
  return (sub + (bucket & (sub - 1)) + 1) * 2 ** shift - 1;
}
