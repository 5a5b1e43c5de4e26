// Look-ups: a key of a packet, and the set or map that may have it, by name or between braces.
import {
  MAP_HAS_DESTINATION,
  MAP_HAS_SOURCE,
  MAP_RANGES,
  MATCH_INVERT,
  MATCH_KIND_LOOKUP,
  MATCH_KIND_SET,
  TARGET_VERDICT,
} from "../../../assembly/layout/rules.ts";
import { parseCidr, parseIpv4 } from "../../address.ts";
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
  if (!set || set.isMap || !set.isOf("ipv4_addr")) words.fail(`${name} (a set of addresses)`);
  const flags = inverted ? MATCH_INVERT : 0;
  const record =
    set.number === undefined
      ? { kind: MATCH_KIND_LOOKUP, flags, args: [set.at(side)] }
      : { kind: MATCH_KIND_SET, flags, args: [set.number, 1, side === "source" ? 1 : 0, 0] };
  rule.conditions.push({ record, text: addressText(side, inverted, name) });
}

/** `{ 10.0.0.0/8, 192.0.2.1, 192.0.2.7-192.0.2.9 }`, which nft prints in order. */
export function readBraces(words: Words, rule: RuleDraft, around: Surroundings, side: Side, inverted: boolean): void {
  const texts = words.braces();
  const elements = texts.flatMap((text) => {
    const range = rangeOf(text) ?? words.fail(`"${text}"`);
    return [...range, 0, 0];
  });
  const parts = (side === "source" ? MAP_HAS_SOURCE : MAP_HAS_DESTINATION) | MAP_RANGES;
  const map = around.map([parts, texts.length, 0, ...elements]);
  const record = { kind: MATCH_KIND_LOOKUP, flags: inverted ? MATCH_INVERT : 0, args: [map] };
  rule.conditions.push({ record, text: addressText(side, inverted, `{ ${texts.join(", ")} }`) });
}

export function addressText(side: Side, inverted: boolean, what: string): string {
  return `ip ${side === "source" ? "s" : "d"}addr ${inverted ? "!= " : ""}${what}`;
}

function rangeOf(text: string): [first: number, last: number] | undefined {
  const [from = "", to] = text.split("-");
  if (to !== undefined) {
    const [first, last] = [parseIpv4(from), parseIpv4(to)];
    return first === undefined || last === undefined ? undefined : [first, last];
  }
  const block = parseCidr(text);
  return block && [block.network, block.network + 2 ** (32 - block.prefix) - 1];
}
