// The captures of one worker: which of its devices go to which files, and, on worker 0, the merging of all workers' frames.
import {
  CAPTURE_PCAP,
  CAPTURE_PCAPNG,
  FILE_BUFFER,
  FILE_INDEX,
  FILE_PACKETS,
  FILE_USED,
} from "../../assembly/layout/records.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import { writeAll } from "./captures.ts";
import type { Built } from "./build.ts";
import type { OpenCapture } from "./job.ts";

const PCAPNG_BUFFER = 1 << 20;
const PCAP_BUFFER = 1 << 18;

/** The kernel's records of the capture files. They are made by the main thread's instance and known to all workers. */
export function newFileRecords(kernel: Kernel, captures: readonly OpenCapture[]): Handle[] {
  return captures.map(({ format }, i) =>
    format === "pcapng"
      ? kernel.calls.newFile(i, CAPTURE_PCAPNG, PCAPNG_BUFFER) >>> 0
      : kernel.calls.newFile(i, CAPTURE_PCAP, PCAP_BUFFER) >>> 0,
  );
}

/** Switches on the capture of a worker's own devices. */
export function attachCaptures(
  kernel: Kernel,
  captures: readonly OpenCapture[],
  records: readonly Handle[],
  built: Built,
): void {
  captures.forEach((capture, i) => {
    capture.devices.forEach((name, id) => {
      const device = built.devices.get(name);
      if (device !== undefined) kernel.calls.addSink(device, records[i] ?? 0, id);
    });
  });
}

/** Writes captured frames to the files; used by worker 0 while the others stand still. */
export class CaptureWriter {
  readonly #kernel: Kernel;
  readonly #captures: readonly OpenCapture[];
  readonly #records: readonly Handle[];
  readonly #bytes: number[];

  constructor(kernel: Kernel, captures: readonly OpenCapture[], records: readonly Handle[]) {
    this.#kernel = kernel;
    this.#captures = captures;
    this.#records = records;
    this.#bytes = captures.map(() => 0);
  }

  /** Merges the streams of all workers into the files' buffers; full buffers go to disk. */
  merge(workers: number): void {
    this.#kernel.calls.startMerge(workers);
    for (let full = this.#kernel.calls.merge() >>> 0; full !== 0; full = this.#kernel.calls.merge() >>> 0) {
      this.#flush(full);
    }
  }

  /** Writes what is left in the buffers. */
  finish(): { packets: number; bytes: number }[] {
    for (const record of this.#records) this.#flush(record);
    return this.#records.map((record, i) => ({
      packets: this.#kernel.word(record + FILE_PACKETS),
      bytes: this.#bytes[i] ?? 0,
    }));
  }

  #flush(record: Handle): void {
    const used = this.#kernel.word(record + FILE_USED);
    const index = this.#kernel.word(record + FILE_INDEX);
    const fd = this.#captures[index]?.fd;
    if (used === 0 || fd === undefined) return;
    writeAll(fd, this.#kernel.bytes(this.#kernel.word(record + FILE_BUFFER), used));
    this.#bytes[index] = (this.#bytes[index] ?? 0) + used;
    this.#kernel.setWord(record + FILE_USED, 0);
  }
}
