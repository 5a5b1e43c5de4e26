// TCP connections: the states of RFC 9293, Linux's options and windows, retransmission (RFC 6298) and congestion control (RFC 5681).
import {
  DROP_NONE,
  DROP_NO_SOCKET,
  DROP_PKT_TOO_SMALL,
  DROP_TCP_CSUM,
  DROP_TCP_FLAGS,
  DROP_TCP_INVALID_ACK_SEQUENCE,
  DROP_TCP_OFOMERGE,
  DROP_TCP_OLD_DATA,
  USED_STREAM,
} from "../layout/codes.ts";
import { FRAME_DATA, FRAME_NETWORK, FRAME_NEXT, FRAME_SUMMED, STAGE_OUTPUT } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import { finish, newPacket, payloadOf, send } from "../ip/packet.ts";
import * as route from "../ip/route-packet.ts";
import { allocate } from "../memory/arena.ts";
import * as backlog from "../memory/backlog.ts";
import { clear, copy } from "../memory/bytes.ts";
import { MILLISECOND, SECOND, now } from "../memory/clock.ts";
import * as choices from "../memory/choices.ts";
import * as events from "../memory/events.ts";
import * as frames from "../memory/frames.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import { next32 } from "../memory/random.ts";
import { packetLength } from "../track/conntrack.ts";
import { after, before } from "../track/tcp-window.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as tcp from "../wire/tcp.ts";
import * as sockets from "./table.ts";

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

const WINDOW_LARGEST = 65535;
const MSS_MAX = 1460;
const TIMESTAMPS_LENGTH = 12;
const WINDOW_SCALE = 7;
const RECEIVE_SPACE = 65536; // half of tcp_rmem's 131072, the rest is for overhead
const DELAYED_ACK: u64 = 42 * MILLISECOND; // TCP_ATO_MIN, and until the clock has ticked
const RTO_FIRST: u64 = SECOND;
const RTO_MIN: u64 = 200 * MILLISECOND;
const RTO_MAX: u64 = 120 * SECOND;
const SYN_RETRIES: u32 = 6;
const SYN_LINEAR_RETRIES: u32 = 4; // tcp_syn_linear_timeouts
const DATA_RETRIES: u32 = 15;
const TIME_WAIT: u64 = 60 * SECOND;
const FIRST_CWND: u32 = 10;
const DUPACKS: u32 = 3;

let freeConnections: usize = 0;

function hashOf(local: u32, remote: u32, ports: u32): u32 {
  return hash.mix(hash.mix(local, remote), ports);
}

/** The connection of a segment, 0 if there is none. `ports` is local << 16 | remote. */
export function find(ns: usize, local: u32, remote: u32, ports: u32): usize {
  let c = load<usize>(hash.bucket(load<usize>(ns, R.NS_STREAMS), hashOf(local, remote, ports)));
  while (c) {
    if (
      load<u32>(c, R.TCP_LOCAL) == local &&
      load<u32>(c, R.TCP_REMOTE) == remote &&
      load<u32>(c, R.TCP_PORTS) == ports
    ) {
      return c;
    }
    c = load<usize>(c);
  }
  return 0;
}

/** The hash that a record stands under. */
function hashOfRecord(c: usize): u32 {
  return hashOf(load<u32>(c, R.TCP_LOCAL), load<u32>(c, R.TCP_REMOTE), load<u32>(c, R.TCP_PORTS));
}

function newConnection(ns: usize, local: u32, remote: u32, ports: u32, owner: u32, arg: u32, line: u32): usize {
  if (!freeConnections) freeConnections = allocate(64);
  const c = take(freeConnections, R.TCP_SIZE);
  const generation = load<u32>(c, R.TCP_GENERATION);
  clear(c, R.TCP_SIZE);
  store<u32>(c, generation, R.TCP_GENERATION);
  store<usize>(c, ns, R.TCP_NAMESPACE);
  store<u32>(c, local, R.TCP_LOCAL);
  store<u32>(c, remote, R.TCP_REMOTE);
  store<u32>(c, ports, R.TCP_PORTS);
  store<u32>(c, owner, R.TCP_OWNER);
  store<u32>(c, arg, R.TCP_ARG);
  store<u32>(c, line, R.TCP_LINE);
  store<u32>(c, FIRST_CWND, R.TCP_CWND);
  store<u32>(c, 0x7fffffff, R.TCP_SSTHRESH);
  store<u64>(c, RTO_FIRST, R.TCP_RTO);
  store<u32>(c, next32(ns + R.NS_RANDOM) & 0xffff, R.TCP_IP_ID);
  const fixed = load<usize>(ns, R.NS_CHOICES) && choices.take(ns, R.CHOICE_OF_ISN, 0, 0, 0, 0);
  const isn = fixed ? choices.value : next32(ns + R.NS_RANDOM);
  store<u32>(c, isn, R.TCP_SND_UNA);
  store<u32>(c, isn, R.TCP_SND_NXT);
  store<u32>(c, isn, R.TCP_WRITE_SEQ);
  const table = load<usize>(ns, R.NS_STREAMS);
  if (hash.crowded(table)) hash.grow(table, hashOfRecord);
  hash.insert(table, hashOf(local, remote, ports), c);
  return c;
}

function freeSegments(first: usize): void {
  let segment = first;
  while (segment) {
    const next = load<usize>(segment, FRAME_NEXT);
    frames.release(segment, USED_STREAM);
    segment = next;
  }
}

/** Forgets a connection; nothing is sent. */
export function destroy(c: usize): void {
  const ns = load<usize>(c, R.TCP_NAMESPACE);
  freeSegments(load<usize>(c, R.TCP_QUEUE));
  freeSegments(load<usize>(c, R.TCP_OUT_OF_ORDER));
  hash.remove(
    load<usize>(ns, R.NS_STREAMS),
    hashOf(load<u32>(c, R.TCP_LOCAL), load<u32>(c, R.TCP_REMOTE), load<u32>(c, R.TCP_PORTS)),
    c,
  );
  sockets.portFreed(ns);
  store<u32>(c, load<u32>(c, R.TCP_GENERATION) + 1, R.TCP_GENERATION);
  store<u32>(c, R.TCPS_CLOSED, R.TCP_STATE);
  give(freeConnections, c);
  happened |= GONE;
}

function state(c: usize): i32 {
  return load<i32>(c, R.TCP_STATE);
}

/** Whether the peer has not answered the SYN yet. */
export function isOpening(c: usize): bool {
  return state(c) == R.TCPS_SYN_SENT;
}

/** Whether the peer will send no more, while this side may. */
export function isHalfClosed(c: usize): bool {
  return state(c) == R.TCPS_CLOSE_WAIT;
}

function setState(c: usize, value: i32): void {
  store<i32>(c, value, R.TCP_STATE);
}

function has(c: usize, flag: u32): bool {
  return (load<u32>(c, R.TCP_FLAGS) & flag) != 0;
}

function setFlag(c: usize, flag: u32): void {
  store<u32>(c, load<u32>(c, R.TCP_FLAGS) | flag, R.TCP_FLAGS);
}

/** Linux's timestamps count milliseconds from a random start for each pair of hosts. */
function timestamp(c: usize): u32 {
  return <u32>(now / MILLISECOND) + hash.mix(load<u32>(c, R.TCP_LOCAL), load<u32>(c, R.TCP_REMOTE));
}

function nextIpId(c: usize): i32 {
  const id = load<u32>(c, R.TCP_IP_ID);
  store<u32>(c, (id + 1) & 0xffff, R.TCP_IP_ID);
  return <i32>id;
}

// ---- sending

/** The segment that this host can take: the path MTU of its way to the peer without the headers, 1460 at most (ipv4_default_advmss). */
function ownMss(ns: usize, remote: u32): i32 {
  if (route.outgoing(ns, remote) == route.TO_NOWHERE) return MSS_MAX;
  const headers = ipv4.IPV4_LENGTH + tcp.TCP_LENGTH;
  return max<i32>(min<i32>(<i32>route.mtu - headers, MSS_MAX), 88);
}

/** Segments become no larger than what is known to fit on the way (tcp_current_mss). Whether that is less than before. */
function followPath(c: usize): bool {
  const ns = load<usize>(c, R.TCP_NAMESPACE);
  if (!load<usize>(ns, R.NS_EXCEPTIONS)) return false;
  const options = has(c, R.TCPF_TIMESTAMPS) ? TIMESTAMPS_LENGTH : 0;
  const mss = ownMss(ns, load<u32>(c, R.TCP_REMOTE)) - options;
  if (mss >= load<i32>(c, R.TCP_MSS)) return false;
  store<i32>(c, mss, R.TCP_MSS);
  return true;
}

/** Sends one segment: `length` bytes at `from` under `seq`. */
function emit(c: usize, bits: i32, seq: u32, from: usize, length: i32): void {
  const ns = load<usize>(c, R.TCP_NAMESPACE);
  const frame = newPacket(ns, load<u32>(c, R.TCP_LINE));
  const at = payloadOf(frame);
  let header = tcp.TCP_LENGTH;
  let window: u32 = 0;
  if (bits & tcp.SYN) {
    const passive = (bits & tcp.ACK) != 0;
    const mss = ownMss(ns, load<u32>(c, R.TCP_REMOTE));
    header += tcp.writeSynOptions(
      at + tcp.TCP_LENGTH,
      mss,
      !passive || has(c, R.TCPF_SACK),
      !passive || has(c, R.TCPF_TIMESTAMPS),
      timestamp(c),
      load<u32>(c, R.TCP_TS_RECENT),
      !passive || has(c, R.TCPF_WSCALE) ? WINDOW_SCALE : -1,
    );
    window = load<u32>(c, R.TCP_RCV_WND);
  } else {
    if (has(c, R.TCPF_TIMESTAMPS)) {
      tcp.writeTimestamps(at + tcp.TCP_LENGTH, timestamp(c), load<u32>(c, R.TCP_TS_RECENT));
      header += TIMESTAMPS_LENGTH;
    }
    window = selectWindow(c);
  }
  if (length) copy(at + <usize>header, from, length);
  const ports = load<u32>(c, R.TCP_PORTS);
  const ack = bits & tcp.ACK ? load<u32>(c, R.TCP_RCV_NXT) : 0;
  tcp.write(at, <i32>(ports >> 16), <i32>(ports & 0xffff), seq, ack, header, bits, <i32>window);
  const local = load<u32>(c, R.TCP_LOCAL);
  const remote = load<u32>(c, R.TCP_REMOTE);
  tcp.seal(at, header + length, local, remote);
  // Before the handshake is complete there is no socket to count identifications.
  const id = (bits & tcp.SYN && bits & tcp.ACK) || state(c) == R.TCPS_SYN_RECV ? 0 : nextIpId(c);
  const flag = bits & tcp.SYN ? ipv4.FLAG_DF : route.fragmentFlagTo(ns, remote);
  send(ns, frame, ipv4.PROTO_TCP, local, remote, header + length, 0, id, flag);
}

/** Sets the window that a SYN or its answer offers: as many whole segments as there is room for (tcp_select_initial_window). */
function openWindow(c: usize, segment: i32): void {
  store<i32>(c, min<i32>(RECEIVE_SPACE - (RECEIVE_SPACE % segment), WINDOW_LARGEST), R.TCP_RCV_WND);
  store<u32>(c, load<u32>(c, R.TCP_RCV_NXT), R.TCP_RCV_WUP);
}

/** The handshake is over: room for one segment is set aside (tcp_init_buffer_space, tcp_initialize_rcv_mss). */
function boundWindow(c: usize, segment: i32): void {
  const offered = load<i32>(c, R.TCP_RCV_WND);
  store<u32>(c, load<u32>(c, R.TCP_RCV_NXT), R.TCP_RCV_WUP);
  store<i32>(c, min<i32>(offered, max<i32>(2 * segment, RECEIVE_SPACE - segment)), R.TCP_RCV_SSTHRESH);
  store<i32>(c, max<i32>(min<i32>(load<i32>(c, R.TCP_MSS), 536), 88), R.TCP_RCV_MSS);
}

/** What is left of the window last offered (tcp_receive_window). */
function windowLeft(c: usize): u32 {
  const left = load<u32>(c, R.TCP_RCV_WUP) + load<u32>(c, R.TCP_RCV_WND) - load<u32>(c, R.TCP_RCV_NXT);
  return <i32>left < 0 ? 0 : left;
}

/** The window field of a segment: never less than what was offered before (tcp_select_window, __tcp_select_window). */
function selectWindow(c: usize): u32 {
  const scale: u32 = has(c, R.TCPF_WSCALE) ? WINDOW_SCALE : 0;
  // There is no socket yet that would have opened its window.
  if (state(c) == R.TCPS_SYN_RECV) return load<u32>(c, R.TCP_RCV_WND) >> scale;
  const room = load<u32>(c, R.TCP_RCV_SSTHRESH);
  const unit: u32 = (<u32>1) << scale;
  let next = (room + unit - 1) & ~(unit - 1);
  if (!scale) {
    const offered = load<u32>(c, R.TCP_RCV_WND);
    const segment = load<u32>(c, R.TCP_RCV_MSS);
    const close = offered <= room && offered + segment > room;
    next = close ? offered : room - (room % segment);
  }
  const left = windowLeft(c);
  if (next < left) next = (left + unit - 1) & ~(unit - 1);
  store<u32>(c, next, R.TCP_RCV_WND);
  store<u32>(c, load<u32>(c, R.TCP_RCV_NXT), R.TCP_RCV_WUP);
  return min<u32>(next >> scale, WINDOW_LARGEST);
}

function sendAck(c: usize): void {
  store<u32>(c, load<u32>(c, R.TCP_FLAGS) & ~R.TCPF_ACK_DUE, R.TCP_FLAGS);
  emit(c, tcp.ACK, load<u32>(c, R.TCP_SND_NXT), 0, 0);
}

/** A segment of the queue, empty: `length` bytes of payload go to its data. */
function newSegment(c: usize, flags: i32, length: i32): usize {
  const segment = frames.newFrame();
  const seq = load<u32>(c, R.TCP_WRITE_SEQ);
  store<u32>(segment, seq, R.SEG_SEQ);
  store<i32>(segment, flags, R.SEG_FLAGS);
  store<i32>(segment, length, R.SEG_LENGTH);
  store<u32>(c, seq + <u32>length + (flags & (tcp.SYN | tcp.FIN) ? 1 : 0), R.TCP_WRITE_SEQ);
  const tail = load<usize>(c, R.TCP_QUEUE_TAIL);
  if (tail) store<usize>(tail, segment, FRAME_NEXT);
  else store<usize>(c, segment, R.TCP_QUEUE);
  store<usize>(c, segment, R.TCP_QUEUE_TAIL);
  if (!load<usize>(c, R.TCP_UNSENT)) store<usize>(c, segment, R.TCP_UNSENT);
  return segment;
}

function segmentEnd(segment: usize): u32 {
  return (
    load<u32>(segment, R.SEG_SEQ) +
    load<u32>(segment, R.SEG_LENGTH) +
    (load<i32>(segment, R.SEG_FLAGS) & (tcp.SYN | tcp.FIN) ? 1 : 0)
  );
}

/** Cuts a segment that is longer than `length` bytes; what is left follows it in the queue (tcp_fragment). */
function cut(c: usize, segment: usize, length: i32): void {
  const rest = frames.newFrame();
  const flags = load<i32>(segment, R.SEG_FLAGS);
  const left = load<i32>(segment, R.SEG_LENGTH) - length;
  store<u32>(rest, load<u32>(segment, R.SEG_SEQ) + <u32>length, R.SEG_SEQ);
  store<i32>(rest, flags, R.SEG_FLAGS);
  store<i32>(rest, left, R.SEG_LENGTH);
  store<u32>(rest, load<u32>(segment, R.SEG_RETRIES), R.SEG_RETRIES);
  store<u64>(rest, load<u64>(segment, R.SEG_SENT), R.SEG_SENT);
  copy(load<usize>(rest, FRAME_DATA), load<usize>(segment, FRAME_DATA) + <usize>length, left);
  store<i32>(segment, flags & ~(tcp.PSH | tcp.FIN), R.SEG_FLAGS);
  store<i32>(segment, length, R.SEG_LENGTH);
  store<usize>(rest, load<usize>(segment, FRAME_NEXT), FRAME_NEXT);
  store<usize>(segment, rest, FRAME_NEXT);
  if (load<usize>(c, R.TCP_QUEUE_TAIL) == segment) store<usize>(c, rest, R.TCP_QUEUE_TAIL);
}

/** Cuts a segment that was made when more fitted on the way. */
function cutToFit(c: usize, segment: usize): void {
  const mss = load<i32>(c, R.TCP_MSS);
  if (load<i32>(segment, R.SEG_LENGTH) > mss) cut(c, segment, mss);
}

function transmitSegment(c: usize, segment: usize): void {
  store<u64>(segment, now, R.SEG_SENT);
  const flags = load<i32>(segment, R.SEG_FLAGS);
  emit(c, flags, load<u32>(segment, R.SEG_SEQ), load<usize>(segment, FRAME_DATA), load<i32>(segment, R.SEG_LENGTH));
}

/** Sends what the windows allow. */
function pump(c: usize): void {
  let segment = load<usize>(c, R.TCP_UNSENT);
  if (!segment) return;
  const una = load<u32>(c, R.TCP_SND_UNA);
  const room = min<u32>(load<u32>(c, R.TCP_CWND) * load<u32>(c, R.TCP_MSS), load<u32>(c, R.TCP_SND_WND));
  const idle = una == load<u32>(c, R.TCP_SND_NXT);
  while (segment) {
    cutToFit(c, segment);
    const end = segmentEnd(segment);
    if (load<u32>(segment, R.SEG_LENGTH) && end - una > room) break;
    transmitSegment(c, segment);
    store<u32>(c, end, R.TCP_SND_NXT);
    segment = load<usize>(segment, FRAME_NEXT);
  }
  store<usize>(c, segment, R.TCP_UNSENT);
  if (idle) setDeadline(c, now + load<u64>(c, R.TCP_RTO));
}

/** Gives bytes to a connection; they are sent as the windows allow. */
export function write(c: usize, from: usize, length: i32): void {
  followPath(c);
  const mss = load<i32>(c, R.TCP_MSS);
  let at = from;
  let left = length;
  while (left > 0) {
    const part = min<i32>(left, mss);
    const segment = newSegment(c, tcp.ACK | (part == left ? tcp.PSH : 0), part);
    copy(load<usize>(segment, FRAME_DATA), at, part);
    at += <usize>part;
    left -= part;
  }
  pump(c);
}

/** Ends this side: a FIN follows the bytes given before. */
export function close(c: usize): void {
  const current = state(c);
  if (current == R.TCPS_ESTABLISHED) setState(c, R.TCPS_FIN_WAIT1);
  else if (current == R.TCPS_CLOSE_WAIT) setState(c, R.TCPS_LAST_ACK);
  else if (current == R.TCPS_SYN_SENT) {
    destroy(c);
    return;
  } else return;
  newSegment(c, tcp.FIN | tcp.ACK, 0);
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

/** Answers a segment that belongs to no connection (tcp_v4_send_reset). */
export function sendReset(ns: usize, frame: usize, line: u32): void {
  const answer = makeReset(ns, frame, line, ipv4.tos(load<usize>(frame, FRAME_NETWORK)) & ~3);
  if (answer) backlog.push(answer, STAGE_OUTPUT);
}

/** The reset that answers a segment; 0: a reset is not answered. */
export function makeReset(ns: usize, frame: usize, line: u32, tos: i32): usize {
  const ip = load<usize>(frame, FRAME_NETWORK);
  const at = ipv4.payload(ip);
  const bits = tcp.flags(at);
  if (bits & tcp.RST) return 0;
  const answer = newPacket(ns, line);
  const to = payloadOf(answer);
  const length = packetLength(frame) - ipv4.headerLength(ip) - tcp.headerLength(at);
  let seq: u32 = 0;
  let ack: u32 = 0;
  let flags = tcp.RST;
  if (bits & tcp.ACK) {
    seq = tcp.acknowledgement(at);
  } else {
    ack = tcp.sequence(at) + <u32>length + (bits & tcp.SYN ? 1 : 0) + (bits & tcp.FIN ? 1 : 0);
    flags |= tcp.ACK;
  }
  tcp.write(to, tcp.destinationPort(at), tcp.sourcePort(at), seq, ack, tcp.TCP_LENGTH, flags, 0);
  const local = ipv4.destination(ip);
  const remote = ipv4.source(ip);
  tcp.seal(to, tcp.TCP_LENGTH, local, remote);
  finish(ns, answer, ipv4.PROTO_TCP, local, remote, tcp.TCP_LENGTH, tos, 0, ipv4.FLAG_DF);
  return answer;
}

// ---- timers

/** Sets when the timer should fire (0: never). An event that comes too early sets itself anew. */
function setDeadline(c: usize, at: u64): void {
  store<u64>(c, at, R.TCP_DEADLINE);
  const armed = load<u64>(c, R.TCP_ARMED);
  if (at && (!armed || at < armed)) arm(c, at);
}

function arm(c: usize, at: u64): void {
  store<u64>(c, at, R.TCP_ARMED);
  const ns = load<usize>(c, R.TCP_NAMESPACE);
  events.push(at, load<usize>(ns, R.NS_MACHINE), events.EVENT_TCP, c, load<u32>(c, R.TCP_GENERATION));
}

/** The timer event of a connection: retransmits the oldest segment, ends TIME-WAIT, or gives up. Sets `happened`. */
export function onTimer(c: usize, generation: u32): void {
  happened = 0;
  connection = c;
  if (load<u32>(c, R.TCP_GENERATION) != generation || load<u64>(c, R.TCP_ARMED) != now) return;
  store<u64>(c, 0, R.TCP_ARMED);
  const deadline = load<u64>(c, R.TCP_DEADLINE);
  if (!deadline) return;
  if (deadline > now) {
    arm(c, deadline);
    return;
  }
  if (state(c) == R.TCPS_TIME_WAIT) {
    destroy(c);
    return;
  }
  const segment = load<usize>(c, R.TCP_QUEUE);
  if (!segment) {
    if (has(c, R.TCPF_ACK_DUE)) sendAck(c);
    return;
  }
  const retries = load<u32>(c, R.TCP_RETRIES) + 1;
  let limit = DATA_RETRIES;
  if (state(c) == R.TCPS_SYN_SENT) limit = SYN_RETRIES;
  else if (state(c) == R.TCPS_SYN_RECV) {
    limit = load<u32>(load<usize>(c, R.TCP_NAMESPACE) + R.NS_SYSCTLS, R.SYSCTL_SYNACK_RETRIES << 2);
  }
  if (retries > limit) {
    happened = EXPIRED;
    destroy(c);
    return;
  }
  store<u32>(c, retries, R.TCP_RETRIES);
  const mss = max<u32>(load<u32>(c, R.TCP_MSS), 1);
  const flight = (load<u32>(c, R.TCP_SND_NXT) - load<u32>(c, R.TCP_SND_UNA)) / mss;
  store<u32>(c, max<u32>(flight >> 1, 2), R.TCP_SSTHRESH);
  store<u32>(c, 1, R.TCP_CWND);
  // The first repetitions of a SYN keep their distance, all others double it.
  if (state(c) != R.TCPS_SYN_SENT || retries > SYN_LINEAR_RETRIES) {
    store<u64>(c, min<u64>(load<u64>(c, R.TCP_RTO) << 1, RTO_MAX), R.TCP_RTO);
  }
  // All that is out counts as lost; it follows as the acknowledgements come in.
  beginRecovery(c);
  retransmit(c, segment);
  setDeadline(c, now + load<u64>(c, R.TCP_RTO));
}

function beginRecovery(c: usize): void {
  setFlag(c, R.TCPF_RECOVERY);
  store<u32>(c, load<u32>(c, R.TCP_SND_NXT), R.TCP_RECOVER);
}

/**
 * Sends again what was sent in segments that are too large for the way, in parts, as far as the congestion window allows: it was not lost
 * by congestion (tcp_simple_retransmit). The others among what was sent may still arrive.
 */
function resendLarge(c: usize): void {
  const mss = load<i32>(c, R.TCP_MSS);
  const unsent = load<usize>(c, R.TCP_UNSENT);
  let room = load<i32>(c, R.TCP_CWND);
  for (let at = load<usize>(c, R.TCP_QUEUE); at != unsent; at = load<usize>(at, FRAME_NEXT)) {
    if (load<i32>(at, R.SEG_LENGTH) <= mss) room--;
  }
  store<u32>(c, load<u32>(c, R.TCP_FLAGS) & ~R.TCPF_SHRUNK, R.TCP_FLAGS);
  let isPart = false;
  for (let at = load<usize>(c, R.TCP_QUEUE); at != unsent; at = load<usize>(at, FRAME_NEXT)) {
    const isLarge = load<i32>(at, R.SEG_LENGTH) > mss;
    if (!isLarge && !isPart) continue;
    if (room <= 0 && !isPart) {
      setFlag(c, R.TCPF_SHRUNK);
      break;
    }
    retransmit(c, at);
    room--;
    isPart = isLarge;
  }
}

function retransmit(c: usize, segment: usize): void {
  cutToFit(c, segment);
  store<u32>(segment, load<u32>(segment, R.SEG_RETRIES) + 1, R.SEG_RETRIES);
  transmitSegment(c, segment);
}

/** A round trip of `sample` nanoseconds (RFC 6298). */
function measure(c: usize, sample: u64): void {
  let srtt = load<u64>(c, R.TCP_SRTT);
  let rttvar = load<u64>(c, R.TCP_RTTVAR);
  if (!srtt) {
    srtt = max<u64>(sample, 1);
    rttvar = sample >> 1;
  } else {
    const error = srtt > sample ? srtt - sample : sample - srtt;
    rttvar = (3 * rttvar + error) >> 2;
    srtt = max<u64>((7 * srtt + sample) >> 3, 1);
  }
  store<u64>(c, srtt, R.TCP_SRTT);
  store<u64>(c, rttvar, R.TCP_RTTVAR);
  store<u64>(c, srtt + max<u64>(rttvar << 2, RTO_MIN), R.TCP_RTO);
}

// ---- receiving

function enterTimeWait(c: usize): void {
  setState(c, R.TCPS_TIME_WAIT);
  setDeadline(c, now + TIME_WAIT);
}

/** Takes an acknowledgement: frees segments, opens the window, closes what waited for it. */
function acknowledge(c: usize, ack: u32, window: u32, plain: bool): void {
  const una = load<u32>(c, R.TCP_SND_UNA);
  store<u32>(c, window, R.TCP_SND_WND);
  if (ack == una) {
    if (plain && load<usize>(c, R.TCP_QUEUE) && load<u32>(c, R.TCP_SND_NXT) != una) duplicate(c);
    pump(c);
    return;
  }
  store<u32>(c, ack, R.TCP_SND_UNA);
  store<u32>(c, 0, R.TCP_DUPACKS);
  store<u32>(c, 0, R.TCP_RETRIES);
  let segment = load<usize>(c, R.TCP_QUEUE);
  while (segment && segment != load<usize>(c, R.TCP_UNSENT) && !after(segmentEnd(segment), ack)) {
    if (!load<u32>(segment, R.SEG_RETRIES)) measure(c, now - load<u64>(segment, R.SEG_SENT));
    const next = load<usize>(segment, FRAME_NEXT);
    frames.release(segment, USED_STREAM);
    segment = next;
    const cwnd = load<u32>(c, R.TCP_CWND);
    if (cwnd < load<u32>(c, R.TCP_SSTHRESH)) store<u32>(c, cwnd + 1, R.TCP_CWND);
  }
  store<usize>(c, segment, R.TCP_QUEUE);
  if (has(c, R.TCPF_RECOVERY) && !before(ack, load<u32>(c, R.TCP_RECOVER))) {
    store<u32>(c, load<u32>(c, R.TCP_FLAGS) & ~R.TCPF_RECOVERY, R.TCP_FLAGS);
  }
  if (!segment) {
    store<usize>(c, 0, R.TCP_QUEUE_TAIL);
    happened |= WRITABLE;
  } else if (segment != load<usize>(c, R.TCP_UNSENT) && has(c, R.TCPF_RECOVERY)) {
    // A partial acknowledgement during recovery: the next hole (RFC 6582).
    retransmit(c, segment);
  }
  if (has(c, R.TCPF_SHRUNK)) resendLarge(c);
  if (ack == load<u32>(c, R.TCP_SND_NXT)) {
    setDeadline(c, 0);
  } else {
    setDeadline(c, now + load<u64>(c, R.TCP_RTO));
  }
  pump(c);
}

/** The third duplicate acknowledgement in a row says that a segment was lost (fast retransmit). */
function duplicate(c: usize): void {
  const count = load<u32>(c, R.TCP_DUPACKS) + 1;
  store<u32>(c, count, R.TCP_DUPACKS);
  if (count != DUPACKS || has(c, R.TCPF_RECOVERY)) return;
  beginRecovery(c);
  const half = max<u32>(load<u32>(c, R.TCP_CWND) >> 1, 2);
  store<u32>(c, half, R.TCP_SSTHRESH);
  store<u32>(c, half, R.TCP_CWND);
  retransmit(c, load<usize>(c, R.TCP_QUEUE));
}

/** Keeps a segment that came before its turn, in order of sequence. */
function keepEarly(c: usize, seq: u32, from: usize, length: i32, fin: bool): void {
  let link = c + R.TCP_OUT_OF_ORDER;
  let other = load<usize>(link);
  while (other && before(load<u32>(other, R.SEG_SEQ), seq)) {
    link = other + FRAME_NEXT;
    other = load<usize>(link);
  }
  if (other && load<u32>(other, R.SEG_SEQ) == seq) return;
  // What was put together from fragments may be larger than any frame of a link.
  const segment = frames.newFrameFor(length);
  store<u32>(segment, seq, R.SEG_SEQ);
  store<i32>(segment, length, R.SEG_LENGTH);
  store<i32>(segment, fin ? tcp.FIN : 0, R.SEG_FLAGS);
  copy(load<usize>(segment, FRAME_DATA), from, length);
  store<usize>(segment, other, FRAME_NEXT);
  store<usize>(link, segment);
}

let early: usize = 0;

function dropEarly(): void {
  if (early) frames.release(early, USED_STREAM);
  early = 0;
}

/** Where the bytes that the application has taken end; those before TCP_RCV_NXT are acknowledged already. */
let delivered: u32 = 0;

/** What an earlier gap had held back is acknowledged together with what filled the gap (tcp_ofo_queue). */
function countEarly(c: usize): void {
  let segment = load<usize>(c, R.TCP_OUT_OF_ORDER);
  let next = load<u32>(c, R.TCP_RCV_NXT);
  while (segment && !after(load<u32>(segment, R.SEG_SEQ), next)) {
    const end = segmentEnd(segment);
    if (after(end, next)) next = end;
    segment = load<usize>(segment, FRAME_NEXT);
  }
  store<u32>(c, next, R.TCP_RCV_NXT);
}

/** After DATA: the next run of bytes that an earlier gap had held back; false if there is none. */
export function takeEarly(): bool {
  dropEarly();
  const c = connection;
  while (true) {
    const segment = load<usize>(c, R.TCP_OUT_OF_ORDER);
    if (!segment || after(load<u32>(segment, R.SEG_SEQ), delivered)) return false;
    store<usize>(c, load<usize>(segment, FRAME_NEXT), R.TCP_OUT_OF_ORDER);
    const skip = delivered - load<u32>(segment, R.SEG_SEQ);
    const length = load<u32>(segment, R.SEG_LENGTH);
    const fin = load<i32>(segment, R.SEG_FLAGS) & tcp.FIN;
    if (skip >= length && !fin) {
      frames.release(segment, USED_STREAM);
      continue;
    }
    early = segment;
    happened = DATA;
    data = load<usize>(segment, FRAME_DATA) + <usize>skip;
    dataLength = <i32>(length > skip ? length - skip : 0);
    delivered += <u32>dataLength;
    if (fin) peerClosed(c);
    return true;
  }
}

function peerClosed(c: usize): void {
  happened |= PEER_CLOSED;
  const current = state(c);
  if (current == R.TCPS_ESTABLISHED || current == R.TCPS_SYN_RECV) setState(c, R.TCPS_CLOSE_WAIT);
  else if (current == R.TCPS_FIN_WAIT1) setState(c, R.TCPS_CLOSING);
  else if (current == R.TCPS_FIN_WAIT2) enterTimeWait(c);
}

/** A SYN for a listener: a new connection that answers it. */
function accept(ns: usize, listener: usize, ip: usize, at: usize, line: u32): void {
  const ports = ((<u32>tcp.destinationPort(at)) << 16) | (<u32>tcp.sourcePort(at));
  const owner = load<u32>(listener, R.SOCK_OWNER);
  const c = newConnection(
    ns,
    ipv4.destination(ip),
    ipv4.source(ip),
    ports,
    owner,
    load<u32>(listener, R.SOCK_ARG),
    line,
  );
  connection = c;
  setState(c, R.TCPS_SYN_RECV);
  store<u32>(c, tcp.sequence(at) + 1, R.TCP_RCV_NXT);
  store<u32>(c, <u32>tcp.window(at), R.TCP_SND_WND);
  learnOptions(c, at);
  const mss = ownMss(ns, load<u32>(c, R.TCP_REMOTE));
  openWindow(c, has(c, R.TCPF_TIMESTAMPS) ? mss - TIMESTAMPS_LENGTH : mss);
  newSegment(c, tcp.SYN | tcp.ACK, 0);
  pump(c);
}

/** What the peer's SYN offers. */
function learnOptions(c: usize, at: usize): void {
  tcp.readOptions(at);
  let mss = min<i32>(
    tcp.optionMss ? tcp.optionMss : 536,
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
    happened = REFUSED;
    destroy(c);
    return DROP_NONE;
  }
  if (!(bits & tcp.SYN) || !(bits & tcp.ACK)) return DROP_TCP_FLAGS;
  learnOptions(c, at);
  store<u32>(c, tcp.sequence(at) + 1, R.TCP_RCV_NXT);
  setState(c, R.TCPS_ESTABLISHED);
  const mss = ownMss(load<usize>(c, R.TCP_NAMESPACE), load<u32>(c, R.TCP_REMOTE));
  boundWindow(c, has(c, R.TCPF_TIMESTAMPS) ? mss - TIMESTAMPS_LENGTH : mss);
  acknowledge(c, ack, <u32>tcp.window(at), false);
  sendAck(c);
  happened = CONNECTED;
  return DROP_NONE;
}

/**
 * Handles a segment for this host. DROP_NONE: taken, see `connection`, `happened`, `data`. DROP_NO_SOCKET or -1: the caller
 * answers with a reset (-1: without a drop being counted). Other reasons: dropped.
 */
export function receive(ns: usize, frame: usize, line: u32): i32 {
  happened = 0;
  connection = 0;
  dataLength = 0;
  dropEarly();
  const ip = load<usize>(frame, FRAME_NETWORK);
  const at = ipv4.payload(ip);
  const there = packetLength(frame) - ipv4.headerLength(ip);
  if (there < tcp.TCP_LENGTH) return DROP_PKT_TOO_SMALL;
  const header = tcp.headerLength(at);
  if (header < tcp.TCP_LENGTH || header > there) return DROP_PKT_TOO_SMALL;
  const local = ipv4.destination(ip);
  const remote = ipv4.source(ip);
  if (!load<u32>(frame, FRAME_SUMMED) && !tcp.checksumValid(at, there, remote, local)) return DROP_TCP_CSUM;
  const bits = tcp.flags(at);
  const ports = ((<u32>tcp.destinationPort(at)) << 16) | (<u32>tcp.sourcePort(at));
  let c = find(ns, local, remote, ports);
  if (c && state(c) == R.TCPS_TIME_WAIT && bits & tcp.SYN && !(bits & (tcp.ACK | tcp.RST))) {
    // The peer opens the connection anew (RFC 6191).
    destroy(c);
    happened = 0;
    c = 0;
  }
  if (!c) {
    const listener = sockets.find(ns, ipv4.PROTO_TCP, local, ports >> 16, remote, ports & 0xffff);
    if (!listener || bits & tcp.ACK) return DROP_NO_SOCKET;
    if (bits & tcp.RST) return DROP_NO_SOCKET;
    if (!(bits & tcp.SYN)) return DROP_TCP_FLAGS;
    if (bits & tcp.FIN) return DROP_TCP_FLAGS;
    accept(ns, listener, ip, at, line);
    return DROP_NONE;
  }
  connection = c;
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
    happened = state(c) == R.TCPS_SYN_RECV ? 0 : RESET;
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
  if (has(c, R.TCPF_TIMESTAMPS) && !after(seq, expected)) {
    tcp.readOptions(at);
    if (tcp.optionTimestamps && !before(tcp.optionValue, load<u32>(c, R.TCP_TS_RECENT))) {
      store<u32>(c, tcp.optionValue, R.TCP_TS_RECENT);
    }
  }
  if (state(c) == R.TCPS_SYN_RECV) {
    if (ack != load<u32>(c, R.TCP_SND_NXT)) return -1;
    setState(c, R.TCPS_ESTABLISHED);
    boundWindow(c, ownMss(load<usize>(c, R.TCP_NAMESPACE), load<u32>(c, R.TCP_REMOTE)));
    happened |= CONNECTED;
  }
  if (!before(ack, load<u32>(c, R.TCP_SND_UNA))) {
    const window = (<u32>tcp.window(at)) << (has(c, R.TCPF_WSCALE) ? load<u32>(c, R.TCP_PEER_SCALE) : 0);
    acknowledge(c, ack, window, length == 0 && !fin);
  }
  if (load<u32>(c, R.TCP_SND_UNA) == load<u32>(c, R.TCP_WRITE_SEQ)) {
    const current = state(c);
    if (current == R.TCPS_FIN_WAIT1) setState(c, R.TCPS_FIN_WAIT2);
    else if (current == R.TCPS_CLOSING) enterTimeWait(c);
    else if (current == R.TCPS_LAST_ACK) {
      destroy(c);
      return DROP_NONE;
    }
  }
  if (!length && !fin) return DROP_NONE;
  if (!after(end, expected)) {
    // All of it came before: the acknowledgement was lost.
    if (state(c) == R.TCPS_TIME_WAIT) setDeadline(c, now + TIME_WAIT);
    sendAck(c);
    return length ? DROP_TCP_OLD_DATA : DROP_NONE;
  }
  if (after(seq, expected)) {
    keepEarly(c, seq, payload, length, fin);
    sendAck(c);
    return DROP_NONE;
  }
  const skip = expected - seq;
  data = payload + <usize>skip;
  dataLength = length - <i32>skip;
  delivered = expected + <u32>dataLength;
  store<u32>(c, end, R.TCP_RCV_NXT);
  if (dataLength) {
    happened |= DATA;
    if (dataLength > load<i32>(c, R.TCP_RCV_MSS)) store<i32>(c, min<i32>(dataLength, MSS_MAX), R.TCP_RCV_MSS);
  }
  if (fin) peerClosed(c);
  else countEarly(c);
  if (fin && load<u32>(c, R.TCP_OWNER) == R.OWNER_SINK && !load<usize>(c, R.TCP_QUEUE)) {
    // An application that does not close either leaves the acknowledgement to the timer (tcp_fin: inet_csk_enter_pingpong_mode).
    setFlag(c, R.TCPF_ACK_DUE);
    setDeadline(c, now + DELAYED_ACK);
    return DROP_NONE;
  }
  // At once, as Linux does at the start of a connection (quick ack).
  sendAck(c);
  return DROP_NONE;
}

/** An ICMP error about a segment that this host sent. */
export function onError(ns: usize, local: u32, remote: u32, ports: u32): void {
  happened = 0;
  connection = find(ns, local, remote, ports);
  if (connection && state(connection) == R.TCPS_SYN_SENT) {
    happened = REFUSED;
    destroy(connection);
  }
}

/** A router says that the segment with a sequence number is too large: no more than `mtu` bytes fit on the way (tcp_v4_mtu_reduced). */
export function onTooLarge(ns: usize, local: u32, remote: u32, ports: u32, seq: u32, mtu: u32): void {
  const c = find(ns, local, remote, ports);
  if (!c || before(seq, load<u32>(c, R.TCP_SND_UNA)) || after(seq, load<u32>(c, R.TCP_SND_NXT))) return;
  route.learnMtu(ns, remote, mtu);
  if (followPath(c)) resendLarge(c);
}
