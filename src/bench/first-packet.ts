// The first packet of a connection to each of many Services, on a node whose work takes virtual time, as percentiles over the Services:
// what the published figures of kube-proxy show.
import { PreparedRun } from "../engine/run.ts";
import type { FlowConfig, LineResult, Plan } from "../seam/plan.ts";
import { LINUX_COSTS } from "../seam/processor.ts";
import { clusterOf, machinesOf, planOf, PORT, serviceAddress, type BenchPod } from "./cluster.ts";
import { formatCount, formatTime, type Plot, type Series } from "./plot.ts";
import { PUBLISHED_FIRST_PACKET, PUBLISHED_SOURCE } from "./published.ts";

export interface FirstPacketRow {
  services: number;
  rule_ns: number;
  p01_us: number;
  p50_us: number;
  p90_us: number;
  p99_us: number;
}

/** Services that are called, spread evenly over all; each by one datagram, long after the one before. */
const CALLED = 400;
const APART_NS = 2e6;

const PODS: BenchPod[] = [
  { name: "client", node: 1, place: 0, serves: false },
  { name: "server", node: 1, place: 1, serves: true },
];

function firstPacketPlan(services: number, ruleNs: number): Plan {
  const cluster = clusterOf(1, PODS, services, ["UDP"]);
  const machines = machinesOf(cluster, { cores: 1, backlog: 1000, costs: { ...LINUX_COSTS, rule: ruleNs } });
  for (const listener of machines[0]?.listeners ?? []) if (listener.protocol === "udp") listener.application = "meter";
  const flow = (place: number): FlowConfig => ({
    line: 0,
    namespace: "bench/client",
    protocol: "stream",
    target: { address: serviceAddress(Math.floor(((place + 0.5) * services) / CALLED)), port: PORT },
    rate: 1,
    arrival: "constant",
    startNs: place * APART_NS,
    stopNs: place * APART_NS + 1,
    requestBytes: 22,
    timeoutNs: 1e9,
    ports: { first: 1024 + place, count: 1 },
  });
  const flows = Array.from({ length: CALLED }, (_, place) => flow(place));
  return planOf(cluster, machines, flows, (CALLED + 1) * APART_NS);
}

/** A row for each number of Services and each cost of a rule, in nanoseconds. */
export function measureFirstPackets(services: readonly number[], rulesNs: readonly number[]): FirstPacketRow[] {
  return rulesNs.flatMap((ruleNs) =>
    services.map((count) => {
      const [line] = new PreparedRun(firstPacketPlan(count, ruleNs)).runHere().lines;
      if (line?.delivered !== CALLED) throw new Error(`${line?.delivered} of ${CALLED} datagrams arrived`);
      const us = (share: number): number => Math.round(quantile(line, share) / 10) / 100;
      return { services: count, rule_ns: ruleNs, p01_us: us(0.01), p50_us: us(0.5), p90_us: us(0.9), p99_us: us(0.99) };
    }),
  );
}

function quantile({ latencies, delivered }: LineResult, share: number): number {
  let left = Math.ceil(delivered * share);
  return latencies.find(([, count]) => (left -= count) <= 0)?.[0] ?? 0;
}

/** The rows beside the published figures. */
export function firstPacketPlot(rows: readonly FirstPacketRow[]): Plot {
  const costs = [...new Set(rows.map(({ rule_ns }) => rule_ns))];
  const series = costs.flatMap((ruleNs): Series[] =>
    (["p50_us", "p99_us"] as const).map((field) => ({
      name: `podwire, ${ruleNs} ns a rule, ${field.slice(0, 3)}`,
      points: rows.flatMap((row) => (row.rule_ns === ruleNs ? [[row.services, row[field] * 1000] as const] : [])),
    })),
  );
  return {
    title: "The first packet of a connection, by the number of Services",
    subtitle:
      "kube-proxy in iptables mode; a pod calls Services whose pod is on the same node. Percentiles over the Services.",
    charts: [
      {
        title: "From pod to pod",
        x: { label: "Services, of one port and one endpoint each", scale: "log", format: formatCount },
        y: { label: "time per packet", scale: "log", format: formatTime },
        series: [...series, ...PUBLISHED_FIRST_PACKET],
      },
    ],
    notes: ["Virtual time: the same on every machine. What a packet costs: docs/saturation.md", PUBLISHED_SOURCE],
  };
}
