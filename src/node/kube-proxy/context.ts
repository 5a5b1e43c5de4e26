// What kube-proxy knows of its node: its flags and what it finds there, and what follows from them for the rules.
import type { Labels } from "../../kubernetes/objects.ts";
import type { Scheduler } from "../../seam/ipvs.ts";
import type { RuleText } from "../tables.ts";
import { addressForm, blockContains, familyOf, isLoopback, networkForm, type Family } from "./ip.ts";

export type DetectLocalMode = "ClusterCIDR" | "NodeCIDR" | "BridgeInterface" | "InterfaceNamePrefix" | "None";

/** How kube-proxy tells traffic of this cluster's pods: by a CIDR (one per family) or by the interface it comes in by. */
export interface DetectLocal {
  mode: DetectLocalMode;
  value?: string | string[];
}

/** One kube-proxy, which serves one IP family on one node. */
export interface ProxyContext {
  nodeName: string;
  /** The node's primary address of this family. */
  nodeIP: string;
  ipFamily: Family;
  /** The node's labels; only `topology.kubernetes.io/zone` counts. */
  topologyLabels: Labels;
  detectLocal: DetectLocal;
  /** --masquerade-all */
  masqueradeAll: boolean;
  /** --iptables-masquerade-bit: 0 to 31. */
  masqueradeBit: number;
  /** --iptables-localhost-nodeports */
  localhostNodePorts: boolean;
  /** --nodeport-addresses: CIDRs; empty stands for all addresses, in nftables mode for the node's own. */
  nodePortAddresses: string[];
  /** The addresses of the node's interfaces, with or without a prefix length. Needed only with nodePortAddresses. */
  interfaceAddresses: string[];
  /** The cluster's ranges of Service addresses, of which nftables mode drops those that no Service has. */
  serviceCIDRs: string[];
  /** --ipvs-scheduler, in ipvs mode. */
  ipvsScheduler: Scheduler;
  /** Whether net.netfilter.nf_conntrack_tcp_be_liberal is set. */
  conntrackTCPBeLiberal: boolean;
  /** Whether kube-proxy could make its nfacct counters. */
  nfacct: boolean;
  /** Whether iptables is 1.6.2 or later. */
  randomFully: boolean;
  /** Whether a kubelet made its chains before kube-proxy came. */
  kubelet: boolean;
}

/** Fills in kube-proxy's defaults. */
export function proxyContext(settings: Partial<ProxyContext>): ProxyContext {
  return {
    nodeName: "",
    nodeIP: "127.0.0.1",
    ipFamily: "IPv4",
    topologyLabels: {},
    detectLocal: { mode: "None" },
    masqueradeAll: false,
    masqueradeBit: 14,
    localhostNodePorts: true,
    nodePortAddresses: [],
    interfaceAddresses: [],
    serviceCIDRs: [],
    ipvsScheduler: "rr",
    conntrackTCPBeLiberal: false,
    nfacct: false,
    randomFully: true,
    kubelet: true,
    ...settings,
  };
}

/** The part of a rule that tells a local pod's traffic, and its negation. */
export interface LocalDetector {
  local: RuleText;
  notLocal: RuleText;
}

/** The detector, or undefined if the mode has none for this family. */
export function localDetector(context: ProxyContext): LocalDetector | undefined {
  const { mode, value } = context.detectLocal;
  const values = value === undefined ? [] : [value].flat();
  if (mode === "ClusterCIDR" || mode === "NodeCIDR") {
    const cidr = values.find((text) => familyOf(text) === context.ipFamily);
    if (cidr === undefined) return undefined;
    return { local: { source: networkForm(cidr) }, notLocal: { source: `! ${networkForm(cidr)}` } };
  }
  const [name] = values;
  if (mode === "None" || name === undefined) return undefined;
  const device = mode === "InterfaceNamePrefix" ? `${name}+` : name;
  return { local: { in: device }, notLocal: { in: `! ${device}` } };
}

/** The CIDRs of --nodeport-addresses of this family. */
function nodePortCIDRs(context: ProxyContext): string[] {
  return context.nodePortAddresses.filter((cidr) => familyOf(cidr) === context.ipFamily);
}

/** Whether node ports answer on every address. */
export function nodePortsEverywhere(context: ProxyContext): boolean {
  const cidrs = nodePortCIDRs(context);
  return cidrs.length === 0 || cidrs.some((cidr) => cidr.endsWith("/0"));
}

/** Whether node ports answer on loopback addresses: never for IPv6, and only if --nodeport-addresses has loopback in it. */
export function localhostNodePorts(context: ProxyContext): boolean {
  if (context.ipFamily === "IPv6" || !context.localhostNodePorts) return false;
  const cidrs = nodePortCIDRs(context);
  return (
    cidrs.length === 0 || cidrs.some((cidr) => isLoopback(cidr.replace(/\/.*/, "")) || blockContains(cidr, "127.0.0.0"))
  );
}

/** The node's addresses inside --nodeport-addresses, each once, without loopback where that is off. */
export function nodePortIPs(context: ProxyContext): string[] {
  const cidrs = nodePortCIDRs(context);
  const loopback = localhostNodePorts(context);
  const addresses = context.interfaceAddresses.map((address) => addressForm(address.replace(/\/.*/, "")));
  return [...new Set(addresses)].filter(
    (ip) => cidrs.some((cidr) => blockContains(cidr, ip)) && (loopback || !isLoopback(ip)),
  );
}

/** The mark that asks for masquerading, as iptables-save prints it: `0x4000`. */
export function masqueradeMark(context: ProxyContext): string {
  return `0x${((1 << context.masqueradeBit) >>> 0).toString(16)}`;
}
