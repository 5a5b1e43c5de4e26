// The project's own files as text, for the tests of its structure.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What is not committed: folders that git, npm, the build or a run make. */
const MADE = new Set([".git", "node_modules", "dist", "build", "coverage", "podwire-out"]);

export interface TextFile {
  /** From the project's root: `src/errors.ts`. */
  path: string;
  text: string;
}

/** The files below a folder of the project, all the files without one, sorted; those that the ending fits. */
export function projectFiles(folder = "", ending = ""): TextFile[] {
  return walk(folder)
    .filter((path) => path.endsWith(ending))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}

function walk(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true }).filter(({ name }) => !MADE.has(name));
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    return entry.isDirectory() ? walk(path) : [path];
  });
}
