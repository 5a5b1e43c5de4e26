// The summary: what a person reads when a run is over.
import { describe, expect, test } from "vitest";
import { formatBytes, formatCount, formatTime, plural } from "../../src/report/format.ts";
import type { LineReport, Report } from "../../src/report/report.ts";
import { summarize } from "../../src/report/summary.ts";

const QUANTILES = { mean: 0, p75: 0, p90: 0, p95: 0, p999: 0, p9999: 0 };

const FINE: LineReport = {
  name: "browse",
  sent: 1000,
  begun: 1000,
  retries: 0,
  offeredPerSecond: 333.333,
  deliveredPerSecond: 333.333,
  statuses: {},
  delivered: 1000,
  refused: 0,
  timedOut: 0,
  unresolved: 0,
  open: 0,
  dropped: 0,
  drops: {},
  denied: null,
  latencyNs: { ...QUANTILES, p50: 812_345, p99: 1_234_567, max: 20_400_000 },
  backends: { "shop/a-0": 200, "shop/a-1": 500, "shop/a-2": 100, "shop/a-3": 200 },
};

const REPORT: Report = {
  podwire: "0.1.0",
  scenario: "shop",
  seed: 7,
  durationNs: 3e9,
  endNs: 3e9,
  interrupted: false,
  cluster: { nodes: 3, pods: 1, services: 2 },
  events: [],
  traffic: [FINE],
  loadBalancers: [],
  healthChanges: [],
  expectations: [],
  frames: 12345,
  drops: {},
  listenErrors: [],
  captures: [{ file: "shop.pcapng", packets: 1, bytes: 1500 }],
  ignored: [],
  notEmulated: [],
  warnings: [],
  wallSeconds: 1.5,
  wallFramesPerSecond: 8230,
  wallWorkers: 2,
};

test("the busiest nodes have a line with how busy their cores were and what found no room", () => {
  const core = { busyNs: 3e9, frames: 10, longestBacklog: 1000 };
  const node = (name: string, shares: number[], dropped = 0) => ({
    node: name,
    utilisation: shares.reduce((sum, share) => sum + share, 0) / shares.length,
    cores: shares.map((utilisation) => ({ ...core, utilisation, dropped })),
  });
  const processors = [
    node("n1", [0.1, 0.2]),
    node("n2", [1, 0.5], 600),
    ...["n3", "n4", "n5"].map((name) => node(name, [0])),
  ];
  const lines = summarize({ ...REPORT, processors }, "out").split("\n");
  expect(lines).toContain("n2: 2 cores busy 75 %, the busiest 100 %; 1,200 frames found no room in a backlog");
  expect(lines).toContain("n1: 2 cores busy 15 %, the busiest 20 %");
  expect(lines).toContain("n4: 1 core busy 0 %, the busiest 0 %");
  expect(lines).toContain("and 1 node less busy");
  expect(summarize(REPORT, "out")).not.toContain("core");
});

test("a load balancer has a line with its spread and the nodes that it left out, and each change of health one", () => {
  const report: Report = {
    ...REPORT,
    loadBalancers: [
      {
        service: "shop/web",
        address: "192.0.2.1",
        protocol: "tcp",
        port: 80,
        connections: { "node-1": 1200, "node-3": 3 },
        unhealthy: ["node-2"],
      },
      { service: "shop/idle", address: "192.0.2.2", protocol: "tcp", port: 80, connections: {}, unhealthy: [] },
    ],
    healthChanges: [
      { atNs: 300_000, node: "node-1", port: 10256, healthy: true, result: "200" },
      { atNs: 310_000, node: "node-2", port: 10256, healthy: true, result: "200" },
      { atNs: 1.05e9, node: "node-2", port: 10256, healthy: false, result: "timed out" },
      { atNs: 1.5e9, node: "node-2", port: 10256, healthy: true, result: "200" },
      { atNs: 2e9, node: "node-2", port: 10256, healthy: false, result: "503" },
    ],
  };
  expect(summarize(report, "out").split("\n").slice(9, 13)).toEqual([
    "load balancer of shop/web:80: node-1 1,200, node-3 3; out: node-2",
    "at 1.05 s node-2 became unhealthy: its health check on port 10256 timed out",
    "at 1.5 s node-2 became healthy: its health check on port 10256 answered 200",
    "at 2 s node-2 became unhealthy: its health check on port 10256 answered 503",
  ]);
});

test("a run without trouble is a table and three lines", () => {
  expect(summarize(REPORT, "podwire-out")).toBe(`\
shop: 3 nodes, 1 pod, 2 Services; 3 s of virtual time, seed 7
┌─────────┬───────┬───────────┬─────────┬─────────┬───────────┬────────┬─────────┬─────────┬──────────────┐
│ traffic │  sent │ delivered │ dropped │ refused │ timed out │    p50 │     p99 │     max │ served by    │
├─────────┼───────┼───────────┼─────────┼─────────┼───────────┼────────┼─────────┼─────────┼──────────────┤
│ browse  │ 1,000 │     1,000 │       . │       . │         . │ 812 us │ 1.23 ms │ 20.4 ms │ shop/a-1 500 │
│         │       │           │         │         │           │        │         │         │ shop/a-0 200 │
│         │       │           │         │         │           │        │         │         │ shop/a-3 200 │
│         │       │           │         │         │           │        │         │         │ and 1 more   │
└─────────┴───────┴───────────┴─────────┴─────────┴───────────┴────────┴─────────┴─────────┴──────────────┘
in podwire-out: shop.pcapng (1 packet, 1.5 kB), report.json
12,345 frames sent by devices; 1.5 s on the clock with 2 workers
`);
});

describe("the summary says", () => {
  const lines = (change: Partial<Report>): string[] => summarize({ ...REPORT, ...change }, "podwire-out").split("\n");

  test("what was offered and delivered where a line fell behind, which answers were errors, and what was tried again", () => {
    const behind = {
      ...FINE,
      sent: 4000,
      begun: 1900,
      delivered: 1500,
      retries: 12,
      statuses: { 200: 1400, 503: 100 },
    };
    const text = summarize(
      { ...REPORT, traffic: [{ ...behind, offeredPerSecond: 2000.4, deliveredPerSecond: 750 }] },
      "out",
    );
    expect(text).toContain("browse: 2,000/s offered, 750/s delivered; 2,100 requests found no free connection\n");
    expect(text).toContain("browse: answered with 503 100 times\n");
    expect(text).toContain("browse: 12 tries were made again\n");
  });

  test("why packets were dropped", () => {
    const drops = { NETFILTER_DROP: 12, NO_SOCKET: 1000 };
    const rows = lines({
      traffic: [{ ...FINE, drops, dropped: 1012, refused: 3, timedOut: 4, latencyNs: null, backends: {} }],
    });
    expect(rows.slice(4, 6).map((line) => line.split("│").map((cell) => cell.trim()))).toMatchObject([
      ["", "browse", "1,000", "1,000", "12 NETFILTER_DROP", "3", "4", "", "", "", "", ""],
      ["", "", "", "", "1,000 NO_SOCKET", "", "", "", "", "", "", ""],
    ]);
  });

  test.each<[string, Partial<Report>, string]>([
    ["which names had no address", { traffic: [{ ...FINE, unresolved: 2 }] }, "browse: 2 names had no address"],
    ["what was not answered yet", { traffic: [{ ...FINE, open: 2 }] }, "still waiting at the end: browse 2"],
    [
      "which container could not listen",
      {
        listenErrors: [
          {
            namespace: "default/pair",
            process: "container b",
            protocol: "tcp",
            port: 80,
            error: "address already in use",
          },
        ],
      },
      "default/pair: container b could not listen on tcp port 80: address already in use",
    ],
    [
      "what happened in it",
      { events: [{ atNs: 2e9, what: "deletion of pod a/b", rulesAtNs: 2.1e9, connectionsRemoved: 1, failed: [] }] },
      "at 2 s deletion of pod a/b; new rules at 2.1 s; 1 connection forgotten",
    ],
    [
      "and what came of it",
      {
        events: [
          {
            atNs: 2e9,
            what: "rollout of deployment a/b",
            connectionsRemoved: 0,
            failed: [{ traffic: "browse", refused: 7, closed: 1, unconnected: 2 }],
          },
        ],
      },
      "  requests of browse that failed: 7 refused, 1 cut off by the server, 2 timed out before they were connected",
    ],
    [
      "and what became of connections and packets",
      {
        events: [
          {
            atNs: 2e9,
            what: "rollout of deployment a/b",
            connectionsRemoved: 0,
            connections: { drained: 3, cut: 1, hung: 0 },
            refusedBy: { starting: 7, ending: 0 },
            failed: [],
          },
        ],
      },
      "at 2 s rollout of deployment a/b; connections to servers that ended: 3 drained, 1 cut; packets that nobody listened for: 7 at pods that had not started",
    ],
    ["what it was warned of", { warnings: ["pod a runs on no node: no room"] }, "pod a runs on no node: no room"],
    [
      "what is not emulated",
      { notEmulated: ["NetworkPolicy a/b", "Ingress a/c"] },
      "not emulated yet: NetworkPolicy a/b, Ingress a/c",
    ],
    [
      "what has no part in the network",
      { ignored: [{ kind: "ConfigMap", count: 2 }] },
      "ignored, as they have no part in the network: 2 ConfigMap",
    ],
    [
      "that expectations hold",
      {
        loadBalancers: [],
        healthChanges: [],
        expectations: [{ traffic: "browse", expected: "sent > 0", actual: 1000, holds: true }],
      },
      "1 of 1 expectation hold",
    ],
    [
      "which share was too small",
      {
        loadBalancers: [],
        healthChanges: [],
        expectations: [{ traffic: "browse", expected: "delivered >= 99%", actual: 98.7654321, holds: false }],
      },
      "FAILED browse: expected delivered >= 99%, got 98.765%",
    ],
    [
      "which latency was too long",
      {
        loadBalancers: [],
        healthChanges: [],
        expectations: [{ traffic: "browse", expected: "p99 <= 1ms", actual: 1_234_567, holds: false }],
      },
      "FAILED browse: expected p99 <= 1ms, got 1.23 ms",
    ],
    [
      "that a run was interrupted",
      { interrupted: true, endNs: 1.5e9 },
      "shop: 3 nodes, 1 pod, 2 Services; 1.5 s of 3 s (interrupted) of virtual time, seed 7",
    ],
    ["that there was no traffic", { traffic: [] }, "There was no traffic."],
  ])("%s", (_, change, line) => {
    expect(lines(change)).toContain(line);
  });
});

test("numbers have the unit that fits", () => {
  expect([0, 999, 1000, 50_123, 999_499, 1e6, 123_456_789, 1e9, 12.3456e9].map(formatTime)).toEqual([
    "0 ns",
    "999 ns",
    "1 us",
    "50.1 us",
    "999 us",
    "1 ms",
    "123 ms",
    "1 s",
    "12.3 s",
  ]);
  expect([0, 999, 1500, 2.5e6, 3.21e9].map(formatBytes)).toEqual([
    "0 bytes",
    "999 bytes",
    "1.5 kB",
    "2.5 MB",
    "3.21 GB",
  ]);
  expect([0, 1234567].map(formatCount)).toEqual(["0", "1,234,567"]);
  expect([plural(1, "pod"), plural(0, "pod"), plural(1200, "pod")]).toEqual(["1 pod", "0 pods", "1,200 pods"]);
});
