// ip_vs: the virtual services of a namespace, their real servers, and the connections that were given to one.
// src/engine/ipvs.ts tells the kernel of the first two.
const WORD = 4;
const LONG = 8;

// Of a namespace that has virtual services, at NS_IPVS.
export const IPVS_SERVICES = 0; // hash table of VS_SERVICE_*
export const IPVS_CONNECTIONS = IPVS_SERVICES + WORD; // hash table of VSCONN_* by client and virtual service
export const IPVS_REPLIES = IPVS_CONNECTIONS + WORD; // the same by real server and client, of VSCONN_REPLY_LINK
export const IPVS_FREE = IPVS_REPLIES + WORD; // connections that are not in use
export const IPVS_CLEARING = IPVS_FREE + WORD; // 1: those of deleted servers are about to be forgotten
export const IPVS_SIZE = 24;

// A virtual service (struct ip_vs_service).
export const VS_SERVICE_HASH_NEXT = 0;
export const VS_SERVICE_ADDRESS = VS_SERVICE_HASH_NEXT + WORD;
export const VS_SERVICE_PORT = VS_SERVICE_ADDRESS + WORD;
export const VS_SERVICE_PROTO = VS_SERVICE_PORT + WORD;
export const VS_SERVICE_ALIVE = VS_SERVICE_PROTO + WORD; // 0: it was deleted
export const VS_SERVICE_SCHEDULER = VS_SERVICE_ALIVE + WORD; // SCHEDULER_*
export const VS_SERVICE_PERSISTENT = VS_SERVICE_SCHEDULER + WORD; // seconds, 0: it is not
export const VS_SERVICE_SERVERS = VS_SERVICE_PERSISTENT + WORD; // the real server that was added last, linked by VS_SERVER_NEXT
export const VS_SERVICE_TRASH = VS_SERVICE_SERVERS + WORD; // those that were deleted, which connections may still point at
export const VS_SERVICE_CURRENT = VS_SERVICE_TRASH + WORD; // rr, wrr: the one that was chosen last, 0: begin at the head
export const VS_SERVICE_WEIGHT = VS_SERVICE_CURRENT + WORD; // wrr: the weight that is asked for now
export const VS_SERVICE_WEIGHT_MAX = VS_SERVICE_WEIGHT + WORD; // wrr
export const VS_SERVICE_WEIGHT_STEP = VS_SERVICE_WEIGHT_MAX + WORD; // wrr
export const VS_SERVICE_BUCKETS = VS_SERVICE_WEIGHT_STEP + WORD; // sh, dh: 256 VS_SERVER_*; mh: 4093
export const VS_SERVICE_IS_DEALT = VS_SERVICE_BUCKETS + WORD; // sh, dh, mh: 1: the buckets are those of the servers as they are now
export const VS_SERVICE_NAMESPACE = VS_SERVICE_IS_DEALT + WORD;
export const VS_SERVICE_SIZE = 72;
export const VS_BUCKETS = 256;

export const SCHEDULER_RR = 0;
export const SCHEDULER_WRR = 1;
export const SCHEDULER_LC = 2;
export const SCHEDULER_WLC = 3;
export const SCHEDULER_SH = 4;
export const SCHEDULER_DH = 5;
export const SCHEDULER_SED = 6;
export const SCHEDULER_NQ = 7;
export const SCHEDULER_MH = 8; // with the flag mh-port, as kube-proxy sets it
export const SCHEDULER_FO = 9;
export const SCHEDULER_OVF = 10;
export const SCHEDULER_TWOS = 11;

// A real server (struct ip_vs_dest).
export const VS_SERVER_NEXT = 0;
export const VS_SERVER_ADDRESS = VS_SERVER_NEXT + WORD;
export const VS_SERVER_PORT = VS_SERVER_ADDRESS + WORD;
export const VS_SERVER_WEIGHT = VS_SERVER_PORT + WORD; // 0: no new connections
export const VS_SERVER_AVAILABLE = VS_SERVER_WEIGHT + WORD; // 0: it was deleted
export const VS_SERVER_LEAVING = VS_SERVER_AVAILABLE + WORD; // 1: to be deleted when its last connection is over
export const VS_SERVER_ACTIVE = VS_SERVER_LEAVING + WORD; // TCP connections that are established
export const VS_SERVER_INACTIVE = VS_SERVER_ACTIVE + WORD; // all others
export const VS_SERVER_LAST_WEIGHT = VS_SERVER_INACTIVE + WORD; // the last one that was not 0
export const VS_SERVER_PLACE = VS_SERVER_LAST_WEIGHT + WORD; // mh: the bucket that it asks for next
export const VS_SERVER_SKIP = VS_SERVER_PLACE + WORD; // mh: how far the one after that is
export const VS_SERVER_TURNS = VS_SERVER_SKIP + WORD; // mh: how many buckets it gets in a row
export const VS_SERVER_SIZE = 48;

// A connection, or the template by which a client keeps its real server (struct ip_vs_conn).
export const VSCONN_NEXT = 0;
export const VSCONN_REPLY_LINK = VSCONN_NEXT + WORD; // in IPVS_REPLIES
export const VSCONN_CLIENT = VSCONN_REPLY_LINK + WORD;
export const VSCONN_VIRTUAL = VSCONN_CLIENT + WORD; // address
export const VSCONN_PORTS = VSCONN_VIRTUAL + WORD; // client's << 16 | virtual service's; of a template the first is 0
export const VSCONN_PROTO = VSCONN_PORTS + WORD;
export const VSCONN_REAL = VSCONN_PROTO + WORD; // address
export const VSCONN_REAL_PORT = VSCONN_REAL + WORD;
export const VSCONN_SERVER = VSCONN_REAL_PORT + WORD; // VS_SERVER_*
export const VSCONN_STATE = VSCONN_SERVER + WORD; // VS_TCP_*; of UDP 0
export const VSCONN_FLAGS = VSCONN_STATE + WORD; // VSCONN_IS_*
export const VSCONN_TIMEOUT = VSCONN_FLAGS + WORD; // seconds after the last packet
export const VSCONN_CONTROL = VSCONN_TIMEOUT + WORD; // the template that it was made by, 0: none
export const VSCONN_CONTROLLED = VSCONN_CONTROL + WORD; // of a template: connections that were made by it
export const VSCONN_GENERATION = VSCONN_CONTROLLED + WORD; // a timer set for another one is stale
export const VSCONN_NAMESPACE = VSCONN_GENERATION + WORD;
export const VSCONN_UNTIL = 64; // u64: when it is over, unless a packet comes
export const VSCONN_TIMER = VSCONN_UNTIL + LONG; // u64: when its timer goes off; not later than that
export const VSCONN_SIZE = VSCONN_TIMER + LONG;
export const VSCONN_IS_TEMPLATE = 1;
export const VSCONN_IS_INACTIVE = 2; // it counts as such for its real server
export const VSCONN_OWNS_TRACKING = 4; // its entry of conntrack goes with it

// States of TCP as ip_vs sees it (IP_VS_TCP_S_*).
export const VS_TCP_NONE = 0;
export const VS_TCP_ESTABLISHED = 1;
export const VS_TCP_SYN_SENT = 2;
export const VS_TCP_SYN_RECV = 3;
export const VS_TCP_FIN_WAIT = 4;
export const VS_TCP_TIME_WAIT = 5;
export const VS_TCP_CLOSE = 6;
export const VS_TCP_CLOSE_WAIT = 7;
export const VS_TCP_LAST_ACK = 8;
export const VS_TCP_LISTEN = 9;
export const VS_TCP_SYNACK = 10;
