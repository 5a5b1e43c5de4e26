// Reads capture files: classic pcap (microseconds or nanoseconds, either byte order) and pcapng, to frames with their times.
import { InputError } from "../errors.ts";

/** A packet of a capture file. */
export interface CapturedPacket {
  /** Since 1970, in nanoseconds. */
  time: bigint;
  bytes: Uint8Array;
  /** Which interface of the file saw it, from 0; its name if the file says it. */
  interfaceId: number;
  interfaceName?: string | undefined;
}

const ETHERNET = 1;
const CLASSIC = new Map([
  [0xa1b2c3d4, 1000n],
  [0xa1b23c4d, 1n],
]);
const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const SIMPLE = 3;
const ENHANCED = 6;
const OLD_PACKET = 2;
const BYTE_ORDER = 0x1a2b3c4d;

/** The packets of a capture file in the file's order. Throws an InputError with the file for anything that is not sound. */
export function readCapture(file: Uint8Array, path: string): CapturedPacket[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 12) fail(path, "it is too short for a capture file (pcap or pcapng)");
  if (view.getUint32(0) === SECTION) return readPcapng(view, path);
  for (const little of [true, false]) {
    const unit = CLASSIC.get(view.getUint32(0, little));
    if (unit !== undefined) return readClassic(view, path, little, unit);
  }
  return fail(path, "it is no capture file; it should begin as pcap or pcapng does");
}

function fail(path: string, sentence: string): never {
  throw new InputError({ file: path }, sentence);
}

function slice(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length).slice();
}

function checkLink(path: string, type: number): void {
  if (type !== ETHERNET) fail(path, `its link type is ${type}; it should be 1 (Ethernet)`);
}

/** draft-ietf-opsawg-pcap: 24 bytes of header, then records of 16 bytes and the packet. */
function readClassic(view: DataView, path: string, little: boolean, unit: bigint): CapturedPacket[] {
  if (view.byteLength < 24) fail(path, "it ends in its header");
  checkLink(path, view.getUint32(20, little) & 0x0fffffff);
  const packets: CapturedPacket[] = [];
  for (let at = 24; at < view.byteLength;) {
    const number = packets.length + 1;
    if (view.byteLength - at < 16) fail(path, `it ends in the header of packet ${number}`);
    const seconds = BigInt(view.getUint32(at, little));
    const fraction = BigInt(view.getUint32(at + 4, little));
    const length = view.getUint32(at + 8, little);
    wholePacket(path, number, length, view.getUint32(at + 12, little), view.byteLength - at - 16);
    const time = seconds * 1_000_000_000n + fraction * unit;
    packets.push({ time, bytes: slice(view, at + 16, length), interfaceId: 0 });
    at += 16 + length;
  }
  return packets;
}

function wholePacket(path: string, number: number, captured: number, length: number, left: number): void {
  if (captured > left) fail(path, `it ends in packet ${number}`);
  if (captured < length)
    fail(path, `of packet ${number} it has ${captured} of ${length} bytes; capture whole packets (snaplen 0)`);
}

interface Interface {
  name: string | undefined;
  /** Units of time in a second, and nanoseconds to add. */
  perSecond: bigint;
  offset: bigint;
}

/** draft-ietf-opsawg-pcapng: blocks of a type, a length, a body and the length again. */
function readPcapng(view: DataView, path: string): CapturedPacket[] {
  const packets: CapturedPacket[] = [];
  let interfaces: Interface[] = [];
  let little = true;
  for (let at = 0; at < view.byteLength;) {
    if (view.byteLength - at < 12) fail(path, "it ends in the header of a block");
    const isSection = view.getUint32(at) === SECTION;
    if (isSection) {
      little = view.getUint32(at + 8, true) === BYTE_ORDER;
      if (!little && view.getUint32(at + 8) !== BYTE_ORDER) fail(path, "a section has no byte order");
      interfaces = [];
    }
    const type = view.getUint32(at, little);
    const length = view.getUint32(at + 4, little);
    if (length < 12 || length % 4 !== 0 || length > view.byteLength - at)
      fail(path, "it ends in a block, or is damaged");
    const body = new DataView(view.buffer, view.byteOffset + at + 8, length - 12);
    if (type === INTERFACE) interfaces.push(readInterface(body, path, little));
    else if (type === ENHANCED) packets.push(readEnhanced(body, path, little, interfaces, packets.length + 1));
    else if (type === SIMPLE || type === OLD_PACKET)
      fail(path, "it has packets without times (simple or obsolete packet blocks); save it anew as pcapng");
    at += length;
  }
  return packets;
}

function readInterface(body: DataView, path: string, little: boolean): Interface {
  if (body.byteLength < 8) fail(path, "an interface description is too short");
  checkLink(path, body.getUint16(0, little));
  const found: Interface = { name: undefined, perSecond: 1_000_000n, offset: 0n };
  for (let at = 8; at + 4 <= body.byteLength;) {
    const code = body.getUint16(at, little);
    const length = body.getUint16(at + 2, little);
    if (code === 0 || at + 4 + length > body.byteLength) break;
    if (code === 2) found.name = new TextDecoder().decode(slice(body, at + 4, length));
    if (code === 9 && length === 1) {
      const resolution = body.getUint8(at + 4);
      found.perSecond = resolution & 0x80 ? 1n << BigInt(resolution & 0x7f) : 10n ** BigInt(resolution);
    }
    if (code === 14 && length === 8) found.offset = body.getBigInt64(at + 4, little) * 1_000_000_000n;
    at += 4 + ((length + 3) & ~3);
  }
  return found;
}

function readEnhanced(
  body: DataView,
  path: string,
  little: boolean,
  interfaces: readonly Interface[],
  number: number,
): CapturedPacket {
  if (body.byteLength < 20) fail(path, `packet ${number} is too short`);
  const interfaceId = body.getUint32(0, little);
  const found = interfaces[interfaceId];
  if (!found) fail(path, `packet ${number} is of interface ${interfaceId}, which the file does not describe`);
  const ticks = (BigInt(body.getUint32(4, little)) << 32n) | BigInt(body.getUint32(8, little));
  const length = body.getUint32(12, little);
  wholePacket(path, number, length, body.getUint32(16, little), body.byteLength - 20);
  return {
    time: (ticks * 1_000_000_000n) / found.perSecond + found.offset,
    bytes: slice(body, 20, length),
    interfaceId,
    interfaceName: found.name,
  };
}
