// -m ttl: the time to live of the IP header.
import {
  MATCH_INVERT,
  MATCH_KIND_TTL,
  MATCH_TTL_EQ,
  MATCH_TTL_GT,
  MATCH_TTL_LT,
} from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { not } from "../values.ts";

const MODES = ["ttl-eq", "ttl-lt", "ttl-gt"] as const;
const MODE_NUMBERS = { "ttl-eq": MATCH_TTL_EQ, "ttl-lt": MATCH_TTL_LT, "ttl-gt": MATCH_TTL_GT };

export interface TtlMatch {
  kind: "ttl";
  mode: (typeof MODES)[number];
  value: number;
  inverted: boolean;
}

export const ttl: MatchExtension<TtlMatch> = {
  name: "ttl",
  options: [{ name: "ttl-eq", aliases: ["ttl"], invertible: true }, { name: "ttl-lt" }, { name: "ttl-gt" }],
  parse(options) {
    const mode = options.oneOf(MODES, true) as TtlMatch["mode"];
    return { kind: "ttl", mode, value: options.number(mode, 255) ?? 0, inverted: options.inverted(mode) };
  },
  print: (match) => ` ${not(match.inverted)}--${match.mode} ${match.value}`,
  compile: (match) => [
    { kind: MATCH_KIND_TTL, flags: match.inverted ? MATCH_INVERT : 0, args: [MODE_NUMBERS[match.mode], match.value] },
  ],
};
