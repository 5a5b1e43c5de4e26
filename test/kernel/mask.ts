// What two runs of one case may differ in: values that a kernel picks at random. They become labels; all else must be equal.
import type { Ip } from "./packet.ts";
import { checksum, packetOf, TCP, UDP } from "./packet.ts";

/** Values that the case itself chose; they are never hidden. */
export interface Known {
  ids: [protocol: number, kind: string, id: number][];
  ports: number[];
  seqs: number[];
  icmp_ids: number[];
  stamps: number[];
}

interface Label {
  at: number;
  size: number;
  text: string;
}

const NEAR = 1 << 16;

export class Masker {
  readonly #names = new Set<string>();
  readonly #ranges: [low: number, high: number][] = [];
  readonly #known: Known;
  readonly #ids: Set<string>;
  readonly #labels = new Map<string, string>();
  readonly #starts: number[] = [];

  constructor(masks: readonly string[], known: Known) {
    for (const mask of masks) {
      const [name = "", range] = mask.split("=");
      const [low = "1024", high = low] = (range ?? "1024-65535").split("-");
      if (name === "sport") this.#ranges.push([Number(low), Number(high)]);
      else this.#names.add(name);
    }
    this.#known = known;
    this.#ids = new Set(known.ids.map((entry) => entry.join(" ")));
  }

  /** Notes the initial sequence numbers that kernels chose. */
  learn(frames: readonly Buffer[]): void {
    if (!this.#names.has("isn")) return;
    for (const frame of frames) {
      for (let ip = packetOf(frame, 0, frame.length); ip; ip = inner(ip)) {
        if (ip.protocol !== TCP || !ip.has(20) || (frame.readUInt8(ip.l4 + 13) & 2) === 0) continue;
        const start = frame.readUInt32BE(ip.l4 + 4);
        if (start !== 0 && !this.#starts.includes(start) && !this.#chosen(start)) this.#starts.push(start);
      }
    }
  }

  /** The frame in hexadecimal, with labels in the place of masked fields. */
  text(frame: Buffer): string {
    const labels: Label[] = [];
    const ip = packetOf(frame, 0, frame.length);
    if (ip) this.#packet(ip, labels);
    let text = "";
    let from = 0;
    for (const { at, size, text: label } of labels.sort((a, b) => a.at - b.at)) {
      text += frame.toString("hex", from, at) + label;
      from = at + size;
    }
    return text + frame.toString("hex", from);
  }

  /** A line of conntrack without ports and echo ids that NAT picked. */
  connection(line: string): string {
    const ports = line.replace(/(sport|dport)=(\d+)/g, (all: string, name: string, port: string) =>
      this.#port(Number(port)) === undefined ? all : `${name}=<port>`,
    );
    if (!this.#names.has("icmpid")) return ports;
    return ports.replace(/\bid=(\d+)/g, (all: string, id: string) =>
      this.#known.icmp_ids.includes(Number(id)) ? all : "id=<id>",
    );
  }

  /** The label of a value; equal values have equal labels. */
  #label(kind: string, value: number): string {
    const key = `${kind} ${value}`;
    const known = this.#labels.get(key);
    if (known !== undefined) return known;
    const count = [...this.#labels.keys()].filter((other) => other.startsWith(`${kind} `)).length;
    const label = `<${kind}${count + 1}>`;
    this.#labels.set(key, label);
    return label;
  }

  #port(port: number): string | undefined {
    if (this.#known.ports.includes(port)) return undefined;
    const range = this.#ranges.find(([low, high]) => port >= low && port <= high);
    return range && this.#label(`port:${range.join("-")}:`, port);
  }

  #chosen(sequence: number): boolean {
    return this.#known.seqs.some((start) => (sequence - start) >>> 0 < NEAR);
  }

  #sequence(value: number): string | undefined {
    if (this.#chosen(value)) return undefined;
    const index = this.#starts.findIndex((start) => (value - start) >>> 0 < NEAR);
    return index < 0 ? undefined : `<isn${index + 1}+${(value - (this.#starts[index] ?? 0)) >>> 0}>`;
  }

  #packet(ip: Ip, labels: Label[]): boolean {
    let changed = false;
    const fixed = [ip.kind, "*"].some((kind) => this.#ids.has(`${ip.protocol} ${kind} ${ip.id}`));
    if (this.#names.has("ipid") && ip.version === 6 && ip.idAt !== undefined && !fixed) {
      labels.push({ at: ip.idAt, size: 4, text: this.#label("fragid", ip.id) });
      changed = true;
    } else if (this.#names.has("ipid") && ip.version === 4 && ip.id !== 0 && !fixed) {
      labels.push({ at: ip.at + 4, size: 2, text: ip.isFragment ? this.#label("fragid", ip.id) : "<id>" });
      const valid = checksum(ip.bytes.subarray(ip.at, ip.l4)) === 0;
      labels.push({ at: ip.at + 10, size: 2, text: valid ? "<sum>" : "<BAD>" });
      changed = true;
    }
    return this.#transport(ip, labels) || changed;
  }

  #transport(ip: Ip, labels: Label[]): boolean {
    const before = labels.length;
    let deeper = false;
    let sum: number | undefined;
    const put = (at: number, size: number, text: string | undefined): void => {
      if (text !== undefined) labels.push({ at, size, text });
    };
    const { bytes, l4 } = ip;
    if ((ip.protocol === TCP || ip.protocol === UDP) && ip.has(8)) {
      sum = ip.protocol === UDP ? 6 : 16;
      const tunnel = ip.tunnelled !== undefined && this.#names.has("vxsport");
      put(l4, 2, tunnel ? "<vxsport>" : this.#port(bytes.readUInt16BE(l4)));
      put(l4 + 2, 2, this.#port(bytes.readUInt16BE(l4 + 2)));
    }
    if (ip.protocol === TCP && ip.has(8)) this.#tcp(ip, put);
    else if (ip.protocol === UDP && ip.tunnelled !== undefined) {
      const packet = packetOf(bytes, ip.tunnelled, ip.end);
      deeper = packet !== undefined && this.#packet(packet, labels);
    } else if (ip.protocol === ip.icmp && ip.has(8)) {
      sum = 2;
      const id = bytes.readUInt16BE(l4 + 4);
      const isEcho = (ip.version === 6 ? [128, 129] : [0, 8]).includes(bytes.readUInt8(l4));
      if (isEcho && this.#names.has("icmpid") && !this.#known.icmp_ids.includes(id))
        put(l4 + 4, 2, this.#label("icmpid", id));
      deeper = ip.quoted !== undefined && this.#packet(ip.quoted, labels);
    }
    const changed = deeper || labels.length > before;
    if (changed && sum !== undefined && ip.has(sum + 2)) {
      const unchecked = ip.protocol === UDP && bytes.readUInt16BE(l4 + sum) === 0;
      if (!unchecked) put(l4 + sum, 2, !ip.whole ? "<?>" : ip.transportValid ? "<sum>" : "<BAD>");
    }
    return changed;
  }

  #tcp(ip: Ip, put: (at: number, size: number, text: string | undefined) => void): void {
    for (const at of [ip.l4 + 4, ip.l4 + 8])
      if (ip.has(at - ip.l4 + 4)) put(at, 4, this.#sequence(ip.bytes.readUInt32BE(at)));
    if (!this.#names.has("tcpts") || !ip.has(20)) return;
    for (const option of ip.tcpOptions(8, 10)) {
      for (const at of [option + 2, option + 6]) {
        const value = ip.bytes.readUInt32BE(at);
        if (value !== 0 && !this.#known.stamps.includes(value)) put(at, 4, "<ts>");
      }
    }
  }
}

function inner(ip: Ip): Ip | undefined {
  return ip.tunnelled === undefined ? undefined : packetOf(ip.bytes, ip.tunnelled, ip.end);
}
