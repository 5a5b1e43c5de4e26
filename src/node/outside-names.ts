// The names of the world outside the cluster: who has which address there, as the resolver outside tells it.
import { formatIpv4, parseIpv4 } from "../address.ts";
import { reverseName } from "../address6.ts";
import { InputError } from "../errors.ts";
import type { DnsRecord } from "../seam/plan.ts";
import { CLIENT_ADDRESS, RESOLVER_ADDRESS } from "./outside-addresses.ts";

/** How long records outside live, in seconds. */
const TTL = 300;
/** Names without an address of their own get these, in order. */
const POOL = { first: "198.51.100.64", last: "198.51.100.254" };
/** Those that are always there (RFC 6761: nobody else has names in .example). */
const FIXED: [name: string, address: string][] = [
  ["client.example", CLIENT_ADDRESS],
  ["resolver.example", RESOLVER_ADDRESS],
];

/** Gives every name an address: the one that `known` says, or the next of the pool. Throws an InputError if that is used up. */
export function addressesOf(names: readonly string[], known: ReadonlyMap<string, string>): Map<string, string> {
  const fixed = new Map([...FIXED, ...known]);
  const taken = new Set(fixed.values());
  const last = parseIpv4(POOL.last) ?? 0;
  let next = parseIpv4(POOL.first) ?? 0;
  for (const name of names) {
    if (fixed.has(name)) continue;
    while (taken.has(formatIpv4(next))) next++;
    if (next > last) throw new InputError({}, `no address is left for ${name}; give it one in the scenario's hosts`);
    fixed.set(name, formatIpv4(next));
    taken.add(formatIpv4(next));
  }
  return fixed;
}

/** The records of those names, each address with the name of its first. */
export function outsideRecords(addresses: ReadonlyMap<string, string>): DnsRecord[] {
  const reverse = new Map<string, string>();
  for (const [name, address] of addresses) if (!reverse.has(address)) reverse.set(address, name);
  return [
    ...[...addresses].map(([name, value]) => ({ name, type: "A" as const, ttl: TTL, value })),
    ...[...reverse].map(([address, value]) => ({
      name: reverseName(address),
      type: "PTR" as const,
      ttl: TTL,
      value,
    })),
  ];
}
