// A run with any number of workers is the same run; it can be broken off, and a failure in one worker ends it.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runPlan } from "../../src/engine/run.ts";
import type { RunResult } from "../../src/seam/plan.ts";
import { readCaptureFile } from "../tools/capture.ts";
import { decodeFrame } from "../tools/frame.ts";
import { judge, testWithTshark } from "../tools/tshark.ts";
import { flow, machineOf, planOf } from "../kernel/network.ts";
import { mixedPlan } from "./plans.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "podwire-engine-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** The result without the paths of its files. */
function pathless(result: RunResult): unknown {
  return { ...result, captures: result.captures.slice(0, 1).map(({ packets, bytes }) => ({ packets, bytes })) };
}

describe("a plan with every kind of flow", { timeout: 120_000 }, () => {
  let alone: { file: Uint8Array; result: RunResult };
  beforeAll(async () => {
    const path = join(folder, "1.pcapng");
    const plan = mixedPlan(path);
    // Of each connection one end only: tshark takes what it sees twice for sent twice.
    plan.captures.push({ devices: ["p1/eth0", "p2/eth0"], path: join(folder, "ends.pcapng"), format: "pcapng" });
    const result = await runPlan(plan, { workers: 1 });
    alone = { file: readFileSync(path), result };
  });

  test("delivers what it should and counts what it cannot", () => {
    const [web, echo, datagrams, closed, ping, nobody] = alone.result.lines;
    for (const line of [web, echo, datagrams, ping]) {
      expect(line?.sent).toBeGreaterThan(10);
      expect((line?.delivered ?? 0) + (line?.open ?? 0)).toBe(line?.sent);
    }
    expect(closed?.refused).toBeGreaterThan(0);
    expect(closed?.delivered).toBe(0);
    expect(nobody?.timedOut).toBeGreaterThan(0);
    expect(Object.keys(web?.backends ?? {}).sort()).toEqual(["p3", "p4"]);
    expect(alone.result.endNs).toBe(0.2e9);
    expect(alone.result.interrupted).toBe(false);
  });

  test.each([2, 3, 4])("gives the same bytes and the same results with %i workers", async (workers) => {
    const path = join(folder, `${workers}.pcapng`);
    const result = await runPlan(mixedPlan(path), { workers });
    expect(pathless(result)).toEqual(pathless(alone.result));
    expect(Buffer.compare(readFileSync(path), alone.file)).toBe(0);
  });

  test("gives the same classic files too, one for each interface", async () => {
    const files = async (workers: number) => {
      const path = join(folder, `classic-${workers}`);
      const plan = {
        ...mixedPlan(undefined, 0.05e9),
        captures: [{ devices: ["p*/eth0", "n1/*"], path, format: "pcap" as const }],
      };
      await runPlan(plan, { workers });
      return Object.fromEntries(
        readdirSync(path).map((name) => [name, readFileSync(join(path, name)).toString("hex")]),
      );
    };
    const one = await files(1);
    expect(Object.keys(one).sort()).toEqual(
      ["n1.eth0", "n1.lo", "n1.veth", "p1.eth0", "p2.eth0", "p3.eth0", "p4.eth0"].map((name) => `${name}.pcap`),
    );
    expect(await files(4)).toEqual(one);
  });

  test("another seed gives another run", async () => {
    const result = await runPlan({ ...mixedPlan(), seed: 2 }, { workers: 1 });
    expect(result.lines).not.toEqual(alone.result.lines);
  });

  test("has right checksums in every frame", () => {
    const { packets } = readCaptureFile(join(folder, "1.pcapng"));
    expect(packets.length).toBeGreaterThan(1000);
    const bad = packets.flatMap(({ device, bytes }) =>
      decodeFrame(bytes).badChecksums.map((name) => `${device} ${name}`),
    );
    expect(bad).toEqual([]);
  });

  testWithTshark("has nothing that tshark finds wrong", () => {
    const { frames, badChecksums, errors, analysis } = judge(join(folder, "ends.pcapng"));
    expect(frames).toBe(alone.result.captures[1]?.packets);
    expect({ badChecksums, errors, analysis }).toEqual({ badChecksums: [], errors: [], analysis: [] });
  });
});

describe("a run", { timeout: 60_000 }, () => {
  test.each([1, 2])("with %i workers that is broken off leaves a valid capture and says so", async (workers) => {
    const path = join(folder, `broken-${workers}.pcapng`);
    const stop = new AbortController();
    const plan = { ...mixedPlan(path, 1000e9), durationNs: 1000e9 };
    const result = await runPlan(plan, {
      workers,
      signal: stop.signal,
      onProgress: ({ nowNs }) => {
        if (nowNs > 0) stop.abort();
      },
    });
    expect(result.interrupted).toBe(true);
    expect(result.endNs).toBeLessThan(1000e9);
    expect(readCaptureFile(path).packets).toHaveLength(result.captures[0]?.packets ?? -1);
  });

  test("with a signal that has said stop already ends at once", async () => {
    const path = join(folder, "never.pcapng");
    const result = await runPlan(mixedPlan(path), { workers: 2, signal: AbortSignal.abort() });
    expect(result.interrupted).toBe(true);
    expect(readCaptureFile(path).interfaces.length).toBeGreaterThan(0);
  });

  test.each([1, 2, 4])("with %i workers of which one fails gives that one's error", async (workers) => {
    const plan = mixedPlan();
    plan.machines[2]?.addresses.push({ namespace: "n3", device: "eth9", cidr: "10.9.0.1/24" });
    await expect(runPlan(plan, { workers })).rejects.toThrow("there is no device n3/eth9");
  });

  test("in which nothing happens jumps to its end", async () => {
    const plan = planOf([machineOf("m", { namespaces: { a: {} } })], { durationNs: 3600e9 });
    expect(await runPlan(plan, { workers: 4 })).toMatchObject({
      endNs: 3600e9,
      frames: 0,
      drops: {},
      interrupted: false,
    });
  });

  test("stops flows at their end and counts what is still open", async () => {
    const words = {
      namespaces: { a: { addresses: { eth0: "10.0.0.1/24" }, neighbours: ["eth0 10.0.0.2 02:00:00:00:00:02"] }, b: {} },
      veths: ["a/eth0 b/eth0"],
    };
    const flows = [flow("a", "udp", "10.0.0.2:7", { rate: 10, startNs: 0.1e9, stopNs: 0.5e9 })];
    const result = await runPlan(planOf([machineOf("m", words)], { durationNs: 1e9, flows }), { workers: 1 });
    expect(result.lines[0]).toMatchObject({ sent: 4, delivered: 0, open: 4, latency: null });
  });
});
