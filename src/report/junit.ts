// JUnit XML, as build servers read it: expectations as test cases that pass or fail, and the probes of a matrix with their verdicts.
import type { Outcome } from "../scenario/expectation.ts";
import type { ReachOutcome } from "../scenario/reach.ts";
import { stoppedBy, type ProbeResult } from "../scenario/probes.ts";
import { failure } from "./summary.ts";

interface TestCase {
  name: string;
  /** Undefined: it passed. */
  failure?: string | undefined;
  output?: string;
}

/** The whole document. `probes`: those of a matrix, which say how it is and cannot fail. */
export function junitXml(
  scenario: string,
  expectations: readonly (Outcome | ReachOutcome)[],
  probes: readonly ProbeResult[] = [],
): string {
  const suites = [
    suite(`${scenario}: expectations`, expectations.map(expectationCase)),
    ...(probes.length > 0 ? [suite(`${scenario}: reach`, probes.map(probeCase))] : []),
  ];
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join("")}</testsuites>\n`;
}

function expectationCase(outcome: Outcome | ReachOutcome): TestCase {
  if ("sentence" in outcome) {
    const { from, to, expected, holds, sentence } = outcome;
    return { name: `${from} > ${to} is ${expected}`, failure: holds ? undefined : sentence };
  }
  const { traffic, expected, holds } = outcome;
  return { name: `${traffic}: ${expected}`, failure: holds ? undefined : failure(outcome) };
}

function probeCase(result: ProbeResult): TestCase {
  const { from, to, verdict } = result;
  return { name: `${from} > ${to}`, output: verdict === "allowed" ? verdict : `${verdict} ${stoppedBy(result)}` };
}

function suite(name: string, cases: readonly TestCase[]): string {
  const failures = cases.filter(({ failure }) => failure !== undefined).length;
  const lines = cases.map((one) => `    ${testCase(name, one)}\n`);
  return `  <testsuite name="${escape(name)}" tests="${cases.length}" failures="${failures}">\n${lines.join("")}  </testsuite>\n`;
}

function testCase(suiteName: string, { name, failure, output }: TestCase): string {
  const head = `<testcase classname="${escape(suiteName)}" name="${escape(name)}"`;
  if (failure !== undefined) return `${head}><failure message="${escape(failure)}"/></testcase>`;
  return output === undefined ? `${head}/>` : `${head}><system-out>${escape(output)}</system-out></testcase>`;
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? "");
}
