// A case on disk: a small network, the rules of its namespaces, and the steps that are played in it.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { z } from "zod";
import { parseDocuments } from "../documents/document.ts";
import { InputError } from "../errors.ts";
import { readCapture, type CapturedPacket } from "../pcap/read.ts";
import { injectSchema, topologySchema, type Script, type Topology } from "./schema.ts";

export interface Case {
  name: string;
  path: string;
  topology: Topology;
  script: Script;
  /** The texts in `rules/` by file name: `node.v4` holds iptables-save text for the namespace `node`. */
  rules: ReadonlyMap<string, string>;
  /** The packets of `inject.pcap`; none without it. */
  frames: readonly CapturedPacket[];
}

/** Reads the folder of a case. Throws an InputError with file, line and field. */
export function readCase(path: string): Case {
  const folder = join(path, "rules");
  const pcap = join(path, "inject.pcap");
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  return {
    name: basename(resolve(path)),
    path,
    topology: readJson(join(path, "topology.json"), topologySchema),
    script: readJson(join(path, "inject.json"), injectSchema),
    rules: new Map(names.map((name) => [name, readText(join(folder, name))])),
    frames: existsSync(pcap) ? readCapture(readFileSync(pcap), pcap) : [],
  };
}

/** A file's text; an InputError if there is none. */
export function readText(file: string): string {
  if (!existsSync(file)) throw new InputError({ file }, "there is no such file; a case has it");
  return readFileSync(file, "utf8");
}

// JSON is YAML, and read so it keeps the lines of its fields for messages.
function readJson<T>(file: string, schema: z.ZodType<T>): T {
  const [document] = parseDocuments(readText(file), file);
  if (!document) throw new InputError({ file }, "the file is empty; it should hold a JSON value");
  return document.validate(schema);
}
