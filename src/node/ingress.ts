// What ingress-nginx makes of the cluster's Ingresses: hosts and paths in the order in which they are tried, and the pods behind them.
import { SERVICE_NAME } from "../kubernetes/endpoints.ts";
import type { Cluster, Ingress, IngressBackend } from "../kubernetes/objects.ts";
import type { IngressLocation } from "../seam/machine.ts";

type State = Pick<Cluster, "ingresses" | "services" | "endpointSlices">;

interface Site {
  host: string;
  locations: IngressLocation[];
  fallback: IngressLocation["servers"];
}

/**
 * Exact hosts come before wildcards, and those before none; of one host the longest path, Exact before Prefix. A host's last location takes
 * what no path fits: the Ingress' default backend, or nobody. Endpoints are called directly, not by the Service's address.
 */
export function ingressLocations(cluster: State): IngressLocation[] {
  const sites = new Map<string, Site>();
  const site = (host: string): Site => {
    const found = sites.get(host) ?? { host, locations: [], fallback: undefined };
    sites.set(host, found);
    return found;
  };
  for (const ingress of cluster.ingresses ?? []) {
    const fallback = ingress.defaultBackend && serversOf(cluster, ingress, ingress.defaultBackend);
    if (ingress.rules.length === 0) site("").fallback ??= fallback;
    for (const { host, paths } of ingress.rules) {
      const own = site(host);
      own.fallback ??= fallback;
      for (const { path, exact, backend } of paths) {
        // A prefix is one of elements: a slash at its end means nothing.
        const plain = exact ? path : path.replace(/\/+$/, "");
        const known = own.locations.some((other) => other.path === plain && other.exact === exact);
        if (!known) own.locations.push({ host, path: plain, exact, servers: serversOf(cluster, ingress, backend) });
      }
    }
  }
  return [...sites.values()]
    .sort((a, b) => rank(a.host) - rank(b.host))
    .flatMap(({ host, locations, fallback }) => [
      ...locations.sort((a, b) => b.path.length - a.path.length || Number(b.exact) - Number(a.exact)),
      { host, path: "", exact: false, servers: fallback },
    ]);
}

function rank(host: string): number {
  return host === "" ? 2 : host.startsWith("*.") ? 1 : 0;
}

/** The ready endpoints behind a Service's port, of both families as ingress-nginx calls either; none if there is no such Service or port. */
function serversOf(
  { services, endpointSlices }: State,
  { namespace }: Ingress,
  backend: IngressBackend,
): { address: string; port: number }[] {
  const service = services.find((one) => one.namespace === namespace && one.name === backend.service);
  const port = service?.ports.find(
    ({ name, port }) => backend.port === (typeof backend.port === "number" ? port : name),
  );
  if (!service || !port) return [];
  return endpointSlices
    .filter(
      ({ namespace: where, labels, addressType }) =>
        where === namespace && labels[SERVICE_NAME] === service.name && addressType !== "FQDN",
    )
    .flatMap(({ endpoints, ports }) => {
      const target = ports.find(({ name, protocol }) => name === port.name && protocol === "TCP")?.port;
      if (target === undefined) return [];
      const ready = endpoints.filter((endpoint) => endpoint.ready);
      return ready.flatMap(({ addresses }) => addresses.map((address) => ({ address, port: target })));
    });
}
