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
/** Those of node affinity compare labels as numbers too. */
const NODE_OPERATORS = [...OPERATORS, "Gt", "Lt"] as const;

function requirementWith<T extends string>(operators: readonly T[]) {
  const operator = z.string().refine((text): text is T => (operators as readonly string[]).includes(text), {
    error: (issue) => `${String(issue.input)} is not an operator; write one of ${operators.join(", ")}`,
  });
  return apiObject({ key: z.string(), operator, values: z.array(z.string()).default([]) }).superRefine(
    ({ operator, values }, context) => {
      const message = complaintAbout(values, operator);
      if (message !== undefined) context.addIssue({ code: "custom", path: ["values"], message });
    },
  );
}

function complaintAbout(values: readonly string[], operator: string): string | undefined {
  if (operator === "Gt" || operator === "Lt")
    return values.length === 1 && isNumber(values[0])
      ? undefined
      : `should be one whole number in quotes for the operator ${operator}`;
  const wanted = operator === "In" || operator === "NotIn";
  if (wanted === values.length > 0) return undefined;
  return `should ${wanted ? "have values" : "be left out"} for the operator ${operator}`;
}

/** One of `matchExpressions` of a label selector. */
const requirement = requirementWith(OPERATORS);

/** One of `matchExpressions` of node affinity. */
export const nodeRequirement = requirementWith(NODE_OPERATORS);

type Requirement = z.output<typeof nodeRequirement>;

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
    case "Gt":
      return isNumber(value) && Number(value) > Number(values[0]);
    case "Lt":
      return isNumber(value) && Number(value) < Number(values[0]);
  }
}

function isNumber(value: string | undefined): boolean {
  return value !== undefined && /^-?\d+$/.test(value);
}

/** Whether labels match a selector with expressions; an empty one matches everything. */
export function selectorMatches(selector: LabelSelector, labels: Labels): boolean {
  return (
    labelsMatch(selector.matchLabels, labels) && selector.matchExpressions.every((one) => requirementMet(one, labels))
  );
}

/** A selector as kubectl writes it: `app=cart,tier in (a,b),!canary`; empty for one that matches everything. */
export function selectorText({ matchLabels, matchExpressions }: LabelSelector): string {
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(requirementText),
  ].join(",");
}

function requirementText({ key, operator, values }: Requirement): string {
  switch (operator) {
    case "In":
      return `${key} in (${values.join(",")})`;
    case "NotIn":
      return `${key} notin (${values.join(",")})`;
    case "Exists":
      return key;
    case "DoesNotExist":
      return `!${key}`;
    case "Gt":
      return `${key}>${values[0] ?? ""}`;
    case "Lt":
      return `${key}<${values[0] ?? ""}`;
  }
}
