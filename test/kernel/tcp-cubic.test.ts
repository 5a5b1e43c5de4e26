// CUBIC's window after one loss, held against RFC 9438 written down anew: what is under way, read from the frames of the sender.
import { describe, expect, test } from "vitest";
import { BUILDS, Lab, type Build } from "./lab.ts";
import { flow } from "./network.ts";

const MSS = 1448;
const C = 0.4;
const BETA = 0.7;

/** W_cubic of RFC 9438, 4.2: segments, `seconds` after congestion avoidance began. */
function cubic(seconds: number, most: number): number {
  const k = Math.cbrt((most * (1 - BETA)) / C);
  return C * (seconds - k) ** 3 + most;
}

/** W_est of RFC 9438, 4.3: what an AIMD sender that leaves as much after a loss would have. Linux keeps this slope beyond W_max. */
function reno(trips: number, first: number): number {
  return first + ((3 * (1 - BETA)) / (1 + BETA)) * trips;
}

interface Course {
  /** Segments that were under way when the loss was found. */
  most: number;
  /** By the number of the round trip since recovery ended: the most segments under way in it. */
  windows: number[];
}

/** A server sends for so long over a link without a rate; the frame with a number is lost, and no other. */
function course(build: Build, { rtt, lost, seconds }: { rtt: number; lost: number; seconds: number }): Course {
  const link = { latencyNs: (rtt / 2) * 1e9 };
  const rules = `*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --sport 80 -m statistic --mode nth --every 2000000000 --packet ${lost} -j DROP\nCOMMIT\n`;
  const lab = new Lab(
    build,
    {
      namespaces: {
        a: { addresses: { eth0: "10.0.0.1/24" }, rules },
        b: { addresses: { eth0: "10.0.0.2/24" }, listen: ["tcp 80 response 20000000"] },
      },
      veths: ["a/eth0 b/eth0"],
      netem: { "a/eth0": link, "b/eth0": link },
    },
    { flows: [flow("a", "http", "10.0.0.2:80", { requestBytes: 0, timeoutNs: 600e9 })] },
  );
  lab.run(seconds);
  let [acked, next, most, recover, ended] = [0, 0, 0, 0, 0];
  const windows: number[] = [];
  for (const { ns, direction, frame } of lab.seen("b/eth0")) {
    const { tcp, payload } = frame;
    if (!tcp) continue;
    if (direction === "inbound") {
      acked = Math.max(acked, tcp.acknowledgement);
      if (recover !== 0 && ended === 0 && acked >= recover) ended = ns;
      continue;
    }
    if (payload.length === 0) continue;
    if (acked === 0) acked = tcp.sequence;
    if (tcp.sequence < next) {
      expect(recover, "there is only one loss").toBe(0);
      [recover, most] = [next, (next - tcp.sequence) / MSS];
    }
    next = Math.max(next, tcp.sequence + payload.length);
    if (ended === 0) continue;
    const trip = Math.floor((ns - ended) / (rtt * 1e9));
    windows[trip] = Math.max(windows[trip] ?? 0, (next - acked) / MSS);
  }
  return { most, windows };
}

describe.each(BUILDS)("in the %s build", (build) => {
  test("a large window comes back to what it was along C(t-K)^3 + W_max, and goes beyond it: within 3 %", () => {
    const rtt = 0.1;
    const { most, windows } = course(build, { rtt, lost: 150, seconds: 9 });
    const whole = windows.slice(0, -1);
    expect(most).toBeGreaterThan(100);
    const k = Math.cbrt((most * (1 - BETA)) / C);
    expect(whole.length * rtt).toBeGreaterThan(1.5 * k);
    whole.forEach((window, i) => {
      // A window is reached at the end of its round trip.
      expect(Math.abs(window / cubic((i + 1) * rtt, most) - 1), `${(i + 1) * rtt} s after the loss`).toBeLessThan(0.03);
    });
  });

  test("a small window on a short way grows as that of an AIMD sender, which CUBIC's lags behind: within 3 segments", () => {
    const rtt = 0.02;
    const { most, windows } = course(build, { rtt, lost: 20, seconds: 1.5 });
    const whole = windows.slice(0, -1);
    expect(whole.length).toBeGreaterThan(60);
    whole.forEach((window, i) => {
      const expected = reno(i, whole[0] ?? 0);
      // Linux looks at it every 31 ms or more, and then catches up.
      expect(Math.abs(window - expected), `${i} round trips after the loss`).toBeLessThan(3);
    });
    expect(whole.at(-1)).toBeGreaterThan(1.5 * cubic(whole.length * rtt, most));
  });
});
