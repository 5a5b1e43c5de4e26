// `podwire bench saturation`: what one Service gets through by what it is offered, by the number of Services.
import type { Command } from "commander";
import { measureSaturation, rateLimit, saturationPlot } from "../bench/saturation.ts";
import { InputError } from "../errors.ts";
import { LINUX_COSTS } from "../seam/processor.ts";
import { checkOutput, integersOption, output, withOutput, type OutputFlags } from "./bench-output.ts";
import { costOption, durationOption, integer } from "./options.ts";

interface SaturationFlags extends OutputFlags {
  services: number[];
  rates: number[];
  cores: number;
  duration: number;
  rule: number;
  workers: number;
}

const RATES = [10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 70_000, 80_000, 100_000, 120_000];

/** Adds the command to `podwire bench`. */
export function addSaturation(bench: Command): void {
  const command = bench
    .command("saturation")
    .summary("offered and delivered load of one Service by the number of Services")
    .description(
      "Pods on one node call a Service whose pod is on another, each request in a new connection, on nodes whose work takes " +
        "virtual time (docs/saturation.md). For each number of Services and each rate: what was answered a second, the median and " +
        "the 99th percentile of the time that it took, how busy both nodes were, and the frames that found no room. The figures are " +
        "virtual: they are the same on every machine.",
    )
    .option("--services <N,N>", "numbers of Services", integersOption(1, 100_000), [10, 1000, 10_000])
    .option("--rates <N,N>", "requests a second", integersOption(1, 1_000_000), RATES)
    .option("--cores <N>", "cores of each node", integer(1, 256), 4)
    .option("--duration <TIME>", "virtual time of each run", durationOption, 500e6)
    .option("--rule <TIME>", "cost of a rule walked, such as 18ns", costOption, LINUX_COSTS.rule)
    .option("--workers <N>", "threads to use", integer(1, 64), 1);
  withOutput(command).action(async ({ rates, duration: durationNs, rule: ruleNs, ...flags }: SaturationFlags) => {
    const most = rateLimit(durationNs);
    if ((rates.at(-1) ?? 0) > most)
      throw new InputError(
        { field: "--rates" },
        `there are ports for ${most} connections a second in such a run; make --duration shorter`,
      );
    checkOutput(flags);
    const rows = await measureSaturation({ ...flags, rates, durationNs, ruleNs });
    output(rows, flags, () => saturationPlot(rows, { cores: flags.cores, ruleNs }));
  });
}
