// What ip_vs does with a packet at a hook (ip_vs_core.c): a client's goes on to a real server, a server's goes back as the virtual
// service's. Only forwarding by NAT (masquerading) is known, as with net.ipv4.vs.conntrack=1, expire_nodest_conn=1,
// expire_quiescent_template=1 and conn_reuse_mode=1.
import {
  IPS_CONFIRMED,
  IPS_DYING,
  IP_CT_ESTABLISHED_REPLY,
  MANIP_DST,
  MANIP_SRC,
  NF_ACCEPT,
  NF_DROP,
  NF_STOLEN,
  ROUTE_LOCAL,
} from "../layout/codes.ts";
import {
  FRAME_CT,
  FRAME_CT_INFO,
  FRAME_FLAGS,
  FRAME_IS_IPVS,
  FRAME_PACKET_TYPE,
  PACKET_HOST,
} from "../layout/frame.ts";
import {
  VS_SERVER_AVAILABLE,
  VS_SERVER_WEIGHT,
  VS_SERVICE_PERSISTENT,
  VS_SERVICE_SCHEDULER,
  VSCONN_CONTROL,
  VSCONN_CONTROLLED,
  VSCONN_FLAGS,
  VSCONN_IS_TEMPLATE,
  VSCONN_OWNS_TRACKING,
  VSCONN_PORTS,
  VSCONN_REAL,
  VSCONN_REAL_PORT,
  VSCONN_SERVER,
  VSCONN_STATE,
  VSCONN_VIRTUAL,
  VS_TCP_CLOSE,
  VS_TCP_TIME_WAIT,
} from "../layout/ipvs.ts";
import { CT_REPLY, CT_STATUS, NS_IPVS } from "../layout/records.ts";
import {
  IPVS_KEPT,
  IPVS_KNOWN,
  IPVS_NOBODY,
  IPVS_REPLY,
  IPVS_SCHEDULED,
  STEP_IPVS,
  STEP_NAT,
} from "../layout/trace.ts";
import { addressType } from "../fib/route.ts";
import { get32, put16 } from "../memory/bytes.ts";
import * as recorder from "../memory/recorder.ts";
import * as trace from "../observe/trace.ts";
import * as nat from "../track/nat.ts";
import * as tuple from "../track/tuple.ts";
import { checksum } from "../wire/checksum.ts";
import * as icmp from "../wire/icmp.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as tcp from "../wire/tcp.ts";
import * as udp from "../wire/udp.ts";
import * as connections from "./connection.ts";
import * as schedule from "./schedule.ts";
import * as services from "./service.ts";

/** Of a packet that was stolen: the connection by which it is to be sent on; 0: no server takes it, and its sender is to be told. */
export let connection: usize = 0;

/** Whether ip_vs has had to do with a packet (skb->ipvs_property). */
export function isOurs(frame: usize): bool {
  return (load<u32>(frame, FRAME_FLAGS) & FRAME_IS_IPVS) != 0;
}

function mark(frame: usize): void {
  store<u32>(frame, load<u32>(frame, FRAME_FLAGS) | FRAME_IS_IPVS, FRAME_FLAGS);
}

/** FTP's ports: its connections, of data and of control, share a template, and those from the first one are never given to a server. */
const FTP_DATA: u32 = 20;
const FTP: u32 = 21;

/** The ports of a packet with a whole header of TCP or UDP, as they lie; 0: it has none that count. */
function portsOf(ip: usize, length: i32): u32 {
  if (ipv4.fragment(ip) & ipv4.OFFSET_MASK) return 0;
  const protocol = ipv4.protocol(ip);
  const header = protocol == ipv4.PROTO_TCP ? tcp.TCP_LENGTH : udp.UDP_LENGTH;
  if (protocol != ipv4.PROTO_TCP && protocol != ipv4.PROTO_UDP) return 0;
  return length - ipv4.headerLength(ip) < header ? 0 : get32(ipv4.payload(ip));
}

function flagsOf(ip: usize): i32 {
  return ipv4.protocol(ip) == ipv4.PROTO_TCP ? tcp.flags(ipv4.payload(ip)) : 0;
}

/**
 * A packet that may be for a virtual service, at INPUT or, `own`, one of this host's at OUTPUT (ip_vs_in). NF_STOLEN: `sendOn` is to
 * be called for it, or no server takes it. NF_ACCEPT: it goes on as it is, or has been made one for this host itself.
 */
export function toServer(ns: usize, frame: usize, ip: usize, length: i32, own: bool): i32 {
  if (isOurs(frame) || (!own && load<i32>(frame, FRAME_PACKET_TYPE) != PACKET_HOST)) return NF_ACCEPT;
  const ipvs = load<usize>(ns, NS_IPVS);
  if (ipv4.protocol(ip) == ipv4.PROTO_ICMP) return errorToServer(ns, ipvs, frame, ip, length);
  const ports = portsOf(ip, length);
  if (!ports) return NF_ACCEPT;
  const protocol = <u32>ipv4.protocol(ip);
  const client = ipv4.source(ip);
  const virtual = ipv4.destination(ip);
  const flags = flagsOf(ip);
  let c = connections.find(ipvs, client, virtual, ports, protocol);
  if (c && isOver(c, protocol, flags)) {
    // Its entry of conntrack leads to the old server: the packet is lost, and the next one finds neither.
    const old = isTracked(frame);
    forgetNow(c, old);
    if (old) return dropped();
    c = 0;
  }
  let how = IPVS_KNOWN;
  if (!c) {
    if (protocol == <u32>ipv4.PROTO_TCP && (flags & (tcp.SYN | tcp.RST)) != tcp.SYN) return NF_ACCEPT;
    const service = services.find(ipvs, virtual, ports & 0xffff, protocol);
    if (!service) return NF_ACCEPT;
    if (ports >>> 16 == FTP_DATA) return NF_ACCEPT;
    // An answer of a server on this host is nobody's request.
    if (own && connections.find(ipvs, virtual, client, rotl<u32>(ports, 16), protocol)) return NF_ACCEPT;
    recorder.spoil();
    how = begin(ns, ipvs, service, client, virtual, ports, protocol);
    c = connection;
    if (trace.on && !c) trace.note(STEP_IPVS, ns, frame, IPVS_NOBODY, virtual, ports & 0xffff);
    if (!c) return NF_STOLEN;
    if (trace.on) noteServer(ns, frame, how, c, load<u32>(service, VS_SERVICE_SCHEDULER));
  } else {
    recorder.spoil();
    if (trace.on) noteServer(ns, frame, how, c, 0);
  }
  connections.follow(c, flags, false);
  connection = c;
  return pass(ns, frame, ip, length, c);
}

function noteServer(ns: usize, frame: usize, how: u32, c: usize, scheduler: u32): void {
  trace.note(STEP_IPVS, ns, frame, how, load<u32>(c, VSCONN_REAL), load<u32>(c, VSCONN_REAL_PORT), scheduler);
}

function dropped(): i32 {
  recorder.spoil();
  return NF_DROP;
}

/** To a server elsewhere it must be sent; to one on this host it has come already. */
function pass(ns: usize, frame: usize, ip: usize, length: i32, c: usize): i32 {
  if (addressType(ns, load<u32>(c, VSCONN_REAL)) != ROUTE_LOCAL) return NF_STOLEN;
  rewriteToServer(ns, frame, ip, length, c);
  return NF_ACCEPT;
}

/** Whether the packet's connection is in the table of conntrack (ip_vs_conn_uses_old_conntrack). */
function isTracked(frame: usize): bool {
  const entry = load<usize>(frame, FRAME_CT);
  return entry != 0 && (load<u32>(entry, CT_STATUS) & IPS_CONFIRMED) != 0;
}

/** Whether a packet finds its connection's server deleted, or begins a connection in the place of one that is over. */
function isOver(c: usize, protocol: u32, flags: i32): bool {
  const server = load<usize>(c, VSCONN_SERVER);
  if (!load<u32>(server, VS_SERVER_AVAILABLE)) return true;
  if (protocol != <u32>ipv4.PROTO_TCP || !(flags & tcp.SYN)) return false;
  if (!load<u32>(server, VS_SERVER_WEIGHT)) return true;
  const state = load<i32>(c, VSCONN_STATE);
  return !load<usize>(c, VSCONN_CONTROL) && (state == VS_TCP_TIME_WAIT || state == VS_TCP_CLOSE);
}

function forgetNow(c: usize, withTracking: bool): void {
  if (!withTracking) store<u32>(c, load<u32>(c, VSCONN_FLAGS) & ~VSCONN_OWNS_TRACKING, VSCONN_FLAGS);
  connections.expire(c);
}

/** Gives a new connection to a server (ip_vs_schedule); `connection` is then 0 if none takes it. */
function begin(ns: usize, ipvs: usize, service: usize, client: u32, virtual: u32, ports: u32, protocol: u32): u32 {
  connection = 0;
  let how = IPVS_SCHEDULED;
  let server: usize = 0;
  let template: usize = 0;
  const persistent = load<u32>(service, VS_SERVICE_PERSISTENT);
  const port = (ports & 0xffff) == FTP ? 0 : ports & 0xffff;
  if (persistent) {
    template = connections.find(ipvs, client, virtual, port, protocol);
    if (template) {
      server = load<usize>(template, VSCONN_SERVER);
      how = IPVS_KEPT;
      if (!load<u32>(server, VS_SERVER_AVAILABLE) || !load<u32>(server, VS_SERVER_WEIGHT)) {
        connections.retire(template);
        template = 0;
        how = IPVS_SCHEDULED;
      }
    }
  }
  if (!template) {
    server = schedule.choose(service, client, ports >>> 16, virtual);
    if (!server) return how;
    if (persistent) {
      const flags = VSCONN_IS_TEMPLATE;
      template = connections.create(ns, client, virtual, port, protocol, server, flags, persistent);
    }
  }
  connection = connections.create(ns, client, virtual, ports, protocol, server, 0, 3);
  if (template) {
    store<usize>(connection, template, VSCONN_CONTROL);
    store<u32>(template, load<u32>(template, VSCONN_CONTROLLED) + 1, VSCONN_CONTROLLED);
    connections.restart(template);
  }
  return how;
}

/** Makes a packet one for the real server (ip_vs_nat_xmit); from now on ip_vs leaves it alone. */
export function rewriteToServer(ns: usize, frame: usize, ip: usize, length: i32, c: usize): void {
  const port = load<u32>(c, VSCONN_REAL_PORT);
  if (ipv4.protocol(ip) == ipv4.PROTO_ICMP) {
    rewriteError(ip, length, load<u32>(c, VSCONN_REAL), port, false);
  } else {
    rewriteTransport(ns, frame, ip, length, MANIP_DST, load<u32>(c, VSCONN_REAL), port);
  }
  mark(frame);
  alterReply(frame, load<u32>(c, VSCONN_REAL), load<u32>(c, VSCONN_REAL_PORT), true);
}

function rewriteTransport(ns: usize, frame: usize, ip: usize, length: i32, manip: u32, address: u32, port: u32): void {
  const source = ipv4.source(ip);
  const destination = ipv4.destination(ip);
  const ports = trace.on ? trace.portsOf(ip, length) : 0;
  tuple.set(address, address, (port << 16) | port, 0);
  nat.rewrite(ip, length, manip, false);
  if (trace.on) trace.note(STEP_NAT, ns, frame, manip, source, destination, ports);
}

/**
 * The entry of a new connection is to expect answers from the real server; if it is one that began with the server's packet, as the
 * entry was over sooner than the connection, to the virtual service (ip_vs_update_conntrack).
 */
function alterReply(frame: usize, address: u32, port: u32, fromServer: bool): void {
  const entry = load<usize>(frame, FRAME_CT);
  if (!entry || load<u32>(entry, CT_STATUS) & (IPS_CONFIRMED | IPS_DYING)) return;
  if (load<u32>(frame, FRAME_CT_INFO) >= <u32>IP_CT_ESTABLISHED_REPLY) return;
  tuple.read(entry + CT_REPLY);
  if (tuple.proto == <u32>ipv4.PROTO_ICMP) return;
  if (fromServer) tuple.set(address, tuple.dst, (port << 16) | (tuple.ports & 0xffff), tuple.proto);
  else tuple.set(tuple.src, address, (tuple.ports & 0xffff0000) | port, tuple.proto);
  tuple.write(entry + CT_REPLY);
}

/** A packet that may be a real server's answer, at FORWARD, INPUT or OUTPUT (ip_vs_out): it becomes the virtual service's. */
export function toClient(ns: usize, frame: usize, ip: usize, length: i32): i32 {
  if (isOurs(frame)) return NF_ACCEPT;
  const ipvs = load<usize>(ns, NS_IPVS);
  if (ipv4.protocol(ip) == ipv4.PROTO_ICMP) return errorToClient(ns, ipvs, frame, ip, length);
  const ports = portsOf(ip, length);
  if (!ports) return NF_ACCEPT;
  const protocol = <u32>ipv4.protocol(ip);
  const c = connections.findReply(ipvs, ipv4.source(ip), ipv4.destination(ip), ports, protocol);
  if (!c) return NF_ACCEPT;
  recorder.spoil();
  const flags = flagsOf(ip);
  const virtual = load<u32>(c, VSCONN_VIRTUAL);
  const port = load<u32>(c, VSCONN_PORTS) & 0xffff;
  if (trace.on) trace.note(STEP_IPVS, ns, frame, IPVS_REPLY, virtual, port);
  rewriteTransport(ns, frame, ip, length, MANIP_SRC, virtual, port);
  connections.follow(c, flags, true);
  mark(frame);
  alterReply(frame, virtual, port, false);
  return NF_ACCEPT;
}

/** Whether a packet that ip_vs has sent on belongs to a connection, which it returns (xt_ipvs); 0: none. */
export function connectionOf(ns: usize, frame: usize, ip: usize, length: i32): usize {
  const ipvs = load<usize>(ns, NS_IPVS);
  const ports = ipvs && isOurs(frame) ? portsOf(ip, length) : 0;
  if (!ports) return 0;
  const protocol = <u32>ipv4.protocol(ip);
  return connections.findReply(ipvs, ipv4.destination(ip), ipv4.source(ip), rotl<u32>(ports, 16), protocol);
}

// ---- ICMP errors

/** The packet that an ICMP error quotes, with at least its ports; 0: it quotes none that counts. */
function quoted(ip: usize, length: i32): usize {
  const at = ipv4.payload(ip);
  const bytes = length - ipv4.headerLength(ip);
  if (bytes < icmp.ICMP_LENGTH + ipv4.IPV4_LENGTH + 8) return 0;
  const type = icmp.type(at);
  if (type != icmp.DEST_UNREACHABLE && type != icmp.SOURCE_QUENCH && type != icmp.TIME_EXCEEDED) return 0;
  const inner = at + icmp.ICMP_LENGTH;
  if (ipv4.fragment(inner) & ipv4.OFFSET_MASK || bytes - icmp.ICMP_LENGTH - ipv4.headerLength(inner) < 8) return 0;
  const protocol = ipv4.protocol(inner);
  return protocol == ipv4.PROTO_TCP || protocol == ipv4.PROTO_UDP ? inner : 0;
}

/**
 * An error at FORWARD, of whose virtual service this host does not have the address: the server is told, unless it is this host
 * (ip_vs_forward_icmp).
 */
export function forwardedError(ns: usize, frame: usize, ip: usize, length: i32): i32 {
  if (ipv4.protocol(ip) != ipv4.PROTO_ICMP) return NF_ACCEPT;
  const verdict = errorToServer(ns, load<usize>(ns, NS_IPVS), frame, ip, length);
  return verdict == NF_ACCEPT && isOurs(frame) ? NF_DROP : verdict;
}

/** About an answer of the virtual service: the server is told (ip_vs_in_icmp). */
function errorToServer(ns: usize, ipvs: usize, frame: usize, ip: usize, length: i32): i32 {
  const inner = quoted(ip, length);
  if (!inner) return NF_ACCEPT;
  const ports = rotl<u32>(get32(ipv4.payload(inner)), 16);
  const c = connections.find(ipvs, ipv4.destination(inner), ipv4.source(inner), ports, <u32>ipv4.protocol(inner));
  if (!c) return NF_ACCEPT;
  recorder.spoil();
  if (!isWhole(ip, length)) return NF_DROP;
  if (trace.on) noteServer(ns, frame, IPVS_KNOWN, c, 0);
  connection = c;
  return pass(ns, frame, ip, length, c);
}

function isWhole(ip: usize, length: i32): bool {
  return icmp.checksumValid(ipv4.payload(ip), length - ipv4.headerLength(ip));
}

/** About a packet to the server: the client is told in the virtual service's name (ip_vs_out_icmp). */
function errorToClient(ns: usize, ipvs: usize, frame: usize, ip: usize, length: i32): i32 {
  const inner = quoted(ip, length);
  if (!inner) return NF_ACCEPT;
  const ports = rotl<u32>(get32(ipv4.payload(inner)), 16);
  const c = connections.findReply(ipvs, ipv4.destination(inner), ipv4.source(inner), ports, <u32>ipv4.protocol(inner));
  if (!c) return NF_ACCEPT;
  recorder.spoil();
  if (!isWhole(ip, length)) return NF_DROP;
  const virtual = load<u32>(c, VSCONN_VIRTUAL);
  const port = load<u32>(c, VSCONN_PORTS) & 0xffff;
  if (trace.on) trace.note(STEP_IPVS, ns, frame, IPVS_REPLY, virtual, port);
  rewriteError(ip, length, virtual, port, true);
  mark(frame);
  return NF_ACCEPT;
}

/** Changes an error outside and inside; the checksum of the quoted transport header stays as it is (ip_vs_nat_icmp). */
function rewriteError(ip: usize, length: i32, address: u32, port: u32, toClient: bool): void {
  const at = ipv4.payload(ip);
  const inner = at + icmp.ICMP_LENGTH;
  const l4 = ipv4.payload(inner);
  if (toClient) {
    ipv4.setSource(ip, address);
    ipv4.setDestination(inner, address);
    put16(l4 + 2, <i32>port);
  } else {
    ipv4.setDestination(ip, address);
    ipv4.setSource(inner, address);
    put16(l4, <i32>port);
  }
  put16(at + icmp.ICMP_CHECKSUM, 0);
  put16(at + icmp.ICMP_CHECKSUM, checksum(at, length - ipv4.headerLength(ip), 0));
}
