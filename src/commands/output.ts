// The output folder of a run: made only once the input is known to be good, and gone again if it cannot be used.
import { accessSync, constants, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { InputError } from "../errors.ts";

/** Makes the folder with all above it. Throws an InputError if that cannot be, or nothing can be written there. */
export function makeOutputFolder(path: string): void {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there && !there.isDirectory()) throw refusal(path, "it is a file");
  const first = firstMissing(path);
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (first !== undefined) rmSync(first, { recursive: true, force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    throw refusal(path, code === "EACCES" || code === "EROFS" ? "it cannot be written to" : (code ?? message));
  }
}

/** The topmost folder of a path that is not there yet; undefined if all are. */
function firstMissing(path: string): string | undefined {
  if (existsSync(path)) return undefined;
  const above = dirname(path);
  return (above === path ? undefined : firstMissing(above)) ?? path;
}

function refusal(path: string, why: string): InputError {
  return new InputError({ field: "--out" }, `${path} cannot be the output folder: ${why}; choose another`);
}

/** Throws an InputError if the file that an option names cannot be one: before the run, which is long. Nothing is left behind. */
export function checkFile(path: string, option: string): void {
  const there = statSync(path, { throwIfNoEntry: false });
  const folder = dirname(path);
  const why = there?.isDirectory()
    ? "it is a folder"
    : !existsSync(folder)
      ? "its folder is not there"
      : access(there ? path : folder)
        ? undefined
        : "it cannot be written to";
  if (why !== undefined) throw new InputError({ field: option }, `${path} cannot be written: ${why}; choose another`);
}

function access(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Writes the file that an option names. Throws an InputError if that cannot be. */
export function writeOutput(path: string, text: string, option: string): void {
  checkFile(path, option);
  writeFileSync(path, text);
}
