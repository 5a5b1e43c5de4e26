// `podwire bench`: how fast this machine runs the emulator, as tables or JSON.
import { Option, type Command } from "commander";
import { measurePath, SIZE_MAX, SIZE_MIN, type PathMode, type PathResult } from "../bench/path.ts";
import { output, type OutputFlags } from "./bench-output.ts";
import { addCapture } from "./bench-capture.ts";
import { addRules } from "./bench-rules.ts";
import { addLatency } from "./bench-latency.ts";
import { addSaturation } from "./bench-saturation.ts";
import { addScale } from "./bench-scale.ts";
import { addWorkers } from "./bench-workers.ts";
import { integer } from "./options.ts";

/** Adds the command and its parts to the program. */
export function addBenchCommand(program: Command): void {
  const bench = program
    .command("bench")
    .summary("measure how fast this machine runs the emulator")
    .description("Measures on this machine and prints a table, or with --json what stands in it as JSON.");
  addPath(bench);
  addRules(bench);
  addWorkers(bench);
  addCapture(bench);
  addScale(bench);
  addSaturation(bench);
  addLatency(bench);
}

interface PathFlags extends Pick<OutputFlags, "json"> {
  services: number;
  flows: number;
  size: number;
  workers: number;
  frames: number;
  repeat: number;
  mode?: PathMode;
  flowCache: "on" | "off";
}

function addPath(bench: Command): void {
  bench
    .command("path")
    .summary("datagrams through a Service to a pod on another node")
    .description(
      "Sends UDP datagrams from pods on one node through the cluster IP of a Service to a pod on another node; both nodes have " +
        "kube-proxy's full rules. `established`: connections that both sides have seen take turns. `new`: every frame begins a " +
        "connection. The floor is a bare loop of one NATed hop in the same module, measured in the same run.",
    )
    .option("--services <N>", "number of Services; the last one is called", integer(1, 100_000), 1000)
    .option("--flows <N>", "number of established connections", integer(1, 1_000_000), 16)
    .option("--size <BYTES>", "length of a frame without its checksum", integer(SIZE_MIN, SIZE_MAX), 64)
    .option("--workers <N>", "threads to use", integer(1, 64), 1)
    .addOption(new Option("--mode <MODE>", "which of both; both if left out").choices(["established", "new"]))
    .addOption(
      new Option(
        "--flow-cache <WHETHER>",
        "whether packets may take the way of others like them; if not, each asks every rule and table",
      )
        .choices(["on", "off"])
        .default("on"),
    )
    .option("--frames <N>", "frames to be timed", integer(1000, 1e9), 1_000_000)
    .option("--repeat <N>", "runs, of which the fastest counts", integer(1, 100), 3)
    .option("--json", "print JSON in place of the table")
    .action(async ({ json = false, repeat, mode, flowCache, ...options }: PathFlags) => {
      const modes = mode === undefined ? (["established", "new"] as const) : [mode];
      const results: PathResult[] = [];
      for (const one of modes) {
        let best: PathResult | undefined;
        for (let i = 0; i < repeat; i++) {
          const result = await measurePath({ ...options, mode: one, flowCache: flowCache === "on" });
          if (!best || result.ns_per_frame < best.ns_per_frame) best = result;
        }
        if (best) results.push(best);
      }
      output(results, { json });
    });
}
