// Taking packets apart into fragments (ip_do_fragment in net/ipv4/ip_output.c, ip6_fragment in net/ipv6/ip6_output.c).
import {
  FRAME_DATA,
  FRAME_FRAGMENT_DF,
  FRAME_FRAGMENT_MAX,
  FRAME_LARGE_BYTES,
  FRAME_LENGTH,
  FRAME_NETWORK,
  FRAME_PIECES,
} from "../layout/frame.ts";
import { NS_RANDOM } from "../layout/records.ts";
import * as frames from "../memory/frames.ts";
import { next32 } from "../memory/random.ts";
import { packetLength } from "../track/conntrack.ts";
import * as table from "../track/table.ts";
import { ETHERNET_LENGTH } from "../wire/ethernet.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as options from "./options.ts";

let source: usize = 0;
let ip: usize = 0;
let header: i32 = 0;
let room: i32 = 0;
let done: i32 = 0;
let left: i32 = 0;
let startOffset: i32 = 0;
let moreFollow: bool = false;
let keepDf: bool = false;
let pieceSizes: usize = 0; // the sizes to take again, 0: as large as fits
let piece: u32 = 0;

let field: i32 = 0; // of IPv6: what says which header follows those that every fragment has
let proto: i32 = 0; // and what it said
let id: u32 = 0;

/** The same for IPv6 (ip6_fragment): headers up to the fragment header are in every fragment; the packet has none yet. */
export function splitSix(ns: usize, frame: usize, mtu: i32): void {
  source = frame;
  ip = load<usize>(frame, FRAME_NETWORK);
  ipv6.walkUnfragmentable(ip, packetLength(frame));
  header = ipv6.headers;
  field = ipv6.field;
  proto = ipv6.protocol;
  id = next32(ns + NS_RANDOM);
  const largest = load<i32>(frame, FRAME_FRAGMENT_MAX);
  room = (largest && largest < mtu ? largest : mtu) - header - ipv6.FRAGMENT_LENGTH;
  done = 0;
  left = packetLength(frame) - header;
  startOffset = 0;
  moreFollow = false;
  pieceSizes = 0;
  piece = 0;
  if (largest && largest <= mtu) {
    const pieces = frame + FRAME_LARGE_BYTES - FRAME_PIECES;
    if (load<u32>(pieces)) pieceSizes = pieces;
  }
}

/** Begins to take a packet apart for an MTU (ip_do_fragment). The caller gives the packet back when `next` has no more. */
export function split(frame: usize, mtu: i32): void {
  source = frame;
  ip = load<usize>(frame, FRAME_NETWORK);
  header = ipv4.headerLength(ip);
  const largest = load<i32>(frame, FRAME_FRAGMENT_MAX);
  room = (largest && largest < mtu ? largest : mtu) - header;
  done = 0;
  left = packetLength(frame) - header;
  startOffset = (ipv4.fragment(ip) & ipv4.OFFSET_MASK) << 3;
  moreFollow = (ipv4.fragment(ip) & ipv4.FLAG_MF) != 0;
  keepDf = load<u32>(frame, FRAME_FRAGMENT_DF) != 0;
  pieceSizes = 0;
  piece = 0;
  if (largest && largest - header <= mtu - header) {
    const pieces = frame + FRAME_LARGE_BYTES - FRAME_PIECES;
    if (load<u32>(pieces)) pieceSizes = pieces;
  }
}

/** The next fragment, with room for a link header before it; 0: that was all. */
export function next(): usize {
  if (left <= 0) return 0;
  let bytes = left;
  if (pieceSizes) {
    piece++;
    bytes = min<i32>(load<i32>(pieceSizes + ((<usize>piece) << 2)), left);
  } else {
    if (bytes > room) bytes = room;
    if (bytes < left) bytes &= ~7;
  }
  const six = anyIp.isSix(ip);
  const before = six ? header + ipv6.FRAGMENT_LENGTH : header;
  const part = frames.newFrameFor(ETHERNET_LENGTH + before + bytes);
  frames.copyMetadata(part, source);
  const entry = table.entryOfFrame(source);
  if (entry) table.hold(entry);
  const data = load<usize>(part, FRAME_DATA);
  memory.copy(data, ip - ETHERNET_LENGTH, <usize>(ETHERNET_LENGTH + header));
  const at = data + ETHERNET_LENGTH;
  memory.copy(at + <usize>before, ip + <usize>(header + done), <usize>bytes);
  store<usize>(part, at, FRAME_NETWORK);
  store<u32>(part, <u32>(ETHERNET_LENGTH + before + bytes), FRAME_LENGTH);
  const offset = startOffset + done;
  left -= bytes;
  const more = left > 0 || moreFollow;
  if (six) {
    ipv6.setPayloadLength(at, before + bytes - ipv6.IPV6_LENGTH);
    store<u8>(at + <usize>field, <u8>ipv6.PROTO_FRAGMENT);
    ipv6.writeFragment(at + <usize>header, proto, offset, more, id);
    done += bytes;
    return part;
  }
  ipv4.setFragment(at, header + bytes, (offset >> 3) | (more ? ipv4.FLAG_MF : 0) | (keepDf ? ipv4.FLAG_DF : 0));
  if (offset == 0) options.keepCopied(ip);
  done += bytes;
  return part;
}
