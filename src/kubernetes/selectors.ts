// Label selectors: which labels they match.
import { z } from "zod";
import { apiObject } from "./fields.ts";
import { labels } from "./meta.ts";
import type { Labels } from "./objects.ts";

/** Whether all labels of a plain selector are there; an empty one matches everything. */
export function labelsMatch(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

const OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"] as const;
type Operator = (typeof OPERATORS)[number];

const operator = z.string().refine((text): text is Operator => (OPERATORS as readonly string[]).includes(text), {
  error: (issue) => {
    const known = ["Gt", "Lt"].includes(String(issue.input));
    return `${String(issue.input)} is ${known ? "not emulated" : "not an operator"}; write one of ${OPERATORS.join(", ")}`;
  },
});

/** One of `matchExpressions`, of a label selector or of node affinity. */
export const requirement = apiObject({
  key: z.string(),
  operator,
  values: z.array(z.string()).default([]),
}).superRefine(({ operator, values }, context) => {
  const wanted = operator === "In" || operator === "NotIn";
  if (wanted === values.length > 0) return;
  const message = `should ${wanted ? "have values" : "be left out"} for the operator ${operator}`;
  context.addIssue({ code: "custom", path: ["values"], message });
});

export type Requirement = z.output<typeof requirement>;

export const labelSelector = apiObject({
  matchLabels: labels.default({}),
  matchExpressions: z.array(requirement).default([]),
});

export type LabelSelector = z.output<typeof labelSelector>;

/** Whether labels meet one requirement. NotIn is met by labels without the key too. */
export function requirementMet({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = labels[key];
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}

/** Whether labels match a selector with expressions; an empty one matches everything. */
export function selectorMatches(selector: LabelSelector, labels: Labels): boolean {
  return (
    labelsMatch(selector.matchLabels, labels) && selector.matchExpressions.every((one) => requirementMet(one, labels))
  );
}
