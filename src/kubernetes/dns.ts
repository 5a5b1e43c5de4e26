// The cluster's DNS: the records that CoreDNS answers with, and the names that a pod's resolver asks for.
import { isIP } from "node:net";
import { reverseName } from "../address6.ts";
import type { DnsRecord } from "../seam/plan.ts";
import { SERVICE_NAME } from "./endpoints.ts";
import { familyOfText, IPV4_ALONE, type Family } from "./families.ts";
import type { Cluster, Endpoint, EndpointSlice, Service } from "./objects.ts";
import { isHeadless } from "./services.ts";
import { DNS_SERVICE } from "./system.ts";

export const CLUSTER_DOMAIN = "cluster.local";
/** The `ttl 30` of kubeadm's Corefile. */
const TTL = 30;
/** Namespaces that every cluster has. */
const NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];

/** The address of the cluster's DNS Service. Throws a TypeError for a cluster without one, which buildCluster makes none of. */
export function dnsAddress(cluster: Cluster): string {
  const service = cluster.services.find(
    ({ namespace, name }) => namespace === DNS_SERVICE.namespace && name === DNS_SERVICE.name,
  );
  const [address] = service?.clusterIPs ?? [];
  if (address === undefined) throw new TypeError("the cluster has no DNS Service");
  return address;
}

/**
 * The names that a resolver asks for, in order, without final dots. As glibc does it: a name of fewer than `ndots` dots is tried with the
 * search list first and as it is last; others the other way round; with a final dot as it is only.
 */
export function searchNames(resolver: { searches: readonly string[]; ndots: number }, name: string): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const searched = resolver.searches.map((suffix) => (suffix === "." ? name : `${name}.${suffix}`));
  const dots = name.split(".").length - 1;
  return dots < resolver.ndots ? [...searched, name] : [name, ...searched];
}

/** All records: those of the server itself, the namespaces, then Service by Service, of the cluster's families; every record once. */
export function dnsRecords(cluster: Cluster): DnsRecord[] {
  return new Zone().recordsOf(cluster);
}

/** The records of a cluster in one state after the other: a Service whose slices are those that it had keeps the records that it had. */
export class Zone {
  #services: readonly Service[] = [];
  #families: readonly Family[] = IPV4_ALONE;
  #clusterIPs: ReadonlySet<string> = new Set();
  readonly #known = new Map<Service, { slices: readonly EndpointSlice[]; records: readonly DnsRecord[] }>();

  /** As dnsRecords. Objects of a cluster are replaced, not changed. */
  recordsOf(cluster: Cluster): DnsRecord[] {
    const { services, families = IPV4_ALONE } = cluster;
    if (services !== this.#services || families !== this.#families) {
      this.#services = services;
      this.#families = families;
      this.#clusterIPs = new Set(services.flatMap(({ clusterIPs }) => clusterIPs));
      this.#known.clear();
    }
    const slices = slicesByService(cluster.endpointSlices, families);
    const records = new Map<string, DnsRecord>();
    const add = (record: DnsRecord): void => {
      records.set(`${record.name} ${record.type} ${record.value}`, record);
    };
    for (const record of [...serverRecords(cluster), ...namespaceRecords(cluster)]) add(record);
    for (const service of services)
      for (const record of this.#ofService(service, slices.get(`${service.namespace}/${service.name}`) ?? []))
        add(record);
    return [...records.values()];
  }

  #ofService(service: Service, slices: readonly EndpointSlice[]): readonly DnsRecord[] {
    const known = this.#known.get(service);
    if (known?.slices.length === slices.length && known.slices.every((slice, i) => slice === slices[i]))
      return known.records;
    const records = serviceRecords(service, slices, this.#clusterIPs, this.#families);
    this.#known.set(service, { slices, records });
    return records;
  }
}

/** CoreDNS says that the zone is served by its Service, and calls it ns.dns too. */
function serverRecords({ services }: Cluster): DnsRecord[] {
  const { namespace, name } = DNS_SERVICE;
  const [address] = services.find((one) => one.namespace === namespace && one.name === name)?.clusterIPs ?? [];
  if (address === undefined || isIP(address) === 0) return [];
  return [
    record(CLUSTER_DOMAIN, "NS", `${name}.${namespace}.svc.${CLUSTER_DOMAIN}`),
    addressRecord(`ns.dns.${CLUSTER_DOMAIN}`, address),
  ];
}

/** A namespace's name exists below svc, and below pod, where its pods have names made of their addresses. */
function namespaceRecords({ namespaces, services }: Cluster): DnsRecord[] {
  const used = [...namespaces.map(({ name }) => name), ...services.map(({ namespace }) => namespace)];
  return [...new Set([...NAMESPACES, ...used])].flatMap((namespace) => [
    record(`${namespace}.svc.${CLUSTER_DOMAIN}`, "NAME", ""),
    record(`${namespace}.pod.${CLUSTER_DOMAIN}`, "PODS", ""),
  ]);
}

function slicesByService(slices: readonly EndpointSlice[], families: readonly string[]): Map<string, EndpointSlice[]> {
  const found = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    const service = slice.labels[SERVICE_NAME];
    if (service === undefined || !families.includes(slice.addressType)) continue;
    const key = `${slice.namespace}/${service}`;
    const list = found.get(key);
    if (list) list.push(slice);
    else found.set(key, [slice]);
  }
  return found;
}

function record(name: string, type: DnsRecord["type"], value: string): DnsRecord {
  return { name: name.toLowerCase(), type, ttl: TTL, value };
}

/** An A or an AAAA record. */
function addressRecord(name: string, ip: string): DnsRecord {
  return record(name, ip.includes(":") ? "AAAA" : "A", ip);
}

function serviceRecords(
  service: Service,
  slices: readonly EndpointSlice[],
  clusterIPs: ReadonlySet<string>,
  families: readonly Family[],
): DnsRecord[] {
  const domain = `${service.namespace}.svc.${CLUSTER_DOMAIN}`;
  const name = `${service.name}.${domain}`;
  // CoreDNS answers a CNAME only for a name, not for what is an address.
  if (service.type === "ExternalName")
    return isIP(service.externalName) !== 0 ? [] : [record(name, "CNAME", service.externalName)];
  const headless = isHeadless(service);
  const addresses = service.clusterIPs.filter((ip) => isIP(ip) !== 0 && families.includes(familyOfText(ip)));
  const endpoints = slices.flatMap((slice) =>
    readyEndpoints(slice).map(({ ip, label }) => ({ ip, own: `${label}.${name}`, ports: slice.ports })),
  );
  const ports = headless
    ? endpoints.flatMap(({ own, ports }) => ports.map((port) => ({ ...port, target: own })))
    : service.ports.map((port) => ({ ...port, target: name }));
  return [
    ...addresses.flatMap((ip) => [addressRecord(name, ip), record(reverseName(ip), "PTR", name)]),
    ...(headless ? endpoints.map(({ ip }) => addressRecord(name, ip)) : []),
    // Endpoints have names of their own behind every Service, headless or not.
    ...endpoints.flatMap(({ ip, own }) => [
      addressRecord(own, ip),
      ...(clusterIPs.has(ip) ? [] : [record(reverseName(ip), "PTR", own)]),
    ]),
    ...srvRecords(name, ports),
  ];
}

/** The ready endpoints of a slice, each with its label in DNS: the hostname, or else the address with dashes. */
function readyEndpoints({ endpoints }: EndpointSlice): { ip: string; label: string }[] {
  return endpoints.filter(({ ready }) => ready).flatMap(labelled);
}

function labelled({ addresses, hostname }: Endpoint): { ip: string; label: string }[] {
  return addresses.map((ip) => ({ ip, label: hostname === "" ? ip.replaceAll(/[.:]/g, "-") : hostname }));
}

/** One record for each target of a named port. The targets of a name share the weight of 100, but have 1 at least. */
function srvRecords(
  service: string,
  ports: readonly { name: string; protocol: string; port: number; target: string }[],
): DnsRecord[] {
  const byName = new Map<string, string[]>();
  for (const { name, protocol, port, target } of ports) {
    if (name === "") continue;
    const key = `_${name}._${protocol.toLowerCase()}.${service}`;
    const where = `${port} ${target}`;
    const list = byName.get(key);
    if (list) list.push(where);
    else byName.set(key, [where]);
  }
  return [...byName].flatMap(([name, targets]) => {
    const weight = Math.max(1, Math.floor(100 / targets.length));
    return targets.map((target) => record(name, "SRV", `0 ${weight} ${target}`));
  });
}
