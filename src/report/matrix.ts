// The table of who reaches whom: a row for each target, a column for each source, and below it what stopped the others.
import Table from "cli-table3";
import type { Matrix, MatrixTarget } from "../scenario/matrix.ts";
import { stoppedBy, type ProbeResult, type Verdict } from "../scenario/probes.ts";
import type { ReachOutcome } from "../scenario/reach.ts";
import { plural } from "./format.ts";

/** matrix.json. */
export interface MatrixReport {
  podwire: string;
  scenario: string;
  seed: number;
  sources: string[];
  targets: MatrixTarget[];
  /** By targets, then by sources; a pair that is not asked is absent. */
  probes: ProbeResult[];
  /** What the scenario expects of reach. */
  expectations: ReachOutcome[];
}

const MARKS: Readonly<Record<Verdict, string>> = { allowed: ".", refused: "R", dropped: "X", mixed: "~" };
const LEGEND_WIDTH = 100;
const NOT_ASKED = "-";
/** So many probes that one rule stopped are named. */
const EXAMPLES = 3;

/** The whole print-out, with a line feed at the end. */
export function printMatrix(report: MatrixReport, warnings: readonly string[] = []): string {
  const { scenario, seed, sources, targets, probes, expectations } = report;
  const failed = expectations.filter(({ holds }) => !holds);
  const verdicts = new Map(probes.map(({ from, to, verdict }) => [`${from} > ${to}`, verdict]));
  const table = new Table({
    head: ["to \\ from", ...sources.map((_, i) => String(i + 1))],
    colAligns: ["left", ...sources.map(() => "center" as const)],
    style: { head: [], border: [], compact: true, "padding-left": 0, "padding-right": 0 },
  });
  for (const { name } of targets) {
    const marks = sources.map((source) => {
      const verdict = verdicts.get(`${source} > ${name}`);
      return verdict === undefined ? NOT_ASKED : MARKS[verdict];
    });
    table.push([name, ...marks]);
  }
  const counts = (Object.keys(MARKS) as Verdict[])
    .map((verdict) => [verdict, probes.filter((probe) => probe.verdict === verdict).length] as const)
    .filter(([, count]) => count > 0)
    .map(([verdict, count]) => `${count} ${verdict} ${MARKS[verdict]}`);
  const parts = [
    `${scenario}: ${plural(sources.length, "source")}, ${plural(targets.length, "target")}, seed ${seed}; ${counts.join(", ")}`,
    table.toString(),
    ...legend(sources),
    ...stops(probes),
    ...warnings,
    ...(expectations.length > 0
      ? [`${expectations.length - failed.length} of ${plural(expectations.length, "expectation")} hold`]
      : []),
    ...failed.map(({ sentence }) => `FAILED ${sentence}`),
  ];
  return `${parts.join("\n")}\n`;
}

/** The numbers of the columns, in lines about as wide as the table. */
function legend(sources: readonly string[]): string[] {
  const lines: string[] = [];
  sources.forEach((source, i) => {
    const entry = `${i + 1} ${source}`;
    const last = lines.at(-1);
    if (last === undefined || last.length + entry.length > LEGEND_WIDTH) lines.push(entry);
    else lines[lines.length - 1] = `${last}, ${entry}`;
  });
  return lines;
}

/** A line for everything that stopped probes, in the order in which it first did. */
function stops(probes: readonly ProbeResult[]): string[] {
  const groups = new Map<string, ProbeResult[]>();
  for (const probe of probes) {
    if (probe.verdict === "allowed") continue;
    const key = `${MARKS[probe.verdict]} ${probe.verdict} ${stoppedBy(probe)}`;
    const group = groups.get(key);
    if (group) group.push(probe);
    else groups.set(key, [probe]);
  }
  return [...groups].map(([what, group]) => {
    const named = group.slice(0, EXAMPLES).map(({ from, to }) => `${from} > ${to}`);
    const rest = group.length - named.length;
    return `${what}: ${named.join("; ")}${rest > 0 ? ` and ${rest} more` : ""}`;
  });
}

/** What the report of a matrix is made of. */
export function makeMatrixReport(
  { name, seed, version }: { name: string; seed: number; version: string },
  { sources, targets }: Matrix,
  probes: ProbeResult[],
  expectations: ReachOutcome[],
): MatrixReport {
  return { podwire: version, scenario: name, seed, sources, targets, probes, expectations };
}
