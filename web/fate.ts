// What became of requests, as colours and words.
import type { PictureLine } from "../src/report/picture.ts";

export type Fate = "ok" | "refused" | "lost";

export const FATE_NAMES: Readonly<Record<Fate, string>> = { ok: "answered", refused: "refused", lost: "lost" };

/** Requests that were lost: not answered in time, or without an address. */
export function lostOf(line: PictureLine): number {
  return line.timedOut + line.unresolved;
}

/** The worst that happened to more than one request in a hundred. */
export function fateOf(line: PictureLine): Fate {
  const little = line.sent / 100;
  if (lostOf(line) > little) return "lost";
  return line.refused > little ? "refused" : "ok";
}

/** `99.5%`; never 100% if one is missing. */
export function share(part: number, whole: number): string {
  if (whole === 0) return "";
  const percent = (100 * part) / whole;
  return `${part === whole ? 100 : Math.min(99.9, Number(percent.toFixed(1)))}%`;
}
