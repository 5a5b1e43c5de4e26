// The captures of one worker: which of its devices go to which files, and, on worker 0, the merging of all workers' frames.
import {
  CAPTURE_PCAP,
  CAPTURE_PCAPNG,
  FILE_BUFFER,
  FILE_FILTER,
  FILE_INDEX,
  FILE_PACKETS,
  FILE_SEEN,
  FILE_USED,
} from "../../assembly/layout/records.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import { concat } from "../pcap/block.ts";
import { compileFilter } from "../pcap/filter.ts";
import { interfaceStatistics } from "../pcap/pcapng.ts";
import { writeAll } from "./captures.ts";
import type { Built } from "./build.ts";
import type { OpenCapture } from "./job.ts";

const PCAPNG_BUFFER = 1 << 20;
const PCAP_BUFFER = 1 << 18;

/** The kernel's records of the capture files. They are made by the main thread's instance and known to all workers. */
export function newFileRecords(kernel: Kernel, captures: readonly OpenCapture[]): Handle[] {
  return captures.map(({ format, devices, filter }, i) => {
    const [kind, size] = format === "pcapng" ? [CAPTURE_PCAPNG, PCAPNG_BUFFER] : [CAPTURE_PCAP, PCAP_BUFFER];
    const record = kernel.calls.newFile(i, kind, size, devices.length) >>> 0;
    if (filter !== undefined) kernel.setWord(record + FILE_FILTER, kernel.placeWords(compileFilter(filter)));
    return record;
  });
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
  readonly #onGone: () => void;
  readonly #gone = new Set<number>();

  /** `onGone` is called when the reader of a capture that goes to a pipe has gone. */
  constructor(
    kernel: Kernel,
    captures: readonly OpenCapture[],
    records: readonly Handle[],
    onGone: () => void = () => undefined,
  ) {
    this.#onGone = onGone;
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

  /** Writes what is in the buffers, full or not. */
  flush(): void {
    for (const record of this.#records) this.#flush(record);
  }

  /** Writes what is left in the buffers, and how many packets each interface of a pcapng file saw until `endNs`. */
  finish(endNs: number): { packets: number; bytes: number }[] {
    this.#records.forEach((record, i) => {
      this.#flush(record);
      const capture = this.#captures[i];
      if (capture?.format !== "pcapng") return;
      const seen = this.#kernel.word(record + FILE_SEEN);
      const blocks = capture.devices.map((_, id) =>
        interfaceStatistics({ interfaceId: id, endNs, received: this.#kernel.word(seen + id * 4) }),
      );
      this.#write(i, concat(blocks));
    });
    return this.#records.map((record, i) => ({
      packets: this.#kernel.word(record + FILE_PACKETS),
      bytes: this.#bytes[i] ?? 0,
    }));
  }

  #flush(record: Handle): void {
    const used = this.#kernel.word(record + FILE_USED);
    if (used === 0) return;
    this.#write(
      this.#kernel.word(record + FILE_INDEX),
      this.#kernel.bytes(this.#kernel.word(record + FILE_BUFFER), used),
    );
    this.#kernel.setWord(record + FILE_USED, 0);
  }

  #write(index: number, bytes: Uint8Array): void {
    const fd = this.#captures[index]?.fd;
    if (fd === undefined || this.#gone.has(index)) return;
    try {
      writeAll(fd, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
      this.#gone.add(index);
      this.#onGone();
      return;
    }
    this.#bytes[index] = (this.#bytes[index] ?? 0) + bytes.length;
  }
}
