// From manifests to the state of the cluster: nodes, pods, Services and EndpointSlices once every controller has settled.
import type { Document } from "../documents/document.ts";
import { makePods, type UnplacedPod } from "./controllers.ts";
import { makeEndpointSlices } from "./endpoint-slices.ts";
import { mirrorEndpoints } from "./endpoints.ts";
import { ingressDocuments } from "./ingress-controller.ts";
import { isIngressController, takenIngresses } from "./ingresses.ts";
import { allocateNodePorts } from "./node-ports.ts";
import { familyOfText, IPV4_ALONE } from "./families.ts";
import { buildNodes, type ClusterNode, type NodeOptions } from "./nodes.ts";
import type { Cluster, Namespace, Pod } from "./objects.ts";
import { namespaceOf, parseObjects, type ParsedObjects } from "./parse.ts";
import { schedule, Scheduler } from "./scheduler.ts";
import { allocateClusterIPs, allocateLoadBalancers, DNS_PLACE, nthAddress, primaryRange } from "./service-addresses.ts";
import { serviceLabel, wantsIpv6, type ParsedService } from "./services.ts";
import { syntheticServices } from "./synthetic.ts";
import { DNS_SERVICE, systemDocuments } from "./system.ts";
import type { Workload } from "./workloads.ts";

export interface ClusterOptions extends NodeOptions {
  /** `10.96.0.0/12`, empty if Services have no IPv4: the first address is the API server's, the tenth the cluster DNS's; Services get those from the eleventh on. */
  serviceCIDR: string;
  /** `192.0.2.0/24`: the first Service of type LoadBalancer gets the first address. */
  loadBalancerCIDR: string;
  /** Services that nobody calls: one half of them stands before all others, one behind. Default: none. */
  syntheticServices?: number | undefined;
  /** It is always cluster.local. */
  clusterDomain?: never;
}

/**
 * What the API server would hold once every controller has settled. All pods are ready; namespaces need not be written. The cluster's own objects come last, unless the
 * manifests have their own of the same name. Throws an InputError for the first thing that the API server would refuse, or that no
 * address is left for.
 */
export function buildCluster(documents: readonly Document[], options: ClusterOptions): Cluster {
  return settleCluster(parseObjects(documents), options);
}

/** A cluster that has settled, for who lets it live on. */
export interface Ground {
  nodes: readonly ClusterNode[];
  scheduler: Scheduler;
  workloads: readonly Workload[];
  /** What each pod was before it was placed, beside what it is; no address: it is pending. */
  pods: readonly { pod: Pod; made: UnplacedPod }[];
}

/**
 * The same from objects that have been parsed. `live`: tells of the pods that come later; they are in the cluster, its EndpointSlices
 * too, as if they were there with the others.
 */
export function settleCluster(
  own: ParsedObjects,
  options: ClusterOptions,
  live: (ground: Ground) => readonly Pod[] = () => [],
): Cluster {
  const clusterNodes = buildNodes(own.nodes, options);
  const nodes = clusterNodes.map(({ node }) => node);
  const { taken: ingresses, notEmulated } = takenIngresses(own.ingresses, own.ingressClasses);
  const hasController = own.workloads.some(({ template }) => isIngressController(template.metadata.labels));
  const added = ingresses.length > 0 && !hasController ? ingressDocuments() : [];
  const system = systemObjects(own, [...systemDocuments(options, nodes), ...added]);
  const services = settleServices(own.services, system.services, options);
  const { families = IPV4_ALONE, six } = options;
  const scheduler = new Scheduler(clusterNodes, families);
  const workloads = [...own.workloads, ...system.workloads];
  const made = makePods(workloads, clusterNodes);
  const { pods: first, pending } = schedule(made, scheduler);
  const ground = first.flatMap((pod, i) => (made[i] ? { pod, made: made[i] } : []));
  const pods = [...first, ...live({ nodes: clusterNodes, scheduler, workloads, pods: ground })];
  const settled = services.map(({ service }) => service);
  const { syntheticServices: count = 0, serviceCIDR } = options;
  const synthetic = syntheticServices(count, serviceCIDR, settled);
  const half = Math.ceil(count / 2);
  return {
    ...(six && { families }),
    nodes,
    pods,
    services: [...synthetic.services.slice(0, half), ...settled, ...synthetic.services.slice(half)],
    endpointSlices: [
      ...makeEndpointSlices(services, pods, nodes),
      ...own.endpointSlices,
      ...own.endpoints.flatMap((endpoints) => mirrorEndpoints(endpoints, settled)),
      ...system.endpointSlices,
      ...synthetic.slices,
    ],
    namespaces: allNamespaces(own, pods),
    networkPolicies: own.networkPolicies,
    ingresses,
    pending,
    remarks: own.remarks,
    ignored: own.ignored,
    notEmulated: [
      ...own.notEmulated,
      ...notEmulated,
      ...services.flatMap((parsed) => notOfSix(parsed, six !== undefined)),
    ],
  };
}

/** What of a Service's IPv6 there is not: all of it in a cluster of IPv4 alone, else its load balancer. */
function notOfSix(parsed: ParsedService, hasSix: boolean): string[] {
  const { service } = parsed;
  if (!hasSix) return wantsIpv6(parsed) ? [`IPv6 of ${serviceLabel(service)}`] : [];
  const balanced = service.type === "LoadBalancer" && service.ipFamilies?.includes("IPv6");
  return balanced ? [`the IPv6 load balancer of ${serviceLabel(service)}`] : [];
}

/** Those that are written, then those that pods are in without. */
function allNamespaces(own: ParsedObjects, pods: Cluster["pods"]): Namespace[] {
  const written = new Set(own.namespaces.map(({ name }) => name));
  const others = [...new Set(pods.map(({ namespace }) => namespace))].filter((name) => !written.has(name));
  return [...own.namespaces, ...others.map((name) => namespaceOf({ name, labels: {} }))];
}

/** The cluster's own objects without those that the manifests have. The API server's slice goes with its Service. */
function systemObjects(own: ParsedObjects, documents: readonly Document[]): ParsedObjects {
  const system = parseObjects(documents);
  const written = (kind: string, { namespace, name }: { namespace: string; name: string }): boolean =>
    own.names.has(`${kind} ${namespace}/${name}`);
  return {
    ...system,
    services: system.services.filter(({ service }) => !written("Service", service)),
    workloads: system.workloads.filter((workload) => !written(workload.kind, workload)),
    endpointSlices: system.endpointSlices.filter(
      (slice) => !written("EndpointSlice", slice) && !written("Endpoints", slice),
    ),
  };
}

/** All addresses and ports. The cluster's own Services reserve theirs first, so that who wants the same is told so. */
function settleServices(
  own: readonly ParsedService[],
  system: readonly ParsedService[],
  options: ClusterOptions,
): ParsedService[] {
  const withDns = own.map((parsed) => withDnsAddress(parsed, primaryRange(options)));
  const addressed = allocateClusterIPs([...system, ...withDns], options);
  const services = [...addressed.slice(system.length), ...addressed.slice(0, system.length)];
  return allocateLoadBalancers(allocateNodePorts(services), options.loadBalancerCIDR);
}

/** The kubelets tell pods to ask the tenth address: a DNS Service of the manifests' own has it too. */
function withDnsAddress(parsed: ParsedService, serviceCIDR: string): ParsedService {
  const { service, spec, manifest } = parsed;
  if (service.namespace !== DNS_SERVICE.namespace || service.name !== DNS_SERVICE.name) return parsed;
  const address = nthAddress(serviceCIDR, DNS_PLACE);
  if (service.type === "ExternalName" || (service.clusterIPs[0] ?? address) === "None")
    manifest.fail(["spec"], `should have a cluster IP, for pods to ask; ${address} is the usual one`);
  const [family = familyOfText(address)] = spec.ipFamilies;
  if (service.clusterIPs.length > 0 || family !== familyOfText(address)) return parsed;
  return { ...parsed, service: { ...service, clusterIPs: [address] } };
}
