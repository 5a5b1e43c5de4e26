// Lines of traffic: who calls what, and how often; each becomes one flow for every pair of a client and a target.
import type { DnsRecord, FlowConfig, FlowProtocol, FlowTarget, Retries } from "../seam/plan.ts";
import { externalNetwork, RESOLVER_ADDRESS, type OutsideHost } from "../node/outside-addresses.ts";
import { CLIENT_ADDRESS6, EXTERNAL6, RESOLVER_ADDRESS6 } from "../node/outside-addresses6.ts";
import { isIP } from "node:net";
import { formatCidr } from "../address.ts";
import type { Document } from "../documents/document.ts";
import type { Cluster } from "../kubernetes/objects.ts";
import { arrivalOf, shareOf, type LineArrival } from "./arrival.ts";
import { clientsOf, type Client } from "./clients.ts";
import { addressForm, blockContains } from "../node/kube-proxy/ip.ts";
import { RANGE_FIELDS } from "./ranges.ts";
import type { ClusterSpec } from "./ranges.ts";
import type { Scenario } from "./schema.ts";
import { sizesOf, type Sizes } from "./sizes.ts";
import { checkStream } from "./stream.ts";
import { targetsOf } from "./targets.ts";
import type { Traffic } from "./traffic-schema.ts";

/** A line of traffic with all its names resolved. */
export interface Line extends LineArrival, Sizes {
  name: string;
  protocol: FlowProtocol;
  pairs: { client: Client; target: FlowTarget }[];
  startNs: number;
  stopNs: number;
  /** The host outside the cluster that `to` named. */
  called?: string | undefined;
  question?: FlowConfig["question"];
  stream?: FlowConfig["stream"];
  keepAlive?: boolean | undefined;
  connections?: number | undefined;
  retries?: Retries | undefined;
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
  const { start, stop, clients: users = Infinity } = traffic;
  checkFields(traffic, document, path);
  const clients = clientsOf(cluster, traffic.from, document, [...path, "from"]);
  const toPath = [...path, "to"];
  const pairs = clients.flatMap((client) => pairsOf(traffic, traffic.to, client, ranges, document, toPath, cluster));
  if (users < pairs.length)
    document.fail(
      [...path, "clients"],
      `should be at least ${pairs.length}, one for each pair of who calls and what is called`,
    );
  const arrival = arrivalOf(traffic, document, path);
  const called = {
    to: traffic.to,
    question: questionOf(traffic),
    ...(traffic.stream && { stream: traffic.stream.answers ? ("echoed" as const) : ("one-way" as const) }),
    startNs: start,
    stopNs: Math.min(stop ?? durationNs, durationNs),
  };
  return lineOf(traffic.name, traffic, pairs, { ...arrival, ...called }, document, path, cluster);
}

/** A client with each of the targets that `to`, which stands at a path, means for it. */
export function pairsOf(
  { protocol }: Pick<Traffic, "protocol">,
  to: Traffic["to"],
  client: Client,
  { nodeCIDR }: ClusterSpec,
  document: Document,
  path: (string | number)[],
  cluster: Cluster,
): Line["pairs"] {
  const transport = protocol === "udp" || protocol === "dns" ? "UDP" : protocol === "icmp" ? "ICMP" : "TCP";
  const context = { cluster, nodeCIDR, document, path, protocol: transport } as const;
  return targetsOf(to, client, context).map((target) => ({ client, target }));
}

/** A line of requests as they are said to be, between pairs. */
export function lineOf(
  name: string,
  said: Pick<Traffic, "protocol" | "keepAlive" | "connections" | "retries" | "timeout" | "host" | "path"> &
    Pick<Traffic, "requestBytes" | "responseBytes"> &
    Pick<Partial<Traffic>, "stream">,
  pairs: Line["pairs"],
  {
    to,
    ...times
  }: LineArrival & { to: Traffic["to"]; startNs: number; stopNs: number } & Pick<Line, "question" | "stream">,
  document: Document,
  path: (string | number)[],
  cluster: Cluster,
): Line {
  const { protocol, keepAlive, connections } = said;
  return {
    name,
    protocol: protocol === "dns" ? "query" : times.stream ? "stream" : protocol,
    pairs,
    called: to.host ?? externalName(to, cluster),
    ...times,
    ...sizesOf(said, times.arrival, document, path),
    keepAlive,
    connections,
    retries: retriesOf(said.retries),
    timeoutNs: said.timeout,
    host: said.host,
    path: said.path,
  };
}

function retriesOf(retries: Traffic["retries"]): Retries | undefined {
  if (!retries) return undefined;
  const { attempts, perTryTimeout, retryOn, backoff, maxBackoff } = retries;
  const maxBackoffNs = maxBackoff ?? 10 * backoff;
  return { attempts, on: retryOn, perTryTimeoutNs: perTryTimeout, backoffNs: backoff, maxBackoffNs };
}

/** The name outside that a Service of type ExternalName stands for. */
function externalName({ service: name, namespace }: Traffic["to"], cluster: Cluster): string | undefined {
  const service = cluster.services.find((one) => one.name === name && one.namespace === namespace);
  return service?.type === "ExternalName" ? service.externalName : undefined;
}

const TYPES = { A: 1, NS: 2, CNAME: 5, PTR: 12, AAAA: 28, SRV: 33 } as const;

function questionOf({ query }: Traffic): FlowConfig["question"] {
  return query && { name: query.name.replace(/\.$/, ""), type: TYPES[query.type] };
}

function checkFields(traffic: Traffic, document: Document, path: (string | number)[]): void {
  const { protocol, start, stop } = traffic;
  if (protocol !== "http" && protocol !== "tcp") {
    if (traffic.keepAlive) document.fail([...path, "keepAlive"], `is for tcp and http, not for ${protocol}`);
    if (traffic.connections !== undefined)
      document.fail([...path, "connections"], `is for tcp and http, not for ${protocol}`);
  }
  if (protocol === "dns" && !traffic.query)
    document.fail(path, "should have a query, such as {name: cart.shop.svc.cluster.local}");
  if (protocol !== "dns" && traffic.query) document.fail([...path, "query"], `is for dns, not for ${protocol}`);
  if (protocol === "dns" && traffic.requestBytes !== undefined)
    document.fail([...path, "requestBytes"], "is not for dns, whose questions are as long as their names");
  checkStream(traffic, document, path);
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
  const { protocol, startNs, stopNs, timeoutNs, requestSizes, responseSizes, keepAlive, connections, retries } = line;
  return line.pairs.map(({ client, target }, i) => ({
    line: index,
    namespace: client.namespace,
    protocol,
    target,
    ...shareOf(line, i, line.pairs.length),
    startNs: startNs + (line.arrival === "constant" ? Math.round((i * 1e9) / line.rate) : 0),
    stopNs,
    requestBytes: line.requestBytes ?? 0,
    timeoutNs,
    ...(requestSizes && { requestSizes }),
    ...(responseSizes && { responseSizes }),
    ...(line.question && { question: line.question }),
    ...(line.stream && { stream: line.stream }),
    ...(keepAlive && { keepAlive }),
    ...(connections !== undefined && { connections }),
    ...(retries && { retries }),
    ...(line.host !== undefined && { host: line.host }),
    ...(line.path !== undefined && { path: line.path }),
  }));
}

/** The hosts outside the cluster that lines call, with the ports that must answer there. `addresses`: of names outside. */
export function outsideHosts(
  lines: readonly Line[],
  cluster: Cluster,
  ranges: ClusterSpec,
  addresses: ReadonlyMap<string, readonly string[]>,
): OutsideHost[] {
  const { six } = ranges;
  const inside = [
    ...RANGE_FIELDS.map((field) => ranges[field]),
    ...(six ? [...RANGE_FIELDS.map((field) => six[field]), EXTERNAL6.network, CLIENT_ADDRESS6, RESOLVER_ADDRESS6] : []),
    formatCidr(externalNetwork(ranges.nodeCIDR)),
    "127.0.0.0/8",
    RESOLVER_ADDRESS,
    ...cluster.services.flatMap(({ externalIPs, loadBalancerIngress }) => [
      ...externalIPs,
      ...loadBalancerIngress.map(({ ip }) => ip),
    ]),
  ];
  return lines.flatMap(({ protocol, called, pairs }) => {
    if (called === undefined) return [];
    const found = (addresses.get(plainName(called)) ?? [called]).filter(
      (address) => isIP(address) !== 0 && !inside.some((block) => blockContains(block, address)),
    );
    const port = pairs[0]?.target.port ?? 0;
    const ports =
      protocol === "icmp"
        ? []
        : [{ protocol: ["udp", "query", "stream"].includes(protocol) ? "udp" : "tcp", port } as const];
    return found.map((address) => ({ address: addressForm(address), ports }));
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
    if (called === undefined || isIP(called) !== 0) return [];
    const name = plainName(called);
    // An ExternalName's own name is in the zone, but not what it stands for.
    const asked = pairs.flatMap(({ target }) => ("names" in target ? target.names : []));
    const isName = asked.includes(name);
    return (isName ? asked : [name]).some((one) => inside.has(one)) ? [] : [name];
  });
  return [...new Set(names)];
}
