// The folder of a case as the loop changes it: the steps and rules read, a shorter case written, a fixture kept.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readRecording } from "../../src/lab/recording.ts";
import type { RawStep, Script } from "./shrink.ts";

type Inject = RawStep[] | { steps: RawStep[] };

function readInject(path: string): Inject {
  return JSON.parse(readFileSync(join(path, "inject.json"), "utf8")) as Inject;
}

/** The steps and rules of a case. */
export function readScript(path: string): Script {
  const inject = readInject(path);
  const folder = join(path, "rules");
  const files = existsSync(folder) ? readdirSync(folder).sort() : [];
  return {
    steps: Array.isArray(inject) ? inject : inject.steps,
    rules: new Map(files.map((file) => [file, readFileSync(join(folder, file), "utf8").split("\n")])),
  };
}

/** Writes a case with the topology of another one and these steps and rules. */
export function writeScript(path: string, from: string, { steps, rules }: Script): void {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(join(path, "rules"), { recursive: true });
  for (const name of ["topology.json", "case.json"])
    if (existsSync(join(from, name))) cpSync(join(from, name), join(path, name));
  const inject = readInject(from);
  const text = JSON.stringify(Array.isArray(inject) ? steps : { ...inject, steps }, undefined, 1);
  writeFileSync(join(path, "inject.json"), `${text}\n`);
  for (const [file, lines] of rules) writeFileSync(join(path, "rules", file), lines.join("\n"));
}

const KEPT = ["topology.json", "inject.json", "observed.jsonl", "counters.json", "conntrack.txt", "fdb.json"];

/** Keeps of a recorded case what test/fixtures/kernel has of one. */
export function keepFixture(path: string, recorded: string): void {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  const choices = join(recorded, "choices.jsonl");
  const names = [...KEPT];
  if (existsSync(choices) && statSync(choices).size > 0) names.push("choices.jsonl");
  if (readRecording(recorded).choices.some(({ kind }) => kind === "nat-destination-port")) names.push("state.jsonl");
  for (const name of names) cpSync(join(recorded, name), join(path, name));
  const rules = join(recorded, "rules");
  if (existsSync(rules) && readdirSync(rules).length > 0) cpSync(rules, join(path, "rules"), { recursive: true });
}
