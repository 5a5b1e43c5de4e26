// The seam: what the Kubernetes components say to a machine's kernel, as data: links, addresses, routes, neighbours,
// sysctls, iptables-save text and listening sockets. Nothing here has heard of a Pod; nothing here touches a frame.

import type { RulesText } from "../iptables/rules-text.ts";
import type { IpvsConfig } from "./ipvs.ts";
import type { NetemConfig } from "./netem.ts";
import type { ProcessorConfig } from "./processor.ts";

/** A network namespace. Devices, addresses and the rest name it by `name`. */
export interface NamespaceConfig {
  /** Unique in the run; it is the first part of capture interface names: `node-1`, `shop/frontend-0`. */
  name: string;
  /** What it is, for interface descriptions in captures. */
  role: "node" | "pod" | "gateway" | "internet" | "host" | "load balancer";
  /** `sysctl -w` settings in order, such as ["net.ipv4.ip_forward", "1"]; an unknown key is refused. */
  sysctls: [key: string, value: string][];
  /** What conntrack says of TCP segments that were delayed until their window had passed. Default: accept, as Linux from 6.1 on. */
  delayedSegments?: "accept" | "invalid";
  /** What becomes of a first packet whose connection clashes with one that was translated otherwise. Default: keep, as Linux does today. */
  conntrackClash?: "keep" | "drop";
  /** iptables-save text loaded into the namespace; without it no table exists and nothing is tracked. */
  rules?: RulesText;
  /** ip6tables-save text, likewise for IPv6. */
  ipv6Rules?: RulesText;
  /** `ipset save` text of the sets that the rules name. */
  sets?: string;
  /** `nft list table` text of a table that was loaded after the iptables rules. */
  nft?: string;
  /** The same of family ip6, which was loaded after the rules for IPv6. */
  ipv6Nft?: string;
  /** Its ip_vs, which takes part where rules are. */
  ipvs?: IpvsConfig;
}

/** A device that nothing comes in by, and that swallows what it is to send; it has addresses. */
export interface DummyConfig {
  namespace: string;
  name: string;
  mac: string;
  mtu: number;
}

/** One end of a veth pair. */
export interface VethEnd {
  namespace: string;
  /** At most 15 characters, like IFNAMSIZ - 1. */
  name: string;
  mac: string;
  /** The bridge (in the same namespace) that this end is a port of. */
  bridge?: string;
  /** The bridge port flag: may a frame leave by the port that it came in by. */
  hairpin?: boolean;
  /** Of this end alone. */
  mtu?: number;
  /** What becomes of the frames that this end sends; absent: they arrive at once. */
  netem?: NetemConfig;
}

export interface Veth {
  a: VethEnd;
  b: VethEnd;
  mtu: number;
}

export interface BridgeConfig {
  namespace: string;
  name: string;
  mac: string;
  mtu: number;
}

/** A network card on a segment: the only kind of device whose frames leave the machine. */
export interface WireEnd {
  namespace: string;
  name: string;
  mac: string;
  mtu: number;
  segment: string;
  /** What becomes of the frames that it sends; absent: latency and rate are those of the segment. */
  netem?: NetemConfig;
}

/** A VXLAN device: frames that it sends leave the machine inside UDP datagrams. */
export interface VxlanConfig {
  namespace: string;
  name: string;
  mac: string;
  mtu: number;
  vni: number;
  /** The UDP port that it sends to and receives on. */
  port: number;
  /** The source address of the datagrams. */
  local: string;
  /** `bridge fdb append MAC dev NAME dst ADDRESS`: behind which host a MAC address is; it learns nothing by itself. */
  remotes: { mac: string; address: string }[];
}

export interface AddressConfig {
  namespace: string;
  device: string;
  /** `10.244.1.1/24`. */
  cidr: string;
}

export interface RouteConfig {
  namespace: string;
  /** `0.0.0.0/0` is the default route. */
  destination: string;
  via?: string;
  /** May be left out if `via` is on a connected network; where it is not, the gateway counts as on the link (`onlink`). */
  device?: string;
  /** The preferred source address. */
  source?: string;
  metric?: number;
}

/** Routes that many namespaces have, each but the one to itself, out of one device. */
export interface CommonRoutes {
  namespace: string;
  device: string;
  /** The same list for all. */
  routes: readonly { destination: string; via: string }[];
  /** The place in the list of the route that this namespace does not have. */
  except: number;
}

export interface NeighbourConfig {
  namespace: string;
  device: string;
  address: string;
  mac: string;
}

/**
 * A listening socket and what answers on it.
 * `service`: over TCP, a request that begins like an HTTP request line gets an HTTP/1.1 response of
 * `responseBytes`, anything else is echoed; over UDP the datagram is echoed. `dns` answers names, over UDP and TCP, as `dns` says,
 * `meter` counts the datagrams of a stream, `ingress` hands HTTP requests on to the servers that `ingress` says.
 */
export interface ListenerConfig {
  namespace: string;
  protocol: "tcp" | "udp";
  /** `0.0.0.0` listens on every address of the namespace. */
  address: string;
  port: number;
  application: "service" | "dns" | "meter" | "ingress";
  /** Who listens, for the report: `container web`. */
  process: string;
  /** It does not listen until a change says so. */
  later?: boolean;
  responseBytes?: number;
  /** The whole HTTP response of a `service`, head and body, in place of one that names the namespace. */
  response?: string;
  /** Default: the plan's `zone`, and nobody is asked about other names. */
  dns?: DnsServerConfig;
  ingress?: IngressLocation[];
}

/** A host and path of a reverse proxy; the first in the list that a request fits is taken. */
export interface IngressLocation {
  /** In lower case; empty: every host; `*.example.com`: one label more. */
  host: string;
  /** From the first slash; as a prefix without one at its end. */
  path: string;
  exact: boolean;
  /** In turn; none: "503 Service Unavailable". Undefined: "404 Not Found". */
  servers: { address: string; port: number }[] | undefined;
}

/** What a DNS server answers from, and the server that it asks about names which are not in there. */
export interface DnsServerConfig {
  names: "zone" | "outside";
  forward?: string;
}

/**
 * A load balancer in a namespace: connections to a virtual server are handed to one of its servers that is healthy, by a hash over
 * addresses and ports, and stay with it.
 */
export interface BalancerConfig {
  namespace: string;
  virtualServers: VirtualServerConfig[];
  checks: HealthCheckConfig[];
}

export interface VirtualServerConfig {
  /** Whose it is, for the report: `default/frontend`. */
  name: string;
  /** An address of the namespace. */
  address: string;
  protocol: "tcp" | "udp";
  port: number;
  /**
   * The load balancer ends connections itself, and opens one of its own to this port of a server; TCP alone. Absent: packets are handed
   * on as they are.
   */
  relayPort?: number;
  /** All connections of a client go to one server, as long as none comes or goes. */
  bySource: boolean;
  /** `check`: index into `checks`. */
  servers: { address: string; check: number }[];
}

/** GET over HTTP; 200 is health. The first result counts at once, from then on `rise` or `fall` of them in a row. */
export interface HealthCheckConfig {
  address: string;
  port: number;
  path: string;
  intervalNs: number;
  timeoutNs: number;
  rise: number;
  fall: number;
}

/** Everything that one partition of the engine owns: a node with its pods, the gateway, the internet. */
export interface Machine {
  name: string;
  /** The first is the root namespace. */
  namespaces: NamespaceConfig[];
  bridges: BridgeConfig[];
  veths: Veth[];
  wires: WireEnd[];
  tunnels?: VxlanConfig[];
  dummies?: DummyConfig[];
  addresses: AddressConfig[];
  routes: RouteConfig[];
  commonRoutes?: CommonRoutes;
  neighbours: NeighbourConfig[];
  listeners: ListenerConfig[];
  balancer?: BalancerConfig;
  /** Absent: what it does takes no time. */
  processor?: ProcessorConfig;
}
