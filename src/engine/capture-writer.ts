// The captures of one worker: which of its devices go to which files, and, on worker 0, the merging of all workers' frames.
import {
  CAPTURE_DROPS,
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
import { Commenter, type CommentNames } from "../pcap/comments.ts";
import { compileFilter } from "../pcap/filter.ts";
import { interfaceStatistics } from "../pcap/pcapng.ts";
import { writeAll } from "./captures.ts";
import type { Built } from "./build.ts";
import type { OpenCapture } from "./job.ts";

/** The kernel's number of each format, and the size of its buffer. */
const FORMATS = {
  pcapng: [CAPTURE_PCAPNG, 1 << 20],
  pcap: [CAPTURE_PCAP, 1 << 18],
  drops: [CAPTURE_DROPS, 1 << 18],
} as const;

/** The kernel's records of the capture files. They are made by the main thread's instance and known to all workers. */
export function newFileRecords(kernel: Kernel, captures: readonly OpenCapture[]): Handle[] {
  return captures.map(({ format, devices, filter }, i) => {
    const [kind, size] = FORMATS[format];
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
    if (wantsNotes(capture)) kernel.calls.sendNotes(records[i] ?? 0);
    if (capture.format === "drops") return;
    capture.devices.forEach((name, id) => {
      const device = built.devices.get(name);
      if (device !== undefined) kernel.calls.addSink(device, records[i] ?? 0, id);
    });
  });
}

/** Whether the kernel is to say something about packets for a capture file. */
export function wantsNotes({ format, comments }: OpenCapture): boolean {
  return format === "drops" || comments === true;
}

/** Writes captured frames to the files; used by worker 0 while the others stand still. */
export class CaptureWriter {
  readonly #kernel: Kernel;
  readonly #captures: readonly OpenCapture[];
  readonly #records: readonly Handle[];
  readonly #bytes: number[];
  readonly #onGone: () => void;
  readonly #gone = new Set<number>();
  readonly #commenter: Commenter | undefined;
  /** By file with notes: what the kernel has written since the last time that a merge ended. */
  readonly #raw = new Map<number, Uint8Array[]>();
  /** By file of drops: the packets of each interface. */
  readonly #dropped = new Map<number, number[]>();

  /** `onGone` is called when the reader of a capture that goes to a pipe has gone; `comments` are for files with notes. */
  constructor(
    kernel: Kernel,
    captures: readonly OpenCapture[],
    records: readonly Handle[],
    onGone: () => void = () => undefined,
    comments?: CommentNames,
  ) {
    this.#commenter = comments && new Commenter(comments);
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
    if (this.#commenter) this.#annotate(this.#commenter);
  }

  /** Writes what a merge brought to the files with notes, which are whole only now. */
  #annotate(commenter: Commenter): void {
    this.#captures.forEach((capture, i) => {
      if (!wantsNotes(capture)) return;
      this.#flush(this.#records[i] ?? 0);
      const raw = concat(this.#raw.get(i) ?? []);
      this.#raw.delete(i);
      if (raw.length === 0) return;
      if (capture.format !== "drops") {
        this.#write(i, commenter.annotate(raw));
        return;
      }
      const counts = this.#dropped.get(i) ?? capture.devices.map(() => 0);
      this.#dropped.set(i, counts);
      this.#write(
        i,
        commenter.drops(raw, (device) => count(counts, capture.devices.indexOf(device))),
      );
    });
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
      if (capture === undefined || capture.format === "pcap") return;
      const seen = this.#kernel.word(record + FILE_SEEN);
      const dropped = this.#dropped.get(i);
      const blocks = capture.devices.map((_, id) =>
        interfaceStatistics({ interfaceId: id, endNs, received: dropped?.[id] ?? this.#kernel.word(seen + id * 4) }),
      );
      this.#write(i, concat(blocks));
    });
    return this.#records.map((record, i) => ({
      packets: this.#dropped.get(i)?.reduce((sum, n) => sum + n, 0) ?? this.#kernel.word(record + FILE_PACKETS),
      bytes: this.#bytes[i] ?? 0,
    }));
  }

  #flush(record: Handle): void {
    const used = this.#kernel.word(record + FILE_USED);
    if (used === 0) return;
    const index = this.#kernel.word(record + FILE_INDEX);
    const bytes = this.#kernel.bytes(this.#kernel.word(record + FILE_BUFFER), used);
    const capture = this.#captures[index];
    if (capture && wantsNotes(capture)) this.#raw.set(index, [...(this.#raw.get(index) ?? []), bytes.slice()]);
    else this.#write(index, bytes);
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

/** Counts a packet of an interface, and returns its number. */
function count(counts: number[], id: number): number {
  counts[id] = (counts[id] ?? 0) + 1;
  return id;
}
