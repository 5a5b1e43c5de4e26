// The resolv.conf that the kubelet gives a pod, and that of machines outside the cluster.
import { isIP } from "node:net";
import { CLUSTER_DOMAIN, dnsAddress } from "../kubernetes/dns.ts";
import { familyOfText, podAddress, type Family } from "../kubernetes/families.ts";
import type { Cluster, Pod, PodDns } from "../kubernetes/objects.ts";
import type { ResolverOptions } from "../seam/plan.ts";
import { RESOLVER_ADDRESS } from "./outside-addresses.ts";
import { RESOLVER_ADDRESS6 } from "./outside-addresses6.ts";

/** resolv.conf(5). */
export interface ResolvConf {
  /** Addresses, at most three. */
  nameservers: string[];
  searches: string[];
  ndots: number;
  options: ResolverOptions;
}

/** glibc asks no more servers than these (MAXNS). */
const SERVERS = 3;

/** What nodes, the outside client and hosts have: the resolver outside, by its address of a family, and no search list. */
export function outsideResolvConf(family: Family = "IPv4"): ResolvConf {
  return { nameservers: [resolverAddress(family)], searches: [], ndots: 1, options: {} };
}

export function resolverAddress(family: Family): string {
  return family === "IPv4" ? RESOLVER_ADDRESS : RESOLVER_ADDRESS6;
}

/** The family by which a pod asks the resolver outside. */
export function outsideFamily(pod: Pod): Family {
  return pod.hostNetwork || pod.podIP === "" || podAddress(pod, "IPv4") !== undefined ? "IPv4" : "IPv6";
}

/** A pod's, by its dnsPolicy and dnsConfig. On the host's network ClusterFirst means the node's own. */
export function resolvConf(cluster: Cluster, pod: Pod): ResolvConf {
  const { policy, nameservers, searches, options } = pod.dns ?? NO_CONFIG;
  const first = policy === "ClusterFirstWithHostNet" || (policy === "ClusterFirst" && !pod.hostNetwork);
  const base = first ? clusterFirst(cluster, pod.namespace) : outsideResolvConf(outsideFamily(pod));
  const own = policy === "None" ? { ...base, nameservers: [] } : base;
  const servers = [...own.nameservers, ...nameservers.filter((address) => canAsk(pod, address))];
  return {
    nameservers: [...new Set(servers)].slice(0, SERVERS),
    searches: [...new Set([...own.searches, ...searches])],
    ndots: Math.min(numberOf(options, "ndots") ?? own.ndots, 15),
    options: resolverOptions(options),
  };
}

/** Whether a pod has an address of a server's family. */
function canAsk(pod: Pod, server: string): boolean {
  return isIP(server) !== 0 && (isIP(server) === 4 || podAddress(pod, familyOfText(server)) !== undefined);
}

const NO_CONFIG: PodDns = { policy: "ClusterFirst", nameservers: [], searches: [], options: [] };

function clusterFirst(cluster: Cluster, namespace: string): ResolvConf {
  return {
    nameservers: [dnsAddress(cluster)],
    searches: [`${namespace}.svc.${CLUSTER_DOMAIN}`, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN],
    ndots: 5,
    options: {},
  };
}

function numberOf(options: PodDns["options"], wanted: string): number | undefined {
  const value = options.find(({ name }) => name === wanted)?.value;
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
}

/** The options that change what is on the wire; glibc's limits are 30 seconds and 5 attempts. */
function resolverOptions(options: PodDns["options"]): ResolverOptions {
  const has = (wanted: string): boolean => options.some(({ name }) => name === wanted);
  const timeout = numberOf(options, "timeout");
  const attempts = numberOf(options, "attempts");
  return {
    ...(timeout === undefined ? {} : { timeoutNs: Math.min(Math.max(timeout, 1), 30) * 1e9 }),
    ...(attempts === undefined ? {} : { attempts: Math.min(Math.max(attempts, 1), 5) }),
    ...(has("use-vc") ? { useVc: true } : {}),
    ...(has("single-request") ? { singleRequest: true } : {}),
    ...(has("single-request-reopen") ? { singleRequestReopen: true } : {}),
    ...(has("edns0") ? { edns0: true } : {}),
  };
}
