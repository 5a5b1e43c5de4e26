// `podwire bench scale`: large clusters.
import type { Command } from "commander";
import { InputError } from "../errors.ts";
import { measureScale, scalePlot } from "../bench/scale.ts";
import { checkOutput, integersOption, output, withOutput, type OutputFlags } from "./bench-output.ts";
import { integer } from "./options.ts";

interface ScaleFlags extends OutputFlags {
  nodes: number[];
  pods: number[];
  services: number[];
  frames: number;
}

const PODS_A_NODE = 250;

/** Adds the command to `podwire bench`. */
export function addScale(bench: Command): void {
  const command = bench
    .command("scale")
    .summary("large clusters: time to build, memory, traffic")
    .description(
      "Builds a cluster: its objects, the machines with kube-proxy's rules, the compiled rules, namespaces and links. Then 1,000 " +
        "pods send datagrams through Services to random others. With several sizes, one for each of the three options, a row for " +
        "each. Kubernetes' own limits are 5,000 nodes, 150,000 pods and 10,000 Services.",
    )
    .option("--nodes <N,N>", "numbers of nodes", integersOption(1, 5000), [100])
    .option("--pods <N,N>", "numbers of pods", integersOption(1, 150_000), [3000])
    .option("--services <N,N>", "numbers of Services", integersOption(1, 10_000), [1000])
    .option("--frames <N>", "frames to be timed", integer(1000, 1e9), 200_000);
  withOutput(command).action((flags: ScaleFlags) => {
    const { nodes, pods, services, frames } = flags;
    if (pods.length !== nodes.length || services.length !== nodes.length)
      throw new InputError({}, "--nodes, --pods and --services should have as many numbers as each other.");
    for (const [i, count] of pods.entries())
      if (count > PODS_A_NODE * (nodes[i] ?? 0))
        throw new InputError(
          { field: "--pods" },
          `${nodes[i]} nodes have room for ${PODS_A_NODE * (nodes[i] ?? 0)} pods, not ${count}.`,
        );
    checkOutput(flags);
    const rows = nodes.map((count, i) => {
      return measureScale({ nodes: count, pods: pods[i] ?? 1, services: services[i] ?? 1, frames });
    });
    output(rows, flags, () => scalePlot(rows));
  });
}
