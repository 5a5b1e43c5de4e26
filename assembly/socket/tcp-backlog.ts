// Connections that wait to be accepted: how many a listener lets in, and what happens to those that are too many (inet_connection_sock.c).
import * as R from "../layout/records.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as sockets from "./table.ts";

/** Whether no more connections may wait at a listener (sk_acceptq_is_full). */
export function isFull(listener: usize): bool {
  return load<u32>(listener, R.SOCK_WAITING) > load<u32>(listener, R.SOCK_BACKLOG);
}

/** A handshake is complete: the program accepts the connection, or it waits. False: there is no room for it (tcp_v4_syn_recv_sock). */
export function takes(c: usize): bool {
  if (load<u32>(c, R.TCP_OWNER) != R.OWNER_STOPPED) return true;
  const ports = load<u32>(c, R.TCP_PORTS);
  const remote = load<u32>(c, R.TCP_REMOTE);
  const ns = load<usize>(c, R.TCP_NAMESPACE);
  const listener = sockets.find(ns, ipv4.PROTO_TCP, load<u32>(c, R.TCP_LOCAL), ports >> 16, remote, ports & 0xffff);
  if (!listener || isFull(listener)) return false;
  store<u32>(listener, load<u32>(listener, R.SOCK_WAITING) + 1, R.SOCK_WAITING);
  return true;
}
