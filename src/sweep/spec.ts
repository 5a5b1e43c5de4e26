// A Sweep: one scenario, a grid of values for its fields, and the points that come of them, each named by a hash.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Document } from "../documents/document.ts";
import { InputError } from "../errors.ts";
import { readDocument, readSources, type Sources } from "../scenario/files.ts";
import { API_VERSION, scenarioSchema } from "../scenario/schema.ts";

const value = z.union([z.string(), z.number(), z.boolean()], { error: "should be a string, a number or a boolean" });
const range = z
  .strictObject({ from: z.int(), to: z.int(), step: z.int().min(1).default(1) })
  .refine(({ from, to }) => from <= to, { error: "from should not be above to" });

const sweepSchema = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal("Sweep"),
  metadata: z.strictObject({ name: z.string().regex(/^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$/, "should be a DNS label") }),
  spec: z.strictObject({
    scenario: z.string(),
    grid: z.record(z.string(), z.union([z.array(value).min(1), range])),
  }),
});

const POINTS_MAX = 100_000;

type Value = z.output<typeof value>;
/** Values by the path of a field below the scenario's `spec`. */
export type Assignments = Record<string, Value>;

export interface Point {
  /** The first 16 hexadecimal digits of the SHA-256 of the assignments as canonical JSON. */
  hash: string;
  assignments: Assignments;
}

export interface Sweep {
  name: string;
  file: string;
  sources: Sources;
  /** Of everything that decides what comes of the points: the sweep, the scenario, its manifests and rules, the version of podwire. */
  hash: string;
  /** In the order of their hashes. */
  points: Point[];
}

/** Reads a Sweep and its scenario. Throws an InputError for what is wrong in either; points are not tried yet. */
export function readSweep(file: string, version: string): Sweep {
  const document = readDocument(file, { file });
  const { metadata, spec } = document.validate(sweepSchema);
  const scenario = join(dirname(file), spec.scenario);
  const sources = readSourcesOf(scenario, document);
  const points = pointsOf(spec.grid, document);
  const parts = {
    version,
    grid: spec.grid,
    scenario: sources.document?.value,
    manifests: sources.manifests.map((manifest) => manifest.value),
    rules: rulesOf(sources, points),
    ...(sources.applied?.size ? { applied: [...sources.applied.values()].flat().map(({ value }) => value) } : {}),
  };
  return { name: metadata.name, file, sources, hash: digest(parts), points };
}

function readSourcesOf(path: string, document: Document): Sources {
  const sources = readSources([path]);
  if (!sources.document) document.fail(["spec", "scenario"], `there is no Scenario in ${path}`);
  return sources;
}

/** Every combination of the grid's values. */
function pointsOf(grid: z.output<typeof sweepSchema>["spec"]["grid"], document: Document): Point[] {
  let all: Assignments[] = [{}];
  for (const [path, values] of Object.entries(grid).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const count = Array.isArray(values) ? values.length : Math.floor((values.to - values.from) / values.step) + 1;
    if (all.length * count > POINTS_MAX)
      document.fail(["spec", "grid"], `makes more than ${POINTS_MAX} points; split it into several sweeps`);
    const listed = Array.isArray(values)
      ? values
      : Array.from({ length: count }, (_, i) => values.from + i * values.step);
    const again = listed.findIndex((one, i) => listed.indexOf(one) < i);
    if (again >= 0) document.fail(["spec", "grid", path, again], `${listed[again]} is in this list already`);
    all = all.flatMap((assignments) => listed.map((one) => ({ ...assignments, [path]: one })));
  }
  return all
    .map((assignments) => ({ hash: digest(assignments), assignments }))
    .sort((a, b) => (a.hash < b.hash ? -1 : 1));
}

/** The sources with a point's values in the scenario. Throws an InputError that names the point if one has no place there or is wrong. */
export function sourcesAt({ file, sources }: Sweep, { assignments }: Point): Sources {
  const changed = structuredClone(sources.document?.value);
  for (const [path, one] of Object.entries(assignments)) assign(changed, path, one, file);
  const scenario = sources.document?.validateAt([], changed, scenarioSchema) ?? sources.scenario;
  return { ...sources, scenario };
}

/** Sets `spec.` and `path` of a scenario; an entry of a list is named by its index or its name. */
function assign(scenario: unknown, path: string, one: Value, file: string): void {
  const keys = ["spec", ...path.split(".")];
  const last = keys.pop() ?? "";
  let around = scenario as Record<string, unknown>;
  for (const key of keys) {
    const found = entry(around, key);
    const next = found ?? (Array.isArray(around) ? undefined : (around[key] = {}));
    if (typeof next !== "object" || next === null)
      throw new InputError({ file, field: `spec.grid.${path}` }, `the scenario has no map or list at ${key}`);
    around = next as Record<string, unknown>;
  }
  if (Array.isArray(around) || last === "__proto__")
    throw new InputError({ file, field: `spec.grid.${path}` }, "should end with the name of a field");
  around[last] = one;
}

function entry(around: unknown, key: string): unknown {
  if (!Array.isArray(around))
    return Object.hasOwn(around as object, key) ? (around as Record<string, unknown>)[key] : undefined;
  const list: unknown[] = around;
  return /^\d+$/.test(key) ? list[Number(key)] : list.find((one) => (one as { name?: unknown } | null)?.name === key);
}

/** `a=1, b=2`. */
export function describePoint({ assignments }: Point): string {
  return Object.entries(assignments)
    .map(([path, one]) => `${path}=${one}`)
    .join(", ");
}

/** The points of one index of several: every count-th, from the index on. */
export function share(points: readonly Point[], index: number, count: number): Point[] {
  return points.filter((_, i) => i % count === index);
}

/** The texts of the files of rules and of moments that scenarios name, for the hash; what cannot be read is complained of where it is used. */
function rulesOf({ document, scenario }: Sources, points: readonly Point[]): string[] {
  const assigned = points.flatMap(({ assignments }) =>
    Object.entries(assignments).flatMap(([path, one]) =>
      /^rules\..*\.file$|\.trace$/.test(path) ? [String(one)] : [],
    ),
  );
  const traces = (scenario.spec.traffic ?? []).flatMap(({ arrival }) =>
    typeof arrival === "object" && "trace" in arrival ? [arrival.trace] : [],
  );
  const files = [...new Set([...scenario.spec.rules.map(({ file }) => file), ...traces, ...assigned])];
  return files.map((name) => {
    try {
      return readFileSync(join(dirname(document?.file ?? ""), name), "utf8");
    } catch {
      return "";
    }
  });
}

function digest(data: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(canonical(data)))
    .digest("hex")
    .slice(0, 16);
}

/** The same data with the keys of every map in order. */
function canonical(data: unknown): unknown {
  if (Array.isArray(data)) return data.map(canonical);
  if (typeof data !== "object" || data === null) return data;
  return Object.fromEntries(
    Object.entries(data)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, canonical(one)]),
  );
}
