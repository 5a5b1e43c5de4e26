// Lines of the shell: words and quotes, joints, and what is left to the machine's own shell.
import { describe, expect, test } from "vitest";
import { parseLine, type Command } from "../../src/shell/words.ts";

const command = (words: string, more: Partial<Command> = {}): Command => ({
  words: words.split(" "),
  rest: "",
  joint: "",
  ...more,
});

describe("a line", () => {
  test.each([
    ["", []],
    ["   # nothing", []],
    ["node-1 ip  r", [command("node-1 ip r")]],
    ["a; b", [command("a", { joint: ";" }), command("b")]],
    ["a && b || c", [command("a", { joint: "&&" }), command("b", { joint: "||" }), command("c")]],
    ["a & b", [command("a", { joint: "&" }), command("b")]],
    ["a | grep 'x;y' | wc -l", [command("a", { rest: "| grep 'x;y' | wc -l" })]],
    ["a | grep x; b", [command("a", { rest: "| grep x", joint: ";" }), command("b")]],
    ["a 2>&1 | tail", [command("a", { rest: "2>&1 | tail" })]],
    ["a > f && b", [command("a", { rest: "> f", joint: "&&" }), command("b")]],
    ["a#b", [command("a#b")]],
  ])("%j is read", (line, commands) => {
    expect(parseLine(line)).toEqual(commands);
  });

  test("keeps what quotes hold together", () => {
    expect(parseLine(`curl -H 'X: a b' "c \\"d\\"" e\\ f ''`)).toEqual([
      { words: ["curl", "-H", "X: a b", 'c "d"', "e f", ""], rest: "", joint: "" },
    ]);
  });

  test.each([
    ["a 'b", "a quote ' is not closed"],
    ["&& a", "there is no command before &&"],
    ["| wc", "there is no command before |"],
  ])("%j is refused", (line, sentence) => {
    expect(() => parseLine(line)).toThrow(sentence);
  });
});
