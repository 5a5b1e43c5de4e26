// The rules of one service port: how each of its addresses is reached or refused on this node.
import { comment, type NodeTables, type RuleText } from "../tables.ts";
import { localDetector, localhostNodePorts, type ProxyContext } from "./context.ts";
import { addExternalChain, addFirewallChain } from "./external.ts";
import { networkForm } from "./ip.ts";
import { serviceChains, type ServiceChains } from "./names.ts";
import type { Selection } from "./select.ts";
import type { ProxyServicePort } from "./service-port.ts";
import { addEndpoint, addSpread } from "./spread.ts";

/** One service port on one node, and what follows from its policies and endpoints. */
interface Work {
  tables: NodeTables;
  context: ProxyContext;
  port: ProxyServicePort;
  chains: ServiceChains;
  selection: Selection;
  /** Whether the cluster IP, and whether the other addresses, lead to an endpoint. */
  internalOK: boolean;
  externalOK: boolean;
  /** Whether source ranges guard the load balancer addresses. */
  firewalled: boolean;
}

/** Appends all rules of a service port. `comments`: off in a large cluster, for the rules of its endpoints. */
export function addServicePort(
  tables: NodeTables,
  port: ProxyServicePort,
  selection: Selection,
  context: ProxyContext,
  comments: boolean,
): void {
  const { nat } = tables;
  const { cluster, local, all, usable } = selection;
  const chains = serviceChains(port.name, port.protocol);
  const internalOK = usable && !(port.internalLocal && local.length === 0);
  const externalOK = usable && !(port.externalLocal && local.length === 0);
  const firewalled = usable && port.vips.length > 0 && port.sourceRanges.length > 0;
  const work: Work = { tables, context, port, chains, selection, internalOK, externalOK, firewalled };

  addClusterIP(work);
  for (const ip of port.externalIPs) addExternalIP(work, ip);
  for (const vip of port.vips) addLoadBalancerIP(work, vip);
  if (port.nodePort !== 0) addNodePort(work);
  if (port.healthCheckNodePort !== 0) addHealthCheckPort(work);

  if (usable && port.accessible) addExternalChain(nat, port, chains, localDetector(context), externalOK);
  if (firewalled) addFirewallChain(nat, port, chains, context.nodeIP);
  if (port.usesCluster && cluster.length > 0) addSpread(nat, chains.svc, port, cluster, comments);
  if (port.usesLocal && local.length > 0) addSpread(nat, chains.svl, port, local, comments);
  for (const endpoint of all) addEndpoint(nat, port, endpoint, comments);
}

/** What is sent to a port at one address, or at any address. */
function sentTo({ port }: Work, address: string | undefined, dport: number, ...matches: string[]): RuleText {
  return {
    ...(address === undefined ? {} : { destination: networkForm(address) }),
    protocol: port.protocol,
    matches: [...matches, `-m ${port.protocol} --dport ${dport}`],
  };
}

/** Rejects if no endpoint exists; drops, as a load balancer's health check expects, if only this node has none. */
function refuse(work: Work, address: string | undefined, dport: number, ...matches: string[]): RuleText {
  const { port, selection, context } = work;
  const why = `${port.name} has no ${selection.usable ? "local " : ""}endpoints`;
  const icmp = context.ipFamily === "IPv4" ? "icmp-port-unreachable" : "icmp6-port-unreachable";
  const target = selection.usable ? "DROP" : `REJECT --reject-with ${icmp}`;
  return { ...sentTo(work, address, dport, comment(why), ...matches), target };
}

/** The cluster IP leads straight to the endpoints; who is not a local pod is masqueraded. */
function addClusterIP(work: Work): void {
  const { tables, context, port, chains } = work;
  if (!work.internalOK) {
    tables.filter.append("KUBE-SERVICES", refuse(work, port.clusterIP, port.portNumber));
    return;
  }
  const rule = sentTo(work, port.clusterIP, port.portNumber, comment(`${port.name} cluster IP`));
  const chain = port.internalLocal ? chains.svl : chains.svc;
  tables.nat.append("KUBE-SERVICES", { ...rule, target: chain });
  const who = context.masqueradeAll ? {} : localDetector(context)?.notLocal;
  if (who) tables.nat.append(chain, { ...rule, ...who, target: "KUBE-MARK-MASQ" });
}

/** With policy Local and no endpoint here the nat rule still serves pods and the node; the filter rule stops the others. */
function addExternalIP(work: Work, ip: string): void {
  const { tables, port, chains } = work;
  const rule = sentTo(work, ip, port.portNumber, comment(`${port.name} external IP`));
  if (work.selection.usable) tables.nat.append("KUBE-SERVICES", { ...rule, target: chains.ext });
  if (!work.externalOK) tables.filter.append("KUBE-EXTERNAL-SERVICES", refuse(work, ip, port.portNumber));
}

/** Source ranges let the right clients through in nat; what still has its destination in filter is dropped there. */
function addLoadBalancerIP(work: Work, vip: string): void {
  const { tables, port, chains, firewalled } = work;
  const rule = sentTo(work, vip, port.portNumber, comment(`${port.name} loadbalancer IP`));
  const target = firewalled ? chains.fw : chains.ext;
  if (work.selection.usable) tables.nat.append("KUBE-SERVICES", { ...rule, target });
  if (firewalled) {
    const why = comment(`${port.name} traffic not accepted by ${chains.fw}`);
    tables.filter.append("KUBE-PROXY-FIREWALL", { ...sentTo(work, vip, port.portNumber, why), target: "DROP" });
  }
  if (!work.externalOK) tables.filter.append("KUBE-EXTERNAL-SERVICES", refuse(work, vip, port.portNumber));
}

/** KUBE-NODEPORTS is reached for local addresses only, so the rule needs none. The nfacct rule counts uses of localhost. */
function addNodePort(work: Work): void {
  const { tables, context, port, chains } = work;
  const rule = { ...sentTo(work, undefined, port.nodePort, comment(port.name)), target: chains.ext };
  if (work.selection.usable && context.nfacct && localhostNodePorts(context))
    tables.nat.append("KUBE-NODEPORTS", {
      ...rule,
      destination: "127.0.0.0/8",
      matches: [...(rule.matches ?? []), "-m nfacct --nfacct-name  localhost_nps_accepted_pkts"],
    });
  if (work.selection.usable) tables.nat.append("KUBE-NODEPORTS", rule);
  if (!work.externalOK)
    tables.filter.append(
      "KUBE-EXTERNAL-SERVICES",
      refuse(work, undefined, port.nodePort, "-m addrtype --dst-type LOCAL"),
    );
}

/** The load balancer's health check is let in whether or not there are endpoints. */
function addHealthCheckPort({ tables, port }: Work): void {
  tables.filter.append("KUBE-NODEPORTS", {
    protocol: "tcp",
    matches: [comment(`${port.name} health check node port`), `-m tcp --dport ${port.healthCheckNodePort}`],
    target: "ACCEPT",
  });
}
