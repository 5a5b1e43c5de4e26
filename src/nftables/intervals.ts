// Sets of addresses that are written in a rule, between braces: sorted and merged as nft(8) does before it prints them.
import { formatIpv4, parseCidr } from "../address.ts";
import { formatIpv6, parseCidr6 } from "../address6.ts";

/** Addresses from `first` to `last`. */
interface Interval {
  first: bigint;
  last: bigint;
}

/** A family's addresses: how many bits they have, and how one is written. */
interface Family {
  bits: number;
  format: (address: bigint) => string;
}

const IPV4: Family = { bits: 32, format: (address) => formatIpv4(Number(address)) };
const IPV6: Family = { bits: 128, format: formatIpv6 };

/**
 * Addresses and blocks of one family as nft prints them in a rule: a single one bare, several between braces. Where there is a block among
 * them, neighbours become one, which may then be a range `a-b`. Throws a TypeError for what is none.
 */
export function printAddressSet(texts: readonly string[]): string {
  const family = texts.some((text) => text.includes(":")) ? IPV6 : IPV4;
  const given = texts.map((text) => intervalOf(text, family)).sort(byFirst);
  const [only, ...more] = given;
  if (only === undefined) throw new TypeError("a set in a rule has at least one element");
  if (more.length === 0) return printInterval(only, family);
  const hasBlock = given.some(({ first, last }) => first !== last);
  const merged: Interval[] = [];
  for (const interval of given) {
    const before = merged.at(-1);
    const joins = before && interval.first <= before.last + (hasBlock ? 1n : 0n);
    if (joins) before.last = interval.last > before.last ? interval.last : before.last;
    else merged.push({ ...interval });
  }
  return `{ ${merged.map((interval) => printInterval(interval, family)).join(", ")} }`;
}

function intervalOf(text: string, { bits }: Family): Interval {
  const block = bits === IPV4.bits ? parseCidr(text) : parseCidr6(text);
  if (!block) throw new TypeError(`${text} is not an address block`);
  const first = BigInt(block.network);
  return { first, last: first + (1n << BigInt(bits - block.prefix)) - 1n };
}

function byFirst(a: Interval, b: Interval): number {
  return a.first < b.first ? -1 : a.first > b.first ? 1 : 0;
}

/** An address, a block if it is one, or a range. */
function printInterval({ first, last }: Interval, { bits, format }: Family): string {
  if (first === last) return format(first);
  const size = last - first + 1n;
  const isBlock = (size & (size - 1n)) === 0n && first % size === 0n;
  if (!isBlock) return `${format(first)}-${format(last)}`;
  return `${format(first)}/${bits + 1 - size.toString(2).length}`;
}
