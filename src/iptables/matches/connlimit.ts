// -m connlimit: how many connections there are from, or to, a host or block.
import { MATCH_CONNLIMIT_DESTINATION, MATCH_INVERT, MATCH_KIND_CONNLIMIT } from "../../../assembly/layout/rules.ts";
import { longestPrefix } from "../addresses.ts";
import type { MatchExtension } from "../extension.ts";
import { lengthWord } from "../prefix.ts";

export interface ConnlimitMatch {
  kind: "connlimit";
  /** `above`: more than `limit` connections. */
  mode: "above" | "upto";
  limit: number;
  prefix: number;
  address: "source" | "destination";
}

export const connlimit: MatchExtension<ConnlimitMatch> = {
  name: "connlimit",
  options: [
    { name: "connlimit-above", invertible: true },
    { name: "connlimit-upto", invertible: true },
    { name: "connlimit-mask" },
    { name: "connlimit-saddr", words: 0 },
    { name: "connlimit-daddr", words: 0 },
  ],
  parse(options, { family }) {
    const name = options.oneOf(["connlimit-above", "connlimit-upto"], true);
    const above = (name === "connlimit-above") !== options.inverted(name);
    return {
      kind: "connlimit",
      mode: above ? "above" : "upto",
      limit: options.number(name) ?? 0,
      prefix: options.number("connlimit-mask", longestPrefix(family)) ?? longestPrefix(family),
      address:
        options.oneOf(["connlimit-saddr", "connlimit-daddr"], false) === "connlimit-daddr" ? "destination" : "source",
    };
  },
  print: (match) =>
    ` --connlimit-${match.mode} ${match.limit} --connlimit-mask ${match.prefix} --connlimit-${match.address === "source" ? "saddr" : "daddr"}`,
  compile: (match, block) => [
    {
      kind: MATCH_KIND_CONNLIMIT,
      flags:
        (match.mode === "upto" ? MATCH_INVERT : 0) |
        (match.address === "destination" ? MATCH_CONNLIMIT_DESTINATION : 0),
      args: [match.limit, lengthWord(match.prefix, block), block.state([])],
    },
  ],
};
