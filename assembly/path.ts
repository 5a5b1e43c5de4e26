// A frame's life, from the device that receives it to the device that sends it or the socket that takes it. Read from top to
// bottom; the layers below return outcomes with names, and here they are acted on.
//
//   receive -> bridge port? learn, forward, flood | ARP | IPv4 | IPv6 (path/ipv6.ts)
//   IPv4: check -> PREROUTING -> route -> local: INPUT, socket | forward: TTL, FORWARD -> POSTROUTING -> neighbour -> transmit
//   sockets -> OUTPUT -> POSTROUTING -> neighbour -> transmit
import {
  DEVICE_BRIDGE,
  DEVICE_DUMMY,
  DEVICE_LOOPBACK,
  DEVICE_VETH,
  DEVICE_VXLAN,
  DROP_ARP_IGNORED,
  DROP_BRIDGE_NO_EGRESS_PORT,
  DROP_DEV_HDR,
  DROP_DEV_READY,
  DROP_FRAGMENT,
  DROP_FRAG_NEEDED,
  DROP_ICMP_CSUM,
  DROP_ICMP_IGNORED,
  DROP_IP_INHDR,
  DROP_IP_NOPROTO,
  DROP_IP_OUTNOROUTES,
  DROP_IP_TUNNEL_ECN,
  DROP_LOCAL_MAC,
  DROP_MAC_INVALID_SOURCE,
  DROP_NEIGH_FAILED,
  DROP_NEIGH_QUEUEFULL,
  DROP_NETFILTER_DROP,
  DROP_NO_SOCKET,
  DROP_NO_TX_TARGET,
  DROP_OTHERHOST,
  DROP_PKT_TOO_BIG,
  DROP_PKT_TOO_SMALL,
  DROP_SOCKET_RCVBUFF,
  DROP_TTL_EXPIRED,
  DROP_UDP_CSUM,
  DROP_UNHANDLED_PROTO,
  DROP_VXLAN_ENTRY_EXISTS,
  DROP_VXLAN_INVALID_HDR,
  DROP_VXLAN_VNI_NOT_FOUND,
  NF_ACCEPT,
  NF_STOLEN,
  PORT_BCAST_FLOOD,
  PORT_FLOOD,
  PORT_MCAST_FLOOD,
  ROUTE_BROADCAST,
  ROUTE_LOCAL,
  ROUTE_UNICAST,
  USED_ARP,
  USED_SOCKET,
  USED_SPLIT,
} from "./layout/codes.ts";
import { REAL_ADDRESS } from "./layout/balancer.ts";
import * as F from "./layout/frame.ts";
import { VSCONN_REAL } from "./layout/ipvs.ts";
import * as R from "./layout/records.ts";
import * as T from "./layout/trace.ts";
import {
  HOOK_FORWARD,
  HOOK_INPUT,
  HOOK_OUTPUT,
  HOOK_POSTROUTING,
  HOOK_PREROUTING,
  TARGET_REJECT_CODE,
  TARGET_REJECT_TCP_RESET,
} from "./layout/rules.ts";
import * as checker from "./app/checker.ts";
import * as client from "./app/client.ts";
import * as connections from "./app/connections.ts";
import * as datagram from "./app/datagram.ts";
import * as exchange from "./app/exchange.ts";
import * as dnsServer from "./app/dns-server.ts";
import * as ingress from "./app/ingress.ts";
import * as program from "./app/program.ts";
import * as relay from "./app/relay.ts";
import * as service from "./app/service.ts";
import * as meter from "./app/meter.ts";
import * as stream from "./app/stream.ts";
import * as taker from "./app/taker.ts";
import { addressType } from "./fib/route.ts";
import * as flows from "./flow/cache.ts";
import * as arp from "./ip/arp.ts";
import * as errorsSix from "./ip/icmpv6-error.ts";
import { check } from "./ip/check.ts";
import { attachRelated, makeRedirect, sendError, sendNoRoute } from "./ip/icmp-error.ts";
import * as neighbour from "./ip/neighbour.ts";
import * as fragment from "./ip/fragment.ts";
import * as split from "./ip/split.ts";
import { finish, newPacketFor, nextId, payloadOf } from "./ip/packet.ts";
import * as options from "./ip/options.ts";
import * as route from "./ip/route-packet.ts";
import * as balancer from "./ip/virtual-server.ts";
import * as ipvs from "./ipvs/hook.ts";
import * as bridge from "./link/bridge.ts";
import * as netem from "./link/netem.ts";
import * as vxlan from "./link/vxlan.ts";
import * as backlog from "./memory/backlog.ts";
import { isSix } from "./memory/addresses.ts";
import { copy } from "./memory/bytes.ts";
import { MICROSECOND, now } from "./memory/clock.ts";
import * as cpu from "./memory/cpu.ts";
import * as events from "./memory/events.ts";
import { below } from "./memory/random.ts";
import * as recorder from "./memory/recorder.ts";
import * as hooks from "./netfilter/hooks.ts";
import { mayReset, mayTell } from "./netfilter/reject.ts";
import { NF_REJECT, rejection } from "./netfilter/target.ts";
import * as six from "./path/ipv6.ts";
import { DIRECTION_IN, DIRECTION_OUT, capture } from "./observe/capture.ts";
import { drop } from "./observe/drops.ts";
import * as sockets from "./socket/table.ts";
import * as trace from "./observe/trace.ts";
import * as tcp from "./socket/tcp.ts";
import * as udp from "./socket/udp.ts";
import { packetLength } from "./track/conntrack.ts";
import * as track from "./track/table.ts";
import * as trackTcp from "./track/tcp.ts";
import * as ethernet from "./wire/ethernet.ts";
import * as icmp from "./wire/icmp.ts";
import * as icmpv6 from "./wire/icmpv6.ts";
import * as anyIp from "./wire/ip.ts";
import * as ipv4 from "./wire/ipv4.ts";
import * as ipv6 from "./wire/ipv6.ts";
import * as wireTcp from "./wire/tcp.ts";
import * as wireUdp from "./wire/udp.ts";
import * as wireVxlan from "./wire/vxlan.ts";

function namespaceOf(device: usize): usize {
  return load<usize>(device, R.DEV_NAMESPACE);
}

function flag(frame: usize, bit: u32): bool {
  return (load<u32>(frame, F.FRAME_FLAGS) & bit) != 0;
}

function setFlag(frame: usize, bit: u32): void {
  store<u32>(frame, load<u32>(frame, F.FRAME_FLAGS) | bit, F.FRAME_FLAGS);
}

function clearFlag(frame: usize, bit: u32): void {
  store<u32>(frame, load<u32>(frame, F.FRAME_FLAGS) & ~bit, F.FRAME_FLAGS);
}

/** Works off the backlog: everything that follows, within the machine and at this moment, from what was just done. */
export function settle(): void {
  for (let frame = backlog.shift(); frame; frame = backlog.shift()) {
    if (load<i32>(frame, F.FRAME_STAGE) == F.STAGE_RECEIVE) arrive(load<usize>(frame, F.FRAME_DEVICE), frame);
    else depart(frame);
  }
}

/** A frame comes in by a device: it goes the way of the last one like it, if that is known, or has its own noted. */
export function arrive(device: usize, frame: usize): void {
  if (!recorder.hasNoted(frame)) {
    const how = flows.taken(device, frame);
    if (how == flows.DELIVERED) transport(namespaceOf(load<usize>(frame, F.FRAME_DEVICE)), frame);
    if (how != flows.NOT_TAKEN) return;
  }
  receive(device, frame);
  recorder.endTurn();
}

/** The same for a packet of a socket. */
function depart(frame: usize): void {
  if (cpu.core) cpu.chargeSocket(load<u32>(frame, F.FRAME_LENGTH));
  const how = flows.takenOut(load<usize>(frame, F.FRAME_NAMESPACE), frame);
  if (how == flows.DELIVERED) transport(namespaceOf(load<usize>(frame, F.FRAME_DEVICE)), frame);
  if (how != flows.NOT_TAKEN) return;
  output(frame);
  recorder.endTurn();
}

/** A datagram or segment that has come to its namespace is for a socket. */
function transport(ns: usize, frame: usize): void {
  if (cpu.core) cpu.chargeSocket(load<u32>(frame, F.FRAME_LENGTH));
  if (ipv4.protocol(load<usize>(frame, F.FRAME_NETWORK)) == ipv4.PROTO_UDP) udpReceive(ns, frame);
  else tcpReceive(ns, frame);
}

// ---- receiving

/** A frame comes in by a device. */
export function receive(device: usize, frame: usize): void {
  const ns = namespaceOf(device);
  if (cpu.core) cpu.charge(R.CPU_HOP);
  if (!load<u32>(device, R.DEV_RUNNING)) {
    drop(ns, frame, DROP_DEV_READY);
    return;
  }
  if (load<u32>(frame, F.FRAME_LENGTH) < <u32>ethernet.ETHERNET_LENGTH) {
    drop(ns, frame, DROP_DEV_HDR);
    return;
  }
  const at = load<usize>(frame, F.FRAME_DATA);
  if (ethernet.isTagged(at)) {
    if (load<u32>(frame, F.FRAME_LENGTH) < <u32>(ethernet.ETHERNET_LENGTH + ethernet.TAG_LENGTH)) {
      drop(ns, frame, DROP_DEV_HDR);
      return;
    }
    setFlag(frame, F.FRAME_IS_TAGGED);
  }
  if (load<usize>(device, R.DEV_CAPTURE)) capture(device, frame, DIRECTION_IN);
  countReceived(device);
  store<usize>(frame, device, F.FRAME_DEVICE);
  store<usize>(frame, at + ethernet.ETHERNET_LENGTH, F.FRAME_NETWORK);
  store<usize>(frame, device, F.FRAME_INPUT);
  store<i32>(frame, packetType(device, at), F.FRAME_PACKET_TYPE);
  if (trace.on) trace.note(T.STEP_RECEIVE, ns, frame, <u32>device);
  if (load<usize>(device, R.DEV_MASTER)) bridgeReceive(ns, device, frame, at);
  else protocolReceive(ns, device, frame);
}

function countReceived(device: usize): void {
  if (recorder.frame) recorder.note(recorder.COUNTED, device + R.DEV_RX_PACKETS);
  store<u64>(device, load<u64>(device, R.DEV_RX_PACKETS) + 1, R.DEV_RX_PACKETS);
}

/** For whom a frame is, by its destination address (eth_type_trans). */
function packetType(device: usize, at: usize): i32 {
  if (load<i32>(device, R.DEV_KIND) == DEVICE_LOOPBACK) return F.PACKET_HOST;
  const high = ethernet.destinationHigh(at);
  const low = ethernet.destinationLow(at);
  if (ethernet.isGroup(high)) return ethernet.isBroadcast(high, low) ? F.PACKET_BROADCAST : F.PACKET_MULTICAST;
  const own = load<u32>(device, R.DEV_MAC_HIGH) == high && load<u32>(device, R.DEV_MAC_LOW) == low;
  return own ? F.PACKET_HOST : F.PACKET_OTHERHOST;
}

function protocolReceive(ns: usize, device: usize, frame: usize): void {
  const type = ethernet.etherType(load<usize>(frame, F.FRAME_DATA));
  if (type == ethernet.TYPE_IPV4) ipReceive(ns, device, frame);
  else if (type == ethernet.TYPE_IPV6) six.receive(ns, device, frame);
  else if (type == ethernet.TYPE_ARP) arpReceive(ns, device, frame);
  else if (flag(frame, F.FRAME_IS_TAGGED)) taggedReceive(ns, device, frame);
  else drop(ns, frame, DROP_UNHANDLED_PROTO);
}

/** No device takes the VLAN; a tag that says only a priority is taken off (__netif_receive_skb_core). */
function taggedReceive(ns: usize, device: usize, frame: usize): void {
  if (ethernet.vlanOf(load<usize>(frame, F.FRAME_DATA))) {
    drop(ns, frame, DROP_OTHERHOST);
    return;
  }
  untag(frame);
  clearFlag(frame, F.FRAME_IS_TAGGED);
  protocolReceive(ns, device, frame);
}

/** Takes the VLAN tag off a frame. */
function untag(frame: usize): void {
  const at = load<usize>(frame, F.FRAME_DATA);
  ethernet.removeTag(at);
  store<usize>(frame, at + ethernet.TAG_LENGTH, F.FRAME_DATA);
  store<usize>(frame, at + ethernet.TAG_LENGTH + ethernet.ETHERNET_LENGTH, F.FRAME_NETWORK);
  store<u32>(frame, load<u32>(frame, F.FRAME_LENGTH) - <u32>ethernet.TAG_LENGTH, F.FRAME_LENGTH);
}

/** Whether a device may take a frame: an Ethernet header and a VLAN tag more than its MTU fit (is_skb_forwardable). */
function fits(device: usize, frame: usize): bool {
  const limit = load<u32>(device, R.DEV_MTU) + <u32>(ethernet.ETHERNET_LENGTH + ethernet.TAG_LENGTH);
  const length = load<u32>(frame, F.FRAME_LENGTH);
  recorder.limit(limit);
  return length <= limit || (flag(frame, F.FRAME_IS_TAGGED) && length - <u32>ethernet.TAG_LENGTH <= limit);
}

// ---- bridge

/** A frame comes in by a port of a bridge (br_handle_frame). */
function bridgeReceive(ns: usize, port: usize, frame: usize, at: usize): void {
  const master = load<usize>(port, R.DEV_MASTER);
  const sourceHigh = ethernet.sourceHigh(at);
  if (ethernet.isGroup(sourceHigh) || (sourceHigh == 0 && ethernet.sourceLow(at) == 0)) {
    drop(ns, frame, DROP_MAC_INVALID_SOURCE);
    return;
  }
  const high = ethernet.destinationHigh(at);
  const low = ethernet.destinationLow(at);
  // Reserved addresses stop here, except those that the bridge is told to forward and that of the spanning tree, which a
  // bridge without one forwards.
  const forwarded = load<u32>(master, R.DEV_GROUP_FORWARD) & (1 << (low & 15));
  if (ethernet.isLinkLocal(high, low) && low & 15 && !forwarded) {
    if ((low & 15) == 1) {
      drop(ns, frame, DROP_BRIDGE_NO_EGRESS_PORT);
      return;
    }
    bridge.learn(port, sourceHigh, ethernet.sourceLow(at));
    protocolReceive(ns, port, frame);
    return;
  }
  if (load<u32>(master, R.DEV_MAC_HIGH) == high && load<u32>(master, R.DEV_MAC_LOW) == low) {
    store<i32>(frame, F.PACKET_HOST, F.FRAME_PACKET_TYPE);
  }
  store<usize>(frame, port, F.FRAME_PHYS_IN);
  const filtered = load<u32>(ns + R.NS_SYSCTLS, R.SYSCTL_BRIDGE_NF << 2) != 0;
  const type = ethernet.etherType(at);
  if (filtered && type == ethernet.TYPE_IPV4) bridgePrerouting(ns, master, port, frame, check(frame));
  else if (type == ethernet.TYPE_IPV6 && load<u32>(ns + R.NS_SYSCTLS, R.SYSCTL_BRIDGE_NF6 << 2)) {
    recorder.spoil();
    bridgePrerouting(ns, master, port, frame, six.check(frame));
  } else bridgeFinish(ns, port, frame);
}

/** br_netfilter: the hook PREROUTING before the bridge decides (br_nf_pre_routing, br_nf_pre_routing_ipv6); `bad` is what is wrong with the packet. */
function bridgePrerouting(ns: usize, master: usize, port: usize, arrived: usize, bad: i32): void {
  if (bad) {
    drop(ns, arrived, bad);
    return;
  }
  const frame = gathered(ns, arrived, fragment.FOR_BRIDGE);
  if (!frame) return;
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  const before = anyIp.destination(ip);
  const type = load<i32>(frame, F.FRAME_PACKET_TYPE);
  setFlag(frame, F.FRAME_IS_NF_BRIDGE | F.FRAME_IS_PREROUTED);
  if (type == F.PACKET_OTHERHOST) store<i32>(frame, F.PACKET_HOST, F.FRAME_PACKET_TYPE);
  if (!passes(ns, HOOK_PREROUTING, frame, master, 0)) return;
  if (anyIp.destination(ip) == before) {
    store<i32>(frame, type, F.FRAME_PACKET_TYPE);
    bridgeFinish(ns, port, frame);
    return;
  }
  // Translated: stays on the bridge if the new destination is behind it, else it is for this host to route.
  const decision = anyIp.isSix(ip) ? route.incomingSix(ns, frame, master) : route.incoming(ns, frame, master);
  if (trace.on) traceRoute(ns, frame, decision, 1);
  if (decision == route.TO_NOWHERE || decision == route.TO_UNREACHABLE) {
    drop(ns, frame, route.reason);
    return;
  }
  if (decision == route.TO_FORWARD && route.device == master) {
    setFlag(frame, F.FRAME_IS_BRIDGED_DNAT);
    resolve(ns, master, neighbour.entryOf(ns, master, route.nextHop), frame);
    return;
  }
  const at = load<usize>(frame, F.FRAME_DATA);
  ethernet.setDestination(at, load<u32>(master, R.DEV_MAC_HIGH), load<u32>(master, R.DEV_MAC_LOW));
  store<i32>(frame, F.PACKET_HOST, F.FRAME_PACKET_TYPE);
  bridgeFinish(ns, port, frame);
}

/** Learns where the frame came from and decides where it goes (br_handle_frame_finish). */
function bridgeFinish(ns: usize, port: usize, frame: usize): void {
  const at = load<usize>(frame, F.FRAME_DATA);
  const master = load<usize>(port, R.DEV_MASTER);
  bridge.learn(port, ethernet.sourceHigh(at), ethernet.sourceLow(at));
  const high = ethernet.destinationHigh(at);
  const low = ethernet.destinationLow(at);
  if (ethernet.isGroup(high)) {
    bridgeFlood(ns, master, port, frame, ethernet.isBroadcast(high, low) ? PORT_BCAST_FLOOD : PORT_MCAST_FLOOD, true);
    bridgeUp(ns, master, frame);
    return;
  }
  const found = bridge.lookup(master, high, low);
  if (found == bridge.FOUND_LOCAL) bridgeUp(ns, master, frame);
  else if (found == bridge.FOUND_PORT) bridgeForward(ns, port, bridge.foundPort, frame);
  else bridgeFlood(ns, master, port, frame, PORT_FLOOD, false);
}

/** The frame is for the bridge's own interface (br_pass_frame_up). */
function bridgeUp(ns: usize, master: usize, frame: usize): void {
  if (trace.on) trace.note(T.STEP_BRIDGE, ns, frame, load<u32>(frame, F.FRAME_INPUT), T.BRIDGED_UP);
  if (load<usize>(master, R.DEV_CAPTURE)) capture(master, frame, DIRECTION_IN);
  countReceived(master);
  store<usize>(frame, master, F.FRAME_DEVICE);
  store<usize>(frame, master, F.FRAME_INPUT);
  protocolReceive(ns, master, frame);
}

/** Out of every port that may, the newest first; a copy each. With `keep` the frame itself is left to the caller (br_flood). */
function bridgeFlood(ns: usize, master: usize, from: usize, frame: usize, kind: u32, keep: bool): void {
  if (trace.on) trace.note(T.STEP_BRIDGE, ns, frame, <u32>from, T.BRIDGED_FLOOD);
  recorder.spoil();
  let last: usize = 0;
  for (let port = load<usize>(master, R.DEV_PORTS); port; port = load<usize>(port, R.DEV_PORT_NEXT)) {
    if (!(load<u32>(port, R.DEV_PORT_FLAGS) & kind) || !bridge.mayLeave(from, port)) continue;
    if (last) bridgeLeave(ns, last, track.clone(frame));
    last = port;
  }
  if (last) bridgeLeave(ns, last, keep ? track.clone(frame) : frame);
  else if (!keep) drop(ns, frame, DROP_BRIDGE_NO_EGRESS_PORT);
}

/** Out of one port, if it may (br_forward). */
function bridgeForward(ns: usize, from: usize, to: usize, frame: usize): void {
  const may = bridge.mayLeave(from, to);
  if (trace.on) {
    trace.note(T.STEP_BRIDGE, ns, frame, <u32>from, may ? T.BRIDGED_FORWARD : T.BRIDGED_REFUSED, <u32>to);
  }
  if (may) bridgeLeave(ns, to, frame);
  else drop(ns, frame, DROP_BRIDGE_NO_EGRESS_PORT);
}

/** br_netfilter's FORWARD and POSTROUTING for what came in by a port, then out (br_forward_finish). */
function bridgeLeave(ns: usize, port: usize, frame: usize): void {
  if (flag(frame, F.FRAME_IS_NF_BRIDGE)) {
    const master = load<usize>(port, R.DEV_MASTER);
    store<usize>(frame, port, F.FRAME_PHYS_OUT);
    // The rules see what is for another as if it were for this host, and may tell its sender so.
    if (load<i32>(frame, F.FRAME_PACKET_TYPE) == F.PACKET_OTHERHOST) {
      store<i32>(frame, F.PACKET_HOST, F.FRAME_PACKET_TYPE);
    }
    if (!passes(ns, HOOK_FORWARD, frame, master, master)) return;
    if (!passes(ns, HOOK_POSTROUTING, frame, 0, master)) return;
    const largest = load<i32>(frame, F.FRAME_FRAGMENT_MAX);
    const mtu = load<i32>(port, R.DEV_MTU);
    if (largest && packetLength(frame) > min<i32>(largest, mtu)) {
      if (anyIp.isSix(load<usize>(frame, F.FRAME_NETWORK))) split.splitSix(ns, frame, mtu);
      else split.split(frame, mtu);
      for (let part = split.next(); part; part = split.next()) transmit(port, part);
      track.consume(frame, USED_SPLIT);
      return;
    }
  }
  if (fits(port, frame)) transmit(port, frame);
  else drop(ns, frame, DROP_PKT_TOO_BIG);
}

/** The bridge's own interface sends a frame (br_dev_xmit). */
function bridgeTransmit(ns: usize, master: usize, frame: usize): void {
  const at = load<usize>(frame, F.FRAME_DATA);
  const high = ethernet.destinationHigh(at);
  const low = ethernet.destinationLow(at);
  // What was routed here is not bridged traffic any more.
  clearFlag(frame, F.FRAME_IS_NF_BRIDGE);
  if (ethernet.isGroup(high)) {
    bridgeFlood(ns, master, 0, frame, ethernet.isBroadcast(high, low) ? PORT_BCAST_FLOOD : PORT_MCAST_FLOOD, false);
    return;
  }
  const found = bridge.lookup(master, high, low);
  if (found == bridge.FOUND_PORT) bridgeForward(ns, 0, bridge.foundPort, frame);
  else if (found == bridge.FOUND_LOCAL) drop(ns, frame, DROP_BRIDGE_NO_EGRESS_PORT);
  else bridgeFlood(ns, master, 0, frame, PORT_FLOOD, false);
}

// ---- tunnels

/** A frame leaves by a vxlan device: a packet to each host that its destination is behind, the first one last (vxlan_xmit). */
function tunnelTransmit(ns: usize, device: usize, frame: usize): void {
  const at = load<usize>(frame, F.FRAME_DATA);
  const first = vxlan.destination(device, ethernet.destinationHigh(at), ethernet.destinationLow(at));
  if (!first) {
    drop(ns, frame, DROP_NO_TX_TARGET);
    return;
  }
  for (let entry = vxlan.nextRemote(first); entry; entry = vxlan.nextRemote(entry)) {
    tunnelSend(ns, device, track.clone(frame), vxlan.remoteOf(entry));
  }
  tunnelSend(ns, device, frame, vxlan.remoteOf(first));
}

/** To one host (vxlan_xmit_one). */
function tunnelSend(ns: usize, device: usize, frame: usize, remote: u32): void {
  const local = vxlan.localOf(device);
  if (route.outgoing(ns, remote, local) == route.TO_NOWHERE) {
    drop(ns, frame, DROP_IP_OUTNOROUTES);
    return;
  }
  const source = local ? local : route.source;
  // What a socket of this host or a router has sent learns what fits (skb_tunnel_check_pmtu); the frame itself is cut outside.
  const most = route.mtu - <u32>vxlan.OVERHEAD;
  const at = load<usize>(frame, F.FRAME_DATA);
  const large = load<u32>(frame, F.FRAME_LENGTH) - <u32>ethernet.ETHERNET_LENGTH > most;
  if (large && !load<usize>(device, R.DEV_MASTER) && ethernet.etherType(at) == ethernet.TYPE_IPV4) {
    route.learnMtu(ns, ipv4.destination(at + ethernet.ETHERNET_LENGTH), most);
  }
  enterTunnel(frame);
  output(vxlan.encapsulate(ns, device, frame, source, remote, nextId(ns)));
}

/** What the namespace knew of a frame is forgotten when it enters a tunnel or comes out of one, but not its mark. */
function enterTunnel(frame: usize): void {
  const mark = load<u32>(frame, F.FRAME_MARK);
  scrub(frame);
  store<u32>(frame, mark, F.FRAME_MARK);
  store<u32>(frame, 0, F.FRAME_FLAGS);
  store<u32>(frame, 0, F.FRAME_FRAGMENT_MAX);
  store<u32>(frame, 0, F.FRAME_FRAGMENT_DF);
}

/** A datagram for a vxlan port: the frame inside comes in by the device of its network (vxlan_rcv). */
function tunnelReceive(ns: usize, frame: usize, at: usize, length: i32): void {
  const outer = load<usize>(frame, F.FRAME_NETWORK);
  const inner = at + wireVxlan.VXLAN_LENGTH;
  if (length < wireVxlan.VXLAN_LENGTH + ethernet.ETHERNET_LENGTH || !wireVxlan.isPlain(at)) {
    drop(ns, frame, DROP_VXLAN_INVALID_HDR);
    return;
  }
  const port = <u32>wireUdp.destinationPort(ipv4.payload(outer));
  const device = vxlan.deviceOf(ns, port, wireVxlan.vni(at));
  if (!device) {
    drop(ns, frame, DROP_VXLAN_VNI_NOT_FOUND);
    return;
  }
  const high = ethernet.sourceHigh(inner);
  const low = ethernet.sourceLow(inner);
  let bad: i32 = 0;
  if (load<u32>(device, R.DEV_MAC_HIGH) == high && load<u32>(device, R.DEV_MAC_LOW) == low) bad = DROP_LOCAL_MAC;
  else if (ethernet.isGroup(high) || (high == 0 && low == 0)) bad = DROP_MAC_INVALID_SOURCE;
  else if (!vxlan.learn(device, high, low, ipv4.source(outer))) bad = DROP_VXLAN_ENTRY_EXISTS;
  else if (!vxlan.takeCongestion(ipv4.tos(outer), inner)) bad = DROP_IP_TUNNEL_ECN;
  else if (!load<u32>(device, R.DEV_UP)) bad = DROP_DEV_READY;
  if (bad) {
    drop(ns, frame, bad);
    return;
  }
  enterTunnel(frame);
  store<usize>(frame, inner, F.FRAME_DATA);
  store<i32>(frame, length - wireVxlan.VXLAN_LENGTH, F.FRAME_LENGTH);
  store<usize>(frame, device, F.FRAME_DEVICE);
  backlog.push(frame, F.STAGE_RECEIVE);
}

// ---- ARP

function arpReceive(ns: usize, device: usize, frame: usize): void {
  if (load<i32>(frame, F.FRAME_PACKET_TYPE) == F.PACKET_OTHERHOST) {
    drop(ns, frame, DROP_OTHERHOST);
    return;
  }
  if (!arp.receive(ns, device, frame)) {
    drop(ns, frame, DROP_ARP_IGNORED);
    return;
  }
  track.consume(frame, USED_ARP);
  const reply = arp.reply;
  // Whoever asks is known by that, so what waited for it goes before the answer (neigh_event_ns comes first).
  if (arp.updated) sendWaiting(ns, arp.updated);
  if (arp.held) hold(ns, device, reply, arp.held);
  else if (reply) transmit(device, reply);
}

/** An address became known: what waited for it goes out. */
export function sendWaiting(ns: usize, entry: usize): void {
  for (let frame = neighbour.takeFirst(entry); frame; frame = neighbour.takeFirst(entry)) {
    sendTo(ns, load<usize>(entry, R.NEIGH_DEVICE), entry, frame);
  }
}

/** Sends a frame after a random part of so many milliseconds (pneigh_enqueue). */
function hold(ns: usize, device: usize, frame: usize, most: u32): void {
  const at = now + <u64>below(ns + R.NS_RANDOM, most * 1000) * MICROSECOND;
  events.push(at, load<usize>(ns, R.NS_MACHINE), events.EVENT_TRANSMIT, frame, <u32>device);
}

/** Asks everybody on a link for an address that a packet waits for. */
function askAll(ns: usize, device: usize, address: u32, waiting: usize): void {
  if (isSix(address)) {
    six.ask(ns, device, address, waiting);
    return;
  }
  const source = ipv4.source(load<usize>(waiting, F.FRAME_NETWORK));
  const own = arp.announced(ns, device, address, source);
  transmit(device, arp.request(device, address, own, 0xffff, 0xffffffff));
}

/** The timer of a neighbour. */
export function neighbourTimer(entry: usize, generation: u32): void {
  const what = neighbour.onTimer(entry, generation);
  const device = load<usize>(entry, R.NEIGH_DEVICE);
  const ns = namespaceOf(device);
  const address = load<u32>(entry, R.NEIGH_ADDRESS);
  if (what == neighbour.TIMER_ASK_ALL) {
    askAll(ns, device, address, load<usize>(entry, R.NEIGH_QUEUE_TAIL));
  } else if (what == neighbour.TIMER_ASK_ONE && isSix(address)) {
    six.ask(ns, device, address, 0);
  } else if (what == neighbour.TIMER_ASK_ONE) {
    const high = load<u32>(entry, R.NEIGH_MAC_HIGH);
    transmit(device, arp.request(device, address, 0, high, load<u32>(entry, R.NEIGH_MAC_LOW)));
  } else if (what == neighbour.TIMER_FAILED) {
    for (let frame = neighbour.takeFirst(entry); frame; frame = neighbour.takeFirst(entry)) {
      sendUnreachable(ns, frame, icmp.HOST_UNREACHABLE, icmpv6.ADDRESS_UNREACHABLE);
      drop(ns, frame, DROP_NEIGH_FAILED);
    }
  }
}

// ---- IPv4 in

/** Takes a packet through a hook. False: it is gone, dropped or rejected. */
export function passes(ns: usize, hook: i32, frame: usize, input: usize, outputDevice: usize): bool {
  const rules = ns + (anyIp.isSix(load<usize>(frame, F.FRAME_NETWORK)) ? R.NS_RULES6 : R.NS_RULES);
  return !load<usize>(rules) || hookPasses(ns, rules, hook, frame, input, outputDevice);
}

function hookPasses(ns: usize, rules: usize, hook: i32, frame: usize, input: usize, outputDevice: usize): bool {
  if (frame != recorder.frame) recorder.spoil();
  const verdict = hooks.run(ns, rules, hook, frame, input, outputDevice);
  if (verdict == NF_ACCEPT) return true;
  if (verdict == NF_REJECT) {
    reject(ns, hook, frame);
    drop(ns, frame, DROP_NETFILTER_DROP);
  } else if (verdict == NF_STOLEN) {
    sendToServer(ns, frame, ipvs.connection);
  } else {
    drop(ns, frame, hooks.reason);
  }
  return false;
}

/** ip_vs sends a packet on to a real server on another host (ip_vs_nat_xmit); with `c` 0 there is none (ip_vs_leave). */
function sendToServer(ns: usize, frame: usize, c: usize): void {
  if (!c) {
    sendError(ns, frame, icmp.DEST_UNREACHABLE, icmp.PORT_UNREACHABLE, 0);
    drop(ns, frame, DROP_NETFILTER_DROP);
    return;
  }
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  const decision = route.outgoing(ns, load<u32>(c, VSCONN_REAL));
  if (decision != route.TO_FORWARD) {
    if (trace.on) traceRoute(ns, frame, decision, 0);
    sendError(ns, frame, icmp.DEST_UNREACHABLE, icmp.HOST_UNREACHABLE, 0);
    drop(ns, frame, DROP_IP_OUTNOROUTES);
    return;
  }
  route.remember(frame);
  const device = route.device;
  const mtu = route.mtu;
  if (!hopsLeft(ns, frame, ip)) return;
  const length = packetLength(frame);
  const df = (ipv4.fragment(ip) & ipv4.FLAG_DF) != 0;
  if (df && <u32>length > mtu && ipv4.protocol(ip) != ipv4.PROTO_ICMP) {
    sendError(ns, frame, icmp.DEST_UNREACHABLE, icmp.FRAG_NEEDED, mtu);
    drop(ns, frame, DROP_FRAG_NEEDED);
    return;
  }
  ipv4.decreaseTtl(ip);
  ipvs.rewriteToServer(ns, frame, ip, length, c);
  if (trace.on) traceRoute(ns, frame, decision, 0);
  if (passes(ns, HOOK_OUTPUT, frame, 0, device)) ipOutput(ns, frame, 0);
}

/** REJECT: a TCP reset, or ICMP destination unreachable (nf_send_reset, nf_send_unreach). */
function reject(ns: usize, hook: i32, frame: usize): void {
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  if (anyIp.isLaterFragment(ip)) return;
  if (load<u32>(rejection, TARGET_REJECT_TCP_RESET)) {
    if (mayReset(ns, frame, hook)) sendRejectReset(ns, frame);
  } else if (anyIp.isSix(ip)) {
    if (mayTell(ns, frame) && !isBeingAnswered(frame, hook))
      errorsSix.sendError(ns, frame, icmpv6.DEST_UNREACHABLE, load<i32>(rejection, TARGET_REJECT_CODE), 0);
  } else if (mayTell(ns, frame) && !isBeingAnswered(frame, hook)) {
    sendError(ns, frame, icmp.DEST_UNREACHABLE, load<i32>(rejection, TARGET_REJECT_CODE), 0);
  }
}

/** Whether the host is just sending an answer to an echo request: then it sends no other ICMP message (icmp_xmit_lock, icmpv6_xmit_lock). */
function isBeingAnswered(frame: usize, hook: i32): bool {
  return flag(frame, F.FRAME_IS_ECHO) && (hook == HOOK_OUTPUT || hook == HOOK_POSTROUTING);
}

/** The reset of a REJECT: it belongs to the connection that it ends (nf_send_reset). */
function sendRejectReset(ns: usize, frame: usize): void {
  const answer = tcp.makeReset(ns, frame, load<u32>(frame, F.FRAME_LINE), 0);
  if (!answer) return;
  if (trace.on) trace.note(T.STEP_RESET, ns, frame);
  attachRelated(frame, answer);
  const entry = load<usize>(frame, F.FRAME_CT);
  if (entry) trackTcp.close(entry, ns);
  const port = load<usize>(frame, F.FRAME_PHYS_IN);
  if (!flag(frame, F.FRAME_IS_NF_BRIDGE) || !port) {
    backlog.push(answer, F.STAGE_OUTPUT);
    return;
  }
  // What came in by a bridge port is answered out of that port, in the name of the one that it was for.
  const from = load<usize>(frame, F.FRAME_DATA);
  const at = load<usize>(answer, F.FRAME_NETWORK) - ethernet.ETHERNET_LENGTH;
  store<usize>(answer, at, F.FRAME_DATA);
  ethernet.setType(at, ethernet.etherType(from));
  ethernet.setDestination(at, ethernet.sourceHigh(from), ethernet.sourceLow(from));
  ethernet.setSource(at, ethernet.destinationHigh(from), ethernet.destinationLow(from));
  transmit(port, answer);
}

/** Connection tracking looks at whole packets only (nf_defrag_ipv4). 0: it is a fragment that waits for the others. */
export function gathered(ns: usize, frame: usize, user: u32): usize {
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  if (anyIp.isSix(ip)) return six.gathered(ns, frame, user);
  if (!ipv4.isFragment(ip) || !load<u32>(ns, R.NS_TRACKING)) return frame;
  return fragment.gather(ns, frame, user);
}

/** The time to put a packet together is over: the sender is told, if the packet was for this host (ip_expire). */
export function fragmentTimer(queue: usize, generation: u32): void {
  const first = fragment.expire(queue, generation);
  if (!first) return;
  const ns = namespaceOf(load<usize>(first, F.FRAME_INPUT));
  if (anyIp.isSix(load<usize>(first, F.FRAME_NETWORK))) {
    errorsSix.sendError(ns, first, icmpv6.TIME_EXCEEDED, icmpv6.FRAGMENT_TIME, 0);
    drop(ns, first, DROP_FRAGMENT);
    return;
  }
  const isLocal = addressType(ns, ipv4.destination(load<usize>(first, F.FRAME_NETWORK))) == ROUTE_LOCAL;
  if (isLocal) sendError(ns, first, icmp.TIME_EXCEEDED, icmp.FRAGMENT_TIME, 0);
  drop(ns, first, DROP_FRAGMENT);
}

/** An IPv4 packet comes in by a device (ip_rcv). */
function ipReceive(ns: usize, device: usize, arrived: usize): void {
  if (load<i32>(arrived, F.FRAME_PACKET_TYPE) == F.PACKET_OTHERHOST) {
    drop(ns, arrived, DROP_OTHERHOST);
    return;
  }
  let frame = arrived;
  if (flag(arrived, F.FRAME_IS_PREROUTED)) {
    // br_netfilter has checked the packet and called this hook already (ip_sabotage_in).
    clearFlag(arrived, F.FRAME_IS_PREROUTED);
  } else {
    const bad = check(arrived);
    if (bad) {
      drop(ns, arrived, bad);
      return;
    }
    frame = gathered(ns, arrived, fragment.FOR_TRACKING_IN);
    if (!frame || !passes(ns, HOOK_PREROUTING, frame, device, 0)) return;
  }
  let decision = route.incoming(ns, frame, device);
  if (trace.on) traceRoute(ns, frame, decision, 1);
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  if (ipv4.headerLength(ip) > ipv4.IPV4_LENGTH && decision != route.TO_NOWHERE) {
    if (!optionsPass(ns, frame, device)) return;
    if (options.rerouted) decision = route.toStop(ns, options.nextStop);
  }
  if (decision == route.TO_LOCAL) {
    ipLocal(ns, device, frame);
  } else if (decision == route.TO_FORWARD) {
    ipForward(ns, device, frame);
  } else {
    const reason = route.reason;
    if (decision == route.TO_UNREACHABLE) sendNoRoute(ns, frame, route.code);
    drop(ns, frame, reason);
  }
}

/** Notes a routing decision (route.TO_*) for a packet that came in, or with `incoming` 0 for one of this host. */
export function traceRoute(ns: usize, frame: usize, decision: i32, incoming: u32): void {
  const onward = decision == route.TO_FORWARD || (!incoming && decision == route.TO_LOCAL);
  const type = incoming
    ? load<u32>(frame, F.FRAME_ROUTE_TYPE)
    : decision == route.TO_LOCAL
      ? ROUTE_LOCAL
      : ROUTE_UNICAST;
  const found = decision == route.TO_NOWHERE && !incoming ? 0 : type;
  trace.note(T.STEP_ROUTE, ns, frame, incoming, found, onward ? <u32>route.device : 0, onward ? route.nextHop : 0);
}

/** Handles the options of a packet that came in (ip_rcv_options). False: it is gone. */
function optionsPass(ns: usize, frame: usize, device: usize): bool {
  const outcome = options.receive(ns, frame, device, load<u32>(frame, F.FRAME_ROUTE_TYPE));
  if (outcome == options.FINE) return true;
  if (outcome == options.PROBLEM) sendError(ns, frame, icmp.PARAMETER_PROBLEM, 0, options.pointer << 24);
  drop(ns, frame, DROP_IP_INHDR);
  return false;
}

/** Whether a packet may go one hop further; if not its sender is told, and it is gone. */
function hopsLeft(ns: usize, frame: usize, ip: usize): bool {
  if (ipv4.ttl(ip) > 1) return true;
  sendError(ns, frame, icmp.TIME_EXCEEDED, 0, 0);
  drop(ns, frame, DROP_TTL_EXPIRED);
  return false;
}

/** A packet for somebody else (ip_forward). The routing decision was made just before. */
function ipForward(ns: usize, input: usize, frame: usize): void {
  route.remember(frame);
  const device = route.device;
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  if (!hopsLeft(ns, frame, ip)) return;
  const hasOptions = ipv4.headerLength(ip) > ipv4.IPV4_LENGTH;
  if (hasOptions && options.isStrict() && route.usesGateway()) {
    sendError(ns, frame, icmp.DEST_UNREACHABLE, icmp.SOURCE_ROUTE_FAILED, 0);
    drop(ns, frame, DROP_IP_INHDR);
    return;
  }
  const source = hasOptions ? route.sourceOut() : 0;
  const mtu = route.mtu;
  recorder.limit(mtu + <u32>ethernet.ETHERNET_LENGTH);
  if (<u32>packetLength(frame) > mtu && ipv4.fragment(ip) & ipv4.FLAG_DF) {
    // A packet put together from fragments that had DF fits as they did.
    const largest = load<u32>(frame, F.FRAME_FRAGMENT_MAX);
    if (!largest || largest > mtu) {
      sendError(ns, frame, icmp.DEST_UNREACHABLE, icmp.FRAG_NEEDED, mtu);
      drop(ns, frame, DROP_FRAG_NEEDED);
      return;
    }
  }
  ipv4.decreaseTtl(ip);
  if (route.tellsSender && !(hasOptions && options.hasSourceRoute())) {
    recorder.spoil();
    const redirect = makeRedirect(ns, frame, load<u32>(frame, F.FRAME_NEXT_HOP));
    if (redirect) output(redirect);
  }
  if (!passes(ns, HOOK_FORWARD, frame, input, device)) return;
  if (hasOptions) options.forward(ip, source);
  ipOutput(ns, frame, input);
}

/** A packet for this host (ip_local_deliver). */
function ipLocal(ns: usize, device: usize, arrived: usize): void {
  const isFragment = ipv4.isFragment(load<usize>(arrived, F.FRAME_NETWORK));
  const frame = isFragment ? fragment.gather(ns, arrived, fragment.FOR_HOST) : arrived;
  if (!frame) return;
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  if (!passes(ns, HOOK_INPUT, frame, device, 0)) return;
  if (load<usize>(ns, R.NS_BALANCER) && balanced(ns, frame, ip)) return;
  flows.rememberDelivery(device, frame);
  if (cpu.core) cpu.chargeSocket(load<u32>(frame, F.FRAME_LENGTH));
  const protocol = ipv4.protocol(ip);
  if (protocol == ipv4.PROTO_TCP) tcpReceive(ns, frame);
  else if (protocol == ipv4.PROTO_UDP) udpReceive(ns, frame);
  else if (protocol == ipv4.PROTO_ICMP) icmpReceive(ns, frame, ip);
  else if (protocol == ipv4.PROTO_UDPLITE) udpLiteReceive(ns, frame, ip);
  // A host that has joined no groups has nothing to say to IGMP (igmp_rcv).
  else if (protocol == ipv4.PROTO_IGMP) track.consume(frame, USED_SOCKET);
  else {
    sendError(ns, frame, icmp.DEST_UNREACHABLE, icmp.PROT_UNREACHABLE, 0);
    drop(ns, frame, DROP_IP_NOPROTO);
  }
}

/**
 * A packet to a virtual address goes on, as it is, to one of the servers behind it (ip_vs_in, ip_vs_dr_xmit). False: it is for this
 * host itself.
 */
function balanced(ns: usize, frame: usize, ip: usize): bool {
  recorder.spoil();
  const outcome = balancer.choose(ns, frame, packetLength(frame));
  if (outcome == balancer.NOT_OURS) return false;
  if (outcome == balancer.NO_SERVER) {
    sendError(ns, frame, icmp.DEST_UNREACHABLE, icmp.PORT_UNREACHABLE, 0);
    drop(ns, frame, DROP_NETFILTER_DROP);
    return true;
  }
  if (!findsServer(ns, frame, ipv4.source(ip))) return true;
  const device = route.device;
  if (!hopsLeft(ns, frame, ip)) return true;
  ipv4.decreaseTtl(ip);
  if (passes(ns, HOOK_OUTPUT, frame, 0, device)) ipOutput(ns, frame, 0);
  return true;
}

/** Decides where a packet goes for which the balancer has chosen a server, and writes that into it. False: nowhere, it is gone. */
export function findsServer(ns: usize, frame: usize, source: u32): bool {
  const server = load<u32>(balancer.server, REAL_ADDRESS);
  if (trace.on) trace.note(T.STEP_BALANCE, ns, frame, server);
  const decision = route.outgoing(ns, server, source);
  if (trace.on) traceRoute(ns, frame, decision, 0);
  if (decision != route.TO_FORWARD) {
    drop(ns, frame, DROP_IP_OUTNOROUTES);
    return false;
  }
  route.remember(frame);
  return true;
}

// ---- sockets

export function udpReceive(ns: usize, frame: usize): void {
  let reason = udp.receive(ns, frame);
  if (!reason && load<u32>(udp.socket, R.SOCK_OWNER) == R.OWNER_TUNNEL) {
    if (!vxlan.isOpen(ns, load<u32>(udp.socket, R.SOCK_LOCAL_PORT))) reason = DROP_NO_SOCKET;
  }
  if (reason) {
    if (reason == DROP_NO_SOCKET) refusePort(ns, frame);
    drop(ns, frame, reason);
    return;
  }
  const socket = udp.socket;
  if (trace.on) trace.note(T.STEP_SOCKET, ns, frame, load<u32>(socket, R.SOCK_OWNER));
  const at = udp.payload;
  const length = udp.payloadLength;
  if (load<u32>(socket, R.SOCK_OWNER) == R.OWNER_TUNNEL) {
    tunnelReceive(ns, frame, at, length);
    return;
  }
  if (!udp.bufferTakes(socket)) {
    drop(ns, frame, DROP_SOCKET_RCVBUFF);
    return;
  }
  const arg = load<usize>(socket, R.SOCK_ARG);
  const line = load<u32>(frame, F.FRAME_LINE);
  const from = udp.source;
  const to = udp.destination;
  const port = <u32>wireUdp.sourcePort(at - wireUdp.UDP_LENGTH);
  switch (load<u32>(socket, R.SOCK_OWNER)) {
    case R.OWNER_SERVICE:
      if (line && stream.endsHere(at, length)) meter.count(ns, at, line, load<u32>(ns, R.NS_ID));
      else udp.sendTo(socket, to, from, port, at, length, line);
      break;
    case R.OWNER_ECHO:
      udp.sendTo(socket, load<u32>(socket, R.SOCK_LOCAL), from, port, at, length, line);
      break;
    case R.OWNER_DNS:
      dnsServer.onDatagram(socket, to, from, port, at, length, line);
      break;
    case R.OWNER_FORWARD:
      dnsServer.onAnswer(arg, at, length);
      break;
    case R.OWNER_METER:
      if (stream.arrived(at, length, line, load<u32>(frame, F.FRAME_ORIGIN))) {
        udp.sendTo(socket, to, from, port, stream.ANSWER, stream.ANSWER_LENGTH, 0);
      }
      break;
    case R.OWNER_FLOW:
      datagram.onDatagram(arg, at, length, load<u32>(frame, F.FRAME_ORIGIN));
      break;
    case R.OWNER_RESOLVER:
      client.onAnswer(arg, at, length, load<u32>(frame, F.FRAME_ORIGIN));
      break;
    case R.OWNER_PROGRAM:
      program.onPacket(<u32>arg, frame);
      break;
  }
  track.consume(frame, USED_SOCKET);
}

/** Tells the sender that nobody listens; by then the packet's connection is forgotten (nf_reset_ct in __udp4_lib_rcv). */
function refusePort(ns: usize, frame: usize): void {
  track.detach(frame);
  sendUnreachable(ns, frame, icmp.PORT_UNREACHABLE, icmpv6.PORT_UNREACHABLE);
}

/** Tells the sender of a packet that it cannot be delivered; the families have codes of their own for why. */
function sendUnreachable(ns: usize, frame: usize, code: i32, codeSix: i32): void {
  const isOfSix = anyIp.isSix(load<usize>(frame, F.FRAME_NETWORK));
  if (isOfSix) errorsSix.sendError(ns, frame, icmpv6.DEST_UNREACHABLE, codeSix, 0);
  else sendError(ns, frame, icmp.DEST_UNREACHABLE, code, 0);
}

/** Nobody listens to UDP-Lite here; whoever sends it soundly is told so (udplite_rcv). */
function udpLiteReceive(ns: usize, frame: usize, ip: usize): void {
  const at = ipv4.payload(ip);
  const bytes = packetLength(frame) - ipv4.headerLength(ip);
  const sound =
    wireUdp.liteCoverage(at, bytes) != 0 &&
    wireUdp.liteChecksumValid(at, bytes, ipv4.source(ip), ipv4.destination(ip), ipv4.PROTO_UDPLITE);
  if (sound) refusePort(ns, frame);
  drop(ns, frame, sound ? DROP_NO_SOCKET : DROP_UDP_CSUM);
}

export function tcpReceive(ns: usize, frame: usize): void {
  const line = load<u32>(frame, F.FRAME_LINE);
  // TCP has no use for what came in a frame, or goes to an address, of more than one host (tcp_v4_rcv, tcp_v4_send_reset).
  const toHost =
    load<i32>(frame, F.FRAME_PACKET_TYPE) == F.PACKET_HOST && load<u32>(frame, F.FRAME_ROUTE_TYPE) == ROUTE_LOCAL;
  const reason = toHost ? tcp.receive(ns, frame, line) : DROP_OTHERHOST;
  if (reason) {
    if (reason == DROP_NO_SOCKET || reason < 0 || (toHost && tcp.mustReset)) {
      if (trace.on) trace.note(T.STEP_RESET, ns, frame);
      tcp.sendReset(ns, frame, line);
    }
    if (reason < 0) track.consume(frame, USED_SOCKET);
    else drop(ns, frame, reason);
    return;
  }
  const c = tcp.connection;
  if (!c) {
    // A SYN was answered by a cookie.
    track.consume(frame, USED_SOCKET);
    return;
  }
  if (trace.on) trace.note(T.STEP_SOCKET, ns, frame, load<u32>(c, R.TCP_OWNER));
  const origin = load<u32>(frame, F.FRAME_ORIGIN);
  const generation = load<u32>(c, R.TCP_GENERATION);
  const hadData = (tcp.happened & tcp.DATA) != 0;
  if (tcp.happened) connectionEvent(c, origin);
  if (hadData) {
    while (load<u32>(c, R.TCP_GENERATION) == generation && tcp.takeEarly()) connectionEvent(c, origin);
  }
  track.consume(frame, USED_SOCKET);
}

/** Tells the application what happened to its connection. */
function connectionEvent(c: usize, origin: u32): void {
  if (tcp.isOrphan(c)) return;
  const owner = load<u32>(c, R.TCP_OWNER);
  if (owner == R.OWNER_FLOW) {
    exchange.onConnection(c, origin);
    return;
  }
  if (owner == R.OWNER_IDLE) {
    connections.onIdle(c);
    return;
  }
  if (owner == R.OWNER_RESOLVER) {
    client.onResolverConnection(c);
    return;
  }
  if (owner == R.OWNER_UPSTREAM) {
    ingress.onUpstream(c);
    return;
  }
  if (owner == R.OWNER_CHECK) {
    checker.onConnection(c);
    return;
  }
  if (owner == R.OWNER_PROGRAM) {
    program.onConnection(c);
    return;
  }
  if (owner == R.OWNER_RELAY || owner == R.OWNER_RELAYED) {
    relay.onConnection(c);
    return;
  }
  const what = tcp.happened;
  if (what & tcp.DATA) {
    if (owner == R.OWNER_INGRESS) ingress.onData(c, tcp.data, tcp.dataLength);
    else if (owner == R.OWNER_SERVICE) service.onData(c, tcp.data, tcp.dataLength);
    else if (owner == R.OWNER_DNS) dnsServer.onStream(c, tcp.data, tcp.dataLength);
    else if (owner == R.OWNER_ECHO) tcp.write(c, tcp.data, tcp.dataLength);
    else if (owner == R.OWNER_TAKER) taker.onData(c, tcp.dataLength);
  }
  if (what & (tcp.PEER_CLOSED | tcp.RESET | tcp.EXPIRED)) {
    if (owner == R.OWNER_DNS) dnsServer.onStreamEnd(c);
    else if (owner == R.OWNER_INGRESS) ingress.onGone(c);
  }
  const isKept = owner == R.OWNER_ECHO || owner == R.OWNER_SINK || owner == R.OWNER_STOPPED;
  if (what & tcp.PEER_CLOSED && !isKept) tcp.close(c);
}

/** The timer of a TCP connection. */
export function tcpTimer(c: usize, generation: u32): void {
  tcp.onTimer(c, generation);
  if (tcp.happened & tcp.EXPIRED) connectionEvent(c, 0);
}

function icmpReceive(ns: usize, frame: usize, ip: usize): void {
  const at = ipv4.payload(ip);
  const bytes = packetLength(frame) - ipv4.headerLength(ip);
  if (bytes < icmp.ICMP_LENGTH) {
    drop(ns, frame, DROP_PKT_TOO_SMALL);
    return;
  }
  if (!load<u32>(frame, F.FRAME_SUMMED) && !icmp.checksumValid(at, bytes)) {
    drop(ns, frame, DROP_ICMP_CSUM);
    return;
  }
  const type = icmp.type(at);
  if (type == icmp.ECHO_REQUEST) {
    const sysctls = ns + R.NS_SYSCTLS;
    const broadcast = load<u32>(frame, F.FRAME_ROUTE_TYPE) == ROUTE_BROADCAST;
    const ignored =
      load<u32>(sysctls, R.SYSCTL_ECHO_IGNORE_ALL << 2) ||
      (broadcast && load<u32>(sysctls, R.SYSCTL_ECHO_IGNORE_BROADCASTS << 2));
    if (ignored) {
      drop(ns, frame, DROP_ICMP_IGNORED);
      return;
    }
    if (trace.on) trace.note(T.STEP_SOCKET, ns, frame);
    echo(ns, frame, ip, at, bytes, broadcast);
  } else if (type == icmp.ECHO_REPLY) {
    echoAnswered(ns, frame, ipv4.destination(ip), icmp.id(at), icmp.sequence(at));
  } else if (type == icmp.DEST_UNREACHABLE || type == icmp.TIME_EXCEEDED || type == icmp.PARAMETER_PROBLEM) {
    if (trace.on) trace.note(T.STEP_SOCKET, ns, frame);
    icmpError(ns, frame, at, bytes);
  }
  track.consume(frame, USED_SOCKET);
}

/** An echo reply is for the socket that asked: of either family the one with its identifier. */
export function echoAnswered(ns: usize, frame: usize, to: u32, id: i32, sequence: i32): void {
  const socket = sockets.find(ns, ipv4.PROTO_ICMP, to, <u32>id, 0, 0);
  if (!socket) return;
  if (trace.on) trace.note(T.STEP_SOCKET, ns, frame, load<u32>(socket, R.SOCK_OWNER));
  const arg = load<usize>(socket, R.SOCK_ARG);
  if (load<u32>(socket, R.SOCK_OWNER) == R.OWNER_PROGRAM) program.onPacket(<u32>arg, frame);
  else datagram.onEchoReply(arg, sequence, load<u32>(frame, F.FRAME_ORIGIN));
}

/** An echo request is sent back with the same data (icmp_echo). */
function echo(ns: usize, frame: usize, ip: usize, at: usize, bytes: i32, broadcast: bool): void {
  const to = ipv4.source(ip);
  if (route.outgoing(ns, to, broadcast ? 0 : ipv4.destination(ip)) == route.TO_NOWHERE) return;
  const own = broadcast ? route.source : ipv4.destination(ip);
  options.echo(ns, frame);
  const answer = newPacketFor(ns, load<u32>(frame, F.FRAME_LINE), bytes);
  const reply = payloadOf(answer);
  copy(reply, at, bytes);
  icmp.setType(reply, icmp.ECHO_REPLY, bytes);
  finish(ns, answer, ipv4.PROTO_ICMP, own, to, bytes, ipv4.tos(ip), nextId(ns), 0);
  options.build(answer, to);
  setFlag(answer, F.FRAME_IS_ECHO);
  backlog.push(answer, F.STAGE_OUTPUT);
}

/** An ICMP error tells the socket whose packet it quotes. */
function icmpError(ns: usize, frame: usize, at: usize, bytes: i32): void {
  const inner = at + icmp.ICMP_LENGTH;
  const quoted = bytes - icmp.ICMP_LENGTH;
  if (quoted < ipv4.IPV4_LENGTH) return;
  const header = ipv4.headerLength(inner);
  const rest = quoted - header;
  if (header < ipv4.IPV4_LENGTH || rest < 8) return;
  const l4 = inner + <usize>header;
  const tooLarge = icmp.type(at) == icmp.DEST_UNREACHABLE && icmp.code(at) == icmp.FRAG_NEEDED;
  const protocol = ipv4.protocol(inner);
  // Answers to pings are sent by no socket (icmp_err).
  const isAnswer = protocol == ipv4.PROTO_ICMP && icmp.type(l4) == icmp.ECHO_REPLY;
  if (tooLarge && isAnswer) route.learnMtu(ns, ipv4.destination(inner), icmp.mtu(at));
  const mtu = tooLarge ? icmp.mtu(at) : NO_MTU;
  icmpErrorAbout(ns, frame, protocol, ipv4.source(inner), ipv4.destination(inner), l4, rest, mtu);
}

/** In place of an MTU that an error tells: it tells none. */
export const NO_MTU: u32 = 0xffffffff;

/** An error about a packet from `local` to `remote`, of which `rest` bytes are quoted from the transport header on. */
export function icmpErrorAbout(
  ns: usize,
  frame: usize,
  protocol: i32,
  local: u32,
  remote: u32,
  l4: usize,
  rest: i32,
  mtu: u32,
): void {
  const tooLarge = mtu != NO_MTU;
  if (protocol == ipv4.PROTO_TCP) {
    const ports = ((<u32>wireTcp.sourcePort(l4)) << 16) | (<u32>wireTcp.destinationPort(l4));
    if (tooLarge) {
      tcp.onTooLarge(ns, local, remote, ports, wireTcp.sequence(l4), mtu);
      return;
    }
    tcp.onError(ns, local, remote, ports);
    const c = tcp.connection;
    if (c && load<u32>(c, R.TCP_OWNER) == R.OWNER_PROGRAM) program.onError(load<u32>(c, R.TCP_ARG), frame);
    if (c && tcp.happened) connectionEvent(c, 0);
    return;
  }
  const isUdp = protocol == ipv4.PROTO_UDP;
  if (!isUdp && protocol != ipv4.PROTO_ICMP && protocol != ipv6.PROTO_ICMPV6) return;
  const port = isUdp ? <u32>wireUdp.sourcePort(l4) : <u32>icmp.id(l4);
  const socket = sockets.find(
    ns,
    isUdp ? ipv4.PROTO_UDP : ipv4.PROTO_ICMP,
    local,
    port,
    remote,
    isUdp ? <u32>wireUdp.destinationPort(l4) : 0,
  );
  if (!socket) return;
  if (tooLarge) route.learnMtu(ns, remote, mtu);
  const arg = load<usize>(socket, R.SOCK_ARG);
  const owner = load<u32>(socket, R.SOCK_OWNER);
  if (owner == R.OWNER_FLOW) datagram.onError(arg, l4, rest);
  else if (owner == R.OWNER_RESOLVER) client.onResolverError(arg);
  else if (owner == R.OWNER_FORWARD) dnsServer.onError(arg);
  else if (owner == R.OWNER_PROGRAM) program.onError(<u32>arg, frame);
}

// ---- IPv4 out

/** A packet of this host's own sockets (ip_local_out, ip6_local_out). */
function output(sent: usize): void {
  const ns = load<usize>(sent, F.FRAME_NAMESPACE);
  store<i32>(sent, F.STAGE_OUTPUT, F.FRAME_STAGE);
  const isOfSix = anyIp.isSix(load<usize>(sent, F.FRAME_NETWORK));
  if (isOfSix) recorder.spoil();
  const frame = isOfSix ? sent : gathered(ns, sent, fragment.FOR_TRACKING_OUT);
  if (!frame) return;
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  const to = isOfSix ? ipv6.destination(ip) : ipv4.destination(ip);
  if (!findsWay(ns, frame, ip, to)) return;
  const mark = load<u32>(frame, F.FRAME_MARK);
  if (!passes(ns, HOOK_OUTPUT, frame, 0, route.device)) return;
  // Rules may have sent it elsewhere (ip_route_me_harder).
  const now = isOfSix ? ipv6.destination(ip) : ipv4.destination(ip);
  const isElsewhere = now != to || load<u32>(frame, F.FRAME_MARK) != mark;
  if (isElsewhere && !findsWay(ns, frame, ip, now)) return;
  if (isOfSix) six.leave(ns, frame, 0);
  else ipOutput(ns, frame, 0);
}

/** Decides where a packet of this host goes, and writes that into it. False: nowhere, it is gone. */
function findsWay(ns: usize, frame: usize, ip: usize, to: u32): bool {
  const decision = isSix(to) ? six.outgoing(ns, frame, to) : route.outgoing(ns, to, ipv4.source(ip));
  if (trace.on) traceRoute(ns, frame, decision, 0);
  if (decision == route.TO_NOWHERE) {
    drop(ns, frame, DROP_IP_OUTNOROUTES);
    return false;
  }
  route.remember(frame);
  return true;
}

/** POSTROUTING, then on to the neighbour (ip_output, ip_finish_output2). `input`: where a forwarded packet came in. */
function ipOutput(ns: usize, frame: usize, input: usize): void {
  const device = load<usize>(frame, F.FRAME_DEVICE);
  if (!passes(ns, HOOK_POSTROUTING, frame, input, device)) return;
  const mtu = load<i32>(frame, F.FRAME_MTU);
  const largest = load<i32>(frame, F.FRAME_FRAGMENT_MAX);
  recorder.limit(<u32>(mtu + ethernet.ETHERNET_LENGTH));
  if (packetLength(frame) <= mtu && !largest) {
    linkOutput(ns, device, frame);
    return;
  }
  const df = (ipv4.fragment(load<usize>(frame, F.FRAME_NETWORK)) & ipv4.FLAG_DF) != 0;
  if (df && (!largest || largest > mtu)) {
    sendError(ns, frame, icmp.DEST_UNREACHABLE, icmp.FRAG_NEEDED, <u32>mtu);
    drop(ns, frame, DROP_PKT_TOO_BIG);
    return;
  }
  split.split(frame, mtu);
  partsLeave(ns, device);
  track.consume(frame, USED_SPLIT);
}

/** The fragments of the packet that is being taken apart leave when all are made, as a tunnel may have to cut them once more. */
export function partsLeave(ns: usize, device: usize): void {
  let first: usize = 0;
  let last: usize = 0;
  for (let part = split.next(); part; part = split.next()) {
    if (last) store<usize>(last, part, F.FRAME_NEXT);
    else first = part;
    last = part;
  }
  for (let part = first; part;) {
    const next: usize = part == last ? <usize>0 : load<usize>(part, F.FRAME_NEXT);
    linkOutput(ns, device, part);
    part = next;
  }
}

/** A packet goes to the next hop over a device (ip_finish_output2). */
export function linkOutput(ns: usize, device: usize, frame: usize): void {
  // The link header is built anew in front of the packet.
  const at = load<usize>(frame, F.FRAME_NETWORK) - ethernet.ETHERNET_LENGTH;
  const length = <i32>(load<usize>(frame, F.FRAME_DATA) + <usize>load<u32>(frame, F.FRAME_LENGTH) - at);
  store<usize>(frame, at, F.FRAME_DATA);
  store<i32>(frame, length, F.FRAME_LENGTH);
  ethernet.setType(at, anyIp.isSix(at + ethernet.ETHERNET_LENGTH) ? ethernet.TYPE_IPV6 : ethernet.TYPE_IPV4);
  if (load<i32>(device, R.DEV_KIND) == DEVICE_LOOPBACK) {
    ethernet.setDestination(at, 0, 0);
    ethernet.setSource(at, 0, 0);
    countSent(device);
    if (trace.on) trace.note(T.STEP_TRANSMIT, ns, frame, <u32>device);
    backlog.push(frame, F.STAGE_RECEIVE);
    return;
  }
  const hop = load<u32>(frame, F.FRAME_NEXT_HOP);
  const known = neighbour.remembered(ns, device, hop);
  if (known) {
    resolve(ns, device, known, frame);
    return;
  }
  if (isSix(hop) && ipv6.isMulticast(hop)) {
    six.addressGroup(at, hop);
    ethernet.setSource(at, load<u32>(device, R.DEV_MAC_HIGH), load<u32>(device, R.DEV_MAC_LOW));
    transmit(device, frame);
    return;
  }
  if (ipv4.isLimitedBroadcast(hop) || addressType(ns, hop) == ROUTE_BROADCAST) {
    ethernet.setDestination(at, 0xffff, 0xffffffff);
    ethernet.setSource(at, load<u32>(device, R.DEV_MAC_HIGH), load<u32>(device, R.DEV_MAC_LOW));
    transmit(device, frame);
    return;
  }
  const entry = neighbour.entryOf(ns, device, hop);
  neighbour.remember(ns, hop, entry);
  resolve(ns, device, entry, frame);
}

/** Sends to a neighbour; a frame for one whose link address is not known waits for ARP. */
function resolve(ns: usize, device: usize, entry: usize, frame: usize): void {
  const what = neighbour.resolve(entry, frame);
  if (trace.on) {
    const how =
      what == neighbour.SEND ? T.NEIGHBOUR_KNOWN : what == neighbour.ASK ? T.NEIGHBOUR_ASKED : T.NEIGHBOUR_QUEUED;
    trace.note(T.STEP_NEIGHBOUR, ns, frame, <u32>device, load<u32>(entry, R.NEIGH_ADDRESS), how);
  }
  if (what == neighbour.SEND) {
    sendTo(ns, device, entry, frame);
  } else if (what == neighbour.ASK) {
    askAll(ns, device, load<u32>(entry, R.NEIGH_ADDRESS), frame);
  } else if (what == neighbour.FULL) {
    drop(ns, neighbour.pushedOut, DROP_NEIGH_QUEUEFULL);
  }
}

/** The link address is known: write it and send. */
function sendTo(ns: usize, device: usize, entry: usize, frame: usize): void {
  const at = load<usize>(frame, F.FRAME_DATA);
  ethernet.setDestination(at, load<u32>(entry, R.NEIGH_MAC_HIGH), load<u32>(entry, R.NEIGH_MAC_LOW));
  const cached = neighbour.headerCached(entry);
  if (flag(frame, F.FRAME_IS_BRIDGED_DNAT)) {
    // Without a cached header it takes the way by the bridge's own interface, where it is seen (neigh->output).
    if (!cached) seenInBridgesName(device, frame);
    // Translated on the bridge: it goes on as if it had come in for that address (br_nf_pre_routing_finish_bridge).
    clearFlag(frame, F.FRAME_IS_BRIDGED_DNAT);
    bridgeFinish(ns, load<usize>(frame, F.FRAME_PHYS_IN), frame);
    return;
  }
  ethernet.setSource(at, load<u32>(device, R.DEV_MAC_HIGH), load<u32>(device, R.DEV_MAC_LOW));
  transmit(device, frame);
}

/** A bridge's own interface shows a frame as it sends it, before the sender's address comes back (br_nf_pre_routing_finish_bridge_slow). */
function seenInBridgesName(master: usize, frame: usize): void {
  recorder.spoil();
  if (!load<usize>(master, R.DEV_CAPTURE)) return;
  const at = load<usize>(frame, F.FRAME_DATA);
  const high = ethernet.sourceHigh(at);
  const low = ethernet.sourceLow(at);
  ethernet.setSource(at, load<u32>(master, R.DEV_MAC_HIGH), load<u32>(master, R.DEV_MAC_LOW));
  capture(master, frame, DIRECTION_OUT);
  ethernet.setSource(at, high, low);
}

// ---- sending

/** A frame leaves its namespace and with it what the namespace knew of it (skb_scrub_packet). */
function scrub(frame: usize): void {
  track.detach(frame);
  store<u32>(frame, 0, F.FRAME_MARK);
  store<u32>(frame, load<u32>(frame, F.FRAME_FLAGS) & F.FRAME_IS_TAGGED, F.FRAME_FLAGS);
  store<usize>(frame, 0, F.FRAME_PHYS_IN);
  store<usize>(frame, 0, F.FRAME_PHYS_OUT);
}

function countSent(device: usize): void {
  if (recorder.frame) recorder.note(recorder.COUNTED, device + R.DEV_TX_PACKETS);
  store<u64>(device, load<u64>(device, R.DEV_TX_PACKETS) + 1, R.DEV_TX_PACKETS);
}

/** A device sends a frame whose link header is complete (dev_queue_xmit). */
export function transmit(device: usize, frame: usize): void {
  const ns = namespaceOf(device);
  if (frame != recorder.frame) recorder.spoil();
  if (!load<u32>(device, R.DEV_RUNNING)) {
    drop(ns, frame, DROP_DEV_READY);
    return;
  }
  if (load<usize>(device, R.DEV_CAPTURE)) capture(device, frame, DIRECTION_OUT);
  if (trace.on) trace.note(T.STEP_TRANSMIT, ns, frame, <u32>device);
  countSent(device);
  const kind = load<i32>(device, R.DEV_KIND);
  if (kind == DEVICE_BRIDGE) {
    bridgeTransmit(ns, device, frame);
    return;
  }
  if (kind == DEVICE_VXLAN) {
    recorder.spoil();
    tunnelTransmit(ns, device, frame);
    return;
  }
  if (kind == DEVICE_DUMMY) {
    recorder.spoil();
    track.consume(frame, USED_SOCKET);
    return;
  }
  if (kind == DEVICE_VETH) {
    const peer = load<usize>(device, R.DEV_PEER);
    if (!fits(peer, frame)) {
      drop(ns, frame, DROP_PKT_TOO_BIG);
      return;
    }
  }
  flows.remember(device, frame);
  scrub(frame);
  netem.send(device, frame);
}

/**
 * A packet of a raw socket, header included (raw_send_hdrinc): length and checksum are filled in, an identification if it is 0. One of
 * IPv6 leaves as it is (rawv6_send_hdrinc).
 */
export function sendRaw(frame: usize): void {
  const ns = load<usize>(frame, F.FRAME_NAMESPACE);
  const at = load<usize>(frame, F.FRAME_DATA);
  store<usize>(frame, at, F.FRAME_NETWORK);
  if (!anyIp.isSix(at)) ipv4.finish(at, load<i32>(frame, F.FRAME_LENGTH), ipv4.id(at) ? ipv4.id(at) : nextId(ns));
  store<usize>(frame, at - ethernet.ETHERNET_LENGTH, F.FRAME_DATA);
  store<u32>(frame, load<u32>(frame, F.FRAME_LENGTH) + ethernet.ETHERNET_LENGTH, F.FRAME_LENGTH);
  output(frame);
}

/** A frame that a host puts onto a device as if a neighbour had sent it. */
export function inject(device: usize, frame: usize): void {
  arrive(device, frame);
  settle();
}
