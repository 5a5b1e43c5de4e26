// The words of a link as tc-netem(8) has them after its keywords, `1% 25%` or `gemodel 1% 10%`, as zod types.
import { z } from "zod";
import type { Chance, GilbertElliott, NetemConfig } from "../seam/netem.ts";
import { parseDuration, parseShare } from "./units.ts";

/** A type that reads words. `parse` returns undefined for those that it does not know, or a sentence about them. */
function words<T extends object>(parse: (words: string[]) => T | string | undefined, right: string): z.ZodType<T> {
  return z.union([z.string(), z.number()]).transform((value, context) => {
    const parsed = parse(String(value).trim().split(/\s+/));
    if (parsed !== undefined && typeof parsed !== "string") return parsed;
    context.addIssue({ code: "custom", message: parsed ?? `${String(value)} ${right}` });
    return z.NEVER;
  });
}

/** `1%` or, with a correlation, `1% 25%`. */
function chanceOf([percent = "", correlation, ...more]: readonly string[]): Chance | undefined {
  const probability = parseShare(percent);
  const rho = correlation === undefined ? 0 : parseShare(correlation);
  if (probability === undefined || rho === undefined || more.length > 0) return undefined;
  return { probability, ...(rho > 0 ? { correlation: rho } : {}) };
}

/** What happens to a share of the frames: `duplicate 1% 50%`. */
export function chance(what: string): z.ZodType<Chance> {
  return words(
    chanceOf,
    `is no share of frames; write a percentage and, if need be, a correlation, such as ${what}: 1% 25%`,
  );
}

/** `10us`, or with a correlation `10us 25%`. */
export const jitter = words(([time = "", correlation, ...more]) => {
  const ns = parseDuration(time);
  const rho = correlation === undefined ? 0 : parseShare(correlation);
  if (ns === undefined || ns <= 0 || rho === undefined || more.length > 0) return undefined;
  if (ns > LONGEST_JITTER) return `${time} is too long; netem takes jitter up to 2147483647ns`;
  return { ns, ...(rho > 0 ? { correlation: rho } : {}) };
}, "is no jitter; write a time and, if need be, a correlation, such as 10us 25%");

const LONGEST_JITTER = 2 ** 31 - 1;

/** `1% 25%`, `random 1% 25%`, or `gemodel p r 1-h 1-k`. */
export const loss = words((all): Chance | GilbertElliott | string | undefined => {
  const [model = "", ...rest] = all;
  if (model === "state")
    return "loss state, the model with four states, is not emulated yet; write a percentage or gemodel";
  if (model === "random") return chanceOf(rest);
  return model === "gemodel" ? gemodelOf(rest) : chanceOf(all);
}, "is no loss; write a percentage such as 1% or 1% 25%, or gemodel p r 1-h 1-k, such as gemodel 1% 10% 70% 0.1%");

/** What is left out is 100% - p, 100% and 0%, as tc has it. */
function gemodelOf(percents: readonly string[]): GilbertElliott | undefined {
  const shares = percents.map(parseShare);
  if (shares.length < 1 || shares.length > 4 || shares.includes(undefined)) return undefined;
  const [p = 0, r = 1 - p, lostInBad = 1, lostInGood = 0] = shares;
  return { p, r, lostInBad, lostInGood };
}

/** `25%`, `25% 50%`, `25% 50% gap 5`. */
export const reorder = words((all): NonNullable<NetemConfig["reorder"]> | undefined => {
  const at = all.indexOf("gap");
  const own = chanceOf(at < 0 ? all : all.slice(0, at));
  const gap = at < 0 ? 1 : all.length === at + 2 ? Number(all[at + 1]) : NaN;
  return own && Number.isInteger(gap) && gap >= 1 && gap <= 1e6 ? { ...own, gap } : undefined;
}, "is no reordering; write a percentage and, if need be, a correlation and a gap, such as 25% 50% gap 5");

const SIZES: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2 };
const MOST = 2 ** 31 - 1;

/** A number of packets, or with a unit of bytes, of which tc's kb are 1024. */
export const limit = words(([text = "", ...more]): NonNullable<NetemConfig["limit"]> | undefined => {
  const [, number = "", unit] = /^(\d+)(b|kb|mb)?$/.exec(text) ?? [];
  const value = Number(number) * (unit === undefined ? 1 : (SIZES[unit] ?? NaN));
  if (more.length > 0 || !(value >= 1 && value <= MOST)) return undefined;
  return unit === undefined ? { packets: value } : { bytes: value };
}, "is no limit; write a number of packets such as 100, or bytes such as 64kb");

/** What podwire's frames and tc agree on. */
export const linkMtu = z.int().min(576).max(9000);
