// A compiled rule set: header, rules and the records that they name, in one position-independent block of 32-bit words.
// Offsets inside the block are bytes from its start. Written by src/iptables/records.ts, walked by assembly/netfilter.
//
//   +--------+--------------------------+---------------------------------------------------------------------+--------+
//   | header | rules, chain after chain | records: matches, targets, interfaces, port lists; equal ones once  | states |
//   +--------+--------------------------+---------------------------------------------------------------------+--------+
//
// A set that was made by changing another shares that one's rules and records: it has a header of its own, and new chains lie
// anywhere in memory, their offsets counted from the start of the first block (BLOCK_BASE), modulo 2^32.
//
// A chain is a run of rules that ends with its policy (built-in chain: ACCEPT or DROP) or with RETURN (user chain), as in
// struct ipt_replace. Counters live outside, one pair per RULE_INDEX, so equal sets share one block.
// States too: a namespace copies STATE_VALUES when it loads the block, and its matches change that copy.
const WORD = 4;

// Tables in the order in which a hook calls them.
export const TABLE_RAW = 0;
export const TABLE_MANGLE = 1;
export const TABLE_NAT = 2;
export const TABLE_FILTER = 3;
// The base chains of nftables by where they stand: between mangle and NAT; those of type nat, before the nat table; at priority 0, before
// the filter table. A table of nftables was made after those of iptables, and of equal priorities the later one comes first.
export const TABLE_NFT_PRE_NAT = 4;
export const TABLE_NFT_NAT = 5;
export const TABLE_NFT_FILTER = 6;
export const TABLE_COUNT = 7;

// Netfilter hooks (include/uapi/linux/netfilter.h).
export const HOOK_PREROUTING = 0;
export const HOOK_INPUT = 1;
export const HOOK_FORWARD = 2;
export const HOOK_OUTPUT = 3;
export const HOOK_POSTROUTING = 4;
export const HOOK_COUNT = 5;

// Header. ENTRIES holds, for table t and hook h, the offset of the chain's first rule (0: the table has no such chain) at
// ENTRIES + (t * HOOK_COUNT + h) * 4; UNDERFLOWS, laid out alike, the offset of the chain's policy rule.
export const BLOCK_SIZE = 0;
export const BLOCK_RULES = BLOCK_SIZE + WORD; // number of rules; where sets are changed, of their numbers (RULE_INDEX)
export const BLOCK_STATES = BLOCK_RULES + WORD; // number of states
export const BLOCK_STATE_VALUES = BLOCK_STATES + WORD; // offset of their first values, STATE_SIZE bytes each
export const BLOCK_MAPS = BLOCK_STATE_VALUES + WORD; // offset of the list of sets and maps: how many, then their offsets; 0: none
export const BLOCK_TABLES = BLOCK_MAPS + WORD; // bit 1 << TABLE_*: the set has that table
export const BLOCK_BASE = BLOCK_TABLES + WORD; // what offsets count from, as an offset from here: 0 unless it was made by changing another
export const BLOCK_TRACKS = BLOCK_BASE + WORD; // 1: a rule needs connection tracking
export const BLOCK_ENTRIES = BLOCK_TRACKS + WORD;
export const BLOCK_UNDERFLOWS = BLOCK_ENTRIES + TABLE_COUNT * HOOK_COUNT * WORD;
export const BLOCK_HEADER = BLOCK_UNDERFLOWS + TABLE_COUNT * HOOK_COUNT * WORD + 2 * WORD; // the first rule; five cache lines

// A rule: 16 words, one cache line. Addresses are host-order numbers; a packet matches if (address & mask) == value. One address of IPv6
// is the number that stands for it, under a whole mask; blocks of IPv6 have match records (PREFIX6), which come first.
export const RULE_FLAGS = 0;
export const RULE_SRC = RULE_FLAGS + WORD;
export const RULE_SRC_MASK = RULE_SRC + WORD;
export const RULE_DST = RULE_SRC_MASK + WORD;
export const RULE_DST_MASK = RULE_DST + WORD;
export const RULE_PROTO = RULE_DST_MASK + WORD; // 0: any
export const RULE_IN = RULE_PROTO + WORD; // offset of an interface record, 0: any
export const RULE_OUT = RULE_IN + WORD;
export const RULE_MATCHES = RULE_OUT + WORD; // offset of the first match record
export const RULE_MATCH_COUNT = RULE_MATCHES + WORD;
export const RULE_TARGET = RULE_MATCH_COUNT + WORD; // TARGET_*
export const RULE_TARGET_ARG = RULE_TARGET + WORD; // jump: offset of the chain's first rule; extension: offset of its record
export const RULE_INDEX = RULE_TARGET_ARG + WORD; // its number in the block: the counter pair
export const RULE_TABLE = RULE_INDEX + WORD; // TABLE_*
export const RULE_RUN = RULE_TABLE + WORD; // the run that netfilter/index.ts has made of it and its neighbours, 0: none
export const RULE_NEXT_ALIKE = RULE_RUN + WORD; // the next rule of that run with the same key
export const RULE_SIZE = RULE_NEXT_ALIKE + WORD;

export const RULE_NOT_SRC = 1;
export const RULE_NOT_DST = 2;
export const RULE_NOT_IN = 4;
export const RULE_NOT_OUT = 8;
export const RULE_NOT_PROTO = 16;
export const RULE_FRAGMENT = 32; // -f: second and further fragments only
export const RULE_NOT_FRAGMENT = 64; // ! -f
export const RULE_GOTO = 128; // -g instead of -j
export const RULE_PLAIN = 256; // no interface, no match record, no fragment test: addresses and protocol decide

// Where the number of a rule stands without its set, RULE_INDEX with this bit is one of ip6tables.
export const RULE_OF_IPV6 = 0x40000000;

// An interface record: the name and a mask over its 16 bytes, as in struct ipt_ip; `veth+` masks four bytes.
export const IFACE_NAME = 0;
export const IFACE_MASK = IFACE_NAME + 4 * WORD;
export const IFACE_SIZE = IFACE_MASK + 4 * WORD;

// The memory of one stateful match: four words by kind. A match record names it by its number in the block.
export const STATE_SIZE = 4 * WORD;

// A match record: kind, flags (1: inverted as a whole, the rest by kind), then six words by kind. All matches of a rule must
// match, in their order. Matches that always match (comment, nfacct) have no record.
export const MATCH_KIND = 0;
export const MATCH_FLAGS = MATCH_KIND + WORD;
export const MATCH_ARGS = MATCH_FLAGS + WORD;
export const MATCH_SIZE = MATCH_ARGS + 6 * WORD;
export const MATCH_INVERT = 1;

// Kinds whose own flags do not say how inversion works are inverted as a whole by MATCH_INVERT.
export const MATCH_KIND_TCP = 1;
export const MATCH_KIND_UDP = 2;
export const MATCH_KIND_SCTP = 3;
export const MATCH_KIND_ICMP = 4;
export const MATCH_KIND_MULTIPORT = 5;
export const MATCH_KIND_CT_STATE = 6;
export const MATCH_KIND_CT_STATUS = 7;
export const MATCH_KIND_CT_ADDRESS = 8;
export const MATCH_KIND_CT_PORT = 9;
export const MATCH_KIND_CT_PROTO = 10;
export const MATCH_KIND_CT_DIRECTION = 11;
export const MATCH_KIND_CT_EXPIRE = 12;
export const MATCH_KIND_MARK = 13;
export const MATCH_KIND_CONNMARK = 14;
export const MATCH_KIND_ADDRTYPE = 15;
export const MATCH_KIND_RANDOM = 16;
export const MATCH_KIND_NTH = 17;
export const MATCH_KIND_RECENT = 18;
export const MATCH_KIND_LIMIT = 19;
export const MATCH_KIND_QUOTA = 20;
export const MATCH_KIND_PHYSDEV = 21;
export const MATCH_KIND_SET = 22;
export const MATCH_KIND_LENGTH = 23;
export const MATCH_KIND_TOS = 24;
export const MATCH_KIND_DSCP = 25;
export const MATCH_KIND_TTL = 26;
export const MATCH_KIND_ECN = 27;
export const MATCH_KIND_IPRANGE = 28;
export const MATCH_KIND_PKTTYPE = 29;
export const MATCH_KIND_MAC = 30;
export const MATCH_KIND_CONNLIMIT = 31;
export const MATCH_KIND_RPFILTER = 32;
export const MATCH_KIND_U32 = 33;
export const MATCH_KIND_HASHLIMIT = 34;
export const MATCH_KIND_LOOKUP = 35;
export const MATCH_KIND_NUMGEN = 36;
export const MATCH_KIND_PREFIX6 = 37;
export const MATCH_KIND_IPVS = 38;
export const MATCH_KIND_COUNT = 39;

// TCP, UDP, SCTP: a port p is in range if min <= p <= max; untested ports have 0 to 65535. A first fragment too short for the
// header, and a TCP fragment at offset 8, are dropped at once (hotdrop); later fragments do not match.
export const MATCH_SPORT_MIN = MATCH_ARGS;
export const MATCH_SPORT_MAX = MATCH_SPORT_MIN + WORD;
export const MATCH_DPORT_MIN = MATCH_SPORT_MAX + WORD;
export const MATCH_DPORT_MAX = MATCH_DPORT_MIN + WORD;
export const MATCH_TCP_FLAGS = MATCH_DPORT_MAX + WORD; // (byte 13 & low byte) == next byte; a mask of 0 tests nothing
export const MATCH_TCP_OPTION = MATCH_TCP_FLAGS + WORD; // the option number that must be present, 0: any
export const MATCH_NOT_SPORT = 2;
export const MATCH_NOT_DPORT = 4;
export const MATCH_NOT_TCP_FLAGS = 8;
export const MATCH_NOT_TCP_OPTION = 16;

// ICMP: the type is equal and the code between min and max; type 255 is any, unless SIX says that it is one of ICMPv6. Later fragments do not match; hotdrop as above.
export const MATCH_ICMP_TYPE = MATCH_ARGS;
export const MATCH_ICMP_CODE_MIN = MATCH_ICMP_TYPE + WORD;
export const MATCH_ICMP_CODE_MAX = MATCH_ICMP_CODE_MIN + WORD;
export const MATCH_ICMP_SIX = 2;

// multiport: LIST is the offset of COUNT words, each min | max << 16. A header too short is dropped at once; later fragments do
// not match, inverted or not.
export const MATCH_PORTS_LIST = MATCH_ARGS;
export const MATCH_PORTS_COUNT = MATCH_PORTS_LIST + WORD;
export const MATCH_PORTS_SOURCE = 2; // test the source port
export const MATCH_PORTS_DESTINATION = 4; // test the destination port; with both flags either may be in the list

// conntrack and state. One `-m conntrack` becomes a record per condition, CT_STATE first. A packet without connection passes the
// other records if they have MATCH_CT_AFTER_STATE (then the state test alone decides, as in Linux), else fails them; this comes
// before inversion.
export const MATCH_CT_AFTER_STATE = 2;

// CT_STATE: the packet's state is one of the bits. SNAT and DNAT are bits of a connection with that kind of NAT.
export const MATCH_CT_STATES = MATCH_ARGS;
export const MATCH_CT_INVALID = 1;
export const MATCH_CT_ESTABLISHED = 2;
export const MATCH_CT_RELATED = 4;
export const MATCH_CT_NEW = 8;
export const MATCH_CT_SNAT = 64;
export const MATCH_CT_DNAT = 128;
export const MATCH_CT_UNTRACKED = 256;

// CT_STATUS: the connection has one of the bits (the values of IPS_*); no bits: never.
export const MATCH_CT_STATUSES = MATCH_ARGS;
export const MATCH_CT_EXPECTED = 1;
export const MATCH_CT_SEEN_REPLY = 2;
export const MATCH_CT_ASSURED = 4;
export const MATCH_CT_CONFIRMED = 8;

// CT_ADDRESS: (address & MASK) == VALUE; with PREFIX6, VALUE is the offset of those of a block of IPv6. CT_PORT: MIN <= port <= MAX. WHICH says whose address or port.
export const MATCH_CT_WHICH = MATCH_ARGS;
export const MATCH_CT_VALUE = MATCH_CT_WHICH + WORD;
export const MATCH_CT_MASK = MATCH_CT_VALUE + WORD;
export const MATCH_CT_MIN = MATCH_CT_VALUE;
export const MATCH_CT_MAX = MATCH_CT_MASK;
export const MATCH_CT_ORIGINAL_SOURCE = 0;
export const MATCH_CT_ORIGINAL_DESTINATION = 1;
export const MATCH_CT_REPLY_SOURCE = 2;
export const MATCH_CT_REPLY_DESTINATION = 3;
export const MATCH_CT_PREFIX6 = 4;

// CT_PROTO: the connection's protocol number. CT_DIRECTION: 0 the original direction, 1 replies.
export const MATCH_CT_PROTO = MATCH_ARGS;
export const MATCH_CT_DIRECTION = MATCH_ARGS;

// CT_EXPIRE: seconds until the entry expires, MIN to MAX.
export const MATCH_CT_EXPIRE_MIN = MATCH_ARGS;
export const MATCH_CT_EXPIRE_MAX = MATCH_CT_EXPIRE_MIN + WORD;

// MARK, CONNMARK: (mark & MASK) == VALUE. A connmark without connection does not match, inverted or not.
export const MATCH_MARK_VALUE = MATCH_ARGS;
export const MATCH_MARK_MASK = MATCH_MARK_VALUE + WORD;

// ADDRTYPE: masks of 1 << RTN_* that the address's type must be in; 0 tests nothing.
export const MATCH_ADDRTYPE_SOURCE = MATCH_ARGS;
export const MATCH_ADDRTYPE_DESTINATION = MATCH_ADDRTYPE_SOURCE + WORD;
export const MATCH_ADDRTYPE_NOT_SOURCE = 2;
export const MATCH_ADDRTYPE_NOT_DESTINATION = 4;
export const MATCH_ADDRTYPE_LIMIT_IN = 8; // an address counts only as far as the incoming device has it
export const MATCH_ADDRTYPE_LIMIT_OUT = 16;

// statistic. RANDOM: a random number of 31 bits is less than PROBABILITY (up to 1 << 31).
export const MATCH_RANDOM_PROBABILITY = MATCH_ARGS;
// NTH: word 0 of the state counts: at EVERY it goes to 0, else up by one; a match if it became 0. EVERY is `--every` less one.
export const MATCH_NTH_EVERY = MATCH_ARGS;
export const MATCH_NTH_STATE = MATCH_NTH_EVERY + WORD;

// RECENT: LIST is an interned name (shared by all rules of a namespace that say it), MASK applies to the address first.
export const MATCH_RECENT_LIST = MATCH_ARGS;
export const MATCH_RECENT_OP = MATCH_RECENT_LIST + WORD;
export const MATCH_RECENT_SECONDS = MATCH_RECENT_OP + WORD; // 0: any age
export const MATCH_RECENT_HITS = MATCH_RECENT_SECONDS + WORD; // 0: any number
export const MATCH_RECENT_MASK = MATCH_RECENT_HITS + WORD;
export const MATCH_RECENT_MASK6 = MATCH_RECENT_MASK + WORD; // IPv6: offset of a mask of 16 bytes, 0: whole addresses
export const MATCH_RECENT_SET = 1;
export const MATCH_RECENT_RCHECK = 2;
export const MATCH_RECENT_UPDATE = 3;
export const MATCH_RECENT_REMOVE = 4;
export const MATCH_RECENT_DESTINATION = 2; // --rdest: the destination address, else the source
export const MATCH_RECENT_TTL = 4; // --rttl: the TTL must be the stored one
export const MATCH_RECENT_REAP = 8; // --reap: entries older than SECONDS go

// LIMIT: one packet costs AVERAGE units of 100 us. State: the time last seen in ns (64 bits), the credit in ns (64 bits), which
// starts at and never exceeds AVERAGE * BURST units.
export const MATCH_LIMIT_AVERAGE = MATCH_ARGS;
export const MATCH_LIMIT_BURST = MATCH_LIMIT_AVERAGE + WORD;
export const MATCH_LIMIT_STATE = MATCH_LIMIT_BURST + WORD;

// QUOTA: the state's first 64 bits are the bytes left. A packet that fits takes its length and matches, another sets them to 0.
export const MATCH_QUOTA_STATE = MATCH_ARGS;

// PHYSDEV: IN and OUT are offsets of interface records of bridge ports, 0: any. The TEST_* flags ask whether there is such a port.
export const MATCH_PHYSDEV_IN = MATCH_ARGS;
export const MATCH_PHYSDEV_OUT = MATCH_PHYSDEV_IN + WORD;
export const MATCH_PHYSDEV_NOT_IN = 2;
export const MATCH_PHYSDEV_NOT_OUT = 4;
export const MATCH_PHYSDEV_TEST_IN = 8; // --physdev-is-in
export const MATCH_PHYSDEV_NOT_TEST_IN = 16;
export const MATCH_PHYSDEV_TEST_OUT = 32; // --physdev-is-out
export const MATCH_PHYSDEV_NOT_TEST_OUT = 64;
export const MATCH_PHYSDEV_TEST_BRIDGED = 128; // --physdev-is-bridged
export const MATCH_PHYSDEV_NOT_TEST_BRIDGED = 256;

// SET: NAME is an interned ipset name. DIRECTIONS has a bit for each of the COUNT dimensions in order: 1 source, 0 destination.
// COUNTERS is the offset of what the element's counters are compared with, after the packet is counted; 0: nothing.
export const MATCH_SET_NAME = MATCH_ARGS;
export const MATCH_SET_COUNT = MATCH_SET_NAME + WORD;
export const MATCH_SET_DIRECTIONS = MATCH_SET_COUNT + WORD;
export const MATCH_SET_COUNTERS = MATCH_SET_DIRECTIONS + WORD;
export const MATCH_SET_RETURN_NOMATCH = 2;
export const MATCH_SET_UNCOUNTED = 4; // ! --update-counters

// What packets (first) and bytes are compared with: SET_COUNTER_*, and a value of two words.
export const SET_COUNTER_OP = 0;
export const SET_COUNTER_LOW = SET_COUNTER_OP + WORD;
export const SET_COUNTER_HIGH = SET_COUNTER_LOW + WORD;
export const SET_COUNTER_BYTES = SET_COUNTER_HIGH + WORD;
export const SET_COUNTER_ANY = 0;
export const SET_COUNTER_EQ = 1;
export const SET_COUNTER_NE = 2;
export const SET_COUNTER_LT = 3;
export const SET_COUNTER_GT = 4;

// LENGTH: the IP total length is MIN to MAX.
export const MATCH_LENGTH_MIN = MATCH_ARGS;
export const MATCH_LENGTH_MAX = MATCH_LENGTH_MIN + WORD;

// TOS: (the byte & MASK) == VALUE. DSCP: its upper six bits.
export const MATCH_TOS_VALUE = MATCH_ARGS;
export const MATCH_TOS_MASK = MATCH_TOS_VALUE + WORD;
export const MATCH_DSCP_VALUE = MATCH_ARGS;

// TTL: compared with VALUE by MODE.
export const MATCH_TTL_MODE = MATCH_ARGS;
export const MATCH_TTL_VALUE = MATCH_TTL_MODE + WORD;
export const MATCH_TTL_EQ = 0;
export const MATCH_TTL_LT = 1;
export const MATCH_TTL_GT = 2;

// ECN: each condition has its own flag and inversion; the TCP ones need a TCP header (a truncated one is dropped at once).
export const MATCH_ECN_ECT = MATCH_ARGS; // the value 0 to 3 of the two IP bits
export const MATCH_ECN_TEST_IP = 2;
export const MATCH_ECN_NOT_IP = 4;
export const MATCH_ECN_TEST_ECE = 8;
export const MATCH_ECN_NOT_ECE = 16;
export const MATCH_ECN_TEST_CWR = 32;
export const MATCH_ECN_NOT_CWR = 64;

// IPRANGE: addresses MIN to MAX; with SIX, offsets of addresses of 16 bytes.
export const MATCH_IPRANGE_SRC_MIN = MATCH_ARGS;
export const MATCH_IPRANGE_SRC_MAX = MATCH_IPRANGE_SRC_MIN + WORD;
export const MATCH_IPRANGE_DST_MIN = MATCH_IPRANGE_SRC_MAX + WORD;
export const MATCH_IPRANGE_DST_MAX = MATCH_IPRANGE_DST_MIN + WORD;
export const MATCH_IPRANGE_SRC = 2;
export const MATCH_IPRANGE_NOT_SRC = 4;
export const MATCH_IPRANGE_DST = 8;
export const MATCH_IPRANGE_NOT_DST = 16;
export const MATCH_IPRANGE_SIX = 32;

// PKTTYPE: PACKET_HOST 0, PACKET_BROADCAST 1, PACKET_MULTICAST 2.
export const MATCH_PKTTYPE = MATCH_ARGS;

// MATCH_KIND_IPVS; without MATCH_IPVS_CONNECTION it asks only whether ip_vs has sent the packet on.
export const MATCH_IPVS_VPROTO = MATCH_ARGS;
export const MATCH_IPVS_VADDR = MATCH_IPVS_VPROTO + WORD;
export const MATCH_IPVS_VMASK = MATCH_IPVS_VADDR + WORD;
export const MATCH_IPVS_VPORT = MATCH_IPVS_VMASK + WORD;
export const MATCH_IPVS_CONNECTION = 2;
export const MATCH_IPVS_PROTO = 4;
export const MATCH_IPVS_NOT_PROTO = 8;
export const MATCH_IPVS_ADDRESS = 16;
export const MATCH_IPVS_NOT_ADDRESS = 32;
export const MATCH_IPVS_PORT = 64;
export const MATCH_IPVS_NOT_PORT = 128;

// MAC: the Ethernet source, first four bytes and last two, most significant first. No Ethernet header: no match.
export const MATCH_MAC_HIGH = MATCH_ARGS;
export const MATCH_MAC_LOW = MATCH_MAC_HIGH + WORD;

// PREFIX6: the source, or the destination, is in a block of IPv6. NETWORK is the offset of 16 bytes of value and 16 of mask.
export const MATCH_PREFIX6_NETWORK = MATCH_ARGS;
export const MATCH_PREFIX6_DESTINATION = 2;

// CONNLIMIT: more than LIMIT connections share (address & MASK); for IPv6 MASK is the length of a prefix.
export const MATCH_CONNLIMIT_LIMIT = MATCH_ARGS;
export const MATCH_CONNLIMIT_MASK = MATCH_CONNLIMIT_LIMIT + WORD;
export const MATCH_CONNLIMIT_STATE = MATCH_CONNLIMIT_MASK + WORD;
export const MATCH_CONNLIMIT_DESTINATION = 2; // --connlimit-daddr

// RPFILTER: the reverse path test would pass.
export const MATCH_RPFILTER_LOOSE = 2;
export const MATCH_RPFILTER_VALIDMARK = 4;
export const MATCH_RPFILTER_ACCEPT_LOCAL = 8;

// U32: PROGRAM is the offset of TESTS tests, all of which must hold. A test: its number of steps; per step operator and operand
// (the first step starts at the position of its operand); its number of ranges; per range min and max.
export const MATCH_U32_PROGRAM = MATCH_ARGS;
export const MATCH_U32_TESTS = MATCH_U32_PROGRAM + WORD;
export const MATCH_U32_AND = 0;
export const MATCH_U32_LEFT = 1;
export const MATCH_U32_RIGHT = 2;
export const MATCH_U32_AT = 3;

// HASHLIMIT: TABLE is an interned name, CONFIG the offset of what its table is made with, the same for all rules that name it.
export const MATCH_HASHLIMIT_TABLE = MATCH_ARGS;
export const MATCH_HASHLIMIT_CONFIG = MATCH_HASHLIMIT_TABLE + WORD;
export const MATCH_HASHLIMIT_SOURCE = 2;
export const MATCH_HASHLIMIT_DESTINATION = 4;
export const MATCH_HASHLIMIT_SPORT = 8;
export const MATCH_HASHLIMIT_DPORT = 16;
export const MATCH_HASHLIMIT_BYTES = 32; // 16 bytes cost COST, else a packet does

// A table of hashlimit: which bits above its groups differ by, whether it counts bytes, and their cost: of a packet in us, of 16
// bytes in parts of 2^32 of a second. BURST is how many packets, or how often a second's worth of bytes, may come at once.
export const HASHLIMIT_MODE = 0;
export const HASHLIMIT_COST_LOW = HASHLIMIT_MODE + WORD;
export const HASHLIMIT_COST_HIGH = HASHLIMIT_COST_LOW + WORD;
export const HASHLIMIT_BURST = HASHLIMIT_COST_HIGH + WORD;
export const HASHLIMIT_SRC_MASK = HASHLIMIT_BURST + WORD; // for IPv6 the length of a prefix
export const HASHLIMIT_DST_MASK = HASHLIMIT_SRC_MASK + WORD;
export const HASHLIMIT_EXPIRE = HASHLIMIT_DST_MASK + WORD; // ms after its last packet that a group is forgotten ...
export const HASHLIMIT_INTERVAL = HASHLIMIT_EXPIRE + WORD; // ... at the next of the times so many ms apart
export const HASHLIMIT_MAX = HASHLIMIT_INTERVAL + WORD; // the most groups, 0: any number
export const HASHLIMIT_SIZE = HASHLIMIT_MAX + WORD;

// LOOKUP: MAP is the offset of a set or map that has an element for the packet. Of a map, TARGET_VERDICT does what the element says.
export const MATCH_LOOKUP_MAP = MATCH_ARGS;

// A set or map: what its keys are made of (MAP_HAS_*), and COUNT elements of a key and a verdict. INDEX is the kernel's own. With
// MAP_RANGES an element has a first address and a last one, and they lie in order, apart from each other.
export const MAP_PARTS = 0;
export const MAP_COUNT = MAP_PARTS + WORD;
export const MAP_INDEX = MAP_COUNT + WORD;
export const MAP_ELEMENTS = MAP_INDEX + WORD;
export const MAP_HAS_SOURCE = 1;
export const MAP_HAS_DESTINATION = 2;
export const MAP_HAS_PORT = 4; // the protocol, and the port that the packet goes to
export const MAP_RANGES = 8;
export const MAP_RANGES6 = 16; // with MAP_RANGES: both addresses are offsets of 16 bytes

// An element: address (0 if keys have none), protocol << 16 | port, a verdict (TARGET_*, perhaps with RULE_GOTO), and the offset of the
// chain that it leads to.
export const MAP_KEY_ADDRESS = 0;
export const MAP_KEY_PORT = MAP_KEY_ADDRESS + WORD;
export const MAP_LAST_ADDRESS = MAP_KEY_PORT;
export const MAP_VERDICT = MAP_KEY_PORT + WORD;
export const MAP_CHAIN = MAP_VERDICT + WORD;
export const MAP_ELEMENT_SIZE = MAP_CHAIN + WORD;

// NUMGEN: a random number less than MODULUS is the place of a verdict and a chain in LIST; TARGET_CONTINUE there: no match.
export const MATCH_NUMGEN_MODULUS = MATCH_ARGS;
export const MATCH_NUMGEN_LIST = MATCH_NUMGEN_MODULUS + WORD;

// Targets. The first five have no record: CONTINUE (no target, LOG, NFLOG), the verdicts, JUMP (with RULE_GOTO: no way back).
export const TARGET_CONTINUE = 0;
export const TARGET_ACCEPT = 1;
export const TARGET_DROP = 2;
export const TARGET_RETURN = 3; // in a built-in chain: go on at its policy rule
export const TARGET_JUMP = 4;
export const TARGET_REJECT = 5;
export const TARGET_MARK = 6;
export const TARGET_CONNMARK = 7;
export const TARGET_DNAT = 8;
export const TARGET_SNAT = 9;
export const TARGET_MASQUERADE = 10;
export const TARGET_REDIRECT = 11;
export const TARGET_NETMAP = 12;
export const TARGET_TCPMSS = 13;
export const TARGET_DSCP = 14;
export const TARGET_TOS = 15;
export const TARGET_TTL = 16;
export const TARGET_CT = 17;
export const TARGET_SET = 18;
export const TARGET_VERDICT = 19; // what the last look-up of the rule has found
export const TARGET_KIND_COUNT = 20;

// A target record: eight words by kind.
export const TARGET_SIZE = 8 * WORD;

// REJECT: a TCP reset, or ICMP destination unreachable with CODE.
export const TARGET_REJECT_TCP_RESET = 0; // 1: a reset
export const TARGET_REJECT_CODE = TARGET_REJECT_TCP_RESET + WORD;

// MARK: mark = (mark & ~MASK) ^ VALUE.
export const TARGET_MARK_VALUE = 0;
export const TARGET_MARK_MASK = TARGET_MARK_VALUE + WORD;

// CONNMARK. SET: ct = (ct & ~CT_MASK) ^ VALUE. SAVE: ct = (ct & ~CT_MASK) ^ (mark & NF_MASK).
// RESTORE: mark = (mark & ~NF_MASK) ^ (ct & CT_MASK).
export const TARGET_CONNMARK_MODE = 0;
export const TARGET_CONNMARK_VALUE = TARGET_CONNMARK_MODE + WORD;
export const TARGET_CONNMARK_CT_MASK = TARGET_CONNMARK_VALUE + WORD;
export const TARGET_CONNMARK_NF_MASK = TARGET_CONNMARK_CT_MASK + WORD;
export const TARGET_CONNMARK_SET = 0;
export const TARGET_CONNMARK_SAVE = 1;
export const TARGET_CONNMARK_RESTORE = 2;

// DNAT, SNAT, MASQUERADE, REDIRECT: a struct nf_nat_range2. Addresses count with NAT_IPS, ports with NAT_PORTS, BASE with
// NAT_OFFSET. NETMAP: MIN_IP is the network, MAX_IP the mask of its bits, for IPv6 the length of its prefix; the rest of the address is kept; no
// flags.
export const TARGET_NAT_FLAGS = 0;
export const TARGET_NAT_MIN_IP = TARGET_NAT_FLAGS + WORD;
export const TARGET_NAT_MAX_IP = TARGET_NAT_MIN_IP + WORD;
export const TARGET_NAT_MIN_PORT = TARGET_NAT_MAX_IP + WORD;
export const TARGET_NAT_MAX_PORT = TARGET_NAT_MIN_PORT + WORD;
export const TARGET_NAT_BASE_PORT = TARGET_NAT_MAX_PORT + WORD;
export const TARGET_NAT_IPS = 1;
export const TARGET_NAT_PORTS = 2;
export const TARGET_NAT_RANDOM = 4; // --random
export const TARGET_NAT_PERSISTENT = 8; // --persistent
export const TARGET_NAT_RANDOM_FULLY = 16; // --random-fully
export const TARGET_NAT_OFFSET = 32; // --to-destination with a base port: port = min + (port - base)

// TCPMSS: the MSS, or 65535: clamp to the path MTU.
export const TARGET_TCPMSS_MSS = 0;
export const TARGET_TCPMSS_CLAMP = 0xffff;

// DSCP: the six bits. TOS: tos = (tos & ~MASK) ^ VALUE.
export const TARGET_DSCP_VALUE = 0;
export const TARGET_TOS_VALUE = 0;
export const TARGET_TOS_MASK = TARGET_TOS_VALUE + WORD;

// TTL: set, add or subtract VALUE; adding stops at 255, subtracting at 0.
export const TARGET_TTL_MODE = 0;
export const TARGET_TTL_VALUE = TARGET_TTL_MODE + WORD;
export const TARGET_TTL_SET = 0;
export const TARGET_TTL_INC = 1;
export const TARGET_TTL_DEC = 2;

// CT: a packet that has no connection yet stays untracked (NOTRACK 1), or is tracked in ZONE. WHERE has FRAME_ZONE_* bits.
// Only the first such rule speaks.
export const TARGET_CT_NOTRACK = 0;
export const TARGET_CT_ZONE = TARGET_CT_NOTRACK + WORD;
export const TARGET_CT_WHERE = TARGET_CT_ZONE + WORD;

// SET: adds an element made as in the set match to the interned ipset ADD, deletes one from DELETE, and takes the mark of the one in
// MAP, in this order; TARGET_SET_NONE: not. With each name goes the number of its dimensions | their directions << 8. TIMEOUT in
// seconds, TARGET_SET_NONE: the set's own.
export const TARGET_SET_ADD = 0;
export const TARGET_SET_ADD_SIDES = TARGET_SET_ADD + WORD;
export const TARGET_SET_DELETE = TARGET_SET_ADD_SIDES + WORD;
export const TARGET_SET_DELETE_SIDES = TARGET_SET_DELETE + WORD;
export const TARGET_SET_MAP = TARGET_SET_DELETE_SIDES + WORD;
export const TARGET_SET_MAP_SIDES = TARGET_SET_MAP + WORD;
export const TARGET_SET_TIMEOUT = TARGET_SET_MAP_SIDES + WORD;
export const TARGET_SET_FLAGS = TARGET_SET_TIMEOUT + WORD;
export const TARGET_SET_NONE = 0xffffffff;
export const TARGET_SET_EXIST = 1; // an element that is there is renewed
export const TARGET_SET_MAP_MARK = 2;
