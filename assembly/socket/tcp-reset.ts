// Resets that answer segments of no connection (tcp_v4_send_reset).
import { FRAME_NETWORK, STAGE_OUTPUT } from "../layout/frame.ts";
import { finish, newPacket, payloadOf } from "../ip/packet.ts";
import * as backlog from "../memory/backlog.ts";
import { packetLength } from "../track/conntrack.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as tcp from "../wire/tcp.ts";

/** Answers a segment that belongs to no connection (tcp_v4_send_reset). */
export function sendReset(ns: usize, frame: usize, line: u32): void {
  const answer = makeReset(ns, frame, line, anyIp.tos(load<usize>(frame, FRAME_NETWORK)) & ~3);
  if (answer) backlog.push(answer, STAGE_OUTPUT);
}

/** The reset that answers a segment; 0: a reset is not answered. */
export function makeReset(ns: usize, frame: usize, line: u32, tos: i32): usize {
  const ip = load<usize>(frame, FRAME_NETWORK);
  const before = anyIp.headerLength(ip);
  const at = ip + <usize>before;
  const bits = tcp.flags(at);
  if (bits & tcp.RST) return 0;
  const answer = newPacket(ns, line);
  const to = payloadOf(answer);
  const length = packetLength(frame) - before - tcp.headerLength(at);
  let seq: u32 = 0;
  let ack: u32 = 0;
  let flags = tcp.RST;
  if (bits & tcp.ACK) {
    seq = tcp.acknowledgement(at);
  } else {
    ack = tcp.sequence(at) + <u32>length + (bits & tcp.SYN ? 1 : 0) + (bits & tcp.FIN ? 1 : 0);
    flags |= tcp.ACK;
  }
  tcp.write(to, tcp.destinationPort(at), tcp.sourcePort(at), seq, ack, tcp.TCP_LENGTH, flags, 0);
  const local = anyIp.destination(ip);
  const remote = anyIp.source(ip);
  tcp.seal(to, tcp.TCP_LENGTH, local, remote);
  finish(ns, answer, ipv4.PROTO_TCP, local, remote, tcp.TCP_LENGTH, tos, 0, ipv4.FLAG_DF);
  return answer;
}
