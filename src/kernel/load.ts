// Loads the kernel module: compiles it once, checks that it and this program agree on every layout, makes instances.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import * as balancer from "../../assembly/layout/balancer.ts";
import * as codes from "../../assembly/layout/codes.ts";
import * as failures from "../../assembly/layout/failures.ts";
import * as filter from "../../assembly/layout/filter.ts";
import * as frame from "../../assembly/layout/frame.ts";
import * as pcap from "../../assembly/layout/pcap.ts";
import * as program from "../../assembly/layout/program.ts";
import * as records from "../../assembly/layout/records.ts";
import * as rules from "../../assembly/layout/rules.ts";
import * as trace from "../../assembly/layout/trace.ts";
import * as traffic from "../../assembly/layout/traffic.ts";
import * as ingress from "../../assembly/layout/ingress.ts";
import * as zone from "../../assembly/layout/zone.ts";

/** The functions that the module exports; see assembly/index.ts. Unsigned results come back signed. */
export interface KernelExports {
  start(worker: number, lines: number, namespaces: number): void;
  reserve(bytes: number): number;
  shareAddress(at: number): number;
  machineAddress(machine: number, at: number): number;
  addressBytes(machine: number, number: number): number;
  memoryTaken(): number;
  newMachine(id: number): number;
  newProcessor(machine: number, cores: number, backlog: number): number;
  newNamespace(machine: number, id: number, seedLow: number, seedHigh: number): number;
  setSysctl(ns: number, which: number, value: number): void;
  setDeviceKey(device: number, field: number, value: number): void;
  newDevice(ns: number, kind: number, macHigh: number, macLow: number, mtu: number): number;
  loopbackOf(ns: number): number;
  joinVeth(a: number, b: number): void;
  addPort(master: number, device: number, flags: number): void;
  setLink(device: number, up: number): void;
  setCarrier(device: number, on: number): void;
  newSegment(latency: number, rate: number, ports: number): number;
  newNetem(device: number): number;
  placeInSet(segment: number, port: number, ports: number, set: number): void;
  heal(): void;
  plug(segment: number, port: number, device: number, worker: number): void;
  indexPorts(segment: number, ports: number): void;
  addAddress(ns: number, device: number, local: number, prefix: number): void;
  addRoute(
    ns: number,
    network: number,
    length: number,
    via: number,
    device: number,
    source: number,
    metric: number,
  ): number;
  addCommonRoutes(ns: number, list: number, except: number, device: number): void;
  expandRoutes(table: number): void;
  addRouteTo(
    ns: number,
    table: number,
    network: number,
    length: number,
    type: number,
    via: number,
    device: number,
    source: number,
    metric: number,
    mtu: number,
  ): number;
  addPolicy(
    ns: number,
    priority: number,
    source: number,
    sourceLength: number,
    destination: number,
    destinationLength: number,
    table: number,
    type: number,
  ): void;
  newSet(ns: number, name: number, parts: number, timeout: number, most: number): number;
  addElement(
    set: number,
    address: number,
    length: number,
    port: number,
    other: number,
    otherLength: number,
    nomatch: number,
    seconds: number,
  ): number;
  carryElement(element: number, packets: number, bytes: number, mark: number, markMask: number): void;
  removeConnection(entry: number): void;
  makeEvents(lineCount: number, count: number): void;
  setEvent(index: number, at: number, until: number): void;
  failuresOf(line: number, event: number): number;
  openConnections(ns: number): number;
  closeListeners(ns: number): void;
  endServers(ns: number, silent: number): number;
  makeTunnel(ns: number, device: number, vni: number, port: number, local: number): void;
  addRemote(device: number, macHigh: number, macLow: number, remote: number): void;
  addForwarding(master: number, port: number, macHigh: number, macLow: number, flags: number): void;
  addNeighbour(ns: number, device: number, to: number, macHigh: number, macLow: number): void;
  admitRules(block: number, first: number, count: number): number;
  loadRules(ns: number, block: number): void;
  changeRules(ns: number, block: number): void;
  loadRules6(ns: number, block: number): void;
  changeRules6(ns: number, block: number): void;
  ruleCounter(rules: number, index: number): number;
  clearCounters(rules: number, first: number, count: number): void;
  listen(ns: number, proto: number, local: number, port: number, owner: number, arg: number): number;
  newDnsServer(ns: number, zone: number, other: number, recursive: number): number;
  changeNames(server: number, changes: number): void;
  newBalancer(ns: number): number;
  putService(
    ns: number,
    address: number,
    port: number,
    protocol: number,
    scheduler: number,
    persistent: number,
  ): number;
  removeService(service: number): void;
  putServer(service: number, address: number, port: number, weight: number): void;
  leaveService(service: number, address: number, port: number): void;
  reapServers(ns: number): number;
  removeAddress(ns: number, device: number, local: number): void;
  removeElement(set: number, address: number, length: number, port: number, other: number, otherLength: number): void;
  startCheck(check: number, at: number): void;
  newFlow(): number;
  startFlow(flow: number, at: number): void;
  lineOf(number: number): number;
  newFile(index: number, format: number, size: number, interfaces: number): number;
  addSink(device: number, file: number, id: number): void;
  sendNotes(file: number): void;
  capturedBytes(worker: number): number;
  startMerge(workers: number): void;
  merge(): number;
  resetStream(worker: number): void;
  indexRules(block: number, first: number, count: number, shortest: number): void;
  indexMaps(block: number): void;
  setMatcher(which: number): void;
  setFlowCache(on: number): void;
  settleCounters(): void;
  setTrace(on: number, misses: number): number;
  run(end: number): number;
  runToMail(end: number): number;
  nextEvent(): number;
  earliestSent(): number;
  collect(workers: number): void;
  newFrame(): number;
  inject(device: number, frame: number, at: number): void;
  transmit(device: number, frame: number, at: number): void;
  sendRaw(ns: number, frame: number, at: number): void;
  setTime(at: number): void;
  choose(ns: number, kind: number, src: number, dst: number, ports: number, proto: number, value: number): void;
  clearChoices(ns: number): void;
  connectionSlots(table: number): number;
  connectionAt(table: number, slot: number): number;
  bucketCount(table: number): number;
  bucketHead(table: number, bucket: number): number;
  liveFrames(): number;
  framesTaken(): number;
  framesEnded(how: number): number;
  sweepConnections(ns: number): void;
  takeMail(): number;
  programBind(ns: number, proto: number, local: number, port: number, number: number): number;
  programOpen(ns: number, remote: number, port: number, number: number): number;
  boundSocket(): number;
  closeSocket(socket: number): void;
  programSend(socket: number, to: number, port: number, from: number, bytes: number): number;
  programConnect(ns: number, to: number, port: number, number: number): number;
  connectFrom(ns: number, to: number, port: number, from: number): number;
  programWrite(c: number, from: number, bytes: number): void;
  programClose(c: number): void;
  programFrame(ns: number, bytes: number): number;
  findWay(ns: number, to: number, source: number, at: number): void;
  prepareFloor(flows: number, size: number): void;
  runFloor(frames: number, size: number): number;
}

const PAGE = 65536;

/** Compiles the module. V8's baseline compiler is left out first: a loop that it has entered is never optimised. */
export function compileKernel(path: string = fileURLToPath(import.meta.resolve("#kernel.wasm"))): WebAssembly.Module {
  setFlagsFromString("--no-liftoff");
  return new WebAssembly.Module(readFileSync(path));
}

/** The one memory that all instances share, with nothing in it but the place where free pages begin. */
export function newMemory(): WebAssembly.Memory {
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
  new Uint32Array(memory.buffer)[records.SHARED_BREAK / 4] = Math.ceil(records.SHARED_END / PAGE);
  return memory;
}

/** Forgets what the workers of a run that is over have left for each other. */
export function forgetMail(memory: WebAssembly.Memory): void {
  new Uint8Array(memory.buffer, records.SHARED_OUTBOXES, records.SHARED_END - records.SHARED_OUTBOXES).fill(0);
}

/** An instance over the memory. Throws if the module was built from other layouts than this program. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  for (const layout of [
    codes,
    balancer,
    failures,
    filter,
    frame,
    ingress,
    pcap,
    program,
    records,
    rules,
    trace,
    traffic,
    zone,
  ])
    checkLayout(exports, layout);
  return exports as unknown as KernelExports;
}

function checkLayout(exports: WebAssembly.Exports, layout: Record<string, number>): void {
  for (const [name, ours] of Object.entries(layout)) {
    const theirs = (exports[name] as WebAssembly.Global | undefined)?.value as number | undefined;
    if (theirs !== (ours | 0)) {
      throw new Error(`layout drift: ${name} is ${theirs} in the kernel module, ${ours} here; run npm run build`);
    }
  }
}
