// `podwire bench latency`: the first packet of a connection by the number of Services, beside kube-proxy's published figures.
import type { Command } from "commander";
import { firstPacketPlot, measureFirstPackets } from "../bench/first-packet.ts";
import { LINUX_COSTS } from "../seam/processor.ts";
import { checkOutput, integersOption, output, withOutput, type OutputFlags } from "./bench-output.ts";
import { costOption } from "./options.ts";

interface LatencyFlags extends OutputFlags {
  services: number[];
  rule: number[];
}

/** What a rule of iptables-nft costs, in nanoseconds. */
const NFT_RULE = 18;

/** Adds the command to `podwire bench`. */
export function addLatency(bench: Command): void {
  const command = bench
    .command("latency")
    .summary("the first packet of a connection by the number of Services, in virtual time")
    .description(
      "A pod sends the first datagram of a connection to each of 400 Services that are spread evenly over all, whose pod is on the " +
        "same node; the node's work takes virtual time (docs/saturation.md). Percentiles of the time until it arrived, for each number " +
        "of Services and each cost of a rule: iptables-legacy walks one in about 5 ns, iptables-nft in about 18 ns. The plot has " +
        "kube-proxy's published figures beside. The figures are virtual: they are the same on every machine.",
    )
    .option("--services <N,N>", "numbers of Services", integersOption(1, 100_000), [5000, 10_000, 30_000])
    .option("--rule <TIME,TIME>", "costs of a rule walked", (text) => text.split(",").map(costOption), [
      LINUX_COSTS.rule,
      NFT_RULE,
    ]);
  withOutput(command).action((flags: LatencyFlags) => {
    checkOutput(flags);
    const rows = measureFirstPackets(flags.services, flags.rule);
    output(rows, flags, () => firstPacketPlot(rows));
  });
}
