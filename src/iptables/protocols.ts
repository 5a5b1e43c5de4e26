// Protocol numbers by their names in /etc/protocols, as iptables-save prints them.

const NAMES: readonly (readonly [number: number, name: string])[] = [
  [1, "icmp"],
  [2, "igmp"],
  [3, "ggp"],
  [4, "ipencap"],
  [5, "st"],
  [6, "tcp"],
  [8, "egp"],
  [9, "igp"],
  [12, "pup"],
  [17, "udp"],
  [20, "hmp"],
  [22, "xns-idp"],
  [27, "rdp"],
  [29, "iso-tp4"],
  [33, "dccp"],
  [36, "xtp"],
  [37, "ddp"],
  [38, "idpr-cmtp"],
  [41, "ipv6"],
  [43, "ipv6-route"],
  [44, "ipv6-frag"],
  [45, "idrp"],
  [46, "rsvp"],
  [47, "gre"],
  [50, "esp"],
  [51, "ah"],
  [57, "skip"],
  [58, "ipv6-icmp"],
  [59, "ipv6-nonxt"],
  [60, "ipv6-opts"],
  [73, "rspf"],
  [81, "vmtp"],
  [88, "eigrp"],
  [89, "ospf"],
  [93, "ax.25"],
  [94, "ipip"],
  [97, "etherip"],
  [98, "encap"],
  [103, "pim"],
  [108, "ipcomp"],
  [112, "vrrp"],
  [115, "l2tp"],
  [124, "isis"],
  [132, "sctp"],
  [133, "fc"],
  [135, "mobility-header"],
  [136, "udplite"],
  [137, "mpls-in-ip"],
  [138, "manet"],
  [139, "hip"],
  [140, "shim6"],
  [141, "wesp"],
  [142, "rohc"],
  [143, "ethernet"],
];

// What iptables knows besides the file.
const OTHER_NAMES: readonly (readonly [name: string, number: number])[] = [
  ["icmpv6", 58],
  ["mh", 135],
  ["ipv6-mh", 135],
];

const BY_NAME = new Map([...NAMES.map(([number, name]) => [name, number] as const), ...OTHER_NAMES]);
const BY_NUMBER = new Map(NAMES);

export const PROTO_ICMP = 1;
export const PROTO_TCP = 6;
export const PROTO_UDP = 17;
export const PROTO_ICMPV6 = 58;
export const PROTO_SCTP = 132;

const WITH_PORTS: ReadonlySet<number> = new Set([PROTO_TCP, PROTO_UDP, 33, PROTO_SCTP, 136]);

/** A protocol name (upper or lower case) or number; `all` is 0. Undefined if unknown. */
export function parseProtocol(text: string): number | undefined {
  if (/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) return Number(text) <= 255 ? Number(text) : undefined;
  const name = text.toLowerCase();
  return name === "all" ? 0 : BY_NAME.get(name);
}

export function formatProtocol(number: number): string {
  return BY_NUMBER.get(number) ?? `${number}`;
}

/** Whether the protocol's header begins with two ports: TCP, UDP, DCCP, SCTP, UDP-Lite. */
export function hasPorts(protocol: { number: number; inverted: boolean } | undefined): boolean {
  return protocol !== undefined && !protocol.inverted && WITH_PORTS.has(protocol.number);
}
