// What upstream's tests of the iptables proxier expect of packets: from whom, to which address of a Service, and where they end.
import { describe, expect, it } from "vitest";
import type { Endpoint, Service } from "../../src/kubernetes/objects.ts";
import { proxyContext, type ProxyContext } from "../../src/node/kube-proxy/context.ts";
import { kubeProxyRules } from "../../src/node/kube-proxy/proxy.ts";
import { endpoint, port, service, slice } from "./objects.ts";
import { walk } from "./rules-walk.ts";

const NODE = "192.168.0.2";
const OTHER_ADDRESS = "192.168.1.2";
const LOCALHOST = "127.0.0.1";
const LOCAL = [LOCALHOST, "::1", NODE, OTHER_ADDRESS, "2001:db8::1", "2001:db8:1::2"];

const HERE: Partial<ProxyContext> = {
  nodeName: "here",
  nodeIP: NODE,
  detectLocal: { mode: "ClusterCIDR", value: ["10.0.0.0/8", "fd00:10::/64"] },
  interfaceAddresses: [LOCALHOST, NODE, OTHER_ADDRESS, "::1", "2001:db8::1", "2001:db8:1::2"],
  nfacct: true,
  kubelet: false,
};

const here = (address: string, more: Partial<Endpoint> = {}): Endpoint => endpoint(address, "here", more);
const there = (address: string, more: Partial<Endpoint> = {}): Endpoint => endpoint(address, "there", more);
const vip = (ip: string): Partial<Service> => ({
  type: "LoadBalancer",
  loadBalancerIngress: [{ ip, hostname: "", ipMode: "VIP" }],
});

/** A packet as `from > to:port` or `from > to:port/udp`, and its end. */
type Flow = [packet: string, end: string];

/** Who is who in the flows; other names are addresses. */
const NAMES: Record<string, string> = {
  pod: "10.0.0.2",
  client: "203.0.113.2",
  blocked: "203.0.113.130",
  node: NODE,
  other: OTHER_ADDRESS,
  localhost: LOCALHOST,
};

function endOf(text: string, packet: string): string {
  const [, from = "", to = "", number, protocol = "tcp"] = /^(\S+) > \[?(.+?)\]?:(\d+)(?:\/(\w+))?$/.exec(packet) ?? [];
  const at = (name: string): string => NAMES[name] ?? name;
  return walk(text, { from: at(from), to: at(to), port: Number(number), protocol }, LOCAL);
}

function expectFlows(
  services: readonly Service[],
  slices: readonly ReturnType<typeof slice>[],
  flows: readonly Flow[],
  more: Partial<ProxyContext> = {},
): void {
  const text = kubeProxyRules(services, slices, proxyContext({ ...HERE, ...more }));
  expect(flows.map(([packet]): Flow => [packet, endOf(text, packet)])).toEqual(flows);
}

describe("a Service without endpoints", () => {
  it("rejects at its cluster IP, external IP, node port and load balancer address", () => {
    const dead = service("ns1/svc1", "172.30.0.41", [port("p80", 80, { nodePort: 3001 })], {
      ...vip("1.2.3.4"),
      externalIPs: ["192.168.99.11"],
    });
    expectFlows(
      [dead],
      [],
      [
        ["pod > 172.30.0.41:80", "REJECT"],
        ["client > 192.168.99.11:80", "REJECT"],
        ["pod > node:3001", "REJECT"],
        ["client > node:3001", "REJECT"],
        ["pod > 1.2.3.4:80", "REJECT"],
        ["client > 1.2.3.4:80", "REJECT"],
      ],
    );
  });
});

describe("a cluster IP", () => {
  const one = service("ns1/svc1", "172.30.0.41", [port("http", 80)]);
  const many = service("ns2/svc2", "172.30.0.42", [
    port("http", 80),
    port("https", 443, { targetPort: 8443 }),
    port("dns-udp", 53, { protocol: "UDP" }),
    port("dns-tcp", 53, { targetPort: 5353 }),
    port("dns-sctp", 53, { protocol: "SCTP" }),
  ]);

  it("leads to its own ports and protocols, and masquerades who meets itself", () => {
    expectFlows(
      [one, many],
      [slice(one, [here("10.180.0.1")]), slice(many, [here("10.180.0.1"), there("10.180.2.1")])],
      [
        ["10.180.0.2 > 172.30.0.41:80", "10.180.0.1:80"],
        ["10.180.0.1 > 172.30.0.41:80", "10.180.0.1:80 masqueraded"],
        ["10.180.0.2 > 172.30.0.42:80", "10.180.0.1:80 10.180.2.1:80"],
        ["10.180.0.2 > 172.30.0.42:443", "10.180.0.1:8443 10.180.2.1:8443"],
        ["10.180.0.2 > 172.30.0.42:53", "10.180.0.1:5353 10.180.2.1:5353"],
        ["10.180.0.2 > 172.30.0.42:53/udp", "10.180.0.1:53 10.180.2.1:53"],
        ["10.180.0.2 > 172.30.0.42:53/sctp", "10.180.0.1:53 10.180.2.1:53"],
        ["10.180.0.2 > 172.30.0.42:80/udp", ""],
        ["10.180.0.2 > 172.30.0.41:443", ""],
      ],
    );
  });
});

describe("source ranges", () => {
  it("guard the load balancer's addresses, not the node port, and let the node in under those addresses", () => {
    const guarded = service("ns1/svc1", "172.30.0.41", [port("p80", 80, { nodePort: 3001 })], {
      type: "LoadBalancer",
      loadBalancerIngress: ["1.2.3.4", "5.6.7.8"].map((ip) => ({ ip, hostname: "", ipMode: "VIP" as const })),
      loadBalancerSourceRanges: ["192.168.0.0/24", " 203.0.113.0/25"],
    });
    const served = "10.180.0.1:80 masqueraded";
    expectFlows(
      [guarded],
      [slice(guarded, [endpoint("10.180.0.1", "")])],
      [
        ["pod > 172.30.0.41:80", "10.180.0.1:80"],
        ["client > node:3001", served],
        ["blocked > node:3001", served],
        ["client > 1.2.3.4:80", served],
        ["client > 5.6.7.8:80", served],
        ["blocked > 1.2.3.4:80", "DROP"],
        ["blocked > 5.6.7.8:80", "DROP"],
        ["pod > 1.2.3.4:80", "DROP"],
        ["pod > 5.6.7.8:80", "DROP"],
        ["node > 1.2.3.4:80", served],
        ["node > 5.6.7.8:80", served],
        ["1.2.3.4 > 1.2.3.4:80", served],
        ["5.6.7.8 > 5.6.7.8:80", served],
      ],
    );
  });
});

describe("a node port", () => {
  const four = service("ns1/svc1", "172.30.0.41", [port("p80", 80, { nodePort: 3001 })], { type: "NodePort" });
  const six: Service = { ...four, clusterIPs: ["fd00:172:30::41"] };
  const slices = [
    slice(four, [endpoint("10.180.0.1", ""), here("10.180.2.1")]),
    slice(six, [endpoint("fd00:10:180::1", ""), here("fd00:10:180::2:1")], { addressType: "IPv6" }),
  ];
  const guard = "block incoming localnet connections";
  const some = ["192.168.0.0/24", "192.168.1.0/24", "2001:db8::/64"];

  it.each<[string, Partial<ProxyContext>, { localhost: boolean; other: boolean; guarded: boolean }]>([
    ["by default", {}, { localhost: true, other: true, guarded: true }],
    ["localhost off", { localhostNodePorts: false }, { localhost: false, other: true, guarded: false }],
    [
      "localhost off, but among the addresses",
      { localhostNodePorts: false, nodePortAddresses: ["192.168.0.0/24", "127.0.0.1/32"] },
      { localhost: false, other: false, guarded: false },
    ],
    [
      "localhost not among the addresses",
      { nodePortAddresses: some },
      { localhost: false, other: true, guarded: false },
    ],
    [
      "localhost among the addresses",
      { nodePortAddresses: ["127.0.0.0/8", "192.168.0.0/24"] },
      { localhost: true, other: false, guarded: true },
    ],
  ])("of IPv4: %s", (_, more, { localhost, other, guarded }) => {
    const served = "10.180.0.1:80 10.180.2.1:80";
    const on = (answers: boolean): string => (answers ? `${served} masqueraded` : "");
    expectFlows(
      [four],
      slices,
      [
        ["pod > 172.30.0.41:80", served],
        ["client > node:3001", on(true)],
        ["node > node:3001", on(true)],
        ["localhost > localhost:3001", on(localhost)],
        ["client > other:3001", on(other)],
      ],
      more,
    );
    expect(kubeProxyRules([], [], proxyContext({ ...HERE, ...more })).includes(guard)).toBe(guarded);
  });

  it.each<[string, Partial<ProxyContext>, { other: boolean }]>([
    ["localhost on, which is nothing to it", {}, { other: true }],
    ["localhost off", { localhostNodePorts: false }, { other: true }],
    ["on some addresses", { nodePortAddresses: some }, { other: false }],
    ["on some addresses, loopback among them", { nodePortAddresses: ["::1/128", "2001:db8::/64"] }, { other: false }],
  ])("of IPv6: %s", (_, more, { other }) => {
    const served = "[fd00:10:180::1]:80 [fd00:10:180::2:1]:80";
    const context: Partial<ProxyContext> = { ...more, ipFamily: "IPv6", nodeIP: "2001:db8::1" };
    expectFlows(
      [six],
      slices,
      [
        ["fd00:10::2 > [fd00:172:30::41]:80", served],
        ["2600:5200::1 > [2001:db8::1]:3001", `${served} masqueraded`],
        ["2001:db8::1 > [2001:db8::1]:3001", `${served} masqueraded`],
        ["::1 > [::1]:3001", ""],
        ["2600:5200::1 > [2001:db8:1::2]:3001", other ? `${served} masqueraded` : ""],
      ],
      context,
    );
    expect(kubeProxyRules([], [], proxyContext({ ...HERE, ...context }))).not.toContain(guard);
  });
});

describe("a health check node port", () => {
  it("is let in on every address, whatever --nodeport-addresses says, as long as the Service is there", () => {
    const checked = service("ns1/svc1", "172.30.0.42", [port("p80", 80, { nodePort: 3001 })], {
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      healthCheckNodePort: 30000,
    });
    const more = { nodePortAddresses: ["127.0.0.0/8"] };
    expectFlows([checked], [], [["1.2.3.4 > node:30000", "ACCEPT"]], more);
    expectFlows([], [], [["1.2.3.4 > node:30000", ""]], more);
  });
});

describe("externalTrafficPolicy", () => {
  const web = service("ns1/svc1", "172.30.0.41", [port("p80", 80, { nodePort: 3001 })], {
    ...vip("1.2.3.4"),
    externalIPs: ["192.168.99.11"],
    healthCheckNodePort: 30000,
  });
  const slices = [slice(web, [endpoint("10.180.0.1", ""), here("10.180.2.1")])];
  const both = "10.180.0.1:80 10.180.2.1:80";

  it("Local serves pods from the cluster and others from this node, nobody masqueraded", () => {
    expectFlows([{ ...web, externalTrafficPolicy: "Local" }], slices, [
      ["pod > 172.30.0.41:80", both],
      ["pod > 192.168.99.11:80", both],
      ["client > 192.168.99.11:80", "10.180.2.1:80"],
      ["pod > 1.2.3.4:80", both],
      ["client > 1.2.3.4:80", "10.180.2.1:80"],
      ["pod > node:3001", both],
      ["client > node:3001", "10.180.2.1:80"],
    ]);
  });

  it("Cluster serves all from the cluster, masqueraded but for pods to the cluster IP", () => {
    expectFlows([web], slices, [
      ["pod > 172.30.0.41:80", both],
      ["pod > 192.168.99.11:80", `${both} masqueraded`],
      ["client > 192.168.99.11:80", `${both} masqueraded`],
      ["pod > 1.2.3.4:80", `${both} masqueraded`],
      ["client > 1.2.3.4:80", `${both} masqueraded`],
      ["pod > node:3001", `${both} masqueraded`],
      ["client > node:3001", `${both} masqueraded`],
    ]);
  });
});

describe("internalTrafficPolicy", () => {
  const web = service("ns1/svc1", "172.30.1.1", [port("", 80)]);
  it.each<["Cluster" | "Local", Endpoint[], string]>([
    ["Cluster", [here("10.0.1.1"), there("10.0.1.2"), there("10.0.1.3")], "10.0.1.1:80 10.0.1.2:80 10.0.1.3:80"],
    ["Local", [here("10.0.1.1"), there("10.0.1.2"), there("10.0.1.3")], "10.0.1.1:80"],
    ["Local", [here("10.0.1.1"), here("10.0.1.2"), there("10.0.1.3")], "10.0.1.1:80 10.0.1.2:80"],
    ["Local", [there("10.0.1.1"), there("10.0.1.2"), there("10.0.1.3")], "DROP"],
    ["Local", [], "REJECT"],
    ["Cluster", [], "REJECT"],
  ])("%s", (internalTrafficPolicy, endpoints, end) => {
    expectFlows([{ ...web, internalTrafficPolicy }], [slice(web, endpoints)], [["pod > 172.30.1.1:80", end]]);
  });
});

describe("endpoints that terminate", () => {
  const serving = { ready: false, terminating: true };
  const gone = { ready: false, serving: false, terminating: true };
  const web = service("ns1/svc1", "172.30.1.1", [port("", 80)], { ...vip("1.2.3.4"), healthCheckNodePort: 30000 });

  it.each<[string, Endpoint[], inside: string, outside: string]>([
    [
      "are passed over while others here are ready",
      [here("10.0.1.1"), here("10.0.1.2"), here("10.0.1.3", serving), here("10.0.1.4", gone), there("10.0.1.5")],
      "10.0.1.1:80 10.0.1.2:80 10.0.1.5:80",
      "10.0.1.1:80 10.0.1.2:80",
    ],
    [
      "serve those outside when none here is ready",
      [here("10.0.1.2", serving), here("10.0.1.3", serving), here("10.0.1.4", gone), there("10.0.1.5")],
      "10.0.1.5:80",
      "10.0.1.2:80 10.0.1.3:80",
    ],
    ["elsewhere only keep the others from a REJECT", [there("10.0.1.5", serving)], "10.0.1.5:80", "DROP"],
    ["and do not serve are none", [here("10.0.1.5", gone), there("10.0.1.6", gone)], "REJECT", "REJECT"],
    ["and have gone", [], "REJECT", "REJECT"],
  ])("with policy Local %s", (_, endpoints, inside, outside) => {
    expectFlows(
      [{ ...web, externalTrafficPolicy: "Local" }],
      [slice(web, endpoints)],
      [
        ["pod > 172.30.1.1:80", inside],
        ["client > 1.2.3.4:80", outside],
      ],
    );
  });

  it.each<[string, Endpoint[], string]>([
    [
      "are passed over while others are ready",
      [here("10.0.1.1"), here("10.0.1.2"), there("10.0.1.3", serving), there("10.0.1.4", gone), there("10.0.1.5")],
      "10.0.1.1:80 10.0.1.2:80 10.0.1.5:80",
    ],
    [
      "serve when none is ready",
      [here("10.0.1.2", serving), here("10.0.1.3", serving), there("10.0.1.4", gone), there("10.0.1.5", serving)],
      "10.0.1.2:80 10.0.1.3:80 10.0.1.5:80",
    ],
    ["serve from elsewhere", [there("10.0.1.5", serving)], "10.0.1.5:80"],
    ["and do not serve are none", [here("10.0.1.5", gone), there("10.0.1.6", gone)], "REJECT"],
  ])("with policy Cluster %s", (_, endpoints, end) => {
    expectFlows(
      [web],
      [slice(web, endpoints)],
      [
        ["pod > 172.30.1.1:80", end],
        ["client > 1.2.3.4:80", end === "REJECT" ? end : `${end} masqueraded`],
      ],
    );
  });
});

describe("who is masqueraded", () => {
  const lb = (n: number, ip: string, more: Partial<Service> = {}): Service =>
    service(`ns${n}/svc${n}`, `172.30.0.4${n}`, [port("p80", 80, { nodePort: 3000 + n })], {
      ...vip(ip),
      healthCheckNodePort: 30000 + n,
      ...more,
    });
  const services = [
    lb(1, "1.2.3.4"),
    lb(2, "5.6.7.8", { externalTrafficPolicy: "Local" }),
    lb(3, "9.10.11.12", { internalTrafficPolicy: "Local" }),
  ];
  const slices = services.map((of, i) => slice(of, [here(`10.180.0.${i + 1}`), there(`10.180.1.${i + 1}`)]));
  const both = (n: number): string => `10.180.0.${n}:80 10.180.1.${n}:80`;
  const one = (n: number): string => `10.180.0.${n}:80`;

  /** A flow's end with the four kinds of kube-proxy: [as it is, no detector, --masquerade-all, both]. */
  type Ends = [packet: string, base: string, without?: string, all?: string, allWithout?: string];
  const masked = (text: string): string => `${text} masqueraded`;
  const rows: Ends[] = [
    ["pod > 172.30.0.41:80", both(1), both(1), masked(both(1)), masked(both(1))],
    ["pod > node:3001", masked(both(1))],
    ["pod > 1.2.3.4:80", masked(both(1))],
    ["node > 172.30.0.41:80", masked(both(1)), both(1), masked(both(1)), masked(both(1))],
    ["node > node:3001", masked(both(1))],
    ["localhost > localhost:3001", masked(both(1))],
    ["node > 1.2.3.4:80", masked(both(1))],
    ["client > 172.30.0.41:80", masked(both(1)), both(1), masked(both(1)), masked(both(1))],
    ["client > node:3001", masked(both(1))],
    ["client > 1.2.3.4:80", masked(both(1))],
    // externalTrafficPolicy Local
    ["pod > 172.30.0.42:80", both(2), both(2), masked(both(2)), masked(both(2))],
    ["pod > node:3002", both(2), one(2), both(2), one(2)],
    ["pod > 5.6.7.8:80", both(2), one(2), both(2), one(2)],
    ["node > 172.30.0.42:80", masked(both(2)), both(2), masked(both(2)), masked(both(2))],
    ["node > node:3002", masked(both(2))],
    ["localhost > localhost:3002", masked(both(2))],
    ["node > 5.6.7.8:80", masked(both(2))],
    ["client > 172.30.0.42:80", masked(both(2)), both(2), masked(both(2)), masked(both(2))],
    ["client > node:3002", one(2)],
    ["client > 5.6.7.8:80", one(2)],
    // internalTrafficPolicy Local
    ["pod > 172.30.0.43:80", one(3), one(3), masked(one(3)), masked(one(3))],
    ["pod > node:3003", masked(both(3))],
    ["pod > 9.10.11.12:80", masked(both(3))],
    ["node > 172.30.0.43:80", masked(one(3)), one(3), masked(one(3)), masked(one(3))],
    ["node > node:3003", masked(both(3))],
    ["localhost > localhost:3003", masked(both(3))],
    ["node > 9.10.11.12:80", masked(both(3))],
    ["client > 172.30.0.43:80", masked(one(3)), one(3), masked(one(3)), masked(one(3))],
    ["client > node:3003", masked(both(3))],
    ["client > 9.10.11.12:80", masked(both(3))],
  ];

  it.each<[string, 1 | 2 | 3 | 4, Partial<ProxyContext>]>([
    ["with a detector of pods", 1, {}],
    ["without one", 2, { detectLocal: { mode: "None" } }],
    ["with --masquerade-all", 3, { masqueradeAll: true }],
    ["with --masquerade-all and no detector", 4, { masqueradeAll: true, detectLocal: { mode: "None" } }],
  ])("%s", (_, column, more) => {
    expectFlows(
      services,
      slices,
      rows.map((row): Flow => [row[0], row[column] ?? row[1]]),
      more,
    );
  });
});

describe("a load balancer's address", () => {
  it.each<["VIP" | "Proxy", string]>([
    ["VIP", "10.180.0.1:80 masqueraded"],
    ["Proxy", ""],
  ])("of mode %s", (ipMode, end) => {
    const web = service("ns1/svc1", "10.20.30.41", [port("p80", 80, { nodePort: 3001 })], {
      type: "LoadBalancer",
      loadBalancerIngress: [{ ip: "1.2.3.4", hostname: "", ipMode }],
    });
    expectFlows([web], [slice(web, [endpoint("10.180.0.1", "")])], [["client > 1.2.3.4:80", end]]);
  });
});
