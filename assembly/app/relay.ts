// A load balancer that ends connections (ipMode Proxy, KEP-1860): it accepts the client's, opens one of its own to a port of a healthy
// server, and passes bytes, ends and resets on, both ways.
import { REAL_ADDRESS, VIRTUAL_RELAY_PORT } from "../layout/balancer.ts";
import {
  OWNER_RELAY,
  OWNER_RELAYED,
  TCP_APP,
  TCP_ARG,
  TCP_GENERATION,
  TCP_LINE,
  TCP_LOCAL,
  TCP_NAMESPACE,
  TCP_OWNER,
  TCP_PORTS,
  TCP_REMOTE,
} from "../layout/records.ts";
import * as balancer from "../ip/virtual-server.ts";
import * as tcp from "../socket/tcp.ts";
import * as chunks from "./chunks.ts";

// The words of either connection: the other one, as long as its record has that generation, and what waits for it.
const OTHER: usize = TCP_APP;
const OTHER_GENERATION: usize = OTHER + 4;
const WAITING: usize = OTHER_GENERATION + 4;

/** The other connection, 0 if it is gone. */
function otherOf(c: usize): usize {
  const other = load<usize>(c, OTHER);
  return other && load<u32>(other, TCP_GENERATION) == load<u32>(c, OTHER_GENERATION) ? other : 0;
}

function join(c: usize, other: usize): void {
  store<usize>(c, other, OTHER);
  store<u32>(c, load<u32>(other, TCP_GENERATION), OTHER_GENERATION);
}

/** Something happened to a connection of either side (tcp.happened). */
export function onConnection(c: usize): void {
  const what = tcp.happened;
  if (what & (tcp.REFUSED | tcp.RESET | tcp.EXPIRED)) {
    const other = otherOf(c);
    chunks.free(c + WAITING);
    if (other) chunks.free(other + WAITING);
    if (other) tcp.abort(other);
    return;
  }
  if (what & tcp.CONNECTED && !(load<u32>(c, TCP_OWNER) == OWNER_RELAY ? open(c) : opened(c))) return;
  const other = otherOf(c);
  if (!other) return;
  const opening = tcp.isOpening(other);
  if (what & tcp.DATA) {
    if (opening) chunks.append(c + WAITING, tcp.data, tcp.dataLength);
    else tcp.write(other, tcp.data, tcp.dataLength);
  }
  if (what & tcp.PEER_CLOSED && !opening) tcp.shut(other);
}

/** The client's connection is there: opens one to a server. Without one the client is told by a reset; false then. */
function open(c: usize): bool {
  const virtual = load<usize>(c, TCP_ARG);
  const ns = load<usize>(c, TCP_NAMESPACE);
  const ports = load<u32>(c, TCP_PORTS);
  const turned = (ports << 16) | (ports >> 16);
  let upstream: usize = 0;
  if (balancer.pickFor(ns, virtual, load<u32>(c, TCP_REMOTE), load<u32>(c, TCP_LOCAL), turned)) {
    const to = load<u32>(balancer.server, REAL_ADDRESS);
    upstream = tcp.connect(ns, to, load<u32>(virtual, VIRTUAL_RELAY_PORT), OWNER_RELAYED, 0, load<u32>(c, TCP_LINE));
  }
  if (!upstream) {
    tcp.abort(c);
    return false;
  }
  join(c, upstream);
  join(upstream, c);
  return true;
}

/** The server has taken the connection: it gets what the client has sent so far, and its end if that has come, too. */
function opened(c: usize): bool {
  const client = otherOf(c);
  if (!client) return false;
  chunks.send(client + WAITING, c);
  if (tcp.isHalfClosed(client)) tcp.shut(c);
  return true;
}
