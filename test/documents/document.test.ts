// Documents: what is in a YAML file and where, and the one sentence about what is wrong in it.
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { formatPath, parseDocuments } from "../../src/documents/document.ts";

const TEXT = `# two documents
kind: Service
spec:
  ports:
    - {name: http, port: 80}
    - name: metrics
      port: 99999
---
---
kind: Pod
metadata: {name: a, labels: {app.kubernetes.io/name: a}}
`;

const SCHEMA = z.strictObject({
  kind: z.enum(["Service"]),
  spec: z.strictObject({
    ports: z.array(z.strictObject({ name: z.string().optional(), port: z.int().min(1).max(65535) })),
  }),
});

function complaint(text: string): string {
  try {
    for (const document of parseDocuments(text, "a.yaml")) document.validate(SCHEMA);
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

test("a file has as many documents as are not empty", () => {
  expect(parseDocuments(TEXT, "a.yaml").map(({ value }) => value)).toMatchObject([
    { kind: "Service" },
    { kind: "Pod" },
  ]);
});

test.each([
  [["kind"], 2],
  [["spec", "ports", 0, "port"], 5],
  [["spec", "ports", 1], 6],
  [["spec", "ports", 1, "port"], 7],
  [["spec", "ports", 1, "protocol"], 6],
  [["status"], 2],
])("the field %j stands in line %i", (path, line) => {
  expect(parseDocuments(TEXT, "a.yaml")[0]?.place(path).line).toBe(line);
});

test("a later document's lines count from the start of the file", () => {
  expect(parseDocuments(TEXT, "a.yaml")[1]?.place(["metadata"])).toEqual({
    file: "a.yaml",
    line: 11,
    field: "metadata",
  });
});

test("a path is written as in JSONPath, names with dots in quotes", () => {
  expect(formatPath(["metadata", "labels", "app.kubernetes.io/name"])).toBe('metadata.labels."app.kubernetes.io/name"');
  expect(formatPath(["spec", "ports", 0, "port"])).toBe("spec.ports[0].port");
});

test("YAML is read as Kubernetes reads it, version 1.1", () => {
  expect(parseDocuments("a: yes\nb: 0644\nc: &x {d: 1}\ne: {<<: *x}\n", "a.yaml")[0]?.value).toEqual({
    a: true,
    b: 420,
    c: { d: 1 },
    e: { d: 1 },
  });
});

describe("one sentence says", () => {
  test.each([
    ["where YAML is broken", "kind: Service\nspec: [\n", /^a\.yaml:3: this is not YAML: /],
    ["which value is out of range", TEXT, /^a\.yaml:7: spec\.ports\[1\]\.port: should be at most 65535$/],
    [
      "which field there is not",
      "kind: Service\nspec:\n  ports: []\n  prots: 1\n",
      /^a\.yaml:4: spec\.prots: there is no such field$/,
    ],
    [
      "which field is missing",
      "kind: Service\nspec: {}\n",
      /^a\.yaml:2: spec\.ports: is missing; it should be a list$/,
    ],
    [
      "which type is right",
      "kind: Service\nspec: {ports: [{port: http}]}\n",
      /^a\.yaml:2: spec\.ports\[0\]\.port: should be a number$/,
    ],
    ["which values there are", "kind: Sevrice\n", /^a\.yaml:1: kind: should be one of Service$/],
  ])("%s", (_, text, expected) => {
    expect(complaint(text)).toMatch(expected);
  });
});
