// TCP segments on their way out: the queue of what is not acknowledged, what the windows allow, and sending again.
import { FRAME_DATA, FRAME_NEXT } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import { newPacket, payloadOf, send } from "../ip/packet.ts";
import * as route from "../ip/route-packet.ts";
import { copy } from "../memory/bytes.ts";
import { MILLISECOND, now } from "../memory/clock.ts";
import * as frames from "../memory/frames.ts";
import { after } from "../track/tcp-window.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as tcp from "../wire/tcp.ts";
import { TIMESTAMPS_LENGTH, WINDOW_SCALE, ownMss, selectWindow } from "./tcp-receive-window.ts";
import * as congestion from "./tcp-congestion.ts";
import * as quickAck from "./tcp-quick-ack.ts";
import { clearFlag, has, isRemnant, setFlag, state } from "./tcp-record.ts";
import * as timer from "./tcp-retransmit-timer.ts";
import * as sack from "./tcp-sack.ts";
import * as scoreboard from "./tcp-scoreboard.ts";
import { segmentEnd } from "./tcp-segment.ts";
import { cookieTimestamp, timestampStart } from "./tcp-timestamp.ts";
import { setDeadline } from "./tcp-timer.ts";

const OPTIONS_MAX = 40;

/** Linux's timestamps count milliseconds from a random start for each pair of hosts. */
export function timestamp(c: usize): u32 {
  return <u32>(now / MILLISECOND) + timestampStart(load<u32>(c, R.TCP_LOCAL), load<u32>(c, R.TCP_REMOTE));
}

function nextIpId(c: usize): i32 {
  const id = load<u32>(c, R.TCP_IP_ID);
  store<u32>(c, (id + 1) & 0xffff, R.TCP_IP_ID);
  return <i32>id;
}

/** Whether there is a socket that counts identifications: not before the handshake is complete, nor once a program has let go. */
function hasSocket(c: usize, bits: i32): bool {
  return !(bits & tcp.SYN && bits & tcp.ACK) && state(c) != R.TCPS_SYN_RECV && !isRemnant(c);
}

/** Segments become no larger than what is known to fit on the way (tcp_current_mss). Whether that is less than before. */
export function followPath(c: usize): bool {
  const ns = load<usize>(c, R.TCP_NAMESPACE);
  if (!load<usize>(ns, R.NS_EXCEPTIONS)) return false;
  const options = has(c, R.TCPF_TIMESTAMPS) ? TIMESTAMPS_LENGTH : 0;
  const mss = ownMss(ns, load<u32>(c, R.TCP_REMOTE)) - options;
  if (mss >= load<i32>(c, R.TCP_MSS)) return false;
  store<i32>(c, mss, R.TCP_MSS);
  return true;
}

/** Sends one segment: `length` bytes at `from` under `seq`. */
export function emit(c: usize, bits: i32, seq: u32, from: usize, length: i32): void {
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
      has(c, R.TCPF_COOKIE) ? cookieTimestamp(c) : timestamp(c),
      load<u32>(c, R.TCP_TS_RECENT),
      !passive || has(c, R.TCPF_WSCALE) ? WINDOW_SCALE : -1,
    );
    window = load<u32>(c, R.TCP_RCV_WND);
  } else {
    if (has(c, R.TCPF_TIMESTAMPS)) {
      tcp.writeTimestamps(at + tcp.TCP_LENGTH, timestamp(c), load<u32>(c, R.TCP_TS_RECENT));
      header += TIMESTAMPS_LENGTH;
    }
    if (bits & tcp.ACK && has(c, R.TCPF_SACK)) {
      const room = length ? load<i32>(c, R.TCP_MSS) - length : OPTIONS_MAX - (header - tcp.TCP_LENGTH);
      header += sack.write(c, at + <usize>header, min<i32>(room, OPTIONS_MAX - (header - tcp.TCP_LENGTH)));
    }
    window = selectWindow(c);
  }
  if (bits & tcp.ACK) quickAck.ackSent(c);
  if (length) {
    quickAck.dataSent(c);
    copy(at + <usize>header, from, length);
  }
  const ports = load<u32>(c, R.TCP_PORTS);
  const ack = bits & tcp.ACK ? load<u32>(c, R.TCP_RCV_NXT) : 0;
  tcp.write(at, <i32>(ports >> 16), <i32>(ports & 0xffff), seq, ack, header, bits, <i32>window);
  const local = load<u32>(c, R.TCP_LOCAL);
  const remote = load<u32>(c, R.TCP_REMOTE);
  tcp.seal(at, header + length, local, remote);
  const id = hasSocket(c, bits) ? nextIpId(c) : 0;
  const flag = bits & tcp.SYN ? ipv4.FLAG_DF : route.fragmentFlagTo(ns, remote);
  send(ns, frame, ipv4.PROTO_TCP, local, remote, header + length, 0, id, flag);
}

/** Acknowledges what has come so far. */
export function sendAck(c: usize): void {
  emit(c, tcp.ACK, load<u32>(c, R.TCP_SND_NXT), 0, 0);
}

/** A segment of the queue, empty: `length` bytes of payload go to its data. */
export function newSegment(c: usize, flags: i32, length: i32): usize {
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
  store<u32>(rest, load<u32>(segment, R.SEG_MARKS), R.SEG_MARKS);
  copy(load<usize>(rest, FRAME_DATA), load<usize>(segment, FRAME_DATA) + <usize>length, left);
  store<i32>(segment, flags & ~(tcp.PSH | tcp.FIN), R.SEG_FLAGS);
  store<i32>(segment, length, R.SEG_LENGTH);
  store<usize>(rest, load<usize>(segment, FRAME_NEXT), FRAME_NEXT);
  store<usize>(segment, rest, FRAME_NEXT);
  if (load<usize>(c, R.TCP_QUEUE_TAIL) == segment) store<usize>(c, rest, R.TCP_QUEUE_TAIL);
}

/** Cuts a segment that was made when more fitted on the way. Whether it had to. */
function cutToFit(c: usize, segment: usize): bool {
  const mss = load<i32>(c, R.TCP_MSS);
  if (load<i32>(segment, R.SEG_LENGTH) <= mss) return false;
  cut(c, segment, mss);
  return true;
}

/** Sends a segment of the queue. */
export function transmitSegment(c: usize, segment: usize): void {
  store<u64>(segment, now, R.SEG_SENT);
  const flags = load<i32>(segment, R.SEG_FLAGS);
  emit(c, flags, load<u32>(segment, R.SEG_SEQ), load<usize>(segment, FRAME_DATA), load<i32>(segment, R.SEG_LENGTH));
}

/** Whether the last segment waits for more, as one that is not full is under way (Nagle's algorithm as Minshall changed it; tcp_nagle_test). */
function waits(c: usize, segment: usize): bool {
  if (load<usize>(segment, FRAME_NEXT) || has(c, R.TCPF_NODELAY)) return false;
  if (load<i32>(segment, R.SEG_FLAGS) & (tcp.SYN | tcp.FIN)) return false;
  if (load<i32>(segment, R.SEG_LENGTH) >= load<i32>(c, R.TCP_MSS) || !load<u32>(c, R.TCP_OUT)) return false;
  const small = load<u32>(c, R.TCP_SND_SML);
  return after(small, load<u32>(c, R.TCP_SND_UNA)) && !after(small, load<u32>(c, R.TCP_SND_NXT));
}

/** The segment at the end of the queue, if it has not been sent and is not the last; 0: there is none (tcp_write_queue_tail). */
export function openTail(c: usize): usize {
  const tail = load<usize>(c, R.TCP_QUEUE_TAIL);
  if (!load<usize>(c, R.TCP_UNSENT) || load<i32>(tail, R.SEG_FLAGS) & (tcp.SYN | tcp.FIN)) return 0;
  return tail;
}

/** Sends what the windows allow. */
export function pump(c: usize): void {
  let segment = load<usize>(c, R.TCP_UNSENT);
  if (!segment) return;
  const una = load<u32>(c, R.TCP_SND_UNA);
  const isIdle = una == load<u32>(c, R.TCP_SND_NXT);
  if (isIdle) congestion.restart(c);
  const cwnd = load<u32>(c, R.TCP_CWND);
  const edge = una + load<u32>(c, R.TCP_SND_WND);
  let inFlight = scoreboard.count(c);
  let sent: u32 = 0;
  let isLimited = false;
  while (segment) {
    cutToFit(c, segment);
    const end = segmentEnd(segment);
    if (load<u32>(segment, R.SEG_LENGTH)) {
      isLimited = inFlight >= cwnd;
      if (isLimited || after(end, edge) || waits(c, segment)) break;
      if (load<i32>(segment, R.SEG_LENGTH) < load<i32>(c, R.TCP_MSS)) store<u32>(c, end, R.TCP_SND_SML);
    }
    scoreboard.enter(c, segment);
    transmitSegment(c, segment);
    store<u32>(c, end, R.TCP_SND_NXT);
    segment = load<usize>(segment, FRAME_NEXT);
    inFlight++;
    sent++;
  }
  store<usize>(c, segment, R.TCP_UNSENT);
  if (sent) {
    clearFlag(c, R.TCPF_PROBING);
    store<u32>(c, 0, R.TCP_PROBES);
    store<u64>(c, now, R.TCP_LAST_SENT);
    if (has(c, R.TCPF_RECOVERY)) store<u32>(c, load<u32>(c, R.TCP_PRR_OUT) + sent, R.TCP_PRR_OUT);
    congestion.noteUse(c, load<u32>(c, R.TCP_OUT), isLimited);
    timer.arm(c, isIdle);
  } else if (isIdle && !has(c, R.TCPF_PROBING)) {
    // Nothing is under way that would bring word of an open window (tcp_check_probe_timer).
    setFlag(c, R.TCPF_PROBING);
    setDeadline(c, now + load<u64>(c, R.TCP_RTO));
  }
}

/** Sends the next segment whatever the congestion window says; false if there is none, or no room for it at the peer. */
export function sendOne(c: usize): bool {
  const segment = load<usize>(c, R.TCP_UNSENT);
  if (!segment) return false;
  cutToFit(c, segment);
  const end = segmentEnd(segment);
  if (after(end, load<u32>(c, R.TCP_SND_UNA) + load<u32>(c, R.TCP_SND_WND))) return false;
  scoreboard.enter(c, segment);
  transmitSegment(c, segment);
  store<u32>(c, end, R.TCP_SND_NXT);
  store<usize>(c, load<usize>(segment, FRAME_NEXT), R.TCP_UNSENT);
  return true;
}

/** Probes a closed window: with what fits into it, or a byte's place before what is expected (tcp_write_wakeup). */
export function probe(c: usize): void {
  const segment = load<usize>(c, R.TCP_UNSENT);
  const window = load<i32>(c, R.TCP_SND_WND);
  if (!segment || !window) {
    emit(c, tcp.ACK, load<u32>(c, R.TCP_SND_UNA) - 1, 0, 0);
    return;
  }
  if (load<i32>(segment, R.SEG_LENGTH) > window) cut(c, segment, window);
  store<u32>(c, max<u32>(load<u32>(c, R.TCP_CWND), 1), R.TCP_CWND);
  pump(c);
}

/**
 * Sends again what was sent in segments that are too large for the way, in parts, as far as the congestion window allows: it was not lost
 * by congestion (tcp_simple_retransmit). The others among what was sent may still arrive.
 */
export function resendLarge(c: usize): void {
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

/** Sends a segment again. */
export function retransmit(c: usize, segment: usize): void {
  if (cutToFit(c, segment)) scoreboard.enter(c, load<usize>(segment, FRAME_NEXT));
  store<u32>(segment, load<u32>(segment, R.SEG_RETRIES) + 1, R.SEG_RETRIES);
  scoreboard.mark(c, segment, R.SEGM_LOST | R.SEGM_RETRANSMITTED);
  transmitSegment(c, segment);
}
