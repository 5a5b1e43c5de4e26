// Notes of a packet's way, step by step, for whoever asks why: off unless a host switches it on, then for every packet.
import * as F from "../layout/frame.ts";
import {
  BATCH_HEADER,
  BATCH_NEXT,
  BATCH_SIZE,
  BATCH_USED,
  CT_MARK,
  CT_ORIGINAL,
  CT_REPLY,
  CT_STATUS,
  CT_TCP_STATE,
  CT_TIMEOUT,
  TUPLE_DST,
  TUPLE_PORTS,
  TUPLE_SRC,
} from "../layout/records.ts";
import * as T from "../layout/trace.ts";
import { newBatch } from "../memory/batch.ts";
import { now } from "../memory/clock.ts";
import { clear, get16, get32 } from "../memory/bytes.ts";
import { packetLength } from "../track/conntrack.ts";
import * as ethernet from "../wire/ethernet.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";

/** Whether steps are noted. */
export let on: bool = false;
/** Whether rules that do not match are noted too. */
export let verbose: bool = false;

const BLOCK_PAGES: u32 = 16;
let first: usize = 0;
let block: usize = 0;

/** Switches tracing on or off; what was noted before is forgotten. Returns the first block of steps (BATCH_*). */
export function set(steps: bool, misses: bool): usize {
  on = steps;
  verbose = misses;
  if (!first) first = newBatch(BLOCK_PAGES);
  for (block = first; block; block = load<usize>(block, BATCH_NEXT)) store<u32>(block, 0, BATCH_USED);
  block = first;
  return first;
}

/** Notes a step (STEP_*) of a frame in a namespace. */
export function note(kind: u32, ns: usize, frame: usize, a: u32 = 0, b: u32 = 0, c: u32 = 0, d: u32 = 0): void {
  if (load<u32>(block, BATCH_USED) + T.STEP_SIZE > load<u32>(block, BATCH_SIZE)) {
    if (!load<usize>(block, BATCH_NEXT)) store<usize>(block, newBatch(BLOCK_PAGES), BATCH_NEXT);
    block = load<usize>(block, BATCH_NEXT);
  }
  const step = block + BATCH_HEADER + <usize>load<u32>(block, BATCH_USED);
  store<u32>(block, load<u32>(block, BATCH_USED) + <u32>T.STEP_SIZE, BATCH_USED);
  clear(step, T.STEP_SIZE);
  store<u32>(step, kind, T.STEP_KIND);
  store<usize>(step, ns, T.STEP_NAMESPACE);
  store<u64>(step, now, T.STEP_TIME);
  store<u32>(step, a, T.STEP_A);
  store<u32>(step, b, T.STEP_B);
  store<u32>(step, c, T.STEP_C);
  store<u32>(step, d, T.STEP_D);
  store<u32>(step, load<u32>(frame, F.FRAME_ID_LOW), T.STEP_ID_LOW);
  store<u32>(step, load<u32>(frame, F.FRAME_ID_HIGH), T.STEP_ID_HIGH);
  store<u32>(step, load<u32>(frame, F.FRAME_LINE), T.STEP_LINE);
  store<u32>(step, load<u32>(frame, F.FRAME_MARK), T.STEP_MARK);
  store<u32>(step, load<u32>(frame, F.FRAME_LENGTH), T.STEP_LENGTH);
  store<usize>(step, load<usize>(frame, F.FRAME_PHYS_IN), T.STEP_PHYS_IN);
  store<usize>(step, load<usize>(frame, F.FRAME_PHYS_OUT), T.STEP_PHYS_OUT);
  describe(step, frame);
  connection(step, frame);
}

/** Copies the packet's addresses into a step. */
function describe(step: usize, frame: usize): void {
  const data = load<usize>(frame, F.FRAME_DATA);
  const network = load<usize>(frame, F.FRAME_NETWORK);
  if (!network || load<u32>(frame, F.FRAME_LENGTH) < <u32>ethernet.ETHERNET_LENGTH) return;
  memory.copy(step + T.STEP_MAC_DESTINATION, data, 6);
  memory.copy(step + T.STEP_MAC_SOURCE, data + 6, 6);
  // A packet that was not sent yet has no link header, so what it is shows in its own first byte.
  const version = load<u8>(network) >> 4;
  // A link header that says otherwise is believed: other protocols may begin with such a byte.
  const said = network == data + ethernet.ETHERNET_LENGTH ? ethernet.etherType(data) : 0;
  const isIp = version == 4 || (version == 6 && (said == ethernet.TYPE_IPV6 || said < 1536));
  const type = version == 4 ? ethernet.TYPE_IPV4 : isIp ? ethernet.TYPE_IPV6 : ethernet.etherType(data);
  store<u32>(step, type, T.STEP_TYPE);
  memory.copy(step + T.STEP_HEADER, network, <usize>min<i32>(max<i32>(packetLength(frame), 0), T.STEP_HEADER_BYTES));
  if (!isIp) return;
  store<u32>(step, <u32>anyIp.protocol(network), T.STEP_PROTO);
  store<u32>(step, portsOf(network, packetLength(frame)), T.STEP_PORTS);
}

/** The ports of a packet, as in a tuple: source << 16 | destination; ICMP: id << 16 | type << 8 | code; 0: it has none. */
export function portsOf(ip: usize, length: i32): u32 {
  const header = anyIp.headerLength(ip);
  if (anyIp.isLaterFragment(ip) || length < header + 8) return 0;
  const l4 = ip + <usize>header;
  const protocol = anyIp.protocol(ip);
  if (protocol == ipv4.PROTO_ICMP || protocol == ipv6.PROTO_ICMPV6) return (get16(l4 + 4) << 16) | get16(l4);
  return protocol == ipv4.PROTO_TCP || protocol == ipv4.PROTO_UDP ? get32(l4) : 0;
}

function connection(step: usize, frame: usize): void {
  const entry = load<usize>(frame, F.FRAME_CT);
  store<u32>(step, load<u32>(frame, F.FRAME_CT_INFO), T.STEP_CT_INFO);
  if (!entry) return;
  store<usize>(step, entry, T.STEP_CT);
  store<u32>(step, load<u32>(entry, CT_STATUS), T.STEP_CT_STATUS);
  store<u32>(step, load<u32>(entry, CT_MARK), T.STEP_CT_MARK);
  store<u32>(step, load<u32>(entry, CT_TCP_STATE), T.STEP_CT_STATE);
  tuple(step + T.STEP_CT_ORIGINAL, entry + CT_ORIGINAL);
  tuple(step + T.STEP_CT_REPLY, entry + CT_REPLY);
  store<u64>(step, load<u64>(entry, CT_TIMEOUT), T.STEP_CT_END);
}

function tuple(to: usize, from: usize): void {
  store<u32>(to, load<u32>(from, TUPLE_SRC));
  store<u32>(to, load<u32>(from, TUPLE_DST), 4);
  store<u32>(to, load<u32>(from, TUPLE_PORTS), 8);
}
