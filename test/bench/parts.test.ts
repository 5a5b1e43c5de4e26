// `podwire bench workers`, `capture` and `scale` at small sizes: every field is there and can be true, and so are the plots.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { podwire, temporaryFolder } from "../tools/podwire.ts";
import { elements } from "../tools/xml.ts";

type Row = Record<string, number | string>;

/** The rows of a part, and the words in its plot. */
function bench(...args: string[]): { rows: Row[]; words: string[] } {
  const plot = join(temporaryFolder(), "plot.svg");
  const { status, stdout, stderr } = podwire("bench", ...args, "--json", "--plot", plot);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const words = elements(readFileSync(plot, "utf8")).filter(({ name }) => name === "text");
  return { rows: JSON.parse(stdout) as Row[], words: words.map(({ text }) => text) };
}

function positive(rows: readonly Row[], fields: readonly string[]): void {
  for (const row of rows) for (const field of fields) expect(row[field], field).toBeGreaterThan(0);
}

test("workers: a row for each number of workers, all of the same run", () => {
  const { rows, words } = bench("workers", "--nodes", "3", "--workers", "2", "--frames", "3000", "--repeat", "1");
  expect(rows.map(({ workers, delivered }) => [workers, delivered])).toEqual([
    [1, 3000],
    [2, 3000],
  ]);
  expect(rows[0]?.["speed_up"]).toBe(1);
  positive(rows, ["wall_s", "delivered_pps", "speed_up"]);
  expect(words).toEqual(expect.arrayContaining(["One run on several cores", "podwire", "ideal"]));
});

test("capture: two devices catch a frame twice, all of them as often as devices pass it on", () => {
  const { rows, words } = bench("capture", "--size", "64,200", "--frames", "3000", "--repeat", "1");
  expect(rows.map(({ captured, frame_bytes }) => `${captured} ${frame_bytes}`)).toEqual(
    [64, 200].flatMap((size) => ["nothing", "two devices", "all devices"].map((what) => `${what} ${size}`)),
  );
  const times = rows.map((row) => Number(row["captured_pps"]) / Number(row["delivered_pps"]));
  expect(times[0]).toBe(0);
  expect(times[1]).toBeCloseTo(2, 1);
  // Both ends of two veth pairs, two bridges, two network cards.
  expect(times[2]).toBeCloseTo(8, 1);
  positive(rows, ["wall_s", "ratio"]);
  expect(words).toEqual(expect.arrayContaining(["nothing", "two devices", "all devices"]));
});

test("scale: clusters of the sizes asked for, with the time of each step", () => {
  const sizes = ["--nodes", "2,4", "--pods", "6,20", "--services", "3,10"];
  const { rows, words } = bench("scale", ...sizes, "--frames", "2000");
  expect(rows.map(({ nodes, pods, services }) => [nodes, pods, services])).toEqual([
    [2, 6, 3],
    [4, 20, 10],
  ]);
  positive(rows, ["machines_s", "compile_s", "links_s", "build_s", "memory_mib", "kernel_mib", "delivered_pps"]);
  for (const row of rows) expect(row["memory_mib"]).toBeGreaterThan(Number(row["kernel_mib"]));
  expect(words).toEqual(expect.arrayContaining(["Memory", "machines and rules", "delivered"]));
});

test.each([
  ["scale --nodes 2,3 --pods 4", "as many numbers as each other"],
  ["scale --nodes 1 --pods 251 --services 1", "have room for 250 pods, not 251"],
  ["capture --size 10", "from 58 to 1514"],
])("bench %s is refused", (line, words) => {
  const { status, stderr } = podwire("bench", ...line.split(" "));
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(words) as string });
});
