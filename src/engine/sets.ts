// Makes ipsets in a kernel, as `ipset restore` does.
import * as R from "../../assembly/layout/records.ts";
import type { IpSet } from "../iptables/ipset.ts";
import type { NameTable } from "../iptables/names.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";

const PARTS = {
  address: R.SET_HAS_ADDRESS,
  port: R.SET_HAS_PORT,
  other: R.SET_HAS_OTHER,
  plainPort: R.SET_HAS_PORT | R.SET_PLAIN_PORT,
} as const;

/** A set with the number by which compiled rules find it. */
export interface NumberedSet extends Omit<IpSet, "name"> {
  number: number;
}

/** Gives sets the numbers that `names` has for the rules, too. */
export function numberSets(sets: readonly IpSet[], names: NameTable): NumberedSet[] {
  return sets.map(({ name, ...set }) => ({ ...set, number: names.intern("set", name) }));
}

/** Adds sets to a namespace. */
export function addSets(kernel: Kernel, ns: Handle, sets: readonly NumberedSet[]): void {
  for (const { number, parts, elements } of sets) {
    const bits = parts.reduce((sum, part) => sum | PARTS[part], 0);
    const set = kernel.calls.newSet(ns, number, bits) >>> 0;
    for (const { address, port, other, nomatch } of elements) {
      kernel.calls.addElement(set, address.network, address.prefix, port, other.network, other.prefix, nomatch ? 1 : 0);
    }
  }
}
