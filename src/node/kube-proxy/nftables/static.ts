// What kube-proxy's table has whatever the Services are: base chains, sets and maps, checks, masquerading.
import { NftTable, type BaseChain } from "../../nft-table.ts";
import { printAddressSet } from "../../../nftables/intervals.ts";
import type { ProxyContext } from "../context.ts";
import { addressForm, blockContains, familyOf, isLoopback, networkForm, type Family } from "../ip.ts";

/** How a family is written in rules and types. */
export function ipWord(family: Family): "ip" | "ip6" {
  return family === "IPv4" ? "ip" : "ip6";
}

function addressType(family: Family): string {
  return family === "IPv4" ? "ipv4_addr" : "ipv6_addr";
}

const base = (
  type: BaseChain["type"],
  hook: BaseChain["hook"],
  priority: string,
): { base: BaseChain } => ({ base: { type, hook, priority } }); // prettier-ignore

/** In the order in which kube-proxy makes them. nft has a word for a priority only at the hook that it is usual at. */
const BASE_CHAINS = {
  "filter-prerouting-pre-dnat": base("filter", "prerouting", "dstnat - 10"),
  "filter-output-pre-dnat": base("filter", "output", "-110"),
  "filter-input": base("filter", "input", "filter"),
  "filter-forward": base("filter", "forward", "filter"),
  "filter-output": base("filter", "output", "filter"),
  "nat-prerouting": base("nat", "prerouting", "dstnat"),
  "nat-output": base("nat", "output", "-100"),
  "nat-postrouting": base("nat", "postrouting", "srcnat"),
} as const;

const NEW = "ct state new";

/** The jumps from base chains, in kube-proxy's order, which is also that in which the chains that they lead to are made. */
const JUMPS: readonly [to: string, from: keyof typeof BASE_CHAINS, match: string[]][] = [
  ["nodeport-endpoints-check", "filter-input", [NEW]],
  ["service-endpoints-check", "filter-input", [NEW]],
  ["service-endpoints-check", "filter-forward", [NEW]],
  ["service-endpoints-check", "filter-output", [NEW]],
  ["firewall-check", "filter-prerouting-pre-dnat", [NEW]],
  ["firewall-check", "filter-output-pre-dnat", [NEW]],
  ["services", "nat-output", []],
  ["services", "nat-prerouting", []],
  ["masquerading", "nat-postrouting", []],
  ["cluster-ips-check", "filter-forward", [NEW]],
  ["cluster-ips-check", "filter-output", [NEW]],
];

/** The table before any Service (setupNFTables). */
export function newProxyTable(context: ProxyContext): NftTable {
  const { ipFamily } = context;
  const table = new NftTable(ipWord(ipFamily), "kube-proxy", "rules for kube-proxy");
  for (const [name, options] of Object.entries(BASE_CHAINS)) table.addChain(name, options);
  for (const [to, from, match] of JUMPS) {
    table.addChain(to);
    table.append(from, match, `jump ${to}`);
  }
  table.addChain("mark-for-masquerade");
  addMasquerading(table, context);
  addClusterIPsCheck(table, context);
  addDispatch(table, context);
  return table;
}

/** The mark as nft prints it, 32 bits wide. */
function mark(context: ProxyContext): string {
  return `0x${((1 << context.masqueradeBit) >>> 0).toString(16).padStart(8, "0")}`;
}

/** A packet is marked by one chain, and masqueraded, without the mark, by the other. */
function addMasquerading(table: NftTable, context: ProxyContext): void {
  const bit = mark(context);
  table.append("mark-for-masquerade", `meta mark set meta mark | ${bit}`);
  // A mask of the highest bits alone is a prefix to nft.
  const unmarked = context.masqueradeBit === 31 ? "meta mark 0x00000000/1" : `meta mark & ${bit} == 0x00000000`;
  table.append("masquerading", `${unmarked} return`);
  table.append("masquerading", `meta mark set meta mark ^ ${bit}`);
  table.append("masquerading", "masquerade fully-random");
}

/** What is still addressed to a cluster IP behind the nat chains has a port that no Service has, or an address that none has. */
function addClusterIPsCheck(table: NftTable, { ipFamily, serviceCIDRs }: ProxyContext): void {
  const ip = ipWord(ipFamily);
  table.addSet("cluster-ips", { type: addressType(ipFamily), comment: "Active ClusterIPs" });
  table.append(
    "cluster-ips-check",
    `${ip} daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"`,
  );
  const ranges = serviceCIDRs.filter((cidr) => familyOf(cidr) === ipFamily).map(networkForm);
  if (ranges.length > 0)
    table.append(
      "cluster-ips-check",
      `${ip} daddr ${printAddressSet(ranges)} drop comment "Drop traffic to unallocated ClusterIPs"`,
    );
}

const NO_ENDPOINTS = "vmap to drop or reject packets to services with no endpoints";
const NO_ENDPOINTS_NODE_PORT = "vmap to drop or reject packets to service nodeports with no endpoints";

/** The maps from addresses and ports to chains, and the rules that look packets up in them. */
function addDispatch(table: NftTable, context: ProxyContext): void {
  const { ipFamily } = context;
  const ip = ipWord(ipFamily);
  const service = `${addressType(ipFamily)} . inet_proto . inet_service : verdict`;
  const nodePort = "inet_proto . inet_service : verdict";
  const addresses = nodePortAddresses(context);
  if (addresses)
    table.addSet("nodeport-ips", { type: addressType(ipFamily), comment: "IPs that accept NodePort traffic" });
  for (const address of addresses ?? []) table.addElement("nodeport-ips", { address });
  table.addMap("no-endpoint-services", { type: service, comment: NO_ENDPOINTS });
  table.addMap("no-endpoint-nodeports", { type: nodePort, comment: NO_ENDPOINTS_NODE_PORT });
  table.addChain("reject-chain", { comment: "helper for @no-endpoint-services / @no-endpoint-nodeports" });
  table.append("reject-chain", "reject");
  table.addMap("firewall-ips", {
    type: service,
    comment: "destinations that are subject to LoadBalancerSourceRanges",
  });
  table.addMap("service-ips", { type: service, comment: "ClusterIP, ExternalIP and LoadBalancer IP traffic" });
  table.addMap("service-nodeports", { type: nodePort, comment: "NodePort traffic" });

  const byAddress = `${ip} daddr . meta l4proto . th dport vmap`;
  const byPort = "meta l4proto . th dport vmap";
  const notLoopback = `${ip} daddr != ${ipFamily === "IPv4" ? "127.0.0.0/8" : "::1"}`;
  const toNode = `${ip} daddr @nodeport-ips`;
  table.append("service-endpoints-check", byAddress, "@no-endpoint-services");
  table.append("nodeport-endpoints-check", addresses ? toNode : notLoopback, byPort, "@no-endpoint-nodeports");
  table.append("firewall-check", byAddress, "@firewall-ips");
  table.append("services", byAddress, "@service-ips");
  table.append("services", addresses ? toNode : `fib daddr type local ${notLoopback}`, byPort, "@service-nodeports");
}

/**
 * The node's addresses inside --nodeport-addresses, each once, never loopback; undefined: all that are local. Without the option the
 * node's own address counts alone, as if it were `primary`.
 */
function nodePortAddresses(context: ProxyContext): string[] | undefined {
  const { ipFamily, nodeIP, interfaceAddresses } = context;
  const given = context.nodePortAddresses.filter((cidr) => familyOf(cidr) === ipFamily);
  if (given.some((cidr) => cidr.endsWith("/0"))) return undefined;
  const blocks = given.length > 0 ? given : [networkForm(nodeIP)];
  const addresses = [...interfaceAddresses, nodeIP].map((address) => addressForm(address.replace(/\/.*/, "")));
  return [...new Set(addresses)].filter(
    (address) => blocks.some((block) => blockContains(block, address)) && !isLoopback(address),
  );
}
