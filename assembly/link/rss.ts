// Receive side scaling: which of its receive queues a network card puts a frame into, so that a flow stays with one core.
//
// The hash is Toeplitz' with the key of Microsoft's "Verifying the RSS hash calculation" over addresses and, of TCP and UDP that are no
// fragments, ports. Its low seven bits are a place in the indirection table, which deals the places out to the queues in turn
// (ethtool_rxfh_indir_default). What is not IPv4 goes to the first queue.
import { FRAME_DATA, FRAME_LENGTH } from "../layout/frame.ts";
import { get32 } from "../memory/bytes.ts";
import * as ethernet from "../wire/ethernet.ts";
import * as ipv4 from "../wire/ipv4.ts";

// The first words of the key: one more than there are words to hash.
const KEY_0: u32 = 0x6d5a56da;
const KEY_1: u32 = 0x255b0ec2;
const KEY_2: u32 = 0x4167253d;
const KEY_3: u32 = 0x43a38fb0;
const TABLE: u32 = 128;

/** Mixes a word into a hash: for each bit that is set, the 32 bits of the key from there on. */
function mixIn(hash: u32, word: u32, key: u32, nextKey: u32): u32 {
  const window = ((<u64>key) << 32) | (<u64>nextKey);
  let mixed = hash;
  for (let bit: u32 = 0; bit < 32; bit++) {
    if (word & (0x80000000 >> bit)) mixed ^= <u32>((window << (<u64>bit)) >> 32);
  }
  return mixed;
}

/** The hash of addresses, and of the ports (source first) if `withPorts`. */
export function toeplitz(source: u32, destination: u32, ports: u32, withPorts: bool): u32 {
  const hash = mixIn(mixIn(0, source, KEY_0, KEY_1), destination, KEY_1, KEY_2);
  return withPorts ? mixIn(hash, ports, KEY_2, KEY_3) : hash;
}

/** The queue, of so many, that a frame is put into. */
export function queueOf(frame: usize, queues: u32): u32 {
  const at = load<usize>(frame, FRAME_DATA);
  const ip = at + ethernet.ETHERNET_LENGTH;
  const length = load<u32>(frame, FRAME_LENGTH);
  if (length < <u32>(ethernet.ETHERNET_LENGTH + ipv4.IPV4_LENGTH) || ethernet.etherType(at) != ethernet.TYPE_IPV4)
    return 0;
  const protocol = ipv4.protocol(ip);
  const hasPorts =
    (protocol == ipv4.PROTO_TCP || protocol == ipv4.PROTO_UDP) &&
    !ipv4.isFragment(ip) &&
    length >= <u32>(ethernet.ETHERNET_LENGTH + ipv4.headerLength(ip) + 4);
  const ports = hasPorts ? get32(ipv4.payload(ip)) : 0;
  return (toeplitz(ipv4.source(ip), ipv4.destination(ip), ports, hasPorts) & (TABLE - 1)) % queues;
}
