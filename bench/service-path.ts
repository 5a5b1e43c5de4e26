// How fast packets cross the two-node Service path: pod -> veth -> vbr0 -> KUBE-SERVICES, DNAT -> wire -> vbr0 -> veth -> pod, and back.
//
// One worker, release module. A delivered frame is one that reached the other pod's eth0, as that device counts them. Every
// case is a run of its own that starts cold and ends when all is answered; one that is not answered fails the benchmark.
import { Bench } from "tinybench";
import { DEV_RX_PACKETS, LINE_DELIVERED, LINE_SENT } from "../assembly/layout/records.ts";
import { PreparedRun } from "../src/engine/run.ts";
import { serviceCluster } from "../src/bench/cluster.ts";

const CASES = [
  { name: "established UDP, 10 Services", protocol: "udp", services: 10, requests: 100_000, rate: 400_000 },
  { name: "established UDP, 1,000 Services", protocol: "udp", services: 1_000, requests: 100_000, rate: 400_000 },
  { name: "established UDP, 10,000 Services", protocol: "udp", services: 10_000, requests: 100_000, rate: 400_000 },
  // A client has 28,232 ports for one target, and each connection holds its port for a minute after it.
  { name: "new TCP connections, 10 Services", protocol: "tcp", services: 10, requests: 20_000, rate: 20_000 },
  { name: "new TCP connections, 1,000 Services", protocol: "tcp", services: 1_000, requests: 20_000, rate: 20_000 },
] as const;

/** Milliseconds of processor time, which the neighbours on the machine disturb less than they do the clock. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const LINGER_NS = 1e9; // after the last request: more than any answer needs
const ITERATIONS = 9;

interface Measured {
  frames: number;
  request: string;
}

/** Adds a case; what its runs did comes out of the function returned. */
function addCase(bench: Bench, { name, protocol, services, requests, rate }: (typeof CASES)[number]): () => Measured {
  const durationNs = (requests / rate) * 1e9;
  const run = new PreparedRun(serviceCluster({ protocol, services, rate, durationNs }));
  let now: ReturnType<PreparedRun["alone"]>;
  let measured: Measured | undefined;
  bench.add(name, () => now.worker.kernel.calls.run(durationNs + LINGER_NS), {
    beforeEach: () => {
      now = run.alone();
    },
    afterEach: () => {
      const { kernel } = now.worker;
      kernel.calls.settleCounters();
      const line = kernel.calls.lineOf(1) >>> 0;
      const sent = kernel.word(line + LINE_SENT);
      const delivered = kernel.word(line + LINE_DELIVERED);
      if (sent !== requests || delivered !== sent) {
        throw new Error(`${name}: ${requests} requests wanted, ${sent} sent, ${delivered} answered`);
      }
      const received = (device: string): number => kernel.word((now.built.devices.get(device) ?? 0) + DEV_RX_PACKETS);
      const frames = received("bench/client/eth0") + received("bench/server/eth0");
      measured = { frames, request: (frames / requests).toFixed(1) };
    },
  });
  return () => {
    if (!measured) throw new Error(`${name} did not run`);
    return measured;
  };
}

for (const one of CASES) {
  const bench = new Bench({
    iterations: ITERATIONS,
    time: 0,
    warmupIterations: 2,
    warmupTime: 0,
    throws: true,
    now: processorTime,
  });
  const measured = addCase(bench, one);
  await bench.run();
  const result = bench.tasks[0]?.result;
  if (!result || !("latency" in result)) throw new Error(`${one.name} did not finish`);
  const { frames, request } = measured();
  const median = (result.latency.p50 * 1e6) / frames;
  const best = (result.latency.min * 1e6) / frames;
  const perSecond = Math.round(1e9 / median).toLocaleString("en");
  console.log(
    `${one.name}: ${median.toFixed(0)} ns per delivered frame (best ${best.toFixed(0)}), ${perSecond} frames/s, ${request} frames per request`,
  );
}
