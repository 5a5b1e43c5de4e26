// Capture files: opened with their heads by the main thread, filled by worker 0 from the kernel's buffers.
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileHeader } from "../pcap/classic.ts";
import { concat } from "../pcap/block.ts";
import { interfaceDescription, nameResolution, sectionHeader } from "../pcap/pcapng.ts";
import { STANDARD_OUTPUT, type CaptureConfig, type Plan } from "../seam/plan.ts";
import { chooseInterfaces, interfacesOf } from "./devices.ts";
import type { OpenCapture } from "./job.ts";

const STDOUT = 1;
const PAUSE_MS = 1;
const PAUSE = new Int32Array(new SharedArrayBuffer(4));

export interface CaptureFile extends OpenCapture {
  path: string;
  headBytes: number;
}

/** Opens every capture file of a plan and writes what comes before the first packet. */
export function openCaptures(plan: Plan): CaptureFile[] {
  const all = interfacesOf(plan);
  return plan.captures.flatMap((capture) => {
    const chosen = chooseInterfaces(all, capture.devices);
    if (capture.format !== "pcap") {
      const head = [sectionHeader(), ...chosen.map(interfaceDescription), nameResolution(plan.names)];
      const devices = chosen.map(({ name }) => name);
      return [open(capture, capture.path, devices, concat(head))];
    }
    return chosen.map(({ name }) =>
      open(capture, join(capture.path, `${name.replaceAll("/", ".")}.pcap`), [name], fileHeader()),
    );
  });
}

function open(
  { format, filter, comments }: CaptureConfig,
  path: string,
  devices: string[],
  head: Uint8Array,
): CaptureFile {
  if (path !== STANDARD_OUTPUT) mkdirSync(dirname(path), { recursive: true });
  const fd = path === STANDARD_OUTPUT ? STDOUT : openSync(path, "w");
  writeAll(fd, head);
  return { path, fd, format, devices, filter, comments, headBytes: head.length };
}

/** Writes all bytes, however many calls that takes. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      // A pipe that does not block is full: its reader is slower than we are.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(PAUSE, 0, 0, PAUSE_MS);
    }
  }
}

export function closeCaptures(files: readonly CaptureFile[]): void {
  for (const { fd } of files) if (fd !== STDOUT) closeSync(fd);
}
