// -m statistic: one packet in so many, by chance or by count.
import { MATCH_INVERT, MATCH_KIND_NTH, MATCH_KIND_RANDOM } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { not } from "../values.ts";

export type StatisticMatch = { kind: "statistic"; inverted: boolean } & (
  | {
      mode: "random";
      /** In 1 / 2^31, as the kernel keeps it. */
      probability: number;
    }
  | {
      mode: "nth";
      /** Matches one packet in this many, first the one after `packet` others. */
      every: number;
      packet: number;
    }
);

const ONE = 2 ** 31;

export const statistic: MatchExtension<StatisticMatch> = {
  name: "statistic",
  options: [
    { name: "mode" },
    { name: "probability", invertible: true },
    { name: "every", invertible: true },
    { name: "packet" },
  ],
  parse(options) {
    const mode = options.need("mode", "random or nth", (word) =>
      word === "random" || word === "nth" ? word : undefined,
    );
    for (const name of mode === "random" ? ["every", "packet"] : ["probability"])
      if (options.has(name)) options.fail(name, `--${name} does not go with --mode ${mode}`);
    if (mode === "random") {
      const probability = options.need("probability", "a number from 0 to 1", parseProbability);
      return { kind: "statistic", mode, probability, inverted: options.inverted("probability") };
    }
    options.oneOf(["every"], true);
    options.oneOf(["packet"], true);
    const every = options.number("every", 0xffffffff, 1) ?? 1;
    const packet = options.number("packet", every - 1) ?? 0;
    return { kind: "statistic", mode, every, packet, inverted: options.inverted("every") };
  },
  print(match) {
    if (match.mode === "random")
      return ` --mode random ${not(match.inverted)}--probability ${formatProbability(match.probability)}`;
    return ` --mode nth ${not(match.inverted)}--every ${match.every} --packet ${match.packet}`;
  },
  compile(match, block) {
    const flags = match.inverted ? MATCH_INVERT : 0;
    if (match.mode === "random") return [{ kind: MATCH_KIND_RANDOM, flags, args: [match.probability] }];
    // The count that makes packet number `packet`, from 0, the first to match.
    const first = match.every - 1 - match.packet;
    return [{ kind: MATCH_KIND_NTH, flags, args: [match.every - 1, block.state([first])] }];
  },
};

function parseProbability(text: string): number | undefined {
  if (!/^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return undefined;
  const probability = Number(text);
  return probability <= 1 ? Math.round(probability * ONE) : undefined;
}

/** Eleven decimals of value / 2^31; ties go to the even digit, as printf rounds. */
function formatProbability(value: number): string {
  const scaled = BigInt(value) * 10n ** 11n;
  const rest = scaled % BigInt(ONE);
  let digits = scaled / BigInt(ONE);
  if (rest * 2n > BigInt(ONE) || (rest * 2n === BigInt(ONE) && digits % 2n === 1n)) digits += 1n;
  return `${digits / 10n ** 11n}.${String(digits % 10n ** 11n).padStart(11, "0")}`;
}
