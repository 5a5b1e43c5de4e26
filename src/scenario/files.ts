// Reads what a run is made of: the files and folders named on the command line, and the manifests that a Scenario names.
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Document } from "../documents/document.ts";
import { parseDocuments } from "../documents/document.ts";
import { InputError, type Place } from "../errors.ts";
import { defaultScenario, scenarioSchema, type Scenario } from "./schema.ts";

/** Everything read and nothing resolved yet. */
export interface Sources {
  scenario: Scenario;
  /** The Scenario's document; undefined for the default scenario. */
  document: Document | undefined;
  /** All other documents, in the order of the files. */
  manifests: Document[];
  /** What the timeline applies, by the names of the files there. Default: nothing. */
  applied?: ReadonlyMap<string, readonly Document[]>;
}

/**
 * Reads YAML files; a folder stands for the `.yaml`, `.yml` and `.json` files in it, by name, as for kubectl. Manifests that a Scenario names are read
 * besides, relative to it; no file is read twice. Files that its timeline applies are not among the manifests of a folder. Throws an
 * InputError for what cannot be read and for a second Scenario.
 */
export function readSources(paths: readonly string[]): Sources {
  const seen = new Set<string>();
  const read = (path: string, place: Place): Document[] => {
    const real = canonical(path, place);
    if (seen.has(real)) return [];
    seen.add(real);
    return parseDocuments(readText(path, place), path);
  };
  const inFolders = new Map<Document, string>();
  const documents = paths.flatMap((path) =>
    expand(path).flatMap((file) => {
      const found = read(file, { file });
      if (file !== path) for (const document of found) inFolders.set(document, canonical(file, { file }));
      return found;
    }),
  );
  const scenarios = documents.filter(isScenario);
  const [document, second] = scenarios;
  if (second) {
    second.fail(["kind"], `there is a Scenario in ${document?.file ?? ""} already; run one at a time`);
  }
  const scenario = document?.validate(scenarioSchema) ?? defaultScenario();
  const named = scenario.spec.manifests.flatMap((name, i) => {
    const place = document?.place(["spec", "manifests", i]) ?? {};
    return read(join(dirname(document?.file ?? ""), name), place);
  });
  const nested = named.find(isScenario);
  if (nested) nested.fail(["kind"], "a Scenario's manifests hold no other Scenario");
  const later = new Set<string>();
  const applied = new Map(
    scenario.spec.timeline.flatMap(({ apply }, i): [string, Document[]][] => {
      if (apply === undefined) return [];
      const place = document?.place(["spec", "timeline", i, "apply"]) ?? {};
      const path = join(dirname(document?.file ?? ""), apply);
      later.add(canonical(path, place));
      const found = parseDocuments(readText(path, place), path);
      found.find(isScenario)?.fail(["kind"], "a Scenario cannot be applied");
      return [[apply, found]];
    }),
  );
  const isManifest = (other: Document): boolean => !isScenario(other) && !later.has(inFolders.get(other) ?? "");
  return { scenario, document, manifests: [...documents, ...named].filter(isManifest), applied };
}

/** The one YAML document of a file. Throws an InputError if it cannot be read, or holds another number of them. */
export function readDocument(path: string, place: Place): Document {
  const [document, second] = parseDocuments(readText(canonical(path, place), place), path);
  if (!document) throw new InputError({ file: path }, "there is nothing in this file");
  second?.fail([], "there should be one document in this file");
  return document;
}

function isScenario({ value }: Document): boolean {
  const { apiVersion, kind } = (typeof value === "object" ? value : {}) as { apiVersion?: unknown; kind?: unknown };
  return kind === "Scenario" || String(apiVersion).startsWith("podwire.dev/");
}

/** The YAML and JSON files of a folder; a file is itself. */
function expand(path: string): string[] {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) throw new InputError({ file: path }, "there is no such file or folder");
  if (!stats.isDirectory()) return [path];
  const files = readdirSync(path)
    .filter((name) => /\.(?:ya?ml|json)$/.test(name))
    .sort()
    .map((name) => join(path, name));
  if (files.length === 0) throw new InputError({ file: path }, "there is no .yaml, .yml or .json file in this folder");
  return files;
}

function canonical(path: string, place: Place): string {
  try {
    return realpathSync(path);
  } catch {
    throw new InputError(place, place.file === path ? "there is no such file" : `there is no file ${path}`);
  }
}

function readText(path: string, place: Place): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new InputError(place, `${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
}
