// -m length: the total length of the IP packet.
import { MATCH_INVERT, MATCH_KIND_LENGTH } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { printRange, type InvertibleRange } from "../options.ts";

export interface LengthMatch extends InvertibleRange {
  kind: "length";
}

export const length: MatchExtension<LengthMatch> = {
  name: "length",
  options: [{ name: "length", invertible: true }],
  parse: (options) => ({
    kind: "length",
    ...(options.range("length", 65535, "a length or a range of lengths from 0 to 65535") ??
      options.failWhole("-m length needs --length")),
  }),
  print: (match) => printRange("length", match),
  compile: (match) => [
    { kind: MATCH_KIND_LENGTH, flags: match.inverted ? MATCH_INVERT : 0, args: [match.min, match.max] },
  ],
};
