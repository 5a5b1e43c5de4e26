// The floor: the least that one NATed hop costs in WebAssembly, as a loop with nothing around it. A benchmark runs it beside the
// real path, so that what it reports does not depend on the machine.
//
//   ring in: parse, forwarding entries of both addresses, connection, copy to ring out, rewrite with checksums patched
import { allocate } from "../memory/arena.ts";
import { get16, get32, put16, put32 } from "../memory/bytes.ts";
import { mix } from "../memory/hash.ts";
import * as checksum from "../wire/checksum.ts";
import * as ethernet from "../wire/ethernet.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as udp from "../wire/udp.ts";

const RING: u32 = 64; // frames of each ring
const FDB_SLOTS: u32 = 64;
const CLIENT: u32 = 0x0af40102; // 10.244.1.2
const SERVICE: u32 = 0x0a60000b; // 10.96.0.11
const POD: u32 = 0x0af40202; // 10.244.2.2

// A forwarding entry of 32 bytes and a connection of one cache line.
const MAC_HIGH: usize = 0;
const MAC_LOW: usize = 4;
const SEEN: usize = 8;
const FDB_BYTES: usize = 32;
const SRC: usize = 0;
const DST: usize = 4;
const PORTS: usize = 8;
const PROTO: usize = 12;
const NEW_DST: usize = 16;
const NEW_PORT: usize = 20;
const IP_DELTA: usize = 24;
const UDP_DELTA: usize = 28;
const UNTIL: usize = 32;
const PACKETS: usize = 40;
const BYTES: usize = 48;
const SLOT: usize = 64;

let input: usize = 0;
let output: usize = 0;
let fdb: usize = 0;
let connections: usize = 0;
let mask: u32 = 0;
let stride: usize = 0;
let clock: u64 = 0;

function learn(high: u32, low: u32): void {
  let slot = mix(high, low) & (FDB_SLOTS - 1);
  while (load<u32>(fdb + <usize>slot * FDB_BYTES, MAC_LOW)) slot = (slot + 1) & (FDB_SLOTS - 1);
  store<u32>(fdb + <usize>slot * FDB_BYTES, high, MAC_HIGH);
  store<u32>(fdb + <usize>slot * FDB_BYTES, low, MAC_LOW);
}

/** Makes `flows` connections and a ring of their frames, each of `size` bytes (60 or more). */
export function prepare(flows: u32, size: u32): void {
  stride = (<usize>size + 79) & ~63;
  let slots: u32 = 64;
  while (slots < flows << 1) slots <<= 1;
  mask = slots - 1;
  input = allocate(RING * <u32>stride);
  output = allocate(RING * <u32>stride);
  fdb = allocate(FDB_SLOTS * <u32>FDB_BYTES);
  connections = allocate(slots * <u32>SLOT);
  learn(0x0200, 1);
  learn(0x0200, 2);
  for (let i: u32 = 0; i < flows; i++) {
    const ports = ((1024 + i) << 16) | 80;
    let slot = mix(mix(CLIENT, SERVICE), ports) & mask;
    while (load<u32>(connections + <usize>slot * SLOT)) slot = (slot + 1) & mask;
    const at = connections + <usize>slot * SLOT;
    store<u32>(at, CLIENT, SRC);
    store<u32>(at, SERVICE, DST);
    store<u32>(at, ports, PORTS);
    store<u32>(at, ipv4.PROTO_UDP, PROTO);
    store<u32>(at, POD, NEW_DST);
    store<u32>(at, 8080, NEW_PORT);
    const address = (~(SERVICE >> 16) & 0xffff) + (POD >> 16) + (~SERVICE & 0xffff) + (POD & 0xffff);
    store<u32>(at, address + 0xfeff, IP_DELTA);
    store<u32>(at, address + (~80 & 0xffff) + 8080, UDP_DELTA);
  }
  for (let i: u32 = 0; i < RING; i++) {
    const at = input + <usize>i * stride;
    ethernet.setDestination(at, 0x0200, 2);
    ethernet.setSource(at, 0x0200, 1);
    ethernet.setType(at, ethernet.TYPE_IPV4);
    const ip = at + ethernet.ETHERNET_LENGTH;
    const length = <i32>size - ethernet.ETHERNET_LENGTH;
    ipv4.write(ip, 0, length, <i32>i, ipv4.FLAG_DF, 64, ipv4.PROTO_UDP, CLIENT, SERVICE);
    udp.write(ip + ipv4.IPV4_LENGTH, <i32>(1024 + (i % flows)), 80, length - ipv4.IPV4_LENGTH, CLIENT, SERVICE);
  }
}

function forwarding(high: u32, low: u32): usize {
  let slot = mix(high, low) & (FDB_SLOTS - 1);
  while (true) {
    const at = fdb + <usize>slot * FDB_BYTES;
    if (load<u32>(at, MAC_LOW) == low && load<u32>(at, MAC_HIGH) == high) return at;
    if (!load<u32>(at, MAC_LOW)) return 0;
    slot = (slot + 1) & (FDB_SLOTS - 1);
  }
}

function patch(field: usize, delta: u32): void {
  let total = (~get16(field) & 0xffff) + delta;
  total = (total & 0xffff) + (total >> 16);
  total = (total & 0xffff) + (total >> 16);
  put16(field, <i32>(~total & 0xffff));
}

function hop(from: usize, to: usize, size: i32): bool {
  const source = forwarding(ethernet.sourceHigh(from), ethernet.sourceLow(from));
  if (!source || !forwarding(ethernet.destinationHigh(from), ethernet.destinationLow(from))) return false;
  store<u64>(source, clock, SEEN);
  const ip = from + ethernet.ETHERNET_LENGTH;
  if (ethernet.etherType(from) != ethernet.TYPE_IPV4 || load<u8>(ip) != 0x45 || ipv4.isFragment(ip)) return false;
  if (!checksum.valid(ip, ipv4.IPV4_LENGTH, 0) || ipv4.ttl(ip) <= 1) return false;
  if (ipv4.totalLength(ip) + ethernet.ETHERNET_LENGTH > size) return false;
  const src = ipv4.source(ip);
  const dst = ipv4.destination(ip);
  const ports = get32(ip + ipv4.IPV4_LENGTH);
  let slot = mix(mix(src, dst), ports) & mask;
  let entry: usize;
  while (true) {
    entry = connections + <usize>slot * SLOT;
    if (!load<u32>(entry, SRC)) return false;
    const same = load<u32>(entry, SRC) == src && load<u32>(entry, DST) == dst && load<u32>(entry, PORTS) == ports;
    if (same && load<i32>(entry, PROTO) == ipv4.protocol(ip)) break;
    slot = (slot + 1) & mask;
  }
  store<u64>(entry, clock + 30000000000, UNTIL);
  store<u64>(entry, load<u64>(entry, PACKETS) + 1, PACKETS);
  store<u64>(entry, load<u64>(entry, BYTES) + <u64>size, BYTES);
  for (let i = 0; i < size; i += 64) {
    const a = from + <usize>i;
    const b = to + <usize>i;
    v128.store(b, v128.load(a));
    v128.store(b, v128.load(a, 16), 16);
    v128.store(b, v128.load(a, 32), 32);
    v128.store(b, v128.load(a, 48), 48);
  }
  const out = to + ethernet.ETHERNET_LENGTH;
  const l4 = out + ipv4.IPV4_LENGTH;
  ethernet.setDestination(to, 0x0200, 3);
  ethernet.setSource(to, 0x0200, 2);
  store<u8>(out, load<u8>(out, 8) - 1, 8);
  put32(out + 16, load<u32>(entry, NEW_DST));
  put16(l4 + 2, load<i32>(entry, NEW_PORT));
  patch(out + 10, load<u32>(entry, IP_DELTA));
  patch(l4 + udp.UDP_CHECKSUM, load<u32>(entry, UDP_DELTA));
  return true;
}

/** Takes `frames` frames over the hop; returns how many got there. */
export function run(frames: u32, size: u32): u32 {
  let there: u32 = 0;
  for (let i: u32 = 0; i < frames; i++) {
    const place = <usize>(i & (RING - 1)) * stride;
    clock += 100;
    if (hop(input + place, output + place, <i32>size)) there++;
  }
  return there;
}
