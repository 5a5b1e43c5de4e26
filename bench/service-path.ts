// How fast packets cross the two-node Service path: pod -> veth -> vbr0 -> KUBE-SERVICES, DNAT -> wire -> vbr0 -> veth -> pod, and back.
//
// One worker, release module. A delivered frame is one packet that reached a socket at the other end: a request or its answer.
import { Bench } from "tinybench";
import { PreparedRun } from "../src/engine/run.ts";
import { LINE_DELIVERED } from "../assembly/layout/records.ts";
import { serviceCluster } from "./cluster.ts";

const SLICE_NS = 10_000_000;
const CASES = [
  { name: "established UDP, 64 bytes, 10 Services", protocol: "udp", services: 10, packetsPerRequest: 2 },
  { name: "new TCP connections, 10 Services", protocol: "tcp", services: 10, packetsPerRequest: 10 },
  { name: "new TCP connections, 1,000 Services", protocol: "tcp", services: 1000, packetsPerRequest: 10 },
] as const;

const bench = new Bench({ time: 3000, warmupTime: 1000 });
const delivered = new Map<string, () => number>();
const runs = new Map<string, number>();

for (const { name, protocol, services } of CASES) {
  const plan = serviceCluster({ protocol, services, rate: protocol === "udp" ? 400_000 : 40_000 });
  const { worker } = new PreparedRun(plan).alone();
  let now = 0;
  delivered.set(name, () => worker.kernel.word((worker.kernel.calls.lineOf(1) >>> 0) + LINE_DELIVERED));
  bench.add(name, () => {
    now += SLICE_NS;
    worker.kernel.calls.run(now);
    runs.set(name, (runs.get(name) ?? 0) + 1);
  });
}

await bench.run();

for (const { name, packetsPerRequest } of CASES) {
  const task = bench.getTask(name);
  const result = task?.result;
  if (!result || !("latency" in result)) throw new Error(`${name} did not finish`);
  const frames = ((delivered.get(name)?.() ?? 0) * packetsPerRequest) / (runs.get(name) ?? 1);
  const nsPerFrame = (result.latency.p50 * 1e6) / frames;
  const perSecond = Math.round(1e9 / nsPerFrame).toLocaleString("en");
  console.log(`${name}: ${nsPerFrame.toFixed(0)} ns per delivered frame, ${perSecond} frames/s`);
}
