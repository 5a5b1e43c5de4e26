// -m quota: matches until so many bytes have passed.
import { MATCH_INVERT, MATCH_KIND_QUOTA } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { not, parseBigNumber } from "../values.ts";

export interface QuotaMatch {
  kind: "quota";
  bytes: bigint;
  inverted: boolean;
}

export const quota: MatchExtension<QuotaMatch> = {
  name: "quota",
  options: [{ name: "quota", invertible: true }],
  parse: (options) => ({
    kind: "quota",
    bytes: options.need("quota", "a number of bytes below 2^64", (word) => {
      const bytes = parseBigNumber(word);
      return bytes !== undefined && bytes < 2n ** 64n ? bytes : undefined;
    }),
    inverted: options.inverted("quota"),
  }),
  print: (match) => ` ${not(match.inverted)}--quota ${match.bytes}`,
  compile: (match, block) => [
    {
      kind: MATCH_KIND_QUOTA,
      flags: match.inverted ? MATCH_INVERT : 0,
      args: [block.state([Number(match.bytes & 0xffffffffn), Number(match.bytes >> 32n)])],
    },
  ],
};
