// `podwire trace`: one request from one end to another, and what became of its packets, step by step.
import { Option, type Command } from "commander";
import { PreparedRun } from "../engine/run.ts";
import type { Ends } from "../scenario/ends.ts";
import { readSources } from "../scenario/files.ts";
import type { ProxyMode } from "../node/machine.ts";
import { integer, proxyModeOption } from "./options.ts";
import { prepare } from "../scenario/prepare.ts";
import { walkPlan } from "../scenario/walk-plan.ts";
import { traceLines } from "../trace/iptables-trace.ts";
import { outcomeOf, type Outcome } from "../trace/outcome.ts";
import { renderWalk, walkLine } from "../trace/render.ts";
import { requestWalk, walksOf, type Walk } from "../trace/walks.ts";
import { whyNot, whyNotText, type WhyNot } from "../trace/why-not.ts";

interface TraceFlags extends Ends {
  nodes?: number;
  proxyMode?: ProxyMode;
  seed?: number;
  all?: boolean;
  verbose?: boolean;
  json?: boolean;
  whyNot?: boolean;
  format: "walk" | "iptables";
}

/** Adds the command to the program. It sets the exit status: 0 if the request was answered, else 1. */
export function addTraceCommand(program: Command): void {
  program
    .command("trace")
    .summary("follow one request through the cluster, step by step")
    .description(
      "Sends one request through the emulated cluster and prints the walk of its first packet: every device, bridge decision, hook, " +
        "rule, connection, rewrite, route and neighbour, and its end; then a line for each packet that followed.",
    )
    .argument("<FILE...>", "manifests, a scenario, or folders of them, as for podwire run")
    .requiredOption("--from <END>", "NAMESPACE/POD, deployment/NAME, node/NAME or internet")
    .requiredOption(
      "--to <END>",
      "svc/NAME:PORT, lb/NAME:PORT, nodeport/NAME:PORT, pod/NAME:PORT, node/NAME:PORT, ADDRESS:PORT or DNS-NAME:PORT; " +
        "a name may be NAMESPACE/NAME",
    )
    .addOption(new Option("--protocol <P>", "of the request").choices(["tcp", "udp", "icmp"]).default("tcp"))
    .option("-n, --namespace <NAME>", "the namespace of names that say none", "default")
    .option("--nodes <N>", "number of nodes, in place of the scenario's", integer(1, 5000))
    .addOption(proxyModeOption())
    .option("--seed <N>", "seed of all that is random, in place of the scenario's", integer(0, 2 ** 32 - 1))
    .option("--all", "print the walk of every packet, ARP and DNS included")
    .option("--verbose", "also the rules that did not match, with the condition that failed")
    .option(
      "--why-not",
      "also which NetworkPolicies denied it, what they would let through, and which conditions failed",
    )
    .option("--json", "print everything as JSON")
    .addOption(
      new Option("--format <F>", "walk: numbered steps; iptables: the kernel's TRACE lines")
        .choices(["walk", "iptables"])
        .default("walk"),
    )
    .addHelpText("after", "\nExit status: 0 if the request was answered; 1 if it was not; 2 for bad input.")
    .action((files: string[], flags: TraceFlags) => {
      process.exitCode = trace(files, flags);
    });
}

function trace(files: readonly string[], flags: TraceFlags): number {
  const prepared = prepare(readSources(files), {
    nodes: flags.nodes,
    proxyMode: flags.proxyMode,
    seed: flags.seed,
    capture: [],
    requests: [flags],
    outDir: "",
  });
  const { steps, result } = new PreparedRun(walkPlan(prepared.plan)).trace(flags.verbose === true);
  const walks = walksOf(steps, { arp: flags.all === true });
  const asksNames = prepared.plan.flows.some(({ target }) => "names" in target);
  const main = requestWalk(walks, asksNames);
  const outcome = outcomeOf(result.lines[0], walks, main);
  const why = flags.whyNot ? whyNot(prepared.cluster, main ? [main, ...walks] : walks) : undefined;
  if (flags.json) process.stdout.write(`${JSON.stringify(asJson(flags, outcome, walks, main, why), null, 2)}\n`);
  else if (flags.format === "iptables") printTraceLines(flags.all ? walks : main ? [main] : []);
  else process.stdout.write(asText(flags, outcome, walks, main) + (flags.whyNot ? `\n${whyNotText(why)}` : ""));
  return result.lines[0]?.delivered === 1 ? 0 : 1;
}

function asText(flags: TraceFlags, outcome: Outcome, walks: readonly Walk[], main: Walk | undefined): string {
  const color = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
  const style = { color, verbose: flags.verbose === true };
  const head = `${flags.from} > ${flags.to}, ${flags.protocol}: ${outcome.sentence}\n`;
  if (flags.all) return [head, ...walks.map((walk) => renderWalk(walk, style))].join("\n");
  if (!main) return head;
  const index = walks.indexOf(main);
  const start = main.steps[0]?.timeNs ?? 0;
  // What belongs to no request, such as health checks, has no part in the story.
  const isOwn = ({ steps }: Walk): boolean => steps[0]?.line !== undefined;
  const before = walks.slice(0, index).filter(isOwn);
  const after = walks.slice(index + 1).filter(isOwn);
  return [
    head,
    ...(before.length > 0 ? [`Before it:\n${before.map((walk) => walkLine(walk, start)).join("\n")}\n`] : []),
    renderWalk(main, style),
    ...(after.length > 0 ? [`What followed:\n${after.map((walk) => walkLine(walk, start)).join("\n")}\n`] : []),
  ].join("\n");
}

function printTraceLines(walks: readonly Walk[]): void {
  for (const { steps } of walks) for (const line of traceLines(steps)) process.stdout.write(`${line}\n`);
}

function asJson(
  flags: TraceFlags,
  outcome: Outcome,
  walks: readonly Walk[],
  main: Walk | undefined,
  why: WhyNot | undefined,
): unknown {
  return {
    from: flags.from,
    to: flags.to,
    protocol: flags.protocol,
    ...outcome,
    request: main?.packet,
    ...(flags.whyNot ? { whyNot: why ?? null } : {}),
    packets: walks.map((walk) => ({
      ...walk,
      steps: walk.steps.map((step) => ({
        ...step,
        connection: step.connection,
        view: { ...step.view, header: Buffer.from(step.view.header).toString("hex") },
      })),
    })),
  };
}
