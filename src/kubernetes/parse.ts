// Documents to objects, each checked by itself and against others of its name, before anything is allocated.
import type { Document } from "../documents/document.ts";
import { ambiguity } from "./addresses.ts";
import { parseDisruptionBudget, type DisruptionBudget } from "./disruption-budgets.ts";
import type { Endpoints } from "./endpoint-schema.ts";
import { parseEndpoints, parseEndpointSlice } from "./endpoints.ts";
import { readManifests, type Manifest, type Manifests } from "./manifest.ts";
import { parseNetworkPolicy } from "./network-policy-schema.ts";
import { parseIngress, parseIngressClass, type IngressClass, type ParsedIngress } from "./ingresses.ts";
import { nodeSchema, type NodeManifest } from "./node-schema.ts";
import type { EndpointSlice, Namespace, NetworkPolicy } from "./objects.ts";
import { parseService, serviceLabel, type ParsedService } from "./services.ts";
import { cronJobSchema, namespaceSchema } from "./workload-schema.ts";
import { parseWorkload, type Workload } from "./workloads.ts";

export interface ParsedNode {
  manifest: Manifest;
  node: NodeManifest;
}

export interface ParsedObjects extends Pick<Manifests, "others" | "ignored" | "notEmulated"> {
  nodes: ParsedNode[];
  workloads: Workload[];
  services: ParsedService[];
  endpointSlices: EndpointSlice[];
  endpoints: Endpoints[];
  ingresses: ParsedIngress[];
  ingressClasses: IngressClass[];
  namespaces: Namespace[];
  networkPolicies: NetworkPolicy[];
  disruptionBudgets: DisruptionBudget[];
  /** Every object, as `Deployment shop/web`, with its manifest. */
  names: Map<string, Manifest>;
  /** What is odd, but no error: one sentence for each. */
  remarks: string[];
}

/**
 * The objects of manifests, in their order. Throws an InputError for the first that the API server would refuse; of `stored` objects, as
 * a component is told of them, each field is looked at by itself.
 */
export function parseObjects(documents: readonly Document[], { stored = false } = {}): ParsedObjects {
  const { objects, others, ignored, notEmulated } = readManifests(documents);
  const parsed: ParsedObjects = {
    nodes: [],
    workloads: [],
    services: [],
    endpointSlices: [],
    endpoints: [],
    ingresses: [],
    ingressClasses: [],
    namespaces: [],
    networkPolicies: [],
    disruptionBudgets: [],
    names: new Map(),
    remarks: [],
    others,
    ignored,
    notEmulated: [...notEmulated],
  };
  const last = new Map<string, { manifest: Manifest; add: () => void }>();
  for (const manifest of objects) {
    const { name, namespace, add } = parseObject(parsed, manifest, stored);
    const path = `${manifest.kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
    const before = last.get(path)?.manifest;
    if (before && JSON.stringify(before.value) !== JSON.stringify(manifest.value))
      parsed.remarks.push(
        `${path} is written twice, at ${before.where} and at ${manifest.where}; the last counts, as with kubectl apply`,
      );
    last.set(path, { manifest, add });
  }
  for (const [path, { add, manifest }] of last) {
    add();
    parsed.names.set(path, manifest);
  }
  if (!stored) parsed.remarks.push(...ambiguousBlocks(parsed));
  return parsed;
}

/** A sentence for every block that has bits after its prefix. */
function ambiguousBlocks({ services, networkPolicies }: ParsedObjects): string[] {
  const owned: [owner: string, blocks: string[]][] = [
    ...services.map(({ service }): [string, string[]] => [serviceLabel(service), service.loadBalancerSourceRanges]),
    ...networkPolicies.map((policy): [string, string[]] => [
      `NetworkPolicy ${policy.namespace}/${policy.name}`,
      [...(policy.ingress ?? []), ...(policy.egress ?? [])].flatMap(({ peers }) =>
        peers.flatMap(({ ipBlock }) => (ipBlock ? [ipBlock.cidr, ...ipBlock.except] : [])),
      ),
    ]),
  ];
  return owned.flatMap(([owner, blocks]) =>
    blocks.flatMap((block) => {
      const [network, address] = ambiguity(block) ?? [];
      if (network === undefined) return [];
      return `${owner}: ${block} is taken for ${network}; since 1.36 the API server refuses it, as it might be ${address}`;
    }),
  );
}

interface ParsedObject {
  name: string;
  /** Absent for what belongs to the whole cluster. */
  namespace?: string;
  /** Adds it to the objects of its kind. */
  add: () => void;
}

function parseObject(parsed: ParsedObjects, manifest: Manifest, stored: boolean): ParsedObject {
  switch (manifest.kind) {
    case "Namespace": {
      const { metadata } = manifest.validate(namespaceSchema);
      return addTo(parsed.namespaces, namespaceOf(metadata), { name: metadata.name });
    }
    case "NetworkPolicy": {
      const policy = parseNetworkPolicy(manifest);
      return addTo(parsed.networkPolicies, policy, policy);
    }
    case "PodDisruptionBudget": {
      const budget = parseDisruptionBudget(manifest);
      return addTo(parsed.disruptionBudgets, budget, budget);
    }
    case "CronJob":
      return addTo([], undefined, manifest.validate(cronJobSchema).metadata);
    case "Node": {
      const node = manifest.validate(nodeSchema);
      return addTo(parsed.nodes, { manifest, node }, { name: node.metadata.name });
    }
    case "Service": {
      const found = parseService(manifest, stored);
      return addTo(parsed.services, found, found.service);
    }
    case "EndpointSlice": {
      const slice = parseEndpointSlice(manifest, stored);
      return addTo(parsed.endpointSlices, slice, slice);
    }
    case "Endpoints": {
      const endpoints = parseEndpoints(manifest);
      return addTo(parsed.endpoints, endpoints, endpoints.metadata);
    }
    case "Ingress": {
      const found = parseIngress(manifest);
      return addTo(parsed.ingresses, found, found.ingress);
    }
    case "IngressClass": {
      const found = parseIngressClass(manifest);
      return addTo(parsed.ingressClasses, found, { name: found.name });
    }
    default: {
      const workload = parseWorkload(manifest, manifest.kind);
      return addTo(parsed.workloads, workload, workload);
    }
  }
}

function addTo<T>(list: T[], item: T, { name, namespace }: { name: string; namespace?: string }): ParsedObject {
  const add = (): void => void list.push(item);
  return namespace === undefined ? { name, add } : { name, namespace, add };
}

/** A namespace with the label that the API server puts on each. */
export function namespaceOf({ name, labels }: Namespace): Namespace {
  return { name, labels: { ...labels, "kubernetes.io/metadata.name": name } };
}
