// -m limit: a token bucket.
import { MATCH_KIND_LIMIT } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { formatRate, unitOf } from "../rate.ts";
import { parseNumber } from "../values.ts";

export interface LimitMatch {
  kind: "limit";
  /** What one packet costs, in units of 100 us: 10000 is one packet a second. */
  average: number;
  burst: number;
}

const SECOND = 10_000;
const DEFAULT_AVERAGE = (60 * 60 * SECOND) / 3;
const DEFAULT_BURST = 5;
const MAX_BURST = 10_000;
const NS_PER_UNIT = 100_000n;

export const limit: MatchExtension<LimitMatch> = {
  name: "limit",
  options: [{ name: "limit" }, { name: "limit-burst" }],
  parse: (options) => ({
    kind: "limit",
    average:
      options.read("limit", "a rate up to 10000/second, such as 5/second or 3/hour", parseRate) ?? DEFAULT_AVERAGE,
    burst: options.number("limit-burst", MAX_BURST, 1) ?? DEFAULT_BURST,
  }),
  print: (match) =>
    ` --limit ${formatRate(match.average, SECOND).text}` +
    (match.burst === DEFAULT_BURST ? "" : ` --limit-burst ${match.burst}`),
  compile(match, block) {
    const credit = BigInt(match.average) * BigInt(match.burst) * NS_PER_UNIT;
    const state = block.state([0, 0, Number(credit & 0xffffffffn), Number(credit >> 32n)]);
    return [{ kind: MATCH_KIND_LIMIT, flags: 0, args: [match.average, match.burst, state] }];
  },
};

/** `5/second`; the unit may be cut short, and is the second if left out. */
function parseRate(text: string): number | undefined {
  const [head = "", unit = "second", ...rest] = text.split("/");
  const count = parseNumber(head);
  const length = unitOf(unit);
  if (!count || length === undefined || rest.length > 0) return undefined;
  return Math.floor((length * SECOND) / count) || undefined;
}
