// The hosts of Ingresses, as names in the world outside that lead to the ingress controller's load balancer.
import { isIP } from "node:net";
import type { Cluster, Ingress } from "../kubernetes/objects.ts";
import { isIngressController } from "../kubernetes/ingresses.ts";
import { loadBalancerAddresses } from "../node/load-balancer.ts";

/** What stands for the star of a wildcard host where a name is needed. */
const STAR = "www";

/** The load balancer's addresses before the ingress controller, one of each family that it has; none: there is no load balancer. */
export function ingressAddresses({ services, pods }: Cluster): string[] {
  const controllers = pods.filter(({ labels }) => isIngressController(labels));
  const service = services.find(
    ({ namespace, type, selector = {} }) =>
      type === "LoadBalancer" &&
      isIngressController(selector) &&
      controllers.some((pod) => pod.namespace === namespace),
  );
  const addresses = service ? loadBalancerAddresses(service) : [];
  return addresses.filter((one, i) => addresses.findIndex((other) => isIP(other) === isIP(one)) === i);
}

/** A name that a rule's host fits. */
export function nameOf(host: string): string {
  return host.replace(/^\*/, STAR);
}

/** Those of `names` that are an Ingress' host, and its hosts themselves, with the load balancer's addresses. */
export function ingressNames(cluster: Cluster, names: readonly string[]): Map<string, string[]> {
  const addresses = ingressAddresses(cluster);
  if (addresses.length === 0) return new Map();
  const hosts = hostsOf(cluster.ingresses ?? []);
  const fitting = names.filter((name) => hosts.some((host) => fits(host, name)));
  return new Map([...hosts.map(nameOf), ...fitting].map((name) => [name, addresses]));
}

function hostsOf(ingresses: readonly Ingress[]): string[] {
  return ingresses.flatMap(({ rules }) => rules.map(({ host }) => host)).filter((host) => host !== "");
}

function fits(host: string, name: string): boolean {
  return host === name || (host.startsWith("*.") && name.slice(name.indexOf(".")) === host.slice(1));
}
