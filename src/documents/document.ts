// YAML text to documents that still know where each of their fields stands, and their validation against schemas.
import { isMap, isPair, visit } from "yaml";
import type { z } from "zod";
import { InputError, type Place } from "../errors.ts";
import { readYaml, type YamlDocument } from "./yaml.ts";

export type FieldPath = readonly (string | number)[];

/** One YAML document of a file. */
export class Document {
  readonly file: string;
  /** The plain value: maps as objects, sequences as arrays. */
  readonly value: unknown;
  /** What is odd, but no error: one sentence for each. */
  readonly remarks: readonly string[];
  readonly #yaml: YamlDocument["yaml"];
  readonly #lineOf: YamlDocument["lineOf"];

  constructor(file: string, { yaml, lineOf }: YamlDocument, value: unknown, remarks: readonly string[]) {
    this.file = file;
    this.value = value;
    this.remarks = remarks;
    this.#yaml = yaml;
    this.#lineOf = lineOf;
  }

  /** Where a field stands; where the nearest map around it begins, if it is not there. */
  place(path: FieldPath = []): Place {
    const field = path.length > 0 ? formatPath(path) : undefined;
    return { file: this.file, line: this.#line(path), field };
  }

  /** A field of the document is wrong: throws the InputError that says so. */
  fail(path: FieldPath, sentence: string): never {
    throw new InputError(this.place(path), sentence);
  }

  /** The document's value as `schema` reads it. Throws an InputError at the first field that is wrong. */
  validate<T>(schema: z.ZodType<T>): T {
    return this.validateAt([], this.value, schema);
  }

  /** The same for `value`, which stands at `path` of the document. */
  validateAt<T>(path: FieldPath, value: unknown, schema: z.ZodType<T>): T {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const issue = firstIssue(result.error.issues);
    return this.fail([...path, ...issue.path], issue.sentence);
  }

  #line(path: FieldPath): number | undefined {
    for (let length = path.length; length >= 0; length--) {
      const offset = this.#offset(path.slice(0, length));
      if (offset !== undefined) return this.#lineOf(offset);
    }
    return undefined;
  }

  /** Where the key of a field, or else its value, begins in the file. */
  #offset(path: FieldPath): number | undefined {
    const key = path.at(-1);
    const around = path.length > 1 ? this.#yaml.getIn(path.slice(0, -1), true) : this.#yaml.contents;
    if (key !== undefined && isMap(around)) {
      const pair = around.items.findLast((item) => isPair(item) && keyOf(item.key) === key);
      if (pair) return rangeOf(pair.key)?.[0];
    }
    return rangeOf(path.length > 0 ? this.#yaml.getIn(path, true) : this.#yaml.contents)?.[0];
  }
}

function keyOf(key: unknown): unknown {
  return typeof key === "object" && key !== null && "value" in key ? key.value : key;
}

function rangeOf(node: unknown): readonly number[] | undefined {
  if (typeof node !== "object" || node === null || !("range" in node)) return undefined;
  return node.range as readonly number[] | undefined;
}

/** `["spec", "ports", 0, "port"]` to `spec.ports[0].port`. */
export function formatPath(path: FieldPath): string {
  return path
    .map((part, i) =>
      typeof part === "number" ? `[${part}]` : `${i > 0 ? "." : ""}${part.includes(".") ? `"${part}"` : part}`,
    )
    .join("");
}

/** The documents of a YAML or JSON text; empty ones are left out. Throws an InputError if it is neither. */
export function parseDocuments(text: string, file: string): Document[] {
  return readYaml(text).flatMap((found) => {
    const { yaml, lineOf } = found;
    const error = yaml.errors.find(({ code }) => code !== "DUPLICATE_KEY");
    if (error) {
      const line = lineOf(error.pos[0]);
      const sentence = complaint(text.split("\n")[line - 1] ?? "", error.message);
      throw new InputError({ file, line }, `this is not YAML: ${sentence}`);
    }
    if (text.includes("{{")) refuseTemplates(found, file);
    const value: unknown = yaml.toJS();
    if (value === null || value === undefined) return [];
    const again = yaml.errors.map(({ pos }) => lineOf(pos[0]));
    const [line] = again;
    if (line !== undefined && !isKubernetes(value))
      throw new InputError({ file, line }, "the map has this key already; write it once");
    const remarks = again.map((line) => `${file}:${line}: the map has this key already; kubectl takes the last`);
    return [new Document(file, found, value, remarks)];
  });
}

const TEMPLATE = "it is a template; write it out first, such as with helm template";

/** A template's `{{ .Values.name }}` can be YAML: a map whose key is a map. JSON, and so kubectl, knows no such key. */
function refuseTemplates({ yaml, lineOf }: YamlDocument, file: string): void {
  visit(yaml, {
    Pair: (_, { key }) => {
      if (isMap(key))
        throw new InputError({ file, line: lineOf(key.range?.[0] ?? 0) }, `this is not YAML: ${TEMPLATE}`);
    },
  });
}

/** Whether kubectl would read it: of a key that a map has twice it takes the last, without a word. */
function isKubernetes(value: unknown): boolean {
  const { apiVersion } = (typeof value === "object" ? value : {}) as { apiVersion?: unknown };
  return typeof apiVersion === "string" && !apiVersion.startsWith("podwire.dev/");
}

/** What is wrong with a line: the end of a document that follows other text, as when files without a last line feed are joined, or the parser's words. */
function complaint(line: string, message: string): string {
  if (/\{\{.*\}\}/.test(line)) return TEMPLATE;
  if (!/\S\s*---\s*$/.test(line)) return message;
  return "--- should stand on a line of its own; files that end without a line feed should be joined with one between them";
}

interface Issue {
  path: FieldPath;
  sentence: string;
}

function firstIssue(issues: readonly z.core.$ZodIssue[]): Issue {
  const [issue] = issues;
  if (!issue) return { path: [], sentence: "this is not valid" };
  const path = issue.path.filter((part) => typeof part !== "symbol");
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    return { path: [...path, key], sentence: "there is no such field" };
  }
  if (issue.code === "invalid_union") {
    // The alternative that came furthest says best what is wrong.
    const deepest = issue.errors
      .map((alternative) => firstIssue(alternative))
      .reduce((best, next) => (next.path.length > best.path.length ? next : best));
    if (deepest.path.length > 0) return { path: [...path, ...deepest.path], sentence: deepest.sentence };
    return { path, sentence: issue.message === "Invalid input" ? deepest.sentence : issue.message };
  }
  return { path, sentence: sentenceOf(issue) };
}

const ARTICLES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "a map",
  record: "a map",
  array: "a list",
};

function sentenceOf(issue: z.core.$ZodIssue): string {
  // A schema's own sentence.
  if (!issue.message.startsWith("Invalid") && !issue.message.startsWith("Too ")) return issue.message;
  if (issue.code === "invalid_type") {
    const wanted = ARTICLES[issue.expected] ?? issue.expected;
    return issue.message.endsWith("received undefined") ? `is missing; it should be ${wanted}` : `should be ${wanted}`;
  }
  if (issue.code === "invalid_value") return `should be one of ${issue.values.map(String).join(", ")}`;
  if (issue.code === "too_big") return `should ${sizeOf(issue.origin, "at most", issue.maximum)}`;
  if (issue.code === "too_small") return `should ${sizeOf(issue.origin, "at least", issue.minimum)}`;
  return issue.message;
}

/** `be at least 1`, `have at least 2 entries`. */
function sizeOf(origin: string, bound: string, size: number | bigint): string {
  if (origin === "array") return `have ${bound} ${size} ${size === 1 ? "entry" : "entries"}`;
  if (origin === "string") return `have ${bound} ${size} ${size === 1 ? "character" : "characters"}`;
  return `be ${bound} ${size}`;
}
