// The results of the workers put together: sums in the order of the plan, so that the number of workers does not show.
import { STATUS_DNS } from "../../assembly/layout/records.ts";
import type { Family } from "../iptables/addresses.ts";
import { bucketCeiling, DROP_REASONS, type LineCounters } from "../kernel/kernel.ts";
import type {
  Denial,
  Failures,
  LineResult,
  Percentiles,
  Plan,
  ProcessorResult,
  RunResult,
  Series,
} from "../seam/plan.ts";
import type { CaptureFile } from "./captures.ts";
import type { NamespaceResult, WorkerResult } from "./job.ts";
import type { RuleSets } from "./rules.ts";
import { SERIES_FIELDS } from "./sampler.ts";

/** The result of a run from those of its workers; `namespaceNames` by id. */
export function combine(
  plan: Plan,
  workers: readonly WorkerResult[],
  namespaceNames: readonly string[],
  rules: RuleSets,
  files: readonly CaptureFile[],
): RunResult {
  const byName = new Map(workers.flatMap(({ namespaces }) => namespaces.map((ns) => [ns.name, ns] as const)));
  const namespaces = namespaceNames.flatMap((name) => byName.get(name) ?? []);
  const endNs = Math.max(0, ...workers.map((worker) => worker.endNs));
  const written = workers[0]?.captures ?? [];
  const sent = namespaces.flatMap(({ name, frames }) =>
    [...frames].map(([device, count]) => [`${name}/${device}`, count] as const),
  );
  const streams = new Set(plan.flows.flatMap(({ line, stream }) => (stream === undefined ? [] : [line])));
  return {
    lines: plan.lines.map((name, i) =>
      lineResult(
        name,
        workers.flatMap(({ lines }) => lines[i] ?? []),
        namespaceNames,
        rules,
        streams.has(i),
      ),
    ),
    balancers: workers.flatMap(({ balancers }) => balancers),
    processors: inPlanOrder(
      plan,
      workers.flatMap(({ processors }) => processors),
    ),
    drops: dropsOf(namespaces),
    captures: files.map(({ path, headBytes }, i) => ({
      path,
      packets: written[i]?.packets ?? 0,
      bytes: headBytes + (written[i]?.bytes ?? 0),
    })),
    listenErrors: sorted(
      workers.flatMap(({ listenErrors }) => listenErrors),
      namespaceNames,
    ),
    countedConnections: countedBy(plan, workers),
    failures: failuresOf(plan, workers),
    frames: sent.reduce((sum, [, frames]) => sum + frames, 0),
    sentBy: Object.fromEntries(sent.filter(([, frames]) => frames > 0)),
    series: seriesOf(plan, workers),
    endNs,
    interrupted: workers.some(({ interrupted }) => interrupted),
    rules: rulesOf(namespaces, rules, endNs, "ipv4"),
    ipv6Rules: rulesOf(namespaces, rules, endNs, "ipv6"),
    nftTables: Object.fromEntries(
      namespaces.flatMap(({ name }) => {
        const tables = (["ipv4", "ipv6"] as const).flatMap((family) => rules.printTable(name, endNs, family) ?? []);
        return tables.length === 0 ? [] : [[name, tables.join("")]];
      }),
    ),
    get heat() {
      return rules.heat(namespaces, endNs);
    },
  };
}

/** By namespace, its rules as text, which is printed when it is asked for: those of a large cluster do not fit into memory together. */
function rulesOf(
  namespaces: readonly NamespaceResult[],
  rules: RuleSets,
  endNs: number,
  family: Family,
): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const { name, counters, counters6 } of namespaces) {
    const counted = family === "ipv4" ? counters : counters6;
    if (rules.has(name, family))
      Object.defineProperty(texts, name, { enumerable: true, get: () => rules.print(name, counted, endNs, family) });
  }
  return texts;
}

function seriesOf(plan: Plan, workers: readonly WorkerResult[]): Series {
  const atNs = workers[0]?.series.atNs ?? [];
  const total = (moment: number, line: number, which: number): number =>
    workers.reduce((sum, { series }) => sum + (series.totals[moment]?.[line * SERIES_FIELDS + which] ?? 0), 0);
  const lines = plan.lines.map((_, line) => {
    const [sent = [], delivered = [], failed = []] = [0, 1, 2].map((which) =>
      atNs.map((_, i) => total(i, line, which)),
    );
    return { sent, delivered, failed };
  });
  return { atNs, lines };
}

function inPlanOrder(plan: Plan, processors: readonly ProcessorResult[]): ProcessorResult[] {
  const byMachine = new Map(processors.map((processor) => [processor.machine, processor]));
  return plan.machines.flatMap(({ name }) => byMachine.get(name) ?? []);
}

/** By event and line, those of all workers together. */
function failuresOf(plan: Plan, workers: readonly WorkerResult[]): Failures[][] {
  return (plan.events ?? []).map((_, event) =>
    plan.lines.map((_, line) => {
      const sum: Failures = { refused: 0, reset: 0, closed: 0, unconnected: 0, unanswered: 0, unresolved: 0 };
      const kinds = Object.keys(sum) as (keyof Failures)[];
      for (const { failures } of workers) for (const kind of kinds) sum[kind] += failures[event]?.[line]?.[kind] ?? 0;
      return sum;
    }),
  );
}

function countedBy(plan: Plan, workers: readonly WorkerResult[]): number[] {
  const counted = (plan.changes ?? []).map(() => 0);
  for (const { change, connections } of workers.flatMap((worker) => worker.counted)) counted[change] = connections;
  return counted;
}

function sorted<T extends { namespace: string }>(errors: T[], names: readonly string[]): T[] {
  return errors.sort((a, b) => names.indexOf(a.namespace) - names.indexOf(b.namespace));
}

function dropsOf(namespaces: readonly NamespaceResult[]): Record<string, Record<string, number>> {
  const entries = namespaces.map(({ name, drops }) => [name, named(drops)] as const);
  return Object.fromEntries(entries.filter(([, drops]) => Object.keys(drops).length > 0));
}

/** The drops that happened, by the name of their reason. */
function named(drops: Uint32Array): Record<string, number> {
  const entries = DROP_REASONS.map((reason, code) => [reason, drops[code] ?? 0] as const);
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}

/** The codes of DNS answers, RFC 1035 and 2136. */
const DNS_CODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

function statusName(status: number): string {
  return status >= 100 ? String(status) : (DNS_CODES[status - STATUS_DNS] ?? `RCODE${status - STATUS_DNS}`);
}

type Count =
  "sent" | "begun" | "retries" | "delivered" | "refused" | "timedOut" | "unresolved" | "latencySum" | StreamCount;
type StreamCount = "reordered" | "duplicates" | "streams" | "jitterSum";

function lineResult(
  name: string,
  parts: readonly LineCounters[],
  namespaceNames: readonly string[],
  rules: RuleSets,
  isStream: boolean,
): LineResult {
  const sum = (field: Count): number => parts.reduce((total, part) => total + part[field], 0);
  const histogram = addUp(parts.map((part) => part.histogram));
  const delivered = histogram.reduce((total, count) => total + count, 0);
  const backends = addUp(parts.map((part) => part.backends));
  const [sent, refused, timedOut, unresolved] = [sum("sent"), sum("refused"), sum("timedOut"), sum("unresolved")];
  const left = sent - delivered - refused - timedOut - unresolved;
  return {
    name,
    sent,
    begun: sum("begun"),
    retries: sum("retries"),
    delivered,
    refused,
    timedOut,
    unresolved,
    open: isStream ? 0 : left,
    ...(isStream && {
      stream: {
        lost: left,
        reordered: sum("reordered"),
        duplicates: sum("duplicates"),
        jitter: {
          mean: Math.round(sum("jitterSum") / Math.max(1, sum("streams"))),
          max: Math.round(Math.max(...parts.map(({ jitterMax }) => jitterMax))),
        },
      },
    }),
    statuses: Object.fromEntries(
      filled(addUp(parts.map((part) => part.statuses))).map(([status, count]) => [statusName(status), count]),
    ),
    latency:
      delivered === 0
        ? null
        : latencyOf(histogram, delivered, Math.max(...parts.map(({ max }) => max)), sum("latencySum") / delivered),
    latencies: filled(histogram).map(([bucket, count]) => [bucketCeiling(bucket), count]),
    drops: named(addUp(parts.map((part) => part.drops))),
    denied: firstDenial(parts, namespaceNames, rules),
    backends: Object.fromEntries(filled(backends).map(([id, count]) => [namespaceNames[id] ?? "", count])),
  };
}

/** The places of an array that are not 0, with what is there: a run may have thousands of lines, and each has thousands of places. */
function filled(counts: Uint32Array): [index: number, count: number][] {
  const found: [number, number][] = [];
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i] ?? 0;
    if (count !== 0) found.push([i, count]);
  }
  return found;
}

/** The earliest denial of all workers; of several at once that of the lowest namespace, as the kernel has it. */
function firstDenial(
  parts: readonly LineCounters[],
  namespaceNames: readonly string[],
  rules: RuleSets,
): Denial | null {
  const [first] = parts
    .flatMap(({ denied }) => denied ?? [])
    .sort((a, b) => a.atNs - b.atNs || a.namespace - b.namespace);
  if (!first) return null;
  return rules.denial(namespaceNames[first.namespace] ?? "", first.rule, first.atNs);
}

function addUp([first = new Uint32Array(0), ...others]: readonly Uint32Array[]): Uint32Array {
  const total = first.slice();
  for (const part of others) for (const [i, count] of filled(part)) total[i] = (total[i] ?? 0) + count;
  return total;
}

function latencyOf(histogram: Uint32Array, count: number, max: number, mean: number): Percentiles {
  const quantile = (q: number): number => {
    let left = Math.max(1, Math.ceil(count * q));
    const bucket = histogram.findIndex((value) => (left -= value) <= 0);
    return Math.min(bucketCeiling(bucket), max);
  };
  return {
    mean: Math.round(mean),
    p50: quantile(0.5),
    p75: quantile(0.75),
    p90: quantile(0.9),
    p95: quantile(0.95),
    p99: quantile(0.99),
    p999: quantile(0.999),
    p9999: quantile(0.9999),
    max,
  };
}
