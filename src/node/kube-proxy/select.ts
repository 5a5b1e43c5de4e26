// Which endpoints a service port's traffic is spread over on this node: ready ones, topology hints, terminating ones as a last resort.
import type { EndpointSlice } from "../../kubernetes/objects.ts";
import type { ProxyContext } from "./context.ts";
import { addressForm, joinHostPort } from "./ip.ts";
import type { ProxyServicePort } from "./service-port.ts";

export interface ProxyEndpoint {
  /** In its canonical form. */
  ip: string;
  port: number;
  /** `ip:port` */
  text: string;
  /** On this node. */
  local: boolean;
  ready: boolean;
  serving: boolean;
  terminating: boolean;
  forZones: string[];
  forNodes: string[];
}

export interface Selection {
  /** For policy Cluster, sorted by text. */
  cluster: ProxyEndpoint[];
  /** For policy Local, sorted by text. */
  local: ProxyEndpoint[];
  /** Both, each endpoint once, sorted by text. */
  all: ProxyEndpoint[];
  /** Whether an endpoint anywhere could serve. */
  usable: boolean;
}

/** EndpointSlices by the Service and port that they are for. */
export class EndpointIndex {
  readonly #slices = new Map<string, EndpointSlice[]>();
  readonly #context: ProxyContext;

  constructor(slices: readonly EndpointSlice[], context: ProxyContext) {
    this.#context = context;
    for (const slice of slices) {
      const service = slice.labels["kubernetes.io/service-name"];
      if (service === undefined || slice.addressType !== context.ipFamily) continue;
      if (slice.labels["service.kubernetes.io/headless"] !== undefined) continue;
      if (slice.labels["service.kubernetes.io/service-proxy-name"] !== undefined) continue;
      const key = `${slice.namespace}/${service}`;
      const list = this.#slices.get(key);
      if (list) list.push(slice);
      else this.#slices.set(key, [slice]);
    }
  }

  /**
   * All endpoints of a service port, sorted by text. The same `ip:port` counts once: an address that a new pod got before the old
   * one was gone is the new pod's; of several that do not terminate the last one counts (addEndpoints in endpointslicecache.go).
   */
  endpoints(port: ProxyServicePort): ProxyEndpoint[] {
    const found = new Map<string, ProxyEndpoint>();
    for (const slice of this.#slices.get(`${port.namespace}/${port.service}`) ?? [])
      for (const { name, protocol, port: number } of slice.ports)
        if (name === port.port && protocol.toLowerCase() === port.protocol && number !== 0)
          for (const endpoint of this.#ofSlice(slice, number))
            if (!endpoint.terminating || !found.has(endpoint.text)) found.set(endpoint.text, endpoint);
    return [...found.values()].sort(byText);
  }

  *#ofSlice(slice: EndpointSlice, port: number): Iterable<ProxyEndpoint> {
    for (const { addresses, ready, serving, terminating, nodeName, forZones, forNodes } of slice.endpoints) {
      const [address] = addresses;
      if (address === undefined) continue;
      const ip = addressForm(address);
      const local = nodeName !== "" && nodeName === this.#context.nodeName;
      yield { ip, port, text: joinHostPort(ip, port), local, ready, serving, terminating, forZones, forNodes };
    }
  }
}

/** Chooses among a service port's endpoints as kube-proxy's topology code does. */
export function selectEndpoints(
  port: ProxyServicePort,
  endpoints: readonly ProxyEndpoint[],
  context: ProxyContext,
): Selection {
  const cluster = port.usesCluster ? orTerminating(endpoints, fittingHints(endpoints, context)) : [];
  if (!port.usesLocal) return { cluster, local: [], all: cluster, usable: cluster.length > 0 };
  const here = endpoints.filter((endpoint) => endpoint.local);
  const local = orTerminating(here, here.filter(isReady));
  const usable = cluster.length > 0 || endpoints.some((endpoint) => isReady(endpoint) || isLastResort(endpoint));
  const all = [...new Set([...cluster, ...local])].sort(byText);
  return { cluster, local, all, usable };
}

/** The ready endpoints that the hints keep for this node or zone. Hints count only if every ready endpoint has one. */
function fittingHints(endpoints: readonly ProxyEndpoint[], context: ProxyContext): ProxyEndpoint[] {
  const ready = endpoints.filter(isReady);
  const zone = context.topologyLabels["topology.kubernetes.io/zone"];
  const forNode = ready.filter(({ forNodes }) => forNodes.includes(context.nodeName));
  if (forNode.length > 0 && ready.every(({ forNodes }) => forNodes.length > 0)) return forNode;
  const forZone = zone ? ready.filter(({ forZones }) => forZones.includes(zone)) : [];
  if (forZone.length > 0 && ready.every(({ forZones }) => forZones.length > 0)) return forZone;
  return ready;
}

/** Without a ready endpoint, those that still serve while they terminate. */
function orTerminating(endpoints: readonly ProxyEndpoint[], ready: ProxyEndpoint[]): ProxyEndpoint[] {
  return ready.length > 0 ? ready : endpoints.filter(isLastResort);
}

function isReady(endpoint: ProxyEndpoint): boolean {
  return endpoint.ready;
}

function isLastResort(endpoint: ProxyEndpoint): boolean {
  return endpoint.serving && endpoint.terminating;
}

/** As text, so 10.0.0.10:80 comes before 10.0.0.2:80. */
function byText(a: ProxyEndpoint, b: ProxyEndpoint): number {
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0;
}
