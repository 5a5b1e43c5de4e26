// The units of a scenario: durations, request rates, bit rates and sizes, as zod types that read text such as 50us, 2000/s and 10Gbit.
import { z } from "zod";

const DURATIONS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };
const BIT_RATES: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, Mbit: 1e6, Gbit: 1e9 };
const PERIODS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };
/** Virtual time is counted in nanoseconds as exact doubles: 100 days at most. */
export const LONGEST = 100 * 24 * 3600e9;

/** `1.5s` to nanoseconds; undefined if it is no duration. */
export function parseDuration(text: string): number | undefined {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)$/.exec(text) ?? [];
  const scale = DURATIONS[unit];
  const value = scale === undefined ? NaN : Math.round(Number(number) * scale);
  return value <= LONGEST ? value : undefined;
}

/** `0.13ns` to nanoseconds, at most a millisecond; undefined if it is no cost. */
export function parseCost(text: string): number | undefined {
  const [, number = "", name = ""] = /^(\d+(?:\.\d+)?)(ns|us|ms)$/.exec(text) ?? [];
  const value = text === "0" ? 0 : Number(number) * (DURATIONS[name] ?? NaN);
  return value <= 1e6 ? value : undefined;
}

function unit(parse: (text: string) => number | undefined, sentence: string): z.ZodType<number> {
  return z.union([z.string(), z.number()]).transform((value, context) => {
    const number = parse(String(value));
    if (number !== undefined) return number;
    context.addIssue({ code: "custom", message: `${String(value)} ${sentence}` });
    return z.NEVER;
  });
}

/** Nanoseconds, more than none. */
export const duration = unit((text) => {
  const value = parseDuration(text);
  return value === undefined || value <= 0 ? undefined : value;
}, "is not a duration; write a number and ns, us, ms, s, m or h, such as 500ms");

/** Nanoseconds, 0 allowed: a moment counted from the start of the run. */
export const moment = unit(
  (text) => (text === "0" ? 0 : parseDuration(text)),
  "is not a moment; write a number and ns, us, ms, s, m or h, such as 1.5s",
);

/** Nanoseconds with a fraction, 0 to a millisecond: what a piece of work costs. */
export const cost = unit(parseCost, "is not a cost; write a number and ns or us, at most 1ms, such as 250ns");

/** Requests per second. */
export const rate = unit((text) => {
  const [, number = "", period = ""] = /^(\d+(?:\.\d+)?)\/(s|m|h)$/.exec(text) ?? [];
  const value = Number(number) / (PERIODS[period] ?? NaN);
  return value > 0 && value <= 1e7 ? value : undefined;
}, "is not a rate; write requests per second, minute or hour, such as 200/s");

/** Bits per second. */
export const bitRate = unit((text) => {
  const [, number = "", name = ""] = /^(\d+(?:\.\d+)?)([kMG]?bit)$/.exec(text) ?? [];
  const value = Number(number) * (BIT_RATES[name] ?? NaN);
  return value >= 1000 && value <= 1e12 ? value : undefined;
}, "is not a bit rate; write bit, kbit, Mbit or Gbit, such as 10Gbit");

/** A percentage from 0% to 100% as a share from 0 to 1; undefined if it is none. */
export function parseShare(text: string): number | undefined {
  const [, number = ""] = /^(\d+(?:\.\d+)?)%$/.exec(text) ?? [];
  const value = number === "" ? NaN : Number(number) / 100;
  return value <= 1 ? value : undefined;
}
