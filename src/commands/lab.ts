// `podwire lab`: plays a case, a small network and what happens in it, and writes what every interface saw.
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { compileKernel } from "../kernel/load.ts";
import { readCase, type Case } from "../lab/case.ts";
import { readRecording, type Recording } from "../lab/recording.ts";
import { runLab, type LabResult } from "../lab/run.ts";
import { withCapture, writeResult } from "../lab/write.ts";
import { makeOutputFolder } from "./output.ts";

const FRAMES = "frames.pcapng";

interface LabFlags {
  replay?: string;
  out: string;
  json?: boolean;
}

/** Adds the command to the program. */
export function addLabCommand(program: Command): void {
  program
    .command("lab")
    .summary("play a network case without any Kubernetes")
    .description(
      "Plays a case in one emulated kernel: namespaces, links, bridges, addresses and routes of CASE/topology.json, rules of\n" +
        "CASE/rules/NAMESPACE.v4, and the steps of CASE/inject.json. Writes observed.jsonl, counters.json, conntrack.txt, fdb.json\n" +
        "and frames.pcapng. docs/lab.md describes the files.",
    )
    .argument("<CASE>", "the folder of the case")
    .option(
      "--replay <FOLDER>",
      "a recording of the case (observed.jsonl, choices.jsonl): send the frames that it sent, choose what its kernel chose",
    )
    .option("--out <DIR>", "folder for the results", "podwire-out")
    .option("--json", "print the results as JSON in place of a summary")
    .action((path: string, flags: LabFlags) => {
      const lab = readCase(path);
      const recording = flags.replay === undefined ? undefined : readRecording(flags.replay);
      const result = play(lab, recording, flags.out);
      process.stdout.write(flags.json ? `${JSON.stringify(result, null, 2)}\n` : summary(lab.name, result, flags.out));
    });
}

/** Plays a case and writes its results. Until it has been played to its end it may be refused, so the folder is made then. */
function play(lab: Case, recording: Recording | undefined, out: string): LabResult {
  const folder = mkdtempSync(join(tmpdir(), "podwire-lab-"));
  const frames = join(folder, FRAMES);
  try {
    const module = compileKernel();
    const result = withCapture(frames, lab, (pcapng) => runLab(lab, module, { recording, pcapng }));
    makeOutputFolder(out);
    copyFileSync(frames, join(out, FRAMES));
    writeResult(out, lab, result);
    return result;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function summary(name: string, { rows }: LabResult, out: string): string {
  const steps = new Set(rows.map(({ step }) => step)).size;
  const interfaces = new Set(rows.map(({ at }) => at)).size;
  const files = ["observed.jsonl", FRAMES].map((file) => join(out, file)).join(", ");
  return `${name}: ${rows.length} frames at ${interfaces} interfaces in ${steps} steps; see ${files}\n`;
}
