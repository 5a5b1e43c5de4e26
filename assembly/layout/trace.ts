// A step of a traced packet: what happened, where, and the packet as it was then. Written by assembly/observe/trace.ts, read by
// src/engine/trace.ts.
const WORD = 4;
const LONG = 8;

export const STEP_KIND = 0; // STEP_*
export const STEP_NAMESPACE = STEP_KIND + WORD;
export const STEP_TIME = STEP_NAMESPACE + WORD; // u64
export const STEP_ID_LOW = STEP_TIME + LONG; // packet id
export const STEP_ID_HIGH = STEP_ID_LOW + WORD;
export const STEP_LINE = STEP_ID_HIGH + WORD; // traffic line + 1, 0: none
export const STEP_A = STEP_LINE + WORD; // what these are is said beside each kind
export const STEP_B = STEP_A + WORD;
export const STEP_C = STEP_B + WORD;
export const STEP_D = STEP_C + WORD;
// The packet; its bytes are STEP_HEADER.
export const STEP_TYPE = STEP_D + WORD; // EtherType
export const STEP_LENGTH = STEP_TYPE + WORD; // from the Ethernet header on
export const STEP_PORTS = STEP_LENGTH + WORD; // source << 16 | destination; ICMP: id << 16 | type << 8 | code
export const STEP_PROTO = STEP_PORTS + WORD;
export const STEP_PHYS_IN = STEP_PROTO + WORD; // bridge ports
export const STEP_PHYS_OUT = STEP_PHYS_IN + WORD;
export const STEP_MARK = STEP_PHYS_OUT + WORD;
export const STEP_MAC_SOURCE = STEP_MARK + WORD; // 6 bytes and two of 0
export const STEP_MAC_DESTINATION = STEP_MAC_SOURCE + LONG; // 6 bytes and two of 0
// Its connection, if STEP_CT is not 0.
export const STEP_CT = STEP_MAC_DESTINATION + LONG;
export const STEP_CT_INFO = STEP_CT + WORD; // IP_CT_*
export const STEP_CT_STATUS = STEP_CT_INFO + WORD; // IPS_*
export const STEP_CT_MARK = STEP_CT_STATUS + WORD;
export const STEP_CT_STATE = STEP_CT_MARK + WORD; // of TCP
export const STEP_CT_ORIGINAL = STEP_CT_STATE + WORD; // source, destination, ports
export const STEP_CT_REPLY = STEP_CT_ORIGINAL + 3 * WORD;
export const STEP_CT_END = 152; // u64
export const STEP_HEADER = STEP_CT_END + LONG; // STEP_HEADER_BYTES from the network header on, as far as the packet goes
export const STEP_HEADER_BYTES = 128;
export const STEP_SIZE = STEP_HEADER + STEP_HEADER_BYTES;

export const STEP_RECEIVE = 1; // A: device
export const STEP_TRANSMIT = 2; // A: device
export const STEP_BRIDGE = 3; // A: port it came by, 0: from the bridge itself; B: BRIDGED_*; C: port it goes to
export const STEP_HOOK = 4; // A: HOOK_*, B: device in, C: device out
export const STEP_TABLE = 5; // A: TABLE_*, B: HOOK_*
export const STEP_RULE = 6; // A: number of a rule that matched (RULE_INDEX, with RULE_OF_IPV6 for one of ip6tables); B: that of the first one that Linux looks at on the way to it; C: how many of those the index passed over
export const STEP_TRACKED = 7; // conntrack has looked the packet up
export const STEP_CONFIRMED = 8; // the connection is in the table
export const STEP_NAT = 9; // A: MANIP_*; B, C, D: source, destination and ports before
export const STEP_ROUTE = 10; // A: 1 for a packet that came in; B: ROUTE_*, 0: none; C: device; D: next hop
export const STEP_NEIGHBOUR = 11; // A: device; B: address; C: NEIGHBOUR_*
export const STEP_SOCKET = 12; // A: OWNER_* of the socket that takes it, 0: the kernel itself answers
export const STEP_DROP = 13; // A: DROP_*
export const STEP_ANSWER = 14; // the kernel answers with an ICMP error. A: type, B: code
export const STEP_RESET = 15; // the kernel answers with a TCP reset
export const STEP_MISS = 16; // A: number of a rule that did not match; B: MISS_*; C: number of the match, from 0
export const STEP_BALANCE = 17; // a load balancer hands the packet on. A: address of the server
export const STEP_IPVS = 18; // A: IPVS_*; B: address of the real server, for IPVS_REPLY and _NOBODY of the virtual one; C: port; D: SCHEDULER_*

export const BRIDGED_UP = 0; // to the bridge's own interface
export const BRIDGED_FORWARD = 1;
export const BRIDGED_FLOOD = 2;
export const BRIDGED_REFUSED = 3; // the port may not send it: back to where it came from, or isolated, or down

export const IPVS_SCHEDULED = 0; // a new connection, given to a server by the scheduler
export const IPVS_KEPT = 1; // a new connection, given to the server that its client had before
export const IPVS_KNOWN = 2;
export const IPVS_REPLY = 3; // a server's answer
export const IPVS_NOBODY = 4; // no server takes connections

export const NEIGHBOUR_KNOWN = 0;
export const NEIGHBOUR_ASKED = 1; // it waits for ARP
export const NEIGHBOUR_QUEUED = 2; // it waits with others

export const MISS_DESTINATION = 1;
export const MISS_SOURCE = 2;
export const MISS_PROTOCOL = 3;
export const MISS_INPUT = 4;
export const MISS_OUTPUT = 5;
export const MISS_FRAGMENT = 6;
export const MISS_MATCH = 7;
