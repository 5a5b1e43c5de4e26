// Runs the built command line as a user would, in a folder of its own.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Report } from "../../src/report/report.ts";
import { readCaptureFile, type Capture } from "./capture.ts";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const CLI = join(ROOT, "dist/src/cli.js");

export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

const folders: string[] = [];
process.once("exit", () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A folder that is gone when the tests of the file are over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "podwire-test-"));
  folders.push(folder);
  return folder;
}

/** `podwire ARGUMENTS` in the project's folder. */
export function podwire(...args: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { cwd: ROOT, encoding: "utf8" });
  return { status, stdout, stderr };
}

export interface ExampleRun extends Ended {
  folder: string;
  report: Report;
}

/** `podwire run` into a folder, with the report that it wrote. */
export function runInto(folder: string, ...args: string[]): ExampleRun {
  const ended = podwire("run", ...args, "--out", folder);
  if (ended.status !== 0 && ended.status !== 1) throw new Error(`podwire run ${args.join(" ")}: ${ended.stderr}`);
  return { ...ended, folder, report: JSON.parse(readFileSync(join(folder, "report.json"), "utf8")) as Report };
}

/** Runs an example, such as `walks/02-same-node`, and reads the one capture that it makes. */
export function runExample(name: string, ...args: string[]): { report: Report; capture: Capture; path: string } {
  const { folder, report } = runInto(temporaryFolder(), `examples/${name}`, ...args);
  const [first] = report.captures;
  if (!first) throw new Error(`${name} captures nothing`);
  const path = join(folder, first.file);
  return { report, capture: readCaptureFile(path), path };
}
