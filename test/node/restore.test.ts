// The rules of whole nodes, loaded into podwire's own tables and into a real kernel: both print them back as they were written.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { EndpointSlice, Service } from "../../src/kubernetes/objects.ts";
import { parseRules as parseRuleSet } from "../../src/iptables/parse.ts";
import { printRules } from "../../src/iptables/print.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";
import { proxyContext, type ProxyContext } from "../../src/node/kube-proxy/context.ts";
import { kubeProxyRules } from "../../src/node/kube-proxy/proxy.ts";
import { nodeRules } from "../../src/node/machine.ts";
import { outsideMachines } from "../../src/node/outside.ts";
import { endpoint, port, service, slice } from "./objects.ts";
import { parseRules } from "./rules-text.ts";
import { RANGES, SHOP } from "./shop.ts";

/** What iptables-save prints after iptables-restore of `text`, in a network namespace of its own. */
function reload(text: string, iptables: string): { status: number | null; stderr: string; stdout: string } {
  const script = `${iptables}-restore && ${iptables}-save`;
  return spawnSync("unshare", ["-n", "sh", "-c", script], { input: text, encoding: "utf8" });
}

const works = reload("*nat\nCOMMIT\n*filter\nCOMMIT\n", "iptables").status === 0;
if (!works) console.warn("SKIPPED: rules are not held against Linux; that needs root, unshare and iptables");

it("Linux is here to be compared with, at least in CI", () => {
  if (process.env.CI === "true") expect(works).toBe(true);
});

const FAMILIES = [
  ["IPv4", "iptables"],
  ["IPv6", "ip6tables"],
] as const;

const SETTINGS: Partial<ProxyContext> = {
  nodeName: "node-1",
  nodeIP: "192.168.0.11",
  detectLocal: { mode: "ClusterCIDR", value: ["10.244.0.0/16", "fd00:244::/48"] },
  nodePortAddresses: ["192.168.0.0/24", "127.0.0.0/8", "fd00::/64"],
  interfaceAddresses: ["127.0.0.1/8", "192.168.0.11/24", "::1/128", "fd00::11/64"],
};

const PROTOCOLS = ["TCP", "UDP", "SCTP"] as const;
const ENDS = ["node-1", "node-2", ""];

/** One Service for each type, policy, affinity and place of its endpoints, with a port of each protocol. */
function everyService(): Service[] {
  const kinds = (["ClusterIP", "NodePort", "LoadBalancer"] as const).flatMap((type) =>
    (["Cluster", "Local"] as const).flatMap((policy) =>
      (["None", "ClientIP"] as const).flatMap((affinity) => ENDS.map((end) => ({ type, policy, affinity, end }))),
    ),
  );
  return kinds.map(({ type, policy, affinity, end }, i) => ({
    ...service(
      `mix/s${i}`,
      `10.96.1.${i + 1}`,
      PROTOCOLS.map((protocol, j) =>
        port(protocol.toLowerCase(), 80 + j, { protocol, nodePort: type === "ClusterIP" ? 0 : 30000 + 3 * i + j }),
      ),
    ),
    labels: { end },
    type,
    clusterIPs: [`10.96.1.${i + 1}`, `fd00:96::${i + 1}`],
    externalTrafficPolicy: policy,
    internalTrafficPolicy: i % 2 === 0 ? "Cluster" : "Local",
    sessionAffinity: affinity,
    externalIPs: i % 3 === 0 ? [`198.51.100.${i + 1}`, `2001:db8::${i + 1}`] : [],
    loadBalancerIngress:
      type === "LoadBalancer"
        ? [`192.0.2.${i + 1}`, `2001:db8:1::${i + 1}`].map((ip) => ({ ip, hostname: "", ipMode: "VIP" as const }))
        : [],
    loadBalancerSourceRanges: affinity === "ClientIP" ? ["192.168.0.0/16", "2001:db8:2::/48"] : [],
    healthCheckNodePort: 32000 + i,
  }));
}

function everySlice(): EndpointSlice[] {
  return everyService().flatMap((of, i) =>
    of.labels.end === ""
      ? []
      : [
          slice(of, [endpoint(`10.244.1.${i + 2}`, of.labels.end ?? ""), endpoint("10.244.3.9", "node-3")]),
          slice(of, [endpoint(`fd00:244::${i + 2}`, of.labels.end ?? ""), endpoint("fd00:244::3:9", "node-3")], {
            addressType: "IPv6",
          }),
        ],
  );
}

describe("the text stays the same for", () => {
  const [one] = SHOP.nodes;
  if (!one) throw new Error("the shop has nodes");
  const proxy = (more: Partial<ProxyContext>): string =>
    kubeProxyRules(
      SHOP.services.map((service) => ({
        ...service,
        externalIPs: ["198.51.100.77"],
        externalTrafficPolicy: "Local" as const,
        sessionAffinity: "ClientIP" as const,
        loadBalancerSourceRanges: ["0.0.0.0/0", "198.51.100.0/25"],
        healthCheckNodePort: 32000,
      })),
      SHOP.endpointSlices,
      proxyContext({ nodeName: "node-1", nodeIP: "192.168.0.11", ...more }),
    );
  const texts: [string, string][] = [
    ["the rules of a node with a hostPort", nodeRules(SHOP, one, RANGES)],
    ["the rules of a node with VXLAN", nodeRules(SHOP, one, { ...RANGES, network: { mode: "vxlan" } })],
    [
      "the rules of the gateway",
      wholeText(outsideMachines(SHOP, { ...RANGES, hosts: [] })[0]?.namespaces[0]?.rules ?? ""),
    ],
    ["affinity, source ranges and a bridge", proxy({ detectLocal: { mode: "BridgeInterface", value: "vbr0" } })],
    ["a prefix of names", proxy({ detectLocal: { mode: "InterfaceNamePrefix", value: "veth" }, kubelet: false })],
    ["what a node elsewhere drops", proxy({ nodeName: "node-3", localhostNodePorts: false })],
  ];
  it.each(texts)("podwire: %s", (_, text) => {
    expect(printRules(parseRuleSet(text))).toBe(text);
  });

  it.skipIf(!works).each(texts)("Linux: %s", (_, text) => {
    expectReloaded(text, "iptables");
  });

  it.skipIf(!works)("Linux: every kind of Service, both halves of a dual-stack cluster", () => {
    for (const [ipFamily, tool] of FAMILIES) {
      const text = kubeProxyRules(everyService(), everySlice(), proxyContext({ ...SETTINGS, ipFamily }));
      expect(text).toContain("-p sctp");
      expectReloaded(text, tool);
    }
  });
});

function expectReloaded(text: string, tool: "iptables" | "ip6tables"): void {
  for (const iptables of [`${tool}-nft`, `${tool}-legacy`]) {
    const { status, stderr, stdout } = reload(text, iptables);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const [before, after] = [parseRules(text), parseRules(stdout)];
    for (const [table, chains] of before) {
      expect([...(after.get(table) ?? [])], `${iptables} ${table}`).toEqual([...chains]);
    }
  }
}
