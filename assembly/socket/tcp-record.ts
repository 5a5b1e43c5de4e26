// The records of TCP connections: found by their addresses and ports, made, forgotten; their state and flags.
import { USED_STREAM } from "../layout/codes.ts";
import { FRAME_NEXT } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { clear } from "../memory/bytes.ts";
import * as choices from "../memory/choices.ts";
import { SECOND } from "../memory/clock.ts";
import * as frames from "../memory/frames.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import { next32 } from "../memory/random.ts";
import * as sockets from "./table.ts";
import * as backlog from "./tcp-backlog.ts";
import { GONE, note } from "./tcp-outcome.ts";

/** Segments of a connection's first window (RFC 6928). */
export const FIRST_CWND: u32 = 10;
const RTO_FIRST: u64 = SECOND;
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

export function newConnection(ns: usize, local: u32, remote: u32, ports: u32, owner: u32, arg: u32, line: u32): usize {
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
  store<u32>(c, isn, R.TCP_RACK_SEQ);
  store<u32>(c, isn, R.TCP_RECOVER);
  store<u32>(c, isn, R.TCP_SND_SML);
  store<u32>(c, 3, R.TCP_REORDERING); // as if it lets nothing overtake, until it does (net.ipv4.tcp_reordering)
  store<u32>(c, 1, R.TCP_REO_STEPS);
  store<u32>(c, 16, R.TCP_REO_PERSIST);
  // Go and nginx set it for every connection; what echoes and what is typed does not.
  if (owner != R.OWNER_ECHO && owner != R.OWNER_PROGRAM) setFlag(c, R.TCPF_NODELAY);
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
  if (has(c, R.TCPF_QUEUED)) backlog.leave(c);
  sockets.portFreed(ns);
  store<u32>(c, load<u32>(c, R.TCP_GENERATION) + 1, R.TCP_GENERATION);
  store<u32>(c, R.TCPS_CLOSED, R.TCP_STATE);
  give(freeConnections, c);
  note(GONE);
}

export function state(c: usize): i32 {
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

/** Whether no program holds the connection any more. */
export function isOrphan(c: usize): bool {
  return has(c, R.TCPF_ORPHAN);
}

/** Whether all that is left is what it takes to answer latecomers, without a socket (struct tcp_timewait_sock). */
export function isRemnant(c: usize): bool {
  const current = state(c);
  return current == R.TCPS_TIME_WAIT || (current == R.TCPS_FIN_WAIT2 && isOrphan(c));
}

export function setState(c: usize, value: i32): void {
  store<i32>(c, value, R.TCP_STATE);
}

export function has(c: usize, flag: u32): bool {
  return (load<u32>(c, R.TCP_FLAGS) & flag) != 0;
}

export function clearFlag(c: usize, flag: u32): void {
  store<u32>(c, load<u32>(c, R.TCP_FLAGS) & ~flag, R.TCP_FLAGS);
}

export function setFlag(c: usize, flag: u32): void {
  store<u32>(c, load<u32>(c, R.TCP_FLAGS) | flag, R.TCP_FLAGS);
}
