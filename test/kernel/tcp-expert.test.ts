// What tshark's analysis says of TCP over links: nothing where nothing is lost, and else only what the frames that the link lost explain.
import { describe, expect } from "vitest";
import { testWithTshark, judge } from "../tools/tshark.ts";
import { Lab, type Seen } from "./lab.ts";
import { flow } from "./network.ts";

const BYTES = 300_000;

/** A response over links with a rate. `loss`: of frames from the server, and of those from the client. */
function transfer(seed: number, loss: [number, number]): Lab {
  const link = (probability: number) => ({
    latencyNs: 5e6,
    rate: 20e6,
    ...(probability > 0 ? { loss: { probability } } : {}),
  });
  const lab = new Lab(
    "release",
    {
      namespaces: {
        a: { addresses: { eth0: "10.0.0.1/24" } },
        b: { addresses: { eth0: "10.0.0.2/24" }, listen: [`tcp 80 response ${BYTES}`] },
      },
      veths: ["a/eth0 b/eth0"],
      netem: { "a/eth0": link(loss[1]), "b/eth0": link(loss[0]) },
    },
    { flows: [flow("a", "http", "10.0.0.2:80", { requestBytes: 0 })], seed },
  );
  lab.run(60);
  expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  return lab;
}

interface Range {
  from: number;
  to: number;
}

/** The sequence numbers of a segment, a FIN as one. */
function rangeOf({ frame }: Seen): Range {
  const from = frame.tcp?.sequence ?? 0;
  return { from, to: from + frame.payload.length + (frame.tcp?.flags.includes("F") === true ? 1 : 0) };
}

describe("tshark's analysis", { timeout: 120_000 }, () => {
  testWithTshark("has no remark on a transfer of which nothing is lost", () => {
    expect(judge(transfer(1, [0, 0]).capture)).toMatchObject({ badChecksums: [], analysis: [] });
  });

  testWithTshark("has none that a frame lost by the link does not explain", () => {
    for (const seed of [1, 2, 3]) {
      const lab = transfer(seed, [0.03, 0]);
      const seen = lab.seen();
      const arrived = new Set(seen.flatMap(({ direction, id }) => (direction === "inbound" ? [id] : [])));
      const lost = seen.flatMap((each, i) =>
        each.direction === "outbound" && !arrived.has(each.id) ? [{ ...rangeOf(each), number: i + 1 }] : [],
      );
      expect(lost).toHaveLength(lab.drops("b")["QDISC_DROP"] ?? 0);
      expect(lost.length).toBeGreaterThan(2);
      const { badChecksums, analysis } = judge(lab.capture);
      expect(badChecksums).toEqual([]);
      const wasLost = (number: number, { from, to }: Range) =>
        lost.some((other) => other.number < number && other.from < to && from < other.to);
      const unexplained = analysis.filter(({ frame: number, text }) => {
        const one = seen[number - 1];
        if (!one?.frame.tcp) return true;
        if (/retransmission|out-of-order/i.test(text)) return !wasLost(number, rangeOf(one));
        // What is missing begins where the acknowledgement ends, or ends where the segment begins.
        if (/Duplicate ACK/.test(text)) {
          const from = one.frame.tcp.acknowledgement;
          return !wasLost(number, { from, to: from + 1 });
        }
        if (/Previous segment/.test(text))
          return !wasLost(number, { from: rangeOf(one).from - 1, to: rangeOf(one).from });
        return true;
      });
      expect(analysis.length).toBeGreaterThan(0);
      expect(unexplained, `seed ${seed}`).toEqual([]);
    }
  });
});
