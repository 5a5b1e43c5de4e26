// `podwire sweep`: a scenario at every point of a grid of its values, on one machine or on many, and all results in one file.
import { join } from "node:path";
import type { Command } from "commander";
import { PreparedRun } from "../engine/run.ts";
import { InputError } from "../errors.ts";
import { makeReport } from "../report/report.ts";
import { prepare, type PreparedScenario } from "../scenario/prepare.ts";
import { jobManifest } from "../sweep/job.ts";
import { PreparedPoints } from "../sweep/prepared.ts";
import {
  mergedCsv,
  mergedJson,
  pointReport,
  pointsFolder,
  readResult,
  replaceFile,
  writeResult,
  type PointReport,
  type PointResult,
} from "../sweep/results.ts";
import { describePoint, readSweep, share, sourcesAt, type Point, type Sweep } from "../sweep/spec.ts";
import { integer } from "./options.ts";
import { makeOutputFolder } from "./output.ts";
import { reachOutcomes } from "./probing.ts";
import { version } from "./version.ts";

const EXIT_EXPECTATION = 1;
const COUNT_MAX = 100_000;
const NAMED_MAX = 3;
const OUT = "podwire-sweep";

/** Adds the command and its parts to the program. */
export function addSweepCommand(program: Command): void {
  const sweep = program
    .command("sweep")
    .summary("run a scenario at every point of a grid")
    .description(
      "Runs a scenario with every combination of the values that a Sweep lists, on one machine or split over many.",
    );
  sweep
    .command("plan")
    .summary("check and list the points")
    .description("Checks the scenario at every point and prints a line for each: its hash and its values.")
    .argument("<SPEC>", "the file with the Sweep")
    .action((spec: string) => {
      const read = readSweep(spec, version);
      checkPoints(read);
      process.stdout.write(read.points.map((point) => `${point.hash}  ${describePoint(point)}\n`).join(""));
    });
  addRun(sweep);
  addMerge(sweep);
  addManifest(sweep);
}

interface RunFlags {
  out: string;
  index?: number;
  count?: number;
  quiet?: boolean;
}

function addRun(sweep: Command): void {
  sweep
    .command("run")
    .summary("run the points, or one share of them")
    .description(
      "Runs the points that have no result yet and writes one JSON file for each. Stopped in the middle it goes on where it was.",
    )
    .argument("<SPEC>", "the file with the Sweep")
    .option("--out <DIR>", "folder for the points' results", OUT)
    .option(
      "--index <I>",
      "which share to run, from 0 (default: the variable JOB_COMPLETION_INDEX, or 0)",
      integer(0, COUNT_MAX - 1),
    )
    .option("--count <N>", "number of shares (default: 1)", integer(1, COUNT_MAX))
    .option("--quiet", "print no line for each point")
    .addHelpText("after", "\nExit status: 0; 2 for bad input. What the scenario expects is judged by merge.")
    .action(async (spec: string, flags: RunFlags) => {
      await runPoints(readSweep(spec, version), flags);
    });
}

function addMerge(sweep: Command): void {
  sweep
    .command("merge")
    .summary("put all results into one file")
    .description("Writes sweep.json and sweep.csv with all points: the same bytes however the points were split.")
    .argument("<SPEC>", "the file with the Sweep")
    .option("--out <DIR>", "folder with the points' results", OUT)
    .addHelpText("after", "\nExit status: 0; 1 if an expectation of the scenario failed at a point; 2 for bad input.")
    .action((spec: string, { out }: { out: string }) => {
      process.exitCode = merge(readSweep(spec, version), out);
    });
}

interface ManifestFlags {
  count: number;
  parallelism?: number;
  image: string;
  claim?: string;
}

function addManifest(sweep: Command): void {
  sweep
    .command("manifest")
    .summary("print a Kubernetes Job that runs the points")
    .description(
      "Prints an Indexed Job for kubectl apply. Its pods share the points, run as no root, on a file system that is read-only, without capabilities.",
    )
    .argument("<SPEC>", "the file with the Sweep")
    .requiredOption("--count <N>", "number of shares, each a pod", integer(1, COUNT_MAX))
    .option("--parallelism <N>", "pods at the same time (default: all)", integer(1, COUNT_MAX))
    .option("--image <IMAGE>", "image built from the repository's Dockerfile", `podwire:${version}`)
    .option("--claim <NAME>", "PersistentVolumeClaim for the results (default: an emptyDir, gone with its pod)")
    .action((spec: string, { count, parallelism, image, claim }: ManifestFlags) => {
      const read = readSweep(spec, version);
      checkPoints(read);
      process.stdout.write(
        jobManifest({ name: read.name, file: spec, image, count, parallelism: parallelism ?? count, claim }),
      );
    });
}

/** Throws an InputError for the first point whose scenario is wrong. */
function checkPoints(sweep: Sweep): void {
  for (const point of sweep.points) prepareAt(sweep, point);
}

function prepareAt(sweep: Sweep, point: Point): PreparedScenario {
  try {
    return prepare(sourcesAt(sweep, point), { capture: [], outDir: "." });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(error.place, `${error.sentence} (at the point ${describePoint(point)} of ${sweep.file})`);
  }
}

async function runPoints(sweep: Sweep, flags: RunFlags): Promise<void> {
  const count = flags.count ?? 1;
  const index = flags.index ?? indexOfJob(count);
  if (index >= count) throw new InputError({ field: "--index" }, `should be below --count, which is ${count}`);
  const mine = share(sweep.points, index, count);
  const missing = mine.filter((point) => readResult(flags.out, sweep, point) === undefined);
  const prepared = new PreparedPoints(missing, (point) => prepareAt(sweep, point), charactersOf);
  makeOutputFolder(flags.out);
  makeOutputFolder(pointsFolder(flags.out));
  for (const point of missing) {
    writeResult(flags.out, { sweep: sweep.hash, ...point, report: await reportOf(prepared.take(point)) });
    if (!flags.quiet) process.stdout.write(`${point.hash}  ${describePoint(point)}\n`);
  }
}

/** The index that Kubernetes gives a pod of an Indexed Job. */
function indexOfJob(count: number): number {
  const text = process.env["JOB_COMPLETION_INDEX"] ?? "";
  if (text === "" && count === 1) return 0;
  if (text === "")
    throw new InputError({ field: "--index" }, `is missing; say which of the ${count} shares to run, from 0`);
  if (/^\d+$/.test(text)) return Number(text);
  throw new InputError({ field: "JOB_COMPLETION_INDEX" }, `${text} is no whole number`);
}

/** How long the rules are that a prepared scenario holds, each text once. */
function charactersOf({ plan }: PreparedScenario): number {
  const texts = new Set<string>();
  for (const { rules, ipv6Rules, nft } of plan.machines.flatMap(({ namespaces }) => namespaces))
    for (const text of [rules, ipv6Rules, nft].flatMap((one) =>
      typeof one === "object" ? [one.common, one.own] : (one ?? []),
    ))
      texts.add(text);
  return [...texts].reduce((sum, { length }) => sum + length, 0);
}

async function reportOf(prepared: PreparedScenario): Promise<PointReport> {
  const result = await new PreparedRun(prepared.plan).run({ workers: 1 });
  const wall = { seconds: 0, workers: 1 };
  return pointReport(makeReport(prepared, result, ".", version, wall, reachOutcomes(prepared)));
}

/** Returns the exit status. */
function merge(sweep: Sweep, out: string): number {
  const results: PointResult[] = [];
  const missing: string[] = [];
  for (const point of sweep.points) {
    const result = readResult(out, sweep, point);
    if (result) results.push(result);
    else missing.push(point.hash);
  }
  if (missing.length > 0) {
    const more = missing.length > NAMED_MAX ? ` and ${missing.length - NAMED_MAX} more` : "";
    throw new InputError(
      { file: pointsFolder(out) },
      `${missing.length} of ${sweep.points.length} points are missing: ${missing.slice(0, NAMED_MAX).join(", ")}${more}; run them first`,
    );
  }
  replaceFile(join(out, "sweep.json"), mergedJson(sweep, results));
  replaceFile(join(out, "sweep.csv"), mergedCsv(results));
  const failed = results.filter(({ report }) => report.expectations.some(({ holds }) => !holds)).length;
  const said = failed > 0 ? `; expectations failed at ${failed}` : "";
  process.stdout.write(`${results.length} points in ${join(out, "sweep.json")} and sweep.csv${said}\n`);
  return failed > 0 ? EXIT_EXPECTATION : 0;
}
