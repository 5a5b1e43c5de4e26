// Values of options that several commands have, parsed and checked.
import { InvalidArgumentError, Option } from "commander";
import { PROXY_MODES } from "../node/machine.ts";
import { parseCost, parseDuration } from "../scenario/units.ts";

/** A parser of an option's value. It throws the error that commander tells with the option's name. */
export function integer(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`It should be a whole number from ${low} to ${high}.`);
  };
}

/** `--proxy-mode`, of commands that build a cluster. */
export function proxyModeOption(): Option {
  return new Option("--proxy-mode <MODE>", "kube-proxy's mode, in place of the scenario's").choices(PROXY_MODES);
}

/** Virtual time in nanoseconds. */
export function durationOption(text: string): number {
  const value = parseDuration(text);
  if (value !== undefined && value > 0) return value;
  throw new InvalidArgumentError("It should be a number and ns, us, ms, s, m or h, such as 500ms.");
}

/** What a piece of work costs, in nanoseconds. */
export function costOption(text: string): number {
  const value = parseCost(text);
  if (value !== undefined) return value;
  throw new InvalidArgumentError("It should be a number and ns or us, at most 1ms, such as 18ns.");
}

/** Times as fast as the clock; Infinity for `max`. */
export function paceOption(text: string): number {
  if (text === "max") return Infinity;
  const times = text === "realtime" ? 1 : Number(/^(\d+(?:\.\d+)?)x$/.exec(text)?.[1]);
  if (times > 0) return times;
  throw new InvalidArgumentError("It should be realtime, max, or a number and x, such as 10x.");
}

/** Globs, separated by commas; `none` for none at all. */
export function globsOption(text: string, before: string[] = []): string[] {
  if (text === "none") return [];
  return [...before, ...text.split(",").filter((glob) => glob !== "")];
}
