// One scenario of busy nodes over one worker, two, and so on: how much faster it gets.
import { PreparedRun } from "../engine/run.ts";
import type { FlowConfig, Plan } from "../seam/plan.ts";
import { clusterOf, machinesOf, planOf, PORT, serviceAddress, type BenchPod } from "./cluster.ts";
import type { Plot } from "./plot.ts";
import { formatCount } from "./plot.ts";

export interface WorkersOptions {
  nodes: number;
  /** The most workers; each number from 1 on is measured. */
  workers: number;
  /** Frames delivered in a run. */
  frames: number;
  /** Runs with each number of workers, of which the fastest counts. */
  repeat: number;
}

export interface WorkersRow {
  workers: number;
  nodes: number;
  delivered: number;
  wall_s: number;
  delivered_pps: number;
  /** How many times as fast as one worker. */
  speed_up: number;
}

/** Frames a second of virtual time from each node: some 25 in a window. */
const RATE = 500_000;
const FRAME_BYTES = 22; // of payload: 64 on the wire
const CONNECTIONS = 16;
/** Every connection has been answered by then. */
const WARM_NS = 0.01e9;
const LINGER_NS = 0.01e9;

/** Each node has a client and a server; each client calls a Service whose pod is on the next node. */
export function workersPlan(nodes: number, frames: number): Plan {
  const numbers = Array.from({ length: nodes }, (_, i) => i + 1);
  const pods = numbers.flatMap((node): BenchPod[] => [
    { name: `client-${node}`, node, place: 0, serves: false },
    { name: `server-${node}`, node, place: 1, serves: true },
  ]);
  const cluster = clusterOf(nodes, pods, nodes, ["UDP"]);
  const machines = machinesOf(cluster);
  for (const { listeners } of machines)
    for (const listener of listeners) if (listener.protocol === "udp") listener.application = "meter";
  const stopNs = WARM_NS + (frames / nodes / RATE) * 1e9;
  const flows = numbers.map((node): FlowConfig => {
    return {
      line: 0,
      namespace: `bench/client-${node}`,
      protocol: "stream",
      target: { address: serviceAddress(node % nodes), port: PORT },
      rate: RATE,
      arrival: "constant",
      // Not all at the same moment.
      startNs: node * 97,
      stopNs,
      requestBytes: FRAME_BYTES,
      timeoutNs: 1e9,
      ports: { first: 1024, count: CONNECTIONS },
      greets: true,
    };
  });
  return planOf(cluster, machines, flows, stopNs + LINGER_NS);
}

/** A row for each number of workers. The runs take turns, so that what else the machine does meets them all. */
export async function measureWorkers({ nodes, workers, frames, repeat }: WorkersOptions): Promise<WorkersRow[]> {
  const plan = workersPlan(nodes, frames);
  const best = new Array<number>(workers).fill(Infinity);
  for (let turn = 0; turn < repeat; turn++) {
    for (let i = 0; i < workers; i++) {
      const run = new PreparedRun(plan);
      const { lines } = await run.run({ workers: i + 1, timedFromNs: WARM_NS });
      const line = lines[0];
      if (!line || line.delivered !== line.sent) throw new Error(`${line?.sent} sent, ${line?.delivered} delivered`);
      best[i] = Math.min(best[i] ?? Infinity, run.wallMs);
    }
  }
  return best.map((ms, i) => ({
    workers: i + 1,
    nodes,
    delivered: frames,
    wall_s: Number((ms / 1000).toFixed(4)),
    delivered_pps: Math.round((frames / ms) * 1000),
    speed_up: Number(((best[0] ?? 0) / ms).toFixed(2)),
  }));
}

/** The speed-up by the number of workers, beside what would be ideal. */
export function workersPlot(rows: readonly WorkersRow[]): Plot {
  const nodes = rows[0]?.nodes ?? 0;
  return {
    title: "One run on several cores",
    subtitle: `${nodes} nodes whose pods call each other through Services, over one worker and more; the results are the same, byte by byte.`,
    charts: [
      {
        title: "Speed-up",
        x: { label: "workers", scale: "linear", format: formatCount },
        y: { label: "times as fast as one worker", scale: "linear", format: formatCount },
        series: [
          { name: "podwire", points: rows.map(({ workers, speed_up }) => [workers, speed_up]) },
          { name: "ideal", dashed: true, points: rows.map(({ workers }) => [workers, workers]) },
        ],
      },
    ],
    notes: [],
  };
}
