// Points of a sweep that are prepared before they run.
import { expect, test } from "vitest";
import { PreparedPoints } from "../../src/sweep/prepared.ts";

test("each point is prepared once, before the first is taken; those that take too much together, again when they run", () => {
  const prepared: string[] = [];
  const prepare = (point: string): { point: string; size: number } => {
    prepared.push(point);
    return { point, size: 40 };
  };
  const points = new PreparedPoints(["a", "b", "c"], prepare, ({ size }) => size, 100);
  expect(prepared.splice(0)).toEqual(["a", "b", "c"]);
  expect(["a", "b", "c"].map((point) => points.take(point).point)).toEqual(["a", "b", "c"]);
  expect(prepared).toEqual(["c"]);
});

test("a wrong point is told before any is taken", () => {
  const prepare = (point: string): string => {
    if (point === "bad") throw new Error("bad is wrong");
    return point;
  };
  expect(() => new PreparedPoints(["good", "bad"], prepare, () => 1)).toThrow("bad is wrong");
});
