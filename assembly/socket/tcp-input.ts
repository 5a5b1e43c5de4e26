// TCP segments that come in: listeners, the handshake, and the checks of RFC 9293, 3.10.7.
import {
  DROP_NONE,
  DROP_NO_SOCKET,
  DROP_PKT_TOO_SMALL,
  DROP_TCP_ABORT_ON_DATA,
  DROP_TCP_CSUM,
  DROP_TCP_FLAGS,
  DROP_TCP_INVALID_ACK_SEQUENCE,
  DROP_TCP_LISTEN_OVERFLOW,
  DROP_TCP_OFOMERGE,
  DROP_TCP_OLD_DATA,
  DROP_TCP_RESET,
} from "../layout/codes.ts";
import { FRAME_NETWORK, FRAME_SUMMED } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import * as route from "../ip/route-packet.ts";
import { MILLISECOND, now } from "../memory/clock.ts";
import { packetLength } from "../track/conntrack.ts";
import { after, before } from "../track/tcp-window.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as tcp from "../wire/tcp.ts";
import * as sockets from "./table.ts";
import * as autotune from "./tcp-autotune.ts";
import * as backlog from "./tcp-backlog.ts";
import * as congestion from "./tcp-congestion.ts";
import * as cookies from "./tcp-cookie.ts";
import * as delayedAck from "./tcp-delayed-ack.ts";
import * as keepalive from "./tcp-keepalive.ts";
import * as quickAck from "./tcp-quick-ack.ts";
import { noteTwice } from "./tcp-sack.ts";
import { acknowledge, noteCookieRoundTrip } from "./tcp-acknowledge.ts";
import { TIME_WAIT, comesTooLate, enterFinWait2, enterTimeWait, peerClosed } from "./tcp-close.ts";
import { countEarly, setDelivered, dropEarly, hasGap, keepEarly } from "./tcp-early.ts";
import {
  CONNECTED,
  DATA,
  REFUSED,
  RESET,
  begin,
  dataLength,
  note,
  setData,
  setConnection,
  setHappened,
  setMustReset,
} from "./tcp-outcome.ts";
import { emit, followPath, newSegment, pump, resendLarge, sendAck, transmitSegment } from "./tcp-output.ts";
import { TIMESTAMPS_LENGTH, boundWindow, openWindow, ownMss, windowLeft } from "./tcp-receive-window.ts";
import { clearFlag, destroy, find, has, newConnection, setFlag, setState, state } from "./tcp-record.ts";
import { setDeadline } from "./tcp-timer.ts";
import { learnFromEcho } from "./tcp-timestamp.ts";

/** A connection of a listener whose peer's first sequence number is `seq`. */
function newChild(ns: usize, listener: usize, ip: usize, at: usize, seq: u32, line: u32): usize {
  const ports = ((<u32>tcp.destinationPort(at)) << 16) | (<u32>tcp.sourcePort(at));
  const owner = load<u32>(listener, R.SOCK_OWNER);
  const arg = load<u32>(listener, R.SOCK_ARG);
  const c = newConnection(ns, anyIp.destination(ip), anyIp.source(ip), ports, owner, arg, line);
  setState(c, R.TCPS_SYN_RECV);
  store<u32>(c, seq + 1, R.TCP_RCV_NXT);
  store<u32>(c, <u32>tcp.window(at), R.TCP_SND_WND);
  store<u32>(c, seq, R.TCP_SND_WL1);
  return c;
}

/** The window that the answer to a SYN offers. */
function offerWindow(c: usize): void {
  const mss = ownMss(load<usize>(c, R.TCP_NAMESPACE), load<u32>(c, R.TCP_REMOTE));
  openWindow(c, has(c, R.TCPF_TIMESTAMPS) ? mss - TIMESTAMPS_LENGTH : mss);
}

/** A SYN for a listener: a new connection that answers it. */
function accept(ns: usize, listener: usize, ip: usize, at: usize, line: u32): void {
  const c = newChild(ns, listener, ip, at, tcp.sequence(at), line);
  setConnection(c);
  backlog.enter(listener, c);
  learnOptions(c, at);
  offerWindow(c);
  newSegment(c, tcp.SYN | tcp.ACK, 0);
  pump(c);
}

/** A SYN that finds the queue full: it is answered by a cookie, and forgotten. */
function answerByCookie(ns: usize, listener: usize, ip: usize, at: usize, line: u32): void {
  const c = newChild(ns, listener, ip, at, tcp.sequence(at), line);
  learnOptions(c, at);
  // Only a timestamp can carry what else the SYN has offered.
  if (has(c, R.TCPF_TIMESTAMPS)) setFlag(c, R.TCPF_COOKIE);
  else clearFlag(c, R.TCPF_SACK | R.TCPF_WSCALE);
  offerWindow(c);
  const mss = tcp.optionMss ? tcp.optionMss : MSS_DEFAULT;
  const cookie = cookies.make(
    ns,
    load<u32>(c, R.TCP_LOCAL),
    load<u32>(c, R.TCP_REMOTE),
    load<u32>(c, R.TCP_PORTS),
    tcp.sequence(at),
    mss,
  );
  backlog.noteOverflow(listener);
  backlog.count(ns, R.TCPX_SYNCOOKIES_SENT);
  emit(c, tcp.SYN | tcp.ACK, cookie, 0, 0);
  destroy(c);
  setHappened(0);
}

/** The connection that an ACK makes of a cookie; 0: it brings none (cookie_v4_check). */
function fromCookie(ns: usize, listener: usize, ip: usize, at: usize, line: u32): usize {
  if (!load<u32>(ns + R.NS_SYSCTLS, R.SYSCTL_TCP_SYNCOOKIES << 2) || !backlog.mayHaveSent(listener)) return 0;
  const ports = ((<u32>tcp.destinationPort(at)) << 16) | (<u32>tcp.sourcePort(at));
  const seq = tcp.sequence(at) - 1;
  const ack = tcp.acknowledgement(at);
  const mss = cookies.read(ns, anyIp.destination(ip), anyIp.source(ip), ports, seq, ack - 1);
  backlog.count(ns, mss ? R.TCPX_SYNCOOKIES_RECV : R.TCPX_SYNCOOKIES_FAILED);
  if (!mss) return 0;
  const c = newChild(ns, listener, ip, at, seq, line);
  setFlag(c, R.TCPF_COOKIE);
  store<u32>(c, ack, R.TCP_SND_UNA);
  store<u32>(c, ack, R.TCP_SND_NXT);
  store<u32>(c, ack, R.TCP_WRITE_SEQ);
  store<u32>(c, ack, R.TCP_RACK_SEQ);
  store<u32>(c, ack, R.TCP_RECOVER);
  store<u32>(c, ack, R.TCP_SND_SML);
  tcp.readOptions(at);
  let most = min<i32>(mss, ownMss(ns, load<u32>(c, R.TCP_REMOTE)));
  if (tcp.optionTimestamps) {
    learnFromEcho(c, tcp.optionEcho);
    store<u32>(c, tcp.optionValue, R.TCP_TS_RECENT);
    most -= TIMESTAMPS_LENGTH;
  }
  store<i32>(c, max<i32>(most, 1), R.TCP_MSS);
  offerWindow(c);
  return c;
}

const MSS_DEFAULT = 536; // of a peer that does not say (RFC 9293, 3.7.1)

/** What the peer's SYN offers. */
function learnOptions(c: usize, at: usize): void {
  tcp.readOptions(at);
  let mss = min<i32>(
    tcp.optionMss ? tcp.optionMss : MSS_DEFAULT,
    ownMss(load<usize>(c, R.TCP_NAMESPACE), load<u32>(c, R.TCP_REMOTE)),
  );
  if (tcp.optionTimestamps) {
    setFlag(c, R.TCPF_TIMESTAMPS);
    store<u32>(c, tcp.optionValue, R.TCP_TS_RECENT);
    mss -= TIMESTAMPS_LENGTH;
  }
  if (tcp.optionSack) setFlag(c, R.TCPF_SACK);
  if (tcp.optionScale >= 0) {
    setFlag(c, R.TCPF_WSCALE);
    store<i32>(c, tcp.optionScale, R.TCP_PEER_SCALE);
  }
  store<i32>(c, max<i32>(mss, 1), R.TCP_MSS);
}

/** SYN-SENT: the answer to our SYN. */
function answered(c: usize, at: usize, bits: i32): i32 {
  const ack = tcp.acknowledgement(at);
  if (bits & tcp.ACK && ack != load<u32>(c, R.TCP_SND_NXT)) {
    return bits & tcp.RST ? DROP_TCP_INVALID_ACK_SEQUENCE : -1;
  }
  if (bits & tcp.RST) {
    if (!(bits & tcp.ACK)) return DROP_TCP_FLAGS;
    setHappened(REFUSED);
    destroy(c);
    return DROP_NONE;
  }
  if (!(bits & tcp.SYN) || !(bits & tcp.ACK)) return DROP_TCP_FLAGS;
  learnOptions(c, at);
  store<u32>(c, tcp.sequence(at) + 1, R.TCP_RCV_NXT);
  setState(c, R.TCPS_ESTABLISHED);
  const mss = ownMss(load<usize>(c, R.TCP_NAMESPACE), load<u32>(c, R.TCP_REMOTE));
  boundWindow(c, has(c, R.TCPF_TIMESTAMPS) ? mss - TIMESTAMPS_LENGTH : mss);
  const retries = load<u32>(c, R.TCP_RETRIES);
  acknowledge(c, at, <u32>tcp.window(at), false);
  pump(c);
  congestion.start(c, retries);
  keepalive.start(c);
  sendAck(c);
  setHappened(CONNECTED);
  return DROP_NONE;
}

/**
 * Handles a segment for this host. DROP_NONE: taken, see `connection`, `happened`, `data`. DROP_NO_SOCKET or -1: the caller
 * answers with a reset (-1: without a drop being counted). Other reasons: dropped.
 */
export function receive(ns: usize, frame: usize, line: u32): i32 {
  begin(0);
  dropEarly();
  const ip = load<usize>(frame, FRAME_NETWORK);
  const before = anyIp.headerLength(ip);
  const at = ip + <usize>before;
  const there = packetLength(frame) - before;
  if (there < tcp.TCP_LENGTH) return DROP_PKT_TOO_SMALL;
  const header = tcp.headerLength(at);
  if (header < tcp.TCP_LENGTH || header > there) return DROP_PKT_TOO_SMALL;
  const local = anyIp.destination(ip);
  const remote = anyIp.source(ip);
  if (!load<u32>(frame, FRAME_SUMMED) && !tcp.checksumValid(at, there, remote, local)) return DROP_TCP_CSUM;
  const bits = tcp.flags(at);
  const ports = ((<u32>tcp.destinationPort(at)) << 16) | (<u32>tcp.sourcePort(at));
  let c = find(ns, local, remote, ports);
  let isKnown: bool = false;
  if (c && state(c) == R.TCPS_TIME_WAIT && bits & tcp.SYN && !(bits & (tcp.ACK | tcp.RST))) {
    // The peer opens the connection anew (RFC 6191).
    destroy(c);
    setHappened(0);
    c = 0;
    isKnown = true;
  }
  if (!c) {
    const listener = sockets.find(ns, ipv4.PROTO_TCP, local, ports >> 16, remote, ports & 0xffff);
    if (!listener) return DROP_NO_SOCKET;
    if (bits & tcp.RST) return DROP_TCP_RESET;
    if (bits & tcp.ACK) {
      if (!(bits & tcp.SYN)) c = fromCookie(ns, listener, ip, at, line);
      if (c) {
        setConnection(c);
        return segmentArrives(c, at, bits, at + <usize>header, there - header);
      }
      setMustReset();
      return DROP_TCP_FLAGS;
    }
    if (!(bits & tcp.SYN)) return DROP_TCP_FLAGS;
    if (bits & tcp.FIN) return DROP_TCP_FLAGS;
    const fate = backlog.decide(ns, listener, isKnown);
    if (fate == backlog.DROP) return DROP_TCP_LISTEN_OVERFLOW;
    if (fate == backlog.COOKIE) answerByCookie(ns, listener, ip, at, line);
    else accept(ns, listener, ip, at, line);
    return DROP_NONE;
  }
  setConnection(c);
  if (state(c) == R.TCPS_SYN_SENT) return answered(c, at, bits);
  return segmentArrives(c, at, bits, at + <usize>header, there - header);
}

const ANSWER_GAP: u32 = 500; // ms: net.ipv4.tcp_invalid_ratelimit

/**
 * Acknowledges what is expected to a segment that cannot be taken. Without data it is answered twice a second at most, or two ends
 * that both find each other wrong would never stop (tcp_oow_rate_limited).
 */
function answerInvalid(c: usize, hasData: bool): void {
  if (!hasData) {
    const at = <u32>(now / MILLISECOND) + 1;
    const last = load<u32>(c, R.TCP_ANSWERED);
    if (last && at - last < ANSWER_GAP) return;
    store<u32>(c, at, R.TCP_ANSWERED);
  }
  sendAck(c);
}

/** A segment for a connection past SYN-SENT (RFC 9293, 3.10.7.4). */
function segmentArrives(c: usize, at: usize, bits: i32, payload: usize, length: i32): i32 {
  const seq = tcp.sequence(at);
  const expected = load<u32>(c, R.TCP_RCV_NXT);
  const fin = (bits & tcp.FIN) != 0;
  const end = seq + <u32>length + (fin ? 1 : 0);
  const room = windowLeft(c);
  if (bits & tcp.RST) {
    if (seq != expected) {
      // In the window but not exact: challenge it (RFC 5961).
      if (!before(seq, expected) && before(seq, expected + room)) answerInvalid(c, false);
      return DROP_TCP_INVALID_ACK_SEQUENCE;
    }
    setHappened(state(c) == R.TCPS_SYN_RECV ? 0 : RESET);
    destroy(c);
    return DROP_NONE;
  }
  if (bits & tcp.SYN) {
    if (state(c) == R.TCPS_SYN_RECV && seq + 1 == expected) transmitSegment(c, load<usize>(c, R.TCP_QUEUE));
    else answerInvalid(c, false);
    return DROP_NONE;
  }
  if (after(end, expected + room)) {
    answerInvalid(c, end != seq);
    return DROP_TCP_OFOMERGE;
  }
  if (!(bits & tcp.ACK)) return DROP_TCP_FLAGS;
  const ack = tcp.acknowledgement(at);
  if (after(ack, load<u32>(c, R.TCP_SND_NXT))) {
    answerInvalid(c, end != seq);
    return DROP_TCP_INVALID_ACK_SEQUENCE;
  }
  tcp.readOptions(at);
  if (has(c, R.TCPF_TIMESTAMPS) && !after(seq, expected)) {
    if (tcp.optionTimestamps && !before(tcp.optionValue, load<u32>(c, R.TCP_TS_RECENT))) {
      store<u32>(c, tcp.optionValue, R.TCP_TS_RECENT);
    }
  }
  keepalive.heard(c);
  const retries = load<u32>(c, R.TCP_RETRIES);
  let isNew = false;
  if (state(c) == R.TCPS_SYN_RECV) {
    if (ack != load<u32>(c, R.TCP_SND_NXT)) return -1;
    if (!backlog.takes(c)) {
      if (has(c, R.TCPF_COOKIE)) {
        destroy(c);
        setHappened(0);
      } else if (load<u32>(load<usize>(c, R.TCP_NAMESPACE) + R.NS_SYSCTLS, R.SYSCTL_TCP_ABORT_ON_OVERFLOW << 2))
        refuse(c);
      return DROP_TCP_LISTEN_OVERFLOW;
    }
    setState(c, R.TCPS_ESTABLISHED);
    boundWindow(c, ownMss(load<usize>(c, R.TCP_NAMESPACE), load<u32>(c, R.TCP_REMOTE)));
    note(CONNECTED);
    keepalive.start(c);
    if (has(c, R.TCPF_COOKIE)) noteCookieRoundTrip(c);
    isNew = true;
  }
  if (!before(ack, load<u32>(c, R.TCP_SND_UNA))) {
    const window = (<u32>tcp.window(at)) << (has(c, R.TCPF_WSCALE) ? load<u32>(c, R.TCP_PEER_SCALE) : 0);
    acknowledge(c, at, window, length == 0 && !fin);
    if (isNew) congestion.start(c, retries);
  }
  if (load<u32>(c, R.TCP_SND_UNA) == load<u32>(c, R.TCP_WRITE_SEQ)) {
    const current = state(c);
    if (current == R.TCPS_FIN_WAIT1) enterFinWait2(c);
    else if (current == R.TCPS_CLOSING) enterTimeWait(c);
    else if (current == R.TCPS_LAST_ACK) {
      destroy(c);
      return DROP_NONE;
    }
  }
  if (length) autotune.measureByTimestamp(c, length);
  if (comesTooLate(c, expected, end, length != 0, fin)) {
    refuse(c);
    return DROP_TCP_ABORT_ON_DATA;
  }
  if (!length && !fin) {
    // A probe of the window, or of whether anybody is there: what came before is acknowledged again.
    if (before(seq, load<u32>(c, R.TCP_RCV_WUP))) answerInvalid(c, false);
    pump(c);
    return DROP_NONE;
  }
  if (!after(end, expected)) {
    // All of it came before: the acknowledgement was lost.
    if (state(c) == R.TCPS_TIME_WAIT) setDeadline(c, now + TIME_WAIT);
    else {
      noteTwice(c, seq, end);
      quickAck.enterQuick(c);
      pump(c);
    }
    sendAck(c);
    return length ? DROP_TCP_OLD_DATA : DROP_NONE;
  }
  if (after(seq, expected)) {
    delayedAck.makeRoom(c, seq, end);
    const isKept = keepEarly(c, seq, payload, length, fin);
    if (isKept) autotune.receivedEarly(c, length, end);
    setFlag(c, R.TCPF_ACK_DUE);
    pump(c);
    delayedAck.acknowledgeData(c);
    return isKept ? DROP_NONE : DROP_TCP_OFOMERGE;
  }
  const skip = expected - seq;
  setData(payload + <usize>skip, length - <i32>skip);
  setDelivered(expected + <u32>dataLength);
  store<u32>(c, end, R.TCP_RCV_NXT);
  if (dataLength) {
    note(DATA);
    autotune.hold(c, dataLength);
    autotune.received(c, dataLength, bits);
  }
  if (fin) peerClosed(c);
  else if (load<usize>(c, R.TCP_OUT_OF_ORDER)) {
    countEarly(c);
    // A gap is filled, which the peer waits to hear (RFC 5681, 4.2).
    if (!hasGap(c)) setFlag(c, R.TCPF_ACK_NOW);
  }
  pump(c);
  delayedAck.acknowledgeData(c);
  if (dataLength && load<u32>(c, R.TCP_OWNER) != R.OWNER_STOPPED) {
    autotune.read(c, dataLength);
    delayedAck.hasRead(c, dataLength);
  }
  return DROP_NONE;
}

/** The connection is over, and its peer learns that by a reset. */
function refuse(c: usize): void {
  setHappened(0);
  destroy(c);
  setMustReset();
}

/** An ICMP error about a segment that this host sent. */
export function onError(ns: usize, local: u32, remote: u32, ports: u32): void {
  const c = find(ns, local, remote, ports);
  begin(c);
  if (c && state(c) == R.TCPS_SYN_SENT) {
    setHappened(REFUSED);
    destroy(c);
  }
}

/** Whether one of its connections may have sent the segment that begins at `l4`, as far as its quote tells (tcp_v6_err). */
export function maySend(ns: usize, local: u32, remote: u32, l4: usize): bool {
  const ports = ((<u32>tcp.sourcePort(l4)) << 16) | (<u32>tcp.destinationPort(l4));
  const c = find(ns, local, remote, ports);
  return c != 0 && isUnderWay(c, tcp.sequence(l4));
}

/** Whether a sequence number is one of those that are not acknowledged yet, or the next. */
function isUnderWay(c: usize, seq: u32): bool {
  return !before(seq, load<u32>(c, R.TCP_SND_UNA)) && !after(seq, load<u32>(c, R.TCP_SND_NXT));
}

/** A router says that the segment with a sequence number is too large: no more than `mtu` bytes fit on the way (tcp_v4_mtu_reduced). */
export function onTooLarge(ns: usize, local: u32, remote: u32, ports: u32, seq: u32, mtu: u32): void {
  const c = find(ns, local, remote, ports);
  if (!c || !isUnderWay(c, seq)) return;
  route.learnMtu(ns, remote, mtu);
  if (followPath(c)) resendLarge(c);
}
