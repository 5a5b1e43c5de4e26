// Policies on the live kernel: the rules and sets that they become, packets between pods of two nodes, and the same frames, counters
// and connections here.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { compileKernel } from "../../src/kernel/load.ts";
import { readCase } from "../../src/lab/case.ts";
import { readRecording } from "../../src/lab/recording.ts";
import { runLab } from "../../src/lab/run.ts";
import { hasProgram, record, refusal } from "../fuzz/oracle.ts";
import { modulePath } from "../kernel/lab.ts";
import { differences } from "../kernel/recorded.ts";
import { CASES, writeRandom } from "./kernel-cases.ts";

const why = refusal(process.getuid?.(), hasProgram);
if (why) console.warn(`SKIPPED: policies are not held against Linux; ${why}`);
const SEEDS = (process.env.PODWIRE_POLICY_SEEDS ?? "1,2,3,4").split(",").map(Number);
const kept = process.env.PODWIRE_KEEP_CASES;
const folder = kept ?? mkdtempSync(join(tmpdir(), "podwire-policy-"));
afterAll(() => {
  if (kept === undefined) rmSync(folder, { recursive: true });
});

/** What differs between Linux and podwire in a case. */
function compared(name: string, write: (folder: string) => void): string[] {
  const path = join(folder, `policy-${name}`);
  write(path);
  record(path);
  const result = runLab(readCase(path), compileKernel(modulePath("release")), { recording: readRecording(path) });
  return differences(result, path);
}

it.skipIf(why).each(Object.entries(CASES))(
  "Linux does with its rules and sets what podwire does: %s",
  (name, write) => {
    expect(compared(name, write)).toEqual([]);
  },
  120_000,
);

it.skipIf(why).each(SEEDS)(
  "Linux does with random policies what podwire does: seed %i",
  (seed) => {
    expect(compared(`random-${seed}`, (path) => writeRandom(seed, path))).toEqual([]);
  },
  120_000,
);
