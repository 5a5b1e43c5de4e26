// Capture files: opened with their heads by the main thread, filled by worker 0 from the kernel's buffers.
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileHeader } from "../pcap/classic.ts";
import { concat } from "../pcap/block.ts";
import { interfaceDescription, nameResolution, sectionHeader } from "../pcap/pcapng.ts";
import type { Plan } from "../seam/plan.ts";
import { chooseInterfaces, interfacesOf } from "./devices.ts";
import type { OpenCapture } from "./job.ts";

export interface CaptureFile extends OpenCapture {
  path: string;
  headBytes: number;
}

/** Opens every capture file of a plan and writes what comes before the first packet. */
export function openCaptures(plan: Plan): CaptureFile[] {
  const all = interfacesOf(plan);
  return plan.captures.flatMap((capture) => {
    const chosen = chooseInterfaces(all, capture.devices);
    if (capture.format === "pcapng") {
      const head = [sectionHeader(), ...chosen.map(interfaceDescription), nameResolution(plan.names)];
      const devices = chosen.map(({ name }) => name);
      return [open(capture.path, "pcapng", devices, concat(head))];
    }
    return chosen.map(({ name }) =>
      open(join(capture.path, `${name.replaceAll("/", ".")}.pcap`), "pcap", [name], fileHeader()),
    );
  });
}

function open(path: string, format: "pcapng" | "pcap", devices: string[], head: Uint8Array): CaptureFile {
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(path, "w");
  writeAll(fd, head);
  return { path, fd, format, devices, headBytes: head.length };
}

/** Writes all bytes, however many calls that takes. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}

export function closeCaptures(files: readonly CaptureFile[]): void {
  for (const { fd } of files) closeSync(fd);
}
