// The two queues of a listener: handshakes under way, and connections that wait to be accepted. How many there may be, and what
// happens to those that are too many (inet_connection_sock.c, tcp_conn_request).
import * as R from "../layout/records.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as sockets from "./table.ts";

/** What becomes of a SYN. */
export const QUEUE: i32 = 0; // the handshake goes on
export const COOKIE: i32 = 1; // nothing is kept of it
export const DROP: i32 = 2;

const COOKIES_ALWAYS: u32 = 2;
const COOKIE_VALID: u32 = 120; // seconds for which cookies are looked for after an overflow (TCP_SYNCOOKIE_VALID)

/** Counts one of TCPX_*. */
export function count(ns: usize, what: i32): void {
  const at = ns + R.NS_TCP_COUNTS + ((<usize>what) << 2);
  store<u32>(at, load<u32>(at) + 1);
}

function sysctl(ns: usize, index: usize): u32 {
  return load<u32>(ns + R.NS_SYSCTLS + (index << 2));
}

/** Whether no more connections may wait at a listener (sk_acceptq_is_full). */
export function isFull(listener: usize): bool {
  return load<u32>(listener, R.SOCK_WAITING) > load<u32>(listener, R.SOCK_BACKLOG);
}

/** A connection was turned away because too many wait to be accepted. */
export function countOverflow(ns: usize): void {
  count(ns, R.TCPX_LISTEN_OVERFLOWS);
  count(ns, R.TCPX_LISTEN_DROPS);
}

/** What becomes of a SYN at a listener. `isKnown`: its peer has just closed such a connection, so it is nobody who floods. */
export function decide(ns: usize, listener: usize, isKnown: bool): i32 {
  const cookies = sysctl(ns, R.SYSCTL_TCP_SYNCOOKIES);
  const opening = load<u32>(listener, R.SOCK_OPENING);
  let answer = QUEUE;
  if (!isKnown && (cookies == COOKIES_ALWAYS || opening > load<u32>(listener, R.SOCK_BACKLOG))) {
    count(ns, cookies ? R.TCPX_REQQ_FULL_DO_COOKIES : R.TCPX_REQQ_FULL_DROP);
    answer = cookies ? COOKIE : DROP;
  }
  if (answer == DROP) count(ns, R.TCPX_LISTEN_DROPS);
  else if (isFull(listener)) {
    countOverflow(ns);
    answer = DROP;
  } else if (!isKnown && !cookies) {
    // Without cookies the last quarter is kept for peers that have proved to be there, and nobody is known to have.
    const most = sysctl(ns, R.SYSCTL_TCP_MAX_SYN_BACKLOG);
    if (<i32>(most - opening) < <i32>(most >> 2)) {
      count(ns, R.TCPX_LISTEN_DROPS);
      answer = DROP;
    }
  }
  return answer;
}

/** A handshake begins: it counts until it is complete or given up. */
export function enter(listener: usize, c: usize): void {
  store<u32>(listener, load<u32>(listener, R.SOCK_OPENING) + 1, R.SOCK_OPENING);
  store<u32>(c, load<u32>(c, R.TCP_FLAGS) | R.TCPF_QUEUED, R.TCP_FLAGS);
}

/** A handshake that counted (TCPF_QUEUED) is over. */
export function leave(c: usize): void {
  store<u32>(c, load<u32>(c, R.TCP_FLAGS) & ~R.TCPF_QUEUED, R.TCP_FLAGS);
  const listener = listenerOf(c);
  if (!listener) return;
  const opening = load<u32>(listener, R.SOCK_OPENING);
  if (opening) store<u32>(listener, opening - 1, R.SOCK_OPENING);
}

/** A handshake is complete: the program accepts the connection, or it waits. False: there is no room for it (tcp_v4_syn_recv_sock). */
export function takes(c: usize): bool {
  if (load<u32>(c, R.TCP_OWNER) == R.OWNER_STOPPED) {
    const listener = listenerOf(c);
    if (!listener || isFull(listener)) {
      countOverflow(load<usize>(c, R.TCP_NAMESPACE));
      return false;
    }
    store<u32>(listener, load<u32>(listener, R.SOCK_WAITING) + 1, R.SOCK_WAITING);
  }
  if (load<u32>(c, R.TCP_FLAGS) & R.TCPF_QUEUED) leave(c);
  return true;
}

function listenerOf(c: usize): usize {
  const ports = load<u32>(c, R.TCP_PORTS);
  const remote = load<u32>(c, R.TCP_REMOTE);
  const ns = load<usize>(c, R.TCP_NAMESPACE);
  return sockets.find(ns, ipv4.PROTO_TCP, load<u32>(c, R.TCP_LOCAL), ports >> 16, remote, ports & 0xffff);
}

/** Cookies of this listener come back from now on (tcp_synq_overflow). */
export function noteOverflow(listener: usize): void {
  store<u32>(listener, <u32>(now / SECOND) + 1, R.SOCK_OVERFLOWED);
}

/** Whether an ACK may bring a cookie of this listener (tcp_synq_no_recent_overflow). */
export function mayHaveSent(listener: usize): bool {
  const last = load<u32>(listener, R.SOCK_OVERFLOWED);
  return last != 0 && <u32>(now / SECOND) + 1 - last <= COOKIE_VALID;
}
