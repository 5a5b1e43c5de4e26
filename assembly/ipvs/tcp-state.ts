// The states of TCP as a load balancer sees them go by, and how long a connection is kept in each (ip_vs_proto_tcp.c).
import {
  VS_TCP_CLOSE,
  VS_TCP_CLOSE_WAIT,
  VS_TCP_ESTABLISHED,
  VS_TCP_FIN_WAIT,
  VS_TCP_LAST_ACK,
  VS_TCP_LISTEN,
  VS_TCP_SYN_RECV,
  VS_TCP_SYN_SENT,
  VS_TCP_TIME_WAIT,
} from "../layout/ipvs.ts";
import * as tcp from "../wire/tcp.ts";

const ES: u8 = <u8>VS_TCP_ESTABLISHED;
const SS: u8 = <u8>VS_TCP_SYN_SENT;
const SR: u8 = <u8>VS_TCP_SYN_RECV;
const FW: u8 = <u8>VS_TCP_FIN_WAIT;
const TW: u8 = <u8>VS_TCP_TIME_WAIT;
const CL: u8 = <u8>VS_TCP_CLOSE;
const CW: u8 = <u8>VS_TCP_CLOSE_WAIT;
const LA: u8 = <u8>VS_TCP_LAST_ACK;
const LI: u8 = <u8>VS_TCP_LISTEN;

// By direction (client's, server's), by flag (SYN, FIN, ACK, RST) and by state:
// NONE, ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT, TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, SYNACK.
const STATES = 11;
const FLAGS = 4;
// prettier-ignore
const NEXT = memory.data<u8>([
  SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR,
  CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW,
  CL, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES,
  CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR,
  SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR,
  TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW,
  ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES,
  CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL,
]);

/** Seconds by state. */
const TIMEOUTS = memory.data<u16>([2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120]);

/** The state after a segment with these flags from the client, or with `reply` from the server; CLOSE for one without any of the four. */
export function next(state: i32, flags: i32, reply: bool): i32 {
  let row = -1;
  if (flags & tcp.RST) row = 3;
  else if (flags & tcp.SYN) row = 0;
  else if (flags & tcp.FIN) row = 1;
  else if (flags & tcp.ACK) row = 2;
  if (row < 0) return VS_TCP_CLOSE;
  const place = ((reply ? FLAGS : 0) + row) * STATES + state;
  return <i32>load<u8>(NEXT + <usize>place);
}

/** How long a connection is kept in a state after its last packet, in seconds. */
export function timeout(state: i32): u32 {
  return <u32>load<u16>(TIMEOUTS + ((<usize>state) << 1));
}
