// Selectors against labels.
import { expect, test } from "vitest";
import { labelSelector, labelsMatch, selectorMatches } from "../../src/kubernetes/selectors.ts";

test.each([
  [{}, { app: "web" }, true],
  [{ app: "web" }, { app: "web", tier: "front" }, true],
  [{ app: "web", tier: "back" }, { app: "web", tier: "front" }, false],
  [{ app: "" }, {}, false],
])("labelsMatch(%j, %j) is %j", (selector, labels, expected) => {
  expect(labelsMatch(selector, labels)).toBe(expected);
});

test.each([
  [{ key: "a", operator: "In", values: ["1", "2"] }, { a: "2" }, true],
  [{ key: "a", operator: "In", values: ["1"] }, {}, false],
  [{ key: "a", operator: "NotIn", values: ["1"] }, { a: "1" }, false],
  [{ key: "a", operator: "NotIn", values: ["1"] }, {}, true],
  [{ key: "a", operator: "Exists" }, { a: "" }, true],
  [{ key: "a", operator: "DoesNotExist" }, { a: "" }, false],
])("the expression %j on %j is %j", (expression, labels, expected) => {
  expect(selectorMatches(labelSelector.parse({ matchExpressions: [expression] }), labels)).toBe(expected);
});
