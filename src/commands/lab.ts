// `podwire lab`: plays a case, a small network and what happens in it, and writes what every interface saw.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { InputError } from "../errors.ts";
import { compileKernel } from "../kernel/load.ts";
import { readCase, type Case } from "../lab/case.ts";
import { fateLines } from "../lab/fate.ts";
import { firewallCase, HOST } from "../lab/firewall.ts";
import { readRecording, type Recording } from "../lab/recording.ts";
import { runLab, type LabResult } from "../lab/run.ts";
import { withCapture, writeResult } from "../lab/write.ts";
import { makeOutputFolder } from "./output.ts";

const FRAMES = "frames.pcapng";

interface LabFlags {
  replay?: string;
  rules?: string;
  in?: string[];
  address?: string[];
  route?: string[];
  sysctl?: string[];
  sets?: string;
  out: string;
  json?: boolean;
}

/** Adds the command to the program. */
export function addLabCommand(program: Command): void {
  program
    .command("lab")
    .summary("play a network case without any Kubernetes")
    .description(
      "Plays a case in one emulated kernel: namespaces, links, bridges, addresses and routes of CASE/topology.json, rules of " +
        "CASE/rules/NAMESPACE.v4, and the steps of CASE/inject.json. Writes observed.jsonl, counters.json, conntrack.txt, fdb.json " +
        "and frames.pcapng. docs/lab.md describes the files.\n\n" +
        "The short form, --rules and --in, needs no case: one host with the rules, a neighbour behind each of its interfaces that has " +
        "every other address, and the frames of a capture file, which come in at their own times.",
    )
    .argument("[CASE]", "the folder of the case")
    .option(
      "--replay <FOLDER>",
      "a recording of the case (observed.jsonl, choices.jsonl): send the frames that it sent, choose what its kernel chose",
    )
    .option("--rules <FILE>", "short form: iptables-save text of the host")
    .option(
      "--in <[IF=]FILE>",
      "frames that come in, pcap or pcapng; by the interface that the rules name first, or by IF",
      list,
    )
    .option("--address <IF=CIDR>", "an address of the host; without one an interface has 198.18.N.1/24", list)
    .option(
      "--route <NET=IF|GATEWAY>",
      "a route of the host; senders have one back, the rest leaves by the last interface",
      list,
    )
    .option("--sysctl <KEY=VALUE>", "a setting of the host; it forwards", list)
    .option("--sets <FILE>", "ipset save text of the host")
    .option("--out <DIR>", "folder for the results", "podwire-out")
    .option("--json", "print the results as JSON in place of a summary")
    .action((path: string | undefined, flags: LabFlags) => {
      if (flags.rules !== undefined || flags.in !== undefined) {
        if (path !== undefined) throw new InputError({}, `${path} is a case; leave out --rules and --in, or the case`);
        firewall(flags);
        return;
      }
      if (path === undefined) throw new InputError({}, "name the folder of a case, or say --rules and --in");
      const lab = readCase(path);
      const recording = flags.replay === undefined ? undefined : readRecording(flags.replay);
      const result = play(lab, recording, flags.out);
      process.stdout.write(flags.json ? `${JSON.stringify(result, null, 2)}\n` : summary(lab.name, result, flags.out));
    });
}

function list(word: string, before: string[] = []): string[] {
  return [...before, word];
}

/** The short form: counters as `iptables-save -c` prints them, and what became of the frames. */
function firewall({ rules, in: files, address, route, sysctl, sets, out, json }: LabFlags): void {
  if (rules === undefined)
    throw new InputError({ field: "--rules" }, "is missing; it names a file of iptables-save text");
  if (files === undefined) throw new InputError({ field: "--in" }, "is missing; it names a capture file");
  const { lab, arrivals } = firewallCase({ rules, in: files, address, route, sysctl, sets });
  const { fates, saved } = play(lab, undefined, out, HOST);
  writeFileSync(join(out, "rules.v4"), saved);
  const frames = arrivals.map((arrival, i) => ({ in: arrival.interface, ...(fates[i] ?? { kind: "none" as const }) }));
  if (json) process.stdout.write(`${JSON.stringify({ frames, rules: saved }, null, 2)}\n`);
  else
    process.stdout.write(
      `${fateLines(frames).join("\n")}\n\n${saved}\nsee ${join(out, FRAMES)}, ${join(out, "rules.v4")}\n`,
    );
}

/** Plays a case and writes its results. Until it has been played to its end it may be refused, so the folder is made then. */
function play(lab: Case, recording: Recording | undefined, out: string, watch?: string): LabResult {
  const folder = mkdtempSync(join(tmpdir(), "podwire-lab-"));
  const frames = join(folder, FRAMES);
  try {
    const module = compileKernel();
    const result = withCapture(frames, lab, (pcapng) => runLab(lab, module, { recording, pcapng, watch }));
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
