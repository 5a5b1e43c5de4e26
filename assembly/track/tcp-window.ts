// Whether a TCP segment lies in the windows that both sides have shown (tcp_in_window of nf_conntrack_proto_tcp.c).
import { DIR_REPLY } from "../layout/codes.ts";
import {
  CT_TCP_LAST_ACK,
  CT_TCP_LAST_DIR,
  CT_TCP_LAST_END,
  CT_TCP_LAST_SEQ,
  CT_TCP_LAST_WIN,
  CT_TCP_RETRANS,
  CT_TCP_SEEN,
  CT_TCP_STATE,
  NS_SYSCTLS,
  SEEN_END,
  SEEN_FLAGS,
  SEEN_MAX_ACK,
  SEEN_MAX_END,
  SEEN_MAX_WIN,
  SEEN_SCALE,
  SEEN_SIZE,
  SYSCTL_CT_DELAYED_INVALID,
  SYSCTL_CT_LIBERAL,
} from "../layout/records.ts";
import { get32 } from "../memory/bytes.ts";
import * as tcp from "../wire/tcp.ts";
import { INDEX_ACK, SYN_RECV, SYN_SENT } from "./tcp-state.ts";

// Flags of a direction (SEEN_FLAGS), IP_CT_TCP_FLAG_*.
export const FLAG_WINDOW_SCALE = 1;
export const FLAG_SACK_PERM = 2;
export const FLAG_CLOSE_INIT = 4;
export const FLAG_BE_LIBERAL = 8;
export const FLAG_UNACKNOWLEDGED = 16;
export const FLAG_MAXACK_SET = 32;

/** Sequence arithmetic modulo 2^32. */
export function after(a: u32, b: u32): bool {
  return <i32>(b - a) < 0;
}
export function before(a: u32, b: u32): bool {
  return <i32>(a - b) < 0;
}

/** The sequence number after a segment. */
export function segmentEnd(at: usize, bytes: i32): u32 {
  const bits = tcp.flags(at);
  return tcp.sequence(at) + <u32>(bytes - tcp.headerLength(at)) + (bits & tcp.SYN ? 1 : 0) + (bits & tcp.FIN ? 1 : 0);
}

/** Notes what a SYN offers (tcp_options). */
export function noteOptions(seen: usize, at: usize): void {
  if (tcp.headerLength(at) == tcp.TCP_LENGTH) return;
  tcp.readOptions(at);
  let flags = load<u32>(seen, SEEN_FLAGS) & FLAG_BE_LIBERAL;
  if (tcp.optionSack) flags |= FLAG_SACK_PERM;
  if (tcp.optionScale >= 0) flags |= FLAG_WINDOW_SCALE;
  store<u32>(seen, tcp.optionScale >= 0 ? <u32>tcp.optionScale : 0, SEEN_SCALE);
  store<u32>(seen, flags, SEEN_FLAGS);
}

/** The right edge of the highest SACK block, or `ack`. */
function highestSack(at: usize, ack: u32): u32 {
  let p = at + tcp.TCP_LENGTH;
  const end = at + <usize>tcp.headerLength(at);
  let sack = ack;
  while (p < end) {
    const kind = load<u8>(p);
    if (kind == 0) return sack;
    if (kind == 1) {
      p++;
      continue;
    }
    if (p + 2 > end) return sack;
    const size = <usize>load<u8>(p + 1);
    if (size < 2 || p + size > end) return sack;
    if (kind == 5 && size >= 10 && (size - 2) % 8 == 0) {
      for (let block: usize = 2; block < size; block += 8) {
        const right = get32(p + block + 4);
        if (after(right, sack)) sack = right;
      }
      return sack;
    }
    p += size;
  }
  return sack;
}

// Outcomes of `inWindow` (enum nf_ct_tcp_action).
export const WINDOW_ACCEPT: i32 = 0;
export const WINDOW_IGNORE: i32 = 1; // passes, and changes nothing
export const WINDOW_INVALID: i32 = 2;

/** The first segment that is known of a side, a SYN (tcp_init_sender). */
function initialize(sender: usize, receiver: usize, direction: u32, at: usize, end: u32, win: u32): void {
  store<u32>(sender, end, SEEN_END);
  store<u32>(sender, end, SEEN_MAX_END);
  store<u32>(sender, max<u32>(win, 1), SEEN_MAX_WIN);
  noteOptions(sender, at);
  // Scaling holds only if both sides offer it.
  const both = load<u32>(sender, SEEN_FLAGS) & load<u32>(receiver, SEEN_FLAGS) & FLAG_WINDOW_SCALE;
  if (direction != DIR_REPLY || both) return;
  store<u32>(sender, 0, SEEN_SCALE);
  store<u32>(receiver, 0, SEEN_SCALE);
}

/** The first segment that is known of a side, from the middle of a connection. */
function pickUp(sender: usize, receiver: usize, end: u32, win: u32, sack: u32): void {
  const scaled = max<u32>(win << load<u32>(sender, SEEN_SCALE), 1);
  store<u32>(sender, end, SEEN_END);
  store<u32>(sender, scaled, SEEN_MAX_WIN);
  store<u32>(sender, end + scaled, SEEN_MAX_END);
  if (!load<u32>(receiver, SEEN_MAX_WIN)) {
    store<u32>(receiver, sack, SEEN_END);
    store<u32>(receiver, sack, SEEN_MAX_END);
  } else if (sack == load<u32>(receiver, SEEN_END) + 1) {
    // An answer to a keepalive, most likely.
    store<u32>(receiver, sack, SEEN_END);
  }
}

/** A segment outside the windows passes all the same where windows are not trusted (nf_tcp_log_invalid). */
function outside(sender: usize, ns: usize, outcome: i32): i32 {
  const liberal =
    (load<u32>(sender, SEEN_FLAGS) & FLAG_BE_LIBERAL) | load<u32>(ns + NS_SYSCTLS, SYSCTL_CT_LIBERAL << 2);
  return liberal ? WINDOW_ACCEPT : outcome;
}

/** Whether a segment lies in the windows; notes what it shows. Returns WINDOW_*. */
export function inWindow(entry: usize, ns: usize, direction: u32, index: i32, at: usize, bytes: i32): i32 {
  const seen = entry + CT_TCP_SEEN;
  const sender = seen + direction * SEEN_SIZE;
  const receiver = seen + (1 - direction) * SEEN_SIZE;
  const bits = tcp.flags(at);
  const state = load<u32>(entry, CT_TCP_STATE);
  let seq = tcp.sequence(at);
  let ack = tcp.acknowledgement(at);
  let sack = ack;
  let win = <u32>tcp.window(at);
  const windowRaw = win;
  let end = segmentEnd(at, bytes);
  if (load<u32>(receiver, SEEN_FLAGS) & FLAG_SACK_PERM) sack = highestSack(at, ack);

  if (!load<u32>(sender, SEEN_MAX_WIN)) {
    if (bits & tcp.SYN) {
      initialize(sender, receiver, direction, at, end, win);
      if (!(bits & tcp.ACK)) return WINDOW_ACCEPT; // both sides open
    } else {
      pickUp(sender, receiver, end, win, sack);
    }
  } else if (bits & tcp.SYN && after(end, load<u32>(sender, SEEN_END)) && (state == SYN_SENT || state == SYN_RECV)) {
    // The side begins anew, with a later number (RFC 793).
    initialize(sender, receiver, direction, at, end, win);
    if (direction == DIR_REPLY && !(bits & tcp.ACK)) return WINDOW_ACCEPT;
  }

  if (!(bits & tcp.ACK) || (bits & tcp.RST && ack == 0)) {
    ack = load<u32>(receiver, SEEN_END);
    sack = ack;
  }
  const senderEnd = load<u32>(sender, SEEN_END);
  // A reset that answers a SYN.
  if (bits & tcp.RST && seq == 0 && state == SYN_SENT) {
    seq = senderEnd;
    end = senderEnd;
  }

  const receiverEnd = load<u32>(receiver, SEEN_END);
  const receiverWindow = load<u32>(receiver, SEEN_MAX_WIN);
  const ackWindow = max<u32>(load<u32>(sender, SEEN_MAX_WIN), 66000);
  const notTooOld = after(end, senderEnd - receiverWindow - 1);
  const ackNotTooOld = after(sack, receiverEnd - ackWindow - 1);
  const ackSeen = before(sack, receiverEnd + 1);
  const edge = load<u32>(sender, SEEN_MAX_END);
  if (!before(seq, edge + 1)) {
    const overshot = end - edge + 1;
    if (receiverWindow && notTooOld && ackNotTooOld && overshot <= receiverWindow && ackSeen) {
      // More than the receiver allows; if it is acknowledged all the same, that must not look wrong.
      store<u32>(sender, end, SEEN_END);
      store<u32>(sender, load<u32>(sender, SEEN_FLAGS) | FLAG_UNACKNOWLEDGED, SEEN_FLAGS);
      return outside(sender, ns, WINDOW_IGNORE);
    }
    return outside(sender, ns, WINDOW_INVALID);
  }
  if (!ackSeen) return outside(sender, ns, WINDOW_INVALID);
  // Long delayed, and acknowledged since: harmless. Kernels before 6.1 took it for invalid.
  if ((receiverWindow && !notTooOld) || !ackNotTooOld) {
    const invalid = load<u32>(ns + NS_SYSCTLS, SYSCTL_CT_DELAYED_INVALID << 2);
    return outside(sender, ns, invalid ? WINDOW_INVALID : WINDOW_IGNORE);
  }

  if (!(bits & tcp.SYN)) win <<= load<u32>(sender, SEEN_SCALE);
  noteShown(sender, receiver, bits, end, ack, sack, win);
  if (index == INDEX_ACK) noteRepeats(entry, direction, seq, ack, end, windowRaw);
  return WINDOW_ACCEPT;
}

/** Notes what a segment in the windows shows of both sides. */
function noteShown(sender: usize, receiver: usize, bits: i32, end: u32, ack: u32, sack: u32, win: u32): void {
  const shown = win + (sack - ack);
  if (load<u32>(sender, SEEN_MAX_WIN) < shown) store<u32>(sender, shown, SEEN_MAX_WIN);
  if (after(end, load<u32>(sender, SEEN_END))) {
    store<u32>(sender, end, SEEN_END);
    store<u32>(sender, load<u32>(sender, SEEN_FLAGS) | FLAG_UNACKNOWLEDGED, SEEN_FLAGS);
  }
  if (bits & tcp.ACK) {
    if (!(load<u32>(sender, SEEN_FLAGS) & FLAG_MAXACK_SET)) {
      store<u32>(sender, ack, SEEN_MAX_ACK);
      store<u32>(sender, load<u32>(sender, SEEN_FLAGS) | FLAG_MAXACK_SET, SEEN_FLAGS);
    } else if (after(ack, load<u32>(sender, SEEN_MAX_ACK))) {
      store<u32>(sender, ack, SEEN_MAX_ACK);
    }
  }
  if (load<u32>(receiver, SEEN_MAX_WIN) && after(end, load<u32>(sender, SEEN_MAX_END))) {
    store<u32>(receiver, load<u32>(receiver, SEEN_MAX_WIN) + (end - load<u32>(sender, SEEN_MAX_END)), SEEN_MAX_WIN);
  }
  if (after(sack + win, load<u32>(receiver, SEEN_MAX_END) - 1)) {
    store<u32>(receiver, sack + win + (win ? 0 : 1), SEEN_MAX_END);
  }
  if (ack == load<u32>(receiver, SEEN_END)) {
    store<u32>(receiver, load<u32>(receiver, SEEN_FLAGS) & ~FLAG_UNACKNOWLEDGED, SEEN_FLAGS);
  }
}

/** Counts how often the same segment came in a row. */
function noteRepeats(entry: usize, direction: u32, seq: u32, ack: u32, end: u32, window: u32): void {
  const again =
    load<u32>(entry, CT_TCP_LAST_DIR) == direction &&
    load<u32>(entry, CT_TCP_LAST_SEQ) == seq &&
    load<u32>(entry, CT_TCP_LAST_ACK) == ack &&
    load<u32>(entry, CT_TCP_LAST_END) == end &&
    load<u32>(entry, CT_TCP_LAST_WIN) == window;
  if (again) {
    store<u32>(entry, load<u32>(entry, CT_TCP_RETRANS) + 1, CT_TCP_RETRANS);
    return;
  }
  store<u32>(entry, direction, CT_TCP_LAST_DIR);
  store<u32>(entry, seq, CT_TCP_LAST_SEQ);
  store<u32>(entry, ack, CT_TCP_LAST_ACK);
  store<u32>(entry, end, CT_TCP_LAST_END);
  store<u32>(entry, window, CT_TCP_LAST_WIN);
  store<u32>(entry, 0, CT_TCP_RETRANS);
}
