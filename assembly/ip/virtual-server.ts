// A load balancer's choice: which server a packet to a virtual address is handed to, as IPVS has it for direct routing.
//
// A new connection is given to one of the healthy servers by a hash over its addresses and ports; those that follow go the same way,
// also while the server is not healthy, so that what is under way can end (net/netfilter/ipvs, a weight of 0). What has no
// connections, as UDP, leaves such a server. Only the client's packets come by here: the answers take their own way.
import {
  BALANCER_CONNECTIONS,
  BALANCER_FREE,
  BALANCER_VERSION,
  BALANCER_VIRTUALS,
  CHECK_STATE,
  CHECK_UP,
  HANDED_ADDRESS,
  HANDED_CLIENT,
  HANDED_CLOSING,
  HANDED_OPEN,
  HANDED_OPENING,
  HANDED_PORTS,
  HANDED_PROTO,
  HANDED_REAL,
  HANDED_SIZE,
  HANDED_STATE,
  HANDED_UNTIL,
  REAL_CHECK,
  REAL_CONNECTIONS,
  REAL_SIZE,
  VIRTUAL_ADDRESS,
  VIRTUAL_BY_SOURCE,
  VIRTUAL_COUNT,
  VIRTUAL_HEALTHY,
  VIRTUAL_NEXT,
  VIRTUAL_PORT,
  VIRTUAL_PROTO,
  VIRTUAL_REALS,
  VIRTUAL_VERSION,
} from "../layout/balancer.ts";
import { FRAME_NETWORK } from "../layout/frame.ts";
import { NS_BALANCER } from "../layout/records.ts";
import { now, SECOND } from "../memory/clock.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import * as icmp from "../wire/icmp.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as tcp from "../wire/tcp.ts";
import * as udp from "../wire/udp.ts";

export const NOT_OURS: i32 = 0; // it is for this host itself
export const HANDED_ON: i32 = 1; // `server` says where
export const NO_SERVER: i32 = 2; // no server is healthy

/** The REAL_* that the last packet goes to. */
export let server: usize = 0;

/** How long a connection is remembered after its last packet, in each state (ip_vs_proto_tcp.c, ip_vs_proto_udp.c). */
const OPENING_TIME: u64 = 60 * SECOND;
const OPEN_TIME: u64 = 900 * SECOND;
const CLOSING_TIME: u64 = 120 * SECOND;
const RESET_TIME: u64 = 10 * SECOND;
const UDP_TIME: u64 = 300 * SECOND;

/** What becomes of a whole packet of `bytes` that is for this host. */
export function choose(ns: usize, frame: usize, bytes: i32): i32 {
  const balancer = load<usize>(ns, NS_BALANCER);
  const ip = load<usize>(frame, FRAME_NETWORK);
  const at = ipv4.payload(ip);
  const left = bytes - ipv4.headerLength(ip);
  const protocol = ipv4.protocol(ip);
  if (protocol == ipv4.PROTO_ICMP && left >= icmp.ICMP_LENGTH) return ofError(balancer, at, left);
  return ofTransport(balancer, ipv4.source(ip), ipv4.destination(ip), protocol, at, left);
}

/** The same for a packet of IPv6. */
export function chooseSix(ns: usize, frame: usize, bytes: i32): i32 {
  const balancer = load<usize>(ns, NS_BALANCER);
  const ip = load<usize>(frame, FRAME_NETWORK);
  if (!ipv6.walk(ip, bytes)) return NOT_OURS;
  const at = ip + <usize>ipv6.headers;
  const left = bytes - ipv6.headers;
  const protocol = ipv6.protocol;
  if (protocol == ipv6.PROTO_ICMPV6 && left >= icmpv6.ICMPV6_LENGTH) return ofErrorSix(balancer, at, left);
  return ofTransport(balancer, ipv6.source(ip), ipv6.destination(ip), protocol, at, left);
}

function ofTransport(balancer: usize, client: u32, address: u32, protocol: i32, at: usize, left: i32): i32 {
  if (protocol == ipv4.PROTO_TCP && left >= tcp.TCP_LENGTH) {
    const ports = ((<u32>tcp.sourcePort(at)) << 16) | (<u32>tcp.destinationPort(at));
    return ofTcp(balancer, client, address, ports, tcp.flags(at));
  }
  if (protocol == ipv4.PROTO_UDP && left >= udp.UDP_LENGTH) {
    const ports = ((<u32>udp.sourcePort(at)) << 16) | (<u32>udp.destinationPort(at));
    return ofUdp(balancer, client, address, ports);
  }
  return NOT_OURS;
}

function ofTcp(balancer: usize, client: u32, address: u32, ports: u32, flags: i32): i32 {
  const begins = (flags & (tcp.SYN | tcp.ACK | tcp.RST)) == tcp.SYN;
  let known = find(balancer, client, address, ports, ipv4.PROTO_TCP);
  if (known && begins && load<i32>(known, HANDED_STATE) == HANDED_CLOSING) {
    forget(balancer, known);
    known = 0;
  }
  if (!known) {
    if (!begins) return NOT_OURS;
    const outcome = hand(balancer, client, address, ports, ipv4.PROTO_TCP);
    if (outcome == HANDED_ON) store<u64>(added, now + OPENING_TIME, HANDED_UNTIL);
    return outcome;
  }
  server = load<usize>(known, HANDED_REAL);
  if (flags & tcp.RST) close(known, RESET_TIME);
  else if (flags & tcp.FIN) close(known, CLOSING_TIME);
  else if (load<i32>(known, HANDED_STATE) != HANDED_CLOSING && !begins) {
    store<i32>(known, HANDED_OPEN, HANDED_STATE);
    store<u64>(known, now + OPEN_TIME, HANDED_UNTIL);
  }
  return HANDED_ON;
}

function close(handed: usize, time: u64): void {
  store<i32>(handed, HANDED_CLOSING, HANDED_STATE);
  store<u64>(handed, now + time, HANDED_UNTIL);
}

function ofUdp(balancer: usize, client: u32, address: u32, ports: u32): i32 {
  let known = find(balancer, client, address, ports, ipv4.PROTO_UDP);
  if (known && !isHealthy(load<usize>(known, HANDED_REAL))) {
    forget(balancer, known);
    known = 0;
  }
  if (!known) {
    const outcome = hand(balancer, client, address, ports, ipv4.PROTO_UDP);
    if (outcome != HANDED_ON) return outcome;
    known = added;
  }
  server = load<usize>(known, HANDED_REAL);
  store<u64>(known, now + UDP_TIME, HANDED_UNTIL);
  return HANDED_ON;
}

/** An ICMP error goes to the server whose packet it quotes (ip_vs_in_icmp). */
function ofError(balancer: usize, at: usize, bytes: i32): i32 {
  const inner = at + icmp.ICMP_LENGTH;
  const quoted = bytes - icmp.ICMP_LENGTH;
  if (!icmp.isError(icmp.type(at)) || quoted < ipv4.IPV4_LENGTH || quoted - ipv4.headerLength(inner) < 8) {
    return NOT_OURS;
  }
  const l4 = ipv4.payload(inner);
  return ofQuoted(balancer, ipv4.source(inner), ipv4.destination(inner), ipv4.protocol(inner), l4);
}

function ofErrorSix(balancer: usize, at: usize, bytes: i32): i32 {
  const inner = at + icmpv6.ICMPV6_LENGTH;
  const quoted = bytes - icmpv6.ICMPV6_LENGTH;
  if (!icmpv6.isError(icmpv6.type(at)) || quoted < ipv6.IPV6_LENGTH || !ipv6.walk(inner, quoted)) return NOT_OURS;
  if (quoted - ipv6.headers < 8) return NOT_OURS;
  const protocol = ipv6.protocol;
  const l4 = inner + <usize>ipv6.headers;
  return ofQuoted(balancer, ipv6.source(inner), ipv6.destination(inner), protocol, l4);
}

/** The quoted packet went from the virtual server to the client. */
function ofQuoted(balancer: usize, address: u32, client: u32, protocol: i32, l4: usize): i32 {
  if (protocol != ipv4.PROTO_TCP && protocol != ipv4.PROTO_UDP) return NOT_OURS;
  // Both protocols begin with their ports.
  const ports = ((<u32>udp.destinationPort(l4)) << 16) | (<u32>udp.sourcePort(l4));
  const known = find(balancer, client, address, ports, <u32>protocol);
  if (!known) return NOT_OURS;
  server = load<usize>(known, HANDED_REAL);
  return HANDED_ON;
}

// ---- servers

function isHealthy(real: usize): bool {
  return load<u32>(load<usize>(real, REAL_CHECK), CHECK_STATE) == CHECK_UP;
}

function virtualServer(balancer: usize, address: u32, protocol: u32, port: u32): usize {
  let at = load<usize>(balancer, BALANCER_VIRTUALS);
  while (at) {
    const same = load<u32>(at, VIRTUAL_ADDRESS) == address && load<u32>(at, VIRTUAL_PORT) == port;
    if (same && load<u32>(at, VIRTUAL_PROTO) == protocol) return at;
    at = load<usize>(at, VIRTUAL_NEXT);
  }
  return 0;
}

/** Lists the healthy servers anew, if a check has said something since the last time. */
function refresh(balancer: usize, at: usize): void {
  const version = load<u32>(balancer, BALANCER_VERSION);
  if (load<u32>(at, VIRTUAL_VERSION) == version) return;
  const count = load<u32>(at, VIRTUAL_COUNT);
  const list = at + VIRTUAL_REALS + <usize>count * REAL_SIZE;
  let healthy: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const real = at + VIRTUAL_REALS + <usize>i * REAL_SIZE;
    if (!isHealthy(real)) continue;
    store<usize>(list + ((<usize>healthy) << 2), real);
    healthy++;
  }
  store<u32>(at, healthy, VIRTUAL_HEALTHY);
  store<u32>(at, version, VIRTUAL_VERSION);
}

/** Chooses a healthy server by a hash, into `server`; false: none is. */
function pick(balancer: usize, at: usize, key: u32): bool {
  refresh(balancer, at);
  const healthy = load<u32>(at, VIRTUAL_HEALTHY);
  if (!healthy) return false;
  const list = at + VIRTUAL_REALS + <usize>load<u32>(at, VIRTUAL_COUNT) * REAL_SIZE;
  // The hash's upper bits choose, as its lower ones choose the bucket.
  const turn = <u32>((<u64>key * <u64>healthy) >> 32);
  server = load<usize>(list + ((<usize>turn) << 2));
  store<u32>(server, load<u32>(server, REAL_CONNECTIONS) + 1, REAL_CONNECTIONS);
  return true;
}

function keyOf(at: usize, client: u32, address: u32, h: u32): u32 {
  return load<u32>(at, VIRTUAL_BY_SOURCE) ? hash.mix(client, address) : h;
}

/** Chooses a server for a TCP connection that this host has accepted; `ports`: client's << 16 | virtual server's. */
export function pickFor(ns: usize, at: usize, client: u32, address: u32, ports: u32): bool {
  const h = hashOf(client, address, ports, ipv4.PROTO_TCP);
  return pick(load<usize>(ns, NS_BALANCER), at, keyOf(at, client, address, h));
}

// ---- connections

/** The connection that was added last. */
let added: usize = 0;

function hashOf(client: u32, address: u32, ports: u32, protocol: u32): u32 {
  return hash.mix(hash.mix(client, ports), address ^ protocol);
}

function hashOfRecord(handed: usize): u32 {
  const client = load<u32>(handed, HANDED_CLIENT);
  const ports = load<u32>(handed, HANDED_PORTS);
  return hashOf(client, load<u32>(handed, HANDED_ADDRESS), ports, load<u32>(handed, HANDED_PROTO));
}

function find(balancer: usize, client: u32, address: u32, ports: u32, protocol: u32): usize {
  const table = load<usize>(balancer, BALANCER_CONNECTIONS);
  let at = load<usize>(hash.bucket(table, hashOf(client, address, ports, protocol)));
  while (at) {
    const same = load<u32>(at, HANDED_CLIENT) == client && load<u32>(at, HANDED_PORTS) == ports;
    if (same && load<u32>(at, HANDED_ADDRESS) == address && load<u32>(at, HANDED_PROTO) == protocol) break;
    at = load<usize>(at);
  }
  if (!at || load<u64>(at, HANDED_UNTIL) > now) return at;
  forget(balancer, at);
  return 0;
}

function forget(balancer: usize, handed: usize): void {
  hash.remove(load<usize>(balancer, BALANCER_CONNECTIONS), hashOfRecord(handed), handed);
  give(balancer + BALANCER_FREE, handed);
}

/** Makes room in the table: by what is over, else by more buckets. */
function tidy(balancer: usize, table: usize): void {
  const buckets = hash.bucketCount(table);
  for (let i: u32 = 0; i < buckets; i++) {
    let at = load<usize>(hash.bucket(table, i));
    while (at) {
      const next = load<usize>(at);
      if (load<u64>(at, HANDED_UNTIL) <= now) forget(balancer, at);
      at = next;
    }
  }
  if (hash.count(table) > buckets >> 1) hash.grow(table, hashOfRecord);
}

/** Gives a new connection to a server. */
function hand(balancer: usize, client: u32, address: u32, ports: u32, protocol: u32): i32 {
  const at = virtualServer(balancer, address, protocol, ports & 0xffff);
  if (!at) return NOT_OURS;
  const h = hashOf(client, address, ports, protocol);
  if (!pick(balancer, at, keyOf(at, client, address, h))) return NO_SERVER;
  const table = load<usize>(balancer, BALANCER_CONNECTIONS);
  if (hash.crowded(table)) tidy(balancer, table);
  added = take(balancer + BALANCER_FREE, HANDED_SIZE);
  store<u32>(added, client, HANDED_CLIENT);
  store<u32>(added, address, HANDED_ADDRESS);
  store<u32>(added, ports, HANDED_PORTS);
  store<u32>(added, protocol, HANDED_PROTO);
  store<usize>(added, server, HANDED_REAL);
  store<i32>(added, HANDED_OPENING, HANDED_STATE);
  hash.insert(table, h, added);
  return HANDED_ON;
}
