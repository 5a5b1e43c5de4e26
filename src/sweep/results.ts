// What came of the points of a sweep: one file each, written whole or not at all, and all of them merged as JSON and CSV.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../errors.ts";
import type { Report } from "../report/report.ts";
import type { Point, Sweep } from "./spec.ts";

/** The report without what depends on the machine or on the folder. */
export type PointReport = Omit<Report, "captures" | "wallSeconds" | "wallFramesPerSecond" | "wallWorkers">;

/** What of a report is the same on every machine and in every folder. */
export function pointReport(report: Report): PointReport {
  const kept: Partial<Report> = { ...report };
  delete kept.captures;
  delete kept.wallSeconds;
  delete kept.wallFramesPerSecond;
  delete kept.wallWorkers;
  return kept as PointReport;
}

export interface PointResult extends Point {
  /** The hash of the sweep. */
  sweep: string;
  report: PointReport;
}

/** The folder of the points' files in an output folder. */
export function pointsFolder(out: string): string {
  return join(out, "points");
}

/** What a point came to; undefined if its file is not there or not whole. Throws an InputError if it is of another sweep. */
export function readResult(out: string, { hash: sweep, file }: Sweep, { hash }: Point): PointResult | undefined {
  const path = join(pointsFolder(out), `${hash}.json`);
  let result: PointResult;
  try {
    result = JSON.parse(readFileSync(path, "utf8")) as PointResult;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (result.sweep !== sweep)
    throw new InputError(
      { file: path },
      `this is of another state of ${file}, its scenario or podwire; choose another --out or remove the folder`,
    );
  return result;
}

/** Writes a point's file: under another name first, so that a file with its own name is always whole. */
export function writeResult(out: string, result: PointResult): void {
  replaceFile(join(pointsFolder(out), `${result.hash}.json`), `${JSON.stringify(result)}\n`);
}

/** Writes a file through another one beside it. */
export function replaceFile(path: string, text: string): void {
  const beside = `${path}.${process.pid}.part`;
  try {
    writeFileSync(beside, text);
    renameSync(beside, path);
  } finally {
    rmSync(beside, { force: true });
  }
}

/** All points as one JSON text, in the order of their hashes. */
export function mergedJson({ name, hash }: Sweep, results: readonly PointResult[]): string {
  const points = results.map(({ sweep: _, ...point }) => point);
  return `${JSON.stringify({ sweep: name, hash, points }, null, 2)}\n`;
}

const COUNTS = ["sent", "delivered", "refused", "timedOut", "unresolved", "open", "dropped"] as const;

/** A row for each point and line of traffic: the assignments, what became of the requests, latencies in nanoseconds. */
export function mergedCsv(results: readonly PointResult[]): string {
  const paths = Object.keys(results[0]?.assignments ?? {});
  const latencies = [
    ...new Set(
      results.flatMap(({ report }) => report.traffic.flatMap(({ latencyNs }) => Object.keys(latencyNs ?? {}))),
    ),
  ];
  const head = ["point", ...paths, "traffic", ...COUNTS, ...latencies.map((name) => `latencyNs.${name}`)];
  const rows = results.flatMap(({ hash, assignments, report }) =>
    report.traffic.map((line) => {
      const latency = (line.latencyNs ?? {}) as Record<string, number>;
      return [
        hash,
        ...paths.map((path) => assignments[path]),
        line.name,
        ...COUNTS.map((count) => line[count]),
        ...latencies.map((name) => latency[name]),
      ];
    }),
  );
  return [head, ...rows].map((row) => `${row.map((cell) => quote(String(cell ?? ""))).join(",")}\n`).join("");
}

/** A cell as RFC 4180 has it. */
function quote(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
