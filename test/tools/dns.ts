// Decodes DNS messages (RFC 1035) for tests.

export interface DnsRecordSeen {
  name: string;
  type: string;
  ttl: number;
  /** A: address. CNAME, PTR, NS: name. SRV: `priority weight port target`. Otherwise hexadecimal. */
  value: string;
}

export interface Dns {
  id: number;
  response: boolean;
  authoritative: boolean;
  truncated: boolean;
  recursionDesired: boolean;
  recursionAvailable: boolean;
  /** 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN. */
  rcode: number;
  questions: { name: string; type: string }[];
  answers: DnsRecordSeen[];
  authorities: DnsRecordSeen[];
  additional: DnsRecordSeen[];
}

const TYPES: Record<number, string> = {
  1: "A",
  2: "NS",
  5: "CNAME",
  6: "SOA",
  12: "PTR",
  16: "TXT",
  28: "AAAA",
  33: "SRV",
  41: "OPT",
};

interface Cursor {
  bytes: Uint8Array;
  view: DataView;
  at: number;
}

/** Decodes a message; throws a RangeError if it is cut off, has bytes left over, or a name that points forward. */
export function decodeDns(bytes: Uint8Array): Dns {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = view.getUint16(2);
  const counts = [4, 6, 8, 10].map((at) => view.getUint16(at));
  const cursor: Cursor = { bytes, view, at: 12 };
  const message: Dns = {
    id: view.getUint16(0),
    response: (flags & 0x8000) !== 0,
    authoritative: (flags & 0x0400) !== 0,
    truncated: (flags & 0x0200) !== 0,
    recursionDesired: (flags & 0x0100) !== 0,
    recursionAvailable: (flags & 0x0080) !== 0,
    rcode: flags & 15,
    questions: times(counts[0], () => question(cursor)),
    answers: times(counts[1], () => record(cursor)),
    authorities: times(counts[2], () => record(cursor)),
    additional: times(counts[3], () => record(cursor)),
  };
  if (cursor.at !== bytes.length) throw new RangeError(`${bytes.length - cursor.at} bytes follow the DNS message`);
  return message;
}

function times<T>(count: number | undefined, read: () => T): T[] {
  return Array.from({ length: count ?? 0 }, read);
}

function question(cursor: Cursor): { name: string; type: string } {
  const asked = name(cursor);
  const type = cursor.view.getUint16(cursor.at);
  cursor.at += 4;
  return { name: asked, type: typeName(type) };
}

function record(cursor: Cursor): DnsRecordSeen {
  const owner = name(cursor);
  const { view } = cursor;
  const type = typeName(view.getUint16(cursor.at));
  const ttl = view.getUint32(cursor.at + 4);
  const end = cursor.at + 10 + view.getUint16(cursor.at + 8);
  cursor.at += 10;
  const value = recordValue(type, cursor, end);
  if (cursor.at !== end) throw new RangeError(`the value of a ${type} record has not its length`);
  return { name: owner, type, ttl, value };
}

function recordValue(type: string, cursor: Cursor, end: number): string {
  const { bytes, view } = cursor;
  if (type === "A" && end - cursor.at === 4) return Array.from(take(cursor, 4)).join(".");
  if (type === "AAAA" && end - cursor.at === 16) {
    const groups = Buffer.from(take(cursor, 16)).toString("hex").match(/.{4}/g) ?? [];
    // The short form of RFC 5952, as the URL standard has it.
    return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
  }
  if (type === "CNAME" || type === "PTR" || type === "NS") return name(cursor);
  if (type === "SRV") {
    const numbers = [0, 2, 4].map((i) => view.getUint16(cursor.at + i));
    cursor.at += 6;
    return [...numbers, name(cursor)].join(" ");
  }
  if (end > bytes.length) throw new RangeError("the DNS message ends inside a record");
  return Buffer.from(take(cursor, end - cursor.at)).toString("hex");
}

function take(cursor: Cursor, length: number): Uint8Array {
  cursor.at += length;
  return cursor.bytes.subarray(cursor.at - length, cursor.at);
}

/** A name without its final dot; follows compression pointers, which must point back. */
function name(cursor: Cursor): string {
  const labels: string[] = [];
  let at = cursor.at;
  let before = at;
  let pointed = false;
  for (;;) {
    const length = cursor.view.getUint8(at);
    if (length >= 0xc0) {
      if (!pointed) cursor.at = at + 2;
      pointed = true;
      at = cursor.view.getUint16(at) & 0x3fff;
      if (at >= before) throw new RangeError("a DNS name points forward");
      before = at;
      continue;
    }
    if (length === 0) break;
    if (at + 1 + length > cursor.bytes.length) throw new RangeError("the DNS message ends inside a name");
    labels.push(Buffer.from(cursor.bytes.subarray(at + 1, at + 1 + length)).toString("latin1"));
    at += 1 + length;
  }
  if (!pointed) cursor.at = at + 1;
  return labels.join(".");
}

function typeName(type: number): string {
  return TYPES[type] ?? `TYPE${type}`;
}
