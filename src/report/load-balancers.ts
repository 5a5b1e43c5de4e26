// What the load balancer did, in the report's words: connections by node, nodes that it left out, and when each came or went.
import type { Cluster } from "../kubernetes/objects.ts";
import type { BalancerResult } from "../seam/plan.ts";
import { formatCount, formatTime } from "./format.ts";

export interface LoadBalancerReport {
  /** `default/frontend`. */
  service: string;
  address: string;
  protocol: "tcp" | "udp";
  port: number;
  /** By node: connections handed to it. */
  connections: Record<string, number>;
  /** Nodes that were not healthy at the end. */
  unhealthy: string[];
}

export interface HealthChange {
  atNs: number;
  node: string;
  /** That was asked. */
  port: number;
  healthy: boolean;
  /** The HTTP status, `refused`, `timed out` or `no HTTP`. */
  result: string;
}

/** The results of load balancers with nodes by their names. */
export function loadBalancerReports(
  balancers: readonly BalancerResult[],
  { nodes }: Pick<Cluster, "nodes">,
): { loadBalancers: LoadBalancerReport[]; healthChanges: HealthChange[] } {
  const names = new Map(
    nodes.flatMap(({ address, address6 = "", name }) => [address, address6].map((ip) => [ip, name])),
  );
  const nameOf = (address: string): string => names.get(address) ?? address;
  return {
    loadBalancers: balancers.flatMap(({ virtualServers }) =>
      virtualServers.map(({ name: service, address, protocol, port, servers }) => ({
        service,
        address,
        protocol,
        port,
        connections: Object.fromEntries(
          servers
            .filter(({ connections }) => connections > 0)
            .map((server) => [nameOf(server.address), server.connections]),
        ),
        unhealthy: servers.filter(({ healthy }) => !healthy).map((server) => nameOf(server.address)),
      })),
    ),
    healthChanges: balancers.flatMap(({ changes }) =>
      changes.map(({ atNs, address, port, healthy, result }) => ({
        atNs,
        node: nameOf(address),
        port,
        healthy,
        result,
      })),
    ),
  };
}

/** So many nodes are named in a line, and so many changes told. */
const NAMED = 5;

/** Lines of the summary: the spread of each load balancer that had connections, then the nodes that came or went during the run. */
export function loadBalancerRemarks(
  loadBalancers: readonly LoadBalancerReport[],
  healthChanges: readonly HealthChange[],
): string[] {
  return [
    ...loadBalancers
      .filter(({ connections }) => Object.keys(connections).length > 0)
      .map(({ service, port, connections, unhealthy }) => {
        const spread = shortList(Object.entries(connections).map(([node, n]) => `${node} ${formatCount(n)}`));
        const out = unhealthy.length === 0 ? "" : `; out: ${shortList(unhealthy)}`;
        return `load balancer of ${service}:${port}: ${spread}${out}`;
      }),
    ...shortened(
      healthChanges
        .filter(({ node, port }, i) => healthChanges.findIndex((one) => one.node === node && one.port === port) < i)
        .map(({ atNs, node, port, healthy, result }) => {
          const answered = /^\d/.test(result) ? `answered ${result}` : result;
          return `at ${formatTime(atNs)} ${node} became ${healthy ? "healthy" : "unhealthy"}: its health check on port ${port} ${answered}`;
        }),
    ),
  ];
}

function shortList(names: readonly string[]): string {
  return shortened(names).join(", ");
}

function shortened(all: readonly string[]): string[] {
  return all.length > NAMED ? [...all.slice(0, NAMED), `and ${all.length - NAMED} more`] : [...all];
}
