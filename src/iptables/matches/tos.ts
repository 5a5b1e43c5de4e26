// -m tos: the type-of-service byte of the IP header.
import { MATCH_INVERT, MATCH_KIND_TOS } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { parseTos, TOS_VALUE } from "../dsfield.ts";
import { formatHex, not } from "../values.ts";

export interface TosMatch {
  kind: "tos";
  /** (byte & mask) == value. */
  value: number;
  mask: number;
  inverted: boolean;
}

export const tos: MatchExtension<TosMatch> = {
  name: "tos",
  options: [{ name: "tos", invertible: true }],
  parse: (options) => ({
    kind: "tos",
    ...options.need("tos", TOS_VALUE, parseTos),
    inverted: options.inverted("tos"),
  }),
  print: (match) => ` ${not(match.inverted)}--tos ${formatHex(match.value, 2)}/${formatHex(match.mask, 2)}`,
  compile: (match) => [
    { kind: MATCH_KIND_TOS, flags: match.inverted ? MATCH_INVERT : 0, args: [match.value, match.mask] },
  ],
};
