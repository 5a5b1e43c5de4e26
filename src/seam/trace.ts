// What a traced packet did, step by step, as the kernel noted it: data without the kernel's handles.

/** The packet as it was at a step. */
export interface PacketView {
  /** Bytes of the frame from the Ethernet header on. */
  length: number;
  macSource: string;
  macDestination: string;
  network: IpView | ArpView | { kind: "other"; etherType: number };
  /** skb->mark */
  mark: number;
  /** The bridge ports that it came in by and goes out by, for br_netfilter. */
  physIn?: string;
  physOut?: string;
  /** The packet from the network header on, at most 128 bytes. */
  header: Uint8Array;
}

export interface IpView {
  kind: "ipv4" | "ipv6";
  source: string;
  destination: string;
  /** Number of the protocol: 6 is TCP. */
  protocol: number;
  /** The hop limit of IPv6. */
  ttl: number;
  /** 0 for IPv6. */
  id: number;
  /** The traffic class of IPv6. */
  tos: number;
  /** Bytes of the packet as its header says, and of the header, extension headers of IPv6 among it. */
  totalLength: number;
  headerLength: number;
  /** The flags and the offset of fragments, as in the header; 0 for IPv6. */
  fragment: number;
  /** TCP and UDP. */
  sourcePort?: number;
  destinationPort?: number;
  /** TCP: the flags byte of the header. */
  tcpFlags?: number;
  /** ICMP, or ICMPv6. */
  icmp?: { type: number; code: number; id: number };
}

export interface ArpView {
  kind: "arp";
  operation: "request" | "reply";
  sender: string;
  target: string;
}

export interface TupleView {
  source: string;
  destination: string;
  /** TCP and UDP; for ICMP the id and the type. */
  sourcePort: number;
  destinationPort: number;
}

/** The connection of a packet as conntrack had it at a step. */
export interface ConnectionView {
  /** As xt_conntrack names it. */
  state: "NEW" | "ESTABLISHED" | "RELATED" | "INVALID" | "UNTRACKED";
  direction: "original" | "reply";
  /** In the table; absent for INVALID and UNTRACKED. */
  entry?: {
    protocol: number;
    original: TupleView;
    reply: TupleView;
    assured: boolean;
    confirmed: boolean;
    mark: number;
    /** Seconds until it ends. */
    timeout: number;
    /** As /proc/net/nf_conntrack names the state of TCP. */
    tcpState?: string;
  };
}

/** A rule, or with index `policy` the policy of a built-in chain or the end of a user chain. */
export interface RuleView {
  table: string;
  chain: string;
  /** From 1, as `iptables -L --line-numbers` counts. */
  index: number | "policy";
  /** The same, a policy coming after the last rule. */
  number: number;
  /** As iptables-save prints it; for a policy `ACCEPT`, `DROP` or `RETURN`. */
  text: string;
  /** The argument of `-m comment`, if the rule has one. */
  comment?: string;
}

export type Detail =
  | { kind: "receive"; device: string }
  | { kind: "transmit"; device: string }
  | { kind: "bridge"; from?: string; decision: "up" | "forward" | "flood" | "refused"; to?: string }
  | { kind: "hook"; hook: string; input?: string; output?: string }
  | { kind: "table"; table: string; chain: string }
  | { kind: "rule"; rule: RuleView; /** Rules looked at before it, since the last that matched. */ passed: number }
  | { kind: "miss"; rule: RuleView; failed: string }
  | { kind: "tracked" }
  | { kind: "confirmed" }
  | { kind: "nat"; manip: "source" | "destination"; before: TupleView }
  | { kind: "route"; incoming: boolean; type: string; device?: string; nextHop?: string }
  | { kind: "neighbour"; device: string; address: string; state: "known" | "asked" | "queued" }
  | {
      kind: "socket";
      owner: "service" | "dns" | "client" | "echo" | "sink" | "kernel" | "ingress" | "check" | "relay" | "tunnel";
    }
  | { kind: "drop"; reason: string }
  | { kind: "answer"; type: number; code: number }
  | { kind: "reset" }
  /** ip_vs: a request goes on to a real server, an answer back in the name of its virtual service, or nobody takes the request. */
  | {
      kind: "ipvs";
      what: "scheduled" | "kept" | "known" | "reply" | "nobody";
      /** The real server's, or the virtual service's. */
      address: string;
      port: number;
      scheduler?: string;
    }
  /** A load balancer hands the packet on as it is. */
  | { kind: "balance"; server: string };

export type Step = Detail & {
  namespace: string;
  timeNs: number;
  /** The same on every interface that one packet passes. */
  packet: number;
  /** Index of the traffic line, undefined for none. */
  line?: number | undefined;
  view: PacketView;
  connection?: ConnectionView | undefined;
};
