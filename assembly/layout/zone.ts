// The names that a DNS server knows, as a hash table over names in wire form in one position-independent block of words, and what
// servers and resolvers keep besides. The block is written by src/engine/zone.ts, answered from by assembly/app/dns-zone.ts. Offsets are bytes from the block's start.
//
//   +--------+---------+-------+------------------+-----+
//   | header | buckets | entry | name | records   | ... |
//   +--------+---------+-------+------------------+-----+
const WORD = 4;

export const ZONE_MASK = 0; // number of buckets - 1
export const ZONE_BUCKETS = ZONE_MASK + WORD; // offset of the first entry of each bucket, 0: none

// An entry; its name follows, padded to a word, then its records. Equal names stand in one entry.
export const ENTRY_NEXT = 0;
export const ENTRY_NAME_LENGTH = ENTRY_NEXT + WORD;
export const ENTRY_RECORDS = ENTRY_NAME_LENGTH + WORD; // number of records; 0: the name exists without any; GONE: it does not exist
export const GONE = 0xffffffff; // in a block of changes: the name was there at the start
export const ENTRY_PODS = ENTRY_RECORDS + WORD; // not 0: names below it are addresses with dashes; how long those live, in seconds
export const ENTRY_NAME = ENTRY_PODS + WORD;

// A record; its data follow, padded to a word.
export const RECORD_TYPE = 0;
export const RECORD_TTL = RECORD_TYPE + WORD;
export const RECORD_LENGTH = RECORD_TTL + WORD;
export const RECORD_DATA = RECORD_LENGTH + WORD;

export const DNS_A = 1;
export const DNS_NS = 2;
export const DNS_CNAME = 5;
export const DNS_SOA = 6;
export const DNS_PTR = 12;
export const DNS_AAAA = 28;
export const DNS_SRV = 33;
export const DNS_OPT = 41;

// The hash of a name: FNV-1a over its bytes in lower case.
export const ZONE_HASH_START = 0x811c9dc5;
export const ZONE_HASH_PRIME = 0x01000193;

// A DNS server: what it answers from, and the server outside that it asks about other names.
export const SERVER_ZONE = 0;
export const SERVER_NAMESPACE = SERVER_ZONE + WORD;
export const SERVER_FORWARD = SERVER_NAMESPACE + WORD; // its address, 0: nobody is asked
export const SERVER_RECURSIVE = SERVER_FORWARD + WORD; // 1: its zone is the whole world, as a resolver tells it
export const SERVER_CACHE = SERVER_RECURSIVE + WORD; // hash table of CACHED_*
export const SERVER_IDLE = SERVER_CACHE + WORD; // questions answered, whose sockets wait for the next one, oldest first
export const SERVER_IDLE_TAIL = SERVER_IDLE + WORD;
export const SERVER_CHANGES = SERVER_IDLE_TAIL + WORD; // a block of the names that are others than in its zone, 0: none
export const SERVER_SIZE = 64;

/** The longest message over UDP without EDNS (RFC 1035, 2.3.4). */
export const DNS_UDP_LIMIT = 512;

// What was asked of another server and is kept for a while.
export const CACHED_HASH_NEXT = 0;
export const CACHED_TYPE = CACHED_HASH_NEXT + WORD;
export const CACHED_NAME_LENGTH = CACHED_TYPE + WORD;
export const CACHED_LENGTH = CACHED_NAME_LENGTH + WORD; // of the message
export const CACHED_TTL = CACHED_LENGTH + WORD; // seconds
export const CACHED_NAME = CACHED_TTL + WORD; // 256 bytes
export const CACHED_MESSAGE = CACHED_NAME + 256;
export const CACHED_SINCE = CACHED_MESSAGE + DNS_UDP_LIMIT + WORD; // u64
export const CACHED_SIZE = CACHED_SINCE + 64;

// A question that another server was asked on behalf of a client.
export const ASKED_NEXT = 0;
export const ASKED_SERVER = ASKED_NEXT + WORD;
export const ASKED_GENERATION = ASKED_SERVER + WORD;
export const ASKED_SOCKET = ASKED_GENERATION + WORD; // towards the other server
export const ASKED_USED = ASKED_SOCKET + WORD; // seconds: when the socket was used last
export const ASKED_ID = ASKED_USED + WORD;
export const ASKED_TRIES = ASKED_ID + WORD;
export const ASKED_TYPE = ASKED_TRIES + WORD;
export const ASKED_NAME = ASKED_TYPE + WORD; // of the name asked for
export const ASKED_NAME_LENGTH = ASKED_NAME + WORD;
export const ASKED_LISTENER = ASKED_NAME_LENGTH + WORD; // who asks, over UDP
export const ASKED_LOCAL = ASKED_LISTENER + WORD;
export const ASKED_FROM = ASKED_LOCAL + WORD;
export const ASKED_PORT = ASKED_FROM + WORD;
export const ASKED_LINE = ASKED_PORT + WORD;
export const ASKED_CONNECTION = ASKED_LINE + WORD; // who asks, over TCP
export const ASKED_CONNECTION_GENERATION = ASKED_CONNECTION + WORD;
export const ASKED_LENGTH = ASKED_CONNECTION_GENERATION + WORD; // of the client's query
export const ASKED_QUERY = ASKED_LENGTH + WORD;
export const ASKED_SIZE = ASKED_QUERY + DNS_UDP_LIMIT + 64;

// How a client resolves names: its resolv.conf.
export const RESOLVER_COUNT = 0;
export const RESOLVER_SERVERS = RESOLVER_COUNT + WORD; // at most three addresses (MAXNS)
export const RESOLVER_ATTEMPTS = RESOLVER_SERVERS + 3 * WORD;
export const RESOLVER_TIMEOUT = RESOLVER_ATTEMPTS + WORD; // milliseconds
export const RESOLVER_FLAGS = RESOLVER_TIMEOUT + WORD; // RESOLVER_*
export const RESOLVER_SIZE = RESOLVER_FLAGS + WORD;
export const RESOLVER_USE_VC = 1; // asks over TCP
export const RESOLVER_SINGLE = 2; // asks for AAAA when A is answered
export const RESOLVER_REOPEN = 4; // and from another socket
export const RESOLVER_EDNS0 = 8;
// Families that the program does not ask for (AF_INET6, AF_INET in its hints).
export const RESOLVER_NO_A = 16;
export const RESOLVER_NO_AAAA = 32;
