// The connections that ip_vs knows: by client and virtual service, by real server and client, and until when (ip_vs_conn.c).
import {
  IPVS_CLEARING,
  IPVS_CONNECTIONS,
  IPVS_FREE,
  IPVS_REPLIES,
  VS_SERVER_ACTIVE,
  VS_SERVER_ADDRESS,
  VS_SERVER_AVAILABLE,
  VS_SERVER_INACTIVE,
  VS_SERVER_PORT,
  VSCONN_CLIENT,
  VSCONN_CONTROL,
  VSCONN_CONTROLLED,
  VSCONN_FLAGS,
  VSCONN_GENERATION,
  VSCONN_IS_INACTIVE,
  VSCONN_IS_TEMPLATE,
  VSCONN_NAMESPACE,
  VSCONN_OWNS_TRACKING,
  VSCONN_PORTS,
  VSCONN_PROTO,
  VSCONN_REAL,
  VSCONN_REAL_PORT,
  VSCONN_REPLY_LINK,
  VSCONN_SERVER,
  VSCONN_SIZE,
  VSCONN_STATE,
  VSCONN_TIMEOUT,
  VSCONN_TIMER,
  VSCONN_UNTIL,
  VSCONN_VIRTUAL,
  VS_TCP_ESTABLISHED,
  VS_TCP_NONE,
} from "../layout/ipvs.ts";
import { NS_IPVS, NS_MACHINE } from "../layout/records.ts";
import { clear } from "../memory/bytes.ts";
import { MILLISECOND, SECOND, now } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import * as table from "../track/table.ts";
import * as tuple from "../track/tuple.ts";
import { PROTO_TCP } from "../wire/ipv4.ts";
import * as tcpState from "./tcp-state.ts";

/** Of UDP; a template whose connections are not all over is asked again after a minute. */
const UDP_SECONDS: u32 = 300;
const AGAIN_SECONDS: u32 = 60;
/** A jiffy of a kernel with CONFIG_HZ=250: after so long connections to servers that were deleted are forgotten. */
const CLEARING_DELAY: u64 = 4 * MILLISECOND;
/** As the generation of a connection: the event is a namespace's, whose connections to deleted servers go. */
const CLEARING: u32 = 0;

function hashOf(first: u32, second: u32, ports: u32, protocol: u32): u32 {
  return hash.mix(hash.mix(first, ports), second ^ protocol);
}

function hashOfConnection(c: usize): u32 {
  const client = load<u32>(c, VSCONN_CLIENT);
  return hashOf(client, load<u32>(c, VSCONN_VIRTUAL), load<u32>(c, VSCONN_PORTS), load<u32>(c, VSCONN_PROTO));
}

/** Ports of a packet of the server's: its own << 16 | the client's. */
function replyPorts(c: usize): u32 {
  return (load<u32>(c, VSCONN_REAL_PORT) << 16) | (load<u32>(c, VSCONN_PORTS) >>> 16);
}

function hashOfReply(link: usize): u32 {
  const c = link - VSCONN_REPLY_LINK;
  return hashOf(load<u32>(c, VSCONN_REAL), load<u32>(c, VSCONN_CLIENT), replyPorts(c), load<u32>(c, VSCONN_PROTO));
}

/** The connection of a packet from a client to a virtual service (ip_vs_conn_in_get); with the client's port 0 its template. */
export function find(ipvs: usize, client: u32, virtual: u32, ports: u32, protocol: u32): usize {
  let c = load<usize>(hash.bucket(load<usize>(ipvs, IPVS_CONNECTIONS), hashOf(client, virtual, ports, protocol)));
  while (c) {
    const same = load<u32>(c, VSCONN_CLIENT) == client && load<u32>(c, VSCONN_PORTS) == ports;
    if (same && load<u32>(c, VSCONN_VIRTUAL) == virtual && load<u32>(c, VSCONN_PROTO) == protocol) return c;
    c = load<usize>(c);
  }
  return 0;
}

/** The connection of a packet from a real server to a client (ip_vs_conn_out_get). */
export function findReply(ipvs: usize, real: u32, client: u32, ports: u32, protocol: u32): usize {
  let link = load<usize>(hash.bucket(load<usize>(ipvs, IPVS_REPLIES), hashOf(real, client, ports, protocol)));
  while (link) {
    const c = link - VSCONN_REPLY_LINK;
    const same = load<u32>(c, VSCONN_REAL) == real && load<u32>(c, VSCONN_CLIENT) == client;
    if (same && replyPorts(c) == ports && load<u32>(c, VSCONN_PROTO) == protocol) return c;
    link = load<usize>(link);
  }
  return 0;
}

function count(c: usize, by: i32): void {
  if (load<u32>(c, VSCONN_FLAGS) & VSCONN_IS_TEMPLATE) return;
  const server = load<usize>(c, VSCONN_SERVER);
  const which: usize = load<u32>(c, VSCONN_FLAGS) & VSCONN_IS_INACTIVE ? VS_SERVER_INACTIVE : VS_SERVER_ACTIVE;
  store<i32>(server + which, load<i32>(server + which) + by);
}

/** A new connection to a server, or with VSCONN_IS_TEMPLATE a template that ends `seconds` after its last use. */
export function create(
  ns: usize,
  client: u32,
  virtual: u32,
  ports: u32,
  protocol: u32,
  server: usize,
  flags: u32,
  seconds: u32,
): usize {
  const ipvs = load<usize>(ns, NS_IPVS);
  const c = take(ipvs + IPVS_FREE, VSCONN_SIZE);
  const generation = load<u32>(c, VSCONN_GENERATION) + 1;
  clear(c, VSCONN_SIZE);
  store<u32>(c, generation, VSCONN_GENERATION);
  store<usize>(c, ns, VSCONN_NAMESPACE);
  store<u32>(c, client, VSCONN_CLIENT);
  store<u32>(c, virtual, VSCONN_VIRTUAL);
  store<u32>(c, ports, VSCONN_PORTS);
  store<u32>(c, protocol, VSCONN_PROTO);
  store<usize>(c, server, VSCONN_SERVER);
  store<u32>(c, load<u32>(server, VS_SERVER_ADDRESS), VSCONN_REAL);
  store<u32>(c, load<u32>(server, VS_SERVER_PORT), VSCONN_REAL_PORT);
  store<i32>(c, VS_TCP_NONE, VSCONN_STATE);
  store<u32>(c, flags | VSCONN_IS_INACTIVE | VSCONN_OWNS_TRACKING, VSCONN_FLAGS);
  store<u32>(c, seconds, VSCONN_TIMEOUT);
  count(c, 1);
  const connections = load<usize>(ipvs, IPVS_CONNECTIONS);
  const replies = load<usize>(ipvs, IPVS_REPLIES);
  if (hash.crowded(connections)) hash.grow(connections, hashOfConnection);
  hash.insert(connections, hashOfConnection(c), c);
  if (!(flags & VSCONN_IS_TEMPLATE)) {
    if (hash.crowded(replies)) hash.grow(replies, hashOfReply);
    hash.insert(replies, hashOfReply(c + VSCONN_REPLY_LINK), c + VSCONN_REPLY_LINK);
  }
  store<u64>(c, u64.MAX_VALUE, VSCONN_TIMER);
  restart(c);
  return c;
}

/** A packet has come: the time begins anew (ip_vs_conn_put). The timer is set for it if it would be late; else it looks again then. */
export function restart(c: usize): void {
  store<u64>(c, now + <u64>load<u32>(c, VSCONN_TIMEOUT) * SECOND, VSCONN_UNTIL);
  if (load<u64>(c, VSCONN_UNTIL) < load<u64>(c, VSCONN_TIMER)) wait(c);
}

function wait(c: usize): void {
  const machine = load<usize>(load<usize>(c, VSCONN_NAMESPACE), NS_MACHINE);
  store<u64>(c, load<u64>(c, VSCONN_UNTIL), VSCONN_TIMER);
  events.push(load<u64>(c, VSCONN_UNTIL), machine, events.EVENT_IPVS, c, load<u32>(c, VSCONN_GENERATION));
}

/** The timer of a connection (ip_vs_conn_expire), or of a namespace whose servers were deleted. */
export function onTimer(c: usize, generation: u32): void {
  if (generation == CLEARING) {
    clearDeleted(load<usize>(c, NS_IPVS));
    return;
  }
  // One that was set for later than another is stale.
  if (load<u32>(c, VSCONN_GENERATION) != generation || load<u64>(c, VSCONN_TIMER) != now) return;
  if (load<u64>(c, VSCONN_UNTIL) > now) {
    wait(c);
  } else if (load<u32>(c, VSCONN_CONTROLLED)) {
    // From now on this is its time, also when it is used again.
    store<u32>(c, AGAIN_SECONDS, VSCONN_TIMEOUT);
    restart(c);
    wait(c);
  } else {
    expire(c);
  }
}

/** A connection, or a template that controls none, is forgotten, and with it the entry of conntrack that it owns. */
export function expire(c: usize): void {
  const ns = load<usize>(c, VSCONN_NAMESPACE);
  const ipvs = load<usize>(ns, NS_IPVS);
  const flags = load<u32>(c, VSCONN_FLAGS);
  hash.remove(load<usize>(ipvs, IPVS_CONNECTIONS), hashOfConnection(c), c);
  if (!(flags & VSCONN_IS_TEMPLATE)) {
    const link = c + VSCONN_REPLY_LINK;
    hash.remove(load<usize>(ipvs, IPVS_REPLIES), hashOfReply(link), link);
    if (flags & VSCONN_OWNS_TRACKING) dropTracking(ns, c);
  }
  count(c, -1);
  const control = load<usize>(c, VSCONN_CONTROL);
  if (control) store<u32>(control, load<u32>(control, VSCONN_CONTROLLED) - 1, VSCONN_CONTROLLED);
  store<u32>(c, load<u32>(c, VSCONN_GENERATION) + 1, VSCONN_GENERATION);
  give(ipvs + IPVS_FREE, c);
}

/** A server was deleted: with expire_nodest_conn=1 its connections go soon (ip_vs_enqueue_expire_nodest_conns). */
export function clearSoon(ns: usize): void {
  const ipvs = load<usize>(ns, NS_IPVS);
  if (load<u32>(ipvs, IPVS_CLEARING) || !hash.count(load<usize>(ipvs, IPVS_CONNECTIONS))) return;
  store<u32>(ipvs, 1, IPVS_CLEARING);
  events.push(now + CLEARING_DELAY, load<usize>(ns, NS_MACHINE), events.EVENT_IPVS, ns, CLEARING);
}

/** Forgets the connections of servers that are still deleted, then their templates (ip_vs_expire_nodest_conn_flush). */
function clearDeleted(ipvs: usize): void {
  store<u32>(ipvs, 0, IPVS_CLEARING);
  clearKind(ipvs, 0);
  clearKind(ipvs, VSCONN_IS_TEMPLATE);
}

function clearKind(ipvs: usize, kind: u32): void {
  const connections = load<usize>(ipvs, IPVS_CONNECTIONS);
  for (let i: u32 = 0; i < hash.bucketCount(connections); i++) {
    let c = load<usize>(hash.bucket(connections, i));
    while (c) {
      const next = load<usize>(c);
      const isKind = (load<u32>(c, VSCONN_FLAGS) & VSCONN_IS_TEMPLATE) == kind && !load<u32>(c, VSCONN_CONTROLLED);
      if (isKind && !load<u32>(load<usize>(c, VSCONN_SERVER), VS_SERVER_AVAILABLE)) expire(c);
      c = next;
    }
  }
}

/** Removes the entry that began with the connection's first packet (ip_vs_conn_drop_conntrack). */
function dropTracking(ns: usize, c: usize): void {
  tuple.set(
    load<u32>(c, VSCONN_CLIENT),
    load<u32>(c, VSCONN_VIRTUAL),
    load<u32>(c, VSCONN_PORTS),
    load<u32>(c, VSCONN_PROTO),
  );
  tuple.setZones(0, 0);
  const record = table.find(ns);
  if (record) table.remove(table.entryOf(record));
}

/** A template that is of no use any more: nobody finds it, and it goes with its connections (ip_vs_check_template). */
export function retire(c: usize): void {
  const connections = load<usize>(load<usize>(load<usize>(c, VSCONN_NAMESPACE), NS_IPVS), IPVS_CONNECTIONS);
  hash.remove(connections, hashOfConnection(c), c);
  store<u32>(c, 0, VSCONN_VIRTUAL);
  store<u32>(c, 0xffff, VSCONN_PORTS);
  hash.insert(connections, hashOfConnection(c), c);
}

/** Follows a packet of a connection; `reply`: the server's (ip_vs_set_state). */
export function follow(c: usize, flags: i32, reply: bool): void {
  if (load<u32>(c, VSCONN_PROTO) != <u32>PROTO_TCP) {
    store<u32>(c, UDP_SECONDS, VSCONN_TIMEOUT);
  } else {
    const state = tcpState.next(load<i32>(c, VSCONN_STATE), flags, reply);
    const inactive: u32 = state == VS_TCP_ESTABLISHED ? 0 : VSCONN_IS_INACTIVE;
    const before = load<u32>(c, VSCONN_FLAGS);
    if ((before & VSCONN_IS_INACTIVE) != inactive) {
      count(c, -1);
      store<u32>(c, (before & ~VSCONN_IS_INACTIVE) | inactive, VSCONN_FLAGS);
      count(c, 1);
    }
    store<i32>(c, state, VSCONN_STATE);
    store<u32>(c, tcpState.timeout(state), VSCONN_TIMEOUT);
  }
  restart(c);
}
