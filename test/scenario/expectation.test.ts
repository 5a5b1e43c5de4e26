// Expectations: what a line of `expect` asks for, and whether a run's counts give it.
import { describe, expect, test } from "vitest";
import { parseDocuments } from "../../src/documents/document.ts";
import { judge, parseExpectations } from "../../src/scenario/expectation.ts";
import { scenarioSchema } from "../../src/scenario/schema.ts";
import type { LineResult } from "../../src/seam/plan.ts";

const QUANTILES = { mean: 0, p75: 0, p90: 0, p95: 0, p999: 0, p9999: 0 };

const LINE: LineResult = {
  name: "browse",
  sent: 1000,
  begun: 1000,
  retries: 0,
  statuses: {},
  delivered: 990,
  refused: 4,
  timedOut: 3,
  unresolved: 2,
  open: 1,
  latency: { ...QUANTILES, p50: 1_000_000, p99: 4_000_000, max: 9_000_000 },
  latencies: [],
  drops: { NETFILTER_DROP: 3, NO_SOCKET: 4 },
  denied: null,
  backends: { "default/web-0": 990 },
};

function expectations(yaml: string) {
  const text = `apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: {name: x}\nspec:\n  expect:\n    - ${yaml}\n`;
  const [document] = parseDocuments(text, "scenario.yaml");
  if (!document) throw new Error("no document");
  return parseExpectations(document.validate(scenarioSchema), document, ["browse"]);
}

describe("an expectation", () => {
  test.each([
    ['delivered: ">= 99%"', 99, true],
    ['delivered: ">= 99.1%"', 99, false],
    ['delivered: "== 990"', 990, true],
    ["delivered: 990", 990, true],
    ['refused: "!= 4"', 4, false],
    ['timedOut: "< 3"', 3, false],
    ['unresolved: "> 1"', 2, true],
    ['open: "<= 0.1%"', 0.1, true],
    ['dropped: "== 7"', 7, true],
    ['p50: "<= 1ms"', 1_000_000, true],
    ['p99: "< 4ms"', 4_000_000, false],
    ['max: "<= 0.01s"', 9_000_000, true],
  ])("%s", (yaml, actual, holds) => {
    const [expectation] = expectations(`{traffic: browse, ${yaml}}`);
    expect(expectation && judge(expectation, LINE)).toMatchObject({ traffic: "browse", actual, holds });
  });

  test("does not hold about the latency or the share of nothing", () => {
    const nothing = { ...LINE, sent: 0, delivered: 0, latency: null };
    const both = expectations('{traffic: browse, delivered: ">= 0%", max: "<= 1h"}');
    expect(both.map((expectation) => judge(expectation, nothing))).toEqual([
      { traffic: "browse", expected: "delivered >= 0%", actual: null, holds: false },
      { traffic: "browse", expected: "max <= 1h", actual: null, holds: false },
    ]);
  });
});

test.each([
  [
    '{traffic: brwose, sent: "> 0"}',
    "scenario.yaml:6: spec.expect[0].traffic: there is no traffic named brwose; there is browse",
  ],
  [
    '{traffic: browse, sent: "many"}',
    'scenario.yaml:6: spec.expect[0].sent: many is not a comparison; write for example ">= 99.9%" or "== 0"',
  ],
  [
    '{traffic: browse, p50: "< 5"}',
    'scenario.yaml:6: spec.expect[0].p50: < 5 is not a comparison; write for example "<= 5ms"',
  ],
  [
    "{traffic: browse}",
    "scenario.yaml:6: spec.expect[0]: says nothing to expect; write one of sent, delivered, refused, timedOut, unresolved, open, errors, dropped, lost, reordered, p50, p99, max",
  ],
])("%s is refused", (yaml, message) => {
  expect(() => expectations(yaml)).toThrow(message);
});
