// VXLAN tunnels: which hosts an address is behind, and Ethernet frames in UDP to them (drivers/net/vxlan/vxlan_core.c).
import { DEVICE_VXLAN, USED_TUNNEL } from "../layout/codes.ts";
import {
  FRAME_CAPACITY,
  FRAME_DATA,
  FRAME_HEADER,
  FRAME_LENGTH,
  FRAME_NAMESPACE,
  FRAME_NETWORK,
} from "../layout/frame.ts";
import {
  DEV_AGEING,
  DEV_FDB,
  DEV_KIND,
  DEV_NEXT,
  DEV_TUNNEL,
  DEV_UP,
  FDB_FLAGS,
  FDB_MAC_HIGH,
  FDB_MAC_LOW,
  FDB_PORT,
  FDB_SIZE,
  FDB_STATIC,
  FDB_UPDATED,
  NS_DEVICES,
  NS_SYSCTLS,
  SYSCTL_DEFAULT_TTL,
  SYSCTL_PORT_MAX,
  SYSCTL_PORT_MIN,
  TUNNEL_DF,
  TUNNEL_LEARNING,
  TUNNEL_LOCAL,
  TUNNEL_PORT,
  TUNNEL_SIZE,
  TUNNEL_TOS,
  TUNNEL_TTL,
  TUNNEL_VNI,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as frames from "../memory/frames.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import * as table from "../track/table.ts";
import * as ethernet from "../wire/ethernet.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as udp from "../wire/udp.ts";
import * as vxlan from "../wire/vxlan.ts";

/** What an inner frame gets in front of it: Ethernet, IPv4, UDP, VXLAN (vxlan_headroom). */
export const OVERHEAD: usize = ethernet.ETHERNET_LENGTH + ipv4.IPV4_LENGTH + udp.UDP_LENGTH + vxlan.VXLAN_LENGTH;
const AGEING: u64 = 300 * SECOND;
const ECN: i32 = 3;
const CONGESTED: i32 = 3; // INET_ECN_CE
const CAPABLE: i32 = 2; // INET_ECN_ECT_0

const DF_SET = 1;
const DF_INHERIT = 2;

let free: usize = 0;

/** Makes a device a tunnel with an empty forwarding database. */
export function makeTunnel(device: usize, vni: u32, port: u32, local: u32): void {
  const tunnel = allocate(TUNNEL_SIZE);
  store<u32>(tunnel, vni, TUNNEL_VNI);
  store<u32>(tunnel, port, TUNNEL_PORT);
  store<u32>(tunnel, local, TUNNEL_LOCAL);
  store<usize>(device, tunnel, DEV_TUNNEL);
  store<usize>(device, hash.newTable(64), DEV_FDB);
  store<u64>(device, AGEING, DEV_AGEING);
}

function tunnelOf(device: usize): usize {
  return load<usize>(device, DEV_TUNNEL);
}

/** The device of a namespace with this port and network number; 0: none (vxlan_vs_find_vni). */
export function deviceOf(ns: usize, port: u32, vni: u32): usize {
  let device = load<usize>(ns, NS_DEVICES);
  while (device) {
    if (load<i32>(device, DEV_KIND) == DEVICE_VXLAN) {
      const tunnel = tunnelOf(device);
      if (load<u32>(tunnel, TUNNEL_VNI) == vni && load<u32>(tunnel, TUNNEL_PORT) == port) return device;
    }
    device = load<usize>(device, DEV_NEXT);
  }
  return 0;
}

/** Whether a port is served: its socket is open while one of its devices is up (vxlan_open, vxlan_stop). */
export function isOpen(ns: usize, port: u32): bool {
  for (let device = load<usize>(ns, NS_DEVICES); device; device = load<usize>(device, DEV_NEXT)) {
    if (load<i32>(device, DEV_KIND) != DEVICE_VXLAN || !load<u32>(device, DEV_UP)) continue;
    if (load<u32>(tunnelOf(device), TUNNEL_PORT) == port) return true;
  }
  return false;
}

// ---- the forwarding database: an entry for each address and remote host; FDB_PORT holds the host's address

/** Adds a host that an address is behind, after those that there are; `flags` is FDB_STATIC, or 0 for one that was learned. */
export function addRemote(device: usize, high: u32, low: u32, remote: u32, flags: u32): void {
  if (!free) free = allocate(64);
  const entry = take(free, FDB_SIZE);
  store<u32>(entry, high, FDB_MAC_HIGH);
  store<u32>(entry, low, FDB_MAC_LOW);
  store<u32>(entry, remote, FDB_PORT);
  store<u32>(entry, flags, FDB_FLAGS);
  store<u64>(entry, now, FDB_UPDATED);
  const entries = load<usize>(device, DEV_FDB);
  if (hash.crowded(entries)) hash.grow(entries, hashOfRecord, true);
  hash.append(entries, hash.mix(high, low), entry);
}

/** The hash that a record stands under. */
function hashOfRecord(entry: usize): u32 {
  return hash.mix(load<u32>(entry, FDB_MAC_HIGH), load<u32>(entry, FDB_MAC_LOW));
}

/** The first entry of an address from `entry` on in its bucket. */
function sameFrom(entry: usize, high: u32, low: u32): usize {
  let at = entry;
  while (at && (load<u32>(at, FDB_MAC_LOW) != low || load<u32>(at, FDB_MAC_HIGH) != high)) at = load<usize>(at);
  return at;
}

/** The first entry of an address, 0: none. One that was learned goes when it was not used for the ageing time. */
function find(device: usize, high: u32, low: u32): usize {
  const entries = load<usize>(device, DEV_FDB);
  const key = hash.mix(high, low);
  const entry = sameFrom(load<usize>(hash.bucket(entries, key)), high, low);
  if (!entry) return 0;
  if (!load<u32>(entry, FDB_FLAGS) && now - load<u64>(entry, FDB_UPDATED) >= load<u64>(device, DEV_AGEING)) {
    hash.remove(entries, key, entry);
    give(free, entry);
    return 0;
  }
  store<u64>(entry, now, FDB_UPDATED);
  return entry;
}

/** The entry for a frame's destination, or the default one, that of the address of zeros; 0: there is none. */
export function destination(device: usize, high: u32, low: u32): usize {
  const entry = find(device, high, low);
  return entry ? entry : find(device, 0, 0);
}

/** The next entry of the same address; 0: that was the last one. */
export function nextRemote(entry: usize): usize {
  return sameFrom(load<usize>(entry), load<u32>(entry, FDB_MAC_HIGH), load<u32>(entry, FDB_MAC_LOW));
}

export function remoteOf(entry: usize): u32 {
  return load<u32>(entry, FDB_PORT);
}

/** Forgets what was learned, as when the device goes down (vxlan_flush). */
export function forgetLearned(device: usize): void {
  const entries = load<usize>(device, DEV_FDB);
  const buckets = hash.bucketCount(entries);
  for (let i: u32 = 0; i < buckets; i++) {
    let entry = load<usize>(hash.bucket(entries, i));
    while (entry) {
      const next = load<usize>(entry);
      if (!load<u32>(entry, FDB_FLAGS)) {
        hash.remove(entries, i, entry);
        give(free, entry);
      }
      entry = next;
    }
  }
}

/** Notes behind which host an address is (vxlan_snoop). False: the entry is fixed and says another one; the frame is dropped. */
export function learn(device: usize, high: u32, low: u32, remote: u32): bool {
  if (!load<u32>(tunnelOf(device), TUNNEL_LEARNING)) return true;
  const entry = find(device, high, low);
  if (!entry) {
    addRemote(device, high, low, remote, 0);
    return true;
  }
  if (remoteOf(entry) == remote) return true;
  if (load<u32>(entry, FDB_FLAGS) & FDB_STATIC) return false;
  store<u32>(entry, remote, FDB_PORT);
  return true;
}

// ---- frames

/** A hash of the inner conversation, the same for both directions (__skb_get_hash). */
function flowHash(at: usize, length: u32): u32 {
  const ip = at + ethernet.ETHERNET_LENGTH;
  if (ethernet.etherType(at) != ethernet.TYPE_IPV4 || length < <u32>(ethernet.ETHERNET_LENGTH + ipv4.IPV4_LENGTH)) {
    return hash.mix(ethernet.etherType(at), 0);
  }
  const from = ipv4.source(ip);
  const to = ipv4.destination(ip);
  const protocol = ipv4.protocol(ip);
  let ports: u32 = 0;
  const hasPorts = protocol == ipv4.PROTO_TCP || protocol == ipv4.PROTO_UDP || protocol == ipv4.PROTO_SCTP;
  const l4 = ipv4.payload(ip);
  if (hasPorts && !ipv4.isFragment(ip) && l4 + 4 <= at + <usize>length) {
    const source = <u32>udp.sourcePort(l4);
    const target = <u32>udp.destinationPort(l4);
    const swapped = to < from || (to == from && target < source);
    ports = swapped ? (target << 16) | source : (source << 16) | target;
  }
  return hash.mix(hash.mix(min<u32>(from, to), max<u32>(from, to)), ports ^ ((<u32>protocol) << 24));
}

/** The outer source port: one of the ephemeral range by the hash of what is inside (udp_flow_src_port). */
function sourcePort(ns: usize, at: usize, length: u32): i32 {
  const low = load<u32>(ns + NS_SYSCTLS, SYSCTL_PORT_MIN << 2);
  const high = load<u32>(ns + NS_SYSCTLS, SYSCTL_PORT_MAX << 2);
  return <i32>(low + <u32>((<u64>flowHash(at, length) * <u64>(high - low + 1)) >> 32));
}

function innerTos(at: usize): i32 {
  return ethernet.etherType(at) == ethernet.TYPE_IPV4 ? ipv4.tos(at + ethernet.ETHERNET_LENGTH) : 0;
}

/** The outer DSCP and ECN: what is capable of ECN stays so outside (ip_tunnel_ecn_encap). */
function outerTos(tunnel: usize, inner: i32): i32 {
  const own = load<i32>(tunnel, TUNNEL_TOS);
  const ecn = (inner & ECN) == CONGESTED ? CAPABLE : inner & ECN;
  return ((own == 1 ? inner : own) & ~ECN) | ecn;
}

/** The source address of a tunnel's packets; 0: as the route says. */
export function localOf(device: usize): u32 {
  return load<u32>(tunnelOf(device), TUNNEL_LOCAL);
}

/**
 * Puts a frame into a packet for a remote host (vxlan_xmit_one). Returns the frame to output: the same one, or another if it
 * had no room in front. The caller has found the way, its source address and the identification.
 */
export function encapsulate(ns: usize, device: usize, inner: usize, source: u32, remote: u32, id: i32): usize {
  const tunnel = tunnelOf(device);
  const frame = withRoom(inner);
  const at = load<usize>(frame, FRAME_DATA);
  const length = load<u32>(frame, FRAME_LENGTH);
  const header = at - vxlan.VXLAN_LENGTH;
  vxlan.write(header, load<u32>(tunnel, TUNNEL_VNI));
  const bytes = <i32>length + vxlan.VXLAN_LENGTH + udp.UDP_LENGTH;
  const port = load<i32>(tunnel, TUNNEL_PORT);
  udp.write(header - udp.UDP_LENGTH, sourcePort(ns, at, length), port, bytes, source, remote);
  const ip = header - udp.UDP_LENGTH - ipv4.IPV4_LENGTH;
  const inside = innerTos(at);
  const own = load<i32>(tunnel, TUNNEL_TTL);
  const ttl = own ? own : load<i32>(ns + NS_SYSCTLS, SYSCTL_DEFAULT_TTL << 2);
  const tos = outerTos(tunnel, inside);
  ipv4.write(ip, tos, ipv4.IPV4_LENGTH + bytes, id, outerDf(tunnel, at), ttl, ipv4.PROTO_UDP, source, remote);
  store<usize>(frame, ip, FRAME_NETWORK);
  store<usize>(frame, ip - ethernet.ETHERNET_LENGTH, FRAME_DATA);
  store<u32>(frame, length + <u32>OVERHEAD, FRAME_LENGTH);
  store<usize>(frame, ns, FRAME_NAMESPACE);
  return frame;
}

function outerDf(tunnel: usize, at: usize): i32 {
  const df = load<i32>(tunnel, TUNNEL_DF);
  if (df == DF_SET) return ipv4.FLAG_DF;
  if (df != DF_INHERIT || ethernet.etherType(at) != ethernet.TYPE_IPV4) return 0;
  return ipv4.fragment(at + ethernet.ETHERNET_LENGTH) & ipv4.FLAG_DF;
}

/** A frame with room for the outer headers: itself, or a copy, and then it is given back. */
function withRoom(frame: usize): usize {
  const at = load<usize>(frame, FRAME_DATA);
  const length = load<u32>(frame, FRAME_LENGTH);
  if (at >= frame + FRAME_HEADER + OVERHEAD) return frame;
  const twin = length + <u32>OVERHEAD > <u32>FRAME_CAPACITY ? frames.newLarge() : frames.newFrame();
  frames.copyMetadata(twin, frame);
  const data = load<usize>(twin, FRAME_DATA) + OVERHEAD;
  store<usize>(twin, data, FRAME_DATA);
  memory.copy(data, at, <usize>length);
  const entry = table.entryOfFrame(frame);
  if (entry) table.hold(entry);
  table.consume(frame, USED_TUNNEL);
  return twin;
}

/** Takes the congestion that the way met over into the inner packet (IP_ECN_decapsulate). False: it cannot be told; dropped. */
export function takeCongestion(outer: i32, at: usize): bool {
  if ((outer & ECN) != CONGESTED || ethernet.etherType(at) != ethernet.TYPE_IPV4) return true;
  const ip = at + ethernet.ETHERNET_LENGTH;
  const inner = ipv4.tos(ip);
  if (!(inner & ECN)) return false;
  ipv4.setTos(ip, inner | CONGESTED);
  return true;
}
