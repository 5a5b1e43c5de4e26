// Streams of datagrams: what is counted where they end, held against the frames of the capture; with any number of workers.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runPlan } from "../../src/engine/run.ts";
import type { NetemConfig } from "../../src/seam/netem.ts";
import type { FlowConfig, LineResult, Plan } from "../../src/seam/plan.ts";
import { readCaptureFile } from "../tools/capture.ts";
import { decodeFrame } from "../tools/frame.ts";
import { flow, machineOf, planOf } from "../kernel/network.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "podwire-streams-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A client at 10.0.0.1 and two servers, 10.0.0.2 and .3, behind a link that spoils some of what the client sends. */
function planWith(name: string, flows: Partial<FlowConfig>[], netem?: NetemConfig): Plan {
  const hosts = ["client", "one", "two"].map((host, i) =>
    machineOf(
      host,
      {
        namespaces: { [host]: { addresses: { eth0: `10.0.0.${i + 1}/24` }, listen: i === 0 ? [] : ["udp 9"] } },
        wires: [`${host}/eth0 lan`],
        ...(netem && i === 0 ? { netem: { "client/eth0": netem } } : {}),
      },
      i + 1,
    ),
  );
  return planOf(hosts, {
    durationNs: 3e9,
    segments: [{ name: "lan", latencyNs: 1e6, rate: 1e10 }],
    flows: flows.map((more) =>
      flow("client", "stream", "10.0.0.2:9", { stopNs: 2e9, rate: 500, requestBytes: 200, stream: "one-way", ...more }),
    ),
    captures: [{ devices: ["*"], path: join(folder, name), format: "pcapng" }],
  });
}

async function run(plan: Plan, workers = 1): Promise<LineResult> {
  const { lines } = await runPlan(plan, { workers });
  if (!lines[0]) throw new Error("there is no line");
  return lines[0];
}

/** The datagrams that a device saw: when, and the number that each carries. */
function datagrams(name: string, device: string, direction: "inbound" | "outbound") {
  return readCaptureFile(join(folder, name)).packets.flatMap((packet) => {
    const { udp, payload } = decodeFrame(packet.bytes);
    if (!udp || packet.device !== device || packet.direction !== direction) return [];
    const bytes = Buffer.from(payload);
    return [{ ns: Number(packet.time - 1767225600_000_000_000n), number: bytes.readUInt32LE(4), bytes }];
  });
}

test("a datagram says what it is, its number, when it was sent and its flow", async () => {
  const plan = planWith("wire.pcapng", [{ rate: 1000, stopNs: 2e6 }]);
  const line = await run(plan);
  expect(line).toMatchObject({ sent: 2, delivered: 2, refused: 0, open: 0, backends: { one: 2 } });
  expect(line.stream).toMatchObject({ lost: 0, reordered: 0, duplicates: 0 });
  // The first one had to wait for ARP, a millisecond each way: a sixteenth of that.
  expect(line.stream?.jitter.max).toBe(line.stream?.jitter.mean);
  expect(Math.abs((line.stream?.jitter.mean ?? 0) - 2e6 / 16)).toBeLessThan(1e6 / 15);
  const [first, second, ...none] = datagrams("wire.pcapng", "one/eth0", "inbound");
  expect(none).toEqual([]);
  expect(first?.bytes.subarray(0, 16).toString("hex")).toBe("7374726d" + "01000000" + "0000000000000000");
  expect(second?.bytes.subarray(0, 16).toString("hex")).toBe("7374726d" + "02000000" + "40420f0000000000");
  expect(first?.bytes.subarray(16)).toEqual(second?.bytes.subarray(16));
  expect(first?.bytes).toHaveLength(200);
  // Nothing goes back.
  expect(datagrams("wire.pcapng", "client/eth0", "inbound")).toEqual([]);
});

test("loss, disorder, copies and jitter are those of the frames that arrived", async () => {
  const netem: NetemConfig = {
    latencyNs: 5e6,
    jitter: { ns: 4e6 },
    loss: { probability: 0.05 },
    duplicate: { probability: 0.05 },
  };
  const line = await run(planWith("bad.pcapng", [{}], netem));
  const sent = new Map(datagrams("bad.pcapng", "client/eth0", "outbound").map(({ ns, number }) => [number, ns]));
  const seen = new Set<number>();
  let [highest, reordered, duplicates, jitter, most] = [0, 0, 0, 0, 0];
  let last: number | undefined;
  for (const { ns, number } of datagrams("bad.pcapng", "one/eth0", "inbound")) {
    if (seen.has(number)) {
      duplicates++;
      continue;
    }
    seen.add(number);
    if (number < highest) reordered++;
    highest = Math.max(highest, number);
    const transit = ns - (sent.get(number) ?? NaN);
    // RFC 3550, 6.4.1: J(i) = J(i-1) + (|D(i-1,i)| - J(i-1))/16
    if (last !== undefined) jitter += (Math.abs(transit - last) - jitter) / 16;
    most = Math.max(most, jitter);
    last = transit;
  }
  expect(line.sent).toBe(1000);
  expect(line.delivered).toBe(seen.size);
  expect(line.stream).toMatchObject({ lost: 1000 - seen.size, reordered, duplicates });
  for (const count of [1000 - seen.size, reordered, duplicates]) expect(count).toBeGreaterThan(10);
  expect(Math.abs((line.stream?.jitter.mean ?? 0) - jitter)).toBeLessThan(10);
  expect(Math.abs((line.stream?.jitter.max ?? 0) - most)).toBeLessThan(10);
  expect(jitter).toBeGreaterThan(1e6);
  // 1 ms of the segment and 5 ms of the link, 4 ms more or less.
  expect(line.latency?.p50).toBeGreaterThan(4e6);
  expect(line.latency?.p50).toBeLessThan(8e6);
});

test("with answers datagrams come back, and are metered by the sender over both ways", async () => {
  const line = await run(planWith("echo.pcapng", [{ stream: "echoed", stopNs: 0.1e9 }]));
  expect(line).toMatchObject({ sent: 50, delivered: 50, open: 0, backends: { one: 50 } });
  expect(line.latency?.p50).toBeGreaterThanOrEqual(2e6);
  expect(datagrams("echo.pcapng", "client/eth0", "inbound")[0]?.bytes.subarray(0, 4).toString()).toBe("echo");
});

test("where nobody listens each datagram is refused by an ICMP error, and none is lost", async () => {
  const target = { address: "10.0.0.2", port: 10 };
  const line = await run(planWith("refused.pcapng", [{ target, rate: 5, stopNs: 1e9 }]));
  expect(line).toMatchObject({ sent: 5, delivered: 0, refused: 5, stream: { lost: 0 } });
});

test("two and three workers count what one counts, and write the same bytes", async () => {
  const netem: NetemConfig = { latencyNs: 2e6, jitter: { ns: 1.5e6 }, loss: { probability: 0.02 } };
  const flows = ["10.0.0.2", "10.0.0.3"].map((address) => ({
    target: { address, port: 9 },
    arrival: "poisson" as const,
  }));
  const runs = await Promise.all(
    [1, 2, 3].map(async (workers) => {
      const line = await run(planWith(`${workers}.pcapng`, flows, netem), workers);
      return { line, bytes: readFileSync(join(folder, `${workers}.pcapng`)) };
    }),
  );
  const [alone] = runs;
  expect(alone?.line.stream?.jitter.mean).toBeGreaterThan(0);
  for (const { line, bytes } of runs) {
    expect(line).toEqual(alone?.line);
    expect(Buffer.compare(bytes, alone?.bytes ?? Buffer.alloc(0))).toBe(0);
  }
});
