// Look-ups: a key of a packet, and the set or map that may have it, by name or between braces.
import {
  MAP_HAS_DESTINATION,
  MAP_HAS_SOURCE,
  MAP_RANGES,
  MAP_RANGES6,
  MATCH_INVERT,
  MATCH_KIND_LOOKUP,
  MATCH_KIND_SET,
  TARGET_VERDICT,
} from "../../../assembly/layout/rules.ts";
import {
  parseAddressRange,
  parseNetwork,
  wholeMask,
  wordsOf,
  type Address,
  type Family,
} from "../../iptables/addresses.ts";
import { ruleFamily, type NftFamily } from "../model.ts";
import type { RuleDraft, Surroundings } from "../rule.ts";
import type { Words } from "../words.ts";

export type Side = "source" | "destination";

/** `vmap @name`, behind a key of these types: what is found decides. */
export function readVmap(words: Words, rule: RuleDraft, around: Surroundings, type: string[], text: string): void {
  words.need("vmap");
  const name = words.next();
  const map = name.startsWith("@") ? around.set(name.slice(1)) : undefined;
  if (!map?.isMap || map.number !== undefined || !map.isOf(...type))
    words.fail(`a look-up of ${text} in ${name} (a map of such keys to verdicts)`);
  const record = { kind: MATCH_KIND_LOOKUP, flags: 0, args: [map.at("destination")] };
  rule.conditions.push({ record, text: `${text} vmap ${name}` });
  rule.action = { target: TARGET_VERDICT };
}

/** `@name`: whether a set has the address. */
export function readNamedSet(words: Words, rule: RuleDraft, around: Surroundings, side: Side, inverted: boolean): void {
  const name = words.next();
  const set = around.set(name.slice(1));
  if (!set || set.isMap || !set.isOf(addressType(around.family))) words.fail(`${name} (a set of addresses)`);
  const flags = inverted ? MATCH_INVERT : 0;
  const record =
    set.number === undefined
      ? { kind: MATCH_KIND_LOOKUP, flags, args: [set.at(side)] }
      : { kind: MATCH_KIND_SET, flags, args: [set.number, 1, side === "source" ? 1 : 0, 0] };
  rule.conditions.push({ record, text: addressText(around.family, side, inverted, name) });
}

/** `{ 10.0.0.0/8, 192.0.2.1, 192.0.2.7-192.0.2.9 }`, which nft prints in order. */
export function readBraces(words: Words, rule: RuleDraft, around: Surroundings, side: Side, inverted: boolean): void {
  const texts = words.braces();
  const family = ruleFamily(around);
  const elements = texts.flatMap((text) => {
    const range = rangeOf(text, family) ?? words.fail(`"${text}"`);
    return [...range.map((address) => boundary(address, around)), 0, 0];
  });
  const ranges = family === "ipv4" ? MAP_RANGES : MAP_RANGES | MAP_RANGES6;
  const parts = (side === "source" ? MAP_HAS_SOURCE : MAP_HAS_DESTINATION) | ranges;
  const map = around.map([parts, texts.length, 0, ...elements]);
  const record = { kind: MATCH_KIND_LOOKUP, flags: inverted ? MATCH_INVERT : 0, args: [map] };
  rule.conditions.push({ record, text: addressText(around.family, side, inverted, `{ ${texts.join(", ")} }`) });
}

export function addressText(word: NftFamily, side: Side, inverted: boolean, what: string): string {
  return `${word} ${side === "source" ? "s" : "d"}addr ${inverted ? "!= " : ""}${what}`;
}

/** The type of keys that are addresses. */
export function addressType(word: NftFamily): string {
  return word === "ip" ? "ipv4_addr" : "ipv6_addr";
}

/** The first and the last address of a range, of a block, or of one address. */
function rangeOf(text: string, family: Family): [first: Address, last: Address] | undefined {
  const range = text.includes("-") ? parseAddressRange(text, family) : undefined;
  if (range) return [range.min, range.max];
  const block = parseNetwork(text, family);
  if (!block) return undefined;
  const { value, mask } = block;
  if (typeof value === "number") return [value, (value | ~Number(mask)) >>> 0];
  return [value, value | (BigInt(wholeMask("ipv6")) ^ BigInt(mask))];
}

/** An end of a range as an element has it. */
function boundary(address: Address, around: Surroundings): number {
  return typeof address === "number" ? address : around.data(wordsOf(address));
}
