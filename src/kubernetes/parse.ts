// Documents to objects, each checked by itself and against others of its name, before anything is allocated.
import type { Document } from "../documents/document.ts";
import type { Endpoints } from "./endpoint-schema.ts";
import { parseEndpoints, parseEndpointSlice } from "./endpoints.ts";
import { readManifests, type Manifest, type Manifests } from "./manifest.ts";
import { parseNetworkPolicy } from "./network-policy-schema.ts";
import { parseIngress, parseIngressClass, type IngressClass, type ParsedIngress } from "./ingresses.ts";
import { nodeSchema, type NodeManifest } from "./node-schema.ts";
import type { EndpointSlice, Namespace, NetworkPolicy } from "./objects.ts";
import { parseService, type ParsedService } from "./services.ts";
import { cronJobSchema, namespaceSchema } from "./workload-schema.ts";
import { parseWorkload, type Workload } from "./workloads.ts";

export interface ParsedNode {
  manifest: Manifest;
  node: NodeManifest;
}

export interface ParsedObjects extends Pick<Manifests, "ignored" | "notEmulated"> {
  nodes: ParsedNode[];
  workloads: Workload[];
  services: ParsedService[];
  endpointSlices: EndpointSlice[];
  endpoints: Endpoints[];
  ingresses: ParsedIngress[];
  ingressClasses: IngressClass[];
  namespaces: Namespace[];
  networkPolicies: NetworkPolicy[];
  /** Every object, as `Deployment shop/web`. */
  names: Set<string>;
}

/** The objects of manifests, in their order. Throws an InputError for the first that the API server would refuse. */
export function parseObjects(documents: readonly Document[]): ParsedObjects {
  const { objects, ignored, notEmulated } = readManifests(documents);
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
    names: new Set(),
    ignored,
    notEmulated: [...notEmulated],
  };
  const places = new Map<string, string>();
  for (const manifest of objects) {
    const { name, namespace } = parseObject(parsed, manifest);
    const path = `${manifest.kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
    const first = places.get(path);
    if (first !== undefined)
      manifest.fail(["metadata", "name"], `there is a ${path} already, at ${first}; give one another name`);
    places.set(path, manifest.where);
    parsed.names.add(path);
  }
  return parsed;
}

interface ObjectName {
  name: string;
  /** Absent for what belongs to the whole cluster. */
  namespace?: string;
}

function parseObject(parsed: ParsedObjects, manifest: Manifest): ObjectName {
  switch (manifest.kind) {
    case "Namespace": {
      const { metadata } = manifest.validate(namespaceSchema);
      parsed.namespaces.push(namespaceOf(metadata));
      return metadata;
    }
    case "NetworkPolicy": {
      const policy = parseNetworkPolicy(manifest);
      parsed.networkPolicies.push(policy);
      return policy;
    }
    case "CronJob":
      return manifest.validate(cronJobSchema).metadata;
    case "Node": {
      const node = manifest.validate(nodeSchema);
      parsed.nodes.push({ manifest, node });
      return node.metadata;
    }
    case "Service": {
      const found = parseService(manifest);
      parsed.services.push(found);
      return found.service;
    }
    case "EndpointSlice": {
      const slice = parseEndpointSlice(manifest);
      parsed.endpointSlices.push(slice);
      return slice;
    }
    case "Endpoints": {
      const endpoints = parseEndpoints(manifest);
      parsed.endpoints.push(endpoints);
      return endpoints.metadata;
    }
    case "Ingress": {
      const found = parseIngress(manifest);
      parsed.ingresses.push(found);
      return found.ingress;
    }
    case "IngressClass": {
      const found = parseIngressClass(manifest);
      parsed.ingressClasses.push(found);
      return { name: found.name };
    }
    default: {
      const workload = parseWorkload(manifest, manifest.kind);
      parsed.workloads.push(workload);
      return workload;
    }
  }
}

/** A namespace with the label that the API server puts on each. */
export function namespaceOf({ name, labels }: Namespace): Namespace {
  return { name, labels: { ...labels, "kubernetes.io/metadata.name": name } };
}
