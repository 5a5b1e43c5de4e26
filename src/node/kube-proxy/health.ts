// kube-proxy's health check server: on every node it tells a load balancer whether the node has an endpoint of its own to serve by.
import type { EndpointSlice, Node, Service } from "../../kubernetes/objects.ts";
import type { ListenerConfig } from "../../seam/machine.ts";
import { nodePortIPs, nodePortsEverywhere, type ProxyContext } from "./context.ts";
import { EndpointIndex } from "./select.ts";
import { proxyServicePorts, type ProxyServicePort } from "./service-port.ts";

/** kube-proxy's own health check, on every node. */
export const PROXY_HEALTH_PORT = 10256;
export const PROXY_HEALTH_PATH = "/healthz";

/**
 * The listener of kube-proxy's own health check. It answers 503 once the node is about to be deleted, so that a load balancer leaves
 * it while its connections can still end (KEP-3836).
 */
export function proxyHealthListener({ name, toBeDeleted = false }: Pick<Node, "name" | "toBeDeleted">): ListenerConfig {
  return {
    namespace: name,
    protocol: "tcp",
    address: "0.0.0.0",
    port: PROXY_HEALTH_PORT,
    application: "service",
    process: "kube-proxy, its own health check",
    response: httpResponse(!toBeDeleted, [], `{"nodeEligible": ${!toBeDeleted}}`),
  };
}

/**
 * A listener for each Service with a health check node port, on the addresses that node ports have. It answers any HTTP request with 200
 * if a ready endpoint is on this node, else with 503; terminating endpoints do not count, so that a node is left in time.
 */
export function healthCheckListeners(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  context: ProxyContext,
): ListenerConfig[] {
  // A Service's ports share one health check node port, which is its own.
  const ports = new Map<number, [ProxyServicePort, ...ProxyServicePort[]]>();
  for (const port of proxyServicePorts(services, context.ipFamily)) {
    if (port.healthCheckNodePort === 0) continue;
    const before = ports.get(port.healthCheckNodePort);
    if (before) before.push(port);
    else ports.set(port.healthCheckNodePort, [port]);
  }
  if (ports.size === 0) return [];
  const index = new EndpointIndex(slices, context);
  const addresses = nodePortsEverywhere(context) ? ["0.0.0.0"] : nodePortIPs(context);
  return [...ports].flatMap(([number, own]) => {
    const local = own.flatMap((port) => index.endpoints(port)).filter((endpoint) => endpoint.local && endpoint.ready);
    const [{ namespace, service }] = own;
    const response = healthResponse(own[0], new Set(local.map(({ ip }) => ip)).size);
    return addresses.map((address) => ({
      namespace: context.nodeName,
      protocol: "tcp" as const,
      address,
      port: number,
      application: "service" as const,
      process: `kube-proxy, health check of Service ${namespace}/${service}`,
      response,
    }));
  });
}

function healthResponse({ namespace, service }: ProxyServicePort, localEndpoints: number): string {
  const body = [
    "{",
    '\t"service": {',
    `\t\t"namespace": "${namespace}",`,
    `\t\t"name": "${service}"`,
    "\t},",
    `\t"localEndpoints": ${localEndpoints},`,
    '\t"serviceProxyHealthy": true',
    "}",
  ].join("\n");
  return httpResponse(localEndpoints > 0, [`X-Load-Balancing-Endpoint-Weight: ${localEndpoints}`], body);
}

/** As Go's server writes it, but without a Date: an answer here is the same at any time. */
function httpResponse(healthy: boolean, headers: string[], body: string): string {
  const head = [
    `HTTP/1.1 ${healthy ? "200 OK" : "503 Service Unavailable"}`,
    "Content-Type: application/json",
    "X-Content-Type-Options: nosniff",
    ...headers,
    `Content-Length: ${body.length}`,
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}
