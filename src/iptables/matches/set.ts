// -m set: the packet's addresses and ports are in a named ipset.
import {
  MATCH_INVERT,
  MATCH_KIND_SET,
  MATCH_SET_RETURN_NOMATCH,
  MATCH_SET_UNCOUNTED,
  SET_COUNTER_ANY,
  SET_COUNTER_EQ,
  SET_COUNTER_GT,
  SET_COUNTER_LT,
  SET_COUNTER_NE,
} from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import type { Options } from "../options.ts";
import { parseSetReference, SET_REFERENCE, setDirections, type SetReference } from "../sets.ts";
import { not } from "../values.ts";

const COMPARISONS = ["eq", "lt", "gt"] as const;
const COUNTERS = ["packets", "bytes"] as const;
const UPDATES = ["update-counters", "update-subcounters"] as const;

interface Comparison {
  how: (typeof COMPARISONS)[number];
  inverted: boolean;
  value: number;
}

export interface SetMatch extends SetReference {
  kind: "set";
  inverted: boolean;
  /** An element marked `nomatch` counts as a match. */
  returnNomatch: boolean;
  /** What the element's counters are compared with. */
  packets?: Comparison;
  bytes?: Comparison;
  /** The counters that the packet does not change: its own, or those of sets within a set. */
  kept: (typeof UPDATES)[number][];
}

export const set: MatchExtension<SetMatch> = {
  name: "set",
  options: [
    { name: "match-set", words: 2, invertible: true },
    { name: "return-nomatch", words: 0 },
    ...UPDATES.map((name) => ({ name, words: 0 as const, invertible: true })),
    ...COUNTERS.flatMap((counter) =>
      COMPARISONS.map((how) => ({ name: `${counter}-${how}`, invertible: how === "eq" })),
    ),
  ],
  parse(options) {
    const words = options.words("match-set") ?? options.failWhole("-m set needs --match-set");
    const [packets, bytes] = COUNTERS.map((counter) => readComparison(options, counter));
    return {
      kind: "set",
      ...(parseSetReference(words) ?? options.fail("match-set", `"${words.join(" ")}" is not ${SET_REFERENCE}`)),
      inverted: options.inverted("match-set"),
      returnNomatch: options.has("return-nomatch"),
      ...(packets && { packets }),
      ...(bytes && { bytes }),
      kept: UPDATES.filter((name) => options.inverted(name)),
    };
  },
  print: (match) =>
    ` ${not(match.inverted)}--match-set ${match.name} ${match.directions.join(",")}` +
    (match.returnNomatch ? " --return-nomatch" : "") +
    match.kept.map((name) => ` ! --${name}`).join("") +
    printComparison("packets", match.packets) +
    printComparison("bytes", match.bytes),
  compile: (match, block) => [
    {
      kind: MATCH_KIND_SET,
      flags:
        (match.inverted ? MATCH_INVERT : 0) |
        (match.returnNomatch ? MATCH_SET_RETURN_NOMATCH : 0) |
        (match.kept.includes("update-counters") ? MATCH_SET_UNCOUNTED : 0),
      args: [
        block.name("set", match.name),
        match.directions.length,
        setDirections(match),
        match.packets || match.bytes ? block.data([...words(match.packets), ...words(match.bytes)]) : 0,
      ],
    },
  ],
};

function readComparison(options: Options, counter: string): Comparison | undefined {
  const name = options.oneOf(
    COMPARISONS.map((how) => `${counter}-${how}`),
    false,
  );
  const how = COMPARISONS.find((each) => name === `${counter}-${each}`);
  if (name === undefined || how === undefined) return undefined;
  const most = Number.MAX_SAFE_INTEGER;
  const value = options.need(name, `a number from 0 to ${most}`, (word) =>
    /^\d+$/.test(word) && Number(word) <= most ? Number(word) : undefined,
  );
  return { how, inverted: options.inverted(name), value };
}

function printComparison(counter: string, comparison: Comparison | undefined): string {
  return comparison ? ` ${not(comparison.inverted)}--${counter}-${comparison.how} ${comparison.value}` : "";
}

function words(comparison: Comparison | undefined): number[] {
  if (!comparison) return [SET_COUNTER_ANY, 0, 0];
  const { how, inverted, value } = comparison;
  const op = { eq: inverted ? SET_COUNTER_NE : SET_COUNTER_EQ, lt: SET_COUNTER_LT, gt: SET_COUNTER_GT }[how];
  return [op, value % 2 ** 32, Math.floor(value / 2 ** 32)];
}
