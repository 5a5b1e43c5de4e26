// The traffic of manifests without a scenario: pods call Services, the outside calls load balancers and node ports, pods call the outside.
import { INGRESS_NAMESPACE } from "../kubernetes/ingress-controller.ts";
import { familyOfText, IPV4_ALONE } from "../kubernetes/families.ts";
import type { Cluster, Pod, Service, ServicePort } from "../kubernetes/objects.ts";
import { isUnreachable } from "../kubernetes/services.ts";
import { SYNTHETIC_NAMESPACE } from "../kubernetes/synthetic.ts";
import { loadBalancerAddresses, virtualAddresses } from "../node/load-balancer.ts";
import { externalAddress } from "../node/outside-addresses.ts";
import type { FlowProtocol, FlowTarget } from "../seam/plan.ts";
import { INTERNET_CLIENT, podClient } from "./clients.ts";
import type { Line } from "./lines.ts";
import { ingressAddresses, nameOf } from "./ingress-names.ts";
import { dnsTarget, namedTarget } from "./targets.ts";

/** The host outside that every pod calls. */
const OUTSIDE_HOST = "93.184.216.34";
/** For pods without IPv4. */
const OUTSIDE_HOST6 = "2606:2800:220:1:248:1893:25c8:1946";
const OUTSIDE_PORT = 443;
const HTTP_PORT = 80;
/** Requests per second of each pair of a client and a target. */
const PAIR_RATE = 5;
/** At most so many a second for a line, so that the traffic of a large cluster stays readable. */
const LINE_RATE = 500;
/** Traffic ends so long before the run does that every answer can come. */
const QUIET_END_NS = 1e9;
const SYSTEM = ["kube-system", INGRESS_NAMESPACE, SYNTHETIC_NAMESPACE];

/** Lines for everything that can be called, in the order of the Services; what cannot is told in `warnings`. */
export function defaultLines(cluster: Cluster, nodeCIDR: string, durationNs: number, warnings: string[]): Line[] {
  const lines: Line[] = [];
  const add = (name: string, protocol: FlowProtocol, pairs: Line["pairs"], called?: string, path?: string): void => {
    if (pairs.length === 0) return;
    const rate = Math.min(pairs.length * PAIR_RATE, LINE_RATE);
    const stopNs = Math.max(durationNs - QUIET_END_NS, durationNs / 2);
    const requestBytes = protocol === "http" ? undefined : 64;
    lines.push({
      name,
      protocol,
      pairs,
      called,
      rate,
      arrival: "poisson",
      startNs: 0,
      stopNs,
      requestBytes,
      path,
      timeoutNs: 2e9,
    });
  };
  const running = cluster.pods.filter(({ podIP, namespace }) => podIP !== "" && !SYSTEM.includes(namespace));
  const callers = running.filter(({ owner }) => owner.kind === "Deployment").map((pod) => podClient(cluster, pod));
  const services = cluster.services.filter((service) => !isSystem(service));
  for (const service of services) {
    if (service.type === "ExternalName" && service.ports.length === 0) {
      warnings.push(`Service ${label(service)} is not called: it names no port of ${service.externalName}`);
      continue;
    }
    if (isUnreachable(service, cluster.families)) {
      warnings.push(`Service ${label(service)} is not called: it is of IPv6 alone, which the cluster has not`);
      continue;
    }
    for (const port of callable(service, warnings))
      add(
        `${portLabel(service, port)}`,
        protocolOf(port),
        callers.map((client) => ({ client, target: dnsTarget(cluster, service, port, client) })),
        service.type === "ExternalName" ? service.externalName : undefined,
      );
  }
  for (const service of services.filter((one) => !isUnreachable(one, cluster.families))) {
    for (const port of callable(service, [])) {
      // Load balancers of ipMode Proxy relay TCP alone.
      const { ipFamilies = ["IPv4"] } = service;
      const addresses = port.protocol === "TCP" ? loadBalancerAddresses(service) : virtualAddresses(service);
      const balanced = ipFamilies.flatMap((family) => addresses.find((ip) => familyOfText(ip) === family) ?? []);
      for (const address of balanced) {
        const by = balanced.length > 1 ? `, ${familyOfText(address)}` : "";
        add(`internet > ${portLabel(service, port)}${by}`, protocolOf(port), outside([{ address, port: port.port }]));
      }
      if (port.nodePort === 0) continue;
      for (const family of ipFamilies) {
        const nodes = cluster.nodes.map((node) => ({
          address: family === "IPv4" ? externalAddress(node, nodeCIDR) : (node.address6 ?? ""),
          port: port.nodePort,
        }));
        const by = ipFamilies.length > 1 ? `, ${family}` : "";
        add(`internet > ${label(service)} node port ${port.nodePort}${by}`, protocolOf(port), outside(nodes));
      }
    }
  }
  addIngressLines(cluster, add, warnings);
  const { families = IPV4_ALONE } = cluster;
  const host = families.includes("IPv4") ? OUTSIDE_HOST : OUTSIDE_HOST6;
  const target = { address: host, port: OUTSIDE_PORT };
  add(
    "pods > internet",
    "tcp",
    running.filter(ownNetwork).map((pod) => ({ client: podClient(cluster, pod), target })),
    host,
  );
  return lines;
}

/** Outside clients call every path of every host, by name where it has one. */
function addIngressLines(
  cluster: Cluster,
  add: (name: string, protocol: FlowProtocol, pairs: Line["pairs"], called?: string, path?: string) => void,
  warnings: string[],
): void {
  const { ingresses = [] } = cluster;
  const [address] = ingressAddresses(cluster);
  if (address === undefined) {
    if (ingresses.length > 0) warnings.push("no Ingress is called: no load balancer leads to the ingress controller");
    return;
  }
  const called = new Set<string>();
  for (const { rules } of ingresses)
    for (const { host, paths } of rules)
      for (const { path } of paths) {
        const name = host === "" ? address : nameOf(host);
        if (called.has(name + path)) continue;
        called.add(name + path);
        const target = host === "" ? { address, port: HTTP_PORT } : namedTarget(INTERNET_CLIENT, name, HTTP_PORT);
        add(`internet > ${name}${path}`, "http", outside([target]), undefined, path);
      }
}

function ownNetwork(pod: Pod): boolean {
  return !pod.hostNetwork;
}

/** The API server's Service, and what lies in kube-system, is nobody's load. */
function isSystem({ namespace, name }: Service): boolean {
  return SYSTEM.includes(namespace) || (namespace === "default" && name === "kubernetes");
}

function callable(service: Service, warnings: string[]): ServicePort[] {
  return service.ports.filter((port) => {
    if (port.protocol !== "SCTP") return true;
    warnings.push(`port ${port.port} of Service ${label(service)} is not called: SCTP sockets are not emulated`);
    return false;
  });
}

/** HTTP where the port's name says so, as service meshes read it. */
function protocolOf({ name, protocol }: ServicePort): FlowProtocol {
  if (protocol === "UDP") return "udp";
  return /^http(-|$)/.test(name) ? "http" : "tcp";
}

function outside(targets: FlowTarget[]): Line["pairs"] {
  return targets.map((target) => ({ client: INTERNET_CLIENT, target }));
}

function label({ namespace, name }: Service): string {
  return namespace === "default" ? name : `${namespace}/${name}`;
}

function portLabel(service: Service, port: ServicePort): string {
  return `${label(service)}:${port.port}${port.protocol === "UDP" ? "/udp" : ""}`;
}
