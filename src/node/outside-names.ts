// The names of the world outside the cluster: who has which address there, as the resolver outside tells it.
import { formatIpv4, parseIpv4 } from "../address.ts";
import { reverseName } from "../address6.ts";
import { InputError } from "../errors.ts";
import type { DnsRecord } from "../seam/plan.ts";
import { CLIENT_ADDRESS, RESOLVER_ADDRESS } from "./outside-addresses.ts";
import { CLIENT_ADDRESS6, RESOLVER_ADDRESS6 } from "./outside-addresses6.ts";

/** How long records outside live, in seconds. */
const TTL = 300;
/** Names without an address of their own get these, in order. */
const POOL = { first: "198.51.100.64", last: "198.51.100.254" };
/** Those that are always there (RFC 6761: nobody else has names in .example). */
const FIXED: [name: string, four: string, six: string][] = [
  ["client.example", CLIENT_ADDRESS, CLIENT_ADDRESS6],
  ["resolver.example", RESOLVER_ADDRESS, RESOLVER_ADDRESS6],
];

/** The IPv6 address that goes with one of the pool: 2001:db8:0:64::40 with 198.51.100.64. */
function sixOfPool(address: number): string {
  return `2001:db8:0:64::${(address & 255).toString(16)}`;
}

/**
 * Gives every name addresses: those that `known` says, or the next of the pool, with `six` one of IPv6 besides. Throws an InputError if
 * that is used up.
 */
export function addressesOf(
  names: readonly string[],
  known: ReadonlyMap<string, readonly string[]>,
  six = false,
): Map<string, readonly string[]> {
  const always = FIXED.map(([name, four, other]): [string, string[]] => [name, six ? [four, other] : [four]]);
  const fixed = new Map<string, readonly string[]>([...always, ...known]);
  const taken = new Set([...fixed.values()].flat());
  const last = parseIpv4(POOL.last) ?? 0;
  let next = parseIpv4(POOL.first) ?? 0;
  for (const name of names) {
    if (fixed.has(name)) continue;
    while (taken.has(formatIpv4(next))) next++;
    if (next > last) throw new InputError({}, `no address is left for ${name}; give it one in the scenario's hosts`);
    fixed.set(name, [formatIpv4(next), ...(six ? [sixOfPool(next)] : [])]);
    taken.add(formatIpv4(next));
  }
  return fixed;
}

/** The records of those names, each address with the name of its first. */
export function outsideRecords(addresses: ReadonlyMap<string, readonly string[]>): DnsRecord[] {
  const reverse = new Map<string, string>();
  const pairs = [...addresses].flatMap(([name, own]) => own.map((address) => ({ name, address })));
  for (const { name, address } of pairs) if (!reverse.has(address)) reverse.set(address, name);
  return [
    ...pairs.map(({ name, address: value }) => ({
      name,
      type: value.includes(":") ? ("AAAA" as const) : ("A" as const),
      ttl: TTL,
      value,
    })),
    ...[...reverse].map(([address, value]) => ({
      name: reverseName(address),
      type: "PTR" as const,
      ttl: TTL,
      value,
    })),
  ];
}
