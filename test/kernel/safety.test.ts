// Random frames in random networks: whatever comes, nothing traps, no frame is lost, and what lies behind a frame does not matter.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { playSafely } from "../../bench/safety/play.ts";
import { compileKernel } from "../../src/kernel/load.ts";
import { BUILDS, modulePath } from "./lab.ts";

describe.each(BUILDS)("the %s build", (build) => {
  const module = compileKernel(modulePath(build));

  it("keeps its books with random and damaged frames, and reads none beyond its end", () => {
    const property = fc.property(fc.nat(1_000_000), fc.integer({ min: 1, max: 400 }), (seed, count) => {
      const books = playSafely(module, seed, count);
      expect(books.taken).toBeGreaterThanOrEqual(count);
      expect(playSafely(module, seed, count, 0xff)).toEqual(books);
    });
    fc.assert(property, { seed: 7, numRuns: build === "release" ? 25 : 10 });
  });

  it("does so with frames of both families", () => {
    const property = fc.property(fc.nat(1_000_000), fc.integer({ min: 1, max: 400 }), (seed, count) => {
      const books = playSafely(module, seed, count, 0, true);
      expect(books.taken).toBeGreaterThanOrEqual(count);
      expect(playSafely(module, seed, count, 0xff, true)).toEqual(books);
    });
    fc.assert(property, { seed: 8, numRuns: build === "release" ? 25 : 10 });
  });

  it.each([
    [60329, "an error about a packet that had waited for its neighbour, after others with options"],
    [61572, "the same in another network"],
    [60997, "the same where only the books were wrong"],
    [60164, "a host that opens a connection to itself, and to which every segment of it is an invalid one"],
  ])("network %i: %s", (seed) => {
    expect(playSafely(module, seed, 5000).injected).toBe(5000);
  });
});
