// Lines of traffic: when requests come, how large they and their answers are, what connections they take, when they are tried again.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runPlan } from "../../src/engine/run.ts";
import type { Distribution, FlowConfig, LineResult, Plan, ServiceCall } from "../../src/seam/plan.ts";
import { readCaptureFile } from "../tools/capture.ts";
import { decodeFrame } from "../tools/frame.ts";
import { flow, machineOf, planOf } from "../kernel/network.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "podwire-traffic-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const SLOW = { timeout: 120_000 };
const LATENCY_NS = 1_000_000;

function host(name: string, number: number, listen: string[]) {
  const namespace = { addresses: { eth0: `10.0.0.${number}/24` }, listen };
  return machineOf(name, { namespaces: { [name]: namespace }, wires: [`${name}/eth0 lan`] }, number);
}

/** A client at 10.0.0.1 and a server at 10.0.0.2, a millisecond apart. */
function planWith(flows: FlowConfig[], more: Partial<Plan> = {}): Plan {
  return planOf([host("client", 1, []), host("server", 2, ["tcp 80", "tcp 7", "udp 7"])], {
    durationNs: 2e9,
    segments: [{ name: "lan", latencyNs: LATENCY_NS, rate: 1e10 }],
    flows,
    ...more,
  });
}

async function resultOf(plan: Plan): Promise<LineResult> {
  const { lines } = await runPlan(plan, { workers: 1 });
  if (!lines[0]) throw new Error("no line");
  return lines[0];
}

/** What the client sent over TCP, in order: when, from which port, the flags and the payload. */
async function sent(flows: FlowConfig[], more: Partial<Plan> = {}) {
  const path = join(folder, "run.pcapng");
  await runPlan(planWith(flows, { ...more, captures: [{ devices: ["client/eth0"], path, format: "pcapng" }] }), {
    workers: 1,
  });
  const { packets } = readCaptureFile(path);
  const start = packets[0]?.time ?? 0n;
  return packets.flatMap(({ time, bytes }) => {
    const { ipv4, tcp, udp, payload } = decodeFrame(bytes);
    const ports = tcp ?? udp;
    if (ipv4?.source !== "10.0.0.1" || !ports) return [];
    return [{ atNs: Number(time - start), port: ports.sourcePort, flags: tcp?.flags ?? "", text: text(payload) }];
  });
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString("latin1");
}

const until = { stopNs: 2e9, timeoutNs: 1e9 };

function drawn(kind: Distribution["kind"], a: number, b = 0, least = 1, most = 1e9): Distribution {
  return { kind, a, b, least, most };
}

function get(more: Partial<FlowConfig> = {}): FlowConfig {
  return flow("client", "http", "10.0.0.2:80", { ...until, requestBytes: 0, rate: 100, ...more });
}

describe("a closed loop", SLOW, () => {
  test("has a request of each client under way, and the next one when that is over", async () => {
    // A connection takes a round trip and the answer another: four milliseconds, of which two seconds hold 500.
    const line = await resultOf(planWith([get({ arrival: { kind: "closed", clients: 3 } })]));
    expect(line.sent).toBeGreaterThanOrEqual(3 * 497);
    expect(line.sent).toBeLessThanOrEqual(3 * 500);
    expect(line.open).toBeLessThanOrEqual(3);
  });

  test("pauses between an answer and the next request", async () => {
    const arrival = { kind: "closed", clients: 1, think: drawn("constant", 96e6) } as const;
    // 4 ms and 96 ms; the first time ARP comes on top.
    expect((await resultOf(planWith([get({ arrival })]))).sent).toBe(20);
  });

  test("does not try for ever at one moment what fails at once", async () => {
    const arrival = { kind: "closed", clients: 1 } as const;
    const line = await resultOf(planWith([flow("client", "tcp", "99.0.0.1:80", { ...until, arrival })]));
    expect(line.refused).toBe(2000);
  });
});

describe("arrivals", SLOW, () => {
  test("of a trace come at its moments, with the bytes that it says", async () => {
    const arrival = {
      kind: "trace",
      moments: [{ atNs: 1e6 }, { atNs: 5e6, requestBytes: 40 }, { atNs: 5e6, requestBytes: 20 }],
    } as const;
    const packets = await sent([
      flow("client", "udp", "10.0.0.2:7", {
        ...until,
        arrival: { ...arrival, moments: [...arrival.moments] },
        requestSizes: drawn("constant", 64, 0, 8, 64),
      }),
    ]);
    // The first waits for ARP.
    expect(packets.map(({ text }) => text.length)).toEqual([64, 40, 20]);
    expect(packets[1]?.atNs).toBe(4e6);
    expect(packets[2]?.atNs).toBe(4e6);
  });

  test("of an on-off source come only while it is on", async () => {
    const arrival = {
      kind: "onOff",
      on: drawn("constant", 10e6),
      off: drawn("constant", 90e6),
      gaps: "constant",
    } as const;
    const packets = await sent([flow("client", "udp", "10.0.0.2:7", { ...until, rate: 1000, arrival })]);
    const inPeriod = packets.slice(1).map(({ atNs }) => atNs % 100e6);
    expect(packets).toHaveLength(20 * 10);
    expect(Math.max(...inPeriod)).toBeLessThan(10e6);
  });
});

describe("sizes", SLOW, () => {
  test("of requests and answers are what was drawn, over HTTP as over TCP", async () => {
    const sizes = { requestSizes: drawn("uniform", 50, 150, 32, 150), responseSizes: drawn("uniform", 2000, 3000) };
    const http = await sent([get({ ...sizes, rate: 50 })]);
    const bodies = http
      .filter(({ text }) => text.startsWith("POST"))
      .map(({ text }) => {
        const [head = "", body = ""] = text.split("\r\n\r\n");
        expect(/^Content-Length: (\d+) *$/m.exec(head)?.[1]).toBe(String(body.length));
        expect(Number(/^X-Response-Bytes: (\d+) *$/m.exec(head)?.[1])).toBeGreaterThanOrEqual(2000);
        return body.length;
      });
    expect(bodies).toHaveLength(100);
    expect(new Set(bodies).size).toBeGreaterThan(30);
    expect(Math.min(...bodies)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...bodies)).toBeLessThanOrEqual(150);
    const tcp = await resultOf(planWith([flow("client", "tcp", "10.0.0.2:7", { ...until, ...sizes, rate: 50 })]));
    expect([tcp.sent, tcp.delivered]).toEqual([100, 100]);
  });

  test("that an HTTP answer should have it has, with the name of who answers", async () => {
    const path = join(folder, "answer.pcapng");
    const plan = planWith([get({ responseSizes: drawn("constant", 10), stopNs: 1 })]);
    await runPlan({ ...plan, captures: [{ devices: ["server/eth0"], path, format: "pcapng" }] }, { workers: 1 });
    const answers = readCaptureFile(path).packets.map(({ bytes }) => text(decodeFrame(bytes).payload));
    expect(answers.find((one) => one.startsWith("HTTP"))).toBe(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\nServer: podwire\r\n\r\nserver\n...",
    );
  });

  // Of each distribution the mean of many requests, within three standard errors of what it should be.
  test.each([
    ["exponential", 1000, 0, 1000, 1000],
    ["lognormal", 1000, 0.5, 1000 * Math.exp(0.125), 600],
    ["pareto", 1000, 3, 1500, 870],
  ] as const)("are drawn from the %s distribution", async (kind, a, b, mean, deviation) => {
    const count = 2000;
    const packets = await sent([
      flow("client", "tcp", "10.0.0.2:7", {
        ...until,
        rate: count / 2,
        requestSizes: drawn(kind, a, b, 32, 1e6),
        responseSizes: drawn("constant", 1),
        keepAlive: true,
      }),
    ]);
    const sizes = packets.flatMap(({ text }) => Number(/^exchange (\d+)/.exec(text)?.[1] ?? NaN) || []);
    expect(sizes).toHaveLength(count);
    const average = sizes.reduce((sum, size) => sum + size, 0) / count;
    expect(Math.abs(average - mean)).toBeLessThan((3 * deviation) / Math.sqrt(count));
  });
});

describe("connections", SLOW, () => {
  test("that are kept carry one request after the other", async () => {
    const packets = await sent([get({ keepAlive: true })]);
    expect(packets.filter(({ flags }) => flags === "S")).toHaveLength(1);
    expect(packets.filter(({ text }) => text.startsWith("GET"))).toHaveLength(200);
    expect(new Set(packets.map(({ port }) => port)).size).toBe(1);
  });

  test("that are kept carry one request at a time: those that meet take one each", async () => {
    const at = [0, 0, 0, 500e6, 500e6];
    const arrival: FlowConfig["arrival"] = { kind: "trace", moments: at.map((atNs) => ({ atNs })) };
    const packets = await sent([get({ keepAlive: true, arrival })]);
    expect(packets.filter(({ flags }) => flags === "S")).toHaveLength(3);
  });

  test("that are not kept are closed after each request", async () => {
    const packets = await sent([get({ rate: 10 })]);
    expect(packets.filter(({ flags }) => flags === "S")).toHaveLength(20);
    expect(packets.filter(({ flags }) => flags.includes("F"))).toHaveLength(20);
  });

  test("up to a limit make requests wait, whose time counts from the moment at which they were due", async () => {
    const plan = planWith([get({ keepAlive: true, connections: 2, rate: 2000, timeoutNs: 10e9 })]);
    const line = await resultOf(plan);
    // Two connections answer a request every two milliseconds each: half of what is due.
    expect(line.sent).toBe(4000);
    expect(line.begun).toBeGreaterThan(1950);
    expect(line.begun).toBeLessThan(2002);
    expect(line.delivered).toBeLessThanOrEqual(line.begun);
    // The last answer came at two seconds to a request that was due at one.
    expect(line.latency?.max).toBeGreaterThan(0.98e9);
    expect(line.latency?.p50).toBeGreaterThan(0.45e9);
  });
});

describe("a server that stalls for a second", SLOW, () => {
  const stall: Plan["changes"] = [
    { atNs: 0.5e9, namespace: "server", action: { kind: "carrier", device: "eth0", on: false } },
    { atNs: 1.5e9, namespace: "server", action: { kind: "carrier", device: "eth0", on: true } },
  ];
  const kept = { keepAlive: true, connections: 1, timeoutNs: 10e9 };

  test("is seen in the latency of every request that was due meanwhile, though none could begin (no coordinated omission)", async () => {
    const line = await resultOf(planWith([get({ ...kept, rate: 100 })], { durationNs: 4e9, changes: stall }));
    expect([line.sent, line.delivered]).toEqual([200, 200]);
    // Half of the requests were due in that second; those at its beginning waited for all of it.
    const late = line.latencies.filter(([upTo]) => upTo > 100e6).reduce((sum, [, count]) => sum + count, 0);
    expect(late).toBeGreaterThan(85);
    expect(line.latency?.p99).toBeGreaterThan(0.95e9);
    expect(line.latency?.p75).toBeGreaterThan(0.4e9);
  });

  test("is seen by a closed loop once", async () => {
    const arrival = { kind: "closed", clients: 1, think: drawn("constant", 8e6) } as const;
    const line = await resultOf(planWith([get({ ...kept, arrival })], { durationNs: 4e9, changes: stall }));
    expect(line.latencies.filter(([upTo]) => upTo > 100e6).map(([, count]) => count)).toEqual([1]);
    expect(line.latency?.p95).toBeLessThan(5e6);
  });
});

describe("retries", SLOW, () => {
  const backoff = { backoffNs: 20e6, maxBackoffNs: 30e6 };

  test("come after a refusal, each after less than twice the wait of the one before, up to the most", async () => {
    const retries: FlowConfig["retries"] = { attempts: 3, on: ["connect-failure"], ...backoff };
    const once = { stopNs: 1, timeoutNs: 1e9 };
    const syns = await sent([flow("client", "tcp", "10.0.0.2:81", { ...once, retries })]);
    expect(syns.map(({ flags }) => flags)).toEqual(["S", "S", "S", "S"]);
    const waits = syns.slice(1).map(({ atNs }, i) => atNs - (syns[i]?.atNs ?? 0) - 2 * LATENCY_NS);
    [20e6, 30e6, 30e6].forEach((most, i) => expect(waits[i]).toBeLessThan(most));
    expect(waits[1]).toBeGreaterThan(0);
    const line = await resultOf(planWith([flow("client", "tcp", "10.0.0.2:81", { ...once, retries })]));
    expect([line.sent, line.refused, line.retries]).toEqual([1, 1, 3]);
  });

  test("come when a try has had its time, within the time of the whole request", async () => {
    const retries: FlowConfig["retries"] = { attempts: 9, on: ["reset"], perTryTimeoutNs: 100e6, ...backoff };
    const plan = planWith([flow("client", "udp", "10.0.0.9:7", { stopNs: 1, timeoutNs: 0.5e9, retries })]);
    const line = await resultOf(plan);
    expect([line.sent, line.timedOut]).toEqual([1, 1]);
    expect(line.retries).toBe(4);
  });

  test.each([
    ["gateway-error", "503 Service Unavailable", 2],
    ["gateway-error", "500 Internal Server Error", 0],
    ["5xx", "500 Internal Server Error", 2],
    ["5xx", "404 Not Found", 0],
  ] as const)("on %s after an answer %s: %i", async (condition, status, tries) => {
    const retries: FlowConfig["retries"] = { attempts: 2, on: [condition], ...backoff };
    const plan = planWith([get({ stopNs: 1, retries })]);
    const listener = plan.machines[1]?.listeners[0];
    if (listener) listener.response = `HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`;
    const line = await resultOf(plan);
    expect([line.delivered, line.retries, line.statuses]).toEqual([1, tries, { [status.slice(0, 3)]: 1 }]);
  });

  test("do not come on what is no condition of theirs", async () => {
    const retries: FlowConfig["retries"] = { attempts: 2, on: ["connect-failure"], perTryTimeoutNs: 50e6, ...backoff };
    const line = await resultOf(
      planWith([flow("client", "udp", "10.0.0.9:7", { stopNs: 1, timeoutNs: 1e9, retries })]),
    );
    expect([line.timedOut, line.retries]).toEqual([1, 0]);
  });
});

describe("a service that calls others", SLOW, () => {
  const at = (port: number) => ({ address: "10.0.0.3", port });

  /** client > front, whose requests call what is at back: each port of `calls` in a stage of its own or, in a list, at once. */
  function frontPlan(stages: ServiceCall[][], calls: FlowConfig[], more: Partial<Plan> = {}): Plan {
    const flows = [get({ stopNs: 1 }), ...calls];
    return planOf([host("client", 1, []), host("server", 2, ["tcp 80"]), host("back", 3, ["tcp 80", "tcp 7"])], {
      durationNs: 2e9,
      segments: [{ name: "lan", latencyNs: LATENCY_NS, rate: 1e10 }],
      flows,
      routes: [{ namespace: "server", path: "/", stages }],
      ...more,
    });
  }

  function call(number: number, port: number, more: Partial<FlowConfig> = {}): FlowConfig {
    const arrival = { kind: "called", call: number } as const;
    const like = { ...until, line: number, target: at(port), requestBytes: 0, keepAlive: true, arrival };
    return flow("server", "http", "", { ...like, ...more });
  }

  const made = (number: number, times = 1): ServiceCall => ({ call: number, times, chance: 1 });

  async function latencies(plan: Plan): Promise<(number | undefined)[]> {
    const { lines } = await runPlan(plan, { workers: 1 });
    return lines.map(({ latency }) => latency && Math.round(latency.max / LATENCY_NS)).map((ms) => ms ?? undefined);
  }

  test("answers when their answers are there, one stage after the other", async () => {
    // Two for ARP, four for a request with a new connection; then the calls: with ARP six, and two over the same connection.
    expect(await latencies(frontPlan([[made(1)], [made(1)]], [call(1, 80)]))).toEqual([6 + 6 + 2, 6]);
    expect(await latencies(frontPlan([[made(1, 3)]], [call(1, 80)]))).toEqual([6 + 6 + 2 + 2, 6]);
  });

  test("makes the calls of a stage at once", async () => {
    expect(await latencies(frontPlan([[made(1), made(2)]], [call(1, 80), call(2, 80)]))).toEqual([12, 6, 6]);
  });

  test("works as long as it is said to", async () => {
    const work = drawn("constant", 50e6, 0, 0);
    expect(await latencies(frontPlan([[{ work, chance: 1 }]], []))).toEqual([56]);
  });

  test.each([
    ["502", "that is refused", call(1, 81)],
    [
      "504",
      "that is not answered in time",
      call(1, 80, { target: { address: "10.0.0.9", port: 80 }, timeoutNs: 100e6 }),
    ],
  ])("answers %s after a call %s, and makes no further one", async (status, _, failing) => {
    const { lines } = await runPlan(frontPlan([[made(1)], [made(2)]], [failing, call(2, 80)]), { workers: 1 });
    expect(lines[0]?.statuses).toEqual({ [status]: 1 });
    expect([lines[0]?.delivered, lines[1]?.delivered, lines[2]?.sent]).toEqual([1, 0, 0]);
  });

  test("passes a failure on as one of its own", async () => {
    const plan = frontPlan([[made(1)]], [call(1, 80)]);
    const listener = plan.machines[2]?.listeners[0];
    if (listener) listener.response = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    const { lines } = await runPlan(plan, { workers: 1 });
    expect([lines[0]?.statuses, lines[1]?.statuses]).toEqual([{ 502: 1 }, { 500: 1 }]);
  });

  test("makes the calls of the first route that fits the path", async () => {
    const plan = frontPlan([], [call(1, 80), call(2, 80)]);
    plan.routes = [
      { namespace: "server", path: "/cart", stages: [[made(1)]] },
      { namespace: "server", path: "/", port: 81, stages: [[made(1)]] },
      { namespace: "server", path: "/", stages: [[made(2)]] },
    ];
    plan.flows[0] = get({ stopNs: 1, path: "/cart/checkout" });
    const cart = await runPlan(plan, { workers: 1 });
    expect(cart.lines.map(({ sent }) => sent)).toEqual([1, 1, 0]);
    plan.flows[0] = get({ stopNs: 1, path: "/other" });
    const other = await runPlan(plan, { workers: 1 });
    expect(other.lines.map(({ sent }) => sent)).toEqual([1, 0, 1]);
  });

  test("makes a call as often as its chance says, the same with two workers", async () => {
    const plan = frontPlan([[{ call: 1, times: 1, chance: 0.25 }]], [call(1, 80)]);
    plan.flows[0] = get({ rate: 500, keepAlive: true });
    const [one, two] = [await runPlan(plan, { workers: 1 }), await runPlan(plan, { workers: 2 })];
    expect(one.lines[0]?.sent).toBe(1000);
    expect(Math.abs((one.lines[1]?.sent ?? 0) - 250)).toBeLessThan(42);
    expect(two.lines).toEqual(one.lines);
  });
});

describe("a DNS line", SLOW, () => {
  const zone: Plan["zone"] = [{ name: "web.shop.svc.cluster.local", type: "A", ttl: 30, value: "10.9.9.9" }];

  function asking(name: string, more: Partial<FlowConfig> = {}): Plan {
    const question = { name, type: 1 };
    const flows = [flow("client", "query", "10.0.0.2:53", { ...until, rate: 50, question, requestBytes: 0, ...more })];
    return planOf([host("client", 1, []), host("server", 2, ["udp 53 dns"])], {
      durationNs: 2e9,
      segments: [{ name: "lan", latencyNs: LATENCY_NS, rate: 1e10 }],
      flows,
      zone,
    });
  }

  test("asks one question at a time from a socket of its own, and counts the codes of the answers", async () => {
    const path = join(folder, "dns.pcapng");
    const plan = {
      ...asking("web.shop.svc.cluster.local"),
      captures: [{ devices: ["client/eth0"], path, format: "pcapng" as const }],
    };
    const { lines } = await runPlan(plan, { workers: 1 });
    expect([lines[0]?.sent, lines[0]?.delivered, lines[0]?.statuses]).toEqual([100, 100, { NOERROR: 100 }]);
    const questions = readCaptureFile(path).packets.flatMap(({ bytes }) => {
      const { udp, dns } = decodeFrame(bytes);
      return udp?.destinationPort === 53 && dns ? [udp.sourcePort] : [];
    });
    expect(questions).toHaveLength(100);
    expect(new Set(questions).size).toBe(100);
    const nobody = await runPlan(asking("nobody.shop.svc.cluster.local"), { workers: 2 });
    expect(nobody.lines[0]?.statuses).toEqual({ NXDOMAIN: 100 });
  });

  test("is refused where no server listens", async () => {
    const line = await resultOf(asking("web.shop", { rate: 1, target: { address: "10.0.0.2", port: 54 } }));
    expect([line.sent, line.refused]).toEqual([2, 2]);
  });
});
