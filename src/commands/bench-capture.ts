// `podwire bench capture`: what capturing to disk costs.
import type { Command } from "commander";
import { capturePlot, measureCapture } from "../bench/capture.ts";
import { SIZE_MAX, SIZE_MIN } from "../bench/path.ts";
import { checkOutput, integersOption, output, withOutput, type OutputFlags } from "./bench-output.ts";
import { integer } from "./options.ts";

interface CaptureFlags extends OutputFlags {
  size: number[];
  frames: number;
  repeat: number;
  folder?: string;
}

/** Adds the command to `podwire bench`. */
export function addCapture(bench: Command): void {
  const command = bench
    .command("capture")
    .summary("what capturing to disk costs")
    .description(
      "Sends datagrams of established connections from a pod through a Service to a pod on another node: with nothing captured, with " +
        "the network cards of both nodes captured, and with every interface captured, as pcapng. Tells frames and megabytes a " +
        "second, and the ratio to the rate without captures. The runs take turns, and the fastest of each counts.",
    )
    .option(
      "--size <N,N>",
      "lengths of frames without their checksum",
      integersOption(SIZE_MIN, SIZE_MAX),
      [64, 512, 1514],
    )
    .option("--frames <N>", "frames to be timed", integer(1000, 1e9), 300_000)
    .option("--repeat <N>", "runs, of which the fastest counts", integer(1, 100), 3)
    .option(
      "--folder <DIR>",
      "where the files are written, and removed again; the folder for temporary files if left out",
    );
  withOutput(command).action(async ({ size, ...flags }: CaptureFlags) => {
    checkOutput(flags);
    const rows = await measureCapture({ sizes: size, ...flags });
    output(rows, flags, () => capturePlot(rows));
  });
}
