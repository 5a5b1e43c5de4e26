// A machine in a kernel on this thread: a test sends frames into it, lets time pass, and reads what its devices saw.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";
import { FRAME_CAPACITY, FRAME_DATA, FRAME_LENGTH } from "../../assembly/layout/frame.ts";
import { NS_CONNECTION_COUNT } from "../../assembly/layout/records.ts";
import { attachCaptures, CaptureWriter, newFileRecords } from "../../src/engine/capture-writer.ts";
import { closeCaptures, openCaptures, type CaptureFile } from "../../src/engine/captures.ts";
import type { Built } from "../../src/engine/build.ts";
import { PreparedRun } from "../../src/engine/run.ts";
import { NameTable } from "../../src/iptables/names.ts";
import { parseRules } from "../../src/iptables/parse.ts";
import { countedBy } from "../../src/kernel/counters.ts";
import { compileRules } from "../../src/iptables/records.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";
import { DROP_REASONS, type Handle, type Kernel } from "../../src/kernel/kernel.ts";
import type { Plan } from "../../src/seam/plan.ts";
import { readCaptureFile, type CapturePacket } from "../tools/capture.ts";
import { decodeFrame, type Frame } from "../tools/frame.ts";
import { summarize } from "../tools/summary.ts";
import { machineOf, planOf, type MachineWords } from "./network.ts";

/** The builds of the kernel module that behaviour is tested on. */
export const BUILDS = ["debug", "release"] as const;
export type Build = (typeof BUILDS)[number];

/** Where a build lies. */
export function modulePath(build: Build): string {
  return fileURLToPath(new URL(`../../build/${build}.wasm`, import.meta.url));
}

const EPOCH = 1767225600_000_000_000n;

export interface Seen {
  device: string;
  /** Nanoseconds of virtual time. */
  ns: number;
  direction: CapturePacket["direction"];
  id: bigint | undefined;
  bytes: Uint8Array;
  frame: Frame;
}

export class Lab {
  readonly kernel: Kernel;
  readonly #plan: Plan;
  readonly #built: Built;
  readonly #files: CaptureFile[];
  readonly #writer: CaptureWriter;
  /** Frames with these wrong checksums are what the test sent. */
  badChecksumsAllowed = false;

  constructor(build: Build, words: MachineWords, more: Partial<Plan> = {}) {
    const folder = mkdtempSync(join(tmpdir(), "podwire-lab-"));
    const captures: Plan["captures"] = [{ devices: ["*"], path: join(folder, "lab.pcapng"), format: "pcapng" }];
    this.#plan = planOf([machineOf("m", words)], { captures, ...more });
    this.#files = openCaptures(this.#plan);
    onTestFinished(() => {
      closeCaptures(this.#files);
      rmSync(folder, { recursive: true });
    });
    const { worker, built } = new PreparedRun(this.#plan, { modulePath: modulePath(build) }).alone();
    this.kernel = worker.kernel;
    this.#built = built;
    const records = newFileRecords(this.kernel, this.#files);
    attachCaptures(this.kernel, this.#files, records, built);
    this.#writer = new CaptureWriter(this.kernel, this.#files, records);
  }

  device(path: string): Handle {
    const handle = this.#built.devices.get(path);
    if (handle === undefined) throw new Error(`the lab has no device ${path}`);
    return handle;
  }

  namespace(name: string): Handle {
    const handle = this.#built.namespaces.get(name);
    if (handle === undefined) throw new Error(`the lab has no namespace ${name}`);
    return handle;
  }

  /** The MAC address of a device. */
  mac(path: string): string {
    const machine = this.#plan.machines[0];
    const ends = [...(machine?.veths ?? []).flatMap(({ a, b }) => [a, b]), ...(machine?.bridges ?? [])];
    const found = ends.find(({ namespace, name }) => `${namespace}/${name}` === path);
    if (!found) throw new Error(`the lab has no device ${path}`);
    return found.mac;
  }

  /** Gives a frame to a device as if its neighbour had sent it. */
  inject(path: string, bytes: Uint8Array, atSeconds = 0): void {
    if (bytes.length > FRAME_CAPACITY) throw new Error(`${bytes.length} bytes do not fit into a frame`);
    const device = this.device(path);
    const frame = this.kernel.calls.newFrame() >>> 0;
    this.kernel.bytes(this.kernel.word(frame + FRAME_DATA), bytes.length).set(bytes);
    this.kernel.setWord(frame + FRAME_LENGTH, bytes.length);
    this.kernel.calls.inject(device, frame, atSeconds * 1e9);
  }

  /** Has a device send a frame, as a packet socket does. */
  send(path: string, bytes: Uint8Array, atSeconds = 0): void {
    this.kernel.calls.transmit(this.device(path), this.kernel.newFrame(bytes), atSeconds * 1e9);
  }

  /** Handles everything before a moment. */
  run(seconds: number): this {
    this.kernel.calls.run(seconds * 1e9);
    return this;
  }

  /** The capture file, with everything in it so far. */
  get capture(): string {
    this.#writer.merge(1);
    this.kernel.calls.resetStream(0);
    this.#writer.finish(0);
    return this.#files[0]?.path ?? "";
  }

  /** Everything that devices saw so far, in order; throws if a checksum is wrong anywhere. */
  seen(...devices: string[]): Seen[] {
    const packets = readCaptureFile(this.capture).packets.map((packet) => ({
      device: packet.device,
      ns: Number(packet.time - EPOCH),
      direction: packet.direction,
      id: packet.id,
      bytes: packet.bytes,
    }));
    const wanted = devices.length === 0 ? packets : packets.filter(({ device }) => devices.includes(device));
    const decoded = wanted.map((packet) => ({ ...packet, frame: decodeFrame(packet.bytes) }));
    if (!this.badChecksumsAllowed) {
      const bad = decoded.flatMap(({ device, frame }) => frame.badChecksums.map((name) => `${device} ${name}`));
      expect(bad).toEqual([]);
    }
    return decoded;
  }

  /** What the devices saw, a line for each frame: `a/eth0: 10.0.0.1 > 10.0.0.2 icmp 8/0`. */
  lines(...devices: string[]): string[] {
    return this.seen(...devices).map(({ device, frame }) => `${device}: ${summarize(frame)}`);
  }

  /** The same for one device without its name, and without ARP. */
  packets(device: string): string[] {
    return this.seen(device)
      .filter(({ frame }) => frame.ipv4)
      .map(({ frame }) => summarize(frame));
  }

  /** The same with the time in seconds before each line, ARP included. */
  timed(device: string): string[] {
    return this.seen(device).map(({ ns, frame }) => `${(ns / 1e9).toFixed(3)} ${summarize(frame)}`);
  }

  /** Drops of a namespace by reason. */
  drops(namespace: string): Record<string, number> {
    const counts = this.kernel.drops(this.namespace(namespace));
    const entries = DROP_REASONS.map((reason, code) => [reason, counts[code] ?? 0] as const);
    return Object.fromEntries(entries.filter(([, count]) => count > 0));
  }

  /** Packets by rule, such as `filter FORWARD 0` or `nat PREROUTING policy`; rules that nothing met are left out. */
  counters(namespace: string): Record<string, number> {
    const text = this.#plan.machines[0]?.namespaces.find(({ name }) => name === namespace)?.rules ?? "";
    const { rules } = compileRules(parseRules(wholeText(text), namespace), new NameTable());
    const counters = this.kernel.ruleCounters(this.namespace(namespace));
    const entries = rules.map(({ table, chain, index }, i) => {
      return [`${table} ${chain} ${index}`, countedBy(counters, i).packets] as const;
    });
    return Object.fromEntries(entries.filter(([, count]) => count > 0));
  }

  /** Why listeners were refused. */
  get listenErrors(): string[] {
    return this.#built.listenErrors.map(({ error }) => error);
  }

  /** How the requests of a traffic line went. */
  outcome(line = 0): Record<string, number> {
    const { sent, delivered, refused, timedOut, unresolved } = this.#line(line);
    const all = { sent, delivered, refused, timedOut, unresolved };
    return Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0));
  }

  #line(line: number) {
    const counters = this.kernel.lineCounters(line, this.#built.namespaces.size);
    return { ...counters, delivered: counters.histogram.reduce((sum, count) => sum + count, 0) };
  }

  /** Entries in the connection table once those whose time is over are gone. */
  connections(namespace: string): number {
    const ns = this.namespace(namespace);
    this.kernel.calls.sweepConnections(ns);
    return this.kernel.word(ns + NS_CONNECTION_COUNT);
  }

  /** Frames that the pool has given out. */
  get live(): number {
    return this.kernel.calls.liveFrames();
  }
}
