// Imports point down: the project's files against the orders, and the check itself on files that break one.
import { describe, expect, test } from "vitest";
import { brokenArrows, importsOf, ORDERS, type Order } from "./arrows.ts";
import { projectFiles } from "./tree.ts";

describe.each(ORDERS)("$root", (order) => {
  const files = projectFiles(order.root, ".ts");

  test("has files", () => {
    expect(files.length).toBeGreaterThan(0);
  });

  test("imports only downward", () => {
    expect(brokenArrows(files, order)).toEqual([]);
  });
});

describe("the check of arrows", () => {
  const order: Order = {
    root: "src",
    parts: ["low", "engine", "high", "cli"],
    apart: [[["high"], ["engine"]]],
    outside: ["assembly/layout"],
  };
  const file = (path: string, text: string) => ({ path, text });

  test("lets a file import its own folder, lower ones, packages and what is allowed outside", () => {
    const text = `
      import { a } from "./other.ts";
      import { b } from "../low/b.ts";
      import type { Node } from "yaml";
      import * as layout from "../../assembly/layout/pcap.ts";
    `;
    expect(brokenArrows([file("src/high/a.ts", text)], order)).toEqual([]);
  });

  test.each([
    ["an upward import", `import { a } from "../high/a.ts";`, "imports upward, src/high/a.ts"],
    ["a type imported upward", `import type { A } from "../high/a.ts";`, "imports upward, src/high/a.ts"],
    ["an import over several lines", `import {\n  a,\n  b,\n} from "../high/a.ts";`, "imports upward, src/high/a.ts"],
    ["an upward re-export", `export * from "../high/a.ts";`, "imports upward, src/high/a.ts"],
    ["an upward import at run time", `const a = await import("../high/a.ts");`, "imports upward, src/high/a.ts"],
    ["an import for its effects", `import "../high/a.ts";`, "imports upward, src/high/a.ts"],
    ["an import of the top file", `import { run } from "../cli.ts";`, "imports upward, src/cli.ts"],
    [
      "a folder without a place",
      `import { a } from "../new/a.ts";`,
      "imports src/new/a.ts, whose folder the order does not name",
    ],
    [
      "the kernel's sources",
      `import { a } from "../../assembly/wire/tcp.ts";`,
      "imports assembly/wire/tcp.ts, which is outside src",
    ],
  ])("finds %s", (_, text, complaint) => {
    expect(brokenArrows([file("src/low/x.ts", text)], order)).toEqual([`src/low/x.ts: ${complaint}`]);
  });

  test("keeps folders apart that are in order", () => {
    const complaint = "src/high/x.ts: imports src/engine/a.ts, but high and engine are kept apart";
    expect(brokenArrows([file("src/high/x.ts", `import { a } from "../engine/a.ts";`)], order)).toEqual([complaint]);
    expect(brokenArrows([file("src/cli.ts", `import { a } from "./engine/a.ts";`)], order)).toEqual([]);
  });

  test("finds a file in a folder without a place", () => {
    expect(brokenArrows([file("src/new/x.ts", "")], order)).toEqual([
      "src/new/x.ts: src's order does not name its folder",
    ]);
  });

  test("does not take words in comments and strings for imports", () => {
    expect(importsOf(file("src/a.ts", `// import from "here"\nconst a = 'from "./x.ts"';`))).toEqual([]);
  });
});
