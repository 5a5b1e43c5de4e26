// Namespaces and their devices: how they are made, found and joined.
import { DEVICE_LOOPBACK, PORT_BCAST_FLOOD, PORT_FLOOD, PORT_LEARNING, PORT_MCAST_FLOOD } from "../layout/codes.ts";
import {
  DEV_AGEING,
  DEV_CUT,
  DEV_FDB,
  DEV_FORWARDING,
  DEV_INDEX,
  DEV_KIND,
  DEV_MAC_HIGH,
  DEV_MAC_LOW,
  DEV_MASTER,
  DEV_MTU,
  DEV_NAME,
  DEV_NAMESPACE,
  DEV_NEIGH_DELAY,
  DEV_NEIGH_LOCKTIME,
  DEV_NEIGH_PROXY_DELAY,
  DEV_NEIGH_RETRANS,
  DEV_NEXT,
  DEV_PEER,
  DEV_PORTS,
  DEV_PORT_FLAGS,
  DEV_PORT_NEXT,
  DEV_RUNNING,
  DEV_ACCEPT_REDIRECTS6,
  DEV_SEND_REDIRECTS,
  DEV_SIZE,
  DEV_UP,
  MACHINE_ID,
  MACHINE_SIZE,
  NS_DEVICES,
  NS_DEVICE_COUNT,
  NS_ICMP_CREDIT,
  NS_ID,
  NS_IP_ID,
  NS_LOOPBACK,
  NS_MACHINE,
  NS_NEIGHBOURS,
  NS_NEXT_PORT,
  NS_PEERS,
  NS_RANDOM,
  NS_SIZE,
  NS_SOCKETS,
  NS_STREAMS,
  NS_SYSCTLS,
  NS_TABLE_LOCAL,
  NS_TABLE_MAIN,
  SYSCTL_AUTO_FLOWLABELS,
  SYSCTL_BRIDGE_NF,
  SYSCTL_CT_CHECKSUM,
  SYSCTL_CT_GENERIC,
  SYSCTL_CT_ICMP,
  SYSCTL_CT_ICMPV6,
  SYSCTL_CT_LOOSE,
  SYSCTL_CT_MAX,
  SYSCTL_CT_MAX_RETRANS,
  SYSCTL_CT_TCP_RETRANS,
  SYSCTL_CT_TCP_TIMEOUTS,
  SYSCTL_CT_TCP_UNACK,
  SYSCTL_CT_UDP,
  SYSCTL_CT_UDP_STREAM,
  SYSCTL_DEFAULT_TTL,
  SYSCTL_ECHO_IGNORE_BROADCASTS,
  SYSCTL_ICMP_MSGS_BURST,
  SYSCTL_ICMP_MSGS_PER_SEC,
  SYSCTL_ICMP_RATELIMIT,
  SYSCTL_ICMP_RATEMASK,
  SYSCTL_ICMPV6_RATELIMIT,
  SYSCTL_IP6FRAG_TIME,
  SYSCTL_IPV6_HOP_LIMIT,
  SYSCTL_IP_FORWARD,
  SYSCTL_PORT_MAX,
  SYSCTL_PORT_MIN,
  SYSCTL_SEND_REDIRECTS,
  SYSCTL_SOMAXCONN,
  SYSCTL_TCP_MAX_SYN_BACKLOG,
  SYSCTL_TCP_SYNCOOKIES,
  SYSCTL_SYNACK_RETRIES,
  SYSCTL_TCP_IDLE_RESTART,
  SYSCTL_TCP_MODERATE_RCVBUF,
} from "../layout/records.ts";
import * as address from "../fib/address.ts";
import * as route from "../fib/route.ts";
import { allocate } from "../memory/arena.ts";
import { SECOND } from "../memory/clock.ts";
import * as hash from "../memory/hash.ts";
import * as recorder from "../memory/recorder.ts";
import { below, next32 } from "../memory/random.ts";

/** A machine: an owner of namespaces with its own order numbers and packet ids. */
export function newMachine(id: u32): usize {
  const machine = allocate(MACHINE_SIZE);
  store<u32>(machine, id, MACHINE_ID);
  return machine;
}

function setSysctl(ns: usize, which: i32, value: u32): void {
  store<u32>(ns + NS_SYSCTLS + ((<usize>which) << 2), value);
}

/** nf_conntrack_tcp_timeout_*, in seconds, in the order of the TCP states. */
function tcpTimeouts(ns: usize): void {
  setSysctl(ns, SYSCTL_CT_TCP_TIMEOUTS + 1, 120); // syn_sent
  setSysctl(ns, SYSCTL_CT_TCP_TIMEOUTS + 2, 60); // syn_recv
  setSysctl(ns, SYSCTL_CT_TCP_TIMEOUTS + 3, 432000); // established
  setSysctl(ns, SYSCTL_CT_TCP_TIMEOUTS + 4, 120); // fin_wait
  setSysctl(ns, SYSCTL_CT_TCP_TIMEOUTS + 5, 60); // close_wait
  setSysctl(ns, SYSCTL_CT_TCP_TIMEOUTS + 6, 30); // last_ack
  setSysctl(ns, SYSCTL_CT_TCP_TIMEOUTS + 7, 120); // time_wait
  setSysctl(ns, SYSCTL_CT_TCP_TIMEOUTS + 8, 10); // close
  setSysctl(ns, SYSCTL_CT_TCP_TIMEOUTS + 9, 120); // syn_sent2
  setSysctl(ns, SYSCTL_CT_TCP_RETRANS, 300);
  setSysctl(ns, SYSCTL_CT_TCP_UNACK, 300);
}

/** A namespace with `lo` up and the kernel's default sysctls. `seed` starts its random numbers. */
export function newNamespace(machine: usize, id: u32, seed: u64): usize {
  const ns = allocate(NS_SIZE);
  store<u32>(ns, id, NS_ID);
  store<usize>(ns, machine, NS_MACHINE);
  store<u64>(ns, seed, NS_RANDOM);
  store<usize>(ns, route.newTable(), NS_TABLE_LOCAL);
  store<usize>(ns, route.newTable(), NS_TABLE_MAIN);
  store<usize>(ns, hash.newTable(16), NS_NEIGHBOURS);
  store<usize>(ns, hash.newTable(16), NS_SOCKETS);
  store<usize>(ns, hash.newTable(64), NS_STREAMS);
  store<usize>(ns, hash.newTable(16), NS_PEERS);
  setSysctl(ns, SYSCTL_SEND_REDIRECTS, 1);
  setSysctl(ns, SYSCTL_DEFAULT_TTL, 64);
  setSysctl(ns, SYSCTL_ICMP_RATELIMIT, 1000);
  setSysctl(ns, SYSCTL_ICMP_RATEMASK, 6168);
  setSysctl(ns, SYSCTL_ICMP_MSGS_PER_SEC, 10000);
  setSysctl(ns, SYSCTL_ICMP_MSGS_BURST, 10000);
  setSysctl(ns, SYSCTL_ECHO_IGNORE_BROADCASTS, 1);
  setSysctl(ns, SYSCTL_PORT_MIN, 32768);
  setSysctl(ns, SYSCTL_PORT_MAX, 60999);
  setSysctl(ns, SYSCTL_BRIDGE_NF, 0);
  setSysctl(ns, SYSCTL_CT_MAX, 262144);
  setSysctl(ns, SYSCTL_CT_CHECKSUM, 1);
  setSysctl(ns, SYSCTL_CT_LOOSE, 1);
  setSysctl(ns, SYSCTL_CT_MAX_RETRANS, 3);
  tcpTimeouts(ns);
  setSysctl(ns, SYSCTL_CT_UDP, 30);
  setSysctl(ns, SYSCTL_CT_UDP_STREAM, 120);
  setSysctl(ns, SYSCTL_CT_ICMP, 30);
  setSysctl(ns, SYSCTL_CT_GENERIC, 600);
  setSysctl(ns, SYSCTL_SYNACK_RETRIES, 5);
  setSysctl(ns, SYSCTL_TCP_IDLE_RESTART, 1);
  setSysctl(ns, SYSCTL_SOMAXCONN, 4096);
  setSysctl(ns, SYSCTL_TCP_SYNCOOKIES, 1);
  setSysctl(ns, SYSCTL_TCP_MAX_SYN_BACKLOG, 4096);
  setSysctl(ns, SYSCTL_TCP_MODERATE_RCVBUF, 1);
  setSysctl(ns, SYSCTL_IPV6_HOP_LIMIT, 64);
  setSysctl(ns, SYSCTL_AUTO_FLOWLABELS, 1);
  setSysctl(ns, SYSCTL_ICMPV6_RATELIMIT, 1000);
  setSysctl(ns, SYSCTL_IP6FRAG_TIME, 60);
  setSysctl(ns, SYSCTL_CT_ICMPV6, 30);
  store<u32>(ns, 32768 + below(ns + NS_RANDOM, 28232), NS_NEXT_PORT);
  store<u32>(ns, next32(ns + NS_RANDOM) & 0xffff, NS_IP_ID);
  store<u32>(ns, 50, NS_ICMP_CREDIT);

  const lo = newDevice(ns, DEVICE_LOOPBACK, 0, 0, 65536);
  store<u16>(lo + DEV_NAME, 0x6f6c); // "lo"
  store<usize>(ns, lo, NS_LOOPBACK);
  address.addAddress(ns, lo, 0x7f000001, 8);
  return ns;
}

/** A device that is up, with a name to be written at DEV_NAME. */
export function newDevice(ns: usize, kind: i32, macHigh: u32, macLow: u32, mtu: u32): usize {
  const device = allocate(DEV_SIZE);
  const index = load<u32>(ns, NS_DEVICE_COUNT) + 1;
  store<u32>(ns, index, NS_DEVICE_COUNT);
  store<usize>(device, ns, DEV_NAMESPACE);
  store<i32>(device, kind, DEV_KIND);
  store<u32>(device, index, DEV_INDEX);
  store<u32>(device, 1, DEV_UP);
  store<u32>(device, 1, DEV_RUNNING);
  store<u32>(device, mtu, DEV_MTU);
  store<u32>(device, macHigh, DEV_MAC_HIGH);
  store<u32>(device, macLow, DEV_MAC_LOW);
  store<u32>(device, 1, DEV_SEND_REDIRECTS);
  store<u32>(device, 1, DEV_ACCEPT_REDIRECTS6);
  store<u32>(device, load<u32>(ns + NS_SYSCTLS, SYSCTL_IP_FORWARD << 2), DEV_FORWARDING);
  store<u32>(device, 1000, DEV_NEIGH_RETRANS);
  store<u32>(device, 1000, DEV_NEIGH_LOCKTIME);
  store<u32>(device, 5, DEV_NEIGH_DELAY);
  store<u32>(device, 800, DEV_NEIGH_PROXY_DELAY);
  let link = ns + NS_DEVICES;
  while (load<usize>(link)) link = load<usize>(link) + DEV_NEXT;
  store<usize>(link, device);
  return device;
}

/** Sets a link up or down; the other end of a veth then has a carrier, or none. */
export function setUp(device: usize, up: u32): void {
  store<u32>(device, up, DEV_UP);
  settleRunning(device);
}

/** Takes the carrier of a link away, for both ends of a veth, or gives it back. */
export function setCarrier(device: usize, on: u32): void {
  store<u32>(device, on ^ 1, DEV_CUT);
  settleRunning(device);
}

/** Frames pass if both ends are up and nobody has cut the link. */
function settleRunning(device: usize): void {
  recorder.changed();
  const peer = load<usize>(device, DEV_PEER);
  let running = load<u32>(device, DEV_UP) & (load<u32>(device, DEV_CUT) ^ 1);
  if (peer) running &= load<u32>(peer, DEV_UP) & (load<u32>(peer, DEV_CUT) ^ 1);
  store<u32>(device, running, DEV_RUNNING);
  if (peer) store<u32>(peer, running, DEV_RUNNING);
}

/** Joins two devices into a veth pair. */
export function joinVeth(a: usize, b: usize): void {
  recorder.changed();
  store<usize>(a, b, DEV_PEER);
  store<usize>(b, a, DEV_PEER);
}

/** Makes a device a bridge with an empty forwarding database and Linux's ageing time of 300 s. */
export function makeBridge(device: usize): void {
  store<usize>(device, hash.newTable(64), DEV_FDB);
  store<u64>(device, 300 * SECOND, DEV_AGEING);
}

/** Makes a device a port of a bridge, with the default port flags and `flags`. */
export function addPort(bridge: usize, device: usize, flags: u32): void {
  recorder.changed();
  store<usize>(device, bridge, DEV_MASTER);
  store<u32>(device, flags | PORT_LEARNING | PORT_FLOOD | PORT_MCAST_FLOOD | PORT_BCAST_FLOOD, DEV_PORT_FLAGS);
  // The newest port is flooded to first (br_add_if).
  store<usize>(device, load<usize>(bridge, DEV_PORTS), DEV_PORT_NEXT);
  store<usize>(bridge, device, DEV_PORTS);
}
