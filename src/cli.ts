#!/usr/bin/env node
// The command line: picks the command, and turns what goes wrong into a sentence and an exit status.
import { Command, CommanderError } from "commander";
import { addBenchCommand } from "./commands/bench.ts";
import { addExtcapCommand } from "./commands/extcap.ts";
import { addLabCommand } from "./commands/lab.ts";
import { addReportCommand } from "./commands/report.ts";
import { addRulesCommand } from "./commands/rules.ts";
import { addRunCommand } from "./commands/run.ts";
import { addShellCommand } from "./commands/sh.ts";
import { addSweepCommand } from "./commands/sweep.ts";
import { addTraceCommand } from "./commands/trace.ts";
import { version } from "./commands/version.ts";
import { InputError } from "./errors.ts";

const EXIT_BAD_INPUT = 2;
const EXIT_BROKEN = 70; // EX_SOFTWARE

const program = new Command("podwire")
  .description("A packet-level emulator of the Kubernetes network: manifests in, frames out. No root, no cluster.")
  .version(version)
  .exitOverride()
  .showHelpAfterError("(podwire --help says what there is)");

addRunCommand(program);
addReportCommand(program);
addRulesCommand(program);
addLabCommand(program);
addTraceCommand(program);
addSweepCommand(program);
addShellCommand(program);
addBenchCommand(program);
addExtcapCommand(program);

// The reader of a pipe has gone: an ordinary end.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof InputError) {
    process.stderr.write(`podwire: ${error.message}\n`);
    process.exitCode = EXIT_BAD_INPUT;
  } else if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_BAD_INPUT;
  } else {
    process.stderr.write(
      `podwire: this should not have happened: ${error instanceof Error ? error.stack : String(error)}\n`,
    );
    process.exitCode = EXIT_BROKEN;
  }
}
