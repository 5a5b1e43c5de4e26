// What links do to frames, held against the formulas of net/sched/sch_netem.c: exactly where nothing is random, else by what a sample of
// that size may differ by.
import { describe, expect, test } from "vitest";
import type { NetemConfig } from "../../src/seam/netem.ts";
import { distributionTable } from "../../src/engine/netem.ts";
import { BUILDS, Lab, type Build } from "./lab.ts";
import { flow } from "./network.ts";

const MS = 1e6;

/** A frame of a type that nobody takes, with a number in it. */
function numbered(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
  new DataView(bytes.buffer).setUint32(14, number);
  return bytes;
}

interface Arrival {
  number: number;
  /** From sending to arriving, in nanoseconds. */
  delay: number;
  bytes: Uint8Array;
}

/** Sends frames over a veth pair whose first end has a link, `gapNs` apart, and tells what arrives, in that order. */
function over(
  netem: NetemConfig,
  count: number,
  { gapNs = 1000, length = 60, seed = 1 }: { gapNs?: number; length?: number; seed?: number } = {},
  build: Build = "release",
): { arrived: Arrival[]; dropped: Record<string, number>; live: number } {
  const lab = new Lab(
    build,
    { namespaces: { a: {}, b: {} }, veths: ["a/eth0 b/eth0"], netem: { "a/eth0": netem } },
    { seed },
  );
  lab.badChecksumsAllowed = true;
  for (let i = 0; i < count; i++) lab.send("a/eth0", numbered(i, length), (i * gapNs) / 1e9);
  lab.run(1000);
  const arrived = lab.seen("b/eth0").map(({ ns, bytes }) => {
    const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(14);
    return { number, delay: ns - number * gapNs, bytes };
  });
  return { arrived, dropped: lab.drops("a"), live: lab.live };
}

const numbers = (arrived: readonly Arrival[]): number[] => arrived.map(({ number }) => number);
const delays = (arrived: readonly Arrival[]): number[] => arrived.map(({ delay }) => delay / MS);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** That a share of a sample is what it should be, within four standard deviations. */
function expectShare(count: number, of: number, share: number): void {
  expect(Math.abs(count - of * share)).toBeLessThan(4 * Math.sqrt(of * share * (1 - share)));
}

const COUNT = 20_000;

/** Losses by the formula of get_crandom with another generator of random numbers. */
function correlatedLosses(probability: number, correlation: number, count: number): boolean[] {
  let state = 12345;
  let last = 0.5;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    last = (state / 2 ** 32) * (1 - correlation) + last * correlation;
    return last <= probability;
  });
}

const lossRate = (lost: readonly boolean[]): number => lost.filter(Boolean).length / lost.length;

/** How often a loss follows a loss. */
function lossAfterLoss(lost: readonly boolean[]): number {
  return lossRate(lost.slice(1).filter((_, i) => lost[i]));
}

describe.each(BUILDS)("in the %s build", (build) => {
  test("latency alone delays every frame by as much", () => {
    expect(delays(over({ latencyNs: 5 * MS }, 3, {}, build).arrived)).toEqual([5, 5, 5]);
  });

  test("a rate sends one frame after the other: 1000 bytes at 1 Mbit/s take 8 ms, and the latency comes once", () => {
    const { arrived } = over({ latencyNs: 5 * MS, rate: 1e6 }, 3, { gapNs: 0, length: 1000 }, build);
    expect(delays(arrived)).toEqual([13, 21, 29]);
  });

  test.each<[string, NetemConfig["limit"], number]>([
    ["of 5 packets", { packets: 5 }, 5],
    ["of 4,999 bytes", { bytes: 4999 }, 4],
    ["of 5,000 bytes", { bytes: 5000 }, 5],
  ])("a limit %s drops what comes when so much is on the link", (_, limit, fit) => {
    const { arrived, dropped, live } = over(
      { latencyNs: 0, rate: 1e6, limit: limit ?? { packets: 0 } },
      20,
      { gapNs: 0, length: 1000 },
      build,
    );
    expect(delays(arrived)).toEqual(Array.from({ length: fit }, (_, i) => 8 * (i + 1)));
    expect(dropped).toEqual({ QDISC_DROP: 20 - fit });
    expect(live).toBe(0);
  });

  test("a limit has room again when a frame has left", () => {
    const { arrived } = over(
      { latencyNs: 0, rate: 1e6, limit: { packets: 2 } },
      10,
      { gapNs: 4 * MS, length: 1000 },
      build,
    );
    // Sent at 0, 4, 8, ...; one leaves every 8 ms.
    expect(numbers(arrived)).toEqual([0, 1, 2, 4, 6, 8]);
  });

  test("without a limit 1,000 full frames wait for the rate", () => {
    const { arrived, dropped } = over({ latencyNs: 50 * MS, rate: 1e9 }, 1500, { gapNs: 0, length: 1500 }, build);
    expect(arrived).toHaveLength(1001);
    expect(dropped).toEqual({ QDISC_DROP: 499 });
  });

  test("of every five frames the last goes past all that wait if the gap is 5", () => {
    const { arrived } = over({ latencyNs: 10 * MS, reorder: { probability: 1, gap: 5 } }, 12, { gapNs: MS }, build);
    expect(arrived.filter(({ delay }) => delay === 0).map(({ number }) => number)).toEqual([4, 9]);
    expect(numbers(arrived)).toEqual([4, 9, 0, 1, 2, 3, 5, 6, 7, 8, 10, 11]);
  });

  test("a frame that is lost and doubled arrives once, as duplication is drawn first", () => {
    const { arrived } = over({ latencyNs: 0, loss: { probability: 1 }, duplicate: { probability: 1 } }, 5, {}, build);
    expect(numbers(arrived)).toEqual([0, 1, 2, 3, 4]);
  });

  test("a copy is lost by its own luck, is not doubled again, and comes later by its delay", () => {
    const { arrived } = over(
      { latencyNs: MS, duplicate: { probability: 1, delayNs: 2 * MS } },
      2,
      { gapNs: 10 * MS },
      build,
    );
    expect(arrived.map(({ number, delay }) => `${number} ${delay / MS}`)).toEqual(["0 1", "0 3", "1 1", "1 3"]);
    const lossy = over({ latencyNs: 0, loss: { probability: 0.5 }, duplicate: { probability: 1 } }, 2000, {}, build);
    // Without a loss there is a copy, which is lost at random; with one there is none.
    expectShare(lossy.arrived.length - 2000, 2000, 0.5 * 0.5);
  });

  test("corruption turns over one bit of a frame, at any place in it", () => {
    const { arrived } = over({ latencyNs: 0, corrupt: { probability: 1 } }, 2000, { length: 64, gapNs: 0 }, build);
    const places = arrived.map(({ bytes }, i) => {
      const sent = numbered(i, 64);
      const changed = [...bytes].flatMap((byte, at) =>
        byte === sent[at] ? [] : [{ at, bits: byte ^ (sent[at] ?? 0) }],
      );
      expect(changed).toHaveLength(1);
      expect(Math.log2(changed[0]?.bits ?? 0) % 1).toBe(0);
      return (changed[0]?.at ?? 0) * 8 + Math.log2(changed[0]?.bits ?? 0);
    });
    expect(Math.min(...places)).toBeLessThan(10);
    expect(Math.max(...places)).toBeGreaterThan(500);
    expect(Math.abs(sum(places) / places.length - 255.5)).toBeLessThan((4 * 148) / Math.sqrt(2000));
  });

  test("corrupt datagrams and segments fail a checksum or are somebody else's; none traps the module or is left over", () => {
    const reasons = new Set<string>();
    for (let seed = 1; seed <= 6; seed++)
      for (const protocol of ["http", "udp", "icmp"] as const) {
        const netem: NetemConfig = { latencyNs: MS, corrupt: { probability: 0.3 } };
        const lab = new Lab(
          build,
          {
            namespaces: {
              a: { addresses: { eth0: "10.0.0.1/24" } },
              b: { addresses: { eth0: "10.0.0.2/24" }, listen: ["tcp 80 response 30000", "udp 7"] },
            },
            veths: ["a/eth0 b/eth0"],
            netem: { "a/eth0": netem, "b/eth0": netem },
          },
          {
            seed,
            flows: [
              flow("a", protocol, protocol === "http" ? "10.0.0.2:80" : "10.0.0.2:7", {
                rate: 100,
                stopNs: 2e9,
                timeoutNs: 1e9,
                requestBytes: 400,
              }),
            ],
          },
        );
        lab.run(100);
        // Segments out of order may wait for one that a server has given up to send.
        if (protocol !== "http") expect(lab.live).toBe(0);
        for (const ns of ["a", "b"]) for (const reason of Object.keys(lab.drops(ns))) reasons.add(reason);
      }
    for (const reason of ["TCP_CSUM", "UDP_CSUM", "ICMP_CSUM", "IP_CSUM", "OTHERHOST"])
      expect(reasons).toContain(reason);
  });
});

describe("what is random", () => {
  test("loses a share of the frames, and counts each", () => {
    const { arrived, dropped, live } = over({ latencyNs: 0, loss: { probability: 0.1 } }, COUNT);
    expectShare(COUNT - arrived.length, COUNT, 0.1);
    expect(dropped).toEqual({ QDISC_DROP: COUNT - arrived.length });
    expect(live).toBe(0);
  });

  test("doubles a share, corrupts a share, has a share go past the others", () => {
    expectShare(over({ latencyNs: 0, duplicate: { probability: 0.05 } }, COUNT).arrived.length - COUNT, COUNT, 0.05);
    const corrupt = over({ latencyNs: 0, corrupt: { probability: 0.02 } }, COUNT, { gapNs: 0 }).arrived;
    const broken = corrupt.filter(({ bytes }, i) => Buffer.compare(bytes, numbered(i, 60)) !== 0);
    expectShare(broken.length, COUNT, 0.02);
    const early = over({ latencyNs: 10 * MS, reorder: { probability: 0.25, gap: 1 } }, COUNT).arrived;
    expectShare(early.filter(({ delay }) => delay === 0).length, COUNT, 0.25);
  });

  test("loses in bursts by the model of Gilbert and Elliott: p / (p + r) of the frames, 1 / r at a time", () => {
    const count = 60_000;
    const [p, r] = [0.01, 0.1];
    const { arrived } = over({ latencyNs: 0, loss: { p, r, lostInBad: 1, lostInGood: 0 } }, count);
    const bursts: number[] = [];
    for (const [i, number] of [...numbers(arrived), count].entries()) {
      const before = i === 0 ? -1 : (arrived[i - 1]?.number ?? 0);
      if (number - before > 1) bursts.push(number - before - 1);
    }
    const mean = sum(bursts) / bursts.length;
    // Lengths are geometric: their standard deviation is sqrt(1 - r) / r.
    expect(Math.abs(mean - 1 / r)).toBeLessThan((4 * Math.sqrt(1 - r)) / r / Math.sqrt(bursts.length));
    expect(Math.abs((count - arrived.length) / count - p / (p + r))).toBeLessThan(0.012);
    const half = over({ latencyNs: 0, loss: { p, r, lostInBad: 0.5, lostInGood: 0.001 } }, count).arrived.length;
    expect(Math.abs((count - half) / count - (0.5 * p + 0.001 * r) / (p + r))).toBeLessThan(0.008);
  });

  test("jitter is uniform around the latency unless it has a distribution, and can bring frames out of order", () => {
    const { arrived } = over({ latencyNs: 10 * MS, jitter: { ns: 4 * MS } }, COUNT);
    const all = delays(arrived);
    expect(Math.min(...all)).toBeGreaterThanOrEqual(6);
    expect(Math.min(...all)).toBeLessThan(6.01);
    expect(Math.max(...all)).toBeLessThan(14);
    expect(Math.max(...all)).toBeGreaterThan(13.99);
    expect(Math.abs(sum(all) / COUNT - 10)).toBeLessThan((4 * 4) / Math.sqrt(3 * COUNT));
    const order = numbers(arrived);
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
  });

  test.each(["normal", "pareto", "paretonormal"] as const)(
    "jitter has the quantiles of the table: %s",
    (distribution) => {
      const { arrived } = over({ latencyNs: 100 * MS, jitter: { ns: 10 * MS, distribution } }, COUNT);
      const sorted = delays(arrived).sort((a, b) => a - b);
      const table = distributionTable(distribution);
      for (const q of [0.05, 0.16, 0.5, 0.84, 0.95]) {
        const spread = 4 * Math.sqrt((q * (1 - q)) / COUNT);
        const at = (share: number): number => 100 + (10 * (table[Math.round(share * 4096)] ?? 0)) / 8192;
        expect(sorted[Math.round(q * COUNT)]).toBeGreaterThan(at(q - spread) - 0.01);
        expect(sorted[Math.round(q * COUNT)]).toBeLessThan(at(q + spread) + 0.01);
      }
    },
  );

  test("jitter with a rate keeps the order, as the last frame's time is where the next one's begins", () => {
    const { arrived } = over({ latencyNs: 10 * MS, jitter: { ns: 4 * MS }, rate: 1e9 }, 2000);
    expect(numbers(arrived)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
  });

  test.each([
    [0.5, 0.5],
    [0.2, 0.5],
    [0.1, 0.25],
  ])(
    "losses of %f with a correlation of %f come as rare and as close together as get_crandom has it",
    (probability, correlation) => {
      const { arrived } = over({ latencyNs: 0, loss: { probability, correlation } }, COUNT);
      const there = new Set(numbers(arrived));
      const lost = Array.from({ length: COUNT }, (_, i) => !there.has(i));
      const expected = correlatedLosses(probability, correlation, 400_000);
      expect(Math.abs(lossRate(lost) - lossRate(expected))).toBeLessThan(0.015);
      expect(Math.abs(lossAfterLoss(lost) - lossAfterLoss(expected))).toBeLessThan(0.05);
      // Which is another number than without a correlation.
      expect(lossAfterLoss(lost)).toBeGreaterThan(1.2 * lossRate(lost));
    },
  );

  test("differs from seed to seed, and for the two ends of a link", () => {
    const lost = (seed: number): number[] =>
      numbers(over({ latencyNs: 0, loss: { probability: 0.5 } }, 64, { seed }).arrived);
    expect(lost(1)).toEqual(lost(1));
    expect(lost(2)).not.toEqual(lost(1));
  });
});
