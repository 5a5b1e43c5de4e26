// The receive window grows with what comes: full segments open it, and a buffer of what is read in a round trip, and as much again for
// a sender that doubles its rate, follows (tcp_grow_window, tcp_rcv_space_adjust; "dynamic right-sizing").
import * as R from "../layout/records.ts";
import { now } from "../memory/clock.ts";
import { before } from "../track/tcp-window.ts";
import * as tcp from "../wire/tcp.ts";
import { timestamp } from "./tcp-output.ts";
import { has, setFlag } from "./tcp-record.ts";
import { dataCame } from "./tcp-quick-ack.ts";
import { BUFFER_MOST, MSS_MAX, TIMESTAMPS_LENGTH, freeSpace, memoryOf, windowOf } from "./tcp-receive-window.ts";

const MSS_DEFAULT: i32 = 536;
const MSS_LEAST: i32 = 88; // TCP_MIN_MSS
const GROWS_FROM: i32 = 128; // bytes

/** The segments that this side asks for (tp->advmss); the path's own limit comes with the segments themselves. */
function ownSegment(c: usize): u32 {
  return <u32>(MSS_MAX - (has(c, R.TCPF_TIMESTAMPS) ? TIMESTAMPS_LENGTH : 0));
}

/** The largest segment so far says how much of the memory is data (tcp_measure_rcv_mss, tcp_set_window_clamp). */
function measureSegment(c: usize, length: i32, bits: i32): void {
  const known = load<i32>(c, R.TCP_RCV_MSS);
  const last = load<i32>(c, R.TCP_SIZE_LAST);
  store<i32>(c, 0, R.TCP_SIZE_LAST);
  if (length < known) {
    // Two segments of one size that may be full ones: the peer's are smaller than was thought.
    const isEnd = (bits & (tcp.FIN | tcp.SYN | tcp.URG | tcp.PSH)) != 0;
    if (length >= MSS_DEFAULT || (length >= MSS_LEAST && !isEnd)) {
      store<i32>(c, length, R.TCP_SIZE_LAST);
      if (length == last) {
        store<i32>(c, length, R.TCP_RCV_MSS);
        return;
      }
    }
    if (has(c, R.TCPF_PUSHED)) setFlag(c, R.TCPF_PUSHED_AGAIN);
    setFlag(c, R.TCPF_PUSHED);
    return;
  }
  if (bits & tcp.PSH) setFlag(c, R.TCPF_PUSHED);
  if (length == known) return;
  store<i32>(c, min<i32>(length, <i32>ownSegment(c)), R.TCP_RCV_MSS);
  const ratio = max<u32>(((<u32>length) << 8) / memoryOf(length), 1);
  if (ratio == load<u32>(c, R.TCP_RCV_RATIO)) return;
  store<u32>(c, ratio, R.TCP_RCV_RATIO);
  const clamp = windowOf(c, load<u32>(c, R.TCP_RCV_BUF));
  const old = load<u32>(c, R.TCP_RCV_CLAMP);
  const room = load<u32>(c, R.TCP_RCV_SSTHRESH);
  store<u32>(c, clamp, R.TCP_RCV_CLAMP);
  if (clamp < old) store<u32>(c, min<u32>(room, clamp), R.TCP_RCV_SSTHRESH);
  else store<u32>(c, max<u32>(room, min<u32>(load<u32>(c, R.TCP_RCV_WND), clamp)), R.TCP_RCV_SSTHRESH);
  if (clamp < load<u32>(c, R.TCP_SPACE)) store<u32>(c, clamp, R.TCP_SPACE);
}

/** How far the window may grow for a segment that takes more memory than its data is worth (__tcp_grow_window). */
function growthFor(c: usize, memory: u32, length: u32): u32 {
  let size = windowOf(c, memory) >> 1;
  let window = windowOf(c, BUFFER_MOST) >> 1;
  while (load<u32>(c, R.TCP_RCV_SSTHRESH) <= window) {
    if (size <= length) return 2 * load<u32>(c, R.TCP_RCV_MSS);
    size >>= 1;
    window >>= 1;
  }
  return 0;
}

/** A segment of `length` bytes came: the window opens (tcp_grow_window). */
function growWindow(c: usize, length: u32): void {
  const room = load<u32>(c, R.TCP_RCV_SSTHRESH);
  const most = min<u32>(load<u32>(c, R.TCP_RCV_CLAMP), freeSpace(c));
  if (most <= room) return;
  const memory = memoryOf(length);
  let by = windowOf(c, memory) <= length ? 2 * ownSegment(c) : growthFor(c, memory, length);
  if (by) by = max<u32>(by, 2 * length);
  store<u32>(c, room + min<u32>(most - room, by), R.TCP_RCV_SSTHRESH);
  // The peer is to know.
  if (by) store<u32>(c, load<u32>(c, R.TCP_QUICK) | 1, R.TCP_QUICK);
}

/** A round trip of `sample` microseconds as the receiver sees it; `isLong`: it took as long as a window's worth of bytes, or less (tcp_rcv_rtt_update). */
function noteRoundTrip(c: usize, sample: u32, isLong: bool): void {
  const old = load<u32>(c, R.TCP_RCV_RTT);
  if (!old || sample << 3 < old) store<u32>(c, sample << 3, R.TCP_RCV_RTT);
  else if (!isLong) store<u32>(c, old - (old >> 3) + sample, R.TCP_RCV_RTT);
}

/** The buffer becomes what `read` bytes in a round trip ask for (tcp_rcvbuf_grow); `early` bytes lie ahead of what is missing. */
function growBuffer(c: usize, read: u32, early: u32): void {
  const old = load<u32>(c, R.TCP_SPACE);
  store<u32>(c, read, R.TCP_SPACE);
  const sysctls = load<usize>(c, R.TCP_NAMESPACE) + R.NS_SYSCTLS;
  if (!load<u32>(sysctls, R.SYSCTL_TCP_MODERATE_RCVBUF << 2)) return;
  const twice = (<u64>read) << 1;
  const window = twice + (((twice * (read - old)) / max<u32>(old, 1)) << 1) + early;
  const memory = <u32>min<u64>((window << 8) / load<u32>(c, R.TCP_RCV_RATIO), BUFFER_MOST);
  if (memory <= load<u32>(c, R.TCP_RCV_BUF)) return;
  store<u32>(c, memory, R.TCP_RCV_BUF);
  store<u32>(c, windowOf(c, memory), R.TCP_RCV_CLAMP);
}

/** A segment with `length` bytes and the options that were read last came: it may tell the round trip (tcp_rcv_rtt_measure_ts). */
export function measureByTimestamp(c: usize, length: i32): void {
  if (!has(c, R.TCPF_TIMESTAMPS) || !tcp.optionTimestamps || !tcp.optionEcho) return;
  if (tcp.optionEcho == load<u32>(c, R.TCP_RCV_ECHO)) return;
  store<u32>(c, tcp.optionEcho, R.TCP_RCV_ECHO);
  const took = <i32>(timestamp(c) - tcp.optionEcho);
  if (length >= load<i32>(c, R.TCP_RCV_MSS) && took > 0) noteRoundTrip(c, <u32>took * 1000, false);
}

/** `length` bytes came in their turn in a segment with these flags, up to TCP_RCV_NXT (tcp_event_data_recv). */
export function received(c: usize, length: i32, bits: i32): void {
  measureSegment(c, length, bits);
  const began = load<u64>(c, R.TCP_RCV_RTT_TIME);
  const next = load<u32>(c, R.TCP_RCV_NXT);
  if (!began || !before(next, load<u32>(c, R.TCP_RCV_RTT_SEQ))) {
    if (began) noteRoundTrip(c, max<u32>(<u32>((now - began) / 1000), 1), true);
    store<u32>(c, next + load<u32>(c, R.TCP_RCV_WND), R.TCP_RCV_RTT_SEQ);
    store<u64>(c, now, R.TCP_RCV_RTT_TIME);
  }
  dataCame(c);
  if (length >= GROWS_FROM) growWindow(c, length);
}

/** A segment came before its turn. */
export function receivedEarly(c: usize, length: i32, end: u32): void {
  if (has(c, R.TCPF_SACK)) {
    // Its own memory is not counted yet (tcp_data_queue_ofo).
    const held = load<u32>(c, R.TCP_RCV_HELD);
    store<u32>(c, held - memoryOf(length), R.TCP_RCV_HELD);
    growWindow(c, length);
    store<u32>(c, held, R.TCP_RCV_HELD);
  }
  growBuffer(c, load<u32>(c, R.TCP_SPACE), end - load<u32>(c, R.TCP_RCV_NXT));
}

/** `length` bytes wait to be read. */
export function hold(c: usize, length: i32): void {
  store<u32>(c, load<u32>(c, R.TCP_RCV_HELD) + memoryOf(length), R.TCP_RCV_HELD);
}

/** The program has read those `length` bytes, and so all up to TCP_RCV_NXT (tcp_rcv_space_adjust). */
export function read(c: usize, length: i32): void {
  store<u32>(c, load<u32>(c, R.TCP_RCV_HELD) - memoryOf(length), R.TCP_RCV_HELD);
  const rtt = load<u32>(c, R.TCP_RCV_RTT);
  if (!rtt || (now - load<u64>(c, R.TCP_SPACE_TIME)) / 1000 < rtt >> 3) return;
  const next = load<u32>(c, R.TCP_RCV_NXT);
  const bytes = next - load<u32>(c, R.TCP_SPACE_SEQ);
  if (bytes > load<u32>(c, R.TCP_SPACE)) growBuffer(c, bytes, 0);
  store<u32>(c, next, R.TCP_SPACE_SEQ);
  store<u64>(c, now, R.TCP_SPACE_TIME);
}
