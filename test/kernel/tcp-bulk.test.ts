// How fast one TCP connection sends much data, in virtual time: over a clean link with a rate, and over one that loses frames by chance.
import { describe, expect, test } from "vitest";
import type { NetemConfig } from "../../src/seam/netem.ts";
import { Lab } from "./lab.ts";
import { flow } from "./network.ts";

const MSS = 1448;

interface Bulk {
  control: "cubic" | "reno";
  bytes: number;
  /** Of the link from the server to the client, and of the way back. */
  down: NetemConfig;
  up: NetemConfig;
}

/** Bytes of an HTTP response per second, from the SYN to the last byte. */
function throughput({ control, bytes, down, up }: Bulk): number {
  const sysctls = { "net.ipv4.tcp_congestion_control": control };
  const lab = new Lab(
    "release",
    {
      namespaces: {
        a: { sysctls, addresses: { eth0: "10.0.0.1/24" } },
        b: { sysctls, addresses: { eth0: "10.0.0.2/24" }, listen: [`tcp 80 response ${bytes}`] },
      },
      veths: ["a/eth0 b/eth0"],
      netem: { "a/eth0": up, "b/eth0": down },
    },
    { flows: [flow("a", "http", "10.0.0.2:80", { requestBytes: 0 })], captures: [] },
  );
  lab.run(600);
  expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  return bytes / (lab.kernel.lineCounters(0, 2).max / 1e9);
}

describe(
  "over a clean link with a rate, a connection reaches 94 % of it in bytes of data",
  { timeout: 120_000 },
  () => {
    test.each([
      ["10 Mbit/s, 20 ms there and back", 10e6, 10e6, 8],
      ["100 Mbit/s, 2 ms", 100e6, 1e6, 20],
      ["200 Mbit/s, 4 ms: more than 64 KiB are under way", 200e6, 2e6, 40],
    ])("%s", (_, rate, latencyNs, megabytes) => {
      for (const control of ["cubic", "reno"] as const) {
        const link = { latencyNs, rate };
        const reached = throughput({ control, bytes: megabytes * 1e6, down: link, up: link });
        // Of a full frame 1,448 of 1,514 bytes are data: 95.6 % is all that there is.
        expect((reached * 8) / rate, `${control} over ${rate} bit/s`).toBeGreaterThan(0.94);
        expect((reached * 8) / rate).toBeLessThan(MSS / 1514);
      }
    });
  },
);

describe(
  "where frames are lost by chance, NewReno agrees with Mathis' bound MSS / RTT * C / sqrt(p) within 25 %",
  { timeout: 120_000 },
  () => {
    // A window that grows by a segment each round trip and is halved by a loss has C = sqrt(3/2). Linux counts what is acknowledged, not
    // the acknowledgements, so it makes no difference that they are delayed.
    const C = Math.sqrt(3 / 2);
    test.each([
      [0.002, 50],
      [0.005, 30],
      [0.01, 20],
      [0.02, 12],
    ])("p = %d", (p, megabytes) => {
      const latencyNs = 20e6;
      // The rate only keeps the first window, before anything is lost, from growing far beyond those that follow.
      const down = { latencyNs, rate: 50e6, limit: { packets: 100 }, loss: { probability: p } };
      const bytes = megabytes * 1e6;
      const reached = throughput({ control: "reno", bytes, down, up: { latencyNs } });
      const bound = (MSS / ((2 * latencyNs) / 1e9)) * (C / Math.sqrt(p));
      expect(reached / bound).toBeGreaterThan(0.75);
      expect(reached / bound).toBeLessThan(1.25);
    });
  },
);
