// The elements and chains of one service port, in the order in which kube-proxy's nftables mode writes them.
import type { NftTable } from "../../nft-table.ts";
import { printAddressSet } from "../../../nftables/intervals.ts";
import type { ProxyContext } from "../context.ts";
import { addressForm, blockContains, familyOf, networkForm } from "../ip.ts";
import type { ProxyEndpoint, Selection } from "../select.ts";
import type { ProxyServicePort } from "../service-port.ts";
import { nftEndpointNames, nftServiceChains, type NftServiceChains } from "./names.ts";
import { ipWord } from "./static.ts";

/** The most elements of a set that rules add to (nft's own default). */
const DYNAMIC_SET_SIZE = 65535;

/** One service port on one node, and what follows from its policies and endpoints. */
interface Work {
  table: NftTable;
  context: ProxyContext;
  port: ProxyServicePort;
  chains: NftServiceChains;
  selection: Selection;
  /** Whether the cluster IP, and whether the other addresses, lead to an endpoint. */
  internalOK: boolean;
  externalOK: boolean;
  ip: "ip" | "ip6";
}

/** Adds all of a service port. */
export function addNftServicePort(
  table: NftTable,
  port: ProxyServicePort,
  selection: Selection,
  context: ProxyContext,
): void {
  const { cluster, local, all, usable } = selection;
  const chains = nftServiceChains(port);
  const internalOK = usable && !(port.internalLocal && local.length === 0);
  const externalOK = usable && !(port.externalLocal && local.length === 0);
  const ip = ipWord(context.ipFamily);
  const work: Work = { table, context, port, chains, selection, internalOK, externalOK, ip };

  const spreadsCluster = port.usesCluster && cluster.length > 0;
  const spreadsLocal = port.usesLocal && local.length > 0;
  const external = usable && port.accessible;
  const firewalled = port.vips.length > 0 && port.sourceRanges.length > 0;
  for (const endpoint of all) table.addChain(nftEndpointNames(port, endpoint).chain);
  if (spreadsCluster) table.addChain(chains.service);
  if (spreadsLocal) table.addChain(chains.local);
  if (external) table.addChain(chains.external);
  if (firewalled) table.addChain(chains.firewall);

  addElements(work, firewalled);
  if (internalOK) addClusterIPMasquerade(work);
  if (external) addExternalChain(work);
  if (firewalled) addFirewallChain(work);
  if (port.stickySeconds > 0) for (const endpoint of all) addAffinitySet(work, endpoint);
  if (spreadsCluster) addSpread(work, chains.service, cluster);
  if (spreadsLocal) addSpread(work, chains.local, local);
  for (const endpoint of all) addEndpointChain(work, endpoint);
}

/** What leads to the service port's chains, and what keeps those out that must not come in. */
function addElements(work: Work, firewalled: boolean): void {
  const { table, port, chains, selection } = work;
  const { protocol, portNumber } = port;
  const key = (address: string) => ({ address: addressForm(address), protocol, port: portNumber });
  table.addElement("cluster-ips", { address: addressForm(port.clusterIP) });
  if (work.internalOK)
    table.addElement("service-ips", key(port.clusterIP), `goto ${port.internalLocal ? chains.local : chains.service}`);
  else table.addElement("no-endpoint-services", key(port.clusterIP), refusal(selection), port.name);
  const addExternal = (address: string): void => {
    if (selection.usable) table.addElement("service-ips", key(address), `goto ${chains.external}`);
    if (!work.externalOK) table.addElement("no-endpoint-services", key(address), refusal(selection), port.name);
  };
  port.externalIPs.forEach(addExternal);
  for (const vip of port.vips) {
    addExternal(vip);
    if (firewalled) table.addElement("firewall-ips", key(vip), `goto ${chains.firewall}`);
  }
  if (port.nodePort === 0) return;
  const nodePort = { protocol, port: port.nodePort };
  if (selection.usable) table.addElement("service-nodeports", nodePort, `goto ${chains.external}`);
  if (!work.externalOK) table.addElement("no-endpoint-nodeports", nodePort, refusal(selection), port.name);
}

/** Rejects if no endpoint exists; drops, as a load balancer's health check expects, if only this node has none. */
function refusal({ usable }: Selection): string {
  return usable ? "drop" : "goto reject-chain";
}

/** Who is not a local pod, or with --masquerade-all anyone, is masqueraded on the way to the cluster IP. */
function addClusterIPMasquerade({ table, context, port, chains, ip }: Work): void {
  const who = context.masqueradeAll ? "" : nftDetector(context)?.notLocal;
  if (who === undefined) return;
  const chain = port.internalLocal ? chains.local : chains.service;
  const words = who === "" ? [] : [who];
  table.append(chain, `${ip} daddr ${addressForm(port.clusterIP)}`, words, "jump mark-for-masquerade");
}

/**
 * Policy Cluster masquerades everything; policy Local keeps the client's address, but serves pods and the node itself from the whole
 * cluster.
 */
function addExternalChain({ table, context, port, chains, externalOK }: Work): void {
  const { service, local, external } = chains;
  if (port.externalLocal) {
    const pods = nftDetector(context)?.local;
    if (pods !== undefined) table.append(external, pods, `goto ${service} comment "short-circuit pod traffic"`);
    const fromNode = "fib saddr type local";
    table.append(external, fromNode, 'jump mark-for-masquerade comment "masquerade local traffic"');
    table.append(external, fromNode, `goto ${service} comment "short-circuit local traffic"`);
  } else {
    table.append(external, "jump mark-for-masquerade");
  }
  if (externalOK) table.append(external, `goto ${port.externalLocal ? local : service}`);
}

/** Only the source ranges pass. A node inside a range may also come from the load balancer address. */
function addFirewallChain({ table, context, port, chains, ip }: Work): void {
  const nodeAllowed = port.sourceRanges.some((range) => blockContains(range, context.nodeIP));
  const sources = [...port.sourceRanges, ...(nodeAllowed ? port.vips.map(networkForm) : [])];
  table.append(chains.firewall, `${ip} saddr != ${printAddressSet(sources)} drop`);
}

function addAffinitySet({ table, context, port }: Work, endpoint: ProxyEndpoint): void {
  table.addSet(nftEndpointNames(port, endpoint).affinity, {
    type: context.ipFamily === "IPv4" ? "ipv4_addr" : "ipv6_addr",
    size: DYNAMIC_SET_SIZE,
    flags: "dynamic,timeout",
    timeout: port.stickySeconds,
  });
}

/** A client's former endpoint first, then one by chance (writeServiceToEndpointRules). */
function addSpread({ table, port, ip }: Work, chain: string, endpoints: readonly ProxyEndpoint[]): void {
  const members = endpoints.map((endpoint) => nftEndpointNames(port, endpoint));
  if (port.stickySeconds > 0)
    for (const { chain: to, affinity } of members) table.append(chain, `${ip} saddr @${affinity} goto ${to}`);
  const map = members.map(({ chain: to }, i) => `${i} : goto ${to}`).join(", ");
  table.append(chain, `numgen random mod ${members.length} vmap { ${map} }`);
}

/** Marks what comes from the endpoint itself, notes the client, and rewrites the destination. */
function addEndpointChain({ table, port, ip }: Work, endpoint: ProxyEndpoint): void {
  const { chain, affinity } = nftEndpointNames(port, endpoint);
  table.append(chain, `${ip} saddr ${endpoint.ip} jump mark-for-masquerade`);
  if (port.stickySeconds > 0) table.append(chain, `update @${affinity} { ${ip} saddr }`);
  table.append(chain, `meta l4proto ${port.protocol} dnat to ${endpoint.text}`);
}

/**
 * How a local pod's traffic is told from others', in nft's words; undefined if the mode has no way for this family. By a prefix kube-proxy
 * itself asks for `iif`, which nft refuses with a wildcard; here it is `iifname`.
 */
function nftDetector({ detectLocal, ipFamily }: ProxyContext): { local: string; notLocal: string } | undefined {
  const { mode, value } = detectLocal;
  const values = value === undefined ? [] : [value].flat();
  const either = (what: string, which: string) => ({ local: `${what} ${which}`, notLocal: `${what} != ${which}` });
  if (mode === "ClusterCIDR" || mode === "NodeCIDR") {
    const cidr = values.find((text) => familyOf(text) === ipFamily);
    return cidr === undefined ? undefined : either(`${ipWord(ipFamily)} saddr`, networkForm(cidr));
  }
  const [name] = values;
  if (mode === "None" || name === undefined) return undefined;
  return mode === "InterfaceNamePrefix" ? either("iifname", `"${name}*"`) : either("iif", `"${name}"`);
}
