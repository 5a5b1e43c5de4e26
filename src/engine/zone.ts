// What DNS servers know, as the blocks that the kernel answers from; see assembly/layout/zone.ts.
import * as Z from "../../assembly/layout/zone.ts";
import { parseIpv4 } from "../address.ts";
import { ipv6Bytes, parseIpv6 } from "../address6.ts";
import type { ChangedName } from "../seam/change.ts";
import type { DnsRecord } from "../seam/plan.ts";

const APEX = "cluster.local";
/** CoreDNS' answer to what is not there lives as long as its records do. */
const SOA_TTL = 30;
const DOMAIN_TTL = 900;
const ROOT_TTL = 86400;

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

/** The block of the cluster's zone. Every name above a record exists too, so that asking for it is answered with "no data". */
export function clusterZone(records: readonly DnsRecord[]): Uint32Array {
  return pack(clusterNames(records));
}

function clusterNames(records: readonly DnsRecord[]): Names {
  const names: Names = new Map([[APEX, named([soa(APEX, `ns.dns.${APEX}`, SOA_TTL)])]]);
  return gather(names, records, (above) => above.endsWith(APEX));
}

/**
 * The block of the world's names, as a resolver that knows all of them answers: what is not in there does not exist. Each domain of two
 * labels and the root have an SOA record.
 */
export function worldZone(records: readonly DnsRecord[]): Uint32Array {
  const names: Names = new Map([["", named([soa("", "a.root-servers.net", ROOT_TTL)])]]);
  for (const { name } of records) {
    const domain = name.split(".").slice(-2).join(".");
    if (!names.has(domain)) names.set(domain, named([soa(domain, `ns.${domain}`, DOMAIN_TTL)]));
  }
  return pack(gather(names, records, () => true));
}

/**
 * The cluster's zone while names change: each block has what is other than at the start, which the kernel looks at before the zone. A
 * name that has come makes those above it exist; one that has gone takes those with it that nothing else is below.
 */
export class ChangingZone {
  readonly #names: Names;
  /** How many names are right below each. */
  readonly #below = new Map<string, number>();

  /** `records`: those of the start. */
  constructor(records: readonly DnsRecord[]) {
    this.#names = clusterNames(records);
    for (const name of this.#names.keys()) this.#count(this.#below, name, 1);
  }

  /** The block of names with the records that they have now; those without are gone. */
  block(changed: readonly ChangedName[]): Uint32Array {
    const now = gather(
      new Map(),
      changed.flatMap(({ records }) => [...records]),
      (above) => above.endsWith(APEX),
    );
    const below = new Map<string, number>();
    for (const name of now.keys()) if (!this.#names.has(name)) this.#count(below, name, 1);
    const bare = new Set(changed.filter(({ records }) => records.length === 0).map(({ name }) => name));
    const doubtful = new Set([...bare].flatMap((name) => [name, ...aboveOf(name)]));
    // From the deepest up, as a name goes with the last one below it.
    for (const name of [...doubtful].sort((a, b) => b.split(".").length - a.split(".").length)) {
      const known = this.#names.get(name);
      if (!known || now.has(name) || (known.stands && !bare.has(name))) continue;
      const left = (this.#below.get(name) ?? 0) + (below.get(name) ?? 0);
      if (left === 0) this.#count(below, name, -1);
      now.set(name, { ...named([]), isGone: left === 0 });
    }
    // What exists anyway has its records.
    for (const [name, { stands, isGone }] of now) {
      const known = this.#names.get(name);
      if (known?.stands && !stands && !isGone && !bare.has(name)) now.set(name, known);
    }
    return pack(now);
  }

  #count(below: Map<string, number>, name: string, by: number): void {
    const above = parent(name);
    below.set(above, (below.get(above) ?? 0) + by);
  }
}

interface Named {
  records: WireRecord[];
  /** Whether it exists for its own sake, not as one above others. */
  stands: boolean;
  /** The name was there, and is not any more. */
  isGone?: boolean;
  /** Not 0: names below are addresses with dashes, and live so many seconds. */
  pods: number;
}

type Names = Map<string, Named>;

function named(records: WireRecord[]): Named {
  return { records, stands: records.length > 0, pods: 0 };
}

/** Adds records to names, and the names above them that `exists` says are there. */
function gather(names: Names, records: readonly DnsRecord[], exists: (above: string) => boolean): Names {
  for (const record of records) {
    const own = names.get(record.name) ?? named([]);
    names.set(record.name, own);
    own.stands = true;
    if (record.type === "PODS") own.pods = record.ttl;
    else if (record.type !== "NAME")
      own.records.push({ type: TYPES[record.type], ttl: record.ttl, data: dataOf(record.type, record.value) });
    for (let above = parent(record.name); above !== "" && exists(above); above = parent(above)) {
      if (!names.has(above)) names.set(above, named([]));
    }
  }
  return names;
}

/** The names above one. */
function aboveOf(name: string): string[] {
  const above = parent(name);
  return above === "" ? [] : [above, ...aboveOf(above)];
}

function parent(name: string): string {
  return name.slice(name.indexOf(".") + 1 || name.length);
}

/** Who is to be believed about a domain, and how long "no" may be remembered. */
function soa(domain: string, server: string, ttl: number): WireRecord {
  const numbers = new Uint8Array(20);
  const view = new DataView(numbers.buffer);
  [1, 7200, 1800, 86400, ttl].forEach((value, i) => view.setUint32(i * 4, value));
  const data = [...wireName(server), ...wireName(`hostmaster.${domain}`), ...numbers];
  return { type: Z.DNS_SOA, ttl, data: Uint8Array.from(data) };
}

const TYPES = {
  A: Z.DNS_A,
  AAAA: Z.DNS_AAAA,
  NS: Z.DNS_NS,
  CNAME: Z.DNS_CNAME,
  PTR: Z.DNS_PTR,
  SRV: Z.DNS_SRV,
} as const;

function dataOf(type: keyof typeof TYPES, value: string): Uint8Array {
  if (type === "A") {
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, parseIpv4(value) ?? 0);
    return data;
  }
  if (type === "AAAA") return ipv6Bytes(parseIpv6(value) ?? 0n);
  if (type !== "SRV") return wireName(value);
  const [priority = "0", weight = "0", port = "0", target = ""] = value.split(" ");
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

function pack(names: Names): Uint32Array {
  let buckets = 16;
  while (buckets < names.size) buckets *= 2;
  const entries = [...names].map(([name, { isGone = false, ...own }]) => ({
    ...own,
    wire: wireName(name.toLowerCase()),
    count: isGone ? Z.GONE : own.records.length,
  }));
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
  for (const { wire, records, pods, count } of entries) {
    const bucket = Z.ZONE_BUCKETS + (hash(wire) & (buckets - 1)) * 4;
    set(at + Z.ENTRY_NEXT, words[bucket / 4] ?? 0);
    set(bucket, at);
    set(at + Z.ENTRY_NAME_LENGTH, wire.length);
    set(at + Z.ENTRY_RECORDS, count);
    set(at + Z.ENTRY_PODS, pods);
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
