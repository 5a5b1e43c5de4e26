// A plan that has a bit of everything: machines on one segment, a router with rules, names, and every kind of flow.
import type { Distribution, DnsRecord, FlowConfig, Plan } from "../../src/seam/plan.ts";
import { flow, machineOf, planOf } from "../kernel/network.ts";

const RULES = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d 10.96.0.10/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.1.0.2:53
-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.3.0.2:80
-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.4.0.2:80
-A POSTROUTING -s 10.1.0.2/32 -d 10.1.0.2/32 -j MASQUERADE
-A POSTROUTING -s 10.1.0.2/32 -d 10.3.0.0/16 -j MASQUERADE --random-fully
COMMIT
`;

export const ZONE: DnsRecord[] = [
  { name: "web.shop.svc.cluster.local", type: "A", ttl: 30, value: "10.96.0.1" },
  { name: "_http._tcp.web.shop.svc.cluster.local", type: "SRV", ttl: 30, value: "0 100 80 web.shop.svc.cluster.local" },
  { name: "www.shop.svc.cluster.local", type: "CNAME", ttl: 30, value: "web.shop.svc.cluster.local" },
  { name: "1.0.96.10.in-addr.arpa", type: "PTR", ttl: 30, value: "web.shop.svc.cluster.local" },
];

/** Node i: root namespace `n<i>` with eth0 on the segment and a pod `p<i>` at 10.<i>.0.2 behind it. */
function node(i: number, count: number) {
  const others = Array.from({ length: count }, (_, k) => k + 1).filter((k) => k !== i);
  return machineOf(
    `n${i}`,
    {
      namespaces: {
        [`n${i}`]: {
          role: "node",
          sysctls: { "net.ipv4.ip_forward": 1 },
          addresses: { eth0: `192.168.0.${i}/24`, veth: `10.${i}.0.1/24` },
          routes: others.map((k) => `10.${k}.0.0/16 via 192.168.0.${k}`),
          rules: RULES,
        },
        [`p${i}`]: {
          role: "pod",
          addresses: { eth0: `10.${i}.0.2/24` },
          routes: [`default via 10.${i}.0.1`],
          listen: ["udp 53 dns", "tcp 80 response 3000", "udp 7", "tcp 7"],
        },
      },
      veths: [`n${i}/veth p${i}/eth0`],
      wires: [`n${i}/eth0 lan`],
    },
    i,
  );
}

function drawn(kind: Distribution["kind"], a: number, b: number, least: number, most: number): Distribution {
  return { kind, a, b, least, most };
}

/** Sizes, arrivals, connections and retries of every kind. */
function variedFlows(until: Partial<FlowConfig>): FlowConfig[] {
  const times = { on: drawn("exponential", 20e6, 0, 1000, 1e9), off: drawn("exponential", 10e6, 0, 0, 1e9) };
  const sizes = {
    requestSizes: drawn("lognormal", 300, 1, 32, 9000),
    responseSizes: drawn("pareto", 500, 1.2, 1, 40_000),
  };
  const retries = { attempts: 2, on: ["5xx" as const], perTryTimeoutNs: 30e6, backoffNs: 5e6, maxBackoffNs: 9e6 };
  return [
    flow("p3", "http", "10.96.0.1:80", {
      ...{ ...until, ...sizes, line: 6, rate: 600, keepAlive: true, connections: 3 },
      arrival: { kind: "onOff", ...times, gaps: "poisson" },
    }),
    flow("p4", "tcp", "10.3.0.2:7", {
      ...{ ...until, ...sizes, line: 7, keepAlive: true },
      arrival: { kind: "closed", clients: 5, think: drawn("uniform", 1e6, 4e6, 0, 1e9) },
    }),
    flow("p2", "tcp", "10.4.0.2:81", { ...until, line: 8, rate: 100, retries }),
    flow("p1", "udp", "10.4.0.2:7", {
      ...{ ...until, line: 9, requestSizes: drawn("uniform", 20, 900, 8, 1472) },
      arrival: { kind: "trace", moments: [{ atNs: 1e6 }, { atNs: 2e6, requestBytes: 700 }, { atNs: 2e6 }] },
    }),
  ];
}

/** Four nodes for `durationNs`, captured into `path` if that is given. */
export function mixedPlan(path?: string, durationNs = 0.2e9): Plan {
  const names = ["web.default.svc.cluster.local", "web.shop.svc.cluster.local"];
  const target = { names, resolver: "10.96.0.10", port: 80 };
  const until = { stopNs: durationNs, timeoutNs: 0.1e9 };
  return planOf(
    [1, 2, 3, 4].map((i) => node(i, 4)),
    {
      durationNs,
      segments: [{ name: "lan", latencyNs: 50_000, rate: 1e10 }],
      flows: [
        flow("p1", "http", "10.96.0.1:80", { ...until, target, rate: 400, arrival: "poisson", requestBytes: 0 }),
        flow("p2", "tcp", "10.3.0.2:7", { ...until, line: 1, rate: 300, arrival: "poisson", requestBytes: 4000 }),
        flow("p3", "udp", "10.4.0.2:7", { ...until, line: 2, rate: 1000, arrival: "poisson", requestBytes: 100 }),
        flow("p4", "udp", "10.2.0.2:9", { ...until, line: 3, rate: 200, arrival: "constant" }),
        flow("p1", "icmp", "10.4.0.2", { ...until, line: 4, rate: 100, arrival: "constant" }),
        flow("p2", "http", "10.96.0.1:80", { ...until, line: 0, rate: 300, arrival: "poisson", requestBytes: 500 }),
        flow("p4", "icmp", "10.2.0.99", { ...until, line: 5, rate: 50, timeoutNs: 0.05e9 }),
        ...variedFlows(until),
      ],
      zone: ZONE,
      names: [{ address: "10.1.0.2", name: "dns" }],
      captures: path === undefined ? [] : [{ devices: ["*"], path, format: "pcapng" }],
    },
  );
}
