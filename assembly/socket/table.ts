// Bound sockets of a namespace: listeners and clients, found by protocol and local port.
import { EADDRINUSE, OK } from "../layout/codes.ts";
import {
  FULL_FREED,
  FULL_LOCAL,
  FULL_PORT,
  FULL_REMOTE,
  FULL_SIZE,
  FULL_SLOTS,
  NS_FULL_TARGETS,
  NS_NEXT_PORT,
  NS_PORTS_FREED,
  NS_RANDOM,
  NS_SOCKETS,
  NS_SYSCTLS,
  SOCK_ARG,
  SOCK_BACKLOG,
  SOCK_IP_ID,
  SOCK_LINE,
  SOCK_LOCAL,
  SOCK_LOCAL_PORT,
  SOCK_NAMESPACE,
  SOCK_OWNER,
  SOCK_PROTO,
  SOCK_REMOTE,
  SOCK_REMOTE_PORT,
  SOCK_SIZE,
  SYSCTL_PORT_MAX,
  SYSCTL_PORT_MIN,
  SYSCTL_SOMAXCONN,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { clear } from "../memory/bytes.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import { next32 } from "../memory/random.ts";

let free: usize = 0;

function hashOf(proto: u32, port: u32): u32 {
  return hash.mix(port, proto);
}

/** The socket made last by `bind` or `open`. */
export let socket: usize = 0;

function insert(ns: usize, proto: u32, local: u32, port: u32, owner: u32, arg: u32): void {
  if (!free) free = allocate(64);
  socket = take(free, SOCK_SIZE);
  clear(socket, SOCK_SIZE);
  store<usize>(socket, ns, SOCK_NAMESPACE);
  store<u32>(socket, proto, SOCK_PROTO);
  store<u32>(socket, local, SOCK_LOCAL);
  store<u32>(socket, port, SOCK_LOCAL_PORT);
  store<u32>(socket, owner, SOCK_OWNER);
  store<u32>(socket, arg, SOCK_ARG);
  store<u32>(socket, next32(ns + NS_RANDOM) & 0xffff, SOCK_IP_ID);
  // Programs ask for as many as there may be (listen).
  store<u32>(socket, load<u32>(ns + NS_SYSCTLS, SYSCTL_SOMAXCONN << 2), SOCK_BACKLOG);
  const table = load<usize>(ns, NS_SOCKETS);
  if (hash.crowded(table)) hash.grow(table, hashOfRecord, true);
  hash.append(table, hashOf(proto, port), socket);
}

/** The hash that a record stands under. */
function hashOfRecord(record: usize): u32 {
  return hashOf(load<u32>(record, SOCK_PROTO), load<u32>(record, SOCK_LOCAL_PORT));
}

function taken(ns: usize, proto: u32, local: u32, port: u32): bool {
  let other = load<usize>(hash.bucket(load<usize>(ns, NS_SOCKETS), hashOf(proto, port)));
  while (other) {
    const address = load<u32>(other, SOCK_LOCAL);
    if (
      load<u32>(other, SOCK_PROTO) == proto &&
      load<u32>(other, SOCK_LOCAL_PORT) == port &&
      (!address || !local || address == local)
    ) {
      return true;
    }
    other = load<usize>(other);
  }
  return false;
}

/** Binds a listener; EADDRINUSE if another one has the port on the same address or on any. */
export function bind(ns: usize, proto: u32, local: u32, port: u32, owner: u32, arg: u32): i32 {
  if (taken(ns, proto, local, port)) return EADDRINUSE;
  insert(ns, proto, local, port, owner, arg);
  return OK;
}

/** The next ephemeral port; the caller asks again if it is in use. */
export function nextPort(ns: usize): u32 {
  const low = load<u32>(ns + NS_SYSCTLS, SYSCTL_PORT_MIN << 2);
  const high = load<u32>(ns + NS_SYSCTLS, SYSCTL_PORT_MAX << 2);
  let port = load<u32>(ns, NS_NEXT_PORT) + 1;
  if (port < low || port > high) port = low;
  store<u32>(ns, port, NS_NEXT_PORT);
  return port;
}

/** A port may have become free: searches that failed may be tried again. */
export function portFreed(ns: usize): void {
  store<u32>(ns, load<u32>(ns, NS_PORTS_FREED) + 1, NS_PORTS_FREED);
}

function fullTarget(ns: usize, remote: u32, port: u32): usize {
  const slot = <usize>(hash.mix(remote, port) & (FULL_SLOTS - 1));
  let targets = load<usize>(ns, NS_FULL_TARGETS);
  if (!targets) {
    targets = allocate(FULL_SLOTS * FULL_SIZE);
    store<usize>(ns, targets, NS_FULL_TARGETS);
  }
  return targets + slot * FULL_SIZE;
}

/** Whether the last search for a port towards a target failed, and would fail again; it leaves NS_NEXT_PORT as it was. */
export function exhausted(ns: usize, local: u32, remote: u32, port: u32): bool {
  const full = fullTarget(ns, remote, port);
  return (
    load<u32>(full, FULL_FREED) == load<u32>(ns, NS_PORTS_FREED) + 1 &&
    load<u32>(full, FULL_LOCAL) == local &&
    load<u32>(full, FULL_REMOTE) == remote &&
    load<u32>(full, FULL_PORT) == port
  );
}

/** Notes that a search for a port towards a target has failed. */
export function noteExhausted(ns: usize, local: u32, remote: u32, port: u32): void {
  const full = fullTarget(ns, remote, port);
  store<u32>(full, local, FULL_LOCAL);
  store<u32>(full, remote, FULL_REMOTE);
  store<u32>(full, port, FULL_PORT);
  store<u32>(full, load<u32>(ns, NS_PORTS_FREED) + 1, FULL_FREED);
}

/** How many ephemeral ports there are. */
export function portCount(ns: usize): u32 {
  return load<u32>(ns + NS_SYSCTLS, SYSCTL_PORT_MAX << 2) - load<u32>(ns + NS_SYSCTLS, SYSCTL_PORT_MIN << 2) + 1;
}

/** Opens a client socket on a free ephemeral port, connected to a remote address. False: no port is free. */
export function open(ns: usize, proto: u32, remote: u32, remotePort: u32, owner: u32, arg: u32, line: u32): bool {
  for (let tries = portCount(ns); tries; tries--) {
    const port = nextPort(ns);
    if (taken(ns, proto, 0, port)) continue;
    insert(ns, proto, 0, port, owner, arg);
    store<u32>(socket, remote, SOCK_REMOTE);
    store<u32>(socket, remotePort, SOCK_REMOTE_PORT);
    store<u32>(socket, line, SOCK_LINE);
    return true;
  }
  return false;
}

/** The socket that a packet is for, 0 if none; a connected one before a bound one before a wildcard. */
export function find(ns: usize, proto: u32, local: u32, port: u32, remote: u32, remotePort: u32): usize {
  let best: usize = 0;
  let score = -1;
  let candidate = load<usize>(hash.bucket(load<usize>(ns, NS_SOCKETS), hashOf(proto, port)));
  while (candidate) {
    if (load<u32>(candidate, SOCK_PROTO) == proto && load<u32>(candidate, SOCK_LOCAL_PORT) == port) {
      const address = load<u32>(candidate, SOCK_LOCAL);
      const peer = load<u32>(candidate, SOCK_REMOTE);
      const fits =
        (!address || address == local) &&
        (!peer || (peer == remote && load<u32>(candidate, SOCK_REMOTE_PORT) == remotePort));
      const points = (address ? 1 : 0) + (peer ? 2 : 0);
      if (fits && points > score) {
        best = candidate;
        score = points;
      }
    }
    candidate = load<usize>(candidate);
  }
  return best;
}

export function close(record: usize): void {
  const ns = load<usize>(record, SOCK_NAMESPACE);
  hash.remove(
    load<usize>(ns, NS_SOCKETS),
    hashOf(load<u32>(record, SOCK_PROTO), load<u32>(record, SOCK_LOCAL_PORT)),
    record,
  );
  portFreed(ns);
  give(free, record);
}

/** The next identification of packets from a connected socket (inet_id). */
export function nextId(record: usize): i32 {
  const id = load<u32>(record, SOCK_IP_ID);
  store<u32>(record, (id + 1) & 0xffff, SOCK_IP_ID);
  return <i32>id;
}
