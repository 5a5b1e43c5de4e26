// What each node gets of a family: the address of its network card, and its part of the pod range.
import { InputError } from "../errors.ts";
import { blockHolds, blocksOverlap, formatAddress, lastHost, parseAddress, parseBlock, type Block } from "./blocks.ts";
import type { Family } from "./families.ts";
import type { Manifest } from "./manifest.ts";

/** Node i, counted from 1, has this and i as its place in the nodes' network. */
const FIRST_PLACE = 10n;

/** How long the prefixes of nodes' pod ranges are, and the field that says them. */
const POD_RANGES = {
  IPv4: { mask: 24, longest: 30, field: "podCIDR", example: "10.244.0.0/16" },
  /** kube-controller-manager's default `--node-cidr-mask-size-ipv6`. */
  IPv6: { mask: 64, longest: 112, field: "podCIDRs", example: "fd00:10:244::/56" },
} as const;

/** What the manifest of a node gives it, if it does. */
export interface Given {
  text: string | undefined;
  manifest: Manifest | undefined;
}

/** Given addresses are kept; node i without one has the (10 + i)th of the network, or the next that is free. */
export function nodeAddresses(given: readonly Given[], nodeCIDR: string, family: Family): string[] {
  const network = rangeOf(nodeCIDR, "nodeCIDR", family);
  const last = lastHost(network);
  const taken = new Set<bigint>();
  for (const { text, manifest } of given) {
    if (text === undefined) continue;
    const ip = parseAddress(text) ?? 0n;
    const path = ["status", "addresses"];
    if (ip <= network.network + 1n || ip > last)
      manifest?.fail(path, `${text} should be in the nodes' network ${nodeCIDR}, behind the gateway's address`);
    if (taken.has(ip)) manifest?.fail(path, `${text} is another node's already`);
    taken.add(ip);
  }
  return given.map(({ text }, i) => {
    if (text !== undefined) return formatAddress(parseAddress(text) ?? 0n, family);
    let ip = network.network + FIRST_PLACE + BigInt(i + 1);
    while (taken.has(ip)) ip++;
    if (ip > last)
      throw new InputError({}, `nodeCIDR ${nodeCIDR} has no address for node ${i + 1}; choose a larger one`);
    taken.add(ip);
    return formatAddress(ip, family);
  });
}

/** Given ranges are kept; node i without one has the ith /24 or /64 after the first, or the next that is free. */
export function podRanges(given: readonly Given[], podCIDR: string, family: Family): string[] {
  const cluster = rangeOf(podCIDR, "podCIDR", family);
  const { mask, longest, field } = POD_RANGES[family];
  const blocks: Block[] = [];
  for (const { text, manifest } of given) {
    if (text === undefined) continue;
    const path = ["spec", field];
    const block = text.includes("/") ? parseBlock(text) : undefined;
    if (!block || !blockHolds(cluster, block) || block.prefix > longest)
      return (
        manifest?.fail(path, `${text} should be a part of the pod range ${podCIDR}, a /${longest} or larger`) ?? []
      );
    if (blocks.some((other) => blocksOverlap(other, block)))
      manifest?.fail(path, `${text} overlaps another node's pod range`);
    blocks.push(block);
  }
  const size = 1n << BigInt((family === "IPv4" ? 32 : 128) - mask);
  let network = cluster.network;
  return given.map(({ text }, i) => {
    for (;;) {
      network += size;
      if (text !== undefined) return text;
      if (network + size > cluster.network + cluster.size)
        throw new InputError({}, `podCIDR ${podCIDR} has no /${mask} left for node ${i + 1}; choose a larger one`);
      const block = { family, network, prefix: mask, size };
      if (!blocks.some((other) => blocksOverlap(other, block))) return `${formatAddress(network, family)}/${mask}`;
    }
  });
}

function rangeOf(text: string, field: string, family: Family): Block {
  const block = parseBlock(text);
  if (block?.family !== family)
    throw new InputError(
      { field },
      `${text} is not an ${family} range; write one such as ${POD_RANGES[family].example}`,
    );
  return block;
}
