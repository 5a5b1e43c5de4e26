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
import type { ObjectsAt } from "./live/live-objects.ts";
import type { Cluster, Namespace, Pod } from "./objects.ts";
import { namespaceOf, parseObjects, type ParsedObjects } from "./parse.ts";
import { schedule, Scheduler } from "./scheduler.ts";
import { allocateClusterIPs, allocateLoadBalancers, DNS_PLACE, nthAddress, primaryRange } from "./service-addresses.ts";
import { checkBalanced, withAllocated } from "./service-changes.ts";
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
  /** The objects that were written, and those that every cluster has. */
  own: ParsedObjects;
  system: ParsedObjects;
  takesIngresses: boolean;
}

/** How a cluster goes on: the pods that come later, and the objects that are written from moments on. */
export interface Life {
  later: readonly Pod[];
  states: readonly ObjectsAt[];
}

/** The cluster from a moment on, with all pods that there ever are. */
export interface Edition {
  atNs: number;
  event: number;
  cluster: Cluster;
}

/** The cluster from objects that have been parsed. */
export function settleCluster(own: ParsedObjects, options: ClusterOptions): Cluster {
  return settleLiving(own, options, () => ({ later: [], states: [] })).cluster;
}

/**
 * The cluster from objects that have been parsed, as it is at the start, and what it is when objects have changed. `live`: tells how it
 * goes on. Pods that come later are in it, and in its EndpointSlices, as if they were there with the others.
 */
export function settleLiving(
  own: ParsedObjects,
  options: ClusterOptions,
  live: (ground: Ground) => Life,
): { cluster: Cluster; editions: Edition[] } {
  const clusterNodes = buildNodes(own.nodes, options);
  const nodes = clusterNodes.map(({ node }) => node);
  const hasController = own.workloads.some(({ template }) => isIngressController(template.metadata.labels));
  const { taken } = takenIngresses(own.ingresses, own.ingressClasses);
  const added = taken.length > 0 && !hasController ? ingressDocuments() : [];
  const everywhere = parseObjects([...systemDocuments(options, nodes), ...added]);
  const system = systemObjects(own, everywhere);
  const start = settleServices(own.services, system.services, options);
  const { families = IPV4_ALONE, six } = options;
  const scheduler = new Scheduler(clusterNodes, families);
  const workloads = [...own.workloads, ...system.workloads];
  const made = makePods(workloads, clusterNodes);
  const { pods: first, pending } = schedule(made, scheduler);
  const placed = first.flatMap((pod, i) => (made[i] ? { pod, made: made[i] } : []));
  const takesIngresses = hasController || added.length > 0;
  const { later, states } = live({
    nodes: clusterNodes,
    scheduler,
    workloads,
    pods: placed,
    own,
    system: everywhere,
    takesIngresses,
  });
  const pods = [...first, ...later];
  const stages = [{ atNs: 0, event: -1, own, system, services: start }];
  for (const state of states) {
    const there = systemObjects(state.own, everywhere, state.gone);
    const before = stages.at(-1)?.services ?? [];
    const services = settleServices(state.own.services, there.services, options, before);
    checkBalanced(before, services);
    stages.push({ ...state, system: there, services });
  }
  const isFirst = new Set(first);
  const { syntheticServices: count = 0, serviceCIDR } = options;
  const ever = stages.flatMap(({ services }) => services.map(({ service }) => service));
  const synthetic = syntheticServices(count, serviceCIDR, ever);
  const editions = stages.map(({ atNs, event, ...stage }): Edition => {
    const settled = stage.services.map(({ service }) => service);
    const half = Math.ceil(count / 2);
    const { taken: ingresses, notEmulated } = takenIngresses(stage.own.ingresses, stage.own.ingressClasses);
    const there = (pod: Pod): boolean =>
      stage.own.names.has(`${pod.owner.kind} ${pod.namespace}/${pod.owner.name}`) || isFirst.has(pod);
    const cluster: Cluster = {
      ...(six && { families }),
      nodes,
      pods,
      services: [...synthetic.services.slice(0, half), ...settled, ...synthetic.services.slice(half)],
      endpointSlices: [
        ...makeEndpointSlices(stage.services, pods, nodes),
        ...stage.own.endpointSlices,
        ...stage.own.endpoints.flatMap((endpoints) => mirrorEndpoints(endpoints, settled)),
        ...stage.system.endpointSlices,
        ...synthetic.slices,
      ],
      namespaces: allNamespaces(stage.own, states.length === 0 ? pods : pods.filter(there)),
      networkPolicies: stage.own.networkPolicies,
      ingresses,
      pending,
      remarks: stage.own.remarks,
      ignored: own.ignored,
      notEmulated: [
        ...stage.own.notEmulated,
        ...notEmulated,
        ...(six ? [] : stage.services.filter(wantsIpv6).map(({ service }) => `IPv6 of ${serviceLabel(service)}`)),
      ],
    };
    return { atNs, event, cluster };
  });
  const [{ cluster }, ...others] = editions as [Edition, ...Edition[]];
  return { cluster, editions: others };
}

/** Those that are written, then those that pods are in without. */
function allNamespaces(own: ParsedObjects, pods: Cluster["pods"]): Namespace[] {
  const written = new Set(own.namespaces.map(({ name }) => name));
  const others = [...new Set(pods.map(({ namespace }) => namespace))].filter((name) => !written.has(name));
  return [...own.namespaces, ...others.map((name) => namespaceOf({ name, labels: {} }))];
}

/** The cluster's own objects without those that the manifests have, or that are gone. The API server's slice goes with its Service. */
function systemObjects(
  own: ParsedObjects,
  system: ParsedObjects,
  gone: ReadonlySet<string> = new Set(),
): ParsedObjects {
  const written = (kind: string, { namespace, name }: { namespace: string; name: string }): boolean =>
    own.names.has(`${kind} ${namespace}/${name}`) || gone.has(`${kind} ${namespace}/${name}`);
  return {
    ...system,
    services: system.services.filter(({ service }) => !written("Service", service)),
    workloads: system.workloads.filter((workload) => !written(workload.kind, workload)),
    endpointSlices: system.endpointSlices.filter(
      (slice) => !written("EndpointSlice", slice) && !written("Endpoints", slice),
    ),
  };
}

/**
 * All addresses and ports. The cluster's own Services reserve theirs first, so that who wants the same is told so. `before`: Services of
 * the same names, whose addresses and ports stay.
 */
function settleServices(
  own: readonly ParsedService[],
  system: readonly ParsedService[],
  options: ClusterOptions,
  before: readonly ParsedService[] = [],
): ParsedService[] {
  const had = new Map(before.map((parsed) => [serviceLabel(parsed.service), parsed]));
  const kept = (parsed: ParsedService): ParsedService => withAllocated(parsed, had.get(serviceLabel(parsed.service)));
  const withDns = own.map((parsed) => withDnsAddress(kept(parsed), primaryRange(options)));
  const addressed = allocateClusterIPs([...system.map(kept), ...withDns], options);
  const services = [...addressed.slice(system.length), ...addressed.slice(0, system.length)];
  return allocateLoadBalancers(allocateNodePorts(services), options);
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
