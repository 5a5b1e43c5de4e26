// A capture under way on one device: what it saw since the last look, chosen by a filter, as records of a classic pcap file.
import {
  CAPTURE_PCAP,
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
const RECORD_HEAD = 16;

export interface CapturedFrame {
  /** Nanoseconds since 1970. */
  time: bigint;
  frame: Buffer;
  /** The whole record, as a pcap file has it. */
  record: Buffer;
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

  /** Hands every frame of a device that the filter wants to `take`. Throws a FilterError. Returns how to stop it. */
  start(device: Handle, filter: string, take: (frame: CapturedFrame) => void): () => void {
    const { kernel } = this.#emulation;
    const program = filter === "" ? undefined : compileFilter(filter);
    const file = kernel.calls.newFile(this.#files++, CAPTURE_PCAP, BUFFER_BYTES, 1) >>> 0;
    if (program) kernel.setWord(file + FILE_FILTER, kernel.placeWords(program));
    kernel.calls.addSink(device, file, 0);
    const sink = kernel.word(device + DEV_CAPTURE);
    this.#open.set(file, take);
    return () => {
      this.#read();
      this.#open.delete(file);
      this.#unlink(device, sink);
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
      const end = at + RECORD_HEAD + bytes.readUInt32LE(at + 8);
      const time = BigInt(bytes.readUInt32LE(at)) * 1_000_000_000n + BigInt(bytes.readUInt32LE(at + 4));
      this.#open.get(file)?.({ time, frame: bytes.subarray(at + RECORD_HEAD, end), record: bytes.subarray(at, end) });
      at = end;
    }
  }
}
