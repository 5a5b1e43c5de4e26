// A machine whose work takes time: how much it gets through, how long things wait there, what is lost, and that nothing else decides it.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { PreparedRun, runPlan } from "../../src/engine/run.ts";
import type { FlowConfig, Plan, RunOptions, RunResult } from "../../src/seam/plan.ts";
import { LINUX_COSTS, type ProcessorConfig, type ProcessorCosts } from "../../src/seam/processor.ts";
import { flow, machineOf, planOf } from "../kernel/network.ts";
import { mixedPlan } from "./plans.ts";

const FREE: ProcessorCosts = {
  hop: 0,
  socket: 0,
  table: 0,
  rule: 0,
  conntrackLookup: 0,
  conntrackInsert: 0,
  nat: 0,
  byte: 0,
};
const LATENCY_NS = 1000;
/** What a router's network takes besides its work: two wires, 100 bytes over each at 100 Gbit/s. */
const WIRES_NS = 2 * (LATENCY_NS + 8);

interface Router {
  processor: ProcessorConfig;
  rules?: string;
  client?: string;
  server?: string;
}

/** A client, a router with a processor, and a server that counts datagrams; `words` of the one flow, from the client to the server. */
function routed(
  { processor, rules, client = "10.0.0.2", server = "10.0.1.2" }: Router,
  words: Partial<FlowConfig>,
): Plan {
  const hop = (address: string): string => address.replace(/\d+$/, (last) => String(Number(last) ^ 1));
  const {
    durationNs = 0.1e9,
    port = 9,
    ...more
  } = words as Partial<FlowConfig> & { durationNs?: number; port?: number };
  const machines = [
    machineOf(
      "client",
      {
        namespaces: { client: { addresses: { eth0: `${client}/31` }, routes: [`default via ${hop(client)}`] } },
        wires: ["client/eth0 left"],
      },
      1,
    ),
    machineOf(
      "router",
      {
        namespaces: {
          router: {
            role: "node",
            sysctls: { "net.ipv4.ip_forward": 1 },
            addresses: { eth0: `${hop(client)}/31`, eth1: `${hop(server)}/31` },
            ...(rules === undefined ? {} : { rules }),
          },
        },
        wires: ["router/eth0 left", "router/eth1 right"],
        processor,
      },
      2,
    ),
    machineOf(
      "server",
      {
        namespaces: {
          server: {
            addresses: { eth0: `${server}/31` },
            routes: [`default via ${hop(server)}`],
            listen: [`udp ${port}`],
          },
        },
        wires: ["server/eth0 right"],
      },
      3,
    ),
  ];
  for (const listener of machines[2]?.listeners ?? []) listener.application = "meter";
  return planOf(machines, {
    durationNs,
    segments: ["left", "right"].map((name) => ({ name, latencyNs: LATENCY_NS, rate: 100e9 })),
    flows: [
      flow("client", "stream", `${server}:${port}`, {
        stopNs: durationNs,
        requestBytes: 58,
        ports: { first: 1024, count: 1 },
        ...more,
      }),
    ],
  });
}

function coresOf({ processors }: RunResult) {
  return processors.find(({ machine }) => machine === "router")?.cores ?? [];
}

// The verification suite of "Verifying the RSS hash calculation" (Microsoft): the low seven bits of its hashes are the places.
test.each([
  ["66.9.149.187", 2794, "161.142.100.80", 1766, 0x51ccc178, 0x323e8fc2],
  ["199.92.111.2", 14230, "65.69.140.83", 4739, 0xc626b0ea, 0xd718262a],
  ["24.19.198.95", 12898, "12.22.207.184", 38024, 0x5c2b394a, 0xd2d0a5de],
  ["38.27.205.30", 48228, "209.142.163.6", 2217, 0xafc7327f, 0x82989176],
  ["153.39.163.191", 44251, "202.188.127.2", 1303, 0x10e828a2, 0x5d1809c5],
])(
  "a frame from %s port %i to %s port %i is for the core that its hash says",
  (client, first, server, port, ports, addresses) => {
    const processor = { cores: 128, backlog: 1000, costs: FREE };
    const busy = (words: Partial<FlowConfig>): number[] => {
      const result = new PreparedRun(
        routed({ processor, client, server }, { ...words, port } as Partial<FlowConfig>),
      ).runHere();
      // ARP goes to the first core; answers come back by another hash.
      return coresOf(result).flatMap(({ frames }, i) => (frames === 7 ? [i] : []));
    };
    expect(busy({ rate: 70, ports: { first, count: 1 } })).toEqual([ports & 127]);
    const reverse = busy({ rate: 70, protocol: "icmp" });
    expect(reverse).toContain(addresses & 127);
  },
);

test("one core gets through exactly as many frames as fit into the time, keeps a full backlog and drops the rest", () => {
  const processor = { cores: 1, backlog: 16, costs: { ...FREE, hop: 10_000 } };
  const result = new PreparedRun(routed({ processor }, { rate: 200_000 })).runHere();
  const [line] = result.lines;
  // Two ARP requests, or their answers, cost two frames; the first ones are on their way.
  expect(line?.sent).toBe(20_000);
  expect(line?.delivered).toBeGreaterThanOrEqual(9_990);
  expect(line?.delivered).toBeLessThanOrEqual(10_000);
  const [core] = coresOf(result);
  expect(core?.longestBacklog).toBe(16);
  expect(core?.frames).toBeLessThanOrEqual(10_001);
  expect(core?.busyNs).toBeGreaterThan(0.0999e9);
  expect(core?.busyNs).toBeLessThanOrEqual(0.1e9);
  expect(result.drops["router"]).toEqual({ CPU_BACKLOG: core?.dropped });
  expect(line?.drops).toEqual({ CPU_BACKLOG: core?.dropped });
  // Of what was sent, some waits, some is on a wire.
  expect(20_000 - (line?.delivered ?? 0) - (core?.dropped ?? 0)).toBeLessThanOrEqual(20);
  // The last of a full backlog waits for all others.
  expect(line?.latency?.max).toBeGreaterThanOrEqual(16 * 10_000 + WIRES_NS);
  expect(line?.latency?.max).toBeLessThanOrEqual(17 * 10_000 + WIRES_NS + 200);
});

test("four cores get through four times as much, of flows that their hashes spread over all of them", () => {
  const processor = { cores: 4, backlog: 100, costs: { ...FREE, hop: 10_000 } };
  const result = new PreparedRun(
    routed({ processor }, { rate: 1_000_000, ports: { first: 1024, count: 1000 } }),
  ).runHere();
  const cores = coresOf(result);
  expect(cores.map(({ busyNs }) => busyNs > 0.0995e9 && busyNs <= 0.1e9)).toEqual([true, true, true, true]);
  expect(result.lines[0]?.delivered).toBeGreaterThan(39_800);
  expect(result.lines[0]?.delivered).toBeLessThanOrEqual(40_000);
});

test.each([0.3, 0.6, 0.8])("at a load of %f Poisson arrivals wait as long as in an M/D/1 queue", (load) => {
  const service = 10_000;
  const processor = { cores: 1, backlog: 1000, costs: { ...FREE, hop: service } };
  const words = { rate: (load * 1e9) / service, arrival: "poisson", durationNs: 3e9 } as Partial<FlowConfig>;
  const result = new PreparedRun(routed({ processor }, words)).runHere();
  const [line] = result.lines;
  const total = line?.latencies.reduce((sum, [upTo, count]) => sum + upTo * count, 0) ?? 0;
  const wait = total / (line?.delivered ?? 1) - WIRES_NS - service;
  // Pollaczek and Khinchine, for a service that always takes as long.
  const expected = (load * service) / (2 * (1 - load));
  // A bucket of the histogram is up to 1/64 of its value too high.
  expect(wait).toBeGreaterThan(expected * 0.93);
  expect(wait).toBeLessThan(expected * 1.07 + (service + expected) / 64);
  expect((coresOf(result)[0]?.busyNs ?? 0) / 3e9).toBeCloseTo(load, 1);
});

const FILTER = `*filter
:FORWARD ACCEPT [0:0]
-A FORWARD -d 10.9.0.1/32 -j DROP
-A FORWARD -d 10.9.0.2/32 -j DROP
-A FORWARD -d 10.9.0.3/32 -j DROP
-A FORWARD -p udp -j ACCEPT
-A FORWARD -j DROP
COMMIT
`;
const NAT = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d 10.0.2.2/32 -j DNAT --to-destination 10.0.1.2
COMMIT
`;

test.each<[string, Partial<ProcessorCosts>, string | undefined, number]>([
  ["a hop, of the card that takes the frame", { hop: 5000 }, undefined, 5000],
  ["no byte, as nothing is copied", { byte: 10 }, undefined, 0],
  ["the table that FORWARD asks", { table: 700 }, FILTER, 700],
  ["four rules: three that do not match, and the one that decides", { rule: 100 }, FILTER, 400],
  ["no socket, as a router has none", { socket: 5000 }, FILTER, 0],
  ["one look for the connection", { conntrackLookup: 300 }, NAT, 300],
  ["and no new connection, as the packets are of one", { conntrackInsert: 4000 }, NAT, 0],
])("a packet pays for %s", (_, costs, rules, expected) => {
  const processor = { cores: 1, backlog: 1000, costs: { ...FREE, ...costs } };
  const plan = routed({ processor, ...(rules === undefined ? {} : { rules }) }, { rate: 1000 });
  const p50 = new PreparedRun(plan).runHere().lines[0]?.latency?.p50 ?? 0;
  // The quantile is exact to 1/64.
  expect(p50).toBeGreaterThanOrEqual(WIRES_NS + expected);
  expect(p50).toBeLessThan((WIRES_NS + expected) * (1 + 1 / 64) + 1);
});

test("the first packet of a connection pays for its entry and the walk of the nat table, the others do not", () => {
  const costs = { ...FREE, rule: 1000, conntrackInsert: 50_000 };
  const plan = routed({ processor: { cores: 1, backlog: 1000, costs }, rules: NAT }, { rate: 1000 });
  const { lines } = new PreparedRun(plan).runHere();
  // PREROUTING: the rule and the policy; POSTROUTING: its policy; then the entry.
  const first = 3 * 1000 + 50_000;
  expect(lines[0]?.latency?.max).toBeGreaterThanOrEqual(first + WIRES_NS);
  expect(lines[0]?.latency?.p50).toBeLessThanOrEqual(WIRES_NS * (1 + 1 / 64) + 1);
});

/** Four nodes with pods, all with Linux' costs, so busy that much waits. */
function busyPlan(folder: string): Plan {
  const plan = mixedPlan(join(folder, "a.pcapng"), 0.05e9);
  for (const machine of plan.machines)
    machine.processor = { cores: 2, backlog: 4, costs: { ...LINUX_COSTS, hop: 30_000, conntrackLookup: 3000 } };
  for (const one of plan.flows) one.rate *= 5;
  return plan;
}

async function outcome(options: Partial<RunOptions>): Promise<{ result: RunResult; file: Buffer }> {
  const folder = mkdtempSync(join(tmpdir(), "podwire-processor-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const result = await runPlan(busyPlan(folder), { workers: 1, ...options });
  return {
    file: readFileSync(join(folder, "a.pcapng")),
    result: { ...result, captures: result.captures.map((capture) => ({ ...capture, path: "" })) },
  };
}

test(
  "what a busy run gives depends neither on workers nor on flow cache and matcher",
  { timeout: 120_000 },
  async () => {
    const one = await outcome({});
    const dropped = one.result.processors.flatMap(({ cores }) => cores.map((core) => core.dropped));
    expect(dropped.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
    expect(one.result.processors.map(({ machine }) => machine)).toEqual(["n1", "n2", "n3", "n4"]);
    for (const options of [{ workers: 2 }, { flowCache: false, matcher: "linear" as const }]) {
      const other = await outcome(options);
      expect(Buffer.compare(other.file, one.file), JSON.stringify(options)).toBe(0);
      expect(other.result).toEqual(one.result);
    }
  },
);
