// -m u32: a small language of tests on any bytes of the packet.
import {
  MATCH_INVERT,
  MATCH_KIND_U32,
  MATCH_U32_AND,
  MATCH_U32_AT,
  MATCH_U32_LEFT,
  MATCH_U32_RIGHT,
} from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { formatHex, not, parseNumber, type Range } from "../values.ts";

type Operator = "&" | "<<" | ">>" | "@";

interface U32Test {
  /** Where the first four bytes are read. */
  start: number;
  steps: { operator: Operator; operand: number }[];
  ranges: Range[];
}

export interface U32Match {
  kind: "u32";
  tests: U32Test[];
  inverted: boolean;
}

const OPERATORS: Readonly<Record<Operator, number>> = {
  "&": MATCH_U32_AND,
  "<<": MATCH_U32_LEFT,
  ">>": MATCH_U32_RIGHT,
  "@": MATCH_U32_AT,
};
const MAX = 10; // tests, steps and ranges that the kernel's record has room for

export const u32: MatchExtension<U32Match> = {
  name: "u32",
  options: [{ name: "u32", invertible: true }],
  parse: (options) => ({
    kind: "u32",
    tests: options.need("u32", "a list of tests such as 6&0xFF=1, joined by &&", parseTests),
    inverted: options.inverted("u32"),
  }),
  print: (match) => ` ${not(match.inverted)}--u32 "${match.tests.map(formatTest).join("&&")}"`,
  compile: (match, block) => [
    {
      kind: MATCH_KIND_U32,
      flags: match.inverted ? MATCH_INVERT : 0,
      args: [block.data(match.tests.flatMap(testWords)), match.tests.length],
    },
  ],
};

function parseTests(text: string): U32Test[] | undefined {
  const tests = text.split("&&").map((part) => parseTest(part.replace(/\s+/g, "")));
  return tests.length <= MAX && tests.every((test) => test !== undefined) ? tests : undefined;
}

function parseTest(text: string): U32Test | undefined {
  const [location = "", values, ...rest] = text.split("=");
  const [head = "", ...tail] = location.split(/(&|<<|>>|@)/);
  const start = parseNumber(head);
  if (start === undefined || values === undefined || rest.length > 0) return undefined;
  const steps: U32Test["steps"] = [];
  for (let i = 0; i + 1 < tail.length; i += 2) {
    const operand = parseNumber(tail[i + 1] ?? "");
    if (operand === undefined) return undefined;
    steps.push({ operator: tail[i] as Operator, operand });
  }
  const ranges: Range[] = [];
  for (const part of values.split(",")) {
    const [low = "", high = low, ...more] = part.split(":");
    const min = parseNumber(low);
    const max = parseNumber(high);
    if (min === undefined || max === undefined || more.length > 0) return undefined;
    ranges.push({ min, max });
  }
  return steps.length < MAX && ranges.length <= MAX ? { start, steps, ranges } : undefined;
}

function formatTest({ start, steps, ranges }: U32Test): string {
  const location = formatHex(start) + steps.map(({ operator, operand }) => operator + formatHex(operand)).join("");
  const values = ranges.map(({ min, max }) => (min === max ? formatHex(min) : `${formatHex(min)}:${formatHex(max)}`));
  return `${location}=${values.join(",")}`;
}

function testWords({ start, steps, ranges }: U32Test): number[] {
  return [
    steps.length + 1,
    MATCH_U32_AND,
    start,
    ...steps.flatMap(({ operator, operand }) => [OPERATORS[operator], operand]),
    ranges.length,
    ...ranges.flatMap(({ min, max }) => [min, max]),
  ];
}
