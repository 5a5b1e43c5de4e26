// The shortening of a case: what is left is the least that still differs, and its replies still find what they answer.
import { describe, expect, test } from "vitest";
import { keepSteps, least, shrink, type RawStep, type Script } from "./shrink.ts";

describe("least", () => {
  const needs =
    (...wanted: number[]) =>
    (rest: number[]) =>
      wanted.every((item) => rest.includes(item));
  const hundred = Array.from({ length: 100 }, (_, i) => i);

  test.each([[[42]], [[0]], [[99]], [[0, 99]], [[3, 4, 50, 51]], [[10, 20, 30, 40, 50, 60]]])(
    "finds the items %j that are needed",
    (wanted) => {
      expect(least(hundred, needs(...wanted))).toEqual(wanted);
    },
  );

  test("keeps one item if any would do, and all if all are needed", () => {
    expect(least(hundred, () => true)).toHaveLength(1);
    expect(least([1, 2, 3, 4, 5], needs(1, 2, 3, 4, 5))).toEqual([1, 2, 3, 4, 5]);
  });

  test("halves before it tries single ones", () => {
    let asked = 0;
    least(hundred, (rest) => {
      asked++;
      return rest.includes(42);
    });
    expect(asked).toBeLessThan(30);
  });

  test("stops where the answer is always no", () => {
    expect(least([1, 2, 3], () => false)).toEqual([1, 2, 3]);
    expect(least([], () => true)).toEqual([]);
  });
});

describe("keepSteps", () => {
  const steps: RawStep[] = [
    { op: "inject", hex: "aa" },
    { op: "inject", hex: "bb" },
    { op: "reply", to: { step: 1 } },
    { op: "reply", to: {} },
  ];

  test("names the steps that replies answer anew", () => {
    expect(keepSteps(steps, [1, 2, 3])).toEqual([
      { op: "inject", hex: "bb" },
      { op: "reply", to: { step: 0 } },
      { op: "reply", to: {} },
    ]);
  });

  test("leaves out a reply to a step that is left out", () => {
    expect(keepSteps(steps, [0, 2])).toEqual([{ op: "inject", hex: "aa" }]);
  });
});

describe("shrink", () => {
  const script: Script = {
    steps: [{ hex: "a" }, { hex: "b" }, { hex: "c" }],
    rules: new Map([
      [
        "node.v4",
        ["*filter", ":INPUT ACCEPT [0:0]", "-A INPUT -p tcp", "-A INPUT -p udp", "-A INPUT -p icmp", "COMMIT"],
      ],
      ["node.ipset", ["create s hash:ip", "add s 10.0.0.1"]],
    ]),
  };

  test("leaves out steps first, then rules and members of sets, and nothing that frames them", () => {
    const differs = ({ steps, rules }: Script): boolean =>
      steps.some(({ hex }) => hex === "b") && rules.get("node.v4")?.includes("-A INPUT -p udp") === true;
    expect(shrink(script, differs)).toEqual({
      steps: [{ hex: "b" }],
      rules: new Map([
        ["node.v4", ["*filter", ":INPUT ACCEPT [0:0]", "-A INPUT -p udp", "COMMIT"]],
        ["node.ipset", ["create s hash:ip"]],
      ]),
    });
  });
});
