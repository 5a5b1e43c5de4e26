// What comes to the sockets of requests that are looking for an address.
import { PROTOCOL_DNS, PROTOCOL_QUERY } from "../layout/codes.ts";
import { FAILED_REFUSED } from "../layout/failures.ts";
import {
  FLOW_PROTOCOL,
  SESSION_FLOW,
  SESSION_QUERY_A,
  SESSION_STATUS,
  STATUS_DNS,
  TCP_ARG,
} from "../layout/records.ts";
import * as dns from "../wire/dns.ts";
import * as attempt from "./attempt.ts";
import * as resolver from "./resolver.ts";

function protocolOf(session: usize): i32 {
  return load<i32>(load<usize>(session, SESSION_FLOW), FLOW_PROTOCOL);
}

function isQuestion(session: usize): bool {
  return protocolOf(session) == PROTOCOL_DNS;
}

/** A datagram came from the DNS server of a session. */
export function onAnswer(session: usize, at: usize, length: i32, origin: u32): void {
  if (protocolOf(session) == PROTOCOL_QUERY) {
    const ours = length >= dns.DNS_HEADER && <u32>dns.id(at) == load<u32>(session, SESSION_QUERY_A);
    if (!ours || !(dns.flags(at) & dns.FLAG_RESPONSE)) return;
    store<u32>(session, STATUS_DNS + <u32>(dns.flags(at) & dns.RCODE_MASK), SESSION_STATUS);
    attempt.complete(session, origin, false);
    return;
  }
  if (isQuestion(session) && length >= dns.DNS_HEADER && dns.flags(at) & dns.FLAG_RESPONSE) {
    attempt.complete(session, origin, false);
  } else attempt.follow(session, resolver.onAnswer(session, at, length));
}

/** Something happened to the connection of a session to its DNS server (tcp.happened). */
export function onResolverConnection(c: usize): void {
  const session = load<usize>(c, TCP_ARG);
  attempt.follow(session, resolver.onConnection(session, c));
}

/** The DNS server of a session has not answered in time. */
export function onResolverTimer(session: usize, generation: u32): void {
  attempt.follow(session, resolver.onTimer(session, generation));
}

/** An ICMP error came about a query. */
export function onResolverError(session: usize): void {
  if (isQuestion(session) || protocolOf(session) == PROTOCOL_QUERY) attempt.fail(session, FAILED_REFUSED);
  else attempt.follow(session, resolver.onError(session));
}
