// Numbers with names: why frames are dropped, netfilter verdicts, conntrack and NAT states, device and route kinds.

// Drop reasons: SKB_DROP_REASON_* of include/net/dropreason-core.h, in our own numbering.
export const DROP_NONE = 0;
export const DROP_NO_SOCKET = 1;
export const DROP_PKT_TOO_SMALL = 2;
export const DROP_TCP_CSUM = 3;
export const DROP_UDP_CSUM = 4;
export const DROP_NETFILTER_DROP = 5;
export const DROP_OTHERHOST = 6;
export const DROP_IP_CSUM = 7;
export const DROP_IP_INHDR = 8;
export const DROP_IP_RPFILTER = 9;
export const DROP_UNICAST_IN_L2_MULTICAST = 10;
export const DROP_IP_NOPROTO = 11;
export const DROP_TCP_RESET = 12;
export const DROP_TCP_OLD_DATA = 13;
export const DROP_TCP_OFOMERGE = 14;
export const DROP_IP_OUTNOROUTES = 15;
export const DROP_NEIGH_FAILED = 16;
export const DROP_NEIGH_QUEUEFULL = 17;
export const DROP_QDISC_DROP = 18;
export const DROP_DEV_READY = 19;
export const DROP_UNHANDLED_PROTO = 20;
export const DROP_ICMP_CSUM = 21;
export const DROP_INVALID_PROTO = 22;
export const DROP_IP_INADDRERRORS = 23;
export const DROP_IP_INNOROUTES = 24;
export const DROP_IP_LOCAL_SOURCE = 25;
export const DROP_IP_INVALID_SOURCE = 26;
export const DROP_IP_LOCALNET = 27;
export const DROP_IP_INVALID_DEST = 28;
export const DROP_PKT_TOO_BIG = 29;
export const DROP_NOMEM = 30;
export const DROP_TTL_EXPIRED = 31;
export const DROP_BRIDGE_INGRESS_STP_STATE = 32;
export const DROP_BRIDGE_NO_EGRESS_PORT = 33;
export const DROP_MAC_INVALID_SOURCE = 34;
export const DROP_NOT_FORWARDING = 35;
export const DROP_ARP_IGNORED = 36;
export const DROP_CONNTRACK_INVALID = 37;
export const DROP_NAT_EXHAUSTED = 38;
export const DROP_CONNTRACK_INSERT_FAILED = 39;
export const DROP_CONNTRACK_TABLE_FULL = 40;
export const DROP_FRAG_NEEDED = 41;
export const DROP_TCP_INVALID_ACK_SEQUENCE = 42;
export const DROP_TCP_FLAGS = 43;
export const DROP_ICMP_IGNORED = 44;
export const DROP_BLACKHOLE = 45;
export const DROP_FRAGMENT = 46;
export const DROP_DEV_HDR = 47;
export const DROP_NO_TX_TARGET = 48;
export const DROP_VXLAN_INVALID_HDR = 49;
export const DROP_VXLAN_VNI_NOT_FOUND = 50;
export const DROP_VXLAN_ENTRY_EXISTS = 51;
export const DROP_LOCAL_MAC = 52;
export const DROP_IP_TUNNEL_ECN = 53;
export const DROP_SOCKET_RCVBUFF = 54;
export const DROP_CPU_BACKLOG = 55;
export const DROP_TCP_ABORT_ON_DATA = 56;
export const DROP_TCP_LISTEN_OVERFLOW = 57;
export const DROP_IPV6DISABLED = 58;
export const DROP_IPV6_BAD_EXTHDR = 59;
export const DROP_IPV6_NDISC_FRAG = 60;
export const DROP_IPV6_NDISC_HOP_LIMIT = 61;
export const DROP_IPV6_NDISC_BAD_CODE = 62;
export const DROP_IPV6_NDISC_BAD_OPTIONS = 63;
export const DROP_IPV6_NDISC_NS_OTHERHOST = 64;
export const DROP_COUNT = 65;

// Netfilter verdicts.
export const NF_DROP = 0;
export const NF_ACCEPT = 1;
export const NF_STOLEN = 2;

// enum ip_conntrack_info; the REPLY forms are the plain ones + 3.
export const IP_CT_ESTABLISHED = 0;
export const IP_CT_RELATED = 1;
export const IP_CT_NEW = 2;
export const IP_CT_REPLY = 3;
export const IP_CT_ESTABLISHED_REPLY = 3;
export const IP_CT_RELATED_REPLY = 4;
export const IP_CT_NONE = 7; // no entry: INVALID or UNTRACKED

export const DIR_ORIGINAL = 0;
export const DIR_REPLY = 1;

// enum ip_conntrack_status.
export const IPS_EXPECTED = 1;
export const IPS_SEEN_REPLY = 2;
export const IPS_ASSURED = 4;
export const IPS_CONFIRMED = 8;
export const IPS_SRC_NAT = 16;
export const IPS_DST_NAT = 32;
export const IPS_SEQ_ADJUST = 64;
export const IPS_SRC_NAT_DONE = 128;
export const IPS_DST_NAT_DONE = 256;
export const IPS_DYING = 512;
export const IPS_FIXED_TIMEOUT = 1024;
export const IPS_NAT_CLASH = 4096;

// The two places at which NAT may change a packet (enum nf_nat_manip_type).
export const MANIP_SRC = 0;
export const MANIP_DST = 1;

// Device kinds.
export const DEVICE_LOOPBACK = 1;
export const DEVICE_VETH = 2;
export const DEVICE_BRIDGE = 3;
export const DEVICE_WIRE = 4;
export const DEVICE_VXLAN = 5;
export const DEVICE_DUMMY = 6; // swallows what it is to send

// Bridge port flags (include/linux/if_bridge.h, those that act here).
export const PORT_HAIRPIN = 1;
export const PORT_ISOLATED = 2;
export const PORT_LEARNING = 4;
export const PORT_FLOOD = 8;
export const PORT_MCAST_FLOOD = 16;
export const PORT_BCAST_FLOOD = 32;

// Route types (include/uapi/linux/rtnetlink.h).
export const ROUTE_UNSPEC = 0;
export const ROUTE_UNICAST = 1;
export const ROUTE_LOCAL = 2;
export const ROUTE_BROADCAST = 3;
export const ROUTE_ANYCAST = 4;
export const ROUTE_MULTICAST = 5;
export const ROUTE_BLACKHOLE = 6;
export const ROUTE_UNREACHABLE = 7;
export const ROUTE_PROHIBIT = 8;

// Neighbour states (include/uapi/linux/neighbour.h).
export const NUD_NONE = 0;
export const NUD_INCOMPLETE = 1;
export const NUD_REACHABLE = 2;
export const NUD_STALE = 4;
export const NUD_DELAY = 8;
export const NUD_PROBE = 16;
export const NUD_FAILED = 32;
export const NUD_PERMANENT = 128;

// What a flow speaks.
export const PROTOCOL_TCP = 1;
export const PROTOCOL_UDP = 2;
export const PROTOCOL_HTTP = 3;
export const PROTOCOL_ICMP = 4;
export const PROTOCOL_STREAM = 5; // datagrams that nobody waits for an answer to
export const PROTOCOL_DNS = 6; // a question is the whole request
export const PROTOCOL_CONNECT = 7; // TCP: an answer to the SYN is enough
export const PROTOCOL_QUERY = 9; // one DNS question, from a socket of its own
export const PROTOCOL_RESOLVE = 8; // a program of the host asks for the address of a name

// Results of a call on the kernel, negative like errno.
export const OK = 0;
export const EADDRINUSE = -98;
export const EINVAL = -22;
export const ENOENT = -2;
export const ENETUNREACH = -101;

// What a frame came to that was not dropped, but of use: what took it.
export const USED_DROPPED = 0; // by nobody: it was dropped, with a reason
export const USED_SOCKET = 1;
export const USED_ARP = 2;
export const USED_JOINED = 3; // a fragment: its bytes stand in the whole packet, or the packet did not fit together
export const USED_SPLIT = 4; // a packet whose bytes stand in its fragments
export const USED_TUNNEL = 5; // a frame whose bytes stand in a tunnel's packet
export const USED_WIRE = 6; // its bytes went on to another machine, or to nobody on the wire
export const USED_STREAM = 7; // a segment that was acknowledged, or read in its turn
export const USED_COUNT = 8;

// How walks find the next rule of a run that a packet may match: by the keys of all, four at once; by the index; by asking each rule.
export const MATCHER_LINEAR = 0;
export const MATCHER_INDEX = 1;
export const MATCHER_PLAIN = 2;
