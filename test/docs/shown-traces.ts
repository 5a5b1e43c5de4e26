// The traces that pages show: a command line, a blank line, and lines of what it prints.
import { projectFiles } from "../structure/tree.ts";

export interface ShownTrace {
  path: string;
  /** The arguments of podwire. */
  line: string;
  /** What the page shows of the output, without blank lines and without the `...` for what it leaves out. */
  shown: string[];
}

/** Every block of a page in docs/ that begins with `npx podwire trace` and goes on with output. */
export function shownTraces(): ShownTrace[] {
  return projectFiles("docs", ".md").flatMap(({ path, text }) =>
    [...text.matchAll(/^ {4}npx podwire (trace .+)\n((?:\n| {4}.*\n)*)/gm)].flatMap(([, line = "", block = ""]) => {
      const shown = block
        .split("\n")
        .map((each) => each.slice(4))
        .filter((each) => each !== "" && each.trim() !== "...");
      return block.startsWith("\n ") && !shown.some((each) => each.startsWith("npx ")) ? [{ path, line, shown }] : [];
    }),
  );
}
