// The differential loop where it cannot record: it says why in one sentence and ends with status 2. And the table that it prints.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { projectFiles } from "../structure/tree.ts";
import { ROOT } from "../tools/podwire.ts";
import { refusal } from "./oracle.ts";
import { differenceText, tallyTable } from "./report.ts";

const NEEDS_ROOT = "fuzz: recording on the live kernel needs network namespaces, so it runs as root on Linux only\n";

describe("npm run fuzz", () => {
  const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const fuzz = (...args: string[]) =>
    spawnSync(process.execPath, [join(ROOT, "dist/test/fuzz/main.js"), ...args], { encoding: "utf8", ...nobody });

  test("ends with status 2 without root", () => {
    const { status, stdout, stderr } = fuzz("--seconds", "1");
    expect({ status, stdout, stderr }).toEqual({
      status: 2,
      stdout: "",
      stderr: NEEDS_ROOT,
    });
  });

  const commands = projectFiles("docs", ".md").flatMap(({ text }) =>
    [...text.matchAll(/npm run fuzz -- ([^\n`]*)/g)].map(([, line = ""]) => line.trim()),
  );

  test.each(commands)("takes the command line of the pages: %s", (line) => {
    expect(fuzz(...line.split(/\s+/)).stderr).toBe(NEEDS_ROOT);
  });

  test.each([
    [["--family", "dns"], "--family: dns should be one of bridge, arp, routing, filter, nat, kube, malformed, ipv6"],
    [["--seconds", "soon"], "--seconds: soon should be a whole number"],
  ])("refuses %j", (args, sentence) => {
    const { status, stderr } = fuzz(...args);
    expect({ status, stderr }).toEqual({ status: 2, stderr: `fuzz: ${sentence}\n` });
  });
});

describe("the check of the machine", () => {
  test("takes root with all tools", () => {
    expect(refusal(0, () => true)).toBeUndefined();
  });

  test("names the tools that are missing", () => {
    expect(refusal(0, (program) => !/ipset|conntrack/.test(program))).toBe(
      "recording on the live kernel needs ipset, conntrack, not found; Debian has iproute2, iptables, ipset, conntrack",
    );
  });

  test("refuses other users, and systems without users", () => {
    expect(refusal(1000, () => true)).toMatch(/as root on Linux only$/);
    expect(refusal(undefined, () => false)).toMatch(/as root on Linux only$/);
  });
});

describe("the report", () => {
  test("has a line for each family and one for all", () => {
    expect(
      tallyTable([
        { family: "arp", equal: 9, total: 10 },
        { family: "nat", equal: 20, total: 20 },
      ]),
    ).toBe(
      "family      equal  total\n" +
        "arp             9     10\n" +
        "nat            20     20\n" +
        "all            29     30\n",
    );
  });

  test("tells the first differences of a case and how many more there are", () => {
    const sentences = ["a", "b", "c", "d", "e", "f"];
    expect(differenceText({ name: "arp-s0001-000", steps: 1, sentences, folder: "out/arp/arp-s0001-000" })).toBe(
      "arp-s0001-000, 1 step, in out/arp/arp-s0001-000\n  a\n  b\n  c\n  d\n  and 2 more\n",
    );
  });
});
