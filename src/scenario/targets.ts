// Where a line of traffic goes: addresses and ports, or names to be asked of the cluster's DNS.
import { isIP } from "node:net";
import type { Document, FieldPath } from "../documents/document.ts";
import { among } from "../errors.ts";
import { plainAddress } from "../kubernetes/blocks.ts";
import { searchNames } from "../kubernetes/dns.ts";
import { familyOfText, IPV4_ALONE, nodeAddress, podAddress, type Family } from "../kubernetes/families.ts";
import type { Cluster, Pod, Service, ServicePort } from "../kubernetes/objects.ts";
import { loadBalancerAddresses } from "../node/load-balancer.ts";
import { externalAddress } from "../node/outside-addresses.ts";
import type { FlowTarget } from "../seam/plan.ts";
import type { Client } from "./clients.ts";
import type { Traffic } from "./traffic-schema.ts";

const KINDS = ["service", "loadBalancer", "nodePort", "pod", "node", "host"] as const;

/** What a target is resolved with. `path` is that of `to` in the document. */
export interface TargetContext {
  cluster: Cluster;
  nodeCIDR: string;
  document: Document;
  path: FieldPath;
  /** The transport protocol that requests use: http is TCP. */
  protocol: "TCP" | "UDP" | "ICMP";
}

/** The targets of one client, each of which gets its share of the requests. Throws an InputError for what is not there. */
export function targetsOf(to: Traffic["to"], client: Client, context: TargetContext): FlowTarget[] {
  const { document, path } = context;
  const named = KINDS.filter((kind) => to[kind] !== undefined && !(kind === "node" && to.nodePort !== undefined));
  const [kind] = named;
  if (kind === undefined || named.length > 1) return document.fail(path, `should name one of ${KINDS.join(", ")}`);
  if (to.by !== undefined && kind !== "service")
    return document.fail([...path, "by"], `is for a service only, not for a ${kind}`);
  checkFamily(to, kind, context);
  switch (kind) {
    case "service":
      return [serviceTarget(to, client, context)];
    case "loadBalancer":
      return [loadBalancerTarget(to, context)];
    case "nodePort":
      return nodePortTargets(to, client, context);
    case "pod":
      return [podTarget(to, client, context)];
    case "node":
      return [
        {
          address: addressOf(nodeOf(to.node ?? "", context), familyOf(to, client), client, context),
          port: plainPort(to.port, context),
        },
      ];
    case "host":
      return [hostTarget(to, client, context)];
  }
}

const FAMILIES = { ipv4: "IPv4", ipv6: "IPv6" } as const;

/** The family that a target says; else the first of `families`, or the client's first. */
function familyOf(to: Traffic["to"], client: Client, families: readonly Family[] = client.families): Family {
  return to.family ? FAMILIES[to.family] : (families[0] ?? "IPv4");
}

function checkFamily({ family, host = "" }: Traffic["to"], kind: (typeof KINDS)[number], context: TargetContext): void {
  if (family === undefined) return;
  const { cluster, document, path } = context;
  const fail = (message: string): never => document.fail([...path, "family"], message);
  if (family === "ipv6" && !cluster.families?.includes("IPv6"))
    fail("the cluster has no IPv6; write ipFamily: dual in spec.cluster");
  if (kind === "host" && isIP(host) !== 0 && familyOfText(host) !== FAMILIES[family])
    fail(`${host} is not an address of ${FAMILIES[family]}`);
}

/** What calls a Service by its address calls: the family that is said, else the Service's first that the cluster has. */
export function clusterIPOf(
  { clusterIPs }: Service,
  { families = IPV4_ALONE }: Pick<Cluster, "families">,
  family?: "ipv4" | "ipv6",
): string | undefined {
  const wanted = family ? [FAMILIES[family]] : families;
  return clusterIPs.find((ip) => isIP(ip) !== 0 && wanted.includes(familyOfText(ip)));
}

function serviceTarget(to: Traffic["to"], client: Client, context: TargetContext): FlowTarget {
  const { cluster, document, path } = context;
  const service = serviceOf(to.service ?? "", to.namespace, "service", context);
  const by = to.by ?? (client.kubernetes === undefined ? "clusterIP" : "dns");
  const port = service.type === "ExternalName" ? plainPort(to.port, context) : portOf(service, to, context);
  if (by === "dns") {
    if (client.kubernetes === undefined)
      return document.fail(
        [...path, "by"],
        `${client.namespace} has no resolver that knows the cluster's names; use clusterIP`,
      );
    return dnsTarget(cluster, service, port, client, to.family);
  }
  const address = clusterIPOf(service, cluster, to.family);
  if (address === undefined || typeof port === "number")
    return document.fail(
      [...path, "by"],
      `Service ${label(service)} has no ${familyOf(to, client)} cluster IP; call it by dns`,
    );
  return { address, port: port.port };
}

/** A Service by the name under which a pod in a namespace would call it. A headless Service's name leads to the pods, so the port is theirs. */
export function dnsTarget(
  cluster: Cluster,
  service: Service,
  port: ServicePort | number,
  client: Client,
  family?: "ipv4" | "ipv6",
): FlowTarget {
  const short = service.namespace === client.kubernetes ? service.name : `${service.name}.${service.namespace}`;
  const headless = service.clusterIPs[0] === "None";
  const number = typeof port === "number" ? port : headless ? endpointPort(cluster, service, port) : port.port;
  return namedTarget(client, short, number, family);
}

/** A name as the client's resolver looks it up, of one family alone if one is said. */
export function namedTarget({ resolver }: Client, name: string, port: number, family?: "ipv4" | "ipv6"): FlowTarget {
  const [first = "", ...others] = resolver.nameservers;
  const options = { ...resolver.options, ...(others.length > 0 ? { others } : {}), ...(family && { family }) };
  return {
    names: searchNames(resolver, name.toLowerCase()),
    resolver: first,
    port,
    ...(Object.keys(options).length > 0 ? { options } : {}),
  };
}

/** The port of the pods behind a Service's port; the Service's own if no pod is there. */
function endpointPort(cluster: Cluster, service: Service, port: ServicePort): number {
  const slice = cluster.endpointSlices.find(
    ({ namespace, labels }) => namespace === service.namespace && labels["kubernetes.io/service-name"] === service.name,
  );
  const found = slice?.ports.find(({ name, protocol }) => name === port.name && protocol === port.protocol);
  return found?.port ?? (typeof port.targetPort === "number" ? port.targetPort : port.port);
}

function loadBalancerTarget(to: Traffic["to"], context: TargetContext): FlowTarget {
  const service = serviceOf(to.loadBalancer ?? "", to.namespace, "loadBalancer", context);
  const family = to.family && FAMILIES[to.family];
  const address = loadBalancerAddresses(service, family)[0];
  if (address === undefined)
    return context.document.fail(
      [...context.path, "loadBalancer"],
      service.type === "LoadBalancer"
        ? `the load balancer of Service ${label(service)} has no ${family ?? "IP"} address`
        : `Service ${label(service)} has no load balancer address; it should be of type LoadBalancer`,
    );
  return { address, port: numberOf(portOf(service, to, context)) };
}

/** The named node, or every node. */
function nodePortTargets(to: Traffic["to"], client: Client, context: TargetContext): FlowTarget[] {
  const { cluster, document, path } = context;
  const service = serviceOf(to.nodePort ?? "", to.namespace, "nodePort", context);
  const port = portOf(service, to, context);
  if (typeof port === "number" || port.nodePort === 0)
    return document.fail(
      [...path, "nodePort"],
      `Service ${label(service)} has no node port; it should be of type NodePort or LoadBalancer`,
    );
  const { nodePort } = port;
  const nodes = to.node === undefined ? cluster.nodes : [nodeOf(to.node, context)];
  const family = familyOf(to, client, service.ipFamilies);
  return nodes.map((node) => ({ address: addressOf(node, family, client, context), port: nodePort }));
}

/** A node's address of a family, of IPv4 from outside the external one. */
function addressOf(
  node: Cluster["nodes"][number],
  family: Family,
  client: Client,
  { nodeCIDR }: TargetContext,
): string {
  const own = nodeAddress(node, family) ?? node.address;
  return client.namespace.startsWith("internet/") && family === "IPv4" ? externalAddress(node, nodeCIDR) : own;
}

function podTarget(to: Traffic["to"], client: Client, context: TargetContext): FlowTarget {
  const { cluster, document, path } = context;
  const inNamespace = cluster.pods.filter(({ namespace }) => namespace === to.namespace);
  const pod = inNamespace.find(({ name }) => name === to.pod);
  if (!pod) {
    const choices = new Set(inNamespace.map(({ name }) => name));
    return document.fail([...path, "pod"], `there is no pod ${to.pod} in namespace ${to.namespace}${among(choices)}`);
  }
  if (pod.podIP === "") return document.fail([...path, "pod"], `pod ${to.pod} runs on no node`);
  const address = to.family ? podAddress(pod, FAMILIES[to.family]) : pod.podIP;
  if (address === undefined)
    return document.fail([...path, "family"], `pod ${to.pod} has no ${familyOf(to, client)} address`);
  return { address, port: containerPort(pod, to.port, context) };
}

function containerPort(pod: Pod, port: number | string | undefined, context: TargetContext): number {
  if (typeof port !== "string") return plainPort(port, context);
  const ports = pod.containers.flatMap(({ ports }) => ports).filter(({ name }) => name !== "");
  const found = ports.find(({ name }) => name === port);
  if (found) return found.containerPort;
  const choices = new Set(ports.map(({ name }) => name));
  return context.document.fail([...context.path, "port"], `pod ${pod.name} has no port named ${port}${among(choices)}`);
}

function hostTarget(to: Traffic["to"], client: Client, context: TargetContext): FlowTarget {
  const { document, path } = context;
  const host = to.host ?? "";
  const port = plainPort(to.port, context);
  if (isIP(host) === 6 && !context.cluster.families?.includes("IPv6"))
    return document.fail([...path, "host"], `${host} is of IPv6, which the cluster has not; write ipFamily: dual`);
  if (isIP(host) !== 0) return { address: plainAddress(host), port };
  if (!isHostName(host)) return document.fail([...path, "host"], `${host} is neither an IP address nor a DNS name`);
  return namedTarget(client, host, port, to.family);
}

/** Labels of at most 63 letters, digits, - and _ between dots, 253 in all; perhaps a final dot. */
export function isHostName(name: string): boolean {
  const plain = name.replace(/\.$/, "");
  return (
    plain.length <= 253 && plain.split(".").every((label) => /^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$/i.test(label))
  );
}

function serviceOf(
  name: string,
  namespace: string,
  field: string,
  { cluster, document, path }: TargetContext,
): Service {
  const found = cluster.services.find((service) => service.name === name && service.namespace === namespace);
  if (found) return found;
  const choices = new Set(
    cluster.services.filter((service) => service.namespace === namespace).map((service) => service.name),
  );
  return document.fail([...path, field], `there is no Service ${name} in namespace ${namespace}${among(choices)}`);
}

/** The port that `to` names; the only one if it names none. A number for ICMP, which has none. */
function portOf(service: Service, to: Traffic["to"], context: TargetContext): ServicePort | number {
  const { document, path, protocol } = context;
  if (protocol === "ICMP") return 0;
  const ports = service.ports.filter((port) => port.protocol === protocol);
  if (ports.length === 0)
    return document.fail(
      path,
      `Service ${label(service)} has no ${protocol} port${among(service.ports.map(describe))}`,
    );
  if (to.port === undefined) {
    const [only, second] = ports;
    if (only && !second) return only;
    return document.fail(path, `port is missing; Service ${label(service)} has several${among(ports.map(describe))}`);
  }
  const found = ports.find((port) => port.name === to.port || port.port === to.port);
  if (found) return found;
  const wanted = typeof to.port === "string" ? `port named ${to.port}` : `port ${to.port}`;
  return document.fail(
    [...path, "port"],
    `Service ${label(service)} has no ${protocol} ${wanted}${among(ports.map(describe))}`,
  );
}

function numberOf(port: ServicePort | number): number {
  return typeof port === "number" ? port : port.port;
}

function describe(port: ServicePort): string {
  return `${port.name === "" ? "" : `${port.name} `}${port.port}/${port.protocol}`;
}

function plainPort(port: number | string | undefined, { document, path, protocol }: TargetContext): number {
  if (protocol === "ICMP") return 0;
  if (port === undefined) return document.fail(path, "port is missing; write its number");
  if (typeof port === "string") return document.fail([...path, "port"], `${port} is a name; write the port's number`);
  return port;
}

function nodeOf(name: string, { cluster, document, path }: TargetContext): Cluster["nodes"][number] {
  const found = cluster.nodes.find((node) => node.name === name);
  if (found) return found;
  return document.fail([...path, "node"], `there is no node ${name}${among(cluster.nodes.map((node) => node.name))}`);
}

function label({ namespace, name }: Service): string {
  return `${namespace}/${name}`;
}
