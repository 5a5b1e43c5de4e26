// `podwire bench saturation` and `latency`: the figures are virtual, so they are the same in every run, and what they rise by is known.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { podwire, temporaryFolder } from "../tools/podwire.ts";
import { elements } from "../tools/xml.ts";

type Row = Record<string, number>;

function bench(...words: string[]): Row[] {
  const { status, stdout, stderr } = podwire("bench", ...words, "--json");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return JSON.parse(stdout) as Row[];
}

function wordsOf(file: string): string[] {
  return elements(readFileSync(file, "utf8")).flatMap(({ name, text }) => (name === "text" ? [text] : []));
}

const folder = temporaryFolder();
const SMALL = ["saturation", "--services", "10,1000", "--rates", "2000,60000", "--cores", "1", "--duration", "50ms"];

test("a node that is not busy delivers what it is offered; a saturated one less, the less the more Services there are", () => {
  const plot = join(folder, "saturation.svg");
  const rows = bench(...SMALL, "--plot", plot);
  expect(rows.map((row) => [row["services"], row["offered_per_s"]])).toEqual([
    [10, 2000],
    [10, 60_000],
    [1000, 2000],
    [1000, 60_000],
  ]);
  const [few, fewBusy, many, manyBusy] = rows as [Row, Row, Row, Row];
  for (const calm of [few, many]) {
    // Arrivals are random, and the last ones are still under way.
    expect(calm["delivered_per_s"]).toBeGreaterThan(1700);
    expect(calm["delivered_per_s"]).toBeLessThan(2300);
    expect(calm["dropped"]).toBe(0);
    expect(calm["client_node"]).toBeLessThan(0.2);
  }
  for (const busy of [fewBusy, manyBusy]) expect(Math.max(busy["client_node"] ?? 0, busy["server_node"] ?? 0)).toBeGreaterThan(0.98); // prettier-ignore
  expect(manyBusy["delivered_per_s"]).toBeLessThan((fewBusy["delivered_per_s"] ?? 0) * 0.9);
  expect(fewBusy["p50_us"]).toBeGreaterThan((few["p50_us"] ?? 0) * 5);
  // The walks of a request: half of the Services on the client's node, all of them on the server's, at 5 ns each.
  const longer = (many["p50_us"] ?? 0) - (few["p50_us"] ?? 0);
  expect(longer).toBeGreaterThan(0.8 * 990 * 1.5 * 0.005);
  expect(longer).toBeLessThan(1.5 * 990 * 1.5 * 0.005 + (many["p50_us"] ?? 0) / 32);
  expect(wordsOf(plot)).toEqual(
    expect.arrayContaining(["Delivered", "10 Services", "1,000 Services, p99", "all that was offered"]),
  );
  // And on two workers the same.
  expect(bench(...SMALL, "--workers", "2")).toEqual(rows);
}, 120_000);

test("the first packet takes longer by half of the added Services in the middle and by all at the end, and stands beside the published figures", () => {
  const plot = join(folder, "first.svg");
  const rows = bench("latency", "--services", "100,2100", "--rule", "5ns,18ns", "--plot", plot);
  const rise = (ruleNs: number, field: string): number => {
    const [few, many] = rows.filter((row) => row["rule_ns"] === ruleNs);
    return (many?.[field] ?? 0) - (few?.[field] ?? 0);
  };
  for (const ruleNs of [5, 18]) {
    // Quantiles are exact to 1/64.
    expect(rise(ruleNs, "p50_us") / ((1000 * ruleNs) / 1000)).toBeCloseTo(1, 1);
    expect(rise(ruleNs, "p99_us") / ((1980 * ruleNs) / 1000)).toBeCloseTo(1, 1);
    expect(rise(ruleNs, "p01_us")).toBeLessThan((30 * ruleNs) / 1000 + 0.2);
  }
  expect(wordsOf(plot)).toEqual(
    expect.arrayContaining(["podwire, 18 ns a rule, p50", "kube-proxy iptables, p50", "kube-proxy iptables, p99"]),
  );
}, 60_000);

test.each([
  ["saturation --rates 9000000", "rising whole numbers"],
  ["saturation --rates 900000 --duration 1s", "there are ports for 448000 connections a second"],
  ["saturation --rule 5", "at most 1ms"],
  ["latency --rule 5ns,fast", "at most 1ms"],
])("bench %s is refused", (line, words) => {
  const { status, stderr } = podwire("bench", ...line.split(" "));
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(words) as string });
});
