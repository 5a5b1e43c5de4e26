// A node as a machine: its network card, bridge and routes, its pods' namespaces, and one iptables-save text from kubelet, kube-proxy and CNI.
import { formatIpv4, parseCidr } from "../address.ts";
import { parseCidr6 } from "../address6.ts";
import { wholeText, type RulesText } from "../iptables/rules-text.ts";
import { nodeRange, type Family, type FamilyOptions, type SixRanges } from "../kubernetes/families.ts";
import type { Cluster, Node, Pod } from "../kubernetes/objects.ts";
import type { ServedDatagrams } from "../seam/change.ts";
import type { CommonRoutes, ListenerConfig, Machine, NamespaceConfig } from "../seam/machine.ts";
import type { IpvsConfig, Scheduler } from "../seam/ipvs.ts";
import type { ProcessorConfig } from "../seam/processor.ts";
import { addBridge, addPodMasquerade, addPodRangeExemption, BRIDGE, connectPod, podSubnet } from "./cni-bridge.ts";
import { addHostPorts, portMappings } from "./cni-portmap.ts";
import { addFlannel, addFlannelRules, tunnelAddress, TUNNEL_OVERHEAD } from "./flannel.ts";
import { servedDatagrams } from "./kube-proxy/conntrack.ts";
import { proxyContext, type ProxyContext } from "./kube-proxy/context.ts";
import { healthCheckListeners, proxyHealthListener } from "./kube-proxy/health.ts";
import { ingressLocations } from "./ingress.ts";
import { kubeProxyIpvs } from "./kube-proxy/ipvs/proxy.ts";
import { kubeProxyTable } from "./kube-proxy/nftables/proxy.ts";
import { kubeProxyTables } from "./kube-proxy/proxy.ts";
import { addKubeletChains } from "./kubelet-chains.ts";
import { podListeners, podsOf, sandbox } from "./kubelet.ts";
import { cardMac, dummyMac } from "./macs.ts";
import { addNetworkPolicies, guardVirtualServers } from "./network-policy/enforcer.ts";
import { gatewayAddress6 } from "./outside-addresses6.ts";
import { hostBlock, newNodeTables, rulesOf, type NodeTables, type RuleTable } from "./tables.ts";

/** The segment that joins the nodes and the gateway. */
export const NODES_SEGMENT = "nodes";

/** The configuration of the CNI plugin. */
export interface NetworkOptions {
  /** How pods of different nodes reach each other: by a route over the other node, or through flannel's VXLAN. Default: routes. */
  mode?: "routes" | "vxlan";
  /** Whether a frame may leave the bridge by the port that it came in by. Default: yes. */
  hairpinMode?: boolean;
  /** Of the pods' and the bridge's devices. Default: what fits through the node's card, 1500 or 1450. */
  mtu?: number | undefined;
}

/** As many as most machines have at least. */
const CORES = 4;

/** The MTU of a node's network card. */
const CARD_MTU = 1500;

/** How kube-proxy programs the kernel. */
export const PROXY_MODES = ["iptables", "nftables", "ipvs"] as const;
export type ProxyMode = (typeof PROXY_MODES)[number];

export interface NodeOptions extends FamilyOptions {
  /** The cluster's pod range, of which each node has a part; empty if pods have no IPv4. */
  podCIDR: string;
  /** The nodes' network; its first address is the gateway's. */
  nodeCIDR: string;
  network?: NetworkOptions;
  /** The MTU of the node's network card. Default: 1500. */
  cardMtu?: number | undefined;
  /** How the nodes' kernel differs from today's. */
  kernel?: Pick<NamespaceConfig, "delayedSegments" | "conntrackClash">;
  /** kube-proxy's mode. Default: iptables. */
  proxyMode?: ProxyMode | undefined;
  /** The cluster's range of Service addresses; kube-proxy asks for it in nftables mode only. */
  serviceCIDR?: string;
  /**
   * `dropInvalid`: whether kube-proxy has its rule against INVALID packets, as from 1.15 on. Default true. In ipvs mode: `ipvsScheduler`,
   * default rr, and `strictARP`, whether the node is silent about addresses that its device does not have. Default false.
   */
  kubeProxy?: { dropInvalid?: boolean; ipvsScheduler?: Scheduler; strictARP?: boolean };
  /** The length of the bodies that pods answer HTTP requests with; by default those of `ListenerConfig`. */
  responseBytes?: number | undefined;
  /** `sysctl -w` on every node, after what kubelet and kube-proxy set. */
  sysctls?: Readonly<Record<string, string | number>>;
  /** The processor, whose cores kube-proxy derives the size of the connection table from. Default: 4 cores, and nothing takes time. */
  processor?: ProcessorConfig | undefined;
}

/** The gateway's address on the nodes' network. Throws a TypeError if that is not a CIDR. */
export function gatewayAddress(nodeCIDR: string): string {
  return formatIpv4(nodeNetwork(nodeCIDR).network + 1);
}

/**
 * Everything that the kernel of `node` is told. `later`: pods that are not there yet, but whose network is. `ever`: the cluster with all
 * that there ever is.
 */
export function nodeMachine(
  cluster: Cluster,
  node: Node,
  options: NodeOptions,
  later: readonly Pod[] = [],
  ever: Cluster = cluster,
): Machine {
  const { network = {}, cardMtu = CARD_MTU, processor } = options;
  const { mode = "routes", hairpinMode = true } = network;
  const { mtu = mode === "vxlan" ? cardMtu - TUNNEL_OVERHEAD : cardMtu } = network;
  const root = node.name;
  const gateway = gatewayAddress(options.nodeCIDR);
  const pods = podsOf(cluster, node);
  const ingress = ingressLocations(cluster);
  const filters = nodeFilters(cluster, node, options);
  const laterPods = later.filter((pod) => pod.nodeName === root && !pod.hostNetwork);
  const ownPods = [...pods.filter((pod) => !pod.hostNetwork), ...laterPods];
  const machine: Machine = {
    name: root,
    namespaces: [
      {
        name: root,
        role: "node",
        sysctls: nodeSysctls(processor?.cores ?? CORES, pods, options),
        ...options.kernel,
        ...filters,
        ...setsForAll(cluster, node, later, ever, options),
      },
      ...ownPods.map(sandbox),
    ],
    ...(processor && { processor }),
    bridges: [],
    veths: [],
    wires: [{ namespace: root, name: "eth0", mac: cardMac(node.address), mtu: cardMtu, segment: NODES_SEGMENT }],
    addresses: [{ namespace: root, device: "eth0", cidr: `${node.address}/${nodeNetwork(options.nodeCIDR).prefix}` }],
    routes: [{ namespace: root, destination: "0.0.0.0/0", via: gateway, device: "eth0" }],
    neighbours: [],
    listeners: [
      proxyHealthListener(node),
      ...healthListeners(cluster, node, options),
      ...pods.flatMap((pod) => podListeners(pod, ingress, options.responseBytes)),
      ...laterPods
        .flatMap((pod) => podListeners(pod, ingress, options.responseBytes))
        .map((listener) => ({ ...listener, later: true })),
    ],
  };
  if (mode === "vxlan")
    addFlannel(
      machine,
      node,
      cluster.nodes.filter(({ name }) => name !== root),
      cardMtu,
    );
  else if (options.podCIDR !== "")
    machine.commonRoutes = { namespace: root, device: "eth0", ...routesToOthers(cluster.nodes, node) };
  if (options.six) addCard6(machine, cluster, node, options.six);
  addBridge(machine, node, mtu);
  if (filters.ipvs) {
    const { device: name, addresses } = filters.ipvs;
    machine.dummies = [{ namespace: root, name, mac: dummyMac(node.address), mtu: CARD_MTU }];
    for (const address of addresses) machine.addresses.push({ namespace: root, device: name, cidr: `${address}/32` });
  }
  for (const pod of ownPods) connectPod(machine, node, pod, mtu, hairpinMode);
  return machine;
}

/** The card's IPv6 address, the default route, and the routes to the pods of the other nodes. */
function addCard6(machine: Machine, { nodes }: Cluster, node: Node, { nodeCIDR }: SixRanges): void {
  const at = { namespace: node.name, device: "eth0" };
  const { prefix = 128 } = parseCidr6(nodeCIDR) ?? {};
  machine.addresses.push({ ...at, cidr: `${node.address6 ?? ""}/${prefix}` });
  machine.routes.push({ ...at, destination: "::/0", via: gatewayAddress6(nodeCIDR) });
  for (const other of nodes)
    if (other.name !== node.name)
      machine.routes.push({ ...at, destination: nodeRange(other, "IPv6") ?? "", via: other.address6 ?? "" });
}

/** Sets are made once: those of later policies are there from the beginning, and hold later pods, whose addresses nobody else has. */
function setsForAll(
  cluster: Cluster,
  node: Node,
  later: readonly Pod[],
  ever: Cluster,
  { six }: FamilyOptions,
): Pick<NamespaceConfig, "sets"> {
  if (later.length === 0 && ever === cluster) return {};
  const all = { ...ever, pods: [...cluster.pods, ...later] };
  const sets = (["IPv4", ...(six ? (["IPv6"] as const) : [])] as const)
    .map((family) => addNetworkPolicies(newNodeTables().filter, all, node, family))
    .join("");
  return sets === "" ? {} : { sets };
}

/** The routes that all nodes have in common, and the place of each node's own. */
const podRoutes = new WeakMap<readonly Node[], { routes: CommonRoutes["routes"]; places: Map<string, number> }>();

/** The pods of each other node are behind that node's own address. */
function routesToOthers(nodes: readonly Node[], node: Node): Pick<CommonRoutes, "routes" | "except"> {
  const known = podRoutes.get(nodes) ?? {
    routes: nodes.map((one) => ({ destination: podSubnet(one).network, via: one.address })),
    places: new Map(nodes.map(({ name }, i) => [name, i])),
  };
  podRoutes.set(nodes, known);
  return { routes: known.routes, except: known.places.get(node.name) ?? known.routes.length };
}

/** The node's iptables-save text. kubelet and, in iptables mode, kube-proxy come first, as a node is not ready for pods without them. */
export function nodeRules(cluster: RulesCluster, node: Node, options: RulesOptions): string {
  return wholeText(nodeFilters(cluster, node, options).rules);
}

type RulesOptions = FamilyOptions &
  Pick<NodeOptions, "podCIDR" | "sysctls" | "network" | "kubeProxy" | "proxyMode" | "serviceCIDR">;
type RulesCluster = Pick<Cluster, "pods" | "services" | "endpointSlices" | "namespaces" | "networkPolicies">;

/**
 * The node's rules of each family, the `ipset save` text of the sets that they name, if any, in nftables mode kube-proxy's table, and in
 * ipvs mode what it tells ip_vs.
 */
function nodeFilters(
  cluster: RulesCluster,
  node: Node,
  options: RulesOptions,
): Pick<NamespaceConfig, "sets" | "nft" | "ipv6Nft" | "ipvs" | "ipv6Rules"> & { rules: RulesText } {
  const context = nodeContext(node, options);
  const usesNft = options.proxyMode === "nftables";
  const { tables, ipvs } = proxyTables(cluster, context, options.proxyMode);
  const flannel = options.network?.mode === "vxlan";
  if (flannel) addFlannelRules(tables, node, options.podCIDR);
  else if (options.podCIDR !== "") addPodRangeExemption(tables.nat, options.podCIDR);
  addPodRules(tables.nat, cluster, node, "IPv4", !flannel);
  const six = options.six && nodeFilters6(cluster, node, options, options.six);
  const sets = addNetworkPolicies(tables.filter, cluster, node) + (six?.sets ?? "");
  if (ipvs) guardVirtualServers(tables.filter);
  const rules = rulesOf(tables);
  const nft = usesNft ? kubeProxyTable(cluster.services, cluster.endpointSlices, context) : "";
  return {
    rules,
    ...(six && { ipv6Rules: six.rules }),
    ...(six && six.nft !== "" && { ipv6Nft: six.nft }),
    ...(sets !== "" && { sets }),
    ...(nft !== "" && { nft }),
    ...(ipvs && { ipvs }),
  };
}

/** The same for IPv6: ip6tables-save text, sets of family inet6, and kube-proxy's table. */
function nodeFilters6(
  cluster: RulesCluster,
  node: Node,
  options: RulesOptions,
  { podCIDR }: SixRanges,
): { rules: RulesText; sets: string; nft: string } {
  const { services, endpointSlices } = cluster;
  const context = nodeContext6(node, options);
  const usesNft = options.proxyMode === "nftables";
  const tables = usesNft ? kubeletTables("IPv6") : kubeProxyTables(services, endpointSlices, context);
  addPodRangeExemption(tables.nat, podCIDR);
  addPodRules(tables.nat, cluster, node, "IPv6", true);
  const sets = addNetworkPolicies(tables.filter, cluster, node, "IPv6");
  const nft = usesNft ? kubeProxyTable(services, endpointSlices, context) : "";
  return { rules: rulesOf(tables), sets, nft };
}

/** What the CNI plugins add for the pods of a node. `ipMasq`: whether the plugin `bridge` masquerades. */
function addPodRules(nat: RuleTable, cluster: RulesCluster, node: Node, family: Family, ipMasq: boolean): void {
  for (const pod of podsOf(cluster, node)) {
    if (pod.hostNetwork) continue;
    if (ipMasq) addPodMasquerade(nat, node, pod, family);
    addHostPorts(nat, node, pod, family);
  }
}

function proxyTables(
  { services, endpointSlices }: RulesCluster,
  context: ProxyContext,
  mode: ProxyMode | undefined,
): { tables: NodeTables; ipvs?: IpvsConfig } {
  if (mode === "nftables") return { tables: kubeletTables("IPv4") };
  if (mode === "ipvs") return kubeProxyIpvs(services, endpointSlices, context);
  return { tables: kubeProxyTables(services, endpointSlices, context) };
}

/** The tables of a node whose kube-proxy has a table of its own. */
function kubeletTables(family: Family): NodeTables {
  const tables = newNodeTables();
  addKubeletChains(tables, family);
  return tables;
}

/** kube-proxy's health check servers, one of each family. Who comes second to an address and port cannot listen there, and knows the same pods. */
function healthListeners({ services, endpointSlices }: Cluster, node: Node, options: NodeOptions): ListenerConfig[] {
  const first = healthCheckListeners(services, endpointSlices, nodeContext(node, options));
  if (!options.six) return first;
  const keyOf = ({ address, port }: ListenerConfig): string => `${address} ${port}`;
  const taken = new Set(first.map(keyOf));
  const second = healthCheckListeners(services, endpointSlices, nodeContext6(node, options));
  return [...first, ...second.filter((listener) => !taken.has(keyOf(listener)))];
}

/** What the node's kube-proxy compares the UDP entries of the connection table with. */
export function nodeDatagrams(cluster: RulesCluster, node: Node, options: RulesOptions): ServedDatagrams[] {
  const contexts = [nodeContext(node, options), ...(options.six ? [nodeContext6(node, options)] : [])];
  return contexts.flatMap((context) => servedDatagrams(cluster.services, cluster.endpointSlices, context));
}

/** The node's kube-proxy of IPv6: its context with this family's addresses. */
function nodeContext6(node: Node, options: RulesOptions): ProxyContext {
  const { six, proxyMode } = options;
  const { address6 = "::1" } = node;
  return {
    ...nodeContext(node, options),
    ipFamily: "IPv6",
    nodeIP: address6,
    detectLocal: { mode: "ClusterCIDR", value: six?.podCIDR ?? "" },
    serviceCIDRs: six ? [six.serviceCIDR] : [],
    ...(proxyMode === "nftables" && { nodePortAddresses: [hostBlock(address6)], interfaceAddresses: [address6] }),
  };
}

/** The node's kube-proxy, with the flags that kubeadm gives it. */
function nodeContext(node: Node, options: RulesOptions): ProxyContext {
  const { podCIDR, serviceCIDR, sysctls = {}, kubeProxy, proxyMode, network } = options;
  // The default of nftables mode: node ports answer on the node's own address only.
  const primary = { nodePortAddresses: [hostBlock(node.address)], interfaceAddresses: [node.address] };
  const tunnel = network?.mode === "vxlan" ? [tunnelAddress(node)] : [];
  const bridge = podCIDR === "" ? [] : [podSubnet(node).gateway];
  const interfaceAddresses = [node.address, ...tunnel, ...bridge];
  const liberal = Number(sysctls["net.netfilter.nf_conntrack_tcp_be_liberal"] ?? 0) !== 0;
  return proxyContext({
    nodeName: node.name,
    nodeIP: node.address,
    topologyLabels: node.labels,
    detectLocal: { mode: "ClusterCIDR", value: podCIDR },
    serviceCIDRs: serviceCIDR === undefined ? [] : [serviceCIDR],
    // What it decides is whether there is a rule against INVALID packets, and older ones have none.
    conntrackTCPBeLiberal: liberal || kubeProxy?.dropInvalid === false,
    ...(proxyMode === "nftables" && primary),
    ...(proxyMode === "ipvs" && { interfaceAddresses, ipvsScheduler: kubeProxy?.ipvsScheduler ?? "rr" }),
  });
}

/** The same two settings for IPv6, as kubeadm's pages on container runtimes and dual stack have them. */
const SIX_SYSCTLS: [string, string][] = [
  ["net.ipv6.conf.all.forwarding", "1"],
  ["net.bridge.bridge-nf-call-ip6tables", "1"],
];

/** What kube-proxy sets in ipvs mode with strictARP, so that addresses of kube-ipvs0 are neither answered for nor asked from. */
const STRICT_ARP: [string, string][] = [
  ["net.ipv4.conf.all.arp_ignore", "1"],
  ["net.ipv4.conf.all.arp_announce", "2"],
];

/** The settings that matter to the network: the first ones make pods reachable, then come kube-proxy's conntrack section and the user's own. */
function nodeSysctls(
  cores: number,
  pods: readonly Pod[],
  { sysctls = {}, proxyMode, kubeProxy, six }: Pick<NodeOptions, "sysctls" | "proxyMode" | "kubeProxy" | "six">,
): [string, string][] {
  const connections = Math.min(Math.max(32768 * cores, 131072), 1048576);
  return [
    ["net.ipv4.ip_forward", "1"],
    ...(six ? SIX_SYSCTLS : []),
    ["net.bridge.bridge-nf-call-iptables", "1"],
    ...localnetSysctls(pods, proxyMode),
    ...(proxyMode === "ipvs" && kubeProxy?.strictARP === true ? STRICT_ARP : []),
    ["net.netfilter.nf_conntrack_max", String(connections)],
    ["net.netfilter.nf_conntrack_tcp_timeout_established", "86400"],
    ["net.netfilter.nf_conntrack_tcp_timeout_close_wait", "3600"],
    ...Object.entries(sysctls).map(([key, value]): [string, string] => [key, String(value)]),
  ];
}

/** kube-proxy in iptables mode lets 127.0.0.1 be rewritten everywhere; in another one portmap does, towards pods with a hostPort. */
function localnetSysctls(pods: readonly Pod[], proxyMode: ProxyMode = "iptables"): [string, string][] {
  if (proxyMode === "iptables") return [["net.ipv4.conf.all.route_localnet", "1"]];
  return pods.some((pod) => portMappings(pod).length > 0) ? [[`net.ipv4.conf.${BRIDGE}.route_localnet`, "1"]] : [];
}

function nodeNetwork(nodeCIDR: string): { network: number; prefix: number } {
  const cidr = parseCidr(nodeCIDR);
  if (!cidr) throw new TypeError(`nodeCIDR ${nodeCIDR} is not an IPv4 CIDR`);
  return cidr;
}
