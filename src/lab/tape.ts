// Time and what is seen in it: lets a step's time pass, hands out the frames that interfaces saw, writes them to the capture file.
import * as R from "../../assembly/layout/records.ts";
import { CaptureWriter, newFileRecords } from "../engine/capture-writer.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import type { Network } from "./build.ts";

const MILLISECOND = 1e6;
const MOST_MS = 3000;
/** What a step takes besides waiting, as on a real machine: so a limit of just so many milliseconds is over. */
const STEP_NS = 0.5 * MILLISECOND;

/** A frame at an interface, `namespace:interface`. */
export interface SeenFrame {
  at: string;
  dir: "in" | "out";
  bytes: Uint8Array;
  atNs: number;
}

export class Tape {
  readonly #kernel: Kernel;
  readonly #writer: CaptureWriter;
  readonly #sinks = new Map<Handle, string>();
  #now = 0;

  /** Captures the interfaces `captured`; `pcapng` is an open file whose head describes them in this order. */
  constructor(network: Network, captured: string[], pcapng: number | undefined) {
    this.#kernel = network.kernel;
    const captures = pcapng === undefined ? [] : [{ fd: pcapng, format: "pcapng" as const, devices: captured }];
    const records = newFileRecords(this.#kernel, [{ fd: -1, format: "pcapng", devices: captured }]);
    this.#writer = new CaptureWriter(this.#kernel, captures, records);
    captured.forEach((at, id) => {
      const device = network.device(at);
      this.#kernel.calls.addSink(device, records[0] ?? 0, id);
      this.#sinks.set(this.#kernel.word(device + R.DEV_CAPTURE), at);
    });
  }

  /** Nanoseconds of virtual time. */
  get now(): number {
    return this.#now;
  }

  /** Lets time pass until nothing has been captured for `quietMs`, but at least `leastMs`; `more`: what a step takes besides. */
  settle(quietMs: number, leastMs: number, more = STEP_NS): void {
    const began = this.#now;
    const until = began + leastMs * MILLISECOND;
    const limit = until + MOST_MS * MILLISECOND;
    const { calls } = this.#kernel;
    let last = began;
    let seen = calls.capturedBytes(0);
    for (;;) {
      const next = calls.nextEvent();
      const end = Math.max(last + quietMs * MILLISECOND, until);
      if (next > end || next > limit) {
        this.#now = end + more;
        return;
      }
      calls.run(next + 1);
      const now = calls.capturedBytes(0);
      if (now > seen) last = next;
      seen = now;
    }
  }

  /** Lets everything before a moment happen. */
  runTo(ns: number): void {
    this.#kernel.calls.run(ns);
    this.#now = ns;
  }

  /**
   * The frames captured since the last call, in order, as packet sockets see them: lo both sends and receives each. They go to the
   * capture file, too, where lo has them once, as libpcap leaves out those that it sends.
   */
  collect(): SeenFrame[] {
    const frames = this.#kernel.caught(0).flatMap(({ sink, direction, atNs, bytes }): SeenFrame[] => {
      const seen = { at: this.#sinks.get(sink) ?? "", dir: direction, bytes, atNs };
      return seen.at.endsWith(":lo") ? [{ ...seen, dir: "out" }, seen] : [seen];
    });
    this.#writer.merge(1);
    this.#kernel.calls.resetStream(0);
    return frames;
  }

  /** The end of the capture file. */
  finish(): void {
    this.#kernel.calls.setTime(this.#now);
    this.#writer.finish(this.#now);
  }
}
