// What every file of the project must say or must not say: the opening sentence, no local paths, no registry hosts.
import type { TextFile } from "./tree.ts";

/** A complaint if a source file does not open with a `//` comment that holds a sentence (after a `#!` line, if it has one). */
export function missingOpening({ path, text }: TextFile): string | undefined {
  const opening = /^(?:#!.*\n)?((?:\/\/.*\n)+)/.exec(text)?.[1] ?? "";
  const words = opening.replace(/^\/\/ ?/gm, "");
  return /^\S.*[.:]$/m.test(words) || /^\S.*\. /.test(words)
    ? undefined
    : `${path}: does not open with a sentence on what it is for`;
}

// Put together from pieces, so that this file passes too.
const HOMES = ["work", "home", "root", "Users"].join("|");
const LOCAL_PATH = new RegExp(`(?<![\\w.$}\\-/*)])/(?:${HOMES})/[\\w.]`);
const REGISTRY = new RegExp(["registry\\.", "(?:npmjs|yarnpkg|npmmirror)"].join(""), "i");

/** Lines that name a path of somebody's machine or the host of a package registry. */
export function localNames({ path, text }: TextFile): string[] {
  return text.split("\n").flatMap((line, i) => {
    const found = LOCAL_PATH.exec(line) ?? REGISTRY.exec(line);
    return found ? [`${path}:${i + 1}: names ${found[0]}`] : [];
  });
}
