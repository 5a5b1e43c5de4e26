// The latencies of a line of traffic as HdrHistogram's tools print and plot them: a percentile distribution (.hgrm), in milliseconds.
import { HISTOGRAM_BUCKETS, HISTOGRAM_SUB_BITS } from "../../assembly/layout/records.ts";
import type { LineResult } from "../seam/plan.ts";

/** Lines until half of the way to 100 % is covered, then half of what is left (outputPercentileDistribution's default). */
const TICKS = 5;
const MILLISECOND = 1e6;
const SUB_BUCKETS = 2 ** (HISTOGRAM_SUB_BITS + 1);
const BUCKETS = HISTOGRAM_BUCKETS / 2 ** HISTOGRAM_SUB_BITS - 1;

/** The distribution of a line; undefined if nothing was answered. */
export function hgrm({ latency, latencies }: Pick<LineResult, "latency" | "latencies">): string | undefined {
  if (!latency) return undefined;
  const total = latencies.reduce((sum, [, count]) => sum + count, 0);
  const row = (value: number, percentile: number, count: number): string =>
    `${fixed(value / MILLISECOND, 3, 12)} ${(percentile / 100).toFixed(12)} ${`${count}`.padStart(10)}`;
  let text = `${"Value".padStart(12)} ${"Percentile".padStart(14)} ${"TotalCount".padStart(10)} ${"1/(1-Percentile)".padStart(14)}\n\n`;
  let level = 0;
  let seen = 0;
  for (const [upTo, count] of latencies) {
    seen += count;
    while (level < 100 && (100 * seen) / total >= level) {
      text += `${row(Math.min(upTo, latency.max), level, seen)} ${fixed(1 / (1 - level / 100), 2, 14)}\n`;
      level += 100 / (TICKS * 2 ** (Math.floor(Math.log2(100 / (100 - level))) + 1));
      if (seen === total) break;
    }
  }
  text += `${row(latency.max, 100, total)}\n`;
  text += `#[Mean    = ${fixed(latency.mean / MILLISECOND, 3, 12)}, StdDeviation   = ${fixed(deviation(latencies, latency.mean, total) / MILLISECOND, 3, 12)}]\n`;
  text += `#[Max     = ${fixed(latency.max / MILLISECOND, 3, 12)}, Total count    = ${`${total}`.padStart(12)}]\n`;
  return `${text}#[Buckets = ${`${BUCKETS}`.padStart(12)}, SubBuckets     = ${`${SUB_BUCKETS}`.padStart(12)}]\n`;
}

/** By the middles of the buckets. */
function deviation(latencies: LineResult["latencies"], mean: number, total: number): number {
  const squares = latencies.reduce((sum, [upTo, count]) => sum + count * (middleOf(upTo) - mean) ** 2, 0);
  return Math.sqrt(squares / total);
}

/** The middle of the bucket with an upper edge. */
function middleOf(upTo: number): number {
  const shift = Math.max(0, Math.floor(Math.log2(Math.max(1, upTo))) - HISTOGRAM_SUB_BITS);
  return upTo - (2 ** shift - 1) / 2;
}

function fixed(value: number, digits: number, width: number): string {
  return value.toFixed(digits).padStart(width);
}

/** The names of the files of these lines, in their order: `1-pods-internet.hgrm`. */
export function hgrmNames(lines: readonly string[]): string[] {
  return lines.map((name, i) => {
    const word = name.replaceAll(/[^A-Za-z0-9._]+/g, "-").replaceAll(/^-|-$/g, "");
    return `${i + 1}${word === "" ? "" : `-${word}`}.hgrm`;
  });
}
