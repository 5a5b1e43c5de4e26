// TCP connections, as applications see them: open, write, close (RFC 9293).
import { FRAME_DATA } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import * as route from "../ip/route-packet.ts";
import { copy } from "../memory/bytes.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as tcp from "../wire/tcp.ts";
import * as sockets from "./table.ts";
import { emit, followPath, newSegment, openTail, pump } from "./tcp-output.ts";
import { openWindow, ownMss } from "./tcp-receive-window.ts";
import { destroy, find, has, newConnection, setFlag, setState, state } from "./tcp-record.ts";
import { waitForFin } from "./tcp-close.ts";
import {
  CONNECTED,
  DATA,
  EXPIRED,
  GONE,
  PEER_CLOSED,
  REFUSED,
  RESET,
  WRITABLE,
  connection,
  data,
  dataLength,
  happened,
  mustReset,
} from "./tcp-outcome.ts";
import { maySend, onError, onTooLarge, receive } from "./tcp-input.ts";
import { hasUnread, takeEarly } from "./tcp-early.ts";
import { isHalfClosed, isOpening, isOrphan } from "./tcp-record.ts";
import { makeReset, sendReset } from "./tcp-reset.ts";
import { onTimer } from "./tcp-timeout.ts";

export {
  CONNECTED,
  DATA,
  EXPIRED,
  GONE,
  PEER_CLOSED,
  REFUSED,
  RESET,
  WRITABLE,
  connection,
  data,
  dataLength,
  happened,
  maySend,
  mustReset,
  onError,
  onTooLarge,
  receive,
  takeEarly,
  isHalfClosed,
  isOpening,
  isOrphan,
  makeReset,
  sendReset,
  onTimer,
};

/** Gives bytes to a connection; they are sent as the windows allow. */
export function write(c: usize, from: usize, length: i32): void {
  followPath(c);
  const mss = load<i32>(c, R.TCP_MSS);
  let at = from;
  let left = length;
  const tail = openTail(c);
  if (tail) {
    // What has not been sent yet is filled first (tcp_sendmsg).
    const there = load<i32>(tail, R.SEG_LENGTH);
    const part = max<i32>(min<i32>(left, mss - there), 0);
    copy(load<usize>(tail, FRAME_DATA) + <usize>there, at, part);
    store<i32>(tail, there + part, R.SEG_LENGTH);
    if (part == left) store<i32>(tail, load<i32>(tail, R.SEG_FLAGS) | tcp.PSH, R.SEG_FLAGS);
    store<u32>(c, load<u32>(c, R.TCP_WRITE_SEQ) + <u32>part, R.TCP_WRITE_SEQ);
    at += <usize>part;
    left -= part;
  }
  while (left > 0) {
    const part = min<i32>(left, mss);
    const segment = newSegment(c, tcp.ACK | (part == left ? tcp.PSH : 0), part);
    copy(load<usize>(segment, FRAME_DATA), at, part);
    at += <usize>part;
    left -= part;
  }
  pump(c);
}

/** The program has read only a part of what came, and will read no more. */
export function leaveUnread(c: usize): void {
  setFlag(c, R.TCPF_UNREAD);
}

/**
 * The program lets go of a connection: a FIN follows the bytes given before. If it leaves bytes unread, the peer learns by a reset that
 * they were lost (tcp_close).
 */
export function close(c: usize): void {
  if (has(c, R.TCPF_ORPHAN)) return;
  if (has(c, R.TCPF_UNREAD) || hasUnread(c)) {
    abort(c);
    return;
  }
  setFlag(c, R.TCPF_ORPHAN);
  if (state(c) == R.TCPS_FIN_WAIT2) waitForFin(c);
  else shut(c);
}

/** Ends this side only: a FIN follows the bytes given before (shutdown). */
export function shut(c: usize): void {
  const current = state(c);
  if (current == R.TCPS_ESTABLISHED) setState(c, R.TCPS_FIN_WAIT1);
  else if (current == R.TCPS_CLOSE_WAIT) setState(c, R.TCPS_LAST_ACK);
  else if (current == R.TCPS_SYN_SENT) {
    destroy(c);
    return;
  } else return;
  // It goes with bytes that have not been sent yet, if there are any (tcp_send_fin).
  const tail = openTail(c);
  if (tail) {
    store<i32>(tail, load<i32>(tail, R.SEG_FLAGS) | tcp.FIN, R.SEG_FLAGS);
    store<u32>(c, load<u32>(c, R.TCP_WRITE_SEQ) + 1, R.TCP_WRITE_SEQ);
  } else newSegment(c, tcp.FIN | tcp.ACK, 0);
  pump(c);
}

/** Ends a connection at once with a reset, or without a word if it was not established. */
export function abort(c: usize): void {
  if (state(c) != R.TCPS_SYN_SENT) emit(c, tcp.RST | tcp.ACK, load<u32>(c, R.TCP_SND_NXT), 0, 0);
  destroy(c);
}

/** Begins a connection; 0: no way there, or no port free. */
export function connect(ns: usize, to: u32, port: u32, owner: u32, arg: u32, line: u32): usize {
  if (route.outgoing(ns, to) == route.TO_NOWHERE || !route.source) return 0;
  const local = route.source;
  if (sockets.exhausted(ns, local, to, port)) return 0;
  for (let tries = sockets.portCount(ns); tries; tries--) {
    const own = sockets.nextPort(ns);
    const ports = (own << 16) | port;
    if (find(ns, local, to, ports)) continue;
    if (sockets.find(ns, ipv4.PROTO_TCP, local, own, to, port)) continue;
    const c = newConnection(ns, local, to, ports, owner, arg, line);
    setState(c, R.TCPS_SYN_SENT);
    store<u32>(c, ownMss(ns, to), R.TCP_MSS);
    store<u32>(c, 65535, R.TCP_SND_WND);
    openWindow(c, load<i32>(c, R.TCP_MSS));
    newSegment(c, tcp.SYN, 0);
    pump(c);
    return c;
  }
  sockets.noteExhausted(ns, local, to, port);
  return 0;
}
