// The virtual services of a namespace and their real servers: added, changed, deleted (net/netfilter/ipvs/ip_vs_ctl.c).
import {
  IPVS_CONNECTIONS,
  IPVS_REPLIES,
  IPVS_SERVICES,
  IPVS_SIZE,
  VS_SERVER_ACTIVE,
  VS_SERVER_ADDRESS,
  VS_SERVER_AVAILABLE,
  VS_SERVER_INACTIVE,
  VS_SERVER_LAST_WEIGHT,
  VS_SERVER_LEAVING,
  VS_SERVER_NEXT,
  VS_SERVER_PORT,
  VS_SERVER_SIZE,
  VS_SERVER_WEIGHT,
  VS_SERVICE_ADDRESS,
  VS_SERVICE_ALIVE,
  VS_SERVICE_BUCKETS,
  VS_SERVICE_NAMESPACE,
  VS_SERVICE_PERSISTENT,
  VS_SERVICE_PORT,
  VS_SERVICE_PROTO,
  VS_SERVICE_SCHEDULER,
  VS_SERVICE_SERVERS,
  VS_SERVICE_SIZE,
  VS_SERVICE_TRASH,
} from "../layout/ipvs.ts";
import { NS_IPVS } from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import * as hash from "../memory/hash.ts";
import * as recorder from "../memory/recorder.ts";
import { PROTO_UDP } from "../wire/ipv4.ts";
import * as connections from "./connection.ts";
import * as schedule from "./schedule.ts";

/** What the namespace has of ip_vs (IPVS_*), made when it is first asked for. */
function ipvsOf(ns: usize): usize {
  let ipvs = load<usize>(ns, NS_IPVS);
  if (ipvs) return ipvs;
  ipvs = allocate(IPVS_SIZE);
  store<usize>(ipvs, hash.newTable(64), IPVS_SERVICES);
  store<usize>(ipvs, hash.newTable(128), IPVS_CONNECTIONS);
  store<usize>(ipvs, hash.newTable(128), IPVS_REPLIES);
  store<usize>(ns, ipvs, NS_IPVS);
  return ipvs;
}

function hashOf(address: u32, port: u32, protocol: u32): u32 {
  return hash.mix(address, (protocol << 16) | port);
}

function hashOfRecord(service: usize): u32 {
  return hashOf(
    load<u32>(service, VS_SERVICE_ADDRESS),
    load<u32>(service, VS_SERVICE_PORT),
    load<u32>(service, VS_SERVICE_PROTO),
  );
}

function findAny(ipvs: usize, address: u32, port: u32, protocol: u32): usize {
  let service = load<usize>(hash.bucket(load<usize>(ipvs, IPVS_SERVICES), hashOf(address, port, protocol)));
  while (service) {
    const same = load<u32>(service, VS_SERVICE_ADDRESS) == address && load<u32>(service, VS_SERVICE_PORT) == port;
    if (same && load<u32>(service, VS_SERVICE_PROTO) == protocol) return service;
    service = load<usize>(service);
  }
  return 0;
}

/** The virtual service of an address, port and protocol (ip_vs_service_find); 0: none. */
export function find(ipvs: usize, address: u32, port: u32, protocol: u32): usize {
  const service = findAny(ipvs, address, port, protocol);
  return service && load<u32>(service, VS_SERVICE_ALIVE) ? service : 0;
}

/** Adds a virtual service, or changes the one that is there. One that was deleted comes back without real servers. */
export function put(ns: usize, address: u32, port: u32, protocol: u32, scheduler: u32, persistent: u32): usize {
  recorder.changed();
  const ipvs = ipvsOf(ns);
  let service = findAny(ipvs, address, port, protocol);
  if (!service) {
    const services = load<usize>(ipvs, IPVS_SERVICES);
    service = allocate(VS_SERVICE_SIZE);
    store<u32>(service, address, VS_SERVICE_ADDRESS);
    store<u32>(service, port, VS_SERVICE_PORT);
    store<u32>(service, protocol, VS_SERVICE_PROTO);
    store<usize>(service, ns, VS_SERVICE_NAMESPACE);
    if (hash.crowded(services)) hash.grow(services, hashOfRecord);
    hash.insert(services, hashOf(address, port, protocol), service);
  }
  const isOther = load<u32>(service, VS_SERVICE_SCHEDULER) != scheduler;
  const isNew = !load<u32>(service, VS_SERVICE_ALIVE);
  store<u32>(service, 1, VS_SERVICE_ALIVE);
  store<u32>(service, persistent, VS_SERVICE_PERSISTENT);
  // A scheduler that stays goes on where it was (ip_vs_edit_service).
  if (!isOther && !isNew) return service;
  if (isOther) store<usize>(service, 0, VS_SERVICE_BUCKETS);
  store<u32>(service, scheduler, VS_SERVICE_SCHEDULER);
  schedule.begin(service);
  return service;
}

/** Deletes a virtual service with all its real servers; connections go on until a packet finds their server gone. */
export function remove(service: usize): void {
  recorder.changed();
  store<u32>(service, 0, VS_SERVICE_ALIVE);
  while (load<usize>(service, VS_SERVICE_SERVERS)) unlink(service, load<usize>(service, VS_SERVICE_SERVERS));
}

function findIn(list: usize, address: u32, port: u32): usize {
  let server = list;
  while (server && !(load<u32>(server, VS_SERVER_ADDRESS) == address && load<u32>(server, VS_SERVER_PORT) == port))
    server = load<usize>(server, VS_SERVER_NEXT);
  return server;
}

/**
 * Adds a real server at the head of the list, or gives one that is there a weight. One that comes back keeps what connections it has;
 * so does one that was leaving, which kube-proxy deletes and adds again (MoveRSOutofGracefulDeleteList).
 */
export function putServer(service: usize, address: u32, port: u32, weight: u32): void {
  recorder.changed();
  let server = findIn(load<usize>(service, VS_SERVICE_SERVERS), address, port);
  if (server && load<u32>(server, VS_SERVER_LEAVING)) {
    unlink(service, server);
    server = 0;
  }
  if (!server) {
    server = findIn(load<usize>(service, VS_SERVICE_TRASH), address, port);
    if (server) cut(service + VS_SERVICE_TRASH, server);
    else server = allocate(VS_SERVER_SIZE);
    store<u32>(server, address, VS_SERVER_ADDRESS);
    store<u32>(server, port, VS_SERVER_PORT);
    store<usize>(server, load<usize>(service, VS_SERVICE_SERVERS), VS_SERVER_NEXT);
    store<usize>(service, server, VS_SERVICE_SERVERS);
    store<u32>(server, 0, VS_SERVER_LAST_WEIGHT);
  }
  store<u32>(server, weight, VS_SERVER_WEIGHT);
  if (weight) store<u32>(server, weight, VS_SERVER_LAST_WEIGHT);
  store<u32>(server, 1, VS_SERVER_AVAILABLE);
  store<u32>(server, 0, VS_SERVER_LEAVING);
  schedule.changed(service);
}

/** Takes a server out of a list whose head word is at `link`. */
function cut(head: usize, server: usize): void {
  let link = head;
  while (load<usize>(link) != server) link = load<usize>(link) + VS_SERVER_NEXT;
  store<usize>(link, load<usize>(server, VS_SERVER_NEXT));
}

function unlink(service: usize, server: usize): void {
  schedule.leaves(service, server);
  cut(service + VS_SERVICE_SERVERS, server);
  store<u32>(server, 0, VS_SERVER_AVAILABLE);
  store<usize>(server, load<usize>(service, VS_SERVICE_TRASH), VS_SERVER_NEXT);
  store<usize>(service, server, VS_SERVICE_TRASH);
  schedule.changed(service);
  connections.clearSoon(load<usize>(service, VS_SERVICE_NAMESPACE));
}

function isIdle(server: usize): bool {
  return load<u32>(server, VS_SERVER_ACTIVE) + load<u32>(server, VS_SERVER_INACTIVE) == 0;
}

/**
 * Deletes a real server as kube-proxy does: at once if it has no connections, or the service is UDP; else it gets weight 0, and is
 * deleted by `reap` (pkg/proxy/ipvs/graceful_termination.go).
 */
export function leave(service: usize, address: u32, port: u32): void {
  recorder.changed();
  const server = findIn(load<usize>(service, VS_SERVICE_SERVERS), address, port);
  if (!server || load<u32>(server, VS_SERVER_LEAVING)) return;
  if (isIdle(server) || load<u32>(service, VS_SERVICE_PROTO) == PROTO_UDP) {
    unlink(service, server);
    return;
  }
  store<u32>(server, 0, VS_SERVER_WEIGHT);
  store<u32>(server, 1, VS_SERVER_LEAVING);
  schedule.changed(service);
}

/** Deletes the real servers that leave and have no connections any more. Returns how many still wait. */
export function reap(ns: usize): u32 {
  const ipvs = load<usize>(ns, NS_IPVS);
  if (!ipvs) return 0;
  let waiting: u32 = 0;
  const services = load<usize>(ipvs, IPVS_SERVICES);
  for (let i: u32 = 0; i < hash.bucketCount(services); i++) {
    for (let service = load<usize>(hash.bucket(services, i)); service; service = load<usize>(service)) {
      let server = load<usize>(service, VS_SERVICE_SERVERS);
      while (server) {
        const next = load<usize>(server, VS_SERVER_NEXT);
        if (load<u32>(server, VS_SERVER_LEAVING)) {
          if (isIdle(server)) unlink(service, server);
          else waiting++;
        }
        server = next;
      }
    }
  }
  recorder.changed();
  return waiting;
}
