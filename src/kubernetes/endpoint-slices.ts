// The EndpointSlice controller: which pods stand behind a Service, on which ports.
import { SERVICE_NAME } from "./endpoints.ts";
import { podAddress, type Family } from "./families.ts";
import { ZONE } from "./nodes.ts";
import type { Endpoint, EndpointSlice, Labels, Node, Pod, Service } from "./objects.ts";
import { labelsMatch } from "./selectors.ts";
import type { ServiceSpec } from "./service-schema.ts";
import { isHeadless, type ParsedService } from "./services.ts";

/** The controller's default `--max-endpoints-per-slice`. */
const SLICE_SIZE = 100;
const HEADLESS = "service.kubernetes.io/headless";

/**
 * The slices of every Service with a selector, in the Services' order, for each of its families: `<service>-slice`, or `<service>-slice-1`
 * and so on if there are several; those of IPv6 `<service>-slice-ipv6`. Every pod with an address counts as ready: no probe fails here.
 */
export function makeEndpointSlices(
  services: readonly ParsedService[],
  pods: readonly Pod[],
  nodes: readonly Node[],
): EndpointSlice[] {
  const index = new PodIndex(pods);
  const zones = new Map(nodes.map(({ name, labels }) => [name, labels[ZONE] ?? ""]));
  return services.flatMap(({ service, spec }) => {
    const { selector, type } = service;
    if (selector === undefined || type === "ExternalName") return [];
    const behind = index.matching(service.namespace, selector);
    return (service.ipFamilies ?? ["IPv4"]).flatMap((family) => slicesOf(service, spec, behind, zones, family));
  });
}

/** Pods by namespace and label, so that not every Service looks at every pod. */
class PodIndex {
  readonly #pods = new Map<string, Pod[]>();

  constructor(pods: readonly Pod[]) {
    for (const pod of pods) {
      if (pod.podIP === "") continue;
      for (const [key, value] of Object.entries(pod.labels)) {
        const at = `${pod.namespace} ${key}=${value}`;
        const list = this.#pods.get(at);
        if (list) list.push(pod);
        else this.#pods.set(at, [pod]);
      }
    }
  }

  /** In the pods' order. `selector` names at least one label. */
  matching(namespace: string, selector: Labels): Pod[] {
    const [key = "", value = ""] = Object.entries(selector)[0] ?? [];
    const candidates = this.#pods.get(`${namespace} ${key}=${value}`) ?? [];
    return candidates.filter(({ labels }) => labelsMatch(selector, labels));
  }
}

/** Pods whose ports come out the same share slices, as a named port may have another number in each. */
function slicesOf(
  service: Service,
  spec: ServiceSpec,
  pods: readonly Pod[],
  zones: ReadonlyMap<string, string>,
  family: Family,
): EndpointSlice[] {
  const groups = new Map<string, { ports: EndpointSlice["ports"]; endpoints: Endpoint[] }>();
  for (const pod of pods) {
    const address = podAddress(pod, family);
    if (address === undefined) continue;
    const ports = portsOf(service, pod);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(endpointOf(service, spec, pod, address, zones.get(pod.nodeName) ?? ""));
  }
  const parts = [...groups.values()].flatMap(({ ports, endpoints }) =>
    Array.from({ length: Math.ceil(endpoints.length / SLICE_SIZE) }, (_, i) => ({
      ports,
      endpoints: endpoints.slice(i * SLICE_SIZE, (i + 1) * SLICE_SIZE),
    })),
  );
  const labels = {
    ...service.labels,
    [SERVICE_NAME]: service.name,
    ...(isHeadless(service) ? { [HEADLESS]: "" } : {}),
  };
  const name = `${service.name}-slice${family === "IPv4" ? "" : "-ipv6"}`;
  return parts.map(({ ports, endpoints }, i) => ({
    namespace: service.namespace,
    name: parts.length === 1 ? name : `${name}-${i + 1}`,
    labels,
    addressType: family,
    ports,
    endpoints,
  }));
}

/** The Service's ports on one pod; without those whose name no container port of the pod has. */
function portsOf(service: Service, pod: Pod): EndpointSlice["ports"] {
  return service.ports.flatMap(({ name, protocol, targetPort }) => {
    const port = typeof targetPort === "number" ? targetPort : namedPort(pod, targetPort, protocol);
    return port === undefined ? [] : { name, protocol, port };
  });
}

function namedPort(pod: Pod, name: string, protocol: string): number | undefined {
  const ports = pod.containers.flatMap((container) => container.ports);
  return ports.find((port) => port.name === name && port.protocol === protocol)?.containerPort;
}

function endpointOf(service: Service, spec: ServiceSpec, pod: Pod, address: string, zone: string): Endpoint {
  const { namespace, name, nodeName, hostname, subdomain } = pod;
  // PreferSameNode falls back to the zone; PreferClose is the old name of PreferSameZone.
  const near = spec.trafficDistribution;
  return {
    addresses: [address],
    ready: true,
    serving: true,
    terminating: false,
    nodeName,
    zone,
    hostname: subdomain === service.name ? hostname : "",
    forZones: near !== undefined && zone !== "" ? [zone] : [],
    forNodes: near === "PreferSameNode" ? [nodeName] : [],
    targetRef: { kind: "Pod", namespace, name },
  };
}
