// Makes ipsets in a kernel, as `ipset restore` does.
import * as R from "../../assembly/layout/records.ts";
import type { IpSet, SetElement } from "../iptables/ipset.ts";
import type { NameTable } from "../iptables/names.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";

const PARTS = {
  address: R.SET_HAS_ADDRESS,
  port: R.SET_HAS_PORT,
  other: R.SET_HAS_OTHER,
  plainPort: R.SET_HAS_PORT | R.SET_PLAIN_PORT,
} as const;

/** An element whose addresses are what the kernel holds for them. */
export interface NumberedElement extends Omit<SetElement, "address" | "other"> {
  address: { network: number; prefix: number };
  other: { network: number; prefix: number };
}

/** A set with the number by which compiled rules find it. */
export interface NumberedSet extends Omit<IpSet, "name" | "elements"> {
  number: number;
  elements: NumberedElement[];
}

/** Gives sets the numbers that `names` has for the rules, too. */
export function numberSets(sets: readonly IpSet[], names: NameTable): NumberedSet[] {
  const numbered = ({ network, prefix }: SetElement["address"]) => ({
    network: typeof network === "number" ? network : names.addressNumber(network),
    prefix,
  });
  return sets.map(({ name, elements, ...set }) => ({
    ...set,
    number: names.intern("set", name),
    elements: elements.map((element) => ({
      ...element,
      address: numbered(element.address),
      other: numbered(element.other),
    })),
  }));
}

/** Adds sets to a namespace. Returns where they are, by their numbers. */
export function addSets(kernel: Kernel, ns: Handle, sets: readonly NumberedSet[]): Map<number, Handle> {
  const handles = new Map<number, Handle>();
  for (const set of sets) {
    const handle = kernel.calls.newSet(ns, set.number, bitsOf(set), set.timeout ?? 0, set.most) >>> 0;
    if (set.parts.includes("plainPort")) {
      kernel.setWord(handle + R.SET_FIRST_PORT, set.range?.[0] ?? 0);
      kernel.setWord(handle + R.SET_LAST_PORT, set.range?.[1] ?? 65535);
    }
    for (const element of set.elements) addElement(kernel, handle, set, element);
    handles.set(set.number, handle);
  }
  return handles;
}

function bitsOf({ family, parts, networks, timeout, counters, skbinfo }: NumberedSet): number {
  return (
    parts.reduce((sum, part) => sum | PARTS[part], 0) |
    (family === "ipv6" ? R.SET_OF_IPV6 : 0) |
    (networks.includes("address") ? R.SET_OF_NETWORKS : 0) |
    (networks.includes("other") ? R.SET_OF_OTHER_NETWORKS : 0) |
    (timeout === undefined ? 0 : R.SET_HAS_TIMEOUTS) |
    (counters ? R.SET_HAS_COUNTERS : 0) |
    (skbinfo ? R.SET_HAS_MARKS : 0)
  );
}

/** Adds an element to a set of the kernel. */
export function addElement(kernel: Kernel, handle: Handle, set: NumberedSet, element: NumberedElement): void {
  const { address, port, other, nomatch, packets = 0, bytes = 0, mark } = element;
  const seconds = element.timeout ?? set.timeout ?? 0;
  const lengths = [address.network, address.prefix, port, other.network, other.prefix] as const;
  const at = kernel.calls.addElement(handle, ...lengths, nomatch ? 1 : 0, seconds) >>> 0;
  if (at !== 0 && (set.counters || set.skbinfo))
    kernel.calls.carryElement(at, packets, bytes, mark?.value ?? 0, mark?.mask ?? 0);
}
