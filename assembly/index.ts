// The exports of the kernel module, in the order in which a host calls them. Addresses of records are handles to it.
import { DEVICE_BRIDGE, DEVICE_VXLAN, EINVAL, ENETUNREACH, NUD_PERMANENT, OK, ROUTE_UNICAST } from "./layout/codes.ts";
import * as B from "./layout/balancer.ts";
import * as F from "./layout/frame.ts";
import * as R from "./layout/records.ts";
import * as P from "./layout/program.ts";
import { SERVER_CHANGES } from "./layout/zone.ts";
import * as checker from "./app/checker.ts";
import * as attempt from "./app/attempt.ts";
import * as calls from "./app/calls.ts";
import * as client from "./app/client.ts";
import * as flow from "./app/flow.ts";
import * as session from "./app/session.ts";
import * as dnsServer from "./app/dns-server.ts";
import * as ingress from "./app/ingress.ts";
import * as process from "./app/process.ts";
import * as program from "./app/program.ts";
import * as address from "./fib/address.ts";
import * as address6 from "./fib/address6.ts";
import * as route from "./fib/route.ts";
import * as flows from "./flow/cache.ts";
import * as floor from "./floor/hop.ts";
import * as neighbour from "./ip/neighbour.ts";
import * as ways from "./ip/route-packet.ts";
import * as ipvsConnections from "./ipvs/connection.ts";
import * as services from "./ipvs/service.ts";
import * as bridge from "./link/bridge.ts";
import * as devices from "./link/device.ts";
import * as netem from "./link/netem.ts";
import * as partition from "./link/partition.ts";
import * as segment from "./link/segment.ts";
import * as vxlan from "./link/vxlan.ts";
import * as addresses from "./memory/addresses.ts";
import { allocate, taken } from "./memory/arena.ts";
import * as choices from "./memory/choices.ts";
import { setMachine, setNow } from "./memory/clock.ts";
import * as events from "./memory/events.ts";
import * as frames from "./memory/frames.ts";
import * as hash from "./memory/hash.ts";
import * as recorder from "./memory/recorder.ts";
import * as tags from "./memory/tags.ts";
import { clearCounts, counterAt } from "./netfilter/counters.ts";
import * as sets from "./netfilter/set.ts";
import * as ruleIndex from "./netfilter/index.ts";
import * as lookup from "./netfilter/lookup.ts";
import * as ruleSets from "./netfilter/rule-sets.ts";
import * as walk from "./netfilter/walk.ts";
import * as captures from "./observe/capture.ts";
import * as failures from "./observe/failures.ts";
import * as lines from "./observe/lines.ts";
import * as notes from "./observe/notes.ts";
import * as trace from "./observe/trace.ts";
import * as path from "./path.ts";
import * as processor from "./processor.ts";
import * as tcp from "./socket/tcp.ts";
import * as udp from "./socket/udp.ts";
import * as sockets from "./socket/table.ts";
import { remove as removeEntry, sweep } from "./track/table.ts";
import { PROTO_UDP } from "./wire/ipv4.ts";

export * from "./layout/balancer";
export * from "./layout/codes";
export * from "./layout/failures";
export * from "./layout/filter";
export * from "./layout/frame";
export * from "./layout/ingress";
export * from "./layout/ipvs";
export * from "./layout/pcap";
export * from "./layout/program";
export * from "./layout/records";
export * from "./layout/rules";
export * from "./layout/trace";
export * from "./layout/traffic";
export * from "./layout/zone";

// ---- setting up

/** Begins as worker `worker`: its stream of captured frames and the counters of `lineCount` traffic lines. */
export function start(worker: u32, lineCount: u32, namespaces: u32): void {
  segment.setWorker(worker);
  captures.startStream(worker);
  lines.makeLines(lineCount, namespaces);
}

/** Room for the events of a run by which failed requests are counted. */
export function makeEvents(lineCount: u32, count: u32): void {
  failures.make(lineCount, count);
}

/** An event begins at a moment, and until another goes on what comes of it; events are in order of time. */
export function setEvent(index: u32, at: f64, until: f64): void {
  failures.set(index, <u64>at, <u64>until);
}

/** What a line, numbered from 1, has counted for an event: a word for each FAILED_*. */
export function failuresOf(line: u32, event: u32): usize {
  return failures.countersOf(line, event);
}

/** Memory for the host to fill: rule sets, zones, requests. Zeroed, never given back. */
export function reserve(bytes: u32): usize {
  return allocate(bytes + 16);
}

/** The number of the IPv6 address whose 16 bytes lie at `at`, the same on all machines. While they run one instance alone may call it. */
export function shareAddress(at: usize): u32 {
  return addresses.share(at);
}

/** The number by which a machine knows the IPv6 address whose 16 bytes lie at `at`; a new one if it has met it never. 0: none is left. */
export function machineAddress(machine: usize, at: usize): u32 {
  setMachine(machine);
  return addresses.numberOf(at);
}

/** Where the 16 bytes of the IPv6 address lie that a machine knows by a number. */
export function addressBytes(machine: usize, number: u32): usize {
  setMachine(machine);
  return addresses.bytesOf(number);
}

/** The bytes of memory that this instance has taken so far. */
export function memoryTaken(): f64 {
  return <f64>taken();
}

export function newMachine(id: u32): usize {
  const machine = devices.newMachine(id);
  addresses.begin();
  setMachine(machine);
  return machine;
}

/** Gives a machine a processor of so many cores; the host writes what work costs into it (CPU_*). */
export function newProcessor(machine: usize, cores: u32, backlog: u32): usize {
  return processor.newProcessor(machine, cores, backlog);
}

export function newNamespace(machine: usize, id: u32, seedLow: u32, seedHigh: u32): usize {
  return devices.newNamespace(machine, id, ((<u64>seedHigh) << 32) | (<u64>seedLow));
}

/** Sets a sysctl (SYSCTL_*). ip_forward sets the devices' own `forwarding` too (inet_forward_change). */
export function setSysctl(ns: usize, which: u32, value: u32): void {
  if (which == R.SYSCTL_IP_FORWARD) {
    for (let at = load<usize>(ns, R.NS_DEVICES); at; at = load<usize>(at, R.DEV_NEXT)) {
      store<u32>(at, value, R.DEV_FORWARDING);
    }
  }
  store<u32>(ns + R.NS_SYSCTLS + ((<usize>which) << 2), value);
  if (which == R.SYSCTL_IPV6_FORWARDING) route.flushCache(ns);
  recorder.changed();
  sockets.portFreed(ns);
}

/** Sets a per-device key: `field` is the offset of its word, such as DEV_RP_FILTER. */
export function setDeviceKey(device: usize, field: u32, value: u32): void {
  store<u32>(device + <usize>field, value);
  recorder.changed();
}

/** A device of kind DEVICE_VETH, _BRIDGE, _WIRE or _DUMMY; the host writes its name to DEV_NAME. */
export function newDevice(ns: usize, kind: i32, macHigh: u32, macLow: u32, mtu: u32): usize {
  const device = devices.newDevice(ns, kind, macHigh, macLow, mtu);
  if (kind == DEVICE_BRIDGE) {
    devices.makeBridge(device);
    bridge.addEntry(device, macHigh, macLow, 0, R.FDB_LOCAL);
  }
  return device;
}

export function loopbackOf(ns: usize): usize {
  return load<usize>(ns, R.NS_LOOPBACK);
}

export function joinVeth(a: usize, b: usize): void {
  devices.joinVeth(a, b);
}

/** Makes a device a port of a bridge; `flags` are PORT_* besides the default ones. */
export function addPort(master: usize, device: usize, flags: u32): void {
  devices.addPort(master, device, flags);
  // A port's own address is the host's too.
  bridge.addEntry(master, load<u32>(device, R.DEV_MAC_HIGH), load<u32>(device, R.DEV_MAC_LOW), device, R.FDB_LOCAL);
}

export function setLink(device: usize, up: u32): void {
  devices.setUp(device, up);
  route.flushCache(load<usize>(device, R.DEV_NAMESPACE));
  if (up) return;
  if (load<i32>(device, R.DEV_KIND) == DEVICE_VXLAN) vxlan.forgetLearned(device);
  const peer = load<usize>(device, R.DEV_PEER);
  if (load<usize>(device, R.DEV_MASTER)) bridge.flush(load<usize>(device, R.DEV_MASTER), device);
  // Its other end loses the carrier.
  if (peer && load<usize>(peer, R.DEV_MASTER)) bridge.flush(load<usize>(peer, R.DEV_MASTER), peer);
}

/** Takes the carrier of a link away (0), for both ends of a veth, or gives it back. Routes stay, as Linux has it. */
export function setCarrier(device: usize, on: u32): void {
  devices.setCarrier(device, on);
  if (on) return;
  loseCarrier(device);
  if (load<usize>(device, R.DEV_PEER)) loseCarrier(load<usize>(device, R.DEV_PEER));
}

/** What is known to be behind a device is forgotten. */
function loseCarrier(device: usize): void {
  route.flushCache(load<usize>(device, R.DEV_NAMESPACE));
  neighbour.forgetLearned(device);
  if (load<usize>(device, R.DEV_MASTER)) bridge.flush(load<usize>(device, R.DEV_MASTER), device);
}

export function newSegment(latency: f64, rate: f64, ports: u32): usize {
  return segment.newSegment(<u64>latency, <u64>rate, ports);
}

/** A NETEM_* record for the link of a device, to be filled by the host. */
export function newNetem(device: usize): usize {
  return netem.newNetem(device);
}

/** Puts a port of a segment into a set of a partition, from 1 on; all workers are told of all ports. */
export function placeInSet(at: usize, port: u32, ports: u32, set: u32): void {
  partition.place(at, port, ports, set);
}

/** Ends a partition. */
export function heal(): void {
  partition.heal();
}

export function plug(at: usize, port: u32, device: usize, worker: u32): void {
  segment.plug(at, port, device, worker, load<u32>(device, R.DEV_MAC_HIGH), load<u32>(device, R.DEV_MAC_LOW));
}

export function indexPorts(at: usize, ports: u32): void {
  segment.indexPorts(at, ports);
}

export function addAddress(ns: usize, device: usize, local: u32, prefix: u32): void {
  setMachine(load<usize>(ns, R.NS_MACHINE));
  if (addresses.isSix(local)) address6.addAddress(ns, device, local, prefix);
  else address.addAddress(ns, device, local, prefix);
}

/** A table, by its number, of the family that an address is of. */
function tableOf(ns: usize, id: u32, address: u32): usize {
  setMachine(load<usize>(ns, R.NS_MACHINE));
  const six = addresses.isSix(address);
  if (six) address6.begin(ns);
  return route.tableOf(ns, id, six);
}

/** The main table of the family that an address is of. */
function mainTable(ns: usize, network: u32): usize {
  return tableOf(ns, route.TABLE_MAIN, network);
}

/** Takes away an address that is the only one of its network (/32). */
export function removeAddress(ns: usize, device: usize, local: u32): void {
  address.removeAddress(ns, device, local);
}

/** Adds a unicast route. `device` 0: the one that `via` is on. EINVAL if there is none. */
export function addRoute(ns: usize, network: u32, length: u32, via: u32, device: usize, source: u32, metric: u32): i32 {
  setMachine(load<usize>(ns, R.NS_MACHINE));
  let out = device;
  if (!out) {
    const way = route.lookup(ns, via);
    out = way ? load<usize>(way, R.ROUTE_DEVICE) : 0;
    if (!out) return EINVAL;
  }
  route.flushCache(ns);
  route.add(mainTable(ns, network), network, length, ROUTE_UNICAST, via, out, source, metric);
  return OK;
}

/** Adds the routes of a list (COMMON_*) to the main table, all but the one at `except`; all lead out of `device`. */
export function addCommonRoutes(ns: usize, list: usize, except: u32, device: usize): void {
  route.flushCache(ns);
  route.addCommon(load<usize>(ns, R.NS_TABLE_MAIN), list, except, device);
}

/** Has a table hold all its routes as records. */
export function expandRoutes(table: usize): void {
  route.expandCommon(table);
}

/** Adds a route to a table by its number, which for IPv6 is the main one; `type` is ROUTE_*, `mtu` 0 that of the device. EINVAL as above. */
export function addRouteTo(
  ns: usize,
  table: u32,
  network: u32,
  length: u32,
  type: u32,
  via: u32,
  device: usize,
  source: u32,
  metric: u32,
  mtu: u32,
): i32 {
  setMachine(load<usize>(ns, R.NS_MACHINE));
  let out = device;
  if (!out && type == ROUTE_UNICAST) {
    const way = route.lookup(ns, via);
    out = way ? load<usize>(way, R.ROUTE_DEVICE) : 0;
    if (!out) return EINVAL;
  }
  route.flushCache(ns);
  const fib = tableOf(ns, table, network);
  route.add(fib, network, length, type, via, out, source, metric, mtu);
  return OK;
}

/** Adds a rule: packets from one network to another of its family look into a table, or with `table` 0 have a ROUTE_* that is no way. */
export function addPolicy(
  ns: usize,
  priority: u32,
  source: u32,
  sourceLength: u32,
  destination: u32,
  destinationLength: u32,
  table: u32,
  type: u32,
): void {
  const fib = table ? tableOf(ns, table, destination) : 0;
  route.addPolicy(ns, priority, source, sourceLength, destination, destinationLength, fib, type);
}

/** Adds an entry to a bridge's forwarding database: FDB_STATIC or FDB_LOCAL. It replaces one for the same address. */
export function addForwarding(master: usize, port: usize, macHigh: u32, macLow: u32, flags: u32): void {
  bridge.removeEntry(master, macHigh, macLow);
  bridge.addEntry(master, macHigh, macLow, port, flags);
}

/** Makes a device of kind DEVICE_VXLAN a tunnel; the host may set further words of its record at DEV_TUNNEL. */
export function makeTunnel(ns: usize, device: usize, vni: u32, port: u32, local: u32): void {
  vxlan.makeTunnel(device, vni, port, local);
  // Those of one port share its socket.
  sockets.bind(ns, PROTO_UDP, 0, port, R.OWNER_TUNNEL, 0);
}

/** Adds a remote host to an address in the forwarding database of a tunnel; the address of zeros is the default one. */
export function addRemote(device: usize, macHigh: u32, macLow: u32, remote: u32): void {
  vxlan.addRemote(device, macHigh, macLow, remote, R.FDB_STATIC);
}

/** Makes an IP set under an interned name; `parts` are SET_HAS_*, `timeout` in seconds, 0: none; `most` elements fit. */
export function newSet(ns: usize, name: u32, parts: u32, timeout: u32, most: u32): usize {
  return sets.create(ns, name, parts, timeout, most);
}

/** Adds an element to an IP set, for so many seconds if there are any. Returns its address, 0 if it is there or the set is full. */
export function addElement(
  set: usize,
  address: u32,
  length: u32,
  port: u32,
  other: u32,
  otherLength: u32,
  nomatch: u32,
  seconds: u32,
): usize {
  const element = sets.add(set, address, length, port, other, otherLength, seconds, false);
  if (element) store<u32>(element, nomatch, R.ELEMENT_NOMATCH);
  return element;
}

/** Deletes an element of an IP set, if it is there. */
export function removeElement(set: usize, address: u32, length: u32, port: u32, other: u32, otherLength: u32): void {
  recorder.changed();
  sets.del(set, address, length, port, other, otherLength);
}

/** Counters and mark of an element of a set that has them. */
export function carryElement(element: usize, packets: f64, bytes: f64, mark: u32, markMask: u32): void {
  sets.carry(element, <u64>packets, <u64>bytes, mark, markMask);
}

/** Adds a neighbour that never expires. */
export function addNeighbour(ns: usize, device: usize, to: u32, macHigh: u32, macLow: u32): void {
  setMachine(load<usize>(ns, R.NS_MACHINE));
  neighbour.update(neighbour.entryOf(ns, device, to), macHigh, macLow, NUD_PERMANENT, true);
}

/**
 * The number (from 1) of the first of `count` rules of a set, one behind the other from `first` on, with a match or target that the
 * kernel does not know; 0: it knows all. Notes in the set what they need. Each rule of a set must come by here once.
 */
export function admitRules(block: usize, first: usize, count: u32): u32 {
  return ruleSets.admit(block, first, count);
}

/** Makes the index of such rules, in runs of at least `shortest` (0: as many as are worth it). */
export function indexRules(block: usize, first: usize, count: u32, shortest: u32): void {
  ruleIndex.make(ruleSets.baseOf(block), first, count, shortest ? shortest : ruleIndex.RUN_SHORTEST);
}

/** Makes the index of a set's own sets and maps. */
export function indexMaps(block: usize): void {
  lookup.indexMaps(block, ruleSets.baseOf(block));
}

/** Puts a compiled rule set in force (iptables-restore): counters and states start anew, connections stay. */
export function loadRules(ns: usize, block: usize): void {
  flows.settle();
  ruleSets.enforce(ns, ns + R.NS_RULES, block, false);
}

/** The same for ip6tables. */
export function loadRules6(ns: usize, block: usize): void {
  flows.settle();
  ruleSets.enforce(ns, ns + R.NS_RULES6, block, false);
}

/** As loadRules, for a set that was made by changing the one in force: counters go on, those of equal numbers. */
export function changeRules(ns: usize, block: usize): void {
  flows.settle();
  ruleSets.enforce(ns, ns + R.NS_RULES, block, true);
}

/** The same for ip6tables. */
export function changeRules6(ns: usize, block: usize): void {
  flows.settle();
  ruleSets.enforce(ns, ns + R.NS_RULES6, block, true);
}

/** Has the counters of `count` rules of a set in force (at NS_RULES or NS_RULES6), from the one with the RULE_INDEX `first` on, begin anew. */
export function clearCounters(rules: usize, first: u32, count: u32): void {
  flows.settle();
  clearCounts(rules, first, count);
}

/** Where the counters of the rule with a RULE_INDEX in a set in force (at NS_RULES or NS_RULES6) are, made if need be. */
export function ruleCounter(rules: usize, index: u32): usize {
  return counterAt(rules, index);
}

/** Binds a listener (OWNER_SERVICE: `arg` is the response; OWNER_DNS: the server). EADDRINUSE if the port is taken. */
export function listen(ns: usize, proto: u32, local: u32, port: u32, owner: u32, arg: usize): i32 {
  return sockets.bind(ns, proto, local, port, owner, <u32>arg);
}

/**
 * A DNS server (SERVER_*) that answers from a zone block, and asks the server at `other` (0: nobody) about other names. `recursive` 1:
 * it tells what all others know.
 */
export function newDnsServer(ns: usize, zone: usize, other: u32, recursive: u32): usize {
  return dnsServer.newServer(ns, zone, other, recursive);
}

/** From now on a DNS server knows the names of a block of changes otherwise than its zone; 0: none. */
export function changeNames(server: usize, changes: usize): void {
  store<usize>(server, changes, SERVER_CHANGES);
}

/** Makes a namespace a load balancer; returns its BALANCER_* record. */
export function newBalancer(ns: usize): usize {
  const balancer = allocate(B.BALANCER_SIZE);
  store<usize>(balancer, hash.newTable(256), B.BALANCER_CONNECTIONS);
  store<u32>(balancer, 1, B.BALANCER_VERSION);
  store<usize>(ns, balancer, R.NS_BALANCER);
  return balancer;
}

/** Adds or changes a virtual service of ip_vs, `persistent` seconds or 0; returns its VS_SERVICE_* record. */
export function putService(ns: usize, address: u32, port: u32, protocol: u32, scheduler: u32, persistent: u32): usize {
  return services.put(ns, address, port, protocol, scheduler, persistent);
}

export function removeService(service: usize): void {
  services.remove(service);
}

/** Adds a real server to a virtual service, or gives it another weight. */
export function putServer(service: usize, address: u32, port: u32, weight: u32): void {
  services.putServer(service, address, port, weight);
}

/** Has a real server leave as kube-proxy does: its TCP connections go on. */
export function leaveService(service: usize, address: u32, port: u32): void {
  services.leave(service, address, port);
}

/** Deletes the real servers that leave and have no connections any more; returns how many wait. */
export function reapServers(ns: usize): u32 {
  return services.reap(ns);
}

/** Has a health check (CHECK_*, which the host fills) begin at a moment. */
export function startCheck(check: usize, at: f64): void {
  checker.start(check, <u64>at);
}

/** A flow; the host fills its record (FLOW_*) and starts it. */
export function newFlow(): usize {
  return allocate(R.FLOW_SIZE);
}

export function startFlow(record: usize, at: f64): void {
  flow.start(record, at);
}

export function lineOf(number: u32): usize {
  return lines.line(number);
}

/** How packets find the rules that they may match (MATCHER_*). */
export function setMatcher(which: u32): void {
  walk.setMatcher(which);
}

/** Lets frames take the way that the last one like them took (1), or has them all take the long way (0). */
export function setFlowCache(on: u32): void {
  flows.set(on != 0);
}

/** Brings the counters of devices and rules up to date; a host calls it before it reads or sets them. */
export function settleCounters(): void {
  flows.settle();
}

// ---- capturing

export function newFile(index: u32, format: u32, size: u32, interfaces: u32): usize {
  return captures.newFile(index, format, size, interfaces);
}

export function addSink(device: usize, file: usize, id: u32): void {
  captures.addSink(device, file, id);
}

/** Sends notes about this worker's packets to a file of CAPTURE_PCAPNG or CAPTURE_DROPS too. */
export function sendNotes(file: usize): void {
  notes.sendTo(file);
}

export function capturedBytes(worker: u32): u32 {
  return captures.pending(worker);
}

export function startMerge(workers: u32): void {
  captures.startMerge(workers);
}

/** A FILE_* record whose buffer is full, or 0: all is written into the buffers. */
export function merge(): usize {
  return captures.merge();
}

export function resetStream(worker: u32): void {
  captures.resetStream(worker);
}

// ---- tracing

/** Notes every step of every packet from now on (1) or no more (0); with `misses` also the rules that do not match. Forgets
 * what was noted. Returns the first block of steps (BATCH_*, STEP_*). */
export function setTrace(on: u32, misses: u32): usize {
  return trace.set(on != 0, misses != 0);
}

// ---- running

/** Handles every event before `end`. Returns the time of the next one, Infinity if there is none. */
export function run(end: f64): f64 {
  const limit = <u64>end;
  while (events.pop(limit)) handle();
  return nextEvent();
}

/** The same, but only until there is mail for a program (takeMail). */
export function runToMail(end: f64): f64 {
  const limit = <u64>end;
  while (!program.hasMail() && events.pop(limit)) handle();
  return nextEvent();
}

/** Handles the event taken last, and all that follows from it at its moment. */
function handle(): void {
  setNow(events.time);
  setMachine(events.owner);
  const takesTime = load<usize>(events.owner, R.MACHINE_CPU) != 0;
  if (!takesTime || !processor.handles(events.kind, events.subject, events.detail)) {
    dispatch(events.kind, events.subject, events.detail);
  }
  if (takesTime) processor.settle();
  else path.settle();
}

function dispatch(kind: i32, subject: usize, detail: u32): void {
  switch (kind) {
    case events.EVENT_RECEIVE:
      path.arrive(<usize>detail, subject);
      return;
    case events.EVENT_NEIGHBOUR:
      path.neighbourTimer(subject, detail);
      return;
    case events.EVENT_TCP:
      path.tcpTimer(subject, detail);
      return;
    case events.EVENT_FLOW:
      flow.onMoment(subject);
      return;
    case events.EVENT_TRANSMIT:
      path.transmit(<usize>detail, subject);
      return;
    case events.EVENT_FRAGMENTS:
      path.fragmentTimer(subject, detail);
      return;
    case events.EVENT_LOCAL:
      path.sendRaw(subject);
      return;
    case events.EVENT_SESSION:
      session.onTimer(subject);
      return;
    case events.EVENT_ASKED:
      dnsServer.onTimer(subject, detail);
      return;
    case events.EVENT_PROXY:
      ingress.onTimer(subject, detail);
      return;
    case events.EVENT_CHECK:
      checker.onTimer(subject, detail);
      return;
    case events.EVENT_RESOLVER:
      client.onResolverTimer(subject, detail);
      return;
    case events.EVENT_WORK:
      calls.onDone(subject, 0);
      return;
    case events.EVENT_IPVS:
      ipvsConnections.onTimer(subject, detail);
      return;
    case events.EVENT_TRY:
      attempt.onTimer(subject, detail);
      return;
  }
}

/** The time of the next event, Infinity if there is none. */
export function nextEvent(): f64 {
  const time = events.nextTime();
  return time == u64.MAX_VALUE ? Infinity : <f64>time;
}

/** The earliest arrival among the frames sent to other workers since the last call; Infinity if none. */
export function earliestSent(): f64 {
  const time = segment.takeEarliest();
  return time == u64.MAX_VALUE ? Infinity : <f64>time;
}

/** Takes a connection out of the table (CT_*). */
export function removeConnection(entry: usize): void {
  removeEntry(entry);
}

/** The connections to the servers of a namespace that are open. */
export function openConnections(ns: usize): u32 {
  return process.openConnections(ns);
}

/** The servers of a namespace stop listening. What is open stays. */
export function closeListeners(ns: usize): void {
  process.closeListeners(ns);
}

/** The servers of a namespace end, `silent` 1: together with it. Returns how many connections they had open. */
export function endServers(ns: usize, silent: u32): u32 {
  setMachine(load<usize>(ns, R.NS_MACHINE));
  const count = process.end(ns, silent != 0);
  path.settle();
  return count;
}

/** Takes in what the other workers have sent. */
export function collect(workers: u32): void {
  segment.collect(workers);
}

/** A frame to be filled by the host: its bytes go to FRAME_DATA, its length to FRAME_LENGTH. */
export function newFrame(): usize {
  return frames.newPacket();
}

/** A neighbour's frame comes in by a device at a moment. */
export function inject(device: usize, frame: usize, at: f64): void {
  const machine = load<usize>(load<usize>(device, R.DEV_NAMESPACE), R.NS_MACHINE);
  setMachine(machine);
  events.push(<u64>at, machine, events.EVENT_RECEIVE, frame, <u32>device);
}

/** A device sends a frame at a moment, as a packet socket makes it do. */
export function transmit(device: usize, frame: usize, at: f64): void {
  const machine = load<usize>(load<usize>(device, R.DEV_NAMESPACE), R.NS_MACHINE);
  setMachine(machine);
  events.push(<u64>at, machine, events.EVENT_TRANSMIT, frame, <u32>device);
}

/** A raw socket of a namespace sends an IPv4 packet that has its own header; the frame's data begins with it. */
export function sendRaw(ns: usize, frame: usize, at: f64): void {
  const machine = load<usize>(ns, R.NS_MACHINE);
  setMachine(machine);
  store<usize>(frame, ns, F.FRAME_NAMESPACE);
  events.push(<u64>at, machine, events.EVENT_LOCAL, frame, 0);
}

/** Moves the clock on to a moment at which nothing happens, so that what is read or changed next is of that moment. */
export function setTime(at: f64): void {
  setNow(<u64>at);
}

/** Fixes a choice of a namespace (CHOICE_OF_*) that else is left to chance. */
export function choose(ns: usize, kind: u32, src: u32, dst: u32, ports: u32, proto: u32, value: u32): void {
  choices.add(ns, kind, src, dst, ports, proto, value);
}

export function clearChoices(ns: usize): void {
  choices.clear(ns);
}

/** The number of slots of a connection table (NS_CONNECTIONS), for a host that lists it. */
export function connectionSlots(table: usize): u32 {
  return tags.slotCount(table);
}

/** The tuple in a slot of a connection table (TUPLE_*), 0: none. */
export function connectionAt(table: usize, slot: u32): usize {
  return tags.recordAt(table, slot);
}

/** The number of buckets of a hash table (DEV_FDB), for a host that lists it. */
export function bucketCount(table: usize): u32 {
  return hash.bucketCount(table);
}

/** The first record of a bucket, 0 if it is empty; a record's first word is the next one. */
export function bucketHead(table: usize, bucket: u32): usize {
  return load<usize>(hash.bucket(table, bucket));
}

/** Frames taken from the pool and not given back. */
export function liveFrames(): u32 {
  return frames.liveFrames();
}

/** Frames ever taken from the pool. */
export function framesTaken(): f64 {
  return <f64>frames.takenFrames();
}

/** Frames that ended so: USED_*. */
export function framesEnded(how: i32): f64 {
  return <f64>frames.endedFrames(how);
}

/** Removes connections whose time is over, so that what is left can be listed. */
export function sweepConnections(ns: usize): void {
  if (load<usize>(ns, R.NS_CONNECTIONS)) sweep(ns);
}

// ---- programs of the host

/** The oldest mail of programs (MAIL_*), 0: none. Good until the next call. */
export function takeMail(): usize {
  return program.takeMail();
}

/** Binds a socket of a program, which is known to it by a number, to a port (of ICMP: an id). EADDRINUSE. */
export function programBind(ns: usize, proto: u32, local: u32, port: u32, number: u32): i32 {
  return sockets.bind(ns, proto, local, port, R.OWNER_PROGRAM, number);
}

/** Opens a UDP socket of a program towards an address, on a port that is free. 0: none is. */
export function programOpen(ns: usize, remote: u32, port: u32, number: u32): usize {
  return sockets.open(ns, PROTO_UDP, remote, port, R.OWNER_PROGRAM, number, 0) ? sockets.socket : 0;
}

/** The socket that was bound last. */
export function boundSocket(): usize {
  return sockets.socket;
}

export function closeSocket(socket: usize): void {
  sockets.close(socket);
}

/** Sends a datagram from a UDP socket, now. ENETUNREACH: there is no way. */
export function programSend(socket: usize, to: u32, port: u32, from: usize, bytes: i32): i32 {
  setMachine(load<usize>(load<usize>(socket, R.SOCK_NAMESPACE), R.NS_MACHINE));
  const sent = udp.sendTo(socket, 0, to, port, from, bytes, 0);
  path.settle();
  return sent ? OK : ENETUNREACH;
}

/** Begins a TCP connection of a program, now. 0: there is no way, or no port is free. */
export function programConnect(ns: usize, to: u32, port: u32, number: u32): usize {
  setMachine(load<usize>(ns, R.NS_MACHINE));
  const c = tcp.connect(ns, to, port, R.OWNER_PROGRAM, number, 0);
  path.settle();
  return c;
}

/** Has a namespace connect from a port of its own; what comes is read, never answered. 0: there is no way, or the port is not free. */
export function connectFrom(ns: usize, to: u32, port: u32, from: u32): usize {
  setMachine(load<usize>(ns, R.NS_MACHINE));
  store<u32>(ns, from - 1, R.NS_NEXT_PORT);
  const c = tcp.connect(ns, to, port, R.OWNER_SINK, 0, 0);
  path.settle();
  return c && load<u32>(c, R.TCP_PORTS) >> 16 == from ? c : 0;
}

export function programWrite(c: usize, from: usize, bytes: i32): void {
  setMachine(load<usize>(load<usize>(c, R.TCP_NAMESPACE), R.NS_MACHINE));
  tcp.write(c, from, bytes);
  path.settle();
}

/** Closes a connection of which the program wants to hear no more. */
export function programClose(c: usize): void {
  setMachine(load<usize>(load<usize>(c, R.TCP_NAMESPACE), R.NS_MACHINE));
  store<u32>(c, 0, R.TCP_OWNER);
  tcp.close(c);
  path.settle();
}

/** A frame for a packet of a program with `bytes` bytes, to be filled by the host and sent with `sendRaw`. */
export function programFrame(ns: usize, bytes: i32): usize {
  setMachine(load<usize>(ns, R.NS_MACHINE));
  return frames.newPacketFor(bytes);
}

/** The way that a packet to an address would take from here (WAY_*, written to `at`); `source` 0: as the route says. */
export function findWay(ns: usize, to: u32, source: u32, at: usize): void {
  setMachine(load<usize>(ns, R.NS_MACHINE));
  const outcome = ways.outgoing(ns, to, source);
  store<i32>(at, outcome == ways.TO_LOCAL ? P.WAY_TO_LOCAL : outcome == ways.TO_FORWARD ? P.WAY_ONWARD : P.WAY_NOWHERE);
  if (outcome == ways.TO_NOWHERE) return;
  store<usize>(at, ways.device, P.WAY_DEVICE);
  store<u32>(at, ways.nextHop, P.WAY_NEXT_HOP);
  store<u32>(at, source ? source : ways.source, P.WAY_SOURCE);
  store<u32>(at, ways.mtu, P.WAY_MTU);
}

// ---- the floor of the benchmarks

export function prepareFloor(flows: u32, size: u32): void {
  floor.prepare(flows, size);
}

export function runFloor(frames: u32, size: u32): u32 {
  return floor.run(frames, size);
}
