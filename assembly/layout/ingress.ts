// What an ingress controller proxies to where: a table in one position-independent block of words, written by src/engine/ingress.ts
// and walked by assembly/app/ingress.ts, which finds it by a word that the listener has; and a request on its way through the proxy. Offsets in the block are bytes from its start.
const WORD = 4;

export const INGRESS_LOCATIONS = 0; // how many; they follow the head in the order in which they are tried
export const INGRESS_RESPONSES = INGRESS_LOCATIONS + WORD; // offsets of the proxy's own answers, by RESPONSE_*: a length, then the bytes
export const RESPONSE_BAD_REQUEST = 0;
export const RESPONSE_NOT_FOUND = 1;
export const RESPONSE_BAD_GATEWAY = 2;
export const RESPONSE_UNAVAILABLE = 3;
export const RESPONSE_GATEWAY_TIMEOUT = 4;
export const RESPONSES = 5;
export const INGRESS_FIRST = INGRESS_RESPONSES + RESPONSES * WORD;

// A host and path, and the servers behind it.
export const LOCATION_HOST_KIND = 0;
export const LOCATION_HOST = LOCATION_HOST_KIND + WORD; // offset; in lower case. A wildcard's begins with the dot
export const LOCATION_HOST_LENGTH = LOCATION_HOST + WORD;
export const LOCATION_EXACT = LOCATION_HOST_LENGTH + WORD; // 1: the path as a whole, 0: a prefix of its elements
export const LOCATION_PATH = LOCATION_EXACT + WORD; // offset; a prefix has no slash at its end
export const LOCATION_PATH_LENGTH = LOCATION_PATH + WORD;
export const LOCATION_SERVERS = LOCATION_PATH_LENGTH + WORD; // offset; 0: nobody, the answer is "not found"
export const LOCATION_SIZE = LOCATION_SERVERS + WORD;
export const HOST_ANY = 0;
export const HOST_EXACT = 1;
export const HOST_WILDCARD = 2;

// Servers in turn.
export const SERVERS_COUNT = 0;
export const SERVERS_TURN = SERVERS_COUNT + WORD;
export const SERVERS_FIRST = SERVERS_TURN + WORD; // address and port of each
export const SERVERS_ENTRY = 2 * WORD;

// A client's connection and the request on it that is being proxied.
export const PROXY_NEXT = 0;
export const PROXY_GENERATION = PROXY_NEXT + WORD;
export const PROXY_CLIENT = PROXY_GENERATION + WORD;
export const PROXY_STATE = PROXY_CLIENT + WORD; // PROXY_*
export const PROXY_UPSTREAM = PROXY_STATE + WORD; // connection to a server, 0: none
export const PROXY_SERVERS = PROXY_UPSTREAM + WORD;
export const PROXY_TRIES = PROXY_SERVERS + WORD;
export const PROXY_BODY = PROXY_TRIES + WORD; // bytes of the request's body that have not come yet
export const PROXY_CHUNK = PROXY_BODY + WORD; // what waits for the server, CHUNK_*
export const PROXY_CHUNK_LAST = PROXY_CHUNK + WORD;
export const PROXY_ANSWERED = PROXY_CHUNK_LAST + WORD; // 1: some of the answer has gone to the client
export const PROXY_BYTES = PROXY_ANSWERED + WORD; // of the request's head, or while one is proxied of the next one's beginning
export const PROXY_HEAD = PROXY_BYTES + WORD;
export const PROXY_HEAD_MAX = 4096;
export const PROXY_SIZE = PROXY_HEAD + PROXY_HEAD_MAX + 64;
export const PROXY_READING = 0; // the head of a request
export const PROXY_CONNECTING = 1;
export const PROXY_PASSING = 2;

export const CHUNK_NEXT = 0;
export const CHUNK_BYTES = CHUNK_NEXT + WORD;
export const CHUNK_DATA = CHUNK_BYTES + WORD;
export const CHUNK_MAX = 6144;
export const CHUNK_SIZE = CHUNK_DATA + CHUNK_MAX + 64;
