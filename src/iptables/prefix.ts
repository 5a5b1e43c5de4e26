// Blocks of IPv6 in a compiled block: an address is the number that stands for it, what holds many is a value and a mask of 16 bytes each.
import { MATCH_INVERT, MATCH_KIND_PREFIX6, MATCH_PREFIX6_DESTINATION } from "../../assembly/layout/rules.ts";
import { prefixMask } from "../address.ts";
import { isWhole, wordsOf, type Network } from "./addresses.ts";
import type { BlockBuilder, MatchRecord } from "./extension.ts";
import type { AddressTest, Rule } from "./model.ts";

/** What addresses ask of a block. */
export type AddressBlock = Pick<BlockBuilder, "address" | "data">;

/** Value and mask for the kernel. `six`: the first word is the offset of those of a block of IPv6. */
export function networkWords(network: Network, block: AddressBlock): { six: boolean; words: [number, number] } {
  const { value, mask } = network;
  if (typeof mask === "number") return { six: false, words: [block.address(value), mask] };
  if (isWhole(mask)) return { six: false, words: [block.address(value), 0xffffffff] };
  return { six: true, words: [block.data([...wordsOf(BigInt(value)), ...wordsOf(mask)]), 0] };
}

/** Whether a test is one of those that need a record of their own. */
export function needsRecord(test: AddressTest | undefined): boolean {
  return typeof test?.mask === "bigint" && !isWhole(test.mask);
}

/** The match record of a test that needs one. */
export function prefixRecord(test: AddressTest, side: "source" | "destination", block: AddressBlock): MatchRecord {
  const side6 = side === "destination" ? MATCH_PREFIX6_DESTINATION : 0;
  return {
    kind: MATCH_KIND_PREFIX6,
    flags: side6 | (test.inverted ? MATCH_INVERT : 0),
    args: [networkWords(test, block).words[0]],
  };
}

/** The records of a rule's addresses, which stand before those of its matches. */
export function addressRecords(
  { source, destination }: Pick<Rule, "source" | "destination">,
  block: BlockBuilder,
): MatchRecord[] {
  return [
    ...(source && needsRecord(source) ? [prefixRecord(source, "source", block)] : []),
    ...(destination && needsRecord(destination) ? [prefixRecord(destination, "destination", block)] : []),
  ];
}

/** A prefix length for the kernel: as a mask for IPv4, as it is for IPv6. */
export function lengthWord(prefix: number, block: BlockBuilder): number {
  return block.family === "ipv4" ? prefixMask(prefix) : prefix;
}
