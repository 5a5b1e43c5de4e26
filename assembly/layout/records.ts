// The kernel's records: namespaces, devices, routes, neighbours, connections, sockets, flows. Words of 32 bits; a field of
// two words says u64. Addresses of records are numbers that only the kernel follows; the host keeps them as handles.
const WORD = 4;
const LONG = 8;

// A machine: what one partition of the engine owns. Order numbers and packet ids are counted here, so that what happens on one machine does not depend
// on which others its worker owns.
export const MACHINE_ID = 0;
export const MACHINE_SEQUENCE = MACHINE_ID + WORD;
export const MACHINE_PACKETS = MACHINE_SEQUENCE + WORD;
export const MACHINE_CPU = MACHINE_PACKETS + WORD; // CPU_*, 0: its work takes no time
export const MACHINE_ADDRESSES = MACHINE_CPU + WORD; // ADDRESSES_*, 0: none yet
export const MACHINE_SIZE = 64;

// The processor of a machine: what its work costs in 1 / 2^COST_SHIFT nanoseconds, then its cores (CORE_*), one behind the other.
export const COST_SHIFT = 12;
export const CPU_CORES = 0;
export const CPU_BACKLOG = CPU_CORES + WORD; // frames that may wait for a core
export const CPU_HOP = CPU_BACKLOG + WORD; // a device takes a frame
export const CPU_SOCKET = CPU_HOP + WORD; // a socket sends a packet, or takes one
export const CPU_TABLE = CPU_SOCKET + WORD; // a table is asked at a hook
export const CPU_RULE = CPU_TABLE + WORD; // a rule that Linux would have held against a packet
export const CPU_LOOKUP = CPU_RULE + WORD; // a packet's connection is looked for
export const CPU_INSERT = CPU_LOOKUP + WORD; // a new connection is put into the table
export const CPU_NAT = CPU_INSERT + WORD; // a packet is translated
export const CPU_BYTE = CPU_NAT + WORD; // a byte of a frame that a socket sends or takes
export const CPU_SIZE = 64;
export const CORE_FREE_AT = 0; // u64: when the work in hand is done
export const CORE_BUSY = CORE_FREE_AT + LONG; // u64 nanoseconds of work begun
export const CORE_FRAMES = CORE_BUSY + LONG; // u64: pieces of work, a frame and all that follows from it
export const CORE_DROPPED = CORE_FRAMES + LONG; // u64
export const CORE_FIRST = CORE_DROPPED + LONG; // frames that wait, linked by FRAME_NEXT
export const CORE_LAST = CORE_FIRST + WORD;
export const CORE_WAITING = CORE_LAST + WORD; // how many there are
export const CORE_LONGEST = CORE_WAITING + WORD; // how many there were at most
export const CORE_CPU = CORE_LONGEST + WORD;
export const CORE_SIZE = 64;

// Sysctls of a namespace, by index into NS_SYSCTLS.
export const SYSCTL_IP_FORWARD = 0;
export const SYSCTL_BRIDGE_NF = 1;
export const SYSCTL_RP_FILTER = 2; // conf.all
export const SYSCTL_ROUTE_LOCALNET = 3;
export const SYSCTL_ARP_IGNORE = 4;
export const SYSCTL_SEND_REDIRECTS = 5;
export const SYSCTL_DEFAULT_TTL = 6;
export const SYSCTL_ICMP_RATELIMIT = 7; // milliseconds
export const SYSCTL_ICMP_RATEMASK = 8;
export const SYSCTL_ICMP_MSGS_PER_SEC = 9;
export const SYSCTL_ICMP_MSGS_BURST = 10;
export const SYSCTL_ECHO_IGNORE_ALL = 11;
export const SYSCTL_ECHO_IGNORE_BROADCASTS = 12;
export const SYSCTL_PORT_MIN = 13; // ip_local_port_range
export const SYSCTL_PORT_MAX = 14;
export const SYSCTL_CT_MAX = 15; // nf_conntrack_max
export const SYSCTL_CT_CHECKSUM = 16;
export const SYSCTL_CT_LIBERAL = 17;
export const SYSCTL_CT_LOOSE = 18;
export const SYSCTL_CT_MAX_RETRANS = 19;
export const SYSCTL_CT_TCP_TIMEOUTS = 20; // seconds, by TCP conntrack state 0..9, then retrans, unack
export const SYSCTL_CT_TCP_RETRANS = 30;
export const SYSCTL_CT_TCP_UNACK = 31;
export const SYSCTL_CT_UDP = 32;
export const SYSCTL_CT_UDP_STREAM = 33;
export const SYSCTL_CT_ICMP = 34;
export const SYSCTL_CT_GENERIC = 35;
export const SYSCTL_SYNACK_RETRIES = 36; // tcp_synack_retries
export const SYSCTL_ARP_ANNOUNCE = 37; // conf.all, as those that follow
export const SYSCTL_ARP_FILTER = 38;
export const SYSCTL_ARP_ACCEPT = 39;
export const SYSCTL_PROXY_ARP = 40;
export const SYSCTL_BC_FORWARDING = 41;
export const SYSCTL_ACCEPT_SOURCE_ROUTE = 42;
export const SYSCTL_ACCEPT_LOCAL = 43;
export const SYSCTL_ERRORS_USE_INBOUND = 44; // icmp_errors_use_inbound_ifaddr
export const SYSCTL_CT_DELAYED_INVALID = 45; // no sysctl of Linux: 1 as kernels before 6.1 were, see inWindow
export const SYSCTL_CT_DROP_CLASH = 46; // nor is this: 1 as kernels before 2020 were, see resolveClash
export const SYSCTL_TCP_CONGESTION = 47; // tcp_congestion_control: CONGESTION_*
export const SYSCTL_TCP_IDLE_RESTART = 48; // tcp_slow_start_after_idle
export const SYSCTL_TCP_ABORT_ON_OVERFLOW = 49; // tcp_abort_on_overflow
export const SYSCTL_SOMAXCONN = 50; // net.core.somaxconn
export const SYSCTL_TCP_MODERATE_RCVBUF = 51; // tcp_moderate_rcvbuf
export const SYSCTL_IPV6_FORWARDING = 52; // net.ipv6.conf.all.forwarding
export const SYSCTL_IPV6_DISABLE = 53; // net.ipv6.conf.all.disable_ipv6
export const SYSCTL_IPV6_HOP_LIMIT = 54; // net.ipv6.conf.all.hop_limit
export const SYSCTL_AUTO_FLOWLABELS = 55; // net.ipv6.auto_flowlabels
export const SYSCTL_ICMPV6_RATELIMIT = 56; // net.ipv6.icmp.ratelimit, milliseconds
export const SYSCTL_BRIDGE_NF6 = 57; // bridge-nf-call-ip6tables
export const SYSCTL_CT_ICMPV6 = 58; // nf_conntrack_icmpv6_timeout, seconds
export const SYSCTL_IP6FRAG_TIME = 59; // net.ipv6.ip6frag_time, seconds
export const SYSCTL_TCP_SYNCOOKIES = 60; // tcp_syncookies
export const SYSCTL_TCP_MAX_SYN_BACKLOG = 61; // tcp_max_syn_backlog
export const SYSCTL_COUNT = 62;
export const CONGESTION_CUBIC = 0;
export const CONGESTION_RENO = 1;

// A network namespace (struct net).
export const NS_ID = 0;
export const NS_MACHINE = NS_ID + WORD;
export const NS_DEVICES = NS_MACHINE + WORD; // first device, linked by DEV_NEXT
export const NS_LOOPBACK = NS_DEVICES + WORD;
export const NS_DEVICE_COUNT = NS_LOOPBACK + WORD;
export const NS_TABLE_LOCAL = NS_DEVICE_COUNT + WORD; // routing tables: FIB_*
export const NS_TABLE_MAIN = NS_TABLE_LOCAL + WORD;
export const NS_NEIGHBOURS = NS_TABLE_MAIN + WORD; // hash table
export const NS_RULES = NS_NEIGHBOURS + WORD; // RULESET_* of iptables; its first word 0: there are none
export const NS_TRACKING = NS_RULES + 5 * WORD; // 1: conntrack is on
export const NS_CONNECTIONS = NS_TRACKING + WORD; // hash table of tuples
export const NS_CONNECTION_COUNT = NS_CONNECTIONS + WORD;
export const NS_SOCKETS = NS_CONNECTION_COUNT + WORD; // hash table
export const NS_STREAMS = NS_SOCKETS + WORD; // hash table of TCP connections
export const NS_PEERS = NS_STREAMS + WORD; // hash table of ICMP rate buckets
export const NS_RECENT = NS_PEERS + WORD; // list of recent tables
export const NS_NEXT_PORT = NS_RECENT + WORD;
export const NS_IP_ID = NS_NEXT_PORT + WORD;
export const NS_ICMP_CREDIT = NS_IP_ID + WORD;
export const NS_DOWN = NS_ICMP_CREDIT + WORD;
export const NS_ROUTE_CACHE = NS_DOWN + WORD; // the last routes found, by a hash of their address
export const NS_FULL_TARGETS = NS_ROUTE_CACHE + WORD; // targets for which no port was free: FULL_*
export const NS_PORTS_FREED = NS_FULL_TARGETS + WORD; // rises when a port may have become free
export const NS_CHOICES = NS_PORTS_FREED + WORD; // what is not left to chance: first CHOICE_*
export const NS_REASSEMBLIES = NS_CHOICES + WORD; // first packet being put together from fragments
export const NS_POLICIES = NS_REASSEMBLIES + WORD; // first POLICY_*
export const NS_TABLES = NS_POLICIES + WORD; // first TABLE_*
export const NS_SETS = NS_TABLES + WORD; // first SET_*
export const NS_HASHLIMITS = NS_SETS + WORD; // first table of hashlimit
export const NS_RANDOM = 136; // u64: generator state
export const NS_ICMP_STAMP = NS_RANDOM + LONG; // u64
export const NS_EARLIEST_END = NS_ICMP_STAMP + LONG; // u64: no connection's time is over before
export const NS_NFT = NS_EARLIEST_END + LONG; // 1: the rules were loaded by iptables-nft
export const NS_SOURCES = NS_NFT + WORD; // hash table of connections by their source, where that is translated
export const NS_BALANCER = NS_SOURCES + WORD; // BALANCER_*, 0: it balances nothing
export const NS_EXCEPTIONS = NS_BALANCER + WORD; // hash table of EXCEPTION_*, 0: no path MTU was learned
export const NS_ENTRIES = NS_EXCEPTIONS + WORD; // the newest of its records of connections, in use or not, linked by CT_NEXT
export const NS_FREE_ENTRIES = NS_ENTRIES + WORD; // those of them that no connection has, a list
export const NS_GRAPH = NS_FREE_ENTRIES + WORD; // GRAPH_*: what its services call before they answer, 0: nothing
export const NS_RULES6 = NS_GRAPH + WORD; // RULESET_* of ip6tables
export const NS_TABLE_LOCAL6 = NS_RULES6 + 5 * WORD; // routing tables of IPv6: FIB_*
export const NS_TABLE_MAIN6 = NS_TABLE_LOCAL6 + WORD;
export const NS_IPV6 = NS_TABLE_MAIN6 + WORD; // 1: an address of IPv6 was given to one of its devices
export const NS_IPVS = NS_IPV6 + WORD; // IPVS_*, 0: it has no virtual services
export const NS_REDIRECTS = NS_IPVS + WORD; // hash table of REDIRECT_*, 0: no router told of a shorter way
export const NS_POLICIES6 = NS_REDIRECTS + WORD; // first POLICY_* of IPv6
export const NS_TABLES6 = NS_POLICIES6 + WORD; // first TABLE_* of IPv6
export const NS_SYSCTLS = NS_TABLES6 + WORD;
export const NS_DROPS = NS_SYSCTLS + SYSCTL_COUNT * WORD; // one counter for each DROP_*
export const NS_COOKIE_SECRET = NS_DROPS + 96 * WORD; // two words that SYN cookies are made with; 0, 0: none was made
export const NS_TCP_COUNTS = NS_COOKIE_SECRET + 2 * WORD; // one counter for each TCPX_*
export const NS_SIZE = NS_TCP_COUNTS + 7 * WORD;

// What a namespace counts of its listeners, as TcpExt of /proc/net/netstat does.
export const TCPX_SYNCOOKIES_SENT = 0;
export const TCPX_SYNCOOKIES_RECV = 1;
export const TCPX_SYNCOOKIES_FAILED = 2;
export const TCPX_LISTEN_OVERFLOWS = 3;
export const TCPX_LISTEN_DROPS = 4;
export const TCPX_REQQ_FULL_DO_COOKIES = 5;
export const TCPX_REQQ_FULL_DROP = 6;

// The rules of a namespace for one family.
export const RULESET_BLOCK = 0; // compiled, 0: none
export const RULESET_BASE = RULESET_BLOCK + WORD; // what offsets in rules count from
export const RULESET_COUNTERS = RULESET_BASE + WORD; // addresses of the pages of the rules' counters, 0: nothing has been counted there
export const RULESET_STATES = RULESET_COUNTERS + WORD;
export const RULESET_CHAINS = RULESET_STATES + WORD; // what each hook calls: CHAIN_* for each of its tables

// Addresses of IPv6 by their numbers (memory/addresses.ts): those that all machines know, and those that one has met itself. The
// records never move while somebody may read them: a table that grows is a new one.
export const ADDRESSES_COUNT = 0;
export const ADDRESSES_ROOM = ADDRESSES_COUNT + WORD; // records that fit
export const ADDRESSES_RECORDS = ADDRESSES_ROOM + WORD; // ADDRESS_SIZE each
export const ADDRESSES_SLOTS = ADDRESSES_RECORDS + WORD; // open hash table, twice as many slots: place + 1
export const ADDRESSES_SIZE = 16;
export const ADDRESS_BYTES = 0; // 16 bytes in network order
export const ADDRESS_SUM = 16; // of its eight 16-bit words, folded
export const ADDRESS_SIZE = 32;
export const NUMBERS_OF_IPV6 = 0x00800000; // their numbers begin here and end before 0x01000000: 0.128.0.0/9, which no IPv4 host has
export const NUMBERS_OF_MACHINE = 0x00400000; // in the numbers that a machine has given itself

// A page of counters: for each rule packets and bytes, two u64. A rule's pair is in page RULE_INDEX >> COUNTER_PAGE_SHIFT.
export const COUNTER_PAGE_SHIFT = 6;
export const COUNTER_SIZE = 2 * LONG;
export const COUNTER_PAGE_SIZE = COUNTER_SIZE << COUNTER_PAGE_SHIFT;

// What was learned about the way to an address.
export const EXCEPTION_ADDRESS = WORD; // after the link of the hash table
export const EXCEPTION_MTU = EXCEPTION_ADDRESS + WORD;
export const EXCEPTION_LOCKED = EXCEPTION_MTU + WORD; // 1: too little to be believed, packets may be fragmented
export const EXCEPTION_UNTIL = 16; // u64
export const EXCEPTION_SIZE = EXCEPTION_UNTIL + LONG;

// The shorter way to an address of IPv6 that a router told of.
export const REDIRECT_ADDRESS = WORD; // after the link of the hash table
export const REDIRECT_VIA = REDIRECT_ADDRESS + WORD; // the address itself if it is on the link
export const REDIRECT_UNTIL = 16; // u64
export const REDIRECT_SIZE = REDIRECT_UNTIL + LONG;

// A choice that the kernel leaves to chance and a host has fixed: the first that fits is taken, and is used up.
export const CHOICE_NEXT = 0;
export const CHOICE_KIND = CHOICE_NEXT + WORD; // CHOICE_OF_*
export const CHOICE_SRC = CHOICE_KIND + WORD; // the connection's original tuple, for CHOICE_OF_PORT
export const CHOICE_DST = CHOICE_SRC + WORD;
export const CHOICE_PORTS = CHOICE_DST + WORD;
export const CHOICE_PROTO = CHOICE_PORTS + WORD;
export const CHOICE_VALUE = CHOICE_PROTO + WORD;
export const CHOICE_SIZE = 32;
export const CHOICE_OF_PORT = 1; // the source port or ICMP id that NAT picks
export const CHOICE_OF_DESTINATION_PORT = 3; // the destination port that it picks
export const CHOICE_OF_ISN = 2; // the initial sequence number of a TCP connection

// An IP set, in a list of its namespace, and an element of it.
export const SET_NEXT = 0;
export const SET_NAME = SET_NEXT + WORD; // interned
export const SET_PARTS = SET_NAME + WORD; // SET_HAS_*
export const SET_ELEMENTS = SET_PARTS + WORD; // hash table
export const SET_LENGTHS = 16; // u64: bit n set if there is an element with prefix length n; nothing in a set of IPv6
export const SET_LENGTHS_OTHER = SET_LENGTHS + LONG; // u64: of the second address
export const SET_TIMEOUT = SET_LENGTHS_OTHER + LONG; // seconds that elements stay unless they say how long, 0: for ever
export const SET_MAX = SET_TIMEOUT + WORD; // the most elements
export const SET_FIRST_PORT = SET_MAX + WORD; // of SET_PLAIN_PORT
export const SET_LAST_PORT = SET_FIRST_PORT + WORD;
export const SET_FREE = SET_LAST_PORT + WORD; // elements that were deleted
export const SET_LENGTH_COUNTS = SET_FREE + WORD; // how many elements have a prefix length: 33 words for each of the two addresses, 129 for IPv6
export const SET_SIZE = 64;
export const SET_HAS_ADDRESS = 1;
export const SET_HAS_PORT = 2;
export const SET_HAS_OTHER = 4;
export const SET_PLAIN_PORT = 8; // bitmap:port: of whatever protocol, TCP or UDP
export const SET_OF_NETWORKS = 16; // the first address may be a network
export const SET_OF_OTHER_NETWORKS = 32;
export const SET_HAS_TIMEOUTS = 64; // what elements carry besides
export const SET_HAS_COUNTERS = 128;
export const SET_HAS_MARKS = 256;
export const SET_OF_IPV6 = 512; // family inet6

export const ELEMENT_HASH_NEXT = 0;
export const ELEMENT_ADDRESS = ELEMENT_HASH_NEXT + WORD;
export const ELEMENT_PORT = ELEMENT_ADDRESS + WORD; // protocol << 16 | port
export const ELEMENT_OTHER = ELEMENT_PORT + WORD;
export const ELEMENT_LENGTHS = ELEMENT_OTHER + WORD; // prefix lengths, the first one << 8
export const ELEMENT_NOMATCH = ELEMENT_LENGTHS + WORD;
export const ELEMENT_EXPIRES = 24; // u64, 0: never
export const ELEMENT_SIZE = 32;
export const ELEMENT_PACKETS = ELEMENT_SIZE; // u64, and so on: with counters or marks only
export const ELEMENT_BYTES = ELEMENT_PACKETS + LONG; // u64
export const ELEMENT_MARK = ELEMENT_BYTES + LONG; // mark = (mark & ~MASK) ^ MARK for packets that are mapped
export const ELEMENT_MARK_MASK = ELEMENT_MARK + WORD;
export const ELEMENT_LARGE_SIZE = 64;

// The base chain of a table at a hook, at RULESET_CHAINS + (hook * TABLE_COUNT + table) * CHAIN_SIZE.
export const CHAIN_RULE = 0; // address of its first rule, 0: the table has no such chain
export const CHAIN_POLICY_RULE = CHAIN_RULE + WORD; // address of its last one, the policy
export const CHAIN_COUNTER = CHAIN_POLICY_RULE + WORD; // of the policy, if it has no other rule, else 0
export const CHAIN_POLICY = CHAIN_COUNTER + WORD; // NF_ACCEPT or NF_DROP
export const CHAIN_SIZE = CHAIN_POLICY + WORD;

// A network device (struct net_device), with its bridge port.
export const DEV_NEXT = 0;
export const DEV_NAMESPACE = DEV_NEXT + WORD;
export const DEV_KIND = DEV_NAMESPACE + WORD; // DEVICE_*
export const DEV_INDEX = DEV_KIND + WORD;
export const DEV_UP = DEV_INDEX + WORD;
export const DEV_MTU = DEV_UP + WORD;
export const DEV_MAC_HIGH = DEV_MTU + WORD; // bytes 0-1 of the address, in the low half
export const DEV_MAC_LOW = DEV_MAC_HIGH + WORD; // bytes 2-5
export const DEV_PEER = DEV_MAC_LOW + WORD; // veth: the other end
export const DEV_MASTER = DEV_PEER + WORD; // the bridge that it is a port of
export const DEV_PORT_FLAGS = DEV_MASTER + WORD; // PORT_*
export const DEV_PORT_NEXT = DEV_PORT_FLAGS + WORD; // next port of the same bridge
export const DEV_PORTS = DEV_PORT_NEXT + WORD; // bridge: first port
export const DEV_FDB = DEV_PORTS + WORD; // bridge: hash table
export const DEV_ADDRESSES = DEV_FDB + WORD; // first address, linked by ADDR_NEXT
export const DEV_SEGMENT = DEV_ADDRESSES + WORD; // wire: SEGMENT_*
export const DEV_PORT_ID = DEV_SEGMENT + WORD; // wire: number of the port on its segment
export const DEV_CAPTURE = DEV_PORT_ID + WORD; // list of sinks, 0: not captured
export const DEV_RP_FILTER = DEV_CAPTURE + WORD;
export const DEV_ARP_IGNORE = DEV_RP_FILTER + WORD;
export const DEV_ROUTE_LOCALNET = DEV_ARP_IGNORE + WORD;
export const DEV_SEND_REDIRECTS = DEV_ROUTE_LOCALNET + WORD;
export const DEV_NAME = DEV_SEND_REDIRECTS + WORD; // 16 bytes, zero-filled
export const DEV_RX_PACKETS = 112; // u64
export const DEV_TX_PACKETS = DEV_RX_PACKETS + LONG;
export const DEV_AGEING = DEV_TX_PACKETS + LONG; // u64 nanoseconds, bridge
export const DEV_BUSY_UNTIL = DEV_AGEING + LONG; // u64: wire: when the last frame has left
export const DEV_FORWARDING = DEV_BUSY_UNTIL + LONG;
export const DEV_BC_FORWARDING = DEV_FORWARDING + WORD;
export const DEV_ARP_ANNOUNCE = DEV_BC_FORWARDING + WORD;
export const DEV_ARP_FILTER = DEV_ARP_ANNOUNCE + WORD;
export const DEV_ARP_ACCEPT = DEV_ARP_FILTER + WORD;
export const DEV_PROXY_ARP = DEV_ARP_ACCEPT + WORD;
export const DEV_ACCEPT_SOURCE_ROUTE = DEV_PROXY_ARP + WORD;
export const DEV_ACCEPT_LOCAL = DEV_ACCEPT_SOURCE_ROUTE + WORD;
export const DEV_NEIGH_RETRANS = DEV_ACCEPT_LOCAL + WORD; // neigh.*.retrans_time_ms
export const DEV_NEIGH_LOCKTIME = DEV_NEIGH_RETRANS + WORD; // milliseconds
export const DEV_NEIGH_DELAY = DEV_NEIGH_LOCKTIME + WORD; // delay_first_probe_time, seconds
export const DEV_GROUP_FORWARD = DEV_NEIGH_DELAY + WORD; // bridge: group_fwd_mask
export const DEV_RUNNING = DEV_GROUP_FORWARD + WORD; // up, and so is the other end of a veth: there is a carrier
export const DEV_NEIGH_PROXY_DELAY = DEV_RUNNING + WORD; // milliseconds
export const DEV_TUNNEL = DEV_NEIGH_PROXY_DELAY + WORD; // vxlan: TUNNEL_*
export const DEV_LINK_RANDOM = 208; // u64: generator state of what its link does by chance
export const DEV_NETEM = DEV_LINK_RANDOM + LONG; // NETEM_*, 0: frames leave as the wire or veth has it
export const DEV_CUT = DEV_NETEM + WORD; // 1: there is no carrier, whatever the other end does
export const DEV_ADDRESSES6 = DEV_CUT + WORD; // first address of IPv6, linked by ADDR_NEXT: ADDR_LOCAL and ADDR_PREFIX
export const DEV_ADDRESSES_END = DEV_ADDRESSES6 + WORD; // where the next address of IPv4 is linked, 0: at DEV_ADDRESSES
export const DEV_ACCEPT_REDIRECTS6 = DEV_ADDRESSES_END + WORD; // net.ipv6.conf.DEVICE.accept_redirects
export const DEV_SIZE = 256;

// What the link of a device does to the frames that it sends (struct netem_sched_data). Probabilities are shares of 2^32 - 1; a
// correlation is two words, the last number and rho (struct crndstate).
export const NETEM_LATENCY = 0; // u64 nanoseconds
export const NETEM_JITTER = NETEM_LATENCY + LONG; // u64 nanoseconds
export const NETEM_LEAST = NETEM_JITTER + LONG; // u64: no frame arrives sooner than so many nanoseconds after it was sent
export const NETEM_RATE = NETEM_LEAST + LONG; // u64 bits per second, 0: any
export const NETEM_DUPLICATE_DELAY = NETEM_RATE + LONG; // u64 nanoseconds that a copy comes after the frame
export const NETEM_LAST = NETEM_DUPLICATE_DELAY + LONG; // u64: when the last frame that the rate held has arrived
export const NETEM_TABLE = NETEM_LAST + LONG; // 16-bit samples of the jitter in 1/8192 of it, 0: it is uniform
export const NETEM_TABLE_SIZE = NETEM_TABLE + WORD;
export const NETEM_LIMIT = NETEM_TABLE_SIZE + WORD; // frames, 0: see link/netem.ts
export const NETEM_LIMIT_BYTES = NETEM_LIMIT + WORD; // bytes, 0: any
export const NETEM_DUPLICATE = NETEM_LIMIT_BYTES + WORD;
export const NETEM_CORRUPT = NETEM_DUPLICATE + WORD;
export const NETEM_REORDER = NETEM_CORRUPT + WORD;
export const NETEM_GAP = NETEM_REORDER + WORD; // 0: no frame overtakes others
export const NETEM_COUNTER = NETEM_GAP + WORD; // frames since the last that did
export const NETEM_LOSS_MODEL = NETEM_COUNTER + WORD; // LOSS_*
export const NETEM_LOSS = NETEM_LOSS_MODEL + WORD; // random: of all frames; gemodel: p, then r, h and 1-k
export const NETEM_LOSS_R = NETEM_LOSS + WORD;
export const NETEM_LOSS_H = NETEM_LOSS_R + WORD;
export const NETEM_LOSS_K1 = NETEM_LOSS_H + WORD;
export const NETEM_LOSS_BAD = NETEM_LOSS_K1 + WORD; // gemodel: 1 in the bad state
export const NETEM_JITTER_CORRELATION = NETEM_LOSS_BAD + WORD;
export const NETEM_LOSS_CORRELATION = NETEM_JITTER_CORRELATION + LONG;
export const NETEM_DUPLICATE_CORRELATION = NETEM_LOSS_CORRELATION + LONG;
export const NETEM_CORRUPT_CORRELATION = NETEM_DUPLICATE_CORRELATION + LONG;
export const NETEM_REORDER_CORRELATION = NETEM_CORRUPT_CORRELATION + LONG;
export const NETEM_QUEUE = NETEM_REORDER_CORRELATION + LONG; // heap of QUEUED_*, the frame that leaves first on top
export const NETEM_QUEUE_ROOM = NETEM_QUEUE + WORD;
export const NETEM_QUEUED = NETEM_QUEUE_ROOM + WORD; // frames
export const NETEM_QUEUED_BYTES = NETEM_QUEUED + WORD;
export const NETEM_SIZE = 256;
export const LOSS_RANDOM = 0;
export const LOSS_GEMODEL = 1;

export const QUEUED_UNTIL = 0; // u64: when the frame leaves the queue
export const QUEUED_BYTES = QUEUED_UNTIL + LONG;
export const QUEUED_SIZE = 16;

// What a vxlan device is set to (struct vxlan_config).
export const TUNNEL_VNI = 0;
export const TUNNEL_PORT = TUNNEL_VNI + WORD; // where it sends to and listens
export const TUNNEL_LOCAL = TUNNEL_PORT + WORD; // source address, 0: as the route says
export const TUNNEL_LEARNING = TUNNEL_LOCAL + WORD;
export const TUNNEL_TTL = TUNNEL_LEARNING + WORD; // 0: that of the host
export const TUNNEL_TOS = TUNNEL_TTL + WORD; // 1: that of the inner packet
export const TUNNEL_DF = TUNNEL_TOS + WORD; // 0: never, 1: always, 2: that of the inner packet
export const TUNNEL_SIZE = 32;

// An address of a device (struct in_ifaddr).
export const ADDR_NEXT = 0;
export const ADDR_LOCAL = ADDR_NEXT + WORD;
export const ADDR_MASK = ADDR_LOCAL + WORD;
export const ADDR_PREFIX = ADDR_MASK + WORD;
export const ADDR_BROADCAST = ADDR_PREFIX + WORD;
export const ADDR_SECONDARY = ADDR_BROADCAST + WORD;
export const ADDR_SIZE = 32;

// A segment, in shared memory: an ideal switch. Ports stand in a table of PORT_SIZE entries.
export const SEGMENT_LATENCY = 0; // u64 nanoseconds
export const SEGMENT_RATE = SEGMENT_LATENCY + LONG; // u64 bits per second
export const SEGMENT_PORTS = SEGMENT_RATE + LONG; // address of the table
export const SEGMENT_PORT_COUNT = SEGMENT_PORTS + WORD;
export const SEGMENT_MACS = SEGMENT_PORT_COUNT + WORD; // open hash table: port number + 1 for each slot
export const SEGMENT_MACS_MASK = SEGMENT_MACS + WORD;
export const SEGMENT_SIZE = 64;

export const PORT_DEVICE = 0;
export const PORT_MACHINE = PORT_DEVICE + WORD;
export const PORT_WORKER = PORT_MACHINE + WORD;
export const PORT_MAC_HIGH = PORT_WORKER + WORD;
export const PORT_MAC_LOW = PORT_MAC_HIGH + WORD;
export const PORT_MACHINE_ID = PORT_MAC_LOW + WORD; // as the machine's record changes all the time, and other workers ask for it with each frame
export const PORT_SIZE = 32;

// Shared control words, at the start of shared state.
export const SHARED_BASE = 65536;
export const SHARED_BREAK = SHARED_BASE; // next free byte of the memory, in units of 64 KiB
export const SHARED_ADDRESSES = SHARED_BREAK + WORD; // ADDRESSES_* that all machines know, 0: none
export const SHARED_OUTBOXES = SHARED_BASE + 64; // [side][from][to] heads of block lists; the sides take turns, window by window
export const SHARED_WORKERS_MAX = 64;
export const SHARED_STREAMS = SHARED_OUTBOXES + 2 * SHARED_WORKERS_MAX * SHARED_WORKERS_MAX * WORD; // [worker] first block of captured records
export const SHARED_END = SHARED_STREAMS + SHARED_WORKERS_MAX * WORD;

// A block of an outbox or of a capture stream: header, then records back to back.
export const BATCH_NEXT = 0;
export const BATCH_USED = BATCH_NEXT + WORD; // bytes after the header
export const BATCH_SIZE = BATCH_USED + WORD; // bytes that fit
export const BATCH_HEADER = 16;

// A frame that crosses between machines, in an outbox; the bytes follow, padded to 8.
export const CROSS_TIME = 0; // u64 arrival
export const CROSS_ORDER = CROSS_TIME + LONG; // u64
export const CROSS_DEVICE = CROSS_ORDER + LONG;
export const CROSS_LENGTH = CROSS_DEVICE + WORD;
export const CROSS_ID_LOW = CROSS_LENGTH + WORD;
export const CROSS_ID_HIGH = CROSS_ID_LOW + WORD;
export const CROSS_LINE = CROSS_ID_HIGH + WORD;
export const CROSS_ORIGIN = CROSS_LINE + WORD;
export const CROSS_SUMMED = CROSS_ORIGIN + WORD;
export const CROSS_BYTES = CROSS_SUMMED + WORD;

// A captured frame in a worker's stream; the bytes follow, padded to 8.
export const CAUGHT_TIME = 0; // u64
export const CAUGHT_MACHINE = CAUGHT_TIME + LONG;
export const CAUGHT_DEVICE_SINKS = CAUGHT_MACHINE + WORD;
export const CAUGHT_DIRECTION = CAUGHT_DEVICE_SINKS + WORD; // 1 in, 2 out
export const CAUGHT_LENGTH = CAUGHT_DIRECTION + WORD;
export const CAUGHT_ID_LOW = CAUGHT_LENGTH + WORD;
export const CAUGHT_ID_HIGH = CAUGHT_ID_LOW + WORD;
export const CAUGHT_BYTES = CAUGHT_ID_HIGH + WORD;

// Where captured frames of a device go: one entry for each file.
export const SINK_NEXT = 0;
export const SINK_FILE = SINK_NEXT + WORD; // FILE_*
export const SINK_INTERFACE = SINK_FILE + WORD; // number of the interface in the file
export const SINK_SIZE = 16;

// A capture file: a buffer that the host writes out when it is full.
export const FILE_INDEX = 0;
export const FILE_FORMAT = FILE_INDEX + WORD; // CAPTURE_*
export const FILE_BUFFER = FILE_FORMAT + WORD;
export const FILE_SIZE = FILE_BUFFER + WORD; // of the buffer
export const FILE_USED = FILE_SIZE + WORD;
export const FILE_PACKETS = FILE_USED + WORD;
export const FILE_SEEN = FILE_PACKETS + WORD; // a counter of packets for each interface
export const FILE_FILTER = FILE_SEEN + WORD; // FILTER_*, 0: all frames
export const FILE_RECORD = 32;
export const CAPTURE_PCAPNG = 0;
export const CAPTURE_PCAP = 1;
export const CAPTURE_DROPS = 2; // notes of drops only

// What is said about a packet, in a stream of captured records: in place of the bytes of one with direction 0.
export const NOTE_REASON = 0; // DROP_*; 0: it goes on, and NOTE_RULE decided where to
export const NOTE_NAMESPACE = NOTE_REASON + WORD; // id
export const NOTE_RULE = NOTE_NAMESPACE + WORD; // RULE_INDEX + 1, 0: none
export const NOTE_DEVICE_NAMESPACE = NOTE_RULE + WORD; // id of the namespace of the device that it came by, or is to leave by
export const NOTE_DEVICE = NOTE_DEVICE_NAMESPACE + WORD; // its name, 16 bytes; empty: not routed yet
export const NOTE_FRAME = NOTE_DEVICE + 16; // of a drop: the frame

// A routing table: a list of prefix lengths in use and a hash table on (network, length).
export const FIB_LENGTHS = 0; // u64: bit n set if there is a route of length n
export const FIB_HASH = FIB_LENGTHS + LONG;
export const FIB_COMMON = FIB_HASH + WORD; // COMMON_*: routes that other namespaces have, too, 0: none
export const FIB_COMMON_DEVICE = FIB_COMMON + WORD; // what they lead out of here
export const FIB_COMMON_EXCEPT = FIB_COMMON_DEVICE + WORD; // the place in the list of the one that this table does not have
export const FIB_LENGTHS_UPPER = 24; // u64, of IPv6: bit n set if there is a route of length 64 + n
export const FIB_HOSTS = FIB_LENGTHS_UPPER + LONG; // 1: there is a route of length 128
export const FIB_SIZE = 64;

// Routes that many namespaces have: a list of words by network, then length, written by src/engine/common-routes.ts.
export const COMMON_COUNT = 0;
export const COMMON_FIRST = COMMON_COUNT + WORD;
export const COMMON_NETWORK = 0;
export const COMMON_LENGTH = COMMON_NETWORK + WORD;
export const COMMON_VIA = COMMON_LENGTH + WORD;
export const COMMON_ENTRY = COMMON_VIA + WORD;

// The route cache of a namespace: entries of an address and what was found for it, emptied when a table or a link changes.
export const CACHE_BITS = 8;
export const CACHE_SLOTS = 1 << CACHE_BITS;
export const CACHE_ADDRESS = 0;
export const CACHE_VALID = CACHE_ADDRESS + WORD;
export const CACHE_LOCAL = CACHE_VALID + WORD; // route of the local table, 0: none
export const CACHE_ROUTE = CACHE_LOCAL + WORD; // route of all tables, 0: none
export const CACHE_NEIGHBOUR = CACHE_ROUTE + WORD; // the neighbour with this address that was last sent to, 0: none
export const CACHE_SIZE = 32;

// The targets for which a namespace had no port left, by a hash of their address; good until a port is freed.
export const FULL_SLOTS = 16;
export const FULL_LOCAL = 0;
export const FULL_REMOTE = FULL_LOCAL + WORD;
export const FULL_PORT = FULL_REMOTE + WORD;
export const FULL_FREED = FULL_PORT + WORD; // NS_PORTS_FREED at that time, plus one; 0: none
export const FULL_SIZE = 16;

// A route (struct fib_info and fib_alias in one).
export const ROUTE_HASH_NEXT = 0;
export const ROUTE_NETWORK = ROUTE_HASH_NEXT + WORD;
export const ROUTE_LENGTH = ROUTE_NETWORK + WORD;
export const ROUTE_TYPE = ROUTE_LENGTH + WORD;
export const ROUTE_VIA = ROUTE_TYPE + WORD; // 0: on link
export const ROUTE_DEVICE = ROUTE_VIA + WORD;
export const ROUTE_SOURCE = ROUTE_DEVICE + WORD;
export const ROUTE_METRIC = ROUTE_SOURCE + WORD;
export const ROUTE_MTU = ROUTE_METRIC + WORD; // 0: that of the device
export const ROUTE_SIZE = 64;

// A rule that chooses a table (struct fib4_rule), between the local table and the main one.
export const POLICY_NEXT = 0; // by priority
export const POLICY_PRIORITY = POLICY_NEXT + WORD;
export const POLICY_SOURCE = POLICY_PRIORITY + WORD;
export const POLICY_SOURCE_MASK = POLICY_SOURCE + WORD; // of IPv6 the prefix length
export const POLICY_DESTINATION = POLICY_SOURCE_MASK + WORD;
export const POLICY_DESTINATION_MASK = POLICY_DESTINATION + WORD; // so is this
export const POLICY_TABLE = POLICY_DESTINATION_MASK + WORD; // FIB_*, 0: the rule itself decides
export const POLICY_ROUTE = POLICY_TABLE + WORD; // a route of no way, for the latter
export const POLICY_SIZE = 32;

// A further routing table.
export const TABLE_NEXT = 0;
export const TABLE_ID = TABLE_NEXT + WORD;
export const TABLE_FIB = TABLE_ID + WORD;
export const TABLE_RECORD = 16;

// A neighbour (struct neighbour).
export const NEIGH_HASH_NEXT = 0;
export const NEIGH_DEVICE = NEIGH_HASH_NEXT + WORD;
export const NEIGH_ADDRESS = NEIGH_DEVICE + WORD;
export const NEIGH_STATE = NEIGH_ADDRESS + WORD; // NUD_*
export const NEIGH_MAC_HIGH = NEIGH_STATE + WORD;
export const NEIGH_MAC_LOW = NEIGH_MAC_HIGH + WORD;
export const NEIGH_QUEUE = NEIGH_MAC_LOW + WORD; // frames that wait for the address
export const NEIGH_QUEUE_TAIL = NEIGH_QUEUE + WORD;
export const NEIGH_QUEUED = NEIGH_QUEUE_TAIL + WORD;
export const NEIGH_PROBES = NEIGH_QUEUED + WORD;
export const NEIGH_GENERATION = NEIGH_PROBES + WORD; // a timer set for another generation is stale
export const NEIGH_CACHED = NEIGH_GENERATION + WORD; // 1: there is a cached link header
export const NEIGH_CONFIRMED = 48; // u64
export const NEIGH_USED = NEIGH_CONFIRMED + LONG; // u64
export const NEIGH_UPDATED = NEIGH_USED + LONG; // u64
export const NEIGH_SIZE = 128;

// An entry of a bridge's forwarding database.
export const FDB_HASH_NEXT = 0;
export const FDB_MAC_HIGH = FDB_HASH_NEXT + WORD;
export const FDB_MAC_LOW = FDB_MAC_HIGH + WORD;
export const FDB_PORT = FDB_MAC_LOW + WORD; // 0: the bridge itself; of a vxlan device: the remote host's address
export const FDB_FLAGS = FDB_PORT + WORD; // FDB_LOCAL, FDB_STATIC
export const FDB_UPDATED = 24; // u64
export const FDB_SIZE = 32;
export const FDB_LOCAL = 1;
export const FDB_STATIC = 2;

// A tracked connection: a cache line for the tuples, one for the state, and one that only TCP touches.
//   | original tuple, reply tuple | status, timeout, mark; TCP: state | TCP: window of each direction |
export const TUPLE_LINK = 0; // reply: the next of those whose source is translated
export const TUPLE_SRC = TUPLE_LINK + WORD;
export const TUPLE_DST = TUPLE_SRC + WORD;
export const TUPLE_PORTS = TUPLE_DST + WORD; // source << 16 | destination; ICMP: id << 16 | type << 8 | code
export const TUPLE_PROTO = TUPLE_PORTS + WORD;
export const TUPLE_DIR = TUPLE_PROTO + WORD; // DIR_*
export const TUPLE_OWNER = TUPLE_DIR + WORD; // original: the namespace; reply: 1 if it is listed by its translated source
export const TUPLE_ZONE = TUPLE_OWNER + WORD; // the zone of this direction
export const TUPLE_SIZE = 32;

export const CT_ORIGINAL = 0;
export const CT_NAMESPACE = CT_ORIGINAL + TUPLE_OWNER;
export const CT_REPLY = CT_ORIGINAL + TUPLE_SIZE;
export const CT_SOURCE = CT_REPLY + TUPLE_LINK;
export const CT_SOURCE_LISTED = CT_REPLY + TUPLE_OWNER;
export const CT_STATUS = CT_REPLY + TUPLE_SIZE; // IPS_*
export const CT_MARK = CT_STATUS + WORD;
export const CT_REFERENCES = CT_MARK + WORD; // frames that point at an entry that is not in the table
export const CT_SERIAL = CT_REFERENCES + WORD; // rises each time that the record becomes a new entry
export const CT_TIMEOUT = CT_SERIAL + WORD; // u64: when it ends
export const CT_TCP_STATE = CT_TIMEOUT + LONG;
export const CT_TCP_LAST_DIR = CT_TCP_STATE + WORD;
export const CT_TCP_RETRANS = CT_TCP_LAST_DIR + WORD;
export const CT_STREAM_FROM = CT_TCP_RETRANS; // u64, UDP: from when on it counts as a stream
export const CT_TCP_LAST_INDEX = CT_TCP_RETRANS + WORD;
export const CT_TCP_LAST_SEQ = CT_TCP_LAST_INDEX + WORD;
export const CT_TCP_LAST_ACK = CT_TCP_LAST_SEQ + WORD;
export const CT_TCP_LAST_END = CT_TCP_LAST_ACK + WORD;
export const CT_TCP_LAST_WIN = CT_TCP_LAST_END + WORD;
export const CT_TCP_LAST_WSCALE = CT_TCP_LAST_WIN + WORD;
export const CT_TCP_LAST_FLAGS = CT_TCP_LAST_WSCALE + WORD;
export const CT_TCP_SEEN = 128; // two of struct ip_ct_tcp_state
export const SEEN_END = 0;
export const SEEN_MAX_END = SEEN_END + WORD;
export const SEEN_MAX_WIN = SEEN_MAX_END + WORD;
export const SEEN_MAX_ACK = SEEN_MAX_WIN + WORD;
export const SEEN_SCALE = SEEN_MAX_ACK + WORD;
export const SEEN_FLAGS = SEEN_SCALE + WORD;
export const SEEN_SIZE = 32;
export const CT_NEXT = CT_TCP_SEEN + 2 * SEEN_SIZE - WORD; // the next record of the namespace, in the last of the spare words
export const CT_SIZE = CT_TCP_SEEN + 2 * SEEN_SIZE;

// A UDP or TCP socket that listens or is bound.
export const SOCK_HASH_NEXT = 0;
export const SOCK_NAMESPACE = SOCK_HASH_NEXT + WORD;
export const SOCK_PROTO = SOCK_NAMESPACE + WORD;
export const SOCK_LOCAL = SOCK_PROTO + WORD; // 0: any
export const SOCK_LOCAL_PORT = SOCK_LOCAL + WORD;
export const SOCK_REMOTE = SOCK_LOCAL_PORT + WORD; // 0: not connected
export const SOCK_REMOTE_PORT = SOCK_REMOTE + WORD;
export const SOCK_OWNER = SOCK_REMOTE_PORT + WORD; // OWNER_*
export const SOCK_ARG = SOCK_OWNER + WORD; // flow, session, or size of a response
export const SOCK_IP_ID = SOCK_ARG + WORD;
export const SOCK_LINE = SOCK_IP_ID + WORD; // traffic line + 1
export const SOCK_BURST = SOCK_LINE + WORD; // datagrams taken at SOCK_BURST_TIME
export const SOCK_BURST_TIME = 56; // u64
export const SOCK_BACKLOG = SOCK_BURST_TIME + LONG; // TCP: connections that may wait to be accepted
export const SOCK_WAITING = SOCK_BACKLOG + WORD; // and those that do
export const SOCK_OPENING = SOCK_WAITING + WORD; // handshakes under way (the SYN queue)
export const SOCK_OVERFLOWED = SOCK_OPENING + WORD; // when that queue last overflowed, in seconds + 1; 0: never
export const SOCK_SIZE = 80;
export const OWNER_SERVICE = 1;
export const OWNER_DNS = 2;
export const OWNER_FLOW = 3;
export const OWNER_RESOLVER = 4;
export const OWNER_ECHO = 5; // sends back what comes, from the address that the route says
export const OWNER_SINK = 6; // takes what comes, never answers and never closes
export const OWNER_TUNNEL = 7; // a vxlan port: frames inside go to the device with their network number
export const OWNER_METER = 15; // takes the datagrams of a stream and counts them
export const OWNER_FORWARD = 8; // a DNS server's, towards the server that it asks
export const OWNER_INGRESS = 9; // a reverse proxy's, towards its clients
export const OWNER_UPSTREAM = 10; // and towards the servers behind it
export const OWNER_CHECK = 11; // a load balancer's health check
export const OWNER_PROGRAM = 12; // a program of the host
export const OWNER_RELAY = 13; // a load balancer's that ends connections, towards its clients; the listener's argument: VIRTUAL_*
export const OWNER_RELAYED = 14; // and towards a server
export const OWNER_IDLE = 16; // a flow's, while no request of it is under way
export const OWNER_STOPPED = 20; // a process that has stopped: it accepts no connection
export const OWNER_TAKER = 21; // takes so many bytes as its argument says, then closes the connection

// A packet being put together from fragments (assembly/ip/fragment.ts draws the rest).
export const REASSEMBLY_NEXT = 0;
export const REASSEMBLY_FRAMES = 20; // its fragments by offset, linked by FRAME_NEXT

// A TCP connection (struct tcp_sock).
export const TCP_HASH_NEXT = 0;
export const TCP_NAMESPACE = TCP_HASH_NEXT + WORD;
export const TCP_STATE = TCP_NAMESPACE + WORD; // TCPS_*
export const TCP_LOCAL = TCP_STATE + WORD;
export const TCP_REMOTE = TCP_LOCAL + WORD;
export const TCP_PORTS = TCP_REMOTE + WORD; // local << 16 | remote
export const TCP_SND_UNA = TCP_PORTS + WORD;
export const TCP_SND_NXT = TCP_SND_UNA + WORD;
export const TCP_SND_WND = TCP_SND_NXT + WORD; // in bytes, scaled
export const TCP_RCV_NXT = TCP_SND_WND + WORD;
export const TCP_WRITE_SEQ = TCP_RCV_NXT + WORD; // sequence number after the last byte given by the application
export const TCP_QUEUE = TCP_WRITE_SEQ + WORD; // segments not acknowledged, oldest first
export const TCP_QUEUE_TAIL = TCP_QUEUE + WORD;
export const TCP_UNSENT = TCP_QUEUE_TAIL + WORD; // first segment of the queue not sent yet
export const TCP_OUT_OF_ORDER = TCP_UNSENT + WORD; // segments received early, by sequence number
export const TCP_FLAGS = TCP_OUT_OF_ORDER + WORD; // TCPF_*
export const TCP_MSS = TCP_FLAGS + WORD; // payload bytes of a full segment
export const TCP_PEER_SCALE = TCP_MSS + WORD;
export const TCP_CWND = TCP_PEER_SCALE + WORD; // segments
export const TCP_SSTHRESH = TCP_CWND + WORD;
export const TCP_DUPACKS = TCP_SSTHRESH + WORD;
export const TCP_RETRIES = TCP_DUPACKS + WORD;
export const TCP_TS_RECENT = TCP_RETRIES + WORD;
export const TCP_GENERATION = TCP_TS_RECENT + WORD;
export const TCP_OWNER = TCP_GENERATION + WORD; // OWNER_*
export const TCP_ARG = TCP_OWNER + WORD; // session, or size of a response
export const TCP_APP = TCP_ARG + WORD; // four words of the application
export const TCP_LINE = TCP_APP + 4 * WORD;
export const TCP_IP_ID = TCP_LINE + WORD;
export const TCP_RTO = 128; // u64
export const TCP_SRTT = TCP_RTO + LONG; // u64, 0: none yet
export const TCP_RTTVAR = TCP_SRTT + LONG; // u64
export const TCP_DEADLINE = TCP_RTTVAR + LONG; // u64: when the timer should fire, 0: off
export const TCP_ARMED = TCP_DEADLINE + LONG; // u64: when the event in the queue comes, 0: none
export const TCP_RECOVER = TCP_ARMED + LONG; // recovery ends when all that was sent before this is acknowledged
export const TCP_RCV_WND = TCP_RECOVER + WORD; // the window last offered, in bytes, and where it began
export const TCP_RCV_WUP = TCP_RCV_WND + WORD;
export const TCP_RCV_SSTHRESH = TCP_RCV_WUP + WORD; // the largest window to offer
export const TCP_RCV_MSS = TCP_RCV_SSTHRESH + WORD; // the largest segment that came, as far as is known
export const TCP_ANSWERED = TCP_RCV_MSS + WORD; // when a segment that cannot be taken was last answered, in ms + 1; 0: never
// Loss recovery and congestion control, see tcp-recovery.ts and tcp-cubic.ts.
export const TCP_RACK_TIME = TCP_ANSWERED + WORD; // u64: when the segment delivered last, of those sent last, was sent
export const TCP_RACK_RTT = TCP_RACK_TIME + LONG; // u64: and how long it took
export const TCP_MIN_RTT = TCP_RACK_RTT + LONG; // u64: the shortest round trip, 0: none yet
export const TCP_LAST_SENT = TCP_MIN_RTT + LONG; // u64: when data was last sent
export const TCP_RACK_SEQ = TCP_LAST_SENT + LONG; // the end of that segment
export const TCP_PRIOR_CWND = TCP_RACK_SEQ + WORD; // when recovery began
export const TCP_PRR_DELIVERED = TCP_PRIOR_CWND + WORD;
export const TCP_PRR_OUT = TCP_PRR_DELIVERED + WORD;
export const TCP_CWND_COUNT = TCP_PRR_OUT + WORD; // acknowledged since the window last grew
export const TCP_USED_SEQ = TCP_CWND_COUNT + WORD; // the window's use is measured until this is acknowledged
export const TCP_USED = TCP_USED_SEQ + WORD; // the most segments under way since then
export const TCP_SND_WL1 = TCP_USED + WORD; // sequence number of the segment that last set SND_WND
export const TCP_PROBES = TCP_SND_WL1 + WORD; // probes of a closed window without answer
export const TCP_SACK_STAMP = TCP_PROBES + WORD; // counts segments that came early
export const TCP_DUP_FROM = TCP_SACK_STAMP + WORD; // what came twice, to be reported with the next acknowledgement (D-SACK)
export const TCP_DUP_TO = TCP_DUP_FROM + WORD; // the same as TCP_DUP_FROM: nothing did
export const TCP_TAIL_END = TCP_DUP_TO + WORD;
export const CUBIC_LAST_MAX = TCP_TAIL_END + WORD; // struct bictcp, in its words
export const CUBIC_LAST_CWND = CUBIC_LAST_MAX + WORD;
export const CUBIC_LAST_TIME = CUBIC_LAST_CWND + WORD; // ms
export const CUBIC_ORIGIN = CUBIC_LAST_TIME + WORD;
export const CUBIC_K = CUBIC_ORIGIN + WORD; // 1/1024 s
export const CUBIC_DELAY_MIN = CUBIC_K + WORD; // microseconds, 0: none yet
export const CUBIC_EPOCH = CUBIC_DELAY_MIN + WORD; // ms + 1, 0: none
export const CUBIC_ACKED = CUBIC_EPOCH + WORD;
export const CUBIC_RENO = CUBIC_ACKED + WORD; // the window that NewReno would have
export const CUBIC_COUNT = CUBIC_RENO + WORD; // acknowledgements for each step of the window
export const HYSTART_FOUND = CUBIC_COUNT + WORD;
export const HYSTART_ROUND = HYSTART_FOUND + WORD; // microseconds
export const HYSTART_LAST = HYSTART_ROUND + WORD;
export const HYSTART_END = HYSTART_LAST + WORD;
export const HYSTART_RTT = HYSTART_END + WORD; // microseconds
export const HYSTART_SAMPLES = HYSTART_RTT + WORD;
// The receive buffer and what is learned of the sender, see tcp-autotune.ts; the counts of the scoreboard.
export const TCP_SPACE_TIME = 352; // u64: when the bytes read in a round trip began to be counted
export const TCP_RCV_RTT_TIME = TCP_SPACE_TIME + LONG; // u64: when a window's worth of bytes began to be timed, 0: never
export const TCP_SPACE = TCP_RCV_RTT_TIME + LONG; // bytes read in a round trip, the most so far
export const TCP_SPACE_SEQ = TCP_SPACE + WORD;
export const TCP_RCV_RTT = TCP_SPACE_SEQ + WORD; // the round trip as the receiver sees it, in 1/8 microseconds, 0: unknown
export const TCP_RCV_RTT_SEQ = TCP_RCV_RTT + WORD; // where that window ends
export const TCP_RCV_ECHO = TCP_RCV_RTT_SEQ + WORD; // the timestamp last measured by
export const TCP_RCV_BUF = TCP_RCV_ECHO + WORD; // bytes of memory for what comes (sk_rcvbuf)
export const TCP_RCV_HELD = TCP_RCV_BUF + WORD; // and those that are taken (sk_rmem_alloc)
export const TCP_RCV_RATIO = TCP_RCV_HELD + WORD; // how much of it is data, of 256
export const TCP_RCV_CLAMP = TCP_RCV_RATIO + WORD; // the largest window that may ever be offered
export const TCP_OUT = TCP_RCV_CLAMP + WORD; // segments sent and not acknowledged
export const TCP_SACKED = TCP_OUT + WORD; // of those: arrived early
export const TCP_LOST = TCP_SACKED + WORD; // lost
export const TCP_AGAIN = TCP_LOST + WORD; // sent again since
export const TCP_KEEP_AT = TCP_AGAIN + WORD; // u64: when to ask whether the peer is still there, 0: never
export const TCP_LAST_HEARD = TCP_KEEP_AT + LONG; // u64: when it was last heard of
export const TCP_KEEP_PROBES = TCP_LAST_HEARD + LONG; // questions since
export const TCP_SND_SML = TCP_KEEP_PROBES + WORD; // the end of the last segment sent that was not full
// When what came is acknowledged, see tcp-quick-ack.ts (icsk_ack).
export const TCP_ACK_AT = 448; // u64: when at the latest, 0: nothing waits for that
export const TCP_ACK_ARMED = TCP_ACK_AT + LONG; // u64: when the event in the queue for it comes, 0: none
export const TCP_LAST_DATA = TCP_ACK_ARMED + LONG; // u64: when data last came
export const TCP_ATO = TCP_LAST_DATA + LONG; // microseconds that an acknowledgement waits, 0: no data has come yet
export const TCP_QUICK = TCP_ATO + WORD; // acknowledgements that do not wait
export const TCP_SIZE_LAST = TCP_QUICK + WORD; // the last segment, if it may have been a full one of fewer bytes than were thought
// Reductions that may be taken back, see tcp-undo.ts, and how much later than others a segment may come.
export const TCP_PRIOR_SSTHRESH = TCP_SIZE_LAST + WORD;
export const TCP_UNDO_FROM = TCP_PRIOR_SSTHRESH + WORD; // what was not acknowledged when it began
export const TCP_UNDO_AGAIN = TCP_UNDO_FROM + WORD; // i32: repetitions that have not been reported as come twice, -1: there were none
export const TCP_REPEATED_AT = TCP_UNDO_AGAIN + WORD; // with TCPF_REPEATED: the timestamp of the first repetition
export const TCP_HIGHEST_SACK = TCP_REPEATED_AT + WORD; // the end of the segment furthest ahead that arrived early
export const TCP_REORDERING = TCP_HIGHEST_SACK + WORD; // segments by which others were overtaken, the most, 3 at least
export const TCP_REO_STEPS = TCP_REORDERING + WORD; // quarters of a round trip that RACK waits
export const TCP_REO_PERSIST = TCP_REO_STEPS + WORD; // recoveries until it is one again
export const TCP_DELIVERED = TCP_REO_PERSIST + WORD; // segments that arrived
export const TCP_REO_DELIVERED = TCP_DELIVERED + WORD; // when the steps last became more
export const TCP_COMPRESSED = TCP_REO_DELIVERED + WORD; // acknowledgements of early segments that were not sent
export const TCP_COMPRESSED_AT = TCP_COMPRESSED + WORD; // what was missing when they began to be counted
export const TCP_TOLD = TCP_COMPRESSED_AT + WORD; // and those that were sent since, up to 3
export const TCP_SIZE = 544;

export const TCPS_CLOSED = 0;
export const TCPS_SYN_SENT = 1;
export const TCPS_SYN_RECV = 2;
export const TCPS_ESTABLISHED = 3;
export const TCPS_FIN_WAIT1 = 4;
export const TCPS_FIN_WAIT2 = 5;
export const TCPS_CLOSE_WAIT = 6;
export const TCPS_LAST_ACK = 7;
export const TCPS_CLOSING = 8;
export const TCPS_TIME_WAIT = 9;

export const TCPF_TIMESTAMPS = 1;
export const TCPF_SACK = 2;
export const TCPF_WSCALE = 4;
export const TCPF_RECOVERY = 16;
export const TCPF_ACK_DUE = 32; // something came that is to be acknowledged
export const TCPF_LOSS = 128; // recovering after a time-out
export const TCPF_CWND_LIMITED = 256; // it was the congestion window that held data back
export const TCPF_PROBING = 512; // the timer is to probe a closed window
export const TCPF_REORDER = 1024; // the timer is to look for losses again (RACK)
export const TCPF_TAIL = 2048; // the timer is to probe the tail of what is under way (TLP)
export const TCPF_TAIL_OUT = 4096; // that probe is under way, up to TCP_TAIL_END
export const TCPF_TAIL_AGAIN = 8192; // and was sent before
export const TCPF_ORPHAN = 16384; // no program holds the connection any more
export const TCPF_UNREAD = 32768; // the program has left bytes unread
export const TCPF_NODELAY = 65536; // small segments do not wait for acknowledgements (TCP_NODELAY)
export const TCPF_INTERACTIVE = 131072; // data that comes is answered with data, which acknowledges it (pingpong)
export const TCPF_ACK_NOW = 262144; // with TCPF_ACK_DUE: at once
export const TCPF_PUSHED = 524288; // with it: among what came is a segment that was not full
export const TCPF_PUSHED_AGAIN = 1048576; // and another
export const TCPF_UNDO = 2097152; // the last reduction may be taken back
export const TCPF_REPEATED = 4194304; // something was sent again
export const TCPF_FRTO = 8388608; // after a time-out: whether it was one of a loss is not known yet
export const TCPF_REORDERS = 16777216; // the way lets segments overtake each other
export const TCPF_QUEUED = 33554432; // it counts in the SYN queue of its listener (SOCK_OPENING)
export const TCPF_COOKIE = 67108864; // its SYN is answered by a cookie
export const TCPF_SHRUNK = 64; // segments that are too large for the way wait to be sent again in parts

// A segment on a connection's queue is a frame; these words of its metadata say what it carries.
export const SEG_SEQ = 84;
export const SEG_FLAGS = SEG_SEQ + WORD; // FIN, SYN
export const SEG_RETRIES = SEG_FLAGS + WORD;
export const SEG_SENT = 96; // u64: when it was last sent
export const SEG_LENGTH = SEG_SENT + LONG; // payload bytes
export const SEG_MARKS = SEG_LENGTH + WORD; // SEGM_*
export const SEG_STAMP = SEG_MARKS + WORD; // received early: its place among such segments in time
export const SEGM_SACKED = 1;
export const SEGM_LOST = 2;
export const SEGM_RETRANSMITTED = 4; // and that may still be under way

// A flow: one client and one target.
export const FLOW_LINE = 0;
export const FLOW_NAMESPACE = FLOW_LINE + WORD;
export const FLOW_PROTOCOL = FLOW_NAMESPACE + WORD; // PROTOCOL_*
export const FLOW_ADDRESS = FLOW_PROTOCOL + WORD;
export const FLOW_PORT = FLOW_ADDRESS + WORD;
export const FLOW_NAMES = FLOW_PORT + WORD; // names to ask for: [length][bytes in wire form]..., ended by 0; 0: none
export const FLOW_RESOLVER = FLOW_NAMES + WORD; // RESOLVER_*
export const FLOW_ARRIVAL = FLOW_RESOLVER + WORD; // ARRIVAL_*
export const FLOW_REQUEST = FLOW_ARRIVAL + WORD; // address of the request's bytes
export const FLOW_REQUEST_BYTES = FLOW_REQUEST + WORD; // those that every request has
export const FLOW_SOCKET = FLOW_REQUEST_BYTES + WORD; // udp: its socket
export const FLOW_SEQUENCE = FLOW_SOCKET + WORD;
export const FLOW_ID = FLOW_SEQUENCE + WORD;
export const FLOW_FIRST = FLOW_ID + WORD; // oldest session under way, linked by SESSION_NEWER
export const FLOW_LAST = FLOW_FIRST + WORD;
export const FLOW_TIMED = FLOW_LAST + WORD; // 1: a timer event is set
export const FLOW_INTERVAL = 64; // f64 nanoseconds between requests
export const FLOW_STOP = FLOW_INTERVAL + LONG; // u64
export const FLOW_TIMEOUT = FLOW_STOP + LONG; // u64
export const FLOW_RANDOM = FLOW_TIMEOUT + LONG; // u64
export const FLOW_NEXT_AT = FLOW_RANDOM + LONG; // f64: exact time of the next request
export const FLOW_PORT_FIRST = FLOW_NEXT_AT + LONG; // stream: its source ports, which take turns
export const FLOW_PORT_COUNT = FLOW_PORT_FIRST + WORD;
export const FLOW_PORT_TURN = FLOW_PORT_COUNT + WORD;
export const FLOW_GREETS = FLOW_PORT_TURN + WORD; // stream: datagrams that still ask for an answer
// When requests come, and how large they are; see layout/traffic.ts.
export const FLOW_ON = FLOW_GREETS + WORD; // DRAW_* of the times in which requests come, 0: they always do
export const FLOW_OFF = FLOW_ON + WORD; // DRAW_* of the times between those
export const FLOW_TRACE = FLOW_OFF + WORD; // the next MOMENT_* of a trace
export const FLOW_MOMENTS = FLOW_TRACE + WORD; // how many are left
export const FLOW_CLIENTS = FLOW_MOMENTS + WORD; // closed loop: how many requests are under way at a time
export const FLOW_THINK = FLOW_CLIENTS + WORD; // closed loop: DRAW_* of the time from an answer to the next request, 0: none
export const FLOW_SIZES = FLOW_THINK + WORD; // DRAW_* of the bytes of a request behind FLOW_REQUEST_BYTES, 0: none
export const FLOW_ANSWERS = FLOW_SIZES + WORD; // DRAW_* of the bytes that answers should have, 0: as the server likes
export const FLOW_SIZE_AT = FLOW_ANSWERS + WORD; // where in the request its length is written, 0: nowhere
export const FLOW_ANSWER_AT = FLOW_SIZE_AT + WORD; // and that of the answer
export const FLOW_ON_UNTIL = 168; // f64: when the time in which requests come is over
// Connections that are kept, and requests that are tried again.
export const FLOW_KEEPS = FLOW_ON_UNTIL + LONG; // 1: connections are used again
export const FLOW_CONNECTIONS = FLOW_KEEPS + WORD; // so many may be open, 0: any number
export const FLOW_OPEN = FLOW_CONNECTIONS + WORD; // open or being opened
export const FLOW_IDLE = FLOW_OPEN + WORD; // the connection that became idle last
export const FLOW_WAIT_FIRST = FLOW_IDLE + WORD; // sessions that wait for a connection, oldest first
export const FLOW_WAIT_LAST = FLOW_WAIT_FIRST + WORD;
export const FLOW_RETRIES = FLOW_WAIT_LAST + WORD; // how often a request is tried again at most
export const FLOW_RETRY_ON = FLOW_RETRIES + WORD; // RETRY_*
export const FLOW_TRY_TIMEOUT = FLOW_RETRY_ON + WORD; // u64, 0: none
export const FLOW_BACKOFF = FLOW_TRY_TIMEOUT + LONG; // u64: before the first retry at most
export const FLOW_BACKOFF_MAX = FLOW_BACKOFF + LONG; // u64: before any
export const FLOW_STREAM = FLOW_BACKOFF_MAX + LONG; // STREAM_ONE_WAY, STREAM_ECHOED: a stream from a socket; 0: from ports in turn
export const FLOW_SENT = FLOW_STREAM + WORD; // datagrams of a stream so far
export const FLOW_SIZE = 256;

// The payload of a stream's datagram, in memory order: whether it asks for an answer, its number, when it was sent.
export const STREAM_ASKS = 0;
export const STREAM_NUMBER = STREAM_ASKS + WORD;
export const STREAM_SENT = STREAM_NUMBER + WORD; // u64
export const STREAM_HEADER = STREAM_SENT + LONG;
export const STREAM_FLOW = STREAM_HEADER; // FLOW_ID, if it is one that is metered
export const STREAM_METERED_HEADER = STREAM_FLOW + WORD;
/** In place of STREAM_ASKS: a stream that is metered where it arrives, or where its datagrams come back. On the wire: "strm", "echo". */
export const STREAM_ONE_WAY = 0x6d727473;
export const STREAM_ECHOED = 0x6f686365;

// What is known of a stream where it ends.
export const METER_NAMESPACE = WORD; // after the link of the hash table
export const METER_FLOW = METER_NAMESPACE + WORD;
export const METER_HIGHEST = METER_FLOW + WORD; // the highest number so far
export const METER_SEEN = METER_HIGHEST + WORD; // u64: bit n: the number n below it has come
export const METER_TRANSIT = METER_SEEN + LONG; // u64: how long the last one took, 0: there was none
export const METER_JITTER = METER_TRANSIT + LONG; // u64: 1/16 ns
export const METER_SIZE = METER_JITTER + LONG;

// A session: one request under way.
export const SESSION_HASH_NEXT = 0;
export const SESSION_FLOW = SESSION_HASH_NEXT + WORD;
export const SESSION_SEQUENCE = SESSION_FLOW + WORD;
export const SESSION_TCP = SESSION_SEQUENCE + WORD;
export const SESSION_SOCKET = SESSION_TCP + WORD; // resolver socket
export const SESSION_NAME = SESSION_SOCKET + WORD; // name being asked for
export const SESSION_QUERY_A = SESSION_NAME + WORD; // DNS id
export const SESSION_QUERY_AAAA = SESSION_QUERY_A + WORD;
export const SESSION_ANSWERS = SESSION_QUERY_AAAA + WORD; // bit 0: A came, bit 1: AAAA came
export const SESSION_ADDRESS = SESSION_ANSWERS + WORD;
export const SESSION_RECEIVED = SESSION_ADDRESS + WORD; // bytes
export const SESSION_EXPECTED = SESSION_RECEIVED + WORD;
export const SESSION_NEWER = SESSION_EXPECTED + WORD;
export const SESSION_OLDER = SESSION_NEWER + WORD;
export const SESSION_GENERATION = SESSION_OLDER + WORD;
export const SESSION_START = 64; // u64
export const SESSION_TRIES = SESSION_START + LONG; // questions for the name in hand that were not answered in time
export const SESSION_FLAGS = SESSION_TRIES + WORD; // RESOLVER_*: those of the flow, and what was learned on the way
export const SESSION_STREAM = SESSION_FLAGS + WORD; // connection to the DNS server
export const SESSION_MESSAGE = SESSION_STREAM + WORD; // what has come over it
export const SESSION_STATE = SESSION_MESSAGE + WORD; // TRY_*
export const SESSION_TRY = SESSION_STATE + WORD; // how often it was tried so far
export const SESSION_TRY_GENERATION = SESSION_TRY + WORD;
export const SESSION_HOLDS = SESSION_TRY_GENERATION + WORD; // 1: it has a connection, or may open one; 2: one that others have used
export const SESSION_NEXT_WAITING = SESSION_HOLDS + WORD;
export const SESSION_BYTES = SESSION_NEXT_WAITING + WORD; // of the request behind FLOW_REQUEST_BYTES
export const SESSION_ANSWER_BYTES = SESSION_BYTES + WORD; // that are asked for, 0: as the server likes
export const SESSION_STATUS = SESSION_ANSWER_BYTES + WORD; // of the answer: HTTP's status, DNS' code
export const SESSION_PARENT = SESSION_STATUS + WORD; // the request of a service that this one is made for, 0: none
export const SESSION_REPEATS = SESSION_PARENT + WORD; // how often it is made again afterwards
export const SESSION_ADDRESS6 = SESSION_REPEATS + WORD; // number of the IPv6 address that was found, 0: none
export const SESSION_SIZE = 144;

// What a worker counted for one traffic line.
export const HISTOGRAM_SUB_BITS = 6;
export const HISTOGRAM_BUCKETS = 3776; // (64 - 6 + 1) * 64
export const LINE_SENT = 0;
export const LINE_DELIVERED = LINE_SENT + WORD;
export const LINE_REFUSED = LINE_DELIVERED + WORD;
export const LINE_TIMED_OUT = LINE_REFUSED + WORD;
export const LINE_UNRESOLVED = LINE_TIMED_OUT + WORD;
export const LINE_BEGUN = LINE_UNRESOLVED + WORD; // of those sent, those that did not wait for a connection in vain
export const LINE_RETRIES = LINE_BEGUN + WORD; // times that a request was tried again
export const LINE_BACKENDS = LINE_RETRIES + WORD; // address of a counter for each namespace id
export const LINE_DROPS = LINE_BACKENDS + WORD; // a counter for each DROP_*
export const LINE_MAX = 416; // u64 nanoseconds
export const LINE_DENIED_AT = LINE_MAX + LONG; // u64: when a rule first denied a frame of the line
export const LINE_DENIED_NS = LINE_DENIED_AT + LONG; // the id of its namespace
export const LINE_DENIED_RULE = LINE_DENIED_NS + WORD; // RULE_INDEX + 1, 0: none did
export const LINE_HISTOGRAM = LINE_DENIED_RULE + WORD;
export const LINE_STATUS = LINE_HISTOGRAM + HISTOGRAM_BUCKETS * WORD; // a counter for each status of an answer
export const STATUS_COUNT = 600;
export const STATUS_DNS = 1; // what is added to the code of a DNS answer
export const LINE_SUM = LINE_STATUS + STATUS_COUNT * WORD; // u64 nanoseconds: latencies together
export const LINE_REORDERED = LINE_SUM + LONG; // of a stream: what came after what was sent later
export const LINE_DUPLICATES = LINE_REORDERED + WORD; // and what came again
export const LINE_STREAMS = LINE_DUPLICATES + WORD; // streams of which something came
export const LINE_JITTER_SUM = LINE_STREAMS + 2 * WORD; // u64: of all of them, in 1/16 ns
export const LINE_JITTER_MAX = LINE_JITTER_SUM + LONG; // u64: the highest that one of them ever had
export const LINE_SIZE = LINE_JITTER_MAX + LONG;
