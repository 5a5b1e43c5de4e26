// A capture under way on some devices: what they saw since the last look, chosen by a filter, with who saw it in which direction.
import * as P from "../../assembly/layout/pcap.ts";
import {
  CAPTURE_PCAPNG,
  DEV_CAPTURE,
  FILE_BUFFER,
  FILE_FILTER,
  FILE_USED,
  SINK_NEXT,
} from "../../assembly/layout/records.ts";
import type { Handle } from "../kernel/kernel.ts";
import { compileFilter } from "../pcap/filter.ts";
import type { Emulation } from "./emulation.ts";

const BUFFER_BYTES = 1 << 18;

export interface CapturedFrame {
  /** Nanoseconds since 1970. */
  time: bigint;
  frame: Buffer;
  /** Its place among the devices of the capture. */
  device: number;
  outgoing: boolean;
}

/** All captures of an emulation share the kernel's stream of caught frames, so they are read together. */
export class Captures {
  readonly #emulation: Emulation;
  readonly #open = new Map<Handle, (frame: CapturedFrame) => void>();
  #files = 0;

  constructor(emulation: Emulation) {
    this.#emulation = emulation;
    emulation.watchers.add(() => {
      this.#read();
    });
  }

  /** Hands every frame of some devices that the filter wants to `take`. Throws a FilterError. Returns how to stop it. */
  start(devices: readonly Handle[], filter: string, take: (frame: CapturedFrame) => void): () => void {
    const { kernel } = this.#emulation;
    const program = filter === "" ? undefined : compileFilter(filter);
    const file = kernel.calls.newFile(this.#files++, CAPTURE_PCAPNG, BUFFER_BYTES, devices.length) >>> 0;
    if (program) kernel.setWord(file + FILE_FILTER, kernel.placeWords(program));
    const sinks = devices.map((device, i) => {
      kernel.calls.addSink(device, file, i);
      return { device, sink: kernel.word(device + DEV_CAPTURE) };
    });
    this.#open.set(file, take);
    return () => {
      this.#read();
      this.#open.delete(file);
      for (const { device, sink } of sinks) this.#unlink(device, sink);
    };
  }

  #unlink(device: Handle, sink: Handle): void {
    const { kernel } = this.#emulation;
    for (let at = device + DEV_CAPTURE; at !== 0; at = kernel.word(at) + SINK_NEXT) {
      if (kernel.word(at) !== sink) continue;
      kernel.setWord(at, kernel.word(sink + SINK_NEXT));
      return;
    }
  }

  /** Takes what was caught since the last time. */
  #read(): void {
    if (this.#open.size === 0) return;
    const { calls } = this.#emulation.kernel;
    calls.startMerge(1);
    for (let full = calls.merge() >>> 0; full !== 0; full = calls.merge() >>> 0) this.#flush(full);
    for (const file of [...this.#open.keys()]) this.#flush(file);
    calls.resetStream(0);
  }

  #flush(file: Handle): void {
    const { kernel } = this.#emulation;
    const bytes = Buffer.from(kernel.bytes(kernel.word(file + FILE_BUFFER), kernel.word(file + FILE_USED)).slice());
    kernel.setWord(file + FILE_USED, 0);
    for (let at = 0; at < bytes.length;) {
      const word = (field: number): number => bytes.readUInt32LE(at + field);
      const length = word(P.EPB_CAPTURED);
      const tail = P.EPB_FRAME + ((length + 3) & ~3);
      this.#open.get(file)?.({
        time: (BigInt(word(P.EPB_TIME_HIGH)) << 32n) | BigInt(word(P.EPB_TIME_LOW)),
        frame: bytes.subarray(at + P.EPB_FRAME, at + P.EPB_FRAME + length),
        device: word(P.EPB_INTERFACE),
        outgoing: (word(tail + P.EPB_FLAGS) & 3) === P.EPB_OUTBOUND,
      });
      at += word(P.EPB_LENGTH);
    }
  }
}
