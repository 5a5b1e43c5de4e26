// The zone of the cluster's DNS server as the block that the kernel answers from; see assembly/layout/zone.ts.
import * as Z from "../../assembly/layout/zone.ts";
import { parseIpv4 } from "../address.ts";
import type { DnsRecord } from "../seam/plan.ts";

const APEX = "cluster.local";
const SOA_TTL = 30;

/** A name in wire form: each label behind its length, a zero at the end. */
export function wireName(name: string): Uint8Array {
  const labels = name.split(".").filter((label) => label !== "");
  return Uint8Array.from([...labels.flatMap((label) => [label.length, ...new TextEncoder().encode(label)]), 0]);
}

interface WireRecord {
  type: number;
  ttl: number;
  data: Uint8Array;
}

/** The block of a zone. Every name above a record exists too, so that asking for it is answered with "no data". */
export function zoneBlock(records: readonly DnsRecord[]): Uint32Array {
  const names = new Map<string, WireRecord[]>([[APEX, [soa()]]]);
  for (const record of records) {
    const own = names.get(record.name) ?? [];
    own.push({ type: typeOf(record), ttl: record.ttl, data: dataOf(record) });
    names.set(record.name, own);
    for (let above = parent(record.name); above !== "" && above.endsWith(APEX); above = parent(above)) {
      if (!names.has(above)) names.set(above, []);
    }
  }
  return pack(names);
}

function parent(name: string): string {
  return name.slice(name.indexOf(".") + 1 || name.length);
}

/** CoreDNS' answer to what is not there: who is to be believed, and for how long. */
function soa(): WireRecord {
  const numbers = new Uint8Array(20);
  const view = new DataView(numbers.buffer);
  [1, 7200, 1800, 86400, SOA_TTL].forEach((value, i) => view.setUint32(i * 4, value));
  const data = [...wireName(`ns.dns.${APEX}`), ...wireName(`hostmaster.${APEX}`), ...numbers];
  return { type: Z.DNS_SOA, ttl: SOA_TTL, data: Uint8Array.from(data) };
}

function typeOf(record: DnsRecord): number {
  return { A: Z.DNS_A, CNAME: Z.DNS_CNAME, PTR: Z.DNS_PTR, SRV: Z.DNS_SRV }[record.type];
}

function dataOf(record: DnsRecord): Uint8Array {
  if (record.type === "A") {
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, parseIpv4(record.value) ?? 0);
    return data;
  }
  if (record.type !== "SRV") return wireName(record.value);
  const [priority = "0", weight = "0", port = "0", target = ""] = record.value.split(" ");
  const head = new Uint8Array(6);
  const view = new DataView(head.buffer);
  [priority, weight, port].forEach((value, i) => view.setUint16(i * 2, Number(value)));
  return Uint8Array.from([...head, ...wireName(target)]);
}

function hash(name: Uint8Array): number {
  let value = Z.ZONE_HASH_START;
  for (const byte of name) value = Math.imul(value ^ byte, Z.ZONE_HASH_PRIME);
  return value >>> 0;
}

function pack(names: ReadonlyMap<string, WireRecord[]>): Uint32Array {
  let buckets = 16;
  while (buckets < names.size) buckets *= 2;
  const entries = [...names].map(([name, records]) => ({ name, wire: wireName(name.toLowerCase()), records }));
  const padded = (length: number): number => (length + 3) & ~3;
  const size = entries.reduce(
    (sum, { wire, records }) =>
      sum +
      Z.ENTRY_NAME +
      padded(wire.length) +
      records.reduce((total, { data }) => total + Z.RECORD_DATA + padded(data.length), 0),
    Z.ZONE_BUCKETS + buckets * 4,
  );
  const words = new Uint32Array(size / 4);
  const bytes = new Uint8Array(words.buffer);
  const set = (at: number, value: number): void => void (words[at / 4] = value);
  set(Z.ZONE_MASK, buckets - 1);
  let at = Z.ZONE_BUCKETS + buckets * 4;
  for (const { name, wire, records } of entries) {
    const bucket = Z.ZONE_BUCKETS + (hash(wire) & (buckets - 1)) * 4;
    set(at + Z.ENTRY_NEXT, words[bucket / 4] ?? 0);
    set(bucket, at);
    if (name === APEX) set(Z.ZONE_APEX, at);
    set(at + Z.ENTRY_NAME_LENGTH, wire.length);
    set(at + Z.ENTRY_RECORDS, records.length);
    bytes.set(wire, at + Z.ENTRY_NAME);
    at += Z.ENTRY_NAME + padded(wire.length);
    for (const { type, ttl, data } of records) {
      set(at + Z.RECORD_TYPE, type);
      set(at + Z.RECORD_TTL, ttl);
      set(at + Z.RECORD_LENGTH, data.length);
      bytes.set(data, at + Z.RECORD_DATA);
      at += Z.RECORD_DATA + padded(data.length);
    }
  }
  return words;
}
