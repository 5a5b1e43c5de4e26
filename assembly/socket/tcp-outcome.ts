// What happened to a connection, for the application: set while a segment or a timer is handled, read when that is over.

// What happened to a connection, for the application: bits that `receive` and `onTimer` return in `happened`.
export const CONNECTED: i32 = 1; // the handshake is complete
export const DATA: i32 = 2; // `data` and `dataLength`; more may be taken with `takeEarly`
export const PEER_CLOSED: i32 = 4; // FIN: no more data will come
export const REFUSED: i32 = 8; // reset before it was established
export const RESET: i32 = 16; // reset afterwards
export const EXPIRED: i32 = 32; // gave up retransmitting
export const WRITABLE: i32 = 64; // everything given so far is acknowledged
export const GONE: i32 = 128; // the record is free after this
/** The connection that the last call was about. */
export let connection: usize = 0;
export let happened: i32 = 0;
export let data: usize = 0;
export let dataLength: i32 = 0;
/** Whether a segment that is dropped is to be answered with a reset. */
export let mustReset: bool = false;

/** Begins with a connection, 0 if none is known yet: nothing has happened to it so far. */
export function begin(c: usize): void {
  connection = c;
  happened = 0;
  dataLength = 0;
  mustReset = false;
}

/** The segment is to be answered with a reset. */
export function setMustReset(): void {
  mustReset = true;
}

/** The connection turned out to be this one. */
export function setConnection(c: usize): void {
  connection = c;
}

/** This happened as well. */
export function note(what: i32): void {
  happened |= what;
}

/** This happened, and nothing else counts. */
export function setHappened(what: i32): void {
  happened = what;
}

/** Bytes for the application. */
export function setData(at: usize, length: i32): void {
  data = at;
  dataLength = length;
}
