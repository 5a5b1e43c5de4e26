// A load balancer's records: virtual servers, the real servers behind each, the checks of their health, the connections handed on.
// src/engine/balancer.ts writes the first three before a run and reads them, and what was noted of the checks, after it.
const WORD = 4;
const LONG = 8;

// Of a namespace that balances, at NS_BALANCER.
export const BALANCER_VIRTUALS = 0; // first VIRTUAL_*
export const BALANCER_CONNECTIONS = BALANCER_VIRTUALS + WORD; // hash table of HANDED_*
export const BALANCER_FREE = BALANCER_CONNECTIONS + WORD; // its records that are not in use
export const BALANCER_VERSION = BALANCER_FREE + WORD; // rises with every server that comes or goes
export const BALANCER_CHANGES = BALANCER_VERSION + WORD; // first CHANGE_*, in the order of time
export const BALANCER_CHANGES_LAST = BALANCER_CHANGES + WORD;
export const BALANCER_SIZE = 32;

// A virtual server: an address, protocol and port that connections come to. Two lists of VIRTUAL_COUNT follow: the real servers
// (REAL_*), and the addresses of those of them that are healthy.
export const VIRTUAL_NEXT = 0;
export const VIRTUAL_ADDRESS = VIRTUAL_NEXT + WORD;
export const VIRTUAL_PROTO = VIRTUAL_ADDRESS + WORD;
export const VIRTUAL_PORT = VIRTUAL_PROTO + WORD;
export const VIRTUAL_BY_SOURCE = VIRTUAL_PORT + WORD; // 1: a client's connections all go to one server
export const VIRTUAL_COUNT = VIRTUAL_BY_SOURCE + WORD;
export const VIRTUAL_HEALTHY = VIRTUAL_COUNT + WORD; // how many are, as of VIRTUAL_VERSION
export const VIRTUAL_VERSION = VIRTUAL_HEALTHY + WORD; // BALANCER_VERSION then
export const VIRTUAL_RELAY_PORT = VIRTUAL_VERSION + WORD; // of the servers, for connections that end here; 0: packets are handed on as they are
export const VIRTUAL_REALS = VIRTUAL_RELAY_PORT + WORD;

export const REAL_ADDRESS = 0;
export const REAL_CHECK = REAL_ADDRESS + WORD; // CHECK_*
export const REAL_CONNECTIONS = REAL_CHECK + WORD; // handed to it so far
export const REAL_SIZE = 16;

// A health check: GET over HTTP, again and again. A server is up or down after so many results in a row that say so; the first
// result says it at once.
export const CHECK_NAMESPACE = 0;
export const CHECK_ADDRESS = CHECK_NAMESPACE + WORD;
export const CHECK_PORT = CHECK_ADDRESS + WORD;
export const CHECK_RISE = CHECK_PORT + WORD;
export const CHECK_FALL = CHECK_RISE + WORD;
export const CHECK_REQUEST = CHECK_FALL + WORD; // address of its bytes
export const CHECK_REQUEST_BYTES = CHECK_REQUEST + WORD;
export const CHECK_STATE = CHECK_REQUEST_BYTES + WORD; // CHECK_UP, CHECK_DOWN, 0: not known yet
export const CHECK_CONTRARY = CHECK_STATE + WORD; // results in a row that say otherwise
export const CHECK_STREAM = CHECK_CONTRARY + WORD; // the connection of the one under way
export const CHECK_GENERATION = CHECK_STREAM + WORD; // a timer set for another generation is stale
export const CHECK_PASSED = CHECK_GENERATION + WORD; // results so far
export const CHECK_FAILED = CHECK_PASSED + WORD;
export const CHECK_INTERVAL = 56; // u64
export const CHECK_TIMEOUT = CHECK_INTERVAL + LONG; // u64
export const CHECK_SIZE = 80;
export const CHECK_UP = 1;
export const CHECK_DOWN = 2;

// A result that made a server come or go.
export const CHANGE_NEXT = 0;
export const CHANGE_CHECK = CHANGE_NEXT + WORD;
export const CHANGE_TIME = CHANGE_CHECK + WORD; // u64
export const CHANGE_STATE = CHANGE_TIME + LONG; // CHECK_UP, CHECK_DOWN
export const CHANGE_RESULT = CHANGE_STATE + WORD; // the HTTP status, or RESULT_*
export const CHANGE_SIZE = 32;
export const RESULT_TIMED_OUT = 0;
export const RESULT_REFUSED = 1;
export const RESULT_NO_HTTP = 2;

// A connection that was handed to a real server.
export const HANDED_NEXT = 0;
export const HANDED_CLIENT = HANDED_NEXT + WORD;
export const HANDED_ADDRESS = HANDED_CLIENT + WORD; // of the virtual server
export const HANDED_PORTS = HANDED_ADDRESS + WORD; // client's << 16 | virtual server's
export const HANDED_PROTO = HANDED_PORTS + WORD;
export const HANDED_REAL = HANDED_PROTO + WORD; // REAL_*
export const HANDED_UNTIL = HANDED_REAL + WORD; // u64: when it is forgotten
export const HANDED_STATE = HANDED_UNTIL + LONG; // HANDED_*
export const HANDED_SIZE = 48;
export const HANDED_OPENING = 1;
export const HANDED_OPEN = 2;
export const HANDED_CLOSING = 3;
