// The examples: each has a line in the list, a scenario that says what to look for, and manifests that are there.
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { projectFiles } from "./tree.ts";

const files = projectFiles("examples");
const scenarios = files.filter(({ path }) => posix.basename(path) === "scenario.yaml");

test("there are policies, a shop and eight walks", () => {
  const folders = scenarios.map(({ path }) => posix.dirname(path).replace("examples/", ""));
  expect(folders.map((folder) => folder.replace(/-.*/, ""))).toEqual([
    "policies",
    "shop",
    ...["01", "02", "03", "04", "05", "06", "07", "08"].map((number) => `walks/${number}`),
  ]);
});

describe.each(scenarios)("$path", ({ path, text }) => {
  const folder = posix.dirname(path);

  test("has a line in examples/README.md", () => {
    const list = files.find((file) => file.path === "examples/README.md");
    expect(list?.text).toContain(`](${folder.replace("examples/", "")}) `);
  });

  test("opens with what to look for in Wireshark", () => {
    expect(/^(#.*\n)+/.exec(text)?.[0]).toContain("In Wireshark");
  });

  test("names exactly the manifests beside it", () => {
    const { spec } = parse(text) as { spec: { manifests: string[] } };
    const beside = files.filter((file) => posix.dirname(file.path) === folder && file.path !== path);
    expect(spec.manifests.map((name) => posix.join(folder, name)).sort()).toEqual(beside.map((file) => file.path));
  });

  test("expects something of every line of its traffic", () => {
    const { spec } = parse(text) as { spec: { traffic: { name: string }[]; expect: { traffic: string }[] } };
    expect(spec.expect.map(({ traffic }) => traffic)).toEqual(spec.traffic.map(({ name }) => name));
  });
});

test("every document of an example has a kind and a name", () => {
  for (const { path, text } of files.filter((file) => file.path.endsWith(".yaml"))) {
    for (const document of parseAllDocuments(text)) {
      expect(document.errors, path).toEqual([]);
      expect(document.toJS(), path).toMatchObject({ kind: expect.any(String), metadata: { name: expect.any(String) } });
    }
  }
});
