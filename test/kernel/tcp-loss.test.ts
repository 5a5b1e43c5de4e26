// TCP over a router that drops chosen segments: timers, fast retransmission, recovery.
import { describe, expect, test } from "vitest";
import { BUILDS, Lab, type Build } from "./lab.ts";
import { flow } from "./network.ts";

/** A client and a server with a router between them whose FORWARD chain has the given rules. */
function lossy(
  build: Build,
  rules: string[],
  requestBytes: number,
  protocol: "tcp" | "http" = "tcp",
  more: { seed?: number } = {},
  sysctls: Record<string, string> = {},
): Lab {
  return new Lab(
    build,
    {
      namespaces: {
        a: { sysctls, addresses: { eth0: "10.0.1.1/24" }, routes: ["default via 10.0.1.254"] },
        r: {
          sysctls: { "net.ipv4.ip_forward": 1 },
          addresses: { left: "10.0.1.254/24", right: "10.0.2.254/24" },
          rules: `*filter\n:FORWARD ACCEPT [0:0]\n${rules.map((rule) => `-A FORWARD ${rule}\n`).join("")}COMMIT\n`,
        },
        b: {
          sysctls,
          addresses: { eth0: "10.0.2.1/24" },
          routes: ["default via 10.0.2.254"],
          listen: ["tcp 80 response 30000"],
        },
      },
      veths: ["a/eth0 r/left", "b/eth0 r/right"],
    },
    { flows: [flow("a", protocol, "10.0.2.1:80", { requestBytes })], ...more },
  );
}

/** The first `count` segments that match are dropped. */
const first = (count: number, match: string): string[] =>
  Array.from({ length: count }, () => `-p tcp ${match} -m statistic --mode nth --every 1000000 --packet 0 -j DROP`);

const DATA = "-s 10.0.1.1 -m length --length 100:1500";

interface Segment {
  at: number;
  flags: string;
  seq: number;
  length: number;
}

/** What the client sent with data or FIN, with sequence numbers from the start of its data. */
function sent(lab: Lab, device = "a/eth0", source = "10.0.1.1"): Segment[] {
  const segments = lab.seen(device).flatMap(({ ns, frame }) => {
    if (frame.ipv4?.source !== source || !frame.tcp) return [];
    return [{ ns, flags: frame.tcp.flags, seq: frame.tcp.sequence, length: frame.payload.length }];
  });
  const start = segments.find(({ flags }) => flags.includes("S"))?.seq ?? 0;
  return segments.map(({ ns, flags, seq, length }) => ({
    at: Math.round(ns / 1e6),
    flags,
    seq: (seq - start - 1) >>> 0,
    length,
  }));
}

function dataSent(lab: Lab, device?: string, source?: string): string[] {
  return sent(lab, device, source)
    .filter(({ length }) => length > 0)
    .map(({ at, seq, length }) => `${at} ${seq} ${length}`);
}

/** The bytes that an address sent, put in order by their sequence numbers. */
function stream(lab: Lab, source: string): Buffer {
  const parts = new Map<number, Uint8Array>();
  let start = 0;
  for (const { frame } of lab.seen(source === "10.0.1.1" ? "a/eth0" : "b/eth0")) {
    if (frame.ipv4?.source !== source || !frame.tcp) continue;
    if (frame.tcp.flags.includes("S")) start = frame.tcp.sequence + 1;
    if (frame.payload.length > 0) parts.set((frame.tcp.sequence - start) >>> 0, frame.payload);
  }
  return Buffer.concat([...parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes));
}

/** `count` full segments, all at the same moment. */
const burst = (at: number, count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => `${at} ${(from + i) * 1448} 1448`);

describe.each(BUILDS)("in the %s build", (build) => {
  test("a lost segment without followers is sent again after the time-out of 200 ms, then after as much again (a probe of the tail comes first), then 400 ...", () => {
    const lab = lossy(build, first(3, DATA), 500);
    lab.run(5);
    expect(dataSent(lab)).toEqual(["0 0 500", "200 0 500", "400 0 500", "800 0 500"]);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("a lost SYN is sent again after a second, a lost SYN-ACK too", () => {
    for (const match of ["-s 10.0.1.1 --syn", "-s 10.0.2.1 -m tcp --tcp-flags SYN,ACK SYN,ACK"]) {
      const lab = lossy(build, first(1, match), 500);
      lab.run(5);
      expect(
        sent(lab)
          .filter(({ flags }) => flags === "S")
          .map(({ at }) => at),
      ).toEqual([0, 1000]);
      expect(dataSent(lab)).toEqual(["1000 0 500"]);
      expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
    }
  });

  test("the acknowledgement of a handshake may get lost: the data that follows says the same", () => {
    const lab = lossy(build, first(1, "-s 10.0.1.1 -m length --length 52"), 500);
    lab.run(5);
    expect(dataSent(lab)).toEqual(["0 0 500"]);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("a lost FIN is sent again", () => {
    const lab = lossy(build, first(1, "-s 10.0.1.1 -m tcp --tcp-flags FIN FIN"), 500);
    lab.run(5);
    expect(
      sent(lab)
        .filter(({ flags }) => flags === "F.")
        .map(({ at }) => at),
    ).toEqual([0, 200]);
  });

  test("three duplicate acknowledgements say that a segment is lost: it is sent again at once", () => {
    const lab = lossy(build, first(1, DATA), 6 * 1448);
    lab.run(5);
    expect(dataSent(lab)).toEqual([...burst(0, 6), "0 0 1448"]);
    // Three for the segments that came early, one for all of them: what came early besides was on its way to be reported together.
    const acks = sent(lab, "b/eth0", "10.0.2.1").filter(({ length, flags }) => length === 0 && flags === ".");
    expect(acks.length).toBe(4);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("one segment that arrived after it is enough once others have had time to overtake (RACK): here none is needed", () => {
    const lab = lossy(build, first(1, DATA), 3 * 1448);
    lab.run(5);
    expect(dataSent(lab)).toEqual([...burst(0, 3), "0 0 1448"]);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("two losses in one window are both repaired without the timer", () => {
    const lab = lossy(build, first(2, DATA), 8 * 1448);
    lab.run(5);
    expect(dataSent(lab)).toEqual([...burst(0, 8), "0 0 1448", "0 1448 1448"]);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("when a whole window is lost, a probe of its tail too, one time-out is enough to repair it", () => {
    const lab = lossy(build, first(6, DATA), 5 * 1448);
    lab.run(5);
    const again = dataSent(lab).slice(5);
    expect(again).toEqual(["2 5792 1448", ...burst(202, 5)]);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("when two segments at the end are lost, a probe makes the peer say so, long before the time-out (TLP)", () => {
    const fourth = "-s 10.0.1.1 -m length --length 100:1500 -m statistic --mode nth --every 100 --packet 3 -j DROP";
    const lab = lossy(build, [fourth, fourth], 5 * 1448);
    lab.run(5);
    expect(dataSent(lab).slice(5)).toEqual(["2 5792 1448", "2 4344 1448"]);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "with loss both ways by chance, seed %i, everything arrives in order, by cubic and by reno",
    (seed) => {
      for (const control of ["cubic", "reno"]) {
        const rules = ["-p tcp -m statistic --mode random --probability 0.1 -j DROP"];
        const lab = lossy(build, rules, 40_000, "tcp", { seed }, { "net.ipv4.tcp_congestion_control": control });
        lab.run(300);
        expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
        // What came back is what went out.
        expect(stream(lab, "10.0.2.1").equals(stream(lab, "10.0.1.1"))).toBe(true);
        expect(stream(lab, "10.0.1.1")).toHaveLength(40_000);
        lab.run(500);
        expect(lab.live).toBe(0);
      }
    },
  );

  test("a long answer over a link that loses every 20th segment arrives whole", () => {
    const lab = lossy(
      build,
      ["-s 10.0.2.1 -m length --length 100:1500 -m statistic --mode nth --every 20 --packet 0 -j DROP"],
      0,
      "http",
    );
    lab.run(30);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
    // Nothing was sent again that had not been lost.
    const counts = new Map<number, number>();
    for (const { seq, length } of sent(lab, "b/eth0", "10.0.2.1")) {
      if (length > 0) counts.set(seq, (counts.get(seq) ?? 0) + 1);
    }
    const repeated = [...counts.values()].reduce((sum, count) => sum + count - 1, 0);
    expect(repeated).toBe(lab.counters("r")["filter FORWARD 0"]);
  });

  test("a peer that never acknowledges is given up after 15 repetitions, up to 120 s apart", () => {
    const lab = lossy(build, [`-p tcp ${DATA} -j DROP`], 500);
    lab.run(590);
    const times = sent(lab)
      .filter(({ length }) => length > 0)
      .map(({ at }) => at / 1000);
    const gaps = times.slice(1).map((time, i) => Number((time - (times[i] ?? 0)).toFixed(1)));
    expect(gaps.slice(0, 11)).toEqual([0.2, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4]);
  });

  test("a request whose answer is lost for good ends with the flow's time-out, and no frame is left over", () => {
    const lab = new Lab(
      build,
      {
        namespaces: {
          a: { addresses: { eth0: "10.0.0.1/24" }, neighbours: ["eth0 10.0.0.2 02:00:00:00:00:77"] },
          b: {},
        },
        veths: ["a/eth0 b/eth0"],
      },
      { flows: [flow("a", "udp", "10.0.0.2:7", { timeoutNs: 3e9 })] },
    );
    lab.run(10);
    expect(lab.outcome()).toEqual({ sent: 1, timedOut: 1 });
    expect(lab.live).toBe(0);
  });
});
