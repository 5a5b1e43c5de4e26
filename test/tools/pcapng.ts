// A strict reader of pcapng files: every length, padding and option end is checked, unknown blocks are refused.
import type { Capture, CaptureInterface, CapturePacket, CaptureStatistics } from "./capture.ts";

interface Block {
  type: number;
  /** Where the block begins in the file. */
  at: number;
  body: DataView;
}

type Option = { code: number; value: DataView };

const DIRECTIONS = ["unknown", "inbound", "outbound", "unknown"] as const;
const RECEPTIONS = ["unknown", "unicast", "multicast", "broadcast", "promiscuous"] as const;

export function readPcapng(bytes: Uint8Array): Capture {
  const capture: Capture = { format: "pcapng", interfaces: [], packets: [], names: [], statistics: [] };
  let first = true;
  for (const block of blocks(bytes)) {
    if (first !== (block.type === 0x0a0d0d0a)) throw new Error(`byte ${block.at}: one section header must come first`);
    first = false;
    if (block.type === 0x0a0d0d0a) readSection(block, capture);
    else if (block.type === 1) capture.interfaces.push(readInterface(block));
    else if (block.type === 4) capture.names.push(...readNames(block));
    else if (block.type === 5) capture.statistics.push(readStatistics(block));
    else if (block.type === 6) capture.packets.push(readPacket(block, capture.interfaces));
    else throw new Error(`byte ${block.at}: block type ${block.type} is not known`);
  }
  return capture;
}

function* blocks(bytes: Uint8Array): Generator<Block> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < 12) throw new Error(`byte ${at}: the file ends inside a block`);
    const length = view.getUint32(at + 4, true);
    if (length < 12 || length % 4 !== 0) throw new Error(`byte ${at}: a block cannot be ${length} bytes long`);
    if (at + length > bytes.length) throw new Error(`byte ${at}: the file ends inside a block`);
    if (view.getUint32(at + length - 4, true) !== length) throw new Error(`byte ${at}: the two block lengths differ`);
    yield {
      type: view.getUint32(at, true),
      at,
      body: new DataView(view.buffer, view.byteOffset + at + 8, length - 12),
    };
    at += length;
  }
}

/** The options from `at` to the end of the body; none at all, or a list that ends with code 0. */
function options({ at: blockAt, body }: Block, at: number): Option[] {
  const found: Option[] = [];
  if (at === body.byteLength) return found;
  while (at + 4 <= body.byteLength) {
    const code = body.getUint16(at, true);
    const length = body.getUint16(at + 2, true);
    at += 4;
    if (code === 0) {
      if (length !== 0 || at !== body.byteLength) break;
      return found;
    }
    if (at + length > body.byteLength) break;
    found.push({ code, value: part(body, at, length) });
    at += length + padding(body, at + length, blockAt);
  }
  throw new Error(`byte ${blockAt}: the block's options do not end with opt_endofopt at its end`);
}

/** The zeros up to the next multiple of four. */
function padding(body: DataView, at: number, blockAt: number): number {
  const length = -at & 3;
  for (let i = 0; i < length; i++) {
    if (body.getUint8(at + i) !== 0) throw new Error(`byte ${blockAt}: the padding is not zero`);
  }
  return length;
}

function readSection({ at, body }: Block, capture: Capture): void {
  if (body.getUint32(0, true) !== 0x1a2b3c4d) throw new Error(`byte ${at}: the section is not little-endian`);
  if (body.getUint16(4, true) !== 1 || body.getUint16(6, true) !== 0) throw new Error(`byte ${at}: not version 1.0`);
  for (const { code, value } of options({ type: 0, at, body }, 16)) {
    if (code === 2) capture.hardware = text(value);
    else if (code === 3) capture.os = text(value);
    else if (code === 4) capture.application = text(value);
    else throw new Error(`byte ${at}: section option ${code} is not known`);
  }
}

function readInterface(block: Block): CaptureInterface {
  const { at, body } = block;
  const device: CaptureInterface = {
    name: "",
    description: "",
    linkType: body.getUint16(0, true),
    snaplen: body.getUint32(4, true),
    resolution: 6,
  };
  for (const { code, value } of options(block, 8)) {
    if (code === 2) device.name = text(value);
    else if (code === 3) device.description = text(value);
    else if (code === 4) device.ipv4 = `${quad(value, 0)}/${quad(value, 4)}`;
    else if (code === 5) device.ipv6 = `${hextets(value)}/${value.getUint8(16)}`;
    else if (code === 6) device.mac = mac(value);
    else if (code === 8) device.speed = value.getBigUint64(0, true);
    else if (code === 9) device.resolution = value.getUint8(0);
    else throw new Error(`byte ${at}: interface option ${code} is not known`);
  }
  return device;
}

/** An IPv6 address in the short form of RFC 5952, as the URL standard has it. */
function six(value: DataView): string {
  const groups = Array.from({ length: 8 }, (_, i) => value.getUint16(2 * i).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function readNames(block: Block): { address: string; names: string[] }[] {
  const { at: blockAt, body } = block;
  const names: { address: string; names: string[] }[] = [];
  let at = 0;
  while (body.getUint16(at, true) !== 0) {
    const type = body.getUint16(at, true);
    if (type !== 1 && type !== 2) throw new Error(`byte ${blockAt}: a name record is not of an address`);
    const length = body.getUint16(at + 2, true);
    const value = part(body, at + 4, length);
    const bytes = type === 1 ? 4 : 16;
    const texts = text(part(value, bytes, length - bytes));
    if (!texts.endsWith("\0")) throw new Error(`byte ${blockAt}: a name does not end with a zero`);
    names.push({ address: type === 1 ? quad(value, 0) : six(value), names: texts.slice(0, -1).split("\0") });
    at += 4 + length;
    at += padding(body, at, blockAt);
  }
  options(block, at + 4);
  return names;
}

function readPacket(block: Block, interfaces: CaptureInterface[]): CapturePacket {
  const { at, body } = block;
  const interfaceId = body.getUint32(0, true);
  const device = interfaces[interfaceId];
  if (!device) throw new Error(`byte ${at}: a packet of interface ${interfaceId}, which is not described before it`);
  const captured = body.getUint32(12, true);
  if (20 + captured > body.byteLength) throw new Error(`byte ${at}: the packet is longer than its block`);
  const packet: CapturePacket = {
    device: device.name,
    interfaceId,
    time: time(body, 4, device),
    direction: "unknown",
    reception: "unknown",
    originalLength: body.getUint32(16, true),
    bytes: new Uint8Array(body.buffer, body.byteOffset + 20, captured),
  };
  const end = 20 + captured;
  for (const { code, value } of options(block, end + padding(body, end, at))) {
    if (code === 1) packet.comment = text(value);
    else if (code === 2) {
      packet.direction = DIRECTIONS[value.getUint32(0, true) & 3] ?? "unknown";
      packet.reception = RECEPTIONS[(value.getUint32(0, true) >> 2) & 7] ?? "unknown";
    } else if (code === 5) packet.id = value.getBigUint64(0, true);
    else throw new Error(`byte ${at}: packet option ${code} is not known`);
  }
  return packet;
}

function readStatistics(block: Block): CaptureStatistics {
  const { at, body } = block;
  const nanoseconds = { resolution: 9 };
  const statistics: CaptureStatistics = { interfaceId: body.getUint32(0, true), time: time(body, 4, nanoseconds) };
  for (const { code, value } of options(block, 12)) {
    if (code === 2) statistics.start = time(value, 0, nanoseconds);
    else if (code === 3) statistics.end = time(value, 0, nanoseconds);
    else if (code === 4) statistics.received = value.getBigUint64(0, true);
    else if (code === 5) statistics.dropped = value.getBigUint64(0, true);
    else throw new Error(`byte ${at}: statistics option ${code} is not known`);
  }
  return statistics;
}

/** A high and a low word in the interface's units, in nanoseconds. */
function time(view: DataView, at: number, { resolution }: { resolution: number }): bigint {
  const units = (BigInt(view.getUint32(at, true)) << 32n) | BigInt(view.getUint32(at + 4, true));
  return units * 10n ** BigInt(9 - resolution);
}

function part(view: DataView, at: number, length: number): DataView {
  return new DataView(view.buffer, view.byteOffset + at, length);
}

function text(view: DataView): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(view);
}

function quad(view: DataView, at: number): string {
  return [0, 1, 2, 3].map((i) => view.getUint8(at + i)).join(".");
}

function mac(view: DataView): string {
  return Array.from({ length: 6 }, (_, i) => view.getUint8(i).toString(16).padStart(2, "0")).join(":");
}

function hextets(value: DataView): string {
  return Array.from({ length: 8 }, (_, i) => value.getUint16(2 * i).toString(16)).join(":");
}
