// The differential loop itself: a case is recorded, played and compared; what differs is recorded again, then shortened.
import { basename, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { InputError } from "../../src/errors.ts";
import { compileKernel } from "../../src/kernel/load.ts";
import { readCase } from "../../src/lab/case.ts";
import { readRecording } from "../../src/lab/recording.ts";
import { runLab } from "../../src/lab/run.ts";
import { differences } from "../kernel/recorded.ts";
import { keepFixture, readScript, writeScript } from "./folder.ts";
import { makeCase, record, type Family } from "./oracle.ts";
import type { Difference } from "./report.ts";
import { shrink, type Script } from "./shrink.ts";

export interface Loop {
  /** For cases while they are being tried. */
  scratch: string;
  /** Where fixtures of what differs go, in a folder for each family. */
  out: string;
  /** How many recordings the shortening of one case may take. */
  shrinkRuns: number;
}

const module = compileKernel();

/**
 * In what a recorded case differs, as sentences; none if it is equal. What stops the emulator is a difference, too, and so is what it
 * does otherwise without flow cache and rule index.
 */
function compared(path: string): string[] {
  try {
    const options = { recording: readRecording(path) };
    const result = runLab(readCase(path), module, options);
    const found = differences(result, path);
    if (found.length > 0) return found;
    const plain = runLab(readCase(path), module, { ...options, flowCache: false, matcher: "linear" });
    return isDeepStrictEqual(plain, result) ? [] : ["without flow cache and rule index podwire does something else"];
  } catch (error) {
    if (error instanceof InputError) throw error;
    return [error instanceof Error ? error.message : String(error)];
  }
}

/** Records a case and compares. One that differs only now and then is none that can be told from the next. */
function differsTwice(path: string): string[] {
  record(path);
  if (compared(path).length === 0) return [];
  record(path);
  return compared(path);
}

/** Plays the case of a family and seed on both; undefined if they are equal. */
export function tryCase(loop: Loop, family: Family, seed: number): Difference | undefined {
  const path = makeCase(family, seed, loop.scratch);
  const keep = (found: string, sentences: string[]): Difference => {
    const folder = join(loop.out, family, basename(path));
    keepFixture(folder, found);
    return { name: basename(path), steps: readScript(found).steps.length, sentences, folder };
  };
  try {
    if (differsTwice(path).length === 0) return undefined;
  } catch (error) {
    // What is not emulated is said by name; there is nothing to shorten.
    if (error instanceof InputError) return keep(path, [error.sentence]);
    throw error;
  }
  const short = join(loop.scratch, "short", basename(path));
  const shortest = shrink(readScript(path), limited(loop.shrinkRuns, path, short));
  writeScript(short, path, shortest);
  const found = differsTwice(short).length > 0 ? short : path;
  return keep(found, compared(found));
}

/** Whether a shorter script still differs, told by a recording of it at `short`. After `most` recordings no more is tried. */
function limited(most: number, path: string, short: string): (script: Script) => boolean {
  let left = most;
  return (script) => {
    if (left === 0) return false;
    left--;
    writeScript(short, path, script);
    try {
      record(short);
      return compared(short).length > 0;
    } catch {
      // Without something that it needs a case is refused, and no shorter one.
      return false;
    }
  };
}
