// The report of a run as data: what report.json holds and the summary is made of. docs/report.md describes its fields.
import { relative } from "node:path";
import type { Cluster } from "../kubernetes/objects.ts";
import { judge, type Expectation, type Outcome } from "../scenario/expectation.ts";
import type { PreparedScenario } from "../scenario/prepare.ts";
import type { Count, PreparedEvent } from "../scenario/timeline.ts";
import type { ReachOutcome } from "../scenario/reach.ts";
import { STANDARD_OUTPUT, type Failures, type LineResult, type ProcessorResult, type RunResult } from "../seam/plan.ts";
import { ratesOf, type Rates } from "./loads.ts";
import { loadBalancerReports, type HealthChange, type LoadBalancerReport } from "./load-balancers.ts";

export interface Report {
  podwire: string;
  scenario: string;
  seed: number;
  /** Virtual time asked for and reached, in nanoseconds. */
  durationNs: number;
  endNs: number;
  interrupted: boolean;
  cluster: { nodes: number; pods: number; services: number };
  /** What happened by the scenario's timeline. */
  events: EventReport[];
  traffic: LineReport[];
  /** One for each address and port that the load balancer owns. */
  loadBalancers: LoadBalancerReport[];
  /** In the order of time; the first of each node and port is what was found at the beginning. */
  healthChanges: HealthChange[];
  expectations: (Outcome | ReachOutcome)[];
  /** Frames that devices sent. */
  frames: number;
  /** By namespace and reason, also of frames that belong to no line. */
  drops: RunResult["drops"];
  listenErrors: RunResult["listenErrors"];
  /** Of the nodes, if their work takes time. */
  processors?: ProcessorReport[];
  /** Paths are relative to the output folder. */
  captures: { file: string; packets: number; bytes: number }[];
  ignored: Cluster["ignored"];
  notEmulated: string[];
  warnings: string[];
  /** Keys that begin with `wall` depend on the machine; the rest is the same in every run. */
  wallSeconds: number;
  wallFramesPerSecond: number;
  wallWorkers: number;
}

export interface EventReport {
  atNs: number;
  what: string;
  /** When kube-proxy had the new rules in place. */
  rulesAtNs?: number;
  /** Entries of connection tables. */
  connectionsRemoved: number;
  /** What became of connections to servers that ended; absent if there were none. */
  connections?: Ended;
  /** Packets that came to the ports of pods that did not listen yet, or any more; absent if there were none. */
  refusedBy?: { starting: number; ending: number };
  /** Requests that failed because of it, by line and by how they did; lines without any are left out. */
  failed: EventFailures[];
}

/** `traffic`: the line. Kinds without any are left out. */
export type EventFailures = { traffic: string } & Partial<Failures>;

/** Connections that were open when their server ended: those that came to their own end first, that it cut off, and that nobody ended. */
export interface Ended {
  drained: number;
  cut: number;
  hung: number;
}

export interface ProcessorReport {
  node: string;
  /** The share of the run in which the cores worked, together and each. */
  utilisation: number;
  cores: (ProcessorResult["cores"][number] & { utilisation: number })[];
}

export interface LineReport extends Omit<LineResult, "latency" | "latencies" | "drops">, Rates {
  dropped: number;
  drops: LineResult["drops"];
  latencyNs: LineResult["latency"];
}

export interface Wall {
  seconds: number;
  workers: number;
}

/** Puts a run's results, and what was expected of them, into one report. */
export function makeReport(
  prepared: PreparedScenario,
  result: RunResult,
  outDir: string,
  version: string,
  wall: Wall,
  reached: ReachOutcome[] = [],
): Report {
  const { plan, cluster, warnings, expectations, name } = prepared;
  const rates = ratesOf(plan, result.lines, result.endNs);
  return {
    podwire: version,
    scenario: name,
    seed: plan.seed,
    durationNs: plan.durationNs,
    endNs: result.endNs,
    interrupted: result.interrupted,
    cluster: { nodes: cluster.nodes.length, pods: cluster.pods.length, services: cluster.services.length },
    events: prepared.events.map((event, i) => ({
      ...eventReport(event, result),
      failed: eventFailures(plan.lines, result.failures[i] ?? []),
    })),
    traffic: result.lines.map((line, i) =>
      lineReport(line, rates[i] ?? { offeredPerSecond: 0, deliveredPerSecond: 0 }),
    ),
    ...loadBalancerReports(result.balancers, cluster),
    expectations: [...outcomes(expectations, result.lines), ...reached],
    frames: result.frames,
    drops: result.drops,
    listenErrors: result.listenErrors,
    ...(result.processors.length > 0 && {
      processors: result.processors.map((one) => processorReport(one, result.endNs)),
    }),
    captures: result.captures.map(({ path, packets, bytes }) => ({
      file: path === STANDARD_OUTPUT ? path : relative(outDir, path),
      packets,
      bytes,
    })),
    ignored: cluster.ignored,
    notEmulated: cluster.notEmulated,
    warnings,
    wallSeconds: Number(wall.seconds.toFixed(3)),
    wallFramesPerSecond: Math.round(result.frames / Math.max(wall.seconds, 1e-9)),
    wallWorkers: wall.workers,
  };
}

function eventFailures(lines: readonly string[], failures: readonly Failures[]): EventFailures[] {
  return failures.flatMap((counts, i) => {
    const some = Object.entries(counts).filter(([, count]) => count > 0);
    return some.length === 0 ? [] : [{ traffic: lines[i] ?? "", ...(Object.fromEntries(some) as Partial<Failures>) }];
  });
}

function eventReport(
  { counts, pods, untilNs: _, ...event }: PreparedEvent,
  { countedConnections: counted, drops }: RunResult,
): Omit<EventReport, "failed"> {
  const sum = (count: Count): number => counts[count].reduce((total, place) => total + (counted[place] ?? 0), 0);
  const [cut, hung] = [sum("cut"), sum("hung")];
  // Who hangs did not get as far as the end of a server that stops first.
  const connections = { drained: Math.max(0, sum("open") - cut), cut, hung };
  const none = Object.values(connections).every((count) => count === 0);
  const unheard = (names: readonly string[]): number =>
    names.reduce((total, name) => total + (drops[name]?.["NO_SOCKET"] ?? 0), 0);
  const refusedBy = { starting: unheard(pods.starting), ending: unheard(pods.ending) };
  return {
    ...event,
    connectionsRemoved: sum("removed"),
    ...(none ? {} : { connections }),
    ...(refusedBy.starting + refusedBy.ending > 0 ? { refusedBy } : {}),
  };
}

function processorReport({ machine, cores }: ProcessorResult, endNs: number): ProcessorReport {
  const share = (busyNs: number): number => Number((busyNs / Math.max(endNs, 1)).toFixed(4));
  const busyNs = cores.reduce((sum, core) => sum + core.busyNs, 0);
  return {
    node: machine,
    utilisation: share(busyNs / cores.length),
    cores: cores.map((core) => ({ ...core, utilisation: share(core.busyNs) })),
  };
}

function lineReport({ latency, latencies: _, drops, backends, ...counts }: LineResult, rates: Rates): LineReport {
  const dropped = Object.values(drops).reduce((sum, count) => sum + count, 0);
  return { ...counts, ...rates, dropped, drops, latencyNs: latency, backends };
}

function outcomes(expectations: readonly Expectation[], lines: readonly LineResult[]): Outcome[] {
  return expectations.flatMap((expectation) => {
    const line = lines.find(({ name }) => name === expectation.traffic);
    return line ? [judge(expectation, line)] : [];
  });
}
