// What capturing costs: the established two-node path without captures, with two devices captured to disk, and with all of them.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PreparedRun } from "../engine/run.ts";
import type { CaptureConfig } from "../seam/plan.ts";
import { pathPlan } from "./path.ts";
import { formatCount, type Plot, type Series } from "./plot.ts";

export interface CaptureRow {
  captured: "nothing" | "two devices" | "all devices";
  frame_bytes: number;
  delivered: number;
  wall_s: number;
  delivered_pps: number;
  /** Packets written in a second, and bytes. */
  captured_pps: number;
  mb_per_s: number;
  /** To the rate with nothing captured. */
  ratio: number;
}

export interface CaptureOptions {
  sizes: readonly number[];
  frames: number;
  repeat: number;
  /** Where the files are written, and removed again. Default: the folder for temporary files. */
  folder?: string | undefined;
}

const CHOICES: readonly [CaptureRow["captured"], string[]][] = [
  ["nothing", []],
  ["two devices", ["node-1/eth0", "node-2/eth0"]],
  ["all devices", ["*"]],
];

/** Three rows for each size of frame. The runs take turns, and the fastest of each counts. */
export async function measureCapture({
  sizes,
  frames,
  repeat,
  folder = tmpdir(),
}: CaptureOptions): Promise<CaptureRow[]> {
  const rows: CaptureRow[] = [];
  for (const size of sizes) {
    const best: (CaptureRow | undefined)[] = [];
    for (let turn = 0; turn < repeat; turn++) {
      for (const [i, [captured, devices]] of CHOICES.entries()) {
        const row = await measureOnce(captured, devices, size, frames, folder);
        if (row.wall_s < (best[i]?.wall_s ?? Infinity)) best[i] = row;
      }
    }
    const bare = best[0]?.wall_s ?? 0;
    for (const row of best) if (row) rows.push({ ...row, ratio: Number((bare / row.wall_s).toFixed(2)) });
  }
  return rows;
}

async function measureOnce(
  captured: CaptureRow["captured"],
  devices: string[],
  size: number,
  frames: number,
  folder: string,
): Promise<CaptureRow> {
  const { plan, timedFromNs } = pathPlan({ services: 10, flows: 16, size, mode: "established", frames });
  const place = mkdtempSync(join(folder, "podwire-bench-"));
  try {
    const capture: CaptureConfig = { devices, path: join(place, "capture.pcapng"), format: "pcapng" };
    const run = new PreparedRun(devices.length > 0 ? { ...plan, captures: [capture] } : plan);
    const { lines, captures } = await run.run({ workers: 1, timedFromNs });
    const line = lines[0];
    if (!line || line.delivered !== line.sent) throw new Error(`${line?.sent} sent, ${line?.delivered} delivered`);
    const seconds = run.wallMs / 1000;
    // Of the file that part which came in the time.
    const share = frames / line.sent;
    const [{ packets, bytes } = { packets: 0, bytes: 0 }] = captures;
    return {
      captured,
      frame_bytes: size,
      delivered: frames,
      wall_s: Number(seconds.toFixed(4)),
      delivered_pps: Math.round(frames / seconds),
      captured_pps: Math.round((packets * share) / seconds),
      mb_per_s: Math.round((bytes * share) / seconds / 1e6),
      ratio: 1,
    };
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Frames a second by the size of frames. */
export function capturePlot(rows: readonly CaptureRow[]): Plot {
  const series = CHOICES.map(([captured]): Series => {
    const points = rows.filter((row) => row.captured === captured);
    return { name: captured, points: points.map(({ frame_bytes, delivered_pps }) => [frame_bytes, delivered_pps]) };
  });
  return {
    title: "Capturing to disk",
    subtitle:
      "Datagrams through a Service to a pod on another node, with captures as pcapng of two devices, of all, and of none.",
    charts: [
      {
        title: "Frames delivered a second",
        x: { label: "bytes in a frame", scale: "linear", format: formatCount },
        y: { label: "frames a second", scale: "linear", format: formatCount },
        series,
      },
    ],
    notes: [],
  };
}
