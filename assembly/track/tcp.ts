// TCP connection tracking: Linux's state table and its windows (nf_conntrack_proto_tcp.c).
import { DIR_ORIGINAL, DIR_REPLY, IPS_ASSURED, IPS_SEEN_REPLY } from "../layout/codes.ts";
import {
  CT_STATUS,
  CT_TCP_LAST_ACK,
  CT_TCP_LAST_DIR,
  CT_TCP_LAST_END,
  CT_TCP_LAST_FLAGS,
  CT_TCP_LAST_INDEX,
  CT_TCP_LAST_SEQ,
  CT_TCP_LAST_WIN,
  CT_TCP_LAST_WSCALE,
  CT_TCP_RETRANS,
  CT_TCP_SEEN,
  CT_TCP_STATE,
  CT_TIMEOUT,
  NS_SYSCTLS,
  SEEN_END,
  SEEN_FLAGS,
  SEEN_MAX_ACK,
  SEEN_MAX_END,
  SEEN_MAX_WIN,
  SEEN_SCALE,
  SEEN_SIZE,
  SYSCTL_CT_LIBERAL,
  SYSCTL_CT_LOOSE,
  SYSCTL_CT_MAX_RETRANS,
  SYSCTL_CT_TCP_RETRANS,
  SYSCTL_CT_TCP_TIMEOUTS,
  SYSCTL_CT_TCP_UNACK,
} from "../layout/records.ts";
import { clear, get32 } from "../memory/bytes.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as tcp from "../wire/tcp.ts";

export const TRACK_ACCEPT: i32 = 0;
export const TRACK_INVALID: i32 = 1; // the packet belongs to no connection: ctstate INVALID
export const TRACK_REPEAT: i32 = 2; // the entry is dead: remove it and look up again
export const TRACK_KILL: i32 = 3; // accepted, and the connection ends here

const NONE = 0;
const SYN_SENT = 1;
const SYN_RECV = 2;
const ESTABLISHED = 3;
const FIN_WAIT = 4;
const TIME_WAIT = 7;
const CLOSE = 8;
const INVALID = 10;
const IGNORE = 11;

const INDEX_SYN = 0;
const INDEX_SYNACK = 1;
const INDEX_FIN = 2;
const INDEX_ACK = 3;
const INDEX_RST = 4;
const INDEX_NONE = 5;

const FLAG_WINDOW_SCALE = 1;
const FLAG_SACK_PERM = 2;
const FLAG_CLOSE_INIT = 4;
const FLAG_BE_LIBERAL = 8;
const FLAG_UNACKNOWLEDGED = 16;
const FLAG_MAXACK_SET = 32;

// Next state by direction, kind of segment and state; a hexadecimal digit each, states 0 (NONE) to 9 (SYN_SENT2) from the
// left: a = INVALID, b = IGNORE.
// original: syn, synack, fin, ack, rst
const ORIGINAL_SYN: u64 = 0x11bbbbb119;
const ORIGINAL_SYNACK: u64 = 0xaabbbbbbb2;
const ORIGINAL_FIN: u64 = 0xaa4466678a;
const ORIGINAL_ACK: u64 = 0x3a3355778a;
const ANY_RST: u64 = 0xa888888888;
// reply
const REPLY_SYN: u64 = 0xa9aaaaaaa9;
const REPLY_SYNACK: u64 = 0xa2bbbbbbb2;
const REPLY_FIN: u64 = 0xaa4466678a;
const REPLY_ACK: u64 = 0xab2355778b;

function nextState(direction: u32, index: i32, state: u32): u32 {
  let row: u64 = 0xaaaaaaaaaa;
  if (index == INDEX_RST) row = ANY_RST;
  else if (direction == DIR_ORIGINAL) {
    if (index == INDEX_SYN) row = ORIGINAL_SYN;
    else if (index == INDEX_SYNACK) row = ORIGINAL_SYNACK;
    else if (index == INDEX_FIN) row = ORIGINAL_FIN;
    else if (index == INDEX_ACK) row = ORIGINAL_ACK;
  } else {
    if (index == INDEX_SYN) row = REPLY_SYN;
    else if (index == INDEX_SYNACK) row = REPLY_SYNACK;
    else if (index == INDEX_FIN) row = REPLY_FIN;
    else if (index == INDEX_ACK) row = REPLY_ACK;
  }
  return <u32>((row >> ((9 - <u64>state) << 2)) & 15);
}

function indexOf(bits: i32): i32 {
  if (bits & tcp.RST) return INDEX_RST;
  if (bits & tcp.SYN) return bits & tcp.ACK ? INDEX_SYNACK : INDEX_SYN;
  if (bits & tcp.FIN) return INDEX_FIN;
  return bits & tcp.ACK ? INDEX_ACK : INDEX_NONE;
}

/** Sequence arithmetic modulo 2^32. */
export function after(a: u32, b: u32): bool {
  return <i32>(b - a) < 0;
}
export function before(a: u32, b: u32): bool {
  return <i32>(a - b) < 0;
}

function segmentEnd(at: usize, bytes: i32): u32 {
  const bits = tcp.flags(at);
  return tcp.sequence(at) + <u32>(bytes - tcp.headerLength(at)) + (bits & tcp.SYN ? 1 : 0) + (bits & tcp.FIN ? 1 : 0);
}

/** Which flag combinations make sense at all; PSH, ECE and CWR do not count (tcp_valid_flags). */
export function flagsValid(bits: i32): bool {
  const essential = bits & (tcp.FIN | tcp.SYN | tcp.RST | tcp.ACK | tcp.URG);
  if (essential & tcp.SYN)
    return essential == tcp.SYN || essential == (tcp.SYN | tcp.URG) || essential == (tcp.SYN | tcp.ACK);
  if (essential & tcp.RST) return essential == tcp.RST || essential == (tcp.RST | tcp.ACK);
  return (essential & tcp.ACK) != 0;
}

function noteOptions(seen: usize, at: usize): void {
  if (tcp.headerLength(at) == tcp.TCP_LENGTH) return;
  tcp.readOptions(at);
  let flags: u32 = 0;
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

/** Begins an entry with its first packet; false: such a packet begins none. `bytes` is the length of the segment. */
export function begin(entry: usize, ns: usize, at: usize, bytes: i32): bool {
  const state = nextState(DIR_ORIGINAL, indexOf(tcp.flags(at)), NONE);
  if (state >= <u32>INVALID) return false;
  const seen = entry + CT_TCP_SEEN;
  const end = segmentEnd(at, bytes);
  const window = max<u32>(<u32>tcp.window(at), 1);
  store<u32>(seen, end, SEEN_END);
  store<u32>(seen, window, SEEN_MAX_WIN);
  if (state == SYN_SENT) {
    store<u32>(seen, end, SEEN_MAX_END);
    noteOptions(seen, at);
  } else {
    if (!load<u32>(ns + NS_SYSCTLS, SYSCTL_CT_LOOSE << 2)) return false;
    // Picked up in the middle: the history is not known, so both sides are believed.
    store<u32>(seen, end + window, SEEN_MAX_END);
    store<u32>(seen, FLAG_SACK_PERM | FLAG_BE_LIBERAL, SEEN_FLAGS);
    store<u32>(seen + SEEN_SIZE, FLAG_SACK_PERM | FLAG_BE_LIBERAL, SEEN_FLAGS);
  }
  store<u32>(entry, INDEX_NONE, CT_TCP_LAST_INDEX);
  return true;
}

/** Whether a segment lies in the windows that both sides have shown (tcp_in_window); notes what it shows. */
function inWindow(entry: usize, ns: usize, direction: u32, index: i32, at: usize, bytes: i32): bool {
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
      store<u32>(sender, end, SEEN_END);
      store<u32>(sender, end, SEEN_MAX_END);
      store<u32>(sender, max<u32>(win, 1), SEEN_MAX_WIN);
      noteOptions(sender, at);
      if (!(load<u32>(sender, SEEN_FLAGS) & load<u32>(receiver, SEEN_FLAGS) & FLAG_WINDOW_SCALE)) {
        store<u32>(sender, 0, SEEN_SCALE);
        store<u32>(receiver, 0, SEEN_SCALE);
      }
      if (!(bits & tcp.ACK)) return true;
    } else {
      const scaled = max<u32>(win << load<u32>(sender, SEEN_SCALE), 1);
      store<u32>(sender, end, SEEN_END);
      store<u32>(sender, scaled, SEEN_MAX_WIN);
      store<u32>(sender, end + scaled, SEEN_MAX_END);
      if (!load<u32>(receiver, SEEN_MAX_WIN)) {
        store<u32>(receiver, sack, SEEN_END);
        store<u32>(receiver, sack, SEEN_MAX_END);
      }
    }
  } else if (
    ((state == SYN_SENT && direction == DIR_ORIGINAL) || (state == SYN_RECV && direction == DIR_REPLY)) &&
    after(end, load<u32>(sender, SEEN_END))
  ) {
    store<u32>(sender, end, SEEN_END);
    store<u32>(sender, end, SEEN_MAX_END);
    store<u32>(sender, max<u32>(win, 1), SEEN_MAX_WIN);
    noteOptions(sender, at);
  }

  if (!(bits & tcp.ACK) || (bits & tcp.RST && ack == 0)) {
    ack = load<u32>(receiver, SEEN_END);
    sack = ack;
  }
  if (seq == end && (!(bits & tcp.RST) || (seq == 0 && state == SYN_SENT))) {
    seq = load<u32>(sender, SEEN_END);
    end = seq;
  }

  const senderEnd = load<u32>(sender, SEEN_END);
  const receiverEnd = load<u32>(receiver, SEEN_END);
  const ackWindow = max<u32>(load<u32>(sender, SEEN_MAX_WIN), 66000);
  const fits =
    before(seq, load<u32>(sender, SEEN_MAX_END) + 1) &&
    after(end, senderEnd - load<u32>(receiver, SEEN_MAX_WIN) - 1) &&
    before(sack, receiverEnd + 1) &&
    after(sack, receiverEnd - ackWindow - 1);
  if (!fits) {
    return (
      (load<u32>(sender, SEEN_FLAGS) & FLAG_BE_LIBERAL) != 0 || load<u32>(ns + NS_SYSCTLS, SYSCTL_CT_LIBERAL << 2) != 0
    );
  }

  if (!(bits & tcp.SYN)) win <<= load<u32>(sender, SEEN_SCALE);
  const shown = win + (sack - ack);
  if (load<u32>(sender, SEEN_MAX_WIN) < shown) store<u32>(sender, shown, SEEN_MAX_WIN);
  if (after(end, senderEnd)) {
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

  if (index == INDEX_ACK) {
    const again =
      load<u32>(entry, CT_TCP_LAST_DIR) == direction &&
      load<u32>(entry, CT_TCP_LAST_SEQ) == seq &&
      load<u32>(entry, CT_TCP_LAST_ACK) == ack &&
      load<u32>(entry, CT_TCP_LAST_END) == end &&
      load<u32>(entry, CT_TCP_LAST_WIN) == windowRaw;
    if (again) {
      store<u32>(entry, load<u32>(entry, CT_TCP_RETRANS) + 1, CT_TCP_RETRANS);
    } else {
      store<u32>(entry, direction, CT_TCP_LAST_DIR);
      store<u32>(entry, seq, CT_TCP_LAST_SEQ);
      store<u32>(entry, ack, CT_TCP_LAST_ACK);
      store<u32>(entry, end, CT_TCP_LAST_END);
      store<u32>(entry, windowRaw, CT_TCP_LAST_WIN);
      store<u32>(entry, 0, CT_TCP_RETRANS);
    }
  }
  return true;
}

/** The segment may be the truth while the entry is out of step: note it and let it pass. True: this SYN-ACK answers such a SYN. */
function ignoreSegment(entry: usize, direction: u32, index: i32, at: usize, bytes: i32): bool {
  if (
    index == INDEX_SYNACK &&
    load<i32>(entry, CT_TCP_LAST_INDEX) == INDEX_SYN &&
    load<u32>(entry, CT_TCP_LAST_DIR) != direction &&
    tcp.acknowledgement(at) == load<u32>(entry, CT_TCP_LAST_END)
  ) {
    const other = entry + CT_TCP_SEEN + load<u32>(entry, CT_TCP_LAST_DIR) * SEEN_SIZE;
    store<u32>(other, load<u32>(entry, CT_TCP_LAST_END), SEEN_END);
    store<u32>(other, load<u32>(entry, CT_TCP_LAST_END), SEEN_MAX_END);
    store<u32>(other, max<u32>(load<u32>(entry, CT_TCP_LAST_WIN), 1), SEEN_MAX_WIN);
    store<u32>(other, load<u32>(entry, CT_TCP_LAST_WSCALE), SEEN_SCALE);
    store<u32>(other, load<u32>(entry, CT_TCP_LAST_FLAGS), SEEN_FLAGS);
    clear(entry + CT_TCP_SEEN + direction * SEEN_SIZE, SEEN_SIZE);
    return true;
  }
  store<i32>(entry, index, CT_TCP_LAST_INDEX);
  store<u32>(entry, direction, CT_TCP_LAST_DIR);
  store<u32>(entry, tcp.sequence(at), CT_TCP_LAST_SEQ);
  store<u32>(entry, segmentEnd(at, bytes), CT_TCP_LAST_END);
  store<u32>(entry, <u32>tcp.window(at), CT_TCP_LAST_WIN);
  if (index == INDEX_SYN && direction == DIR_ORIGINAL) {
    tcp.readOptions(at);
    store<u32>(entry, tcp.optionScale >= 0 ? <u32>tcp.optionScale : 0, CT_TCP_LAST_WSCALE);
    store<u32>(
      entry,
      (tcp.optionScale >= 0 ? FLAG_WINDOW_SCALE : 0) | (tcp.optionSack ? FLAG_SACK_PERM : 0),
      CT_TCP_LAST_FLAGS,
    );
  }
  return false;
}

/** Seconds that the entry lives on after the segment handled last. */
export let timeout: u32 = 0;

function timeoutOf(ns: usize, state: u32): u32 {
  return load<u32>(ns + NS_SYSCTLS + ((<usize>(<u32>SYSCTL_CT_TCP_TIMEOUTS + state)) << 2));
}

/** Whether a connection in this state is over. */
export function isClosed(state: u32): bool {
  return state == TIME_WAIT || state == CLOSE;
}

/** A REJECT resets the connection (nf_conntrack_tcp_set_closing). */
export function close(entry: usize, ns: usize): void {
  store<u32>(entry, CLOSE, CT_TCP_STATE);
  store<u64>(entry, now + <u64>timeoutOf(ns, CLOSE) * SECOND, CT_TIMEOUT);
}

/** Follows a connection by one segment. Returns TRACK_*; `timeout` is set if it is accepted. */
export function follow(entry: usize, ns: usize, direction: u32, at: usize, bytes: i32): i32 {
  let oldState = load<u32>(entry, CT_TCP_STATE);
  const index = indexOf(tcp.flags(at));
  let state = nextState(direction, index, oldState);
  const seen = entry + CT_TCP_SEEN;
  const status = load<u32>(entry, CT_STATUS);
  timeout = 0;

  if (state == INVALID) return TRACK_INVALID;
  let ignored = state == IGNORE;
  if (state == SYN_SENT && oldState >= <u32>TIME_WAIT) {
    const closing = (load<u32>(seen, SEEN_FLAGS) | load<u32>(seen + SEEN_SIZE, SEEN_FLAGS)) & FLAG_CLOSE_INIT;
    if (
      closing ||
      (load<u32>(entry, CT_TCP_LAST_DIR) == direction && load<i32>(entry, CT_TCP_LAST_INDEX) == INDEX_RST)
    ) {
      return TRACK_REPEAT;
    }
    ignored = true;
  }
  if (ignored) {
    if (!ignoreSegment(entry, direction, index, at, bytes)) return TRACK_ACCEPT;
    oldState = SYN_SENT;
    state = SYN_RECV;
  }
  let skipWindow = false;
  if (state == CLOSE && index == INDEX_RST) {
    const other = seen + (1 - direction) * SEEN_SIZE;
    if (load<u32>(other, SEEN_FLAGS) & FLAG_MAXACK_SET && before(tcp.sequence(at), load<u32>(other, SEEN_MAX_ACK))) {
      return TRACK_INVALID;
    }
    const last = load<i32>(entry, CT_TCP_LAST_INDEX);
    skipWindow =
      ((status & IPS_SEEN_REPLY && last == INDEX_SYN) || (!(status & IPS_ASSURED) && last == INDEX_ACK)) &&
      tcp.acknowledgement(at) == load<u32>(entry, CT_TCP_LAST_END);
  }
  if (!skipWindow && !inWindow(entry, ns, direction, index, at, bytes)) return TRACK_INVALID;

  store<i32>(entry, index, CT_TCP_LAST_INDEX);
  store<u32>(entry, direction, CT_TCP_LAST_DIR);
  store<u32>(entry, state, CT_TCP_STATE);
  if (oldState != state && state == FIN_WAIT) {
    const mine = seen + direction * SEEN_SIZE;
    store<u32>(mine, load<u32>(mine, SEEN_FLAGS) | FLAG_CLOSE_INIT, SEEN_FLAGS);
  }
  timeout = timeoutOf(ns, state);
  const sysctls = ns + NS_SYSCTLS;
  const unacknowledged = (load<u32>(seen, SEEN_FLAGS) | load<u32>(seen + SEEN_SIZE, SEEN_FLAGS)) & FLAG_UNACKNOWLEDGED;
  if (load<u32>(entry, CT_TCP_RETRANS) >= load<u32>(sysctls, SYSCTL_CT_MAX_RETRANS << 2)) {
    timeout = min<u32>(timeout, load<u32>(sysctls, SYSCTL_CT_TCP_RETRANS << 2));
  } else if (unacknowledged) {
    timeout = min<u32>(timeout, load<u32>(sysctls, SYSCTL_CT_TCP_UNACK << 2));
  }

  if (!(status & IPS_SEEN_REPLY)) {
    if (tcp.flags(at) & tcp.RST) return TRACK_KILL;
  } else if (!(status & IPS_ASSURED) && (oldState == SYN_RECV || oldState == ESTABLISHED) && state == ESTABLISHED) {
    store<u32>(entry, status | IPS_ASSURED, CT_STATUS);
  }
  return TRACK_ACCEPT;
}
