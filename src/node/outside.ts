// The world outside the cluster: the gateway that maps nodes' IPv4 addresses one to one, the internet's router, outside hosts and a client.
import { createHash } from "node:crypto";
import type { Cluster } from "../kubernetes/objects.ts";
import type { Machine } from "../seam/machine.ts";
import { cardMac, peerMac } from "./macs.ts";
import { gatewayAddress, NODES_SEGMENT } from "./machine.ts";
import {
  CLIENT_ADDRESS,
  CLIENT_GATEWAY,
  CLIENT_PREFIX,
  externalAddress,
  externalNetwork,
  outsideAddresses,
  RESOLVER_ADDRESS,
  type OutsideHost,
  type OutsideOptions,
} from "./outside-addresses.ts";
import {
  CLIENT_ADDRESS6,
  CLIENT_GATEWAY6,
  CLIENT_PREFIX6,
  EXTERNAL6,
  gatewayAddress6,
  RESOLVER_ADDRESS6,
} from "./outside-addresses6.ts";
import { balancedAddresses, HEALTH_CHECKS, loadBalancerMac, loadBalancerMachine } from "./load-balancer.ts";
import { networkForm } from "./kube-proxy/ip.ts";
import { hostBlock, RuleTable } from "./tables.ts";

/** The segment between the gateway and the internet's router. */
export const INTERNET_SEGMENT = "internet";
const DNS_PORT = 53;
export const GATEWAY = "gateway";
export const INTERNET = "internet";
export const CLIENT = "internet/client";
export const RESOLVER = "internet/resolver";

/** The namespace of an outside host. */
export function hostNamespace(address: string): string {
  return `${INTERNET}/${address}`;
}

/**
 * The machines `gateway` and `internet`, and `load-balancer` if a Service has an address from one. Throws an InputError if an outside host, a load balancer address or a node's external
 * address is taken already or lies in a range of the cluster.
 */
export function outsideMachines(cluster: Cluster, options: OutsideOptions): Machine[] {
  const given = { ...options, hosts: mergeHosts(options.hosts) };
  outsideAddresses(cluster, given);
  const { nodeCIDR, six, mtu = 1500, healthChecks = HEALTH_CHECKS } = options;
  const segments = { nodes: NODES_SEGMENT, internet: INTERNET_SEGMENT };
  const { router } = externalNetwork(nodeCIDR);
  const place6 = six && { nodeCIDR: six.nodeCIDR, router: EXTERNAL6.router };
  return [
    gatewayMachine(cluster, given),
    internetMachine(cluster, given),
    ...loadBalancerMachine(cluster, { nodeCIDR, mtu, segments, router, six: place6 }, healthChecks),
  ];
}

/** Each address once, with all its ports once, in the order of their first appearance. */
function mergeHosts(hosts: readonly OutsideHost[]): OutsideHost[] {
  const merged = new Map<string, OutsideHost>();
  for (const { address, ports } of hosts) {
    const host = merged.get(address) ?? { address, ports: [] };
    merged.set(address, host);
    for (const port of ports)
      if (!host.ports.some((known) => known.protocol === port.protocol && known.port === port.port))
        host.ports.push(port);
  }
  return [...merged.values()];
}

function emptyMachine(name: string): Machine {
  return {
    name,
    namespaces: [],
    bridges: [],
    veths: [],
    wires: [],
    addresses: [],
    routes: [],
    neighbours: [],
    listeners: [],
  };
}

function gatewayMachine(cluster: Cluster, options: OutsideOptions): Machine {
  const { nodeCIDR, six, mtu = 1500 } = options;
  const inside = gatewayAddress(nodeCIDR);
  const outside = externalNetwork(nodeCIDR);
  const namespace = GATEWAY;
  const external = cluster.nodes.map((node) => externalAddress(node, nodeCIDR));
  const machine: Machine = {
    ...emptyMachine(GATEWAY),
    namespaces: [
      {
        name: namespace,
        role: "gateway",
        sysctls: [["net.ipv4.ip_forward", "1"], ...forwarding6(options)],
        rules: gatewayRules(cluster, nodeCIDR),
      },
    ],
    wires: [
      { namespace, name: "eth0", mac: cardMac(inside), mtu, segment: NODES_SEGMENT },
      { namespace, name: "eth1", mac: cardMac(outside.gateway), mtu, segment: INTERNET_SEGMENT },
    ],
    addresses: [
      { namespace, device: "eth0", cidr: `${inside}/${nodeCIDR.split("/")[1] ?? "32"}` },
      ...[outside.gateway, ...external].map((ip) => ({ namespace, device: "eth1", cidr: `${ip}/${outside.prefix}` })),
    ],
    routes: [{ namespace, destination: "0.0.0.0/0", via: outside.router, device: "eth1" }],
  };
  if (!six) return machine;
  const [, prefix = "128"] = six.nodeCIDR.split("/");
  machine.addresses.push({ namespace, device: "eth0", cidr: `${gatewayAddress6(six.nodeCIDR)}/${prefix}` });
  machine.addresses.push({ namespace, device: "eth1", cidr: `${EXTERNAL6.gateway}/${EXTERNAL6.prefix}` });
  machine.routes.push({ namespace, destination: "::/0", via: EXTERNAL6.router, device: "eth1" });
  return machine;
}

function forwarding6({ six }: Pick<OutsideOptions, "six">): [string, string][] {
  return six ? [["net.ipv6.conf.all.forwarding", "1"]] : [];
}

/** A node's address becomes its external one on the way out, and the other way round on the way in. */
function gatewayRules(cluster: Cluster, nodeCIDR: string): string {
  const nat = new RuleTable("nat");
  for (const node of cluster.nodes) {
    const external = externalAddress(node, nodeCIDR);
    nat.append("PREROUTING", {
      destination: `${external}/32`,
      in: "eth1",
      target: `DNAT --to-destination ${node.address}`,
    });
    nat.append("POSTROUTING", { source: `${node.address}/32`, out: "eth1", target: `SNAT --to-source ${external}` });
  }
  return new RuleTable("filter").print() + nat.print();
}

function internetMachine(cluster: Cluster, options: OutsideOptions): Machine {
  const { nodeCIDR, hosts, six, mtu = 1500 } = options;
  const { router, prefix } = externalNetwork(nodeCIDR);
  const machine = emptyMachine(INTERNET);
  machine.namespaces.push({
    name: INTERNET,
    role: "internet",
    sysctls: [["net.ipv4.ip_forward", "1"], ...forwarding6(options)],
  });
  machine.wires.push({ namespace: INTERNET, name: "eth0", mac: cardMac(router), mtu, segment: INTERNET_SEGMENT });
  machine.addresses.push({ namespace: INTERNET, device: "eth0", cidr: `${router}/${prefix}` });
  const mac = loadBalancerMac(cluster) ?? "";
  for (const { address } of balancedAddresses(cluster)) {
    const at = { namespace: INTERNET, device: "eth0" };
    machine.routes.push({ ...at, destination: hostBlock(address) });
    // The load balancer was there before the run.
    machine.neighbours.push({ ...at, address, mac });
  }

  const device = addHost(machine, CLIENT, CLIENT_ADDRESS, mtu);
  machine.addresses.push({ namespace: INTERNET, device, cidr: `${CLIENT_GATEWAY}/${CLIENT_PREFIX}` });
  machine.addresses.push({ namespace: CLIENT, device: "eth0", cidr: `${CLIENT_ADDRESS}/${CLIENT_PREFIX}` });
  machine.routes.push({ namespace: CLIENT, destination: "0.0.0.0/0", via: CLIENT_GATEWAY, device: "eth0" });

  const resolver = addRoutedHost(machine, RESOLVER, RESOLVER_ADDRESS, router, mtu);
  if (six) {
    const at = { namespace: INTERNET, device: "eth0" };
    machine.addresses.push({ ...at, cidr: `${EXTERNAL6.router}/${EXTERNAL6.prefix}` });
    machine.routes.push({ ...at, destination: networkForm(six.nodeCIDR), via: EXTERNAL6.gateway });
    machine.addresses.push({ namespace: INTERNET, device, cidr: `${CLIENT_GATEWAY6}/${CLIENT_PREFIX6}` });
    machine.addresses.push({ namespace: CLIENT, device: "eth0", cidr: `${CLIENT_ADDRESS6}/${CLIENT_PREFIX6}` });
    machine.routes.push({ namespace: CLIENT, destination: "::/0", via: CLIENT_GATEWAY6, device: "eth0" });
    addHostAddress(machine, RESOLVER, resolver, RESOLVER_ADDRESS6, EXTERNAL6.router);
  }
  for (const protocol of ["udp", "tcp"] as const)
    machine.listeners.push({
      namespace: RESOLVER,
      protocol,
      address: "0.0.0.0",
      port: DNS_PORT,
      application: "dns",
      process: "resolver",
      dns: { names: "outside" },
    });

  for (const { address, ports } of hosts) {
    const namespace = hostNamespace(address);
    addRoutedHost(machine, namespace, address, address.includes(":") ? EXTERNAL6.router : router, mtu);
    for (const { protocol, port } of ports)
      machine.listeners.push({
        namespace,
        protocol,
        address: "0.0.0.0",
        port,
        application: "service",
        process: `host ${address}`,
      });
  }
  return machine;
}

/** A host with a link for its one address on either side, so that any two public addresses may be hosts. Returns the router's end. */
function addRoutedHost(machine: Machine, namespace: string, address: string, router: string, mtu: number): string {
  const device = addHost(machine, namespace, address, mtu);
  addHostAddress(machine, namespace, device, address, router);
  return device;
}

/** Gives a host an address. `router`: an address of the router, which may be that of another link of it. */
function addHostAddress(machine: Machine, namespace: string, device: string, address: string, router: string): void {
  const six = address.includes(":");
  const at = { namespace, device: "eth0" };
  machine.addresses.push({ ...at, cidr: hostBlock(address) });
  machine.routes.push({ namespace: INTERNET, destination: hostBlock(address), device });
  machine.routes.push({ ...at, destination: hostBlock(router) });
  machine.routes.push({ ...at, destination: six ? "::/0" : "0.0.0.0/0", via: router });
  // Nobody answers a neighbour solicitation for an address of another link, as hosts do with ARP.
  const near = machine.veths.find(({ a }) => a.namespace === INTERNET && a.name === device)?.a;
  if (six && near) machine.neighbours.push({ ...at, address: router, mac: near.mac });
}

/** A namespace joined to the router by a veth pair. Returns the router's end: `veth` and the address in hexadecimal, of IPv6 a hash of it. */
function addHost(machine: Machine, namespace: string, address: string, mtu: number): string {
  const digits = address.includes(":")
    ? createHash("sha256").update(address).digest("hex").slice(0, 8)
    : address
        .split(".")
        .map((byte) => Number(byte).toString(16).padStart(2, "0"))
        .join("");
  const name = `veth${digits}`;
  machine.namespaces.push({ name: namespace, role: "host", sysctls: [] });
  machine.veths.push({
    a: { namespace: INTERNET, name, mac: peerMac(address) },
    b: { namespace, name: "eth0", mac: cardMac(address) },
    mtu,
  });
  return name;
}
