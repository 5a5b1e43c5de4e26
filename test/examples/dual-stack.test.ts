// The example of two families: what its expectations say, the same bytes however it is run, and what tshark thinks of its frames.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Report } from "../../src/report/report.ts";
import { readCaptureFile } from "../tools/capture.ts";
import { podwire, temporaryFolder } from "../tools/podwire.ts";
import { judge, testWithTshark } from "../tools/tshark.ts";

function run(...flags: string[]): { status: number | null; folder: string; stdout: string } {
  const folder = temporaryFolder();
  const { status, stdout } = podwire("run", "examples/dual-stack", "--out", folder, ...flags);
  return { status, folder, stdout };
}

function frames(folder: string): Uint8Array[] {
  return readCaptureFile(join(folder, "run.pcapng")).packets.map(({ bytes }) => bytes);
}

describe("a cluster of two families", () => {
  let first: ReturnType<typeof run>;

  beforeAll(() => {
    first = run("--workers", "1");
  }, 120_000);

  test("does what the scenario expects of it", () => {
    expect(first.stdout).toContain("22 of 22 expectations hold");
    expect(first.status).toBe(0);
  });

  test("without a word about the family, a Service of both is called by IPv6, a host outside by IPv4", () => {
    const report = JSON.parse(readFileSync(join(first.folder, "report.json"), "utf8")) as Report;
    const backends = Object.fromEntries(report.traffic.map(({ name, backends: of }) => [name, Object.keys(of)]));
    expect(backends["partner"]).toEqual(["internet/93.184.216.34"]);
    expect(backends["partner over IPv6"]).toEqual(["internet/2001:db8:77::200"]);
    const families = frames(first.folder).reduce(
      (counts, bytes) => {
        const six = bytes[12] === 0x86 && bytes[13] === 0xdd;
        return { six: counts.six + (six ? 1 : 0), four: counts.four + (six ? 0 : 1) };
      },
      { six: 0, four: 0 },
    );
    expect(families.six).toBeGreaterThan(2000);
    expect(families.four).toBeGreaterThan(1000);
  });

  test.each([
    ["two workers", ["--workers", "2"]],
    ["no flow cache", ["--workers", "1", "--flow-cache", "off"]],
  ])("gives the same captures with %s", (_, flags) => {
    const other = run(...flags);
    expect(other.status).toBe(0);
    const bytes = (folder: string): Buffer => readFileSync(join(folder, "run.pcapng"));
    expect(bytes(other.folder).equals(bytes(first.folder))).toBe(true);
  });

  testWithTshark("has no frame that tshark finds fault with", () => {
    const { frames: seen, badChecksums, errors } = judge(join(first.folder, "run.pcapng"));
    expect(seen).toBeGreaterThan(5000);
    expect(badChecksums).toEqual([]);
    expect(errors).toEqual([]);
  });
});
