// DNS messages as dig and nslookup need them: a question to bytes, an answer to its parts and their text.
import { wireName } from "../engine/zone.ts";
import { formatIpv4 } from "../address.ts";
import { formatIpv6, ipv6OfBytes } from "../address6.ts";

/** Types by name, those that have a text here. */
export const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  ANY: 255,
};
const OPT = 41;
const CLASS_IN = 1;
const EDNS_BYTES = 1232;
export const RECURSION_DESIRED = 0x0100;

const RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
const FLAGS: readonly [bit: number, name: string][] = [
  [0x8000, "qr"],
  [0x0400, "aa"],
  [0x0200, "tc"],
  [0x0100, "rd"],
  [0x0080, "ra"],
  [0x0020, "ad"],
  [0x0010, "cd"],
];

export interface Question {
  name: string;
  type: number;
}

export interface RecordText {
  /** With its final dot. */
  name: string;
  type: string;
  ttl: number;
  data: string;
}

export interface Message {
  id: number;
  flags: number;
  flagNames: string[];
  status: string;
  questions: { name: string; type: string }[];
  answer: RecordText[];
  authority: RecordText[];
  additional: RecordText[];
  /** The largest datagram of the server, if it speaks EDNS. */
  edns: number | undefined;
  bytes: number;
}

export function encodeQuery(
  id: number,
  { name, type }: Question,
  options: { recursion: boolean; edns: boolean },
): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE(options.recursion ? RECURSION_DESIRED : 0, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(options.edns ? 1 : 0, 10);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(type, 0);
  tail.writeUInt16BE(CLASS_IN, 2);
  const opt = Buffer.from([0, 0, OPT, EDNS_BYTES >> 8, EDNS_BYTES & 255, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, wireName(name.replace(/\.$/, "")), tail, ...(options.edns ? [opt] : [])]);
}

/** The name of a type, `TYPE65` for those without one. */
export function typeName(type: number): string {
  return Object.entries(TYPES).find(([, code]) => code === type)?.[0] ?? `TYPE${type}`;
}

/** Reads a message. Throws a RangeError for one that is cut off. */
export function decodeMessage(bytes: Uint8Array): Message {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = view.readUInt16BE(2);
  const cursor = { at: 12 };
  const questions = Array.from({ length: view.readUInt16BE(4) }, () => {
    const name = readName(view, cursor);
    const type = typeName(view.readUInt16BE(cursor.at));
    cursor.at += 4;
    return { name, type };
  });
  let edns: number | undefined;
  const records = (count: number): RecordText[] =>
    Array.from({ length: count }, () => readRecord(view, cursor)).flatMap(({ type, size, ...rest }) => {
      if (type !== OPT) return [{ ...rest, type: typeName(type) }];
      edns = size;
      return [];
    });
  const answer = records(view.readUInt16BE(6));
  const authority = records(view.readUInt16BE(8));
  const additional = records(view.readUInt16BE(10));
  return {
    id: view.readUInt16BE(0),
    flags,
    flagNames: FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name),
    status: RCODES[flags & 15] ?? `RESERVED${flags & 15}`,
    questions,
    answer,
    authority,
    additional,
    edns,
    bytes: bytes.length,
  };
}

interface Cursor {
  at: number;
}

/** A name with its final dot; pointers are followed. */
function readName(view: Buffer, cursor: Cursor): string {
  const labels: string[] = [];
  let at = cursor.at;
  let end = -1;
  for (let jumps = 0; ;) {
    const length = view.readUInt8(at);
    if (length >= 192) {
      if (end < 0) end = at + 2;
      at = view.readUInt16BE(at) & 0x3fff;
      if (++jumps > 64) throw new RangeError("a name that points in circles");
    } else if (length === 0) {
      cursor.at = end < 0 ? at + 1 : end;
      return `${labels.join(".")}.`;
    } else {
      labels.push(view.subarray(at + 1, at + 1 + length).toString("latin1"));
      at += 1 + length;
    }
  }
}

function readRecord(
  view: Buffer,
  cursor: Cursor,
): { name: string; type: number; size: number; ttl: number; data: string } {
  const name = readName(view, cursor);
  const at = cursor.at;
  const type = view.readUInt16BE(at);
  const length = view.readUInt16BE(at + 8);
  const data = dataText(view, type, at + 10, length);
  cursor.at = at + 10 + length;
  return { name, type, size: view.readUInt16BE(at + 2), ttl: view.readUInt32BE(at + 4), data };
}

function dataText(view: Buffer, type: number, at: number, length: number): string {
  const cursor = { at };
  switch (typeName(type)) {
    case "A":
      return formatIpv4(view.readUInt32BE(at));
    case "AAAA":
      return formatIpv6(ipv6OfBytes(view.subarray(at, at + 16)));
    case "NS":
    case "CNAME":
    case "PTR":
      return readName(view, cursor);
    case "MX":
      cursor.at += 2;
      return `${view.readUInt16BE(at)} ${readName(view, cursor)}`;
    case "SRV":
      cursor.at += 6;
      return `${[0, 2, 4].map((offset) => view.readUInt16BE(at + offset)).join(" ")} ${readName(view, cursor)}`;
    case "SOA": {
      const names = [readName(view, cursor), readName(view, cursor)];
      return [...names, ...[0, 4, 8, 12, 16].map((offset) => view.readUInt32BE(cursor.at + offset))].join(" ");
    }
    case "TXT":
      return `"${view.subarray(at + 1, at + 1 + view.readUInt8(at)).toString("latin1")}"`;
    default:
      // The form for what has none of its own (RFC 3597).
      return `\\# ${length} ${view
        .subarray(at, at + length)
        .toString("hex")
        .toUpperCase()}`.trim();
  }
}
