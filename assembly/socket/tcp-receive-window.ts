// What a connection offers to receive: the MSS of the way to the peer, and the window (tcp_output.c).
import * as R from "../layout/records.ts";
import * as route from "../ip/route-packet.ts";
import { now } from "../memory/clock.ts";
import { isSix } from "../memory/addresses.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as tcp from "../wire/tcp.ts";
import { has, isRemnant, state } from "./tcp-record.ts";

const WINDOW_LARGEST = 65535;
export const MSS_MAX = 1460;
export const TIMESTAMPS_LENGTH = 12;
/** Memory for what comes: at first, and at most (tcp_rmem). */
const BUFFER_FIRST = 131072;
export const BUFFER_MOST = 33554432;
/** By what a window of all that memory fits into 16 bits. */
export const WINDOW_SCALE = 10;
const RECEIVE_SPACE = BUFFER_FIRST / 2; // half of it is taken to be overhead until more is known

/** How many bytes of data fit into so much memory (tcp_win_from_space). */
export function windowOf(c: usize, memory: u32): u32 {
  return <u32>((<u64>memory * load<u32>(c, R.TCP_RCV_RATIO)) >> 8);
}

/** The memory that so many bytes of payload take: a frame lies in the next size of block there is, and its record beside it. */
export function memoryOf(length: u32): u32 {
  const bytes = length + FRAME_OVERHEAD;
  if (bytes <= 704) return 704 + RECORD;
  let block: u32 = 1024;
  while (block < bytes) block <<= 1;
  return block + RECORD;
}
const FRAME_OVERHEAD: u32 = 66 + 32 + 320; // headers, room in front, struct skb_shared_info
const RECORD: u32 = 256; // struct sk_buff

/** The segment that this host can take: the path MTU of its way to the peer without the headers, 1460 or with IPv6 1440 at most (ipv4_default_advmss). */
export function ownMss(ns: usize, remote: u32): i32 {
  if (route.outgoing(ns, remote) == route.TO_NOWHERE) return MSS_MAX;
  const longer = isSix(remote) ? ipv6.IPV6_LENGTH - ipv4.IPV4_LENGTH : 0;
  const headers = ipv4.IPV4_LENGTH + longer + tcp.TCP_LENGTH;
  return max<i32>(min<i32>(<i32>route.mtu - headers, MSS_MAX - longer), 88);
}

/** Sets the window that a SYN or its answer offers: as many whole segments as there is room for (tcp_select_initial_window). */
export function openWindow(c: usize, segment: i32): void {
  store<i32>(c, min<i32>(RECEIVE_SPACE - (RECEIVE_SPACE % segment), WINDOW_LARGEST), R.TCP_RCV_WND);
  store<u32>(c, load<u32>(c, R.TCP_RCV_NXT), R.TCP_RCV_WUP);
}

/** The handshake is over: room for one segment is set aside (tcp_init_buffer_space, tcp_initialize_rcv_mss). */
export function boundWindow(c: usize, segment: i32): void {
  const offered = load<i32>(c, R.TCP_RCV_WND);
  const clamp = max<i32>(2 * segment, RECEIVE_SPACE - segment);
  const room = min<i32>(offered, clamp);
  store<u32>(c, load<u32>(c, R.TCP_RCV_NXT), R.TCP_RCV_WUP);
  store<u32>(c, BUFFER_FIRST, R.TCP_RCV_BUF);
  store<u32>(c, 128, R.TCP_RCV_RATIO);
  store<i32>(c, clamp, R.TCP_RCV_CLAMP);
  store<i32>(c, room, R.TCP_RCV_SSTHRESH);
  store<i32>(c, min<i32>(room, 10 * segment), R.TCP_SPACE);
  store<u32>(c, load<u32>(c, R.TCP_RCV_NXT), R.TCP_SPACE_SEQ);
  store<u64>(c, now, R.TCP_SPACE_TIME);
  store<i32>(c, max<i32>(min<i32>(load<i32>(c, R.TCP_MSS), 536), 88), R.TCP_RCV_MSS);
}

/** What is left of the window last offered (tcp_receive_window). */
export function windowLeft(c: usize): u32 {
  const left = load<u32>(c, R.TCP_RCV_WUP) + load<u32>(c, R.TCP_RCV_WND) - load<u32>(c, R.TCP_RCV_NXT);
  return <i32>left < 0 ? 0 : left;
}

/** The window stays as it is (tcp_time_wait). */
export function freezeWindow(c: usize): void {
  store<u32>(c, windowLeft(c), R.TCP_RCV_WND);
  store<u32>(c, load<u32>(c, R.TCP_RCV_NXT), R.TCP_RCV_WUP);
}

/** Memory that is left, as bytes of data (tcp_space). */
export function freeSpace(c: usize): u32 {
  const memory = load<u32>(c, R.TCP_RCV_BUF);
  const held = load<u32>(c, R.TCP_RCV_HELD);
  return held < memory ? windowOf(c, memory - held) : 0;
}

/** The window that there is room for (__tcp_select_window). */
function wanted(c: usize, scale: u32): u32 {
  const most = windowOf(c, load<u32>(c, R.TCP_RCV_BUF));
  const full = min<u32>(load<u32>(c, R.TCP_RCV_CLAMP), most);
  const segment = min<u32>(load<u32>(c, R.TCP_RCV_MSS), full);
  let space = freeSpace(c);
  if (space < full >> 1) {
    space &= ~(((<u32>1) << scale) - 1);
    if (space < most >> 4 || space < segment) return 0;
  }
  space = min<u32>(space, load<u32>(c, R.TCP_RCV_SSTHRESH));
  if (scale) return (space + (1 << scale) - 1) & ~((1 << scale) - 1);
  const offered = load<u32>(c, R.TCP_RCV_WND);
  const isClose = offered <= space && offered + segment > space;
  return isClose ? offered : space - (space % segment);
}

/** The window that could be offered now, in bytes. */
export function offerable(c: usize): u32 {
  return wanted(c, has(c, R.TCPF_WSCALE) ? WINDOW_SCALE : 0);
}

/** The window field of a segment: never less than what was offered before (tcp_select_window, __tcp_select_window). */
export function selectWindow(c: usize): u32 {
  const scale: u32 = has(c, R.TCPF_WSCALE) ? WINDOW_SCALE : 0;
  // There is no socket yet that would have opened its window, or none any more.
  if (state(c) == R.TCPS_SYN_RECV || isRemnant(c)) return load<u32>(c, R.TCP_RCV_WND) >> scale;
  const unit: u32 = (<u32>1) << scale;
  let next = wanted(c, scale);
  const left = windowLeft(c);
  if (next < left) next = (left + unit - 1) & ~(unit - 1);
  store<u32>(c, next, R.TCP_RCV_WND);
  store<u32>(c, load<u32>(c, R.TCP_RCV_NXT), R.TCP_RCV_WUP);
  return min<u32>(next >> scale, WINDOW_LARGEST);
}
