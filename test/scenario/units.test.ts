// Units: text with a unit to a number, and the sentence about text that is none.
import { describe, expect, test } from "vitest";
import { bitRate, cost, duration, moment, parseDuration, parseShare, rate } from "../../src/scenario/units.ts";

describe("a duration is read in nanoseconds", () => {
  test.each([
    ["1ns", 1],
    ["50us", 50_000],
    ["2800ms", 2.8e9],
    ["1.5s", 1.5e9],
    ["2m", 120e9],
    ["1h", 3600e9],
    ["2400h", 8.64e15],
  ])("%s", (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  test.each(["", "5", "5 s", "-1s", "1d", "s", "1e3s", "2401h"])("%j is none", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

test("a rate is read in requests per second", () => {
  expect(["2000/s", "0.5/s", "30/m", "36/h"].map((text) => rate.parse(text))).toEqual([2000, 0.5, 0.5, 0.01]);
});

test("a cost is read in nanoseconds with their fractions, up to a millisecond", () => {
  expect(["0", "0.05ns", "250ns", "1.5us", "1ms"].map((text) => cost.parse(text))).toEqual([0, 0.05, 250, 1500, 1e6]);
  for (const text of ["5", "-1ns", "1.1ms", "2s", "ns"])
    expect(cost.safeParse(text).error?.issues[0]?.message).toBe(
      `${text} is not a cost; write a number and ns or us, at most 1ms, such as 250ns`,
    );
});

test("a bit rate is read in bits per second", () => {
  expect(["1000bit", "64kbit", "100Mbit", "2.5Gbit"].map((text) => bitRate.parse(text))).toEqual([
    1000, 64e3, 1e8, 2.5e9,
  ]);
});

test("a share is read from a percentage", () => {
  expect(["0%", "0.1%", "2.5%", "100%"].map(parseShare)).toEqual([0, 0.001, 0.025, 1]);
  expect(["101%", "0.1", "-1%", "%", "1 %"].map(parseShare)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

describe("what has no such unit is refused with what would be right", () => {
  test.each([
    [duration, "0s", "0s is not a duration; write a number and ns, us, ms, s, m or h, such as 500ms"],
    [duration, 5, "5 is not a duration; write a number and ns, us, ms, s, m or h, such as 500ms"],
    [moment, "soon", "soon is not a moment; write a number and ns, us, ms, s, m or h, such as 1.5s"],
    [rate, "fast", "fast is not a rate; write requests per second, minute or hour, such as 200/s"],
    [rate, "0/s", "0/s is not a rate; write requests per second, minute or hour, such as 200/s"],
    [bitRate, "10Gb", "10Gb is not a bit rate; write bit, kbit, Mbit or Gbit, such as 10Gbit"],
  ])("%#: %j", (type, text, sentence) => {
    expect(type.safeParse(text).error?.issues[0]?.message).toBe(sentence);
  });
});
