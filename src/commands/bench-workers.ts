// `podwire bench workers`: one scenario over one worker, two, and so on.
import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { measureWorkers, workersPlot } from "../bench/workers.ts";
import { checkOutput, output, withOutput, type OutputFlags } from "./bench-output.ts";
import { integer } from "./options.ts";

interface WorkersFlags extends OutputFlags {
  nodes: number;
  workers: number;
  frames: number;
  repeat: number;
}

/** Adds the command to `podwire bench`. */
export function addWorkers(bench: Command): void {
  const command = bench
    .command("workers")
    .summary("one scenario of busy nodes over one worker and more")
    .description(
      "Runs the same scenario with one worker, with two, and so on: each node's client sends datagrams through a Service to a pod on " +
        "the next node. Tells how many times as fast as with one worker it is. The runs take turns, and the fastest of each counts.",
    )
    .option("--nodes <N>", "number of nodes", integer(2, 250), 16)
    .option("--workers <N>", "the most threads", integer(1, 64), availableParallelism())
    .option("--frames <N>", "frames to be timed", integer(1000, 1e9), 8_000_000)
    .option("--repeat <N>", "runs, of which the fastest counts", integer(1, 100), 5);
  withOutput(command).action(async (flags: WorkersFlags) => {
    checkOutput(flags);
    const rows = await measureWorkers(flags);
    output(rows, flags, () => workersPlot(rows));
  });
}
