// `podwire sh`: a prompt on a paused emulated cluster, with the tools of a Linux box in each of its namespaces.
import type { Command } from "commander";
import { readSources } from "../scenario/files.ts";
import { prepare } from "../scenario/prepare.ts";
import { Emulation } from "../shell/emulation.ts";
import { converse, readLines } from "../shell/prompt.ts";
import { Session } from "../shell/session.ts";
import { integer } from "./options.ts";

interface ShellFlags {
  command?: string[];
  nodes?: number;
  seed?: number;
}

/** Adds the command to the program. It sets the exit status: that of the last command. */
export function addShellCommand(program: Command): void {
  program
    .command("sh")
    .summary("a prompt on the paused cluster: ip, iptables, ping, curl, dig and more")
    .description(
      "Builds the cluster, without traffic, and runs commands in its namespaces: node-1 ip r, shop/frontend-0 curl http://cart. " +
        "Virtual time passes while a command waits for something. Lines come from the terminal, from a pipe, or from -c.",
    )
    .argument("<FILE...>", "manifests, a scenario, or folders of them, as for podwire run")
    .option(
      "-c, --command <LINE>",
      "run this line and end; may be given again",
      (line: string, lines: string[] = []) => [...lines, line],
    )
    .option("--nodes <N>", "number of nodes, in place of the scenario's", integer(1, 5000))
    .option("--seed <N>", "seed of all that is random, in place of the scenario's", integer(0, 2 ** 32 - 1))
    .addHelpText(
      "after",
      "\nThe line help lists the tools and their options. One worker runs the cluster; the same lines give the same output.\n" +
        "Exit status: that of the last command, as the tool has it: ping 1 without an answer, curl 6, 7, 28 or 52, 127 for a\n" +
        "command that is not there; 2 for bad input, and for options that are not emulated.",
    )
    .action(async (files: string[], flags: ShellFlags) => {
      process.exitCode = await shell(files, flags);
    });
}

async function shell(files: readonly string[], flags: ShellFlags): Promise<number> {
  const scenario = prepare(readSources(files), { nodes: flags.nodes, seed: flags.seed, capture: [], outDir: "" });
  for (const warning of scenario.warnings) process.stderr.write(`podwire: ${warning}\n`);
  const emulation = new Emulation(scenario);
  const output = {
    out: (text: string) => void process.stdout.write(text),
    err: (text: string) => void process.stderr.write(text),
  };
  const interactive = flags.command === undefined && process.stdin.isTTY;
  const session = new Session(emulation, output, interactive);
  if (flags.command) for (const line of flags.command) await session.line(line);
  else if (interactive) await converse(session);
  else await readLines(session, process.stdin);
  session.end();
  return session.status;
}
