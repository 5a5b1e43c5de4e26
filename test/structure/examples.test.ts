// The examples: each has a line in the list, a scenario that says what to look for, and manifests that are there.
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { projectFiles } from "./tree.ts";

const files = projectFiles("examples");
const scenarios = files.filter(({ path }) => posix.basename(path) === "scenario.yaml");

test("there are a boutique, a cluster of two families, links, a load balancer, policies, a shop and eight walks", () => {
  const folders = scenarios.map(({ path }) => posix.dirname(path).replace("examples/", ""));
  expect(folders.map((folder) => folder.replace(/-.*/, ""))).toEqual([
    "boutique",
    "dual",
    "links",
    "load",
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
    const { spec } = parse(text) as { spec: { traffic: { name: string }[]; expect: { traffic?: string }[] } };
    // Others say who reaches whom.
    expect(spec.expect.flatMap(({ traffic }) => traffic ?? [])).toEqual(spec.traffic.map(({ name }) => name));
  });
});

const mysteries = [...new Set(files.map(({ path }) => path).filter((path) => path.startsWith("examples/mysteries/")))];
const folders = [...new Set(mysteries.map((path) => posix.dirname(path)))].filter(
  (path) => path !== "examples/mysteries",
);

describe.each(folders)("%s", (folder) => {
  const scenarioOf = (position: string): string =>
    files.find(({ path }) => path === posix.join(folder, `${position}.yaml`))?.text ?? "";

  test("is broken and fixed, and either says what to look for", () => {
    for (const position of ["broken", "fixed"])
      expect(/^(#.*\n)+/.exec(scenarioOf(position))?.[0]).toMatch(/The switch is|Here/);
    expect(scenarioOf("broken")).toContain("The switch is ");
    expect(scenarioOf("broken")).toContain("In Wireshark: ");
  });

  test("has its two commands in docs/mysteries.md", () => {
    const [page] = projectFiles("docs", "mysteries.md");
    for (const position of ["broken", "fixed"])
      expect(page?.text).toContain(`npx podwire run ${folder}/${position}.yaml\n`);
  });

  test("names all that lies beside it", () => {
    const named = ["broken", "fixed"].flatMap((position) => {
      const { spec } = parse(scenarioOf(position)) as { spec: { manifests: string[]; rules?: { file: string }[] } };
      return [...spec.manifests, ...(spec.rules ?? []).map(({ file }) => file)];
    });
    const beside = mysteries.filter((path) => posix.dirname(path) === folder).map((path) => posix.basename(path));
    expect([...new Set([...named, "broken.yaml", "fixed.yaml"])].sort()).toEqual(beside.sort());
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
