// What each feature of a Service becomes in ipvs mode: virtual servers, addresses of kube-ipvs0 and elements of sets.
import type { Scheduler, VirtualService } from "../../../seam/ipvs.ts";
import { nodePortIPs, nodePortsEverywhere, type ProxyContext } from "../context.ts";
import { addressForm, blockContains, isLoopback } from "../ip.ts";
import type { ProxyEndpoint, Selection } from "../select.ts";
import type { ProxyServicePort } from "../service-port.ts";
import { ProxySets, type SetName } from "./sets.ts";

/** A load balancer address whose source ranges leave the node out, at a port. */
export interface GuardedAddress {
  address: string;
  protocol: string;
  port: number;
}

/** What a sync of kube-proxy works out before it writes rules. */
export interface IpvsState {
  sets: ProxySets;
  services: VirtualService[];
  /** Those of kube-ipvs0, each once. */
  addresses: Set<string>;
  guarded: GuardedAddress[];
  /** The addresses of the node's other interfaces. */
  others: readonly string[];
  /** Those that node ports are served on: never loopback. */
  nodePortIPs: readonly string[];
}

/** What a sync begins with. */
export function newIpvsState(context: ProxyContext): IpvsState {
  const others = otherAddresses(context);
  return {
    sets: new ProxySets(context.ipFamily),
    services: [],
    addresses: new Set(),
    guarded: [],
    others,
    nodePortIPs: nodePortsEverywhere(context) ? others : nodePortIPs(context).filter((ip) => !isLoopback(ip)),
  };
}

/** The work on one service port. */
interface Work {
  state: IpvsState;
  context: ProxyContext;
  port: ProxyServicePort;
  selection: Selection;
}

/** Every address of the node that is not on kube-ipvs0 and not loopback (GetAllLocalAddressesExcept). */
function otherAddresses({ interfaceAddresses, nodeIP }: ProxyContext): string[] {
  const given = interfaceAddresses.length > 0 ? interfaceAddresses : [nodeIP];
  const addresses = given.map((address) => addressForm(address.replace(/\/.*/, "")));
  return [...new Set(addresses)].filter((ip) => !isLoopback(ip) && ip.includes(":") === nodeIP.includes(":"));
}

/** Adds all of a service port. `endpoints`: all that it has, whether they serve or not. */
export function addIpvsServicePort(
  state: IpvsState,
  port: ProxyServicePort,
  endpoints: readonly ProxyEndpoint[],
  selection: Selection,
  context: ProxyContext,
): void {
  const work: Work = { state, context, port, selection };
  const { sets } = state;
  for (const { ip, port: number, local } of endpoints)
    if (local) sets.add("LOOP-BACK", `${ip},${port.protocol}:${number},${ip}`);
  sets.add("CLUSTER-IP", elementOf(work, port.clusterIP, port.portNumber));
  addService(work, port.clusterIP, port.portNumber, port.internalLocal);
  state.addresses.add(port.clusterIP);
  for (const ip of port.externalIPs) {
    sets.add(port.externalLocal ? "EXTERNAL-IP-LOCAL" : "EXTERNAL-IP", elementOf(work, ip, port.portNumber));
    addOutside(work, ip);
  }
  for (const vip of port.vips) addLoadBalancerIP(work, vip);
  if (port.nodePort !== 0) addNodePort(work);
  if (port.healthCheckNodePort !== 0) sets.add("HEALTH-CHECK-NODE-PORT", String(port.healthCheckNodePort));
}

function elementOf({ port }: Work, ip: string, number: number): string {
  return `${addressForm(ip)},${port.protocol}:${number}`;
}

/**
 * A virtual server with its real servers in the order in which they are added. With policy Local those of this node, or if it has none
 * all: pods and the node itself can still use it, others get answers from an address that they have not asked (syncEndpoint).
 */
function addService({ state, context, port, selection }: Work, address: string, number: number, local: boolean): void {
  const { cluster, local: here } = selection;
  const servers = local && here.length > 0 ? here : cluster;
  state.services.push(shared(port, addressForm(address), number, context.ipvsScheduler, servers));
}

/** Virtual servers by service port: nodes and syncs that have the same one share it. */
const known = new WeakMap<ProxyServicePort, Map<string, VirtualService>>();

function shared(
  of: ProxyServicePort,
  address: string,
  port: number,
  scheduler: Scheduler,
  servers: readonly ProxyEndpoint[],
): VirtualService {
  const byText = known.get(of) ?? new Map<string, VirtualService>();
  known.set(of, byText);
  const key = `${address} ${port} ${scheduler} ${servers.map(({ text }) => text).join(" ")}`;
  const service = byText.get(key) ?? {
    address,
    port,
    protocol: of.protocol,
    scheduler,
    persistentSeconds: of.stickySeconds,
    destinations: servers.map((one) => ({ address: one.ip, port: one.port, weight: 1 })),
  };
  byText.set(key, service);
  return service;
}

/** An address from outside the cluster goes on kube-ipvs0, unless another interface of the node has it. */
function addOutside(work: Work, address: string): void {
  addService(work, address, work.port.portNumber, work.port.externalLocal);
  const ip = addressForm(address);
  if (!work.state.others.includes(ip)) work.state.addresses.add(ip);
}

function addLoadBalancerIP(work: Work, vip: string): void {
  const { state, port, context } = work;
  const { sets } = state;
  const element = elementOf(work, vip, port.portNumber);
  sets.add("LOAD-BALANCER", element);
  if (port.externalLocal) sets.add("LOAD-BALANCER-LOCAL", element);
  // A set holds no network of all addresses, which lets everybody in anyway.
  if (port.sourceRanges.length > 0 && !port.sourceRanges.some((range) => range.endsWith("/0"))) {
    sets.add("LOAD-BALANCER-FW", element);
    for (const range of port.sourceRanges) sets.add("LOAD-BALANCER-SOURCE-CIDR", `${element},${range}`);
    // What the node itself sends to such an address comes from that address.
    if (port.sourceRanges.some((range) => blockContains(range, context.nodeIP)))
      sets.add("LOAD-BALANCER-SOURCE-IP", `${element},${addressForm(vip)}`);
    else state.guarded.push({ address: addressForm(vip), protocol: port.protocol, port: port.portNumber });
  }
  addOutside(work, vip);
}

function addNodePort(work: Work): void {
  const { state, port } = work;
  const nodeIPs = state.nodePortIPs;
  const names: SetName[] =
    port.protocol === "tcp"
      ? ["NODE-PORT-TCP", "NODE-PORT-LOCAL-TCP"]
      : port.protocol === "udp"
        ? ["NODE-PORT-UDP", "NODE-PORT-LOCAL-UDP"]
        : ["NODE-PORT-SCTP-HASH", "NODE-PORT-LOCAL-SCTP-HASH"];
  const elements =
    port.protocol === "sctp" ? nodeIPs.map((ip) => elementOf(work, ip, port.nodePort)) : [String(port.nodePort)];
  if (nodeIPs.length === 0) return;
  for (const name of port.externalLocal ? names : names.slice(0, 1))
    for (const element of elements) state.sets.add(name, element);
  for (const ip of nodeIPs) addService(work, ip, port.nodePort, port.externalLocal);
}
