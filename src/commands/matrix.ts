// `podwire run --matrix`: the table of who reaches whom, in place of traffic.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { junitXml } from "../report/junit.ts";
import { makeMatrixReport, printMatrix } from "../report/matrix.ts";
import type { PreparedScenario } from "../scenario/prepare.ts";
import { judgeReaches } from "../scenario/reach.ts";
import { makeOutputFolder, writeOutput } from "./output.ts";
import { runProbes } from "./probing.ts";
import { version } from "./version.ts";

export interface MatrixFlags {
  out: string;
  json?: boolean | undefined;
  quiet?: boolean | undefined;
  junit?: string | undefined;
}

/** Probes, prints and writes matrix.json. Returns whether everybody reaches whom the scenario expects. */
export function runMatrix(prepared: PreparedScenario, flags: MatrixFlags): boolean {
  const { name, plan, cluster, reaches, warnings } = prepared;
  const matrix = prepared.matrix();
  const expected = reaches.flatMap(({ probes }) => probes);
  makeOutputFolder(flags.out);
  const results = runProbes(prepared, [...matrix.probes, ...expected]);
  const probes = results.slice(0, matrix.probes.length);
  const outcomes = judgeReaches(cluster, reaches, results.slice(matrix.probes.length));
  const report = makeMatrixReport({ name, seed: plan.seed, version }, matrix, probes, outcomes);
  const text = `${JSON.stringify(report, null, 2)}\n`;
  writeFileSync(join(flags.out, "matrix.json"), text);
  if (flags.junit !== undefined) writeOutput(flags.junit, junitXml(name, outcomes, probes), "--junit");
  if (flags.json) process.stdout.write(text);
  else if (flags.quiet !== true) process.stdout.write(printMatrix(report, warnings));
  return outcomes.every(({ holds }) => holds);
}
