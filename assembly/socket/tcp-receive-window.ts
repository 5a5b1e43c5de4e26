// What a connection offers to receive: the MSS of the way to the peer, and the window (tcp_output.c).
import * as R from "../layout/records.ts";
import * as route from "../ip/route-packet.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as tcp from "../wire/tcp.ts";
import { has, isRemnant, state } from "./tcp-record.ts";

const WINDOW_LARGEST = 65535;
export const MSS_MAX = 1460;
export const TIMESTAMPS_LENGTH = 12;
export const WINDOW_SCALE = 7;
const RECEIVE_SPACE = 65536; // half of tcp_rmem's 131072, the rest is for overhead

/** The segment that this host can take: the path MTU of its way to the peer without the headers, 1460 at most (ipv4_default_advmss). */
export function ownMss(ns: usize, remote: u32): i32 {
  if (route.outgoing(ns, remote) == route.TO_NOWHERE) return MSS_MAX;
  const headers = ipv4.IPV4_LENGTH + tcp.TCP_LENGTH;
  return max<i32>(min<i32>(<i32>route.mtu - headers, MSS_MAX), 88);
}

/** Sets the window that a SYN or its answer offers: as many whole segments as there is room for (tcp_select_initial_window). */
export function openWindow(c: usize, segment: i32): void {
  store<i32>(c, min<i32>(RECEIVE_SPACE - (RECEIVE_SPACE % segment), WINDOW_LARGEST), R.TCP_RCV_WND);
  store<u32>(c, load<u32>(c, R.TCP_RCV_NXT), R.TCP_RCV_WUP);
}

/** The handshake is over: room for one segment is set aside (tcp_init_buffer_space, tcp_initialize_rcv_mss). */
export function boundWindow(c: usize, segment: i32): void {
  const offered = load<i32>(c, R.TCP_RCV_WND);
  store<u32>(c, load<u32>(c, R.TCP_RCV_NXT), R.TCP_RCV_WUP);
  store<i32>(c, min<i32>(offered, max<i32>(2 * segment, RECEIVE_SPACE - segment)), R.TCP_RCV_SSTHRESH);
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

/** The window field of a segment: never less than what was offered before (tcp_select_window, __tcp_select_window). */
export function selectWindow(c: usize): u32 {
  const scale: u32 = has(c, R.TCPF_WSCALE) ? WINDOW_SCALE : 0;
  // There is no socket yet that would have opened its window, or none any more.
  if (state(c) == R.TCPS_SYN_RECV || isRemnant(c)) return load<u32>(c, R.TCP_RCV_WND) >> scale;
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
