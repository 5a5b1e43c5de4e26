// Processes that end: their listeners close, then the kernel closes what connections they have left (inet_csk_listen_stop, tcp_close).
import {
  NS_SOCKETS,
  NS_STREAMS,
  OWNER_DNS,
  OWNER_ECHO,
  OWNER_INGRESS,
  OWNER_METER,
  OWNER_SERVICE,
  OWNER_SINK,
  SOCK_OWNER,
  TCP_HASH_NEXT,
  TCP_OWNER,
  TCPS_CLOSE_WAIT,
  TCPS_ESTABLISHED,
  TCPS_SYN_RECV,
} from "../layout/records.ts";
import * as hash from "../memory/hash.ts";
import * as sockets from "../socket/table.ts";
import * as tcp from "../socket/tcp.ts";
import { destroy, state } from "../socket/tcp-record.ts";
import * as dnsServer from "./dns-server.ts";
import * as ingress from "./ingress.ts";

/** Whether it is a server's, not a client's. */
function isServer(owner: u32): bool {
  return (
    owner == OWNER_SERVICE ||
    owner == OWNER_DNS ||
    owner == OWNER_ECHO ||
    owner == OWNER_SINK ||
    owner == OWNER_INGRESS ||
    owner == OWNER_METER
  );
}

/** Closes what the servers of a namespace listen on, over TCP and UDP. Connections that are open stay. */
export function closeListeners(ns: usize): void {
  const table = load<usize>(ns, NS_SOCKETS);
  for (let i: u32 = 0; i < hash.bucketCount(table); i++) {
    let socket = load<usize>(hash.bucket(table, i));
    while (socket) {
      const next = load<usize>(socket);
      if (isServer(load<u32>(socket, SOCK_OWNER))) sockets.close(socket);
      socket = next;
    }
  }
}

/** Whether a connection is a server's, and neither end has closed the server's side of it. */
function isOpen(c: usize): bool {
  const at = state(c);
  const open = at == TCPS_SYN_RECV || at == TCPS_ESTABLISHED || at == TCPS_CLOSE_WAIT;
  return open && isServer(load<u32>(c, TCP_OWNER));
}

/** The connections to servers of a namespace that are open. */
export function openConnections(ns: usize): u32 {
  const table = load<usize>(ns, NS_STREAMS);
  let count: u32 = 0;
  for (let i: u32 = 0; i < hash.bucketCount(table); i++) {
    for (let c = load<usize>(hash.bucket(table, i)); c; c = load<usize>(c, TCP_HASH_NEXT)) if (isOpen(c)) count++;
  }
  return count;
}

/**
 * The servers of a namespace end. Each connection that is open gets a FIN, as all that came has been read; one whose handshake is not
 * complete is forgotten. `silent`: nothing is sent any more, as the namespace ends with them. Returns how many there were.
 */
export function end(ns: usize, silent: bool): u32 {
  closeListeners(ns);
  const table = load<usize>(ns, NS_STREAMS);
  let count: u32 = 0;
  for (let i: u32 = 0; i < hash.bucketCount(table); i++) {
    let c = firstOpen(hash.bucket(table, i));
    while (c) {
      count++;
      finish(c, silent);
      // With one connection others may go.
      c = firstOpen(hash.bucket(table, i));
    }
  }
  return count;
}

/** The first connection of a bucket that is open, 0 if there is none. */
function firstOpen(bucket: usize): usize {
  let c = load<usize>(bucket);
  while (c && !isOpen(c)) c = load<usize>(c, TCP_HASH_NEXT);
  return c;
}

/** The end of one connection. */
function finish(c: usize, silent: bool): void {
  const owner = load<u32>(c, TCP_OWNER);
  if (owner == OWNER_DNS) dnsServer.onStreamEnd(c);
  else if (owner == OWNER_INGRESS) ingress.onGone(c);
  store<u32>(c, 0, TCP_OWNER);
  if (silent || state(c) == TCPS_SYN_RECV) destroy(c);
  else tcp.close(c);
}
