// What the components say to a machine's kernel while it runs: at a moment of virtual time, besides what they said at its start.

import type { Family } from "../iptables/addresses.ts";
import type { RulesText } from "../iptables/rules-text.ts";
import type { IpvsChange } from "./ipvs.ts";
import type { IngressLocation } from "./machine.ts";
import type { DnsRecord } from "./plan.ts";

/** A UDP port of a Service: where datagrams to it go, and who answers them. */
export interface ServedDatagrams {
  /** Of the node port, which is the same for both. */
  family: Family;
  addresses: string[];
  port: number;
  /** On any address of the family; 0: none. */
  nodePort: number;
  /** Addresses of all that serve. */
  servers: string[];
}

/** A name of the plan's zone, or a new one, with all its records. */
export interface ChangedName {
  name: string;
  records: readonly DnsRecord[];
}

export type Action =
  /**
   * `iptables-restore --noflush --counters` of the text `restored`, which leaves the rules `rules` behind. Connections stay. Counters of
   * the chains that have a line of their own in `restored` begin anew; others are kept by rules that stay as they are. `nft`: the table of
   * nftables that is there then. With family `ipv6` it is ip6tables-restore, and rules of IPv6.
   */
  | { kind: "rules"; family?: Family; restored: string; rules: RulesText; nft?: string | undefined }
  /** A sync of kube-proxy in ipvs mode; real servers that are gone leave by and by. */
  | { kind: "ipvs"; change: IpvsChange }
  /** kube-proxy deletes real servers that leave and have no connections any more. */
  | { kind: "reap" }
  /** `ip link set DEVICE down`, or up. */
  | { kind: "link"; device: string; up: boolean }
  /** The cable of a device is cut, for both ends of a veth pair, or mended. */
  | { kind: "carrier"; device: string; on: boolean }
  /** Machines of different sets do not hear each other over any segment; those that are in none hear all. In place of a partition before it. */
  | { kind: "partition"; sets: string[][] }
  /** There is no partition any more. */
  | { kind: "heal" }
  /** `conntrack -D` of the UDP entries that none of the servers answers. */
  | { kind: "stale"; served: readonly ServedDatagrams[] }
  /** `conntrack -F`. */
  | { kind: "flush" }
  /** The servers of the namespace listen, as the machine's listeners say. */
  | { kind: "listen" }
  /** They got SIGTERM: nobody listens any more, connections that are open stay. Counts those. */
  | { kind: "stop" }
  /** They have exited: connections that are still open are closed. Counts those. */
  | { kind: "exit" }
  /** The namespace is deleted with all that is in it: no peer is told. Counts the connections that were open. */
  | { kind: "vanish" }
  /** The DNS servers of the namespace know other names than at the start: those with what they have now, without records not at all. */
  | { kind: "names"; names: readonly ChangedName[] }
  /** The reverse proxies of the namespace hand requests on as the locations say. */
  | { kind: "ingress"; locations: readonly IngressLocation[] }
  /** What a process that listens answers from now on: the whole HTTP response to any request. */
  | { kind: "answer"; address: string; port: number; response: string };

export interface Change {
  atNs: number;
  /** Of partitions: empty, they are no namespace's. */
  namespace: string;
  action: Action;
}
