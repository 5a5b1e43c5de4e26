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

/** Adds sets to a namespace; rules find them by the numbers that `names` gives. */
export function addSets(kernel: Kernel, ns: Handle, sets: readonly IpSet[], names: NameTable): void {
  for (const { name, parts, elements } of sets) {
    const bits = parts.reduce((sum, part) => sum | PARTS[part], 0);
    const set = kernel.calls.newSet(ns, names.intern("set", name), bits) >>> 0;
    for (const { address, port, other, nomatch } of elements) {
      kernel.calls.addElement(set, address.network, address.prefix, port, other.network, other.prefix, nomatch ? 1 : 0);
    }
  }
}
