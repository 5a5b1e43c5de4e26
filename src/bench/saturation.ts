// Saturation: one Service called by more and more new connections, on nodes whose work takes virtual time, by the number of Services.
//
// Nothing here is timed on the machine that runs it: the same figures come out everywhere.
import { PreparedRun } from "../engine/run.ts";
import type { FlowConfig, Plan, RunResult } from "../seam/plan.ts";
import { LINUX_COSTS, type ProcessorConfig } from "../seam/processor.ts";
import { clusterOf, machinesOf, planOf, PORT, serviceAddress, type BenchPod } from "./cluster.ts";
import { formatCount, formatTime, type Axis, type Plot, type Series } from "./plot.ts";

export interface SaturationOptions {
  services: readonly number[];
  /** Connections begun a second. */
  rates: readonly number[];
  /** Of each node. */
  cores: number;
  /** Virtual time of a run. */
  durationNs: number;
  /** Of a rule, in place of that in LINUX_COSTS. */
  ruleNs: number;
  workers: number;
}

export interface SaturationRow {
  services: number;
  offered_per_s: number;
  delivered_per_s: number;
  p50_us?: number | undefined;
  p99_us?: number | undefined;
  /** Of the cores of the node of the clients, and that of the server: how busy they were. */
  client_node: number;
  server_node: number;
  /** Frames that found no room in a backlog. */
  dropped: number;
}

const BACKLOG = 1000;
/** Clients, and with them the ports that connections may come from, are more than enough. */
const CLIENTS = 16;
/** Connections that one client may begin: it has no more ports. */
const PORTS = 28_000;
const CONNECTIONS_MAX = 1 << 22;

/** The most connections a second that there are ports for. */
export function rateLimit(durationNs: number): number {
  return Math.floor((CLIENTS * PORTS * 1e9) / durationNs);
}

/** A plan of two nodes with processors: pods on one call the Service in the middle of all, whose pod is on the other. */
function saturationPlan(services: number, rate: number, options: Omit<SaturationOptions, "services" | "rates">): Plan {
  const { cores, durationNs, ruleNs } = options;
  const clients = Array.from({ length: CLIENTS }, (_, i) => i);
  const pods: BenchPod[] = [
    ...clients.map((i) => ({ name: `client-${i}`, node: 1, place: i, serves: false })),
    { name: "server", node: 2, place: 0, serves: true },
  ];
  const cluster = clusterOf(2, pods, services, ["TCP"]);
  const processor: ProcessorConfig = { cores, backlog: BACKLOG, costs: { ...LINUX_COSTS, rule: ruleNs } };
  const machines = machinesOf(cluster, processor);
  for (const { namespaces } of machines)
    namespaces[0]?.sysctls.push(["net.netfilter.nf_conntrack_max", String(CONNECTIONS_MAX)]);
  const flow = (client: number): FlowConfig => ({
    line: 0,
    namespace: `bench/client-${client}`,
    protocol: "tcp",
    target: { address: serviceAddress(Math.floor(services / 2)), port: PORT },
    rate: rate / CLIENTS,
    arrival: "poisson",
    startNs: 0,
    stopNs: durationNs,
    requestBytes: 64,
    timeoutNs: 1e9,
  });
  return planOf(cluster, machines, clients.map(flow), durationNs);
}

/** A row for each number of Services and each rate. */
export async function measureSaturation(options: SaturationOptions): Promise<SaturationRow[]> {
  const rows: SaturationRow[] = [];
  for (const services of options.services) {
    let before: PreparedRun | undefined;
    for (const rate of options.rates) {
      const plan = saturationPlan(services, rate, options);
      const run: PreparedRun = new PreparedRun(plan, before ? { like: before } : {});
      before = run;
      rows.push(rowOf(services, rate, await run.run({ workers: options.workers })));
    }
  }
  return rows;
}

function rowOf(services: number, rate: number, { lines, processors, endNs }: RunResult): SaturationRow {
  const line = lines[0];
  const cores = processors.map((processor) => processor.cores);
  const busy = cores.map((all) => all.reduce((sum, { busyNs }) => sum + busyNs, 0) / (all.length * endNs));
  const us = (ns: number | undefined): number | undefined => (ns === undefined ? undefined : Math.round(ns / 100) / 10);
  return {
    services,
    offered_per_s: rate,
    delivered_per_s: Math.round(((line?.delivered ?? 0) * 1e9) / endNs),
    p50_us: us(line?.latency?.p50),
    p99_us: us(line?.latency?.p99),
    client_node: Number((busy[0] ?? 0).toFixed(3)),
    server_node: Number((busy[1] ?? 0).toFixed(3)),
    dropped: cores.flat().reduce((sum, { dropped }) => sum + dropped, 0),
  };
}

/** What was delivered, and how long it took, by what was offered. */
export function saturationPlot(
  rows: readonly SaturationRow[],
  { cores, ruleNs }: Pick<SaturationOptions, "cores" | "ruleNs">,
): Plot {
  const x: Axis = { label: "offered: new connections a second", scale: "linear", format: formatCount };
  const sizes = [...new Set(rows.map(({ services }) => services))];
  const rates = [...new Set(rows.map((row) => row.offered_per_s))];
  const series = (field: "delivered_per_s" | "p50_us" | "p99_us", scale: number, words: string): Series[] =>
    sizes.map((services) => ({
      name: `${formatCount(services)} Services${words}`,
      points: rows.flatMap((row): [number, number][] => {
        const value = row[field];
        return row.services !== services || value === undefined ? [] : [[row.offered_per_s, value * scale]];
      }),
    }));
  const latency = { label: "time of a request, first packet to answer", scale: "log", format: formatTime } as const;
  return {
    title: "Saturation of one Service, by the number of Services",
    subtitle: `kube-proxy in iptables mode; nodes of ${cores} cores, ${ruleNs} ns a rule. Pods on one node call a pod on another, each request in a new connection.`,
    charts: [
      {
        title: "Delivered",
        x,
        y: { label: "answered a second", scale: "linear", format: formatCount },
        series: [
          ...series("delivered_per_s", 1, ""),
          { name: "all that was offered", dashed: true, points: rates.map((rate) => [rate, rate]) },
        ],
      },
      { title: "Latency of what was answered, median", x, y: latency, series: series("p50_us", 1000, ", p50") },
      { title: "Latency of what was answered, 99 %", x, y: latency, series: series("p99_us", 1000, ", p99") },
    ],
    notes: ["Virtual time: the costs were measured on Linux, the run is the same on every machine. docs/saturation.md"],
  };
}
