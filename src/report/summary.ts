// The summary that a run prints: a table with a row for each line of traffic, then what else the user should know.
import Table from "cli-table3";
import { formatBytes, formatCount, formatTime, plural } from "./format.ts";
import { loadRemarks } from "./loads.ts";
import { loadBalancerRemarks } from "./load-balancers.ts";
import type { EventReport, LineReport, ProcessorReport, Report } from "./report.ts";

const HEAD = ["traffic", "sent", "delivered", "dropped", "refused", "timed out", "p50", "p99", "max", "served by"];
const NUMBERS = ["delivered", "refused", "timedOut"] as const;
/** So many backends are named in a row. */
const BACKENDS = 3;

/** The whole summary, several lines with a line feed at the end. `outDir` is where the files are. */
export function summarize(report: Report, outDir: string): string {
  const { cluster, durationNs, endNs } = report;
  const time = report.interrupted
    ? `${formatTime(endNs)} of ${formatTime(durationNs)} (interrupted)`
    : formatTime(durationNs);
  const parts = [
    `${report.scenario}: ${plural(cluster.nodes, "node")}, ${plural(cluster.pods, "pod")}, ${plural(cluster.services, "Service")}; ${time} of virtual time, seed ${report.seed}`,
    ...(report.traffic.length > 0 ? [trafficTable(report.traffic)] : ["There was no traffic."]),
    ...remarks(report),
    files(report, outDir),
    `${plural(report.frames, "frame")} sent by devices; ${report.wallSeconds} s on the clock with ${plural(report.wallWorkers, "worker")}`,
  ];
  return `${parts.join("\n")}\n`;
}

function trafficTable(lines: readonly LineReport[]): string {
  const table = new Table({
    head: HEAD,
    colAligns: HEAD.map((_, i) => (i === 0 || i === HEAD.length - 1 ? "left" : "right")),
    // Colours are for terminals; a table in a log or a pipe is plain.
    style: { head: [], border: [], compact: true },
  });
  for (const line of lines) table.push(row(line));
  return table.toString();
}

function row(line: LineReport): string[] {
  const [delivered = "", refused = "", timedOut = ""] = NUMBERS.map((field) => count(line[field]));
  const { latencyNs } = line;
  const latency = (["p50", "p99", "max"] as const).map((field) => (latencyNs ? formatTime(latencyNs[field]) : ""));
  return [line.name, formatCount(line.sent), delivered, drops(line), refused, timedOut, ...latency, backends(line)];
}

/** A zero is a dot, so that what went wrong stands out. */
function count(value: number): string {
  return value === 0 ? "." : formatCount(value);
}

function drops({ drops }: LineReport): string {
  const reasons = Object.entries(drops).map(([reason, n]) => `${formatCount(n)} ${reason}`);
  return reasons.length === 0 ? "." : reasons.join("\n");
}

function backends({ backends }: LineReport): string {
  const served = Object.entries(backends).sort(([, a], [, b]) => b - a);
  const named = served.slice(0, BACKENDS).map(([name, n]) => `${name} ${formatCount(n)}`);
  const rest = served.length - BACKENDS;
  return [...named, ...(rest > 0 ? [`and ${rest} more`] : [])].join("\n");
}

function remarks(report: Report): string[] {
  const unresolved = report.traffic.filter((line) => line.unresolved > 0);
  const open = report.traffic.filter((line) => line.open > 0);
  const failed = report.expectations.filter(({ holds }) => !holds);
  const held = report.expectations.length - failed.length;
  return [
    ...unresolved.map((line) => `${line.name}: ${plural(line.unresolved, "name")} had no address`),
    ...(open.length > 0
      ? [`still waiting at the end: ${open.map((line) => `${line.name} ${formatCount(line.open)}`).join(", ")}`]
      : []),
    ...loadRemarks(report.traffic),
    ...loadBalancerRemarks(report.loadBalancers, report.healthChanges),
    ...processorRemarks(report.processors ?? []),
    ...report.events.map((event) => told(event).join("\n  ")),
    ...report.listenErrors.map(
      ({ namespace, process, protocol, port, error }) =>
        `${namespace}: ${process} could not listen on ${protocol} port ${port}: ${error}`,
    ),
    ...report.warnings,
    ...(report.notEmulated.length > 0 ? [`not emulated yet: ${report.notEmulated.join(", ")}`] : []),
    ...(report.ignored.length > 0
      ? [
          `ignored, as they have no part in the network: ${report.ignored.map(({ kind, count: n }) => `${n} ${kind}`).join(", ")}`,
        ]
      : []),
    ...(report.expectations.length > 0 ? [`${held} of ${plural(report.expectations.length, "expectation")} hold`] : []),
    ...failed.map((outcome) => `FAILED ${failure(outcome)}`),
  ];
}

/** So many nodes have a line for their processor. */
const PROCESSORS = 4;

/** The busiest nodes: how busy all cores together and the busiest of them were, and what was lost as it found no room. */
function processorRemarks(processors: readonly ProcessorReport[]): string[] {
  const busiest = [...processors].sort((a, b) => b.utilisation - a.utilisation).slice(0, PROCESSORS);
  const rest = processors.length - busiest.length;
  return [
    ...busiest.map(({ node, utilisation, cores }) => {
      const most = Math.max(...cores.map((core) => core.utilisation));
      const dropped = cores.reduce((sum, core) => sum + core.dropped, 0);
      const lost = dropped === 0 ? "" : `; ${plural(dropped, "frame")} found no room in a backlog`;
      return `${node}: ${plural(cores.length, "core")} busy ${percent(utilisation)}, the busiest ${percent(most)}${lost}`;
    }),
    ...(rest > 0 ? [`and ${plural(rest, "node")} less busy`] : []),
  ];
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

/** What happened, and what came of it: a sentence, and one for each line of which requests failed. */
export function told({
  atNs,
  what,
  rulesAtNs,
  connectionsRemoved,
  connections,
  refusedBy,
  failed,
}: EventReport): string[] {
  const rules = rulesAtNs === undefined ? "" : `; new rules at ${formatTime(rulesAtNs)}`;
  const removed = connectionsRemoved === 0 ? "" : `; ${plural(connectionsRemoved, "connection")} forgotten`;
  const ended = connections ? `; connections to servers that ended: ${parts(connections)}` : "";
  const refused = refusedBy ? `; packets that nobody listened for: ${parts(refusedBy, REFUSED_BY)}` : "";
  return [
    `at ${formatTime(atNs)} ${what}${rules}${removed}${ended}${refused}`,
    ...failed.map(({ traffic, ...counts }) => `requests of ${traffic} that failed: ${parts(counts, WHY)}`),
  ];
}

const REFUSED_BY = { starting: "at pods that had not started", ending: "at pods that had stopped" };

/** How requests failed, in words. */
const WHY: Readonly<Record<string, string>> = {
  refused: "refused",
  reset: "reset when connected",
  closed: "cut off by the server",
  unconnected: "timed out before they were connected",
  unanswered: "timed out without an answer",
  unresolved: "without an address",
};

/** `3 drained, 1 cut`: what there is more than none of. */
function parts(counts: object, words: Readonly<Record<string, string>> = {}): string {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  return some.map(([what, count]) => `${formatCount(Number(count))} ${words[what] ?? what}`).join(", ");
}

/** What was expected, and what came. */
export function failure(outcome: Report["expectations"][number]): string {
  if ("sentence" in outcome) return outcome.sentence;
  const { traffic, expected, actual } = outcome;
  return `${traffic}: expected ${expected}, got ${actual === null ? "nothing" : measured(expected, actual)}`;
}

/** The measure in the unit of what was expected. */
function measured(expected: string, actual: number): string {
  if (expected.endsWith("%")) return `${Number(actual.toFixed(3))}%`;
  return /^(p50|p99|max) /.test(expected) ? formatTime(actual) : formatCount(actual);
}

function files({ captures }: Report, outDir: string): string {
  const written = captures.map(
    ({ file, packets, bytes }) => `${file} (${plural(packets, "packet")}, ${formatBytes(bytes)})`,
  );
  const shown = written.length > 4 ? [`${plural(captures.length, "capture file")}`] : written;
  return `in ${outDir}: ${[...shown, "report.json"].join(", ")}`;
}
