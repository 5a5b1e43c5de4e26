// What the README and docs/ show is what podwire does: every scenario in them runs, and every command line.
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { projectFiles } from "../structure/tree.ts";
import { podwire, ROOT, temporaryFolder } from "../tools/podwire.ts";
import { shownTraces } from "./shown-traces.ts";

const pages = [
  ...projectFiles("docs", ".md"),
  ...projectFiles("", "README.md").filter(({ path }) => !path.startsWith("test")),
];

/** Manifests under the names that the pages use, with everything that their scenarios call. */
const MANIFESTS = `\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example/web:1, ports: [{name: http, containerPort: 8080}]}]}
${["web", "frontend-external"]
  .map(
    (name) => `---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
`,
  )
  .join("")}`;

function folderWithManifests(): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "manifests"));
  for (const name of ["deploy.yaml", "shop.yaml", "web.yaml", "manifests/all.yaml"])
    writeFileSync(join(folder, name), MANIFESTS);
  return folder;
}

const scenarios = pages.flatMap(({ path, text }) =>
  [...text.matchAll(/```yaml\n([\s\S]*?)```/g)]
    .map(([, yaml = ""]) => ({ path, yaml }))
    .filter(({ yaml }) => yaml.includes("kind: Scenario")),
);

test("the pages have scenarios", () => {
  expect(scenarios.map(({ path }) => path)).toEqual(["docs/policies.md", "docs/scenario.md", "README.md"]);
});

test.each(scenarios)("the scenario in $path runs, and what it expects holds", ({ yaml }) => {
  const folder = folderWithManifests();
  writeFileSync(join(folder, "scenario.yaml"), yaml);
  const { status, stderr } = podwire("run", join(folder, "scenario.yaml"), "--out", join(folder, "out"));
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});

/** Those shown with what they print have a test of their own, walks.test.ts. */
const elsewhere = shownTraces().map(({ line }) => line);
const commands = [
  ...new Set(
    pages.flatMap(({ text }) => [...text.matchAll(/npx podwire (\w+ [^\n`|]*)/g)].map(([, line = ""]) => line.trim())),
  ),
].filter((line) => !elsewhere.includes(line));

describe("this command line of the pages works:", () => {
  test.each(commands)("podwire %s", (line) => {
    const folder = folderWithManifests();
    const args = [...line.matchAll(/'[^']*'|\S+/g)]
      .map(([word]) => word.replaceAll("'", ""))
      .map((word) => (/^(deploy\.yaml|manifests\/|[\w-]+\.(pcapng|html|svg))$/.test(word) ? join(folder, word) : word));
    // The last --out counts.
    const writes = /^(run|lab)$/.test(args[0] ?? "") && !args.includes("--help");
    const { status, stderr } = podwire(...args, ...(writes ? ["--out", join(folder, "out")] : []));
    // Whoever asks why not has a request that is not answered.
    // The tools of the shell have their own things to say there, as tcpdump does.
    const complaints = args[0] === "sh" ? "" : stderr;
    expect({ status, complaints }).toEqual({ status: line.includes("--why-not") ? 1 : 0, complaints: "" });
  });
});

test("the page on load balancers shows what its examples print", () => {
  const page = pages.find(({ path }) => path === "docs/load-balancers.md")?.text ?? "";
  const shown = [...page.matchAll(/^ {4}npx podwire run (\S+)\n\n((?: {4}.+\n)+)/gm)];
  expect(shown).toHaveLength(2);
  for (const [, example = "", block = ""] of shown) {
    const { stdout } = podwire("run", example, "--out", temporaryFolder(), "--capture", "none");
    const said = stdout.split("\n").filter((line) => /^(load balancer|at) /.test(line));
    expect(said).toEqual(
      block
        .trimEnd()
        .split("\n")
        .map((line) => line.trim()),
    );
  }
});

test("the help of run names every option", () => {
  const { stdout } = podwire("run", "--help");
  const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option);
  expect(options).toEqual([
    "--nodes",
    "--proxy-mode",
    "--seed",
    "--duration",
    "--workers",
    "--matcher",
    "--flow-cache",
    "--out",
    "--capture",
    "--pcap",
    "--matrix",
    "--junit",
    "--hdr",
    "--write",
    "--comments",
    "--capture-drops",
    "--filter",
    "--pace",
    "--html",
    "--json",
    "--quiet",
    "--help",
  ]);
});

test("an example copied elsewhere runs there", () => {
  const folder = temporaryFolder();
  for (const name of ["manifests.yaml", "scenario.yaml"])
    copyFileSync(join(ROOT, "examples/walks/02-same-node", name), join(folder, name));
  expect(podwire("run", folder, "--out", join(folder, "out"), "--quiet")).toEqual({
    status: 0,
    stdout: "",
    stderr: "",
  });
});
