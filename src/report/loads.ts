// What was offered and what was delivered, told apart: rates of each line, and what the summary says of lines that fell behind.
import { isError } from "../scenario/expectation.ts";
import type { LineResult, Plan } from "../seam/plan.ts";
import { formatCount, formatTime, plural } from "./format.ts";

export interface Rates {
  /** Requests that were due a second, from the line's start to its stop or the run's end. */
  offeredPerSecond: number;
  /** Requests answered a second, of that time. */
  deliveredPerSecond: number;
}

/** The rates of each line of a plan; `results` in its order. */
export function ratesOf(plan: Plan, results: readonly LineResult[], endNs: number): Rates[] {
  const spans = results.map((): [fromNs: number, toNs: number] => [Infinity, 0]);
  for (const { line, startNs, stopNs } of plan.flows) {
    const span = spans[line];
    if (span) spans[line] = [Math.min(span[0], startNs), Math.max(span[1], stopNs)];
  }
  return results.map(({ sent, delivered }, i) => {
    const [fromNs, toNs] = spans[i] ?? [0, endNs];
    const seconds = (Math.min(toNs, endNs) - fromNs) / 1e9;
    const rate = (count: number): number => (seconds > 0 ? Number((count / seconds).toPrecision(6)) : 0);
    return { offeredPerSecond: rate(sent), deliveredPerSecond: rate(delivered) };
  });
}

/** A line falls behind if it delivers less than that share of what is offered. */
const BEHIND = 0.95;

type Line = Pick<LineResult, "name" | "sent" | "begun" | "delivered" | "retries" | "statuses" | "stream"> & Rates;

/** Sentences about lines that fell behind what was offered, about answers that say an error, and about tries made again. */
export function loadRemarks(lines: readonly Line[]): string[] {
  return lines.flatMap((line) => {
    const { name, sent, begun, delivered, offeredPerSecond, deliveredPerSecond } = line;
    const waited = begun < sent ? `; ${plural(sent - begun, "request")} found no free connection` : "";
    return [
      ...(delivered < sent * BEHIND || begun < sent
        ? [`${name}: ${perSecond(offeredPerSecond)} offered, ${perSecond(deliveredPerSecond)} delivered${waited}`]
        : []),
      ...streamRemarks(line).map((remark) => `${name}: ${remark}`),
      ...answerRemarks(line).map((remark) => `${name}: ${remark}`),
    ];
  });
}

/** What became of a stream that nobody would see from counts: as iperf3 says it. */
function streamRemarks({ stream, sent }: Pick<LineResult, "stream" | "sent">): string[] {
  if (!stream || sent === 0) return [];
  const { lost, reordered, duplicates, jitter } = stream;
  const share = `${Number(((lost / sent) * 100).toPrecision(3))} %`;
  const others = [
    ...(reordered > 0 ? [`${formatCount(reordered)} out of order`] : []),
    ...(duplicates > 0 ? [`${formatCount(duplicates)} came twice`] : []),
  ];
  const times = `jitter ${formatTime(jitter.mean)} in the end, ${formatTime(jitter.max)} at most`;
  return [[`${formatCount(lost)} of ${formatCount(sent)} lost (${share})`, ...others, times].join(", ")];
}

/** What the answers of a line said that is an error, and how often it tried again. */
function answerRemarks({ statuses, retries }: Pick<LineResult, "statuses" | "retries">): string[] {
  const errors = Object.entries(statuses).filter(([status]) => isError(status));
  return [
    ...(errors.length > 0
      ? [`answered with ${errors.map(([status, count]) => `${status} ${formatCount(count)} times`).join(", ")}`]
      : []),
    ...(retries > 0 ? [`${formatCount(retries)} tries were made again`] : []),
  ];
}

/** What the page says of a line: what was offered and delivered a second, how long it took, and what came of the answers. */
export function lineRemarks(line: LineResult, { offeredPerSecond, deliveredPerSecond }: Rates): string[] {
  return [
    `${perSecond(offeredPerSecond)} offered, ${perSecond(deliveredPerSecond)} delivered`,
    ...quantilesOf(line),
    ...streamRemarks(line),
    ...answerRemarks(line),
  ];
}

function perSecond(rate: number): string {
  return `${formatCount(Number(rate.toPrecision(3)))}/s`;
}

/** The quantiles of a line as one text; none if nothing was answered. */
function quantilesOf({ latency }: LineResult): string[] {
  if (!latency) return [];
  const { mean, p50, p90, p99, p999, max } = latency;
  const parts = Object.entries({ mean, p50, p90, p99, "p99.9": p999, max });
  return [parts.map(([name, ns]) => `${name} ${formatTime(ns)}`).join(", ")];
}
