// Links between machines that lose, delay and reorder: the same run on any number of workers; partitions and lost carriers.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { distributionTable, leastLatency } from "../../src/engine/netem.ts";
import { lookAheadOf } from "../../src/engine/place.ts";
import { runPlan } from "../../src/engine/run.ts";
import type { Change } from "../../src/seam/change.ts";
import type { NetemConfig } from "../../src/seam/netem.ts";
import type { Plan, RunOptions } from "../../src/seam/plan.ts";
import { flow, machineOf, planOf } from "../kernel/network.ts";
import { readCaptureFile } from "../tools/capture.ts";
import { mixedPlan } from "./plans.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "podwire-links-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const ALL: NetemConfig = {
  latencyNs: 50_000,
  jitter: { ns: 30_000, correlation: 0.2, distribution: "paretonormal" },
  rate: 1e8,
  limit: { packets: 30 },
  loss: { p: 0.01, r: 0.3, lostInBad: 0.9, lostInGood: 0.001 },
  duplicate: { probability: 0.02, delayNs: 10_000 },
  corrupt: { probability: 0.01, correlation: 0.1 },
  reorder: { probability: 0.1, gap: 3 },
};

/** The plan with every kind of flow, with every wire and every veth impaired. */
function impaired(name: string): Plan {
  const plan = mixedPlan(join(folder, `${name}.pcapng`));
  plan.captures.push({ devices: ["*"], path: join(folder, `${name}-drops.pcapng`), format: "drops" });
  for (const { wires, veths } of plan.machines) {
    for (const wire of wires) wire.netem = ALL;
    for (const { a, b } of veths) {
      a.netem = { latencyNs: 0, jitter: { ns: 20_000 }, loss: { probability: 0.01, correlation: 0.25 } };
      b.netem = { latencyNs: 20_000, rate: 1e9, limit: { bytes: 50_000 }, corrupt: { probability: 0.005 } };
    }
  }
  return plan;
}

describe("a plan whose links do everything that netem does", { timeout: 60_000 }, () => {
  const files = async (name: string, options: RunOptions) => {
    const result = await runPlan(impaired(name), options);
    const captured = ["", "-drops"].map((part) =>
      readFileSync(join(folder, `${name}${part}.pcapng`)).toString("latin1"),
    );
    return { ...result, captures: [], captured };
  };
  let alone: Awaited<ReturnType<typeof files>>;
  beforeAll(async () => {
    alone = await files("alone", { workers: 1 });
  });

  test("loses and breaks frames, with the reasons of Linux", () => {
    const reasons = new Set(Object.values(alone.drops).flatMap((drops) => Object.keys(drops)));
    for (const reason of ["QDISC_DROP", "IP_CSUM"]) expect(reasons).toContain(reason);
    expect(alone.lines[0]?.delivered).toBeGreaterThan(0);
  });

  test.each([2, 3])("gives the same bytes and results with %i workers", async (workers) => {
    expect(await files(`${workers}`, { workers })).toEqual(alone);
  });

  test("gives the same bytes and results without the flow cache", async () => {
    expect(await files("slow", { workers: 1, flowCache: false })).toEqual(alone);
  });

  test("shows each frame that a link loses in the capture of drops", () => {
    const dropped = readCaptureFile(join(folder, "alone-drops.pcapng")).packets.length;
    const lost = Object.values(alone.drops).map((drops) => drops["QDISC_DROP"] ?? 0);
    expect(dropped).toBeGreaterThan(lost.reduce((sum, count) => sum + count, 0));
  });
});

describe("the look-ahead is the least latency that any wire can have", () => {
  const plan = (netem: NetemConfig): Plan => {
    const machine = machineOf("a", { namespaces: { a: {} }, wires: ["a/eth0 lan"], netem: { "a/eth0": netem } });
    return planOf([machine], { segments: [{ name: "lan", latencyNs: 1e6, rate: 1e9 }] });
  };
  test.each<[string, NetemConfig, number]>([
    ["the segment's, if a wire has more", { latencyNs: 5e6 }, 1e6],
    ["a wire's own", { latencyNs: 2e5 }, 2e5],
    ["latency less jitter, rounded down", { latencyNs: 5e5, jitter: { ns: 1e5 } }, 399_999],
    ["a tenth of the latency, where jitter could take more", { latencyNs: 5e5, jitter: { ns: 6e5 } }, 5e4],
    ["a tenth of the latency with reordering", { latencyNs: 5e5, reorder: { probability: 0.01, gap: 1 } }, 5e4],
    ["never below a microsecond", { latencyNs: 2000, jitter: { ns: 1e6, distribution: "normal" } }, 1000],
  ])("%s", (_, netem, expected) => {
    expect(lookAheadOf(plan(netem))).toBe(expected);
  });

  test("on a veth nothing of the latency need stay", () => {
    expect(leastLatency({ latencyNs: 1e6, jitter: { ns: 2e6 } }, false)).toBe(0);
  });
});

describe("the tables of distributions", () => {
  test("have the values that iproute2 prints", () => {
    expect([...distributionTable("normal").slice(0, 4)]).toEqual([-32768, -28307, -26871, -25967]);
    expect(distributionTable("normal")[2048]).toBe(0);
    expect(distributionTable("normal")[4095]).toBe(28858);
    expect([...distributionTable("pareto").slice(0, 3)]).toEqual([-5461, -5460, -5460]);
    expect(distributionTable("pareto")[4095]).toBe(32767);
    expect([...distributionTable("paretonormal").slice(0, 3)]).toEqual([-12305, -11171, -10812]);
    expect(distributionTable("paretonormal")[4095]).toBe(31789);
  });

  const paths = ["/usr/lib/x86_64-linux-gnu/tc", "/usr/lib/aarch64-linux-gnu/tc", "/usr/lib/tc", "/lib/tc"];
  const at = paths.find((path) => existsSync(join(path, "normal.dist")));
  const name = "are those of the iproute2 of this machine";
  if (at === undefined) console.warn(`SKIPPED, since iproute2 has no tables here: ${name}`);
  test.skipIf(at === undefined && process.env["CI"] !== "true").each(["normal", "pareto", "paretonormal"] as const)(
    `${name}: %s`,
    (distribution) => {
      const text = readFileSync(join(at ?? "", `${distribution}.dist`), "utf8").replaceAll(/^#.*$/gm, "");
      expect([...distributionTable(distribution)]).toEqual(text.trim().split(/\s+/).map(Number));
    },
  );
});

describe("while it runs", () => {
  /** Three machines, each pinging the next one ten times a second for four seconds, in lines 0, 1 and 2. */
  const pinging = async (changes: Change[], workers: number) => {
    const names = ["a", "b", "c"];
    const machines = names.map((name, i) =>
      machineOf(
        name,
        { namespaces: { [name]: { addresses: { eth0: `10.0.0.${i + 1}/24` } } }, wires: [`${name}/eth0 lan`] },
        i + 1,
      ),
    );
    const flows = names.map((name, i) =>
      flow(name, "icmp", `10.0.0.${((i + 1) % 3) + 1}`, { line: i, rate: 10, stopNs: 4e9, timeoutNs: 0.5e9 }),
    );
    const segments = [{ name: "lan", latencyNs: 50_000, rate: 1e9 }];
    const { lines, drops } = await runPlan(planOf(machines, { flows, segments, changes, durationNs: 6e9 }), {
      workers,
    });
    return { lost: lines.map(({ sent, delivered }) => sent - delivered), drops };
  };
  const second = (at: number, action: Change["action"], namespace = ""): Change => ({
    atNs: at * 1e9,
    namespace,
    action,
  });

  test.each([1, 3])("a partition keeps its sets apart until it is healed, with %i workers", async (workers) => {
    const parted = [second(1, { kind: "partition", sets: [["a"], ["b"]] }), second(2, { kind: "heal" })];
    // c is in no set.
    const { lost, drops } = await pinging(parted, workers);
    expect(lost).toEqual([10, 0, 0]);
    expect(drops).toEqual({ a: { QDISC_DROP: 10 } });
    const all = [second(1, { kind: "partition", sets: [["a"], ["b", "c"]] })];
    expect((await pinging(all, workers)).lost).toEqual([30, 0, 30]);
  });

  test("a new partition takes the place of the one before it", async () => {
    const changes = [
      second(1, { kind: "partition", sets: [["a"], ["b"]] }),
      second(2, { kind: "partition", sets: [["b"], ["c"]] }),
    ];
    expect((await pinging(changes, 1)).lost).toEqual([10, 20, 0]);
  });

  test.each([1, 3])(
    "without a carrier nothing is sent or comes in; neighbours are asked for anew, with %i workers",
    async (workers) => {
      const cut = [
        second(1, { kind: "carrier", device: "eth0", on: false }, "b"),
        second(2, { kind: "carrier", device: "eth0", on: true }, "b"),
      ];
      const { lost, drops } = await pinging(cut, workers);
      expect(lost[0]).toBe(10);
      // b's pings wait for ARP, which asks again a second after its first request got lost: those of half a second before are in time.
      expect(lost[1]).toBe(6);
      expect(lost[2]).toBe(0);
      expect(drops["b"]?.["DEV_READY"]).toBeGreaterThanOrEqual(10);
    },
  );
});
