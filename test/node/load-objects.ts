// Services and EndpointSlices out of YAML text, with the API's defaults.
import { parseAllDocuments } from "yaml";
import type { EndpointSlice, Service } from "../../src/kubernetes/objects.ts";

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return */
export function loadObjects(text: string): { services: Service[]; slices: EndpointSlice[] } {
  const services: Service[] = [];
  const slices: EndpointSlice[] = [];
  for (const document of parseAllDocuments(text)) {
    const object = document.toJS();
    if (object?.kind === "Service") services.push(service(object));
    if (object?.kind === "EndpointSlice") slices.push(slice(object));
  }
  return { services, slices };
}

function service({ metadata, spec, status }: any): Service {
  return {
    namespace: metadata.namespace ?? "default",
    name: metadata.name,
    labels: metadata.labels ?? {},
    type: spec.type ?? "ClusterIP",
    clusterIPs: spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []),
    externalIPs: spec.externalIPs ?? [],
    externalName: spec.externalName ?? "",
    ports: (spec.ports ?? []).map((port: any) => ({
      name: port.name ?? "",
      protocol: port.protocol ?? "TCP",
      port: port.port,
      targetPort: port.targetPort ?? port.port,
      nodePort: port.nodePort ?? 0,
    })),
    ...(spec.selector ? { selector: spec.selector } : {}),
    sessionAffinity: spec.sessionAffinity ?? "None",
    sessionAffinityTimeoutSeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10800,
    externalTrafficPolicy: spec.externalTrafficPolicy ?? "Cluster",
    internalTrafficPolicy: spec.internalTrafficPolicy ?? "Cluster",
    loadBalancerSourceRanges: spec.loadBalancerSourceRanges ?? [],
    loadBalancerIngress: (status?.loadBalancer?.ingress ?? []).map((ingress: any) => ({
      ip: ingress.ip ?? "",
      hostname: ingress.hostname ?? "",
      ipMode: ingress.ipMode ?? "VIP",
    })),
    healthCheckNodePort: spec.healthCheckNodePort ?? 0,
    publishNotReadyAddresses: spec.publishNotReadyAddresses ?? false,
  };
}

function slice({ metadata, addressType, ports, endpoints }: any): EndpointSlice {
  return {
    namespace: metadata.namespace ?? "default",
    name: metadata.name,
    labels: metadata.labels ?? {},
    addressType,
    ports: (ports ?? []).map((port: any) => ({
      name: port.name ?? "",
      protocol: port.protocol ?? "TCP",
      port: port.port ?? 0,
    })),
    endpoints: (endpoints ?? []).map((endpoint: any) => {
      const ready = endpoint.conditions?.ready ?? true;
      return {
        addresses: endpoint.addresses,
        ready,
        serving: endpoint.conditions?.serving ?? ready,
        terminating: endpoint.conditions?.terminating ?? false,
        nodeName: endpoint.nodeName ?? "",
        zone: endpoint.zone ?? "",
        hostname: endpoint.hostname ?? "",
        forZones: (endpoint.hints?.forZones ?? []).map(({ name }: any) => name),
        forNodes: (endpoint.hints?.forNodes ?? []).map(({ name }: any) => name),
      };
    }),
  };
}
