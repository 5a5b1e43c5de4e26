// Failed requests by what they failed of and by the event that they belong to: plain constants that both compilers read.
const WORD = 4;
const LONG = 8;

// Something that happens in a run.
export const EVENT_AT = 0; // u64
export const EVENT_UNTIL = EVENT_AT + LONG; // u64: when all that comes of it has come
export const EVENT_SIZE = EVENT_UNTIL + LONG;

// How a request failed.
export const FAILED_REFUSED = 0; // a reset or an ICMP error answered the first packet, or there was no way
export const FAILED_RESET = 1; // the connection was reset once it was open
export const FAILED_CLOSED = 2; // the server closed it before the answer was whole
export const FAILED_UNCONNECTED = 3; // its time was over, and the connection not open yet
export const FAILED_UNANSWERED = 4; // its time was over
export const FAILED_UNRESOLVED = 5; // the name had no address
export const FAILED_KINDS = 6;

/** Counters of one line and one event: one word for each FAILED_*. */
export const FAILURES_SIZE = FAILED_KINDS * WORD;
