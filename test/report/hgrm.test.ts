// Percentile distributions as HdrHistogram prints them.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hgrm, hgrmNames } from "../../src/report/hgrm.ts";
import { podwire, temporaryFolder } from "../tools/podwire.ts";

const MS = 1e6;

// But for the deviation, which counts from the middles of its own buckets, and the last line, which tells how many there are.
const EXPECTED = [
  "       Value     Percentile TotalCount 1/(1-Percentile)",
  "",
  "       1.000 0.000000000000          8           1.00",
  "       1.000 0.100000000000          8           1.11",
  "       1.000 0.200000000000          8           1.25",
  "       1.000 0.300000000000          8           1.43",
  "       1.000 0.400000000000          8           1.67",
  "       1.000 0.500000000000          8           2.00",
  "       1.000 0.550000000000          8           2.22",
  "       1.000 0.600000000000          8           2.50",
  "       1.000 0.650000000000          8           2.86",
  "       1.000 0.700000000000          8           3.33",
  "       1.000 0.750000000000          8           4.00",
  "       1.000 0.775000000000          8           4.44",
  "       1.000 0.800000000000          8           5.00",
  "       2.000 0.825000000000          9           5.71",
  "       2.000 0.850000000000          9           6.67",
  "       2.000 0.875000000000          9           8.00",
  "       2.000 0.887500000000          9           8.89",
  "       2.000 0.900000000000          9          10.00",
  "     100.000 0.912500000000         10          11.43",
  "     100.000 1.000000000000         10",
  "#[Mean    =       11.000, StdDeviation   =       29.512]",
  "#[Max     =      100.000, Total count    =           10]",
  "#[Buckets =           58, SubBuckets     =          128]",
  "",
].join("\n");

test("a line for each step of a percentile, five to half of what is left, then the whole", () => {
  // What hdr-histogram-js 3 prints for 1 ms eight times, 2 ms and 100 ms once.
  const latencies: [number, number][] = [
    [1 * MS, 8],
    [2 * MS, 1],
    [100 * MS, 1],
  ];
  const latency = { mean: 11 * MS, max: 100 * MS } as NonNullable<Parameters<typeof hgrm>[0]["latency"]>;
  expect(hgrm({ latency, latencies })).toBe(EXPECTED);
});

test("nothing answered has none", () => {
  expect(hgrm({ latency: null, latencies: [] })).toBeUndefined();
});

test("files are named by the place and the name of their line, which need not be a file's", () => {
  expect(hgrmNames(["frontend:80", "pods > internet", "", "../x"])).toEqual([
    "1-frontend-80.hgrm",
    "2-pods-internet.hgrm",
    "3.hgrm",
    "4-..-x.hgrm",
  ]);
});

test("podwire run --hdr writes one for each line, which ends with all that the report counts as delivered", () => {
  const out = temporaryFolder();
  expect(podwire("run", "examples/walks/02-same-node", "--hdr", "--quiet", "--out", out).status).toBe(0);
  const { traffic } = JSON.parse(readFileSync(join(out, "report.json"), "utf8")) as {
    traffic: { name: string; delivered: number; latencyNs: { max: number } }[];
  };
  const files = readdirSync(join(out, "hdr")).sort();
  expect(files).toEqual(hgrmNames(traffic.map(({ name }) => name)));
  files.forEach((file, i) => {
    const { delivered = 0, latencyNs } = traffic[i] ?? {};
    const last = new RegExp(`^ +(\\S+) 1\\.000000000000 +${delivered}$`, "m").exec(
      readFileSync(join(out, "hdr", file), "utf8"),
    );
    expect(last?.[1]).toBe(((latencyNs?.max ?? 0) / MS).toFixed(3));
  });
});
