// EndpointSlices as manifests have them, and the slices that EndpointSliceMirroring makes of Endpoints.
import { ipFamily } from "./addresses.ts";
import {
  endpointSliceSchema,
  endpointsSchema,
  storedEndpointSliceSchema,
  type EndpointAddress,
  type Endpoints,
} from "./endpoint-schema.ts";
import type { Manifest } from "./manifest.ts";
import type { Endpoint, EndpointSlice, Service } from "./objects.ts";

/** The label by which a slice belongs to a Service. */
export const SERVICE_NAME = "kubernetes.io/service-name";
const SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror";

/** Throws an InputError at the first field that the API server would refuse; of a `stored` slice addresses may be as they once were. */
export function parseEndpointSlice(manifest: Manifest, stored = false): EndpointSlice {
  const { metadata, addressType, ports, endpoints } = manifest.validate(
    stored ? storedEndpointSliceSchema : endpointSliceSchema,
  );
  return {
    ...metadata,
    addressType,
    // A port without a number stands for all ports, which nobody can be sent to.
    ports: ports.map((port) => ({ ...port, port: port.port ?? 0 })),
    endpoints: endpoints.map(({ conditions, hints, targetRef, ...endpoint }) => ({
      ...endpoint,
      ready: conditions.ready,
      serving: conditions.serving,
      terminating: conditions.terminating,
      forZones: hints.forZones.map(({ name }) => name),
      forNodes: hints.forNodes.map(({ name }) => name),
      ...(targetRef ? { targetRef } : {}),
    })),
  };
}

/** Throws an InputError at the first field that the API server would refuse. */
export function parseEndpoints(manifest: Manifest): Endpoints {
  return manifest.validate(endpointsSchema);
}

/** The slices of Endpoints that belong to a Service without a selector: one for each subset and address family, `<name>-mirror-1` and so on. */
export function mirrorEndpoints(endpoints: Endpoints, services: readonly Service[]): EndpointSlice[] {
  const { namespace, name, labels } = endpoints.metadata;
  const service = services.find((one) => one.namespace === namespace && one.name === name);
  if (!service || service.selector !== undefined || labels[SKIP_MIRROR] === "true") return [];
  const slices = endpoints.subsets.flatMap(({ addresses, notReadyAddresses, ports }) =>
    (["IPv4", "IPv6"] as const).map((addressType) => ({
      namespace,
      labels: { ...labels, [SERVICE_NAME]: name },
      addressType,
      ports,
      endpoints: [
        ...addresses.map((address) => mirrored(address, true)),
        ...notReadyAddresses.map((address) => mirrored(address, false)),
      ].filter(({ addresses: [ip = ""] }) => `IPv${ipFamily(ip)}` === addressType),
    })),
  );
  return slices
    .filter(({ endpoints: members }) => members.length > 0)
    .map((slice, i) => ({ ...slice, name: `${name}-mirror-${i + 1}` }));
}

function mirrored({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    ready,
    serving: ready,
    terminating: false,
    nodeName,
    zone: "",
    hostname,
    forZones: [],
    forNodes: [],
    ...(targetRef ? { targetRef } : {}),
  };
}
