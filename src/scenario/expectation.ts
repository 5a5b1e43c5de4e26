// Expectations: a line of `expect` taken apart, and held against what a run counted.
import type { Document } from "../documents/document.ts";
import { among, type Place } from "../errors.ts";
import type { LineResult } from "../seam/plan.ts";
import type { ExpectationSpec, Scenario } from "./schema.ts";
import { parseDuration } from "./units.ts";

export type Comparison = "==" | "!=" | ">=" | "<=" | ">" | "<";

const COUNTS = [
  "sent",
  "delivered",
  "refused",
  "timedOut",
  "unresolved",
  "open",
  "errors",
  "dropped",
  "lost",
  "reordered",
] as const;
const LATENCIES = ["p50", "p99", "max"] as const;

/** A count of a traffic line, its share of what was sent, or a latency, compared with a number. */
export interface Expectation {
  traffic: string;
  field: (typeof COUNTS)[number] | (typeof LATENCIES)[number];
  comparison: Comparison;
  /** A count, a percentage of `sent`, or nanoseconds. */
  value: number;
  percent: boolean;
  /** As written: `delivered >= 99.9%`. */
  text: string;
  place: Place;
}

/** Everything that a scenario expects of its traffic. Throws an InputError for a line that it has not, and for what is no comparison. */
export function parseExpectations(
  scenario: Scenario,
  document: Document | undefined,
  lines: readonly string[],
): Expectation[] {
  return scenario.spec.expect.flatMap((spec, i) => {
    if ("is" in spec) return [];
    const path = ["spec", "expect", i];
    if (!lines.includes(spec.traffic))
      document?.fail([...path, "traffic"], `there is no traffic named ${spec.traffic}${among(lines)}`);
    const fields = [...COUNTS, ...LATENCIES].filter((field) => spec[field] !== undefined);
    if (fields.length === 0)
      document?.fail(path, `says nothing to expect; write one of ${[...COUNTS, ...LATENCIES].join(", ")}`);
    return fields.map((field) => parse(spec, field, document, [...path, field]));
  });
}

function parse(
  spec: ExpectationSpec,
  field: Expectation["field"],
  document: Document | undefined,
  path: (string | number)[],
): Expectation {
  const written = String(spec[field]);
  const isLatency = (LATENCIES as readonly string[]).includes(field);
  const [, comparison = "==", amount = ""] = /^\s*(==|!=|>=|<=|>|<)?\s*(\S+)\s*$/.exec(written) ?? [];
  const [, number, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(amount) ?? [];
  const value = isLatency ? parseDuration(amount) : number === undefined ? undefined : Number(number);
  if (value === undefined) {
    const example = isLatency ? '"<= 5ms"' : '">= 99.9%" or "== 0"';
    document?.fail(path, `${written} is not a comparison; write for example ${example}`);
  }
  return {
    traffic: spec.traffic,
    field,
    comparison: comparison as Comparison,
    value: value ?? 0,
    percent: percent === "%",
    text: `${field} ${comparison} ${amount}`,
    place: document?.place(path) ?? {},
  };
}

/** An expectation with what came of it. */
export interface Outcome {
  traffic: string;
  expected: string;
  /** The count, percentage or latency in nanoseconds that the run had; null if there was none. */
  actual: number | null;
  holds: boolean;
}

export function judge(expectation: Expectation, line: LineResult): Outcome {
  const actual = measure(expectation, line);
  const holds = actual !== null && compare(actual, expectation.comparison, expectation.value);
  return { traffic: line.name, expected: expectation.text, actual, holds };
}

function measure({ field, percent }: Expectation, line: LineResult): number | null {
  if (field === "p50" || field === "p99" || field === "max") return line.latency?.[field] ?? null;
  const count = countOf(field, line);
  if (!percent) return count;
  return line.sent === 0 ? null : (count / line.sent) * 100;
}

function countOf(field: (typeof COUNTS)[number], line: LineResult): number {
  if (field === "dropped") return sumOf(line.drops);
  if (field === "errors") return errorsOf(line);
  if (field === "lost" || field === "reordered") return line.stream?.[field] ?? 0;
  return line[field];
}

function sumOf(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, n) => sum + n, 0);
}

/** Answers whose HTTP status says that the request failed. */
function errorsOf({ statuses }: LineResult): number {
  return sumOf(Object.fromEntries(Object.entries(statuses).filter(([status]) => isError(status))));
}

/** Whether a status says that a request failed. */
export function isError(status: string): boolean {
  return Number(status) >= 400;
}

function compare(actual: number, comparison: Comparison, value: number): boolean {
  switch (comparison) {
    case "==":
      return actual === value;
    case "!=":
      return actual !== value;
    case ">=":
      return actual >= value;
    case "<=":
      return actual <= value;
    case ">":
      return actual > value;
    case "<":
      return actual < value;
  }
}
