// Plays random frames in a random network and checks the books: nothing traps, nothing hangs, no frame of the pool is lost.
import { FRAME_CAPACITY, FRAME_DATA, FRAME_LENGTH, FRAME_NEXT } from "../../assembly/layout/frame.ts";
import * as codes from "../../assembly/layout/codes.ts";
import * as R from "../../assembly/layout/records.ts";
import { NameTable } from "../../src/iptables/names.ts";
import { DROP_REASONS, Kernel, type Handle } from "../../src/kernel/kernel.ts";
import { newMemory } from "../../src/kernel/load.ts";
import { Network } from "../../src/lab/build.ts";
import { NamespaceRules } from "../../src/lab/rules.ts";
import { FrameSource } from "./frames.ts";
import { Random } from "./random.ts";
import { newWorld } from "./world.ts";

/** What became of the frames of one network. */
export interface Books {
  injected: number;
  /** Frames that the pool gave out: those injected, and those that the kernel made and copied. */
  taken: number;
  /** Frames that ended with a reason, by its name. */
  dropped: Record<string, number>;
  /** Frames that somebody had a use for, by whom. */
  consumed: Record<string, number>;
  /** Frames that wait for an answer, a timer or the rest of a packet. */
  queued: number;
}

const GAP_NS = 20_000;
/** After this time all that waits has been sent or given up: TCP tries longest, a quarter of an hour. */
const DRAIN_NS = 4 * 3600 * 1e9;
const BURST = 64;

/** How to read a run that failed: the seed says all. */
export class Unsafe extends Error {}

/**
 * Plays `count` frames in the network that `seed` says. `poison` fills the memory behind each frame: what comes out does not
 * depend on it. With `six` the network has IPv6, too. Throws Unsafe if the kernel traps or the books do not balance.
 */
export function playSafely(module: WebAssembly.Module, seed: number, count: number, poison = 0, six = false): Books {
  const random = new Random(seed);
  const { lab, wires } = newWorld(random, six);
  const kernel = new Kernel(module, newMemory());
  kernel.calls.start(0, 0, lab.topology.namespaces.length);
  const network = new Network(kernel, lab);
  load(kernel, network, lab.rules);
  const ends = wires.map(({ at, to }) => ({ device: network.device(at), to }));
  const source = new FrameSource(random, six);
  let now = 1e9;
  let injected = 0;
  const fail = (why: string): never => {
    throw new Unsafe(`seed ${seed}, frame ${injected} of ${count}: ${why}`);
  };
  const run = (end: number): void => {
    try {
      kernel.calls.run(end);
    } catch (error) {
      fail(String(error));
    }
  };
  while (injected < count) {
    for (let i = 0; i < BURST && injected < count; i++) {
      const { device, to } = random.pick(ends);
      kernel.calls.transmit(device, place(kernel, source.next(to), poison), now);
      now += random.oneIn(500) ? 40e9 : GAP_NS;
      injected++;
    }
    run(now);
    if (random.oneIn(8)) disturb(random, network);
  }
  const books = (): Books => {
    const namespaces = lab.topology.namespaces.map(({ name }) => network.namespace(name));
    const taken = kernel.calls.framesTaken();
    return {
      injected,
      taken,
      dropped: dropsOf(kernel, namespaces),
      consumed: usesOf(kernel),
      queued: kernel.calls.liveFrames(),
    };
  };
  const check = (): Books => {
    const result = books();
    const [reasons, consumed] = [sum(result.dropped), sum(result.consumed)];
    const dropped = kernel.calls.framesEnded(codes.USED_DROPPED);
    if (reasons < dropped) fail(`${dropped} frames dropped, but ${reasons} counted with a reason`);
    const accounted = dropped + consumed + result.queued;
    if (accounted !== result.taken)
      fail(`${result.taken} frames taken, but ${dropped} dropped, ${consumed} used and ${result.queued} queued`);
    const waiting = countWaiting(kernel, network.namespace("node")) + countWaiting(kernel, network.namespace("wire"));
    if (waiting !== result.queued) fail(`${result.queued} frames are out of the pool, but ${waiting} wait anywhere`);
    return result;
  };
  // With nothing under way any more every frame that is out waits in a queue that can be listed.
  run(now + 1e9);
  if (kernel.calls.nextEvent() - now > 1e9) check();
  run(now + DRAIN_NS);
  return check();
}

function load(kernel: Kernel, network: Network, rules: ReadonlyMap<string, string>): void {
  const names = new NameTable((address) => kernel.addressNumber6(address));
  const ns = network.namespace("node");
  const { listen = [] } = network.topology.namespaces[0] ?? {};
  for (const [ending, family] of [
    ["v4", "ipv4"],
    ["v6", "ipv6"],
  ] as const) {
    const text = rules.get(`node.${ending}`);
    const owner = { ns, backend: "legacy", family, sets: new Set<string>(), replayed: false } as const;
    if (text !== undefined) new NamespaceRules(kernel, owner, names).restore(text, `node.${ending}`, true);
  }
  for (const { proto, port, echo } of listen) kernel.listen(ns, proto, 0, port, echo ? "echo" : "sink", 0);
}

/** A frame of the pool with these bytes, and `poison` in all that lies behind them. */
function place(kernel: Kernel, bytes: Uint8Array, poison: number): Handle {
  const frame = kernel.calls.newFrame() >>> 0;
  const room = kernel.bytes(kernel.word(frame + FRAME_DATA), FRAME_CAPACITY);
  room.fill(poison, bytes.length);
  room.set(bytes);
  kernel.setWord(frame + FRAME_LENGTH, bytes.length);
  return frame;
}

/** Links go down and up, sysctls change while frames are under way. */
function disturb(random: Random, network: Network): void {
  for (const name of ["e0", "e1"]) network.setLink(`node:${name}`, !random.oneIn(8));
  if (random.oneIn(4)) network.setSysctl("node", "net.ipv4.ip_forward", random.oneIn(4) ? 0 : 1);
}

const USES = {
  socket: codes.USED_SOCKET,
  arp: codes.USED_ARP,
  joined: codes.USED_JOINED,
  split: codes.USED_SPLIT,
  tunnel: codes.USED_TUNNEL,
  wire: codes.USED_WIRE,
  stream: codes.USED_STREAM,
} as const;

/** What took the frames that were not dropped. */
function usesOf(kernel: Kernel): Record<string, number> {
  return Object.fromEntries(Object.entries(USES).map(([name, how]) => [name, kernel.calls.framesEnded(how)]));
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function dropsOf(kernel: Kernel, namespaces: readonly Handle[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const ns of namespaces) {
    kernel.drops(ns).forEach((count, code) => {
      const name = DROP_REASONS[code] ?? `${code}`;
      if (count > 0) total[name] = (total[name] ?? 0) + count;
    });
  }
  return total;
}

/** The frames that wait in a namespace: for ARP, for the rest of their packet, for acknowledgement, for what came before them. */
function countWaiting(kernel: Kernel, ns: Handle): number {
  const neighbours = kernel.records(kernel.word(ns + R.NS_NEIGHBOURS));
  const streams = kernel.records(kernel.word(ns + R.NS_STREAMS));
  let waiting = 0;
  for (const entry of neighbours) waiting += kernel.word(entry + R.NEIGH_QUEUED);
  for (const c of streams)
    waiting += lengthOf(kernel, kernel.word(c + R.TCP_QUEUE)) + lengthOf(kernel, kernel.word(c + R.TCP_OUT_OF_ORDER));
  for (let at = kernel.word(ns + R.NS_REASSEMBLIES); at !== 0; at = kernel.word(at + R.REASSEMBLY_NEXT))
    waiting += lengthOf(kernel, kernel.word(at + R.REASSEMBLY_FRAMES));
  return waiting;
}

function lengthOf(kernel: Kernel, first: Handle): number {
  let count = 0;
  for (let at = first; at !== 0; at = kernel.word(at + FRAME_NEXT)) count++;
  return count;
}
