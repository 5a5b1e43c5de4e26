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

describe("as kubectl reads it,", () => {
  const values = (text: string): unknown[] => parseDocuments(text, "a.yaml").map(({ value }) => value);

  test("dates and times of day are texts, as they are written", () => {
    expect(values("a: 2026-01-31\nb: 12:30\nc: 2026-01-31T08:00:00Z\n")).toEqual([
      { a: "2026-01-31", b: "12:30", c: "2026-01-31T08:00:00Z" },
    ]);
  });

  test.each([
    ["single", "'", "it''s one\n\ntext"],
    ["double", '"', 'it\\"s one\n\ntext'],
  ])("lines of a text in %s quotes begin at any column, and are folded", (_, quote, text) => {
    const [document] = parseDocuments(
      `a:\n    b:\n      rule: ${quote}${text}\n  of words]\n# is no comment${quote}\n    c: 1\n`,
      "a.yaml",
    );
    const folded = text.replace("''", "'").replace("\\", "").replace("\n\n", "\n");
    expect(document?.value).toEqual({ a: { b: { rule: `${folded} of words] # is no comment` }, c: 1 } });
    expect(document?.place(["a", "c"]).line).toBe(8);
  });

  test("a quote that is not closed before the next document is an error", () => {
    expect(() => parseDocuments("a: 'b\n---\nc: 'd'\n", "a.yaml")).toThrow(/^a\.yaml:1: this is not YAML: /);
  });

  test("a template that happens to be YAML is told to be one", () => {
    const text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Values.name }}\n";
    expect(() => parseDocuments(text, "web.yaml")).toThrow(
      "web.yaml:4: this is not YAML: it is a template; write it out first, such as with helm template",
    );
  });

  test("a template is told to be one", () => {
    expect(() => parseDocuments("kind: Service\n{{- if .Values.web }}\na: b\n{{- end }}\n", "web.yaml")).toThrow(
      "web.yaml:2: this is not YAML: it is a template; write it out first, such as with helm template",
    );
  });

  test("JSON objects may follow one another, each with its own lines", () => {
    const documents = parseDocuments('{"a": "}{"}\n{\n "b": 2}\n\n {"c": {"d": [3]}}\n', "a.json");
    expect(documents.map(({ value }) => value)).toEqual([{ a: "}{" }, { b: 2 }, { c: { d: [3] } }]);
    expect(documents.map((document, i) => document.place([["a", "b", "c"][i] ?? ""]).line)).toEqual([1, 3, 5]);
  });

  test("one JSON object is YAML too, and maps in braces need not be JSON", () => {
    expect(values('\uFEFF{"a": "\\u00e9"}')).toEqual([{ a: "\u00e9" }]);
    expect(values("{a: 1}\n---\n{b: 2}\n")).toEqual([{ a: 1 }, { b: 2 }]);
  });

  test("line ends of Windows, comments behind tabs and empty documents change nothing", () => {
    expect(values("---\r\n# only a comment\r\n---\r\na: 1\t# one\r\nb: |\r\n  two\r\n---\r\n")).toEqual([
      { a: 1, b: "two\n" },
    ]);
  });

  test("of a key that an object's map has twice the last counts, and a remark says so", () => {
    const [document] = parseDocuments("apiVersion: v1\nspec: {a: 1}\nspec:\n  b: 2\n", "a.yaml");
    expect(document?.value).toEqual({ apiVersion: "v1", spec: { b: 2 } });
    expect(document?.remarks).toEqual(["a.yaml:3: the map has this key already; kubectl takes the last"]);
  });

  test("in a file of our own it may not", () => {
    for (const text of ["apiVersion: podwire.dev/v1alpha1\nspec: 1\nspec: 2\n", "a: 1\nb: 2\nb: 3\n"])
      expect(() => parseDocuments(text, "a.yaml")).toThrow("a.yaml:3: the map has this key already; write it once");
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
