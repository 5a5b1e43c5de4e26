// A frame as a line of `tcpdump -n`: ARP, ICMP, UDP with DNS, TCP with its options and numbers relative to the connection's first.
import { formatIpv4, formatMac } from "../address.ts";
import { decodeMessage, type Message } from "./dns-message.ts";
import { readPacket, type Packet } from "./packets.ts";

const FLAGS: readonly [bit: number, letter: string][] = [
  [1, "F"],
  [2, "S"],
  [4, "R"],
  [8, "P"],
  [16, "."],
  [32, "U"],
  [64, "E"],
  [128, "W"],
];
const SYN = 2;
const ACK = 16;
const DNS_PORT = 53;
const HTTP_PORTS = [80, 8080, 3128];

/** What is remembered between the frames of one capture: the first sequence number that each end showed. */
export class Dissector {
  readonly #first = new Map<string, number>();

  /** The text behind the time. */
  text(frame: Buffer): string {
    const type = frame.readUInt16BE(12);
    if (type === 0x806) return arpText(frame.subarray(14));
    if (type === 0x800) return `IP ${this.#ip(frame.subarray(14))}`;
    return `ethertype Unknown (0x${type.toString(16).padStart(4, "0")}), length ${frame.length}`;
  }

  #ip(bytes: Buffer): string {
    const length = bytes.readUInt16BE(2);
    const fragment = bytes.readUInt16BE(6);
    const packet = readPacket(bytes.subarray(0, length));
    const [from, to] = [packet.source, packet.destination];
    if ((fragment & 0x1fff) !== 0) return `${from} > ${to}: ip-proto-${packet.protocol}`;
    if (packet.protocol === 1) return `${from} > ${to}: ICMP ${icmpText(packet.body)}`;
    if (packet.protocol !== 6 && packet.protocol !== 17)
      return `${from} > ${to}:  ip-proto-${packet.protocol} ${packet.body.length}`;
    const [own, peer] = [packet.body.readUInt16BE(0), packet.body.readUInt16BE(2)];
    const ends = `${from}.${own} > ${to}.${peer}`;
    return `${ends}: ${packet.protocol === 6 ? this.#tcp(packet, own, peer) : udpText(packet.body, own, peer)}`;
  }

  #tcp({ source, destination, body }: Packet, own: number, peer: number): string {
    const [seq, ack] = [body.readUInt32BE(4), body.readUInt32BE(8)];
    const header = (body.readUInt8(12) >> 4) * 4;
    const bits = body.readUInt8(13);
    const payload = body.subarray(header);
    const key = `${source}:${own} ${destination}:${peer}`;
    const back = `${destination}:${peer} ${source}:${own}`;
    if ((bits & SYN) !== 0) {
      this.#first.set(key, seq);
      if ((bits & ACK) !== 0) this.#first.set(back, (ack - 1) >>> 0);
    } else if (!this.#first.has(key) && !this.#first.has(back)) {
      // The first that is seen of a connection is shown as it is.
      this.#first.set(key, seq);
      this.#first.set(back, (ack - 1) >>> 0);
      return this.#tcpLine(bits, seq, ack, payload, body, header, own, peer);
    }
    const isSyn = (bits & SYN) !== 0;
    const relative = (number: number, first: number | undefined): number =>
      first === undefined ? number : (number - first) >>> 0;
    return this.#tcpLine(
      bits,
      isSyn ? seq : relative(seq, this.#first.get(key)),
      isSyn ? ack : relative(ack, this.#first.get(back)),
      payload,
      body,
      header,
      own,
      peer,
    );
  }

  #tcpLine(
    bits: number,
    seq: number,
    ack: number,
    payload: Buffer,
    body: Buffer,
    header: number,
    own: number,
    peer: number,
  ): string {
    const flags = FLAGS.filter(([bit]) => (bits & bit) !== 0).map(([, letter]) => letter);
    const words = [`Flags [${flags.join("") || "none"}]`];
    if (payload.length > 0) words.push(`seq ${seq}:${(seq + payload.length) >>> 0}`);
    else if ((bits & 7) !== 0) words.push(`seq ${seq}`);
    if ((bits & ACK) !== 0) words.push(`ack ${ack}`);
    words.push(`win ${body.readUInt16BE(14)}`);
    const options = tcpOptions(body.subarray(20, header));
    if (options.length > 0) words.push(`options [${options.join(",")}]`);
    words.push(`length ${payload.length}`);
    const http = HTTP_PORTS.includes(own) || HTTP_PORTS.includes(peer);
    const line = payload.toString("latin1").split("\r\n")[0] ?? "";
    const isHttp = /^(HTTP\/\d|[A-Z]+ \S+ HTTP\/\d)/.test(line);
    return words.join(", ") + (payload.length > 0 && http ? `: HTTP${isHttp ? `: ${line}` : ""}` : "");
  }
}

function arpText(body: Buffer): string {
  const [sender, target] = [formatIpv4(body.readUInt32BE(14)), formatIpv4(body.readUInt32BE(24))];
  // Whom a question asks is told if it is known already.
  const known = body.subarray(18, 24).some((byte) => byte !== 0) ? ` (${formatMac(body.subarray(18, 24))})` : "";
  if (body.readUInt16BE(6) === 1) return `ARP, Request who-has ${target}${known} tell ${sender}, length ${body.length}`;
  return `ARP, Reply ${sender} is-at ${formatMac(body.subarray(8, 14))}, length ${body.length}`;
}

function protocolName(protocol: number): string {
  return ({ 1: "icmp", 6: "tcp", 17: "udp" } as Readonly<Record<number, string>>)[protocol] ?? `ip-proto-${protocol}`;
}

function icmpText(body: Buffer): string {
  const [type, code] = [body.readUInt8(0), body.readUInt8(1)];
  const length = `, length ${body.length}`;
  if (type === 8 || type === 0)
    return `echo ${type === 8 ? "request" : "reply"}, id ${body.readUInt16BE(4)}, seq ${body.readUInt16BE(6)}${length}`;
  if (type === 11) return `${code === 0 ? "time exceeded in-transit" : "ip reassembly time exceeded"}${length}`;
  if (type !== 3) return `type-#${type}${length}`;
  const quoted = readPacket(body.subarray(8));
  return `${unreachable(code, quoted, body.readUInt16BE(6))}${length}`;
}

function unreachable(code: number, quoted: Packet, mtu: number): string {
  const to = quoted.destination;
  if (code === 0) return `net ${to} unreachable`;
  if (code === 1) return `host ${to} unreachable`;
  if (code === 2) return `${to} protocol ${quoted.protocol} unreachable`;
  if (code === 3) return `${to} ${protocolName(quoted.protocol)} port ${quoted.body.readUInt16BE(2)} unreachable`;
  if (code === 4) return `${to} unreachable - need to frag (mtu ${mtu})`;
  if (code === 9) return `net ${to} unreachable - admin prohibited`;
  if (code === 10) return `host ${to} unreachable - admin prohibited`;
  if (code === 13) return `host ${to} unreachable - admin prohibited filter`;
  return `${to} unreachable - #${code}`;
}

function udpText(body: Buffer, own: number, peer: number): string {
  const payload = body.subarray(8);
  if ((own === DNS_PORT || peer === DNS_PORT) && payload.length >= 12) {
    try {
      return dnsText(decodeMessage(payload));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return `UDP, length ${body.readUInt16BE(4) - 8}`;
}

const RCODES = ["", " FormErr", " ServFail", " NXDomain", " NotImp", " Refused"];

function dnsText({ id, flags, questions, answer, authority, additional, edns, bytes }: Message): string {
  const more = additional.length + (edns === undefined ? 0 : 1);
  if ((flags & 0x8000) === 0) {
    const counts = more > 0 ? ` [${more}au]` : "";
    const asked = questions.map(({ name, type }) => ` ${type}? ${name}`).join("");
    return `${id}${(flags & 0x100) !== 0 ? "+" : ""}${counts}${asked} (${bytes})`;
  }
  const marks = `${(flags & 0x400) !== 0 ? "*" : ""}${(flags & 0x80) === 0 ? "-" : ""}${(flags & 0x200) !== 0 ? "|" : ""}`;
  const found = answer.map(({ type, data }) => ` ${type} ${dnsData(type, data)}`).join(",");
  return `${id}${RCODES[flags & 15] ?? ` Resp${flags & 15}`}${marks} ${answer.length}/${authority.length}/${more}${found} (${bytes})`;
}

function dnsData(type: string, data: string): string {
  if (type !== "SRV") return data;
  const [priority, weight, port, target = ""] = data.split(" ");
  return `${target}:${port} ${priority} ${weight}`;
}

function tcpOptions(bytes: Buffer): string[] {
  const words: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const kind = bytes.readUInt8(at);
    if (kind === 0) {
      words.push("eol");
      break;
    }
    if (kind === 1) {
      words.push("nop");
      at += 1;
      continue;
    }
    const length = bytes.readUInt8(at + 1);
    if (kind === 2) words.push(`mss ${bytes.readUInt16BE(at + 2)}`);
    else if (kind === 3) words.push(`wscale ${bytes.readUInt8(at + 2)}`);
    else if (kind === 4) words.push("sackOK");
    else if (kind === 8) words.push(`TS val ${bytes.readUInt32BE(at + 2)} ecr ${bytes.readUInt32BE(at + 6)}`);
    else words.push(`unknown-${kind}`);
    at += Math.max(length, 2);
  }
  return words;
}
