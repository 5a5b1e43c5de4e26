// -m rpfilter: a reply to the source would leave by the device that the packet came in by.
import {
  MATCH_INVERT,
  MATCH_KIND_RPFILTER,
  MATCH_RPFILTER_ACCEPT_LOCAL,
  MATCH_RPFILTER_LOOSE,
  MATCH_RPFILTER_VALIDMARK,
} from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";

// Each option with its flag, in the order in which they are printed.
const FLAGS = [
  ["loose", MATCH_RPFILTER_LOOSE],
  ["validmark", MATCH_RPFILTER_VALIDMARK],
  ["accept-local", MATCH_RPFILTER_ACCEPT_LOCAL],
  ["invert", MATCH_INVERT],
] as const;

export interface RpfilterMatch {
  kind: "rpfilter";
  flags: (typeof FLAGS)[number][0][];
}

export const rpfilter: MatchExtension<RpfilterMatch> = {
  name: "rpfilter",
  options: FLAGS.map(([name]) => ({ name, words: 0 })),
  tables: ["raw", "mangle"],
  hooks: () => ["PREROUTING"],
  parse: (options) => ({
    kind: "rpfilter",
    flags: FLAGS.map(([name]) => name).filter((name) => options.has(name)),
  }),
  print: (match) => match.flags.map((name) => ` --${name}`).join(""),
  compile: (match) => [
    {
      kind: MATCH_KIND_RPFILTER,
      flags: FLAGS.reduce((bits, [name, flag]) => bits | (match.flags.includes(name) ? flag : 0), 0),
      args: [],
    },
  ],
};
