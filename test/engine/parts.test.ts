// The parts of the engine by themselves: barrier, globs, payloads, latencies, the zone, memory and layouts.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Abandoned, Barrier } from "../../src/engine/barrier.ts";
import { BARRIER_GENERATION, controlOf, newControl } from "../../src/engine/control.ts";
import { globMatches } from "../../src/seam/glob.ts";
import { namesBlock } from "../../src/engine/names.ts";
import { counted, requestOf, responseOf } from "../../src/engine/payload.ts";
import { worthwhileWorkers } from "../../src/engine/place.ts";
import { seedOf } from "../../src/engine/random.ts";
import { wireName } from "../../src/engine/zone.ts";
import { bucketCeiling, Kernel } from "../../src/kernel/kernel.ts";
import { compileKernel, instantiate, newMemory } from "../../src/kernel/load.ts";
import { modulePath } from "../kernel/lab.ts";
import { flow, machineOf, planOf } from "../kernel/network.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

describe("the barrier", () => {
  test("lets the last of its workers through and turns to the next meeting", () => {
    const { words } = controlOf(newControl());
    const one = new Barrier(words, 1, 2);
    one.meet();
    expect(words[BARRIER_GENERATION]).toBe(0);
    const two = new Barrier(words, 2, 2);
    // Another one has come already.
    Atomics.add(words, 0, 1);
    two.meet();
    expect(words[BARRIER_GENERATION]).toBe(1);
  });

  test("does not hold up who comes after another has failed", () => {
    const { words } = controlOf(newControl());
    new Barrier(words, 3, 2).fail();
    expect(() => new Barrier(words, 3, 2).meet()).toThrow(Abandoned);
  });
});

test.each([
  [300, 8, 1],
  [100_000, 8, 8],
  [20_000, 2, 1],
  [40_000, 2, 2],
])("%i requests a second on %i cores are worth %i workers", (rate, cores, workers) => {
  const machines = Array.from({ length: 12 }, (_, i) => machineOf(`m${i}`, { namespaces: { [`n${i}`]: {} } }, i));
  const plan = planOf(machines, {
    segments: [{ name: "lan", latencyNs: 50_000, rate: 1e10 }],
    flows: [{ ...flow("n0", "udp", "10.0.0.1:1"), rate }],
  });
  expect(worthwhileWorkers(plan, cores)).toBe(workers);
});

test.each([
  ["node-*/vbr0", "node-12/vbr0", true],
  ["node-*/vbr0", "node-12/eth0", false],
  ["*/eth0", "shop/cart-0/eth0", true],
  ["shop/cart-?/eth0", "shop/cart-0/eth0", true],
  ["shop/cart-?/eth0", "shop/cart-10/eth0", false],
  ["a.b/eth0", "aXb/eth0", false],
  ["*", "anything/at(all)", true],
])("the glob %s against %s: %s", (glob, name, expected) => {
  expect(globMatches(glob, name)).toBe(expected);
});

describe("payloads", () => {
  test("an HTTP request names its host, and has a body if bytes are asked for", () => {
    const get = flow("a", "http", "10.0.0.1:8080", { requestBytes: 0, path: "/x" });
    expect(text(requestOf(get, "line").bytes)).toMatch(/^GET \/x HTTP\/1\.1\r\nHost: 10\.0\.0\.1:8080\r\n.*\r\n\r\n$/s);
    const post = text(requestOf({ ...get, requestBytes: 5, host: "shop" }, "line").bytes);
    expect(post).toContain("Host: shop\r\n");
    expect(post.endsWith("Content-Length: 5\r\n\r\n.....")).toBe(true);
  });

  test("a datagram has room for its numbers, a ping its pattern", () => {
    expect(text(requestOf(flow("a", "udp", "1.1.1.1:7", { requestBytes: 20 }), "browse").bytes)).toBe(
      "........ browse ...\n",
    );
    expect(requestOf(flow("a", "udp", "1.1.1.1:7", { requestBytes: 1 }), "browse").bytes).toHaveLength(8);
    expect([...requestOf(flow("a", "icmp", "1.1.1.1", { requestBytes: 17 }), "p").bytes]).toEqual(
      Array.from({ length: 17 }, (_, i) => i),
    );
  });

  test("a response has the body's length and says who answered", () => {
    const [head = "", body] = text(responseOf("shop/cart-0", 20)).split("\r\n\r\n");
    expect(head).toContain("Content-Length: 20");
    expect(body).toBe("shop/cart-0\n........");
    expect([...counted(Uint8Array.of(7, 8))]).toEqual([2, 0, 0, 0, 7, 8]);
  });
});

test("names stand in wire form behind their lengths, ended by a zero", () => {
  expect([...wireName("ab.c.")]).toEqual([2, 97, 98, 1, 99, 0]);
  expect([...namesBlock(["A.b", "c"])]).toEqual([5, 0, 0, 0, 1, 97, 1, 98, 0, 3, 0, 0, 0, 1, 99, 0, 0, 0, 0, 0]);
});

test("seeds differ by part and by run, and are the same every time", () => {
  expect(seedOf(1, "a")).toBe(seedOf(1, "a"));
  expect(new Set([seedOf(1, "a"), seedOf(1, "b"), seedOf(2, "a")]).size).toBe(3);
});

test("the ceilings of the histogram's buckets are exact to 1 part in 64", () => {
  expect([0, 1, 127, 128, 191, 192].map(bucketCeiling)).toEqual([0, 1, 127, 129, 255, 259]);
  for (let bucket = 1; bucket < 3000; bucket++) {
    const [below, above] = [bucketCeiling(bucket - 1), bucketCeiling(bucket)];
    expect(above).toBeGreaterThan(below);
    expect(above - below).toBeLessThanOrEqual(Math.max(1, (below + 1) / 64));
  }
});

test("the kernel's memory grows when it must, and views follow", () => {
  const memory = newMemory();
  const kernel = new Kernel(compileKernel(modulePath("release")), memory);
  const before = memory.buffer.byteLength;
  const bytes = new Uint8Array(20 << 20).fill(7);
  const first = kernel.place(Uint8Array.of(1, 2, 3));
  const large = kernel.place(bytes);
  expect(memory.buffer.byteLength).toBeGreaterThan(before);
  expect([...kernel.bytes(first, 3)]).toEqual([1, 2, 3]);
  expect(kernel.bytes(large, bytes.length).every((byte) => byte === 7)).toBe(true);
});

test("two instances over one memory do not take the same pages", () => {
  const memory = newMemory();
  const module = compileKernel(modulePath("release"));
  const [one, other] = [new Kernel(module, memory), new Kernel(module, memory)];
  const places = Array.from({ length: 40 }, (_, i) => (i % 2 ? one : other).place(new Uint8Array(300_000).fill(i)));
  places.forEach((at, i) => expect(one.bytes(at, 300_000).every((byte) => byte === i)).toBe(true));
});

/** A module that exports some globals and nothing else. */
function exporting(globals: Record<string, number>): WebAssembly.Module {
  const entries = Object.entries(globals);
  const section = (id: number, body: number[]): number[] =>
    [id, body.length, entries.length, ...body].with(1, body.length + 1);
  return new WebAssembly.Module(
    Uint8Array.from([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(
        6,
        entries.flatMap(([, value]) => [0x7f, 0, 0x41, value, 0x0b]),
      ),
      ...section(
        7,
        entries.flatMap(([name], i) => [name.length, ...new TextEncoder().encode(name), 3, i]),
      ),
    ]),
  );
}

test("a module built from other layouts is refused by the name of the first constant that differs", () => {
  expect(() => instantiate(exporting({ DROP_NONE: 0, DROP_NO_SOCKET: 9 }), newMemory())).toThrow(
    "layout drift: DROP_NO_SOCKET is 9 in the kernel module, 1 here; run npm run build",
  );
  expect(() => instantiate(exporting({}), newMemory())).toThrow(
    "layout drift: DROP_NONE is undefined in the kernel module",
  );
});

describe("the kernel module", () => {
  test.each(["debug", "release"] as const)("in the %s build imports nothing but its memory", (build) => {
    const imports = WebAssembly.Module.imports(compileKernel(modulePath(build)));
    expect(imports).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
  });

  test("has no heap and no runtime", () => {
    const text = readFileSync(modulePath("debug").replace(".wasm", ".wat"), "utf8");
    expect(text).toContain("(func $assembly/index/run");
    expect(text).not.toContain("~lib/rt");
  });
});
