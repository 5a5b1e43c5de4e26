// The rules of whole nodes, loaded into podwire's own tables and into a real kernel: both print them back as they were written.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { parseRules as parseRuleSet } from "../../src/iptables/parse.ts";
import { printRules } from "../../src/iptables/print.ts";
import { proxyContext, type ProxyContext } from "../../src/node/kube-proxy/context.ts";
import { kubeProxyRules } from "../../src/node/kube-proxy/proxy.ts";
import { nodeRules } from "../../src/node/machine.ts";
import { outsideMachines } from "../../src/node/outside.ts";
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
    ["the rules of the gateway", outsideMachines(SHOP, { ...RANGES, hosts: [] })[0]?.namespaces[0]?.rules ?? ""],
    ["affinity, source ranges and a bridge", proxy({ detectLocal: { mode: "BridgeInterface", value: "vbr0" } })],
    ["a prefix of names", proxy({ detectLocal: { mode: "InterfaceNamePrefix", value: "veth" }, kubelet: false })],
    ["what a node elsewhere drops", proxy({ nodeName: "node-3", localhostNodePorts: false })],
  ];
  it.each(texts)("podwire: %s", (_, text) => {
    expect(printRules(parseRuleSet(text))).toBe(text);
  });

  it.skipIf(!works).each(texts)("Linux: %s", (_, text) => {
    for (const iptables of ["iptables-nft", "iptables-legacy"]) {
      const { status, stderr, stdout } = reload(text, iptables);
      expect(stderr).toBe("");
      expect(status).toBe(0);
      const [before, after] = [parseRules(text), parseRules(stdout)];
      for (const [table, chains] of before) {
        expect([...(after.get(table) ?? [])], `${iptables} ${table}`).toEqual([...chains]);
      }
    }
  });
});
