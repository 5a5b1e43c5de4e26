// `podwire bench rules`: every field is there and can be true, and the plot is a well-formed picture of them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { partialSync } from "../../src/node/kube-proxy/partial-sync.ts";
import { ruleTexts } from "../../src/bench/rules.ts";
import { parseRules } from "../../src/iptables/parse.ts";
import { printRules } from "../../src/iptables/print.ts";
import { restore } from "../../src/iptables/restore.ts";
import { podwire, temporaryFolder } from "../tools/podwire.ts";
import { elements } from "../tools/xml.ts";

interface Row {
  services: number;
  rules: number;
  mode: string;
  matcher: string;
  [field: string]: number | string;
}

const folder = temporaryFolder();
const plot = join(folder, "rules.svg");
const run = podwire("bench", "rules", "--services", "10,200", "--frames", "1000", "--repeat", "1", "--json", "--plot", plot); // prettier-ignore
const rows = JSON.parse(run.stdout) as Row[];

/** In ipvs mode a Service has no rules whose memory could be told. */
function fieldsOf({ mode }: Row, fields: readonly string[]): readonly string[] {
  return mode === "ipvs" ? fields.filter((field) => field !== "bytes_per_rule") : fields;
}

test("there is a row for each matcher and size, with every cost in it", () => {
  expect(rows.map(({ services, matcher }) => `${matcher} ${services}`)).toEqual(["index 10", "index 200", "linear 10", "linear 200", "index 10", "index 200", "index 10", "index 200"]); // prettier-ignore
  expect(rows.map(({ mode }) => mode)).toEqual([
    ...Array<string>(4).fill("iptables"),
    "nftables",
    "nftables",
    "ipvs",
    "ipvs",
  ]);
  const fields = ["parse_ms", "compile_ms", "index_ms", "bytes_per_rule", "new_per_s", "ns_per_new", "rules_walked", "change_ms"]; // prettier-ignore
  for (const row of rows) for (const field of fieldsOf(row, fields)) expect(row[field], field).toBeGreaterThan(0);
});

test("five rules more for each Service more, each with its 64 bytes, its counters and a share of the records", () => {
  const [few, many] = rows;
  expect((many?.rules ?? 0) - (few?.rules ?? 0)).toBe(190 * 5);
  const ruled = rows.filter(({ mode }) => mode !== "ipvs");
  for (const row of ruled) expect(row["bytes_per_rule"]).toBeGreaterThan(64 + 16);
  for (const row of ruled) expect(row["bytes_per_rule"]).toBeLessThan(1000);
});

test("a first packet is held against all rules without the index, and against as many with 200 Services as with 10 with it", () => {
  const [index10, index200, linear10, linear200] = rows.map((row) => Number(row["rules_walked"]));
  expect(index200).toBe(index10);
  // Both nodes have a rule for each Service in nat PREROUTING; the client's stops at that of the Service called.
  const more = (linear200 ?? 0) - (linear10 ?? 0);
  expect(more).toBeGreaterThan(190);
  expect(more).toBeLessThanOrEqual(2 * 190);
});

test("in nftables mode a first packet is held against as many rules with 200 Services as with 10, and against fewer", () => {
  const [, , linear10, , table10, table200] = rows.map((row) => Number(row["rules_walked"]));
  expect(table200).toBe(table10);
  expect(table200).toBeLessThan(linear10 ?? 0);
});

test("in ipvs mode a node has as many rules with 200 Services as with 10, and a first packet is held against as many", () => {
  const [few, many] = rows.filter(({ mode }) => mode === "ipvs");
  expect(many?.rules).toBe(few?.rules);
  expect(many?.["rules_walked"]).toBe(few?.["rules_walked"]);
});

test("the plot is well-formed and names its series, axes and sources", () => {
  const texts = elements(readFileSync(plot, "utf8")).filter(({ name }) => name === "text");
  const words = texts.map(({ text }) => text);
  expect(words).toEqual(
    expect.arrayContaining([
      "kube-proxy's rules by the number of Services",
      "podwire",
      "podwire --matcher linear",
      "podwire, nftables mode",
      "podwire, ipvs mode",
      "kube-proxy iptables, p50",
      "Services, of one port and one endpoint each",
    ]),
  );
  expect(words.join()).toContain("Kubernetes blog");
});

test("what a partial sync writes makes the old rules into the new ones, but for chains that nothing leads to", () => {
  const { nodes, change } = ruleTexts(3);
  const before = parseRules(nodes[0], "before");
  const after = printRules(restore(before, change, { noflush: true }));
  // The first Service now leads to another pod; the other Services' chains were not written.
  expect(change.match(/^:KUBE-SVC/gm)).toHaveLength(1);
  expect(change).toContain("--to-destination 10.0.2.3:80");
  expect(after).toContain("--to-destination 10.0.2.3:80");
  expect(partialSync(nodes[0], after).match(/^-A/gm)).toEqual(change.match(/^-A/gm));
});

test.each([
  ["--services 10,5", "rising whole numbers"],
  ["--matcher tree", "index or linear"],
  ["--plot /nowhere/x.svg", "its folder is not there"],
])("bench rules %s is refused", (line, words) => {
  const { status, stderr } = podwire("bench", "rules", "--services", "5", ...line.split(" "));
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(words) as string });
});
