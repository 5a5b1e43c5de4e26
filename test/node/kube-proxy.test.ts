// Single behaviours of kube-proxy's rules: the rules that one feature of a Service or one setting adds, leaves out or changes.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Endpoint, EndpointSlice, Service } from "../../src/kubernetes/objects.ts";
import { proxyContext, type ProxyContext } from "../../src/node/kube-proxy/context.ts";
import { endpointChain, serviceChains } from "../../src/node/kube-proxy/names.ts";
import { kubeProxyRules } from "../../src/node/kube-proxy/proxy.ts";
import { probability } from "../../src/node/kube-proxy/spread.ts";
import { endpoint, port, service, slice } from "./objects.ts";
import { parseRules } from "./rules-text.ts";

const HERE: Partial<ProxyContext> = {
  nodeName: "node-1",
  nodeIP: "192.168.0.11",
  detectLocal: { mode: "ClusterCIDR", value: "10.244.0.0/16" },
};

/** The rules of one chain, or undefined if it does not exist. */
function chain(
  table: string,
  name: string,
  of: Service | Service[],
  slices: EndpointSlice[],
  more: Partial<ProxyContext> = {},
) {
  const text = kubeProxyRules([of].flat(), slices, proxyContext({ ...HERE, ...more }));
  return parseRules(text).get(table)?.get(name);
}

const WEB = service("shop/web", "10.96.0.20", [port("http", 80, { targetPort: 8080 })]);
const { svc: SVC, svl: SVL, ext: EXT, fw: FW } = serviceChains("shop/web:http", "tcp");
const here = endpoint("10.244.1.2", "node-1");
const there = endpoint("10.244.2.2", "node-2");

/** The endpoints that a chain leads to, in order, taken from the comments. */
function members(rules: string[] | undefined): string[] {
  return (rules ?? []).flatMap((rule) => / -> ([^"]+)"/.exec(rule)?.[1] ?? []);
}

describe("the endpoints of a cluster IP", () => {
  it("are ordered as text and get even chances", () => {
    const slices = [
      slice(
        WEB,
        ["10.244.1.2", "10.244.1.10", "10.244.1.9"].map((ip) => endpoint(ip, "node-1")),
      ),
    ];
    const sep = (ip: string) =>
      /-j (KUBE-SEP-\w+)/.exec(chain("nat", SVC, WEB, slices)?.find((rule) => rule.includes(`${ip}:`)) ?? "")?.[1];
    expect(chain("nat", SVC, WEB, slices)).toEqual([
      `! -s 10.244.0.0/16 -d 10.96.0.20/32 -p tcp -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ`,
      `-m comment --comment "shop/web:http -> 10.244.1.10:8080" -m statistic --mode random --probability 0.33333333349 -j ${sep("10.244.1.10")}`,
      `-m comment --comment "shop/web:http -> 10.244.1.2:8080" -m statistic --mode random --probability 0.50000000000 -j ${sep("10.244.1.2")}`,
      `-m comment --comment "shop/web:http -> 10.244.1.9:8080" -j ${sep("10.244.1.9")}`,
    ]);
  });

  it.each([
    [2, "0.50000000000"],
    [3, "0.33333333349"],
    [4, "0.25000000000"],
    [5, "0.20000000019"],
    [6, "0.16666666651"],
    [7, "0.14285714272"],
    [10, "0.10000000009"],
    [100, "0.00999999978"],
    [4096, "0.00024414062"],
  ])("get a chance of 1 in %i as %s", (n, text) => {
    expect(probability(n)).toBe(text);
  });

  it("leave out the unready ones, and fall back to serving ones that terminate", () => {
    const unready = { ready: false, serving: false };
    const ending = endpoint("10.244.2.9", "node-2", { ready: false, terminating: true });
    const sick = endpoint("10.244.2.8", "node-2", { ...unready, terminating: true });
    const down = endpoint("10.244.2.7", "node-2", unready);
    expect(members(chain("nat", SVC, WEB, [slice(WEB, [there, ending, sick, down])]))).toEqual(["10.244.2.2:8080"]);
    expect(members(chain("nat", SVC, WEB, [slice(WEB, [ending, sick, down])]))).toEqual(["10.244.2.9:8080"]);
    expect(chain("nat", SVC, WEB, [slice(WEB, [sick, down])])).toBeUndefined();
  });

  it("follow node hints before zone hints, if every ready endpoint has one", () => {
    const zone = { topologyLabels: { "topology.kubernetes.io/zone": "a" } };
    const hinted = [
      endpoint("10.244.1.2", "node-1", { forZones: ["a"], forNodes: ["node-1"] }),
      endpoint("10.244.2.2", "node-2", { forZones: ["a"], forNodes: ["node-2"] }),
      endpoint("10.244.3.2", "node-3", { forZones: ["b"], forNodes: ["node-3"] }),
    ];
    const [first, second, third] = ["10.244.1.2:8080", "10.244.2.2:8080", "10.244.3.2:8080"];
    expect(members(chain("nat", SVC, WEB, [slice(WEB, hinted)], zone))).toEqual([first]);
    expect(members(chain("nat", SVC, WEB, [slice(WEB, hinted)], { ...zone, nodeName: "node-9" }))).toEqual([
      first,
      second,
    ]);
    expect(members(chain("nat", SVC, WEB, [slice(WEB, hinted)], { nodeName: "node-9" }))).toEqual([
      first,
      second,
      third,
    ]);
    const withoutHint = [...hinted, endpoint("10.244.4.2", "node-4")];
    expect(members(chain("nat", SVC, WEB, [slice(WEB, withoutHint)], zone))).toHaveLength(4);
  });

  it("count once for each address and port: who stays wins over who ends, and of those who stay the last", () => {
    const ends = { ready: false, terminating: true };
    const entries = (...nodes: [node: string, more: Partial<Endpoint>][]) =>
      nodes.map(([node, more], i) => slice(WEB, [endpoint("10.244.1.2", node, more)], { name: `web-${i}` }));
    const local: Partial<Service> = { internalTrafficPolicy: "Local" };
    const served = (...slices: EndpointSlice[]) => members(chain("nat", SVL, { ...WEB, ...local }, slices));
    const left = entries(["node-1", {}], ["node-2", ends]);
    for (const order of [left, [...left].reverse()]) expect(served(...order)).toEqual(["10.244.1.2:8080"]);
    const [here, there] = [endpoint("10.244.1.2", "node-1"), endpoint("10.244.1.2", "node-2")];
    expect(served(slice(WEB, [there, here]))).toEqual(["10.244.1.2:8080"]);
    expect(served(slice(WEB, [here, there]))).toEqual([]);
    const moved = entries(["node-1", ends], ["node-2", {}]);
    for (const order of [moved, [...moved].reverse()]) expect(served(...order)).toEqual([]);
  });

  it("lose their comments from 1001 on", () => {
    const many = (n: number) => [
      slice(
        WEB,
        Array.from({ length: n }, (_, i) => endpoint(`10.244.${i >> 8}.${i & 255}`, "node-2")),
      ),
    ];
    expect(members(chain("nat", SVC, WEB, many(1000)))).toHaveLength(1000);
    expect(members(chain("nat", SVC, WEB, many(1001)))).toHaveLength(0);
    expect(chain("nat", SVC, WEB, many(1001))?.[1]).toMatch(
      /^-m statistic --mode random --probability 0\.\d{11} -j KUBE-SEP-\w{16}$/,
    );
  });
});

describe("a Service that kube-proxy leaves alone has no rule", () => {
  const slices = [slice(WEB, [here])];
  it.each<[string, Partial<Service>]>([
    ["headless", { clusterIPs: ["None"] }],
    ["without cluster IP", { clusterIPs: [] }],
    ["ExternalName", { type: "ExternalName", clusterIPs: [] }],
    ["of another proxy", { labels: { "service.kubernetes.io/service-proxy-name": "mesh" } }],
    ["of the other family", { clusterIPs: ["fd00::20"] }],
  ])("%s", (_, more) => {
    const text = kubeProxyRules([{ ...WEB, ...more }], slices, proxyContext(HERE));
    expect(text).toBe(kubeProxyRules([], [], proxyContext(HERE)));
  });
});

describe("externalTrafficPolicy Local", () => {
  const local: Partial<Service> = {
    type: "NodePort",
    externalTrafficPolicy: "Local",
    ports: [port("http", 80, { targetPort: 8080, nodePort: 30080 })],
  };
  const WEB_LOCAL = { ...WEB, ...local };

  it("keeps the client's address and serves from this node, but serves pods and the node from the cluster", () => {
    expect(chain("nat", EXT, WEB_LOCAL, [slice(WEB, [here, there])])).toEqual([
      `-s 10.244.0.0/16 -m comment --comment "pod traffic for shop/web:http external destinations" -j ${SVC}`,
      `-m comment --comment "masquerade LOCAL traffic for shop/web:http external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ`,
      `-m comment --comment "route LOCAL traffic for shop/web:http external destinations" -m addrtype --src-type LOCAL -j ${SVC}`,
      `-j ${SVL}`,
    ]);
    expect(members(chain("nat", SVL, WEB_LOCAL, [slice(WEB, [here, there])]))).toEqual(["10.244.1.2:8080"]);
    expect(members(chain("nat", SVC, WEB_LOCAL, [slice(WEB, [here, there])]))).toHaveLength(2);
  });

  it("counts on a ClusterIP Service once it has external addresses", () => {
    const plain: Service = { ...WEB, externalTrafficPolicy: "Local" };
    expect(chain("nat", SVL, plain, [slice(WEB, [here])])).toBeUndefined();
    expect(members(chain("nat", SVL, { ...plain, externalIPs: ["198.51.100.7"] }, [slice(WEB, [here])]))).toHaveLength(
      1,
    );
  });

  it("with internalTrafficPolicy Local too keeps KUBE-SVC for the short way only", () => {
    const both: Service = { ...WEB_LOCAL, internalTrafficPolicy: "Local" };
    const slices = [slice(WEB, [here, there])];
    expect(chain("nat", "KUBE-SERVICES", both, slices)?.[0]).toMatch(new RegExp(`-d 10.96.0.20/32 .* -j ${SVL}$`));
    expect(chain("nat", SVL, both, slices)?.[0]).toMatch(/^! -s 10.244.0.0\/16 .* -j KUBE-MARK-MASQ$/);
    expect(members(chain("nat", SVC, both, slices))).toHaveLength(2);
  });
});

describe("a load balancer", () => {
  const ingress = { ip: "192.0.2.1", hostname: "", ipMode: "VIP" as const };
  const lb: Service = { ...WEB, type: "LoadBalancer", loadBalancerIngress: [ingress] };
  const slices = [slice(WEB, [here])];

  it("whose source ranges hold the node also lets the load balancer address in", () => {
    const guarded = { ...lb, loadBalancerSourceRanges: [" 192.168.0.0/16 ", "0.0.0.0/0", "fd00::/8"] };
    expect(chain("nat", FW, guarded, slices)).toEqual([
      `-s 192.168.0.0/16 -m comment --comment "shop/web:http loadbalancer IP" -j ${EXT}`,
      `-m comment --comment "shop/web:http loadbalancer IP" -j ${EXT}`,
      `-s 192.0.2.1/32 -m comment --comment "shop/web:http loadbalancer IP" -j ${EXT}`,
      `-m comment --comment "other traffic to shop/web:http will be dropped by KUBE-PROXY-FIREWALL"`,
    ]);
    expect(chain("filter", "KUBE-PROXY-FIREWALL", guarded, slices)).toEqual([
      `-d 192.0.2.1/32 -p tcp -m comment --comment "shop/web:http traffic not accepted by ${FW}" -m tcp --dport 80 -j DROP`,
    ]);
  });

  it("in mode Proxy or with a hostname only has no rules, whatever its source ranges", () => {
    const elsewhere: Service = {
      ...lb,
      loadBalancerSourceRanges: ["10.0.0.0/8"],
      loadBalancerIngress: [
        { ...ingress, ipMode: "Proxy" },
        { ip: "", hostname: "lb.example.com", ipMode: "VIP" },
      ],
    };
    const context = proxyContext(HERE);
    expect(kubeProxyRules([elsewhere], slices, context)).toBe(kubeProxyRules([WEB], slices, context));
  });

  it("without any endpoint is rejected at every address, its health check port still accepted", () => {
    const dead: Service = {
      ...lb,
      externalTrafficPolicy: "Local",
      healthCheckNodePort: 32000,
      ports: [port("http", 80, { nodePort: 30080 })],
    };
    const reject = `-j REJECT --reject-with icmp-port-unreachable`;
    expect(chain("filter", "KUBE-EXTERNAL-SERVICES", dead, [])).toEqual([
      `-d 192.0.2.1/32 -p tcp -m comment --comment "shop/web:http has no endpoints" -m tcp --dport 80 ${reject}`,
      `-p tcp -m comment --comment "shop/web:http has no endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 30080 ${reject}`,
    ]);
    expect(chain("filter", "KUBE-NODEPORTS", dead, [])).toEqual([
      `-p tcp -m comment --comment "shop/web:http health check node port" -m tcp --dport 32000 -j ACCEPT`,
    ]);
    expect(chain("nat", "KUBE-NODEPORTS", dead, [])).toEqual([]);
  });
});

describe("the node-port jump", () => {
  const note = `-m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain"`;
  const interfaceAddresses = ["127.0.0.1/8", "192.168.0.11/24", "192.168.0.11/32", "10.9.0.1/16"];
  it.each<[string, Partial<ProxyContext>, string[]]>([
    ["is for every local address", {}, [`${note} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`]],
    [
      "spares loopback if localhost node ports are off",
      { localhostNodePorts: false },
      [`! -d 127.0.0.0/8 ${note} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`],
    ],
    [
      "is one rule for each address inside --nodeport-addresses",
      { nodePortAddresses: ["192.168.0.0/16", "10.9.0.1/32", "fd00::/8"], interfaceAddresses },
      [`-d 192.168.0.11/32 ${note} -j KUBE-NODEPORTS`, `-d 10.9.0.1/32 ${note} -j KUBE-NODEPORTS`],
    ],
    [
      "is one rule if a range is everything",
      { nodePortAddresses: ["192.168.0.0/16", "0.0.0.0/0"], interfaceAddresses },
      [`${note} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`],
    ],
  ])("%s", (_, more, rules) => {
    expect(chain("nat", "KUBE-SERVICES", [], [], more)).toEqual(rules);
  });
});

describe("a setting", () => {
  const nodePort: Service = {
    ...WEB,
    type: "NodePort",
    ports: [port("http", 80, { targetPort: 8080, nodePort: 30080 })],
  };
  const slices = [slice(WEB, [here])];

  it.each<[string, ProxyContext["detectLocal"], string]>([
    ["BridgeInterface", { mode: "BridgeInterface", value: "vbr0" }, "-d 10.96.0.20/32 ! -i vbr0 -p tcp"],
    ["InterfaceNamePrefix", { mode: "InterfaceNamePrefix", value: "veth" }, "-d 10.96.0.20/32 ! -i veth+ -p tcp"],
    [
      "NodeCIDR",
      { mode: "NodeCIDR", value: ["fd00::/64", "10.244.1.0/24"] },
      "! -s 10.244.1.0/24 -d 10.96.0.20/32 -p tcp",
    ],
  ])("detectLocal %s tells pods from others", (_, detectLocal, head) => {
    expect(chain("nat", SVC, WEB, slices, { detectLocal })?.[0]).toBe(
      `${head} -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ`,
    );
  });

  it("nfacct adds counters to the INVALID drop and to node ports on localhost", () => {
    expect(chain("nat", "KUBE-NODEPORTS", nodePort, slices, { nfacct: true })).toEqual([
      `-d 127.0.0.0/8 -p tcp -m comment --comment "shop/web:http" -m tcp --dport 30080 -m nfacct --nfacct-name  localhost_nps_accepted_pkts -j ${EXT}`,
      `-p tcp -m comment --comment "shop/web:http" -m tcp --dport 30080 -j ${EXT}`,
    ]);
    expect(chain("filter", "KUBE-FORWARD", [], [], { nfacct: true })?.[0]).toBe(
      `-m conntrack --ctstate INVALID -m nfacct --nfacct-name  ct_state_invalid_dropped_pkts -j DROP`,
    );
  });

  it("kubelet decides on its chains and on the place of KUBE-FIREWALL", () => {
    expect(chain("mangle", "KUBE-IPTABLES-HINT", [], [])).toEqual([]);
    expect(chain("mangle", "KUBE-IPTABLES-HINT", [], [], { kubelet: false })).toBeUndefined();
    expect(chain("filter", "INPUT", [], [])?.at(-1)).toBe("-j KUBE-FIREWALL");
    expect(chain("filter", "INPUT", [], [], { kubelet: false })?.[0]).toBe("-j KUBE-FIREWALL");
    expect(chain("filter", "KUBE-FIREWALL", [], [])).toHaveLength(1);
    expect(chain("filter", "KUBE-FIREWALL", [], [], { kubelet: false })).toHaveLength(1);
    expect(chain("filter", "KUBE-FIREWALL", [], [], { kubelet: false, localhostNodePorts: false })).toEqual([]);
  });

  it("IPv6 takes the other addresses of a dual-stack Service, under the same chain names", () => {
    const dual: Service = { ...WEB, clusterIPs: ["10.96.0.20", "fd00:96::20"] };
    const six = slice(WEB, [endpoint("fd00:244:1::2", "node-1")], { name: "web-6", addressType: "IPv6" });
    const context: Partial<ProxyContext> = {
      ipFamily: "IPv6",
      nodeIP: "fd00::11",
      detectLocal: { mode: "ClusterCIDR", value: ["10.244.0.0/16", "FD00:244:0:0::/32"] },
    };
    expect(chain("nat", SVC, dual, [...slices, six], context)).toEqual([
      `! -s fd00:244::/32 -d fd00:96::20/128 -p tcp -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ`,
      expect.stringMatching(/"shop\/web:http -> \[fd00:244:1::2\]:8080" -j KUBE-SEP-/),
    ]);
  });
});

describe("an IPv6 address", () => {
  it("of an endpoint is brought to its canonical form before it is sorted, hashed and written", () => {
    const six: Service = { ...WEB, clusterIPs: ["FD00:96:0::0020"] };
    const slices = [slice(six, [endpoint("FD00:244:0:0::000A", "node-1")], { addressType: "IPv6" })];
    const context: Partial<ProxyContext> = { ipFamily: "IPv6", nodeIP: "fd00::11", detectLocal: { mode: "None" } };
    const sep = endpointChain("shop/web:http", "tcp", "[fd00:244::a]:8080");
    expect(chain("nat", "KUBE-SERVICES", six, slices, context)?.[0]).toMatch(/^-d fd00:96::20\/128 /);
    expect(chain("nat", SVC, six, slices, context)).toEqual([
      `-m comment --comment "shop/web:http -> [fd00:244::a]:8080" -j ${sep}`,
    ]);
    expect(chain("nat", sep, six, slices, context)).toEqual([
      `-s fd00:244::a/128 -m comment --comment "shop/web:http" -j KUBE-MARK-MASQ`,
      `-p tcp -m comment --comment "shop/web:http" -m tcp -j DNAT --to-destination [fd00:244::a]:8080`,
    ]);
  });
});

describe("whatever the Services are", () => {
  const anyEndpoint = fc
    .record({
      host: fc.integer({ min: 2, max: 9 }),
      node: fc.integer({ min: 1, max: 3 }),
      ready: fc.boolean(),
      serving: fc.boolean(),
      terminating: fc.boolean(),
    })
    .map(({ host, node, ...state }) => endpoint(`10.244.${node}.${host}`, `node-${node}`, state));
  const anyService = fc.record({
    type: fc.constantFrom<Service["type"][]>("ClusterIP", "NodePort", "LoadBalancer"),
    nodePort: fc.constantFrom(0, 30080),
    externalTrafficPolicy: fc.constantFrom<("Cluster" | "Local")[]>("Cluster", "Local"),
    internalTrafficPolicy: fc.constantFrom<("Cluster" | "Local")[]>("Cluster", "Local"),
    externalIPs: fc.constantFrom<string[][]>([], ["198.51.100.7"]),
    vip: fc.boolean(),
    ranges: fc.constantFrom<string[][]>([], ["192.168.0.0/24"]),
    sticky: fc.boolean(),
    endpoints: fc.uniqueArray(anyEndpoint, { selector: ({ addresses }) => addresses[0], maxLength: 5 }),
  });

  it("every jump has its chain, every chain of a Service is reached, and the order of endpoints does not matter", () => {
    fc.assert(
      fc.property(anyService, ({ nodePort, vip, ranges, sticky, endpoints, ...more }) => {
        const of: Service = {
          ...WEB,
          ...more,
          ports: [port("http", 80, { targetPort: 8080, nodePort })],
          loadBalancerIngress: vip ? [{ ip: "192.0.2.1", hostname: "", ipMode: "VIP" }] : [],
          loadBalancerSourceRanges: ranges,
          sessionAffinity: sticky ? "ClientIP" : "None",
        };
        const text = kubeProxyRules([of], [slice(of, endpoints)], proxyContext(HERE));
        for (const chains of parseRules(text).values()) {
          const targets = new Set([...chains.values()].flat().flatMap((rule) => /-j (KUBE-\S+)/.exec(rule)?.[1] ?? []));
          for (const target of targets) expect(chains.has(target), target).toBe(true);
          for (const name of chains.keys())
            if (/^KUBE-(SVC|SVL|SEP|EXT|FW)-/.test(name)) expect(targets, name).toContain(name);
        }
        expect(kubeProxyRules([of], [slice(of, [...endpoints].reverse())], proxyContext(HERE))).toBe(text);
      }),
      { numRuns: 300 },
    );
  });
});
