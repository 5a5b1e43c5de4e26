// The two-node Service path: datagrams from pods on one node through a cluster IP to a pod on another, kube-proxy's rules on both.
import { PreparedRun } from "../engine/run.ts";
import { Kernel } from "../kernel/kernel.ts";
import { compileKernel, newMemory } from "../kernel/load.ts";
import type { ProxyMode } from "../node/machine.ts";
import type { FlowConfig, Plan } from "../seam/plan.ts";
import { clusterOf, machinesOf, planOf, PORT, serviceAddress, type BenchPod } from "./cluster.ts";

export type PathMode = "established" | "new";

export interface PathOptions {
  services: number;
  /** Connections that take turns; for `new` every frame is the first one of its own. */
  flows: number;
  /** Of a frame without its checksum, in bytes. */
  size: number;
  workers: number;
  mode: PathMode;
  /** Frames to be timed. */
  frames: number;
  /** Whether packets may take the way of others like them. */
  flowCache: boolean;
}

/** What a plan of this path may say besides. */
export interface PathDetails {
  /** Of the Services. Default: both. */
  protocols?: readonly ("TCP" | "UDP")[];
  /** Virtual time before the frames that are timed. */
  warmNs?: number;
  /** kube-proxy's mode on both nodes. */
  proxyMode?: ProxyMode;
}

export interface PathResult {
  services: number;
  flows: number;
  frame_bytes: number;
  workers: number;
  mode: PathMode;
  delivered: number;
  wall_s: number;
  delivered_pps: number;
  ns_per_frame: number;
  floor_ns: number;
  ratio_to_floor: number;
}

/** Ethernet, IPv4 and UDP headers. */
const HEADERS = 42;
/** The smallest frame: headers and what a stream's datagram begins with. */
export const SIZE_MIN = HEADERS + 16;
export const SIZE_MAX = 1514;

const FIRST_PORT = 1024;
const PORTS_MAX = 60_000;
/** Of virtual time: enough for every packet to arrive. */
const LINGER_NS = 1e9;
const ESTABLISHED_RATE = 1e6;
/** Frames of each connection after which next to none takes the long way any more. */
const SETTLED = 20;
/** New connections a second, and how long one is remembered: less than the ports of its pod take to come round again. */
export const NEW_RATE = 1e5;
const NEW_TIMEOUT_S = 1;
const NEW_CLIENTS = 2;

/** The plan, and the moment from which it is timed. */
export function pathPlan(
  { services, flows, size, mode, frames }: Omit<PathOptions, "workers" | "flowCache">,
  details: PathDetails = {},
): { plan: Plan; timedFromNs: number } {
  const isNew = mode === "new";
  const rate = isNew ? NEW_RATE : ESTABLISHED_RATE;
  const clients = isNew ? NEW_CLIENTS : Math.ceil(flows / PORTS_MAX);
  // Every connection has been answered and is known to the flow cache before the clock is started; the connection table has its size.
  const steadyNs = isNew ? 1.5e9 : Math.max(0.1e9, ((flows * SETTLED) / rate) * 1e9);
  const { warmNs = steadyNs } = details;
  const stopNs = warmNs + (frames / rate) * 1e9;
  const pods: BenchPod[] = [
    ...Array.from({ length: clients }, (_, i) => ({ name: `client-${i}`, node: 1, place: i, serves: false })),
    { name: "server", node: 2, place: 0, serves: true },
  ];
  const cluster = clusterOf(2, pods, services, details.protocols);
  const machines = machinesOf(cluster, undefined, details.proxyMode);
  for (const listener of machines[1]?.listeners ?? []) if (listener.protocol === "udp") listener.application = "meter";
  if (isNew) {
    for (const { namespaces } of machines)
      namespaces[0]?.sysctls.push(["net.netfilter.nf_conntrack_udp_timeout", String(NEW_TIMEOUT_S)]);
  }
  const flow = (client: number): FlowConfig => ({
    line: 0,
    namespace: `bench/client-${client}`,
    protocol: "stream",
    target: { address: serviceAddress(services - 1), port: PORT },
    rate: rate / clients,
    arrival: "constant",
    startNs: (client * 1e9) / rate,
    stopNs,
    requestBytes: size - HEADERS,
    timeoutNs: LINGER_NS,
    ports: {
      first: FIRST_PORT,
      count: isNew ? PORTS_MAX : Math.floor((flows + client) / clients),
    },
    greets: !isNew,
  });
  const all = Array.from({ length: clients }, (_, i) => flow(i));
  return { plan: planOf(cluster, machines, all, stopNs + LINGER_NS), timedFromNs: warmNs };
}

/** Runs the path once. Throws if a frame did not arrive. */
export async function measurePath(options: PathOptions): Promise<PathResult> {
  const { plan, timedFromNs } = pathPlan(options);
  const run = new PreparedRun(plan);
  const floorBefore = measureFloor(options.size);
  const result = await run.run({ workers: options.workers, flowCache: options.flowCache, timedFromNs });
  const floor = Math.min(floorBefore, measureFloor(options.size));
  const line = result.lines[0];
  if (!line || line.delivered !== line.sent)
    throw new Error(
      `${line?.sent ?? 0} frames sent, ${line?.delivered ?? 0} delivered: ${JSON.stringify(line?.drops)}`,
    );
  const delivered = options.frames;
  const perFrame = (run.wallMs * 1e6) / delivered;
  return {
    services: options.services,
    flows: options.mode === "new" ? delivered : options.flows,
    frame_bytes: options.size,
    workers: options.workers,
    mode: options.mode,
    delivered,
    wall_s: run.wallMs / 1000,
    delivered_pps: Math.round((delivered / run.wallMs) * 1000),
    ns_per_frame: round(perFrame),
    floor_ns: round(floor),
    ratio_to_floor: round(perFrame / floor),
  };
}

function round(value: number): number {
  return Number(value.toFixed(2));
}

const FLOOR_FRAMES = 200_000;
const FLOOR_ROUNDS = 9;

/** Nanoseconds of one hop in the floor loop (assembly/floor), the best of several rounds. */
export function measureFloor(size: number): number {
  const { calls } = new Kernel(compileKernel(), newMemory());
  calls.prepareFloor(16, size);
  let best = Infinity;
  for (let i = 0; i < FLOOR_ROUNDS; i++) {
    const began = performance.now();
    if (calls.runFloor(FLOOR_FRAMES, size) !== FLOOR_FRAMES) throw new Error("the floor loop lost a frame");
    best = Math.min(best, ((performance.now() - began) * 1e6) / FLOOR_FRAMES);
  }
  return best;
}
