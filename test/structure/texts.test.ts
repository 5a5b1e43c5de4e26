// Texts of the project: opening sentences, no local paths, no registry hosts, no locked download addresses.
import { describe, expect, test } from "vitest";
import { localNames, missingOpening } from "./texts.ts";
import { projectFiles } from "./tree.ts";

describe("the project", () => {
  test.each(["src", "assembly", "bench", "test"])(
    "opens every file of %s with a sentence on what it is for",
    (folder) => {
      expect(projectFiles(folder, ".ts").flatMap((file) => missingOpening(file) ?? [])).toEqual([]);
    },
  );

  test("names no path of somebody's machine and no registry host", () => {
    expect(projectFiles().flatMap(localNames)).toEqual([]);
  });

  test("locks versions without saying where they were downloaded from", () => {
    const lock = projectFiles("", "package-lock.json")[0];
    expect(lock?.path).toBe("package-lock.json");
    expect(lock?.text).toContain(`"integrity"`);
    expect(lock?.text).not.toContain(`"resolved"`);
  });
});

describe("the check of openings", () => {
  const complaint = (text: string) => missingOpening({ path: "a.ts", text });

  test.each([
    ["a sentence", "// Adds numbers.\nexport {};\n"],
    ["a sentence over two lines", "// Adds numbers,\n// all of them.\n"],
    ["a sentence and more", "// Adds numbers. Slowly, though\n// and with care.\n"],
    ["a sentence after a #! line", "#!/usr/bin/env node\n// Adds numbers.\n"],
    ["a sentence that introduces a drawing", "// The memory:\n//   +---+\n"],
  ])("takes %s", (_, text) => {
    expect(complaint(text)).toBeUndefined();
  });

  test.each([
    ["no comment", "export {};\n"],
    ["a comment further down", "export {};\n// Adds numbers.\n"],
    ["an empty comment", "//\nexport {};\n"],
    ["a heading", "// Numbers\n"],
  ])("refuses %s", (_, text) => {
    expect(complaint(text)).toBe("a.ts: does not open with a sentence on what it is for");
  });
});

describe("the check of names", () => {
  const found = (text: string) => localNames({ path: "a.md", text });

  // In pieces, so that this file passes too.
  const path = (...parts: string[]) => ["", ...parts].join("/");

  test.each([
    ["a path after a word", `see ${path("work", "notes.md")}`, `a.md:1: names ${path("work", "n")}`],
    ["a quoted path", `const file = "${path("home", "me", "data")}";`, `a.md:1: names ${path("home", "m")}`],
    ["a path in brackets", `line\n(${path("Users", "me")})`, `a.md:2: names ${path("Users", "m")}`],
    [
      "a registry",
      `https://${["registry", "npmjs", "org"].join(".")}/x`,
      `a.md:1: names ${["registry", "npmjs"].join(".")}`,
    ],
  ])("finds %s", (_, text, complaint) => {
    expect(found(text)).toEqual([complaint]);
  });

  test.each([
    "the root/ folder",
    `https://example.org${path("work", "notes")}`,
    `.${path("work", "a")}`,
    "../shared/data/a.yaml",
    "GET /home HTTP/1.1",
  ])("lets %s pass", (text) => {
    expect(found(text)).toEqual([]);
  });
});
