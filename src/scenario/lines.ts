// Lines of traffic: who calls what, and how often; each becomes one flow for every pair of a client and a target.
import type { DnsRecord, FlowConfig, FlowProtocol, FlowTarget } from "../seam/plan.ts";
import { externalNetwork, RESOLVER_ADDRESS, type OutsideHost } from "../node/outside-addresses.ts";
import { cidrContains, formatCidr, formatIpv4, parseCidr, parseIpv4 } from "../address.ts";
import type { Document } from "../documents/document.ts";
import type { Cluster } from "../kubernetes/objects.ts";
import { clientsOf, type Client } from "./clients.ts";
import { RANGE_FIELDS } from "./ranges.ts";
import type { ClusterSpec } from "./ranges.ts";
import type { Scenario, Traffic } from "./schema.ts";
import { targetsOf } from "./targets.ts";

/** Ethernet's 1500 less the headers of IPv4 and UDP or ICMP: more would have to be fragmented. */
const LARGEST_DATAGRAM = 1472;
const DEFAULT_BYTES = 64;

/** A line of traffic with all its names resolved. */
export interface Line {
  name: string;
  protocol: FlowProtocol;
  pairs: { client: Client; target: FlowTarget }[];
  /** Requests per second of the whole line. */
  rate: number;
  arrival: "constant" | "poisson";
  startNs: number;
  stopNs: number;
  /** The host outside the cluster that `to` named. */
  called?: string | undefined;
  /** Undefined for http: a GET without a body. */
  requestBytes?: number | undefined;
  timeoutNs: number;
  host?: string | undefined;
  path?: string | undefined;
}

/** The lines that a scenario says. Throws an InputError for the first that cannot be. */
export function scenarioLines(
  scenario: Scenario,
  ranges: ClusterSpec,
  document: Document,
  cluster: Cluster,
  durationNs: number,
): Line[] {
  const names = new Set<string>();
  return (scenario.spec.traffic ?? []).map((traffic, i) => {
    const path = ["spec", "traffic", i];
    if (names.has(traffic.name))
      document.fail([...path, "name"], `${traffic.name} is the name of another line already`);
    names.add(traffic.name);
    return resolve(traffic, ranges, document, path, cluster, durationNs);
  });
}

function resolve(
  traffic: Traffic,
  ranges: ClusterSpec,
  document: Document,
  path: (string | number)[],
  cluster: Cluster,
  durationNs: number,
): Line {
  const { protocol, requestBytes } = traffic;
  checkFields(traffic, document, path);
  const clients = clientsOf(cluster, traffic.from, document, [...path, "from"]);
  const transport = protocol === "udp" ? "UDP" : protocol === "icmp" ? "ICMP" : "TCP";
  const context = { cluster, nodeCIDR: ranges.nodeCIDR, document, path: [...path, "to"], protocol: transport } as const;
  return {
    name: traffic.name,
    protocol,
    pairs: clients.flatMap((client) => targetsOf(traffic.to, client, context).map((target) => ({ client, target }))),
    called: traffic.to.host ?? externalName(traffic.to, cluster),
    rate: traffic.rate,
    arrival: traffic.arrival,
    startNs: traffic.start,
    stopNs: Math.min(traffic.stop ?? durationNs, durationNs),
    requestBytes: requestBytes ?? (protocol === "http" ? undefined : DEFAULT_BYTES),
    timeoutNs: traffic.timeout,
    host: traffic.host,
    path: traffic.path,
  };
}

/** The name outside that a Service of type ExternalName stands for. */
function externalName({ service: name, namespace }: Traffic["to"], cluster: Cluster): string | undefined {
  const service = cluster.services.find((one) => one.name === name && one.namespace === namespace);
  return service?.type === "ExternalName" ? service.externalName : undefined;
}

function checkFields(traffic: Traffic, document: Document, path: (string | number)[]): void {
  const { protocol, requestBytes, start, stop } = traffic;
  const datagram = protocol === "udp" || protocol === "icmp";
  if (datagram && requestBytes !== undefined && requestBytes > LARGEST_DATAGRAM)
    document.fail(
      [...path, "requestBytes"],
      `should be at most ${LARGEST_DATAGRAM} for ${protocol}: what is sent is not fragmented yet`,
    );
  for (const field of ["host", "path"] as const) {
    if (traffic[field] !== undefined && protocol !== "http")
      document.fail([...path, field], `is for protocol http only, not for ${protocol}`);
  }
  if (stop !== undefined && stop <= start) document.fail([...path, "stop"], "should be later than start");
  if (protocol === "icmp" && traffic.to.port !== undefined)
    document.fail([...path, "to", "port"], "is not for icmp, which has no ports");
}

/** The flows of a line, `index` being its number. Constant arrivals of several flows are spread evenly between each other. */
export function flowsOf(line: Line, index: number): FlowConfig[] {
  const rate = line.rate / line.pairs.length;
  return line.pairs.map(({ client, target }, i) => ({
    line: index,
    namespace: client.namespace,
    protocol: line.protocol,
    target,
    rate,
    arrival: line.arrival,
    startNs: line.startNs + (line.arrival === "constant" ? Math.round((i * 1e9) / line.rate) : 0),
    stopNs: line.stopNs,
    requestBytes: line.requestBytes ?? 0,
    timeoutNs: line.timeoutNs,
    ...(line.host === undefined ? {} : { host: line.host }),
    ...(line.path === undefined ? {} : { path: line.path }),
  }));
}

/** The hosts outside the cluster that lines call, with the ports that must answer there. `addresses`: of names outside. */
export function outsideHosts(
  lines: readonly Line[],
  cluster: Cluster,
  ranges: ClusterSpec,
  addresses: ReadonlyMap<string, string>,
): OutsideHost[] {
  const inside = [
    ...RANGE_FIELDS.map((field) => ranges[field]),
    formatCidr(externalNetwork(ranges.nodeCIDR)),
    "127.0.0.0/8",
    RESOLVER_ADDRESS,
    ...cluster.services.flatMap(({ externalIPs, loadBalancerIngress }) => [
      ...externalIPs,
      ...loadBalancerIngress.map(({ ip }) => ip),
    ]),
  ].flatMap((range) => parseCidr(range) ?? []);
  return lines.flatMap(({ protocol, called, pairs }) => {
    if (called === undefined) return [];
    const address = parseIpv4(addresses.get(plainName(called)) ?? called);
    if (address === undefined || inside.some((block) => cidrContains(block, address))) return [];
    const port = pairs[0]?.target.port ?? 0;
    const ports = protocol === "icmp" ? [] : [{ protocol: protocol === "udp" ? "udp" : "tcp", port } as const];
    return [{ address: formatIpv4(address), ports }];
  });
}

/** A name in lower case without its final dot. */
function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** The names outside the cluster that lines call: those that the cluster's DNS does not have, whatever the search list makes of them. */
export function outsideNames(lines: readonly Line[], zone: readonly DnsRecord[]): string[] {
  const inside = new Set(zone.map(({ name }) => name));
  const names = lines.flatMap(({ called, pairs }) => {
    if (called === undefined || parseIpv4(called) !== undefined) return [];
    const name = plainName(called);
    // An ExternalName's own name is in the zone, but not what it stands for.
    const asked = pairs.flatMap(({ target }) => ("names" in target ? target.names : []));
    const isName = asked.includes(name);
    return (isName ? asked : [name]).some((one) => inside.has(one)) ? [] : [name];
  });
  return [...new Set(names)];
}
