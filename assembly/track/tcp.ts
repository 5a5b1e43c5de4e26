// TCP connection tracking: which segments belong to a connection, and what they make of it (nf_conntrack_proto_tcp.c).
import {
  DIR_ORIGINAL,
  DIR_REPLY,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_FIXED_TIMEOUT,
  IPS_SEEN_REPLY,
} from "../layout/codes.ts";
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
  SYSCTL_CT_LOOSE,
  SYSCTL_CT_MAX_RETRANS,
  SYSCTL_CT_TCP_RETRANS,
  SYSCTL_CT_TCP_TIMEOUTS,
  SYSCTL_CT_TCP_UNACK,
} from "../layout/records.ts";
import { clear } from "../memory/bytes.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as tcp from "../wire/tcp.ts";
import { setEnd } from "./table.ts";
import {
  CLOSE,
  ESTABLISHED,
  FIN_WAIT,
  IGNORE,
  INDEX_ACK,
  INDEX_FIN,
  INDEX_NONE,
  INDEX_RST,
  INDEX_SYN,
  INDEX_SYNACK,
  INVALID,
  LAST_ACK,
  NONE,
  SYN_RECV,
  SYN_SENT,
  SYN_SENT2,
  TIME_WAIT,
  indexOf,
  nextState,
} from "./tcp-state.ts";
import {
  FLAG_BE_LIBERAL,
  FLAG_CLOSE_INIT,
  FLAG_MAXACK_SET,
  FLAG_SACK_PERM,
  FLAG_UNACKNOWLEDGED,
  FLAG_WINDOW_SCALE,
  WINDOW_IGNORE,
  WINDOW_INVALID,
  before,
  inWindow,
  noteOptions,
  segmentEnd,
} from "./tcp-window.ts";

export const TRACK_ACCEPT: i32 = 0;
export const TRACK_INVALID: i32 = 1; // the packet belongs to no connection: ctstate INVALID
export const TRACK_REPEAT: i32 = 2; // the entry is dead: remove it and look up again
export const TRACK_KILL: i32 = 3; // accepted, and the connection ends here

// Two more flags of CT_TCP_LAST_FLAGS.
const FLAG_CHALLENGED = 0x40; // IP_CT_EXP_CHALLENGE_ACK: a SYN came late, and an ACK may answer it
const FLAG_BOTH_OPEN = 0x80; // IP_CT_TCP_SIMULTANEOUS_OPEN

/** Begins an entry with its first packet; false: such a packet begins none. `bytes` is the length of the segment. */
export function begin(entry: usize, ns: usize, at: usize, bytes: i32): bool {
  const state = nextState(DIR_ORIGINAL, indexOf(tcp.flags(at)), NONE);
  if (state >= <u32>INVALID) return false;
  const seen = entry + CT_TCP_SEEN;
  clear(seen, SEEN_SIZE + SEEN_SCALE);
  store<u64>(seen + SEEN_SIZE, 0, SEEN_SCALE); // and the flags; what follows is not TCP's
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

/** The segment may be the truth while the entry is out of step: note it and let it pass. True: this SYN-ACK answers such a SYN. */
function ignoreSegment(entry: usize, direction: u32, index: i32, at: usize, bytes: i32): bool {
  const state = load<u32>(entry, CT_TCP_STATE);
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
    const offered = load<u32>(entry, CT_TCP_LAST_FLAGS) & ~FLAG_CHALLENGED;
    store<u32>(entry, offered, CT_TCP_LAST_FLAGS);
    store<u32>(other, offered, SEEN_FLAGS);
    const own = entry + CT_TCP_SEEN + direction * SEEN_SIZE;
    const liberal = load<u32>(own, SEEN_FLAGS) & FLAG_BE_LIBERAL;
    clear(own, SEEN_SIZE);
    store<u32>(own, liberal, SEEN_FLAGS);
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
      (tcp.optionScale >= 0 ? FLAG_WINDOW_SCALE : 0) |
        (tcp.optionSack ? FLAG_SACK_PERM : 0) |
        (state == LAST_ACK ? FLAG_CHALLENGED : 0),
      CT_TCP_LAST_FLAGS,
    );
  }
  // Perhaps the answer to a SYN that the other side takes for a mistake.
  if (state == SYN_SENT && index == INDEX_ACK && direction == DIR_REPLY) {
    store<u32>(entry, tcp.acknowledgement(at), CT_TCP_LAST_ACK);
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

/** Whether an entry may go before its time to make room for another (tcp_can_early_drop). */
export function mayGoEarly(entry: usize): bool {
  const state = load<u32>(entry, CT_TCP_STATE);
  return state >= <u32>FIN_WAIT && state <= <u32>CLOSE;
}

/** A REJECT resets the connection (nf_conntrack_tcp_set_closing). */
export function close(entry: usize, ns: usize): void {
  const status = load<u32>(entry, CT_STATUS);
  if (!(status & IPS_CONFIRMED)) return;
  const before = load<u32>(entry, CT_TCP_STATE);
  store<u32>(entry, CLOSE, CT_TCP_STATE);
  if (before == CLOSE || status & IPS_FIXED_TIMEOUT) return;
  store<u64>(entry, now + <u64>timeoutOf(ns, CLOSE) * SECOND, CT_TIMEOUT);
}

/** Whether a plain segment of an established connection, if `follow` does not find it invalid, leaves the connection established. */
export function isSteady(entry: usize, direction: u32, at: usize): bool {
  return (
    load<u32>(entry, CT_TCP_STATE) == ESTABLISHED &&
    indexOf(tcp.flags(at)) == INDEX_ACK &&
    load<u32>(entry + CT_TCP_SEEN + direction * SEEN_SIZE, SEEN_MAX_WIN) != 0
  );
}

// What a reset means for its connection.
const RESET_INVALID: i32 = 0;
const RESET_STAYS: i32 = 1; // in the windows it may be, but it is not exact: the other side will challenge it
const RESET_TRUSTED: i32 = 2; // whatever the windows say
const RESET_CHECKED: i32 = 3;

/** Weighs a reset against what is known of its connection (nf_conntrack_tcp_packet, TCP_CONNTRACK_CLOSE). */
function weighReset(entry: usize, direction: u32, at: usize, status: u32): i32 {
  // The connection is closing and its numbers may be those of an earlier one.
  if (mayGoEarly(entry)) return RESET_TRUSTED;
  const other = entry + CT_TCP_SEEN + (1 - direction) * SEEN_SIZE;
  const last = load<i32>(entry, CT_TCP_LAST_INDEX);
  const lastDirection = load<u32>(entry, CT_TCP_LAST_DIR);
  const state = load<u32>(entry, CT_TCP_STATE);
  const seq = tcp.sequence(at);
  if (load<u32>(other, SEEN_FLAGS) & FLAG_MAXACK_SET && last != INDEX_SYN) {
    const established = state == ESTABLISHED && (status & IPS_ASSURED) != 0;
    const acknowledged = load<u32>(other, SEEN_MAX_ACK);
    if (seq == 0 && !established) return RESET_CHECKED;
    if (before(seq, acknowledged)) return RESET_INVALID;
    if (!established || seq == acknowledged) return RESET_CHECKED;
    // The end of a train of segments.
    if (last == INDEX_ACK && lastDirection == direction && seq == load<u32>(entry, CT_TCP_LAST_END)) {
      return RESET_CHECKED;
    }
    return RESET_STAYS;
  }
  // It answers a SYN or an ACK that was let through although it did not fit.
  const unfit = (status & IPS_SEEN_REPLY && last == INDEX_SYN) || (!(status & IPS_ASSURED) && last == INDEX_ACK);
  if (unfit && tcp.acknowledgement(at) == load<u32>(entry, CT_TCP_LAST_END)) return RESET_TRUSTED;
  const challenged = state == SYN_SENT && last == INDEX_ACK && lastDirection == DIR_REPLY;
  return challenged && seq == load<u32>(entry, CT_TCP_LAST_ACK) ? RESET_TRUSTED : RESET_CHECKED;
}

/** An end that does not fit shortens the life of a connection if the other side answers in kind (nf_tcp_handle_invalid). */
function noteInvalid(entry: usize, ns: usize, direction: u32, index: i32): void {
  const status = load<u32>(entry, CT_STATUS);
  if (!(status & IPS_ASSURED) || status & IPS_FIXED_TIMEOUT) return;
  if (index != INDEX_RST && index != INDEX_FIN) return;
  const last = load<i32>(entry, CT_TCP_LAST_INDEX);
  if (load<u32>(entry, CT_TCP_LAST_DIR) == direction || (last != INDEX_FIN && last != INDEX_RST)) {
    store<i32>(entry, index, CT_TCP_LAST_INDEX);
    store<u32>(entry, direction, CT_TCP_LAST_DIR);
    return;
  }
  const left = load<u64>(entry, CT_TIMEOUT) - now;
  const limit = <u64>load<u32>(ns + NS_SYSCTLS, SYSCTL_CT_TCP_UNACK << 2) * SECOND;
  if (left >= 120 * SECOND && left > limit) setEnd(ns, entry, now + limit);
}

/** Follows a connection by one segment. Returns TRACK_*; `timeout` is set if it is accepted, 0: the time stays. */
export function follow(entry: usize, ns: usize, direction: u32, at: usize, bytes: i32): i32 {
  let oldState = load<u32>(entry, CT_TCP_STATE);
  const index = indexOf(tcp.flags(at));
  let state = nextState(direction, index, oldState);
  const seen = entry + CT_TCP_SEEN;
  const status = load<u32>(entry, CT_STATUS);
  const lastFlags = load<u32>(entry, CT_TCP_LAST_FLAGS);
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
  } else if (state == TIME_WAIT && oldState == LAST_ACK && index == INDEX_ACK && lastFlags & FLAG_CHALLENGED) {
    // An ACK that answers a late SYN does not end the connection (RFC 5961).
    if (load<u32>(entry, CT_TCP_LAST_DIR) != direction && load<i32>(entry, CT_TCP_LAST_INDEX) == INDEX_SYN) {
      store<u32>(entry, lastFlags & ~FLAG_CHALLENGED, CT_TCP_LAST_FLAGS);
      return TRACK_ACCEPT;
    }
  } else if (state == SYN_SENT2) {
    store<u32>(entry, lastFlags | FLAG_BOTH_OPEN, CT_TCP_LAST_FLAGS);
  } else if (state == SYN_RECV && direction == DIR_REPLY && index == INDEX_ACK && lastFlags & FLAG_BOTH_OPEN) {
    state = ESTABLISHED;
  }
  let trusted = false;
  if (state == CLOSE && index == INDEX_RST) {
    const weight = weighReset(entry, direction, at, status);
    if (weight == RESET_INVALID) return TRACK_INVALID;
    if (weight == RESET_STAYS) state = oldState;
    trusted = weight == RESET_TRUSTED;
  }
  if (!trusted) {
    const outcome = inWindow(entry, ns, direction, index, at, bytes);
    if (outcome == WINDOW_IGNORE) return TRACK_ACCEPT;
    if (outcome == WINDOW_INVALID) {
      noteInvalid(entry, ns, direction, index);
      return TRACK_INVALID;
    }
  }

  store<i32>(entry, index, CT_TCP_LAST_INDEX);
  store<u32>(entry, direction, CT_TCP_LAST_DIR);
  store<u32>(entry, state, CT_TCP_STATE);
  if (oldState != state && state == FIN_WAIT) {
    const mine = seen + direction * SEEN_SIZE;
    store<u32>(mine, load<u32>(mine, SEEN_FLAGS) | FLAG_CLOSE_INIT, SEEN_FLAGS);
  }
  timeout = timeoutAfter(entry, ns, state, index);

  if (!(status & IPS_SEEN_REPLY)) {
    if (tcp.flags(at) & tcp.RST) return TRACK_KILL;
    // A SYN that is sent again does not prolong the time, nor is one long that was picked up and never answered.
    if (index == INDEX_SYN && oldState == SYN_SENT) timeout = 0;
    else if (state == ESTABLISHED) timeout = min<u32>(timeout, load<u32>(ns + NS_SYSCTLS, SYSCTL_CT_TCP_UNACK << 2));
  } else if (!(status & IPS_ASSURED) && (oldState == SYN_RECV || oldState == ESTABLISHED) && state == ESTABLISHED) {
    store<u32>(entry, status | IPS_ASSURED, CT_STATUS);
  }
  return TRACK_ACCEPT;
}

/** Seconds that an entry in a state lives on after a segment. */
function timeoutAfter(entry: usize, ns: usize, state: u32, index: i32): u32 {
  const sysctls = ns + NS_SYSCTLS;
  const seen = entry + CT_TCP_SEEN;
  const own = timeoutOf(ns, state);
  const repeated = load<u32>(sysctls, SYSCTL_CT_TCP_RETRANS << 2);
  const unanswered = load<u32>(sysctls, SYSCTL_CT_TCP_UNACK << 2);
  const flags = load<u32>(seen, SEEN_FLAGS) | load<u32>(seen + SEEN_SIZE, SEEN_FLAGS);
  if (load<u32>(entry, CT_TCP_RETRANS) >= load<u32>(sysctls, SYSCTL_CT_MAX_RETRANS << 2) && own > repeated) {
    return repeated;
  }
  if (index == INDEX_RST) return timeoutOf(ns, CLOSE);
  if (flags & FLAG_UNACKNOWLEDGED && own > unanswered) return unanswered;
  if (!load<u32>(entry, CT_TCP_LAST_WIN) && own > repeated) return repeated;
  return own;
}
