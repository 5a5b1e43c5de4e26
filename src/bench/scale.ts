// Large clusters: how long they take to build, the memory that they need, and how fast random pods talk through Services in them.
import { LINE_DELIVERED, LINE_SENT, SHARED_BREAK } from "../../assembly/layout/records.ts";
import { PreparedRun } from "../engine/run.ts";
import type { FlowConfig } from "../seam/plan.ts";
import { clusterOf, machinesOf, planOf, PORT, serviceAddress, type BenchPod } from "./cluster.ts";
import { formatCount, formatTime, type Plot } from "./plot.ts";

export interface ScaleOptions {
  nodes: number;
  pods: number;
  services: number;
  /** Frames to be timed. */
  frames: number;
}

export interface ScaleRow {
  nodes: number;
  pods: number;
  services: number;
  /** Objects; machines with their rules as text; rules compiled; namespaces, links, addresses, routes; all together. */
  objects_s: number;
  machines_s: number;
  compile_s: number;
  links_s: number;
  build_s: number;
  /** The most that the process has had, and the kernel's part of it. */
  memory_mib: number;
  kernel_mib: number;
  delivered_pps: number;
}

/** Pods that send; the others are idle. */
const CLIENTS = 1000;
const RATE = 1e6; // frames a second of virtual time, all together
const WARM_NS = 0.02e9;
const LINGER_NS = 1e9;
const PAGE = 65536;
const MIB = 2 ** 20;
const MIXER = 2654435761; // Knuth's multiplicative hash: spreads numbers, and gives the same ones in every run

/** Builds a cluster once and sends through it. Throws if a frame did not arrive. */
export function measureScale({ nodes, pods: count, services, frames }: ScaleOptions): ScaleRow {
  const seconds: number[] = [];
  let began = performance.now();
  const lap = <T>(result: T): T => {
    const now = performance.now();
    seconds.push((now - began) / 1000);
    began = now;
    return result;
  };
  const pods = podsOf(nodes, count);
  const cluster = lap(clusterOf(nodes, pods, services, ["UDP"]));
  const machines = machinesOf(cluster);
  for (const { listeners } of machines)
    for (const listener of listeners) if (listener.protocol === "udp") listener.application = "meter";
  lap(undefined);
  const clients = Math.min(CLIENTS, count);
  const stopNs = WARM_NS + (frames / RATE) * 1e9;
  const flows = Array.from({ length: clients }, (_, i): FlowConfig => {
    const pod = pods[(i * MIXER) % count];
    return {
      line: 0,
      namespace: `bench/${pod?.name}`,
      protocol: "stream",
      target: { address: serviceAddress(((i + 1) * MIXER) % services), port: PORT },
      rate: RATE / clients,
      arrival: "constant",
      startNs: (i * 1e9) / RATE,
      stopNs,
      requestBytes: 22,
      timeoutNs: LINGER_NS,
      ports: { first: 1024 + i, count: 1 },
      greets: true,
    };
  });
  const plan = planOf(cluster, machines, flows, stopNs + LINGER_NS);
  const run = lap(new PreparedRun(plan));
  const { kernel } = lap(run.alone()).worker;
  kernel.calls.run(WARM_NS);
  began = performance.now();
  kernel.calls.run(stopNs + LINGER_NS);
  const wall = (performance.now() - began) / 1000;
  const line = kernel.calls.lineOf(1) >>> 0;
  const [sent, delivered] = [kernel.word(line + LINE_SENT), kernel.word(line + LINE_DELIVERED)];
  if (sent < frames || delivered !== sent) throw new Error(`${sent} frames sent, ${delivered} delivered`);
  const [objects = 0, made = 0, compiled = 0, linked = 0] = seconds.map((value) => Number(value.toFixed(3)));
  return {
    nodes,
    pods: count,
    services,
    objects_s: objects,
    machines_s: made,
    compile_s: compiled,
    links_s: linked,
    build_s: Number((objects + made + compiled + linked).toFixed(3)),
    memory_mib: Math.round(process.resourceUsage().maxRSS / 1024),
    kernel_mib: Math.round((kernel.word(SHARED_BREAK) * PAGE) / MIB),
    delivered_pps: Math.round(frames / wall),
  };
}

/** Pods in equal numbers on all nodes; each listens. */
function podsOf(nodes: number, count: number): BenchPod[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `pod-${i}`,
    node: (i % nodes) + 1,
    place: Math.floor(i / nodes),
    serves: true,
  }));
}

/** Time and memory by the number of pods. */
export function scalePlot(rows: readonly ScaleRow[]): Plot {
  const x = { label: "pods", scale: "log", format: formatCount } as const;
  const of = (field: keyof ScaleRow, factor = 1): [number, number][] =>
    rows.map((row) => [row.pods, row[field] * factor]);
  return {
    title: "Large clusters",
    subtitle: rows.map(({ nodes, pods, services }) => `${formatCount(nodes)} nodes, ${formatCount(pods)} pods, ${formatCount(services)} Services`).at(-1) ?? "", // prettier-ignore
    charts: [
      {
        title: "Building the cluster",
        x,
        y: { label: "time", scale: "log", format: formatTime },
        series: [
          { name: "all", points: of("build_s", 1e9) },
          { name: "machines and rules", points: of("machines_s", 1e9) },
          { name: "compiling rules", points: of("compile_s", 1e9) },
          { name: "namespaces and links", points: of("links_s", 1e9) },
        ],
      },
      {
        title: "Memory",
        x,
        y: { label: "MiB", scale: "log", format: formatCount },
        series: [
          { name: "process", points: of("memory_mib") },
          { name: "kernel", points: of("kernel_mib") },
        ],
      },
      {
        title: "Traffic between random pods through Services, one worker",
        x,
        y: { label: "frames a second", scale: "log", format: formatCount },
        series: [{ name: "delivered", points: of("delivered_pps") }],
      },
    ],
    notes: [],
  };
}
