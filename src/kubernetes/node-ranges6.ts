// The IPv6 side of nodes: the address of each one's network card and its part of the pod range.
import { cidr6Contains, cidrs6Overlap, formatIpv6, parseCidr6, parseIpv6, type Cidr6 } from "../address6.ts";
import { InputError } from "../errors.ts";
import type { Manifest } from "./manifest.ts";

/** kube-controller-manager's default `--node-cidr-mask-size-ipv6`. */
const NODE_MASK = 64;
/** Node i, counted from 1, has this and i as its place in the nodes' network. */
const FIRST_PLACE = 10n;

/** A node with what its manifest says of IPv6. */
export interface WantedSix {
  address6?: string | undefined;
  podCIDR6?: string | undefined;
  manifest?: Manifest;
}

/** Given addresses are kept; node i without one has the (10 + i)th of the network, or the next that is free. */
export function nodeAddresses6(wanted: readonly WantedSix[], nodeCIDR: string): string[] {
  const network = blockOf(nodeCIDR);
  const last = network.network + (1n << BigInt(128 - network.prefix)) - 1n;
  const taken = new Set<bigint>();
  for (const { address6, manifest } of wanted) {
    if (address6 === undefined) continue;
    const ip = parseIpv6(address6) ?? 0n;
    const path = ["status", "addresses"];
    if (ip <= network.network + 1n || ip > last)
      manifest?.fail(path, `${address6} should be in the nodes' network ${nodeCIDR}, behind the gateway's address`);
    if (taken.has(ip)) manifest?.fail(path, `${address6} is another node's already`);
    taken.add(ip);
  }
  return wanted.map(({ address6 }, i) => {
    if (address6 !== undefined) return formatIpv6(parseIpv6(address6) ?? 0n);
    let ip = network.network + FIRST_PLACE + BigInt(i + 1);
    while (taken.has(ip)) ip++;
    if (ip > last)
      throw new InputError({}, `nodeCIDR ${nodeCIDR} has no address for node ${i + 1}; choose a larger one`);
    taken.add(ip);
    return formatIpv6(ip);
  });
}

/** Given ranges are kept; node i without one has the ith /64 after the first, or the next that is free. */
export function podRanges6(wanted: readonly WantedSix[], podCIDR: string): string[] {
  const cluster = blockOf(podCIDR);
  const given: Cidr6[] = [];
  for (const { podCIDR6: range, manifest } of wanted) {
    if (range === undefined) continue;
    const path = ["spec", "podCIDRs"];
    const block = range.includes("/") ? parseCidr6(range) : undefined;
    if (!block || block.prefix < cluster.prefix || !cidr6Contains(cluster, block.network) || block.prefix > 112)
      return manifest?.fail(path, `${range} should be a part of the pod range ${podCIDR}, a /112 or larger`) ?? [];
    if (given.some((other) => cidrs6Overlap(other, block)))
      manifest?.fail(path, `${range} overlaps another node's pod range`);
    given.push(block);
  }
  const size = 1n << BigInt(128 - NODE_MASK);
  const end = cluster.network + (1n << BigInt(128 - cluster.prefix));
  let place = 0n;
  return wanted.map(({ podCIDR6: range }, i) => {
    if (range !== undefined) {
      place++;
      return range;
    }
    for (;;) {
      const network = cluster.network + ++place * size;
      if (network + size > end)
        throw new InputError({}, `podCIDR ${podCIDR} has no /${NODE_MASK} left for node ${i + 1}; choose a larger one`);
      const block = { address: network, network, prefix: NODE_MASK };
      if (!given.some((other) => cidrs6Overlap(other, block))) return `${formatIpv6(network)}/${NODE_MASK}`;
    }
  });
}

function blockOf(text: string): Cidr6 {
  const block = parseCidr6(text);
  if (!block) throw new TypeError(`${text} is not an IPv6 range`);
  return block;
}
