// `podwire run`: manifests and perhaps a scenario in; traffic through the emulated cluster; a summary, a report and captures out.
import { writeFileSync, mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { performance } from "node:perf_hooks";
import { SingleBar } from "cli-progress";
import { Option, type Command } from "commander";
import { interfacesOf } from "../engine/devices.ts";
import { globMatches } from "../seam/glob.ts";
import { worthwhileWorkers } from "../engine/place.ts";
import { PreparedRun } from "../engine/run.ts";
import { drawPicture } from "../report/draw.ts";
import { formatTime } from "../report/format.ts";
import { hgrm, hgrmNames } from "../report/hgrm.ts";
import { junitXml } from "../report/junit.ts";
import { htmlPage } from "../report/page.ts";
import type { PictureWalk } from "../report/picture.ts";
import { makeReport, type Report } from "../report/report.ts";
import { summarize } from "../report/summary.ts";
import { readSources } from "../scenario/files.ts";
import { checkDevices, prepare, type PreparedScenario } from "../scenario/prepare.ts";
import { STANDARD_OUTPUT, type RunOptions, type RunResult } from "../seam/plan.ts";
import type { ProxyMode } from "../node/machine.ts";
import { durationOption, globsOption, integer, paceOption, proxyModeOption } from "./options.ts";
import { checkFile, makeOutputFolder, writeOutput } from "./output.ts";
import { runMatrix } from "./matrix.ts";
import { reachOutcomes } from "./probing.ts";
import { PICTURE_FILE } from "./report.ts";
import { followLines } from "./walks.ts";
import { version } from "./version.ts";

const EXIT_EXPECTATION = 1;
const EXIT_INTERRUPT = 130;

export interface RunFlags {
  nodes?: number | undefined;
  proxyMode?: ProxyMode;
  seed?: number | undefined;
  duration?: number | undefined;
  workers?: number | undefined;
  flowCache?: "on" | "off" | undefined;
  matcher?: "index" | "linear" | undefined;
  out: string;
  capture?: string[] | undefined;
  pcap?: boolean | undefined;
  write?: string | undefined;
  filter?: string | undefined;
  comments?: boolean | undefined;
  captureDrops?: string | undefined;
  pace?: number | undefined;
  matrix?: boolean | undefined;
  junit?: string | undefined;
  hdr?: boolean | undefined;
  html?: string | undefined;
  json?: boolean | undefined;
  quiet?: boolean | undefined;
}

/** Adds the command to the program. It sets the exit status: 0, 1 if an expectation failed, 130 after Ctrl-C. */
export function addRunCommand(program: Command): void {
  program
    .command("run")
    .summary("emulate a cluster and its traffic")
    .description(
      "Emulates the network of the cluster that the manifests describe. A FILE is YAML or JSON with Kubernetes manifests, a Scenario, or both; " +
        "a folder stands for the YAML and JSON files in it. Without a Scenario three nodes run for five seconds of virtual time, in which every " +
        "Deployment's pods call every Service, outside clients call every load balancer, node port and Ingress path, and every pod calls one host outside.",
    )
    .argument("<FILE...>", "manifests, a scenario, or folders of them")
    .option("--nodes <N>", "number of nodes, in place of the scenario's", integer(1, 5000))
    .addOption(proxyModeOption())
    .option("--seed <N>", "seed of all that is random, in place of the scenario's", integer(0, 2 ** 32 - 1))
    .option("--duration <D>", "virtual time to run, such as 500ms or 10s, in place of the scenario's", durationOption)
    .option(
      "--workers <N>",
      "threads to use; the results are the same with any number (default: as many as the load is worth, at most one a core)",
      integer(1, 64),
    )
    .addOption(
      new Option(
        "--matcher <HOW>",
        "how packets find their rules: index, by hash tables, or linear, one rule after the other as Linux does; the results are the same",
      )
        .choices(["index", "linear"])
        .default("index"),
    )
    .addOption(
      new Option(
        "--flow-cache <WHETHER>",
        "whether packets of a connection may take the way that the one before them took, without asking every rule and table again; the results are the same",
      )
        .choices(["on", "off"])
        .default("on"),
    )
    .option("--out <DIR>", "folder for report.json, captures and rules", "podwire-out")
    .option(
      "--capture <GLOBS>",
      "devices to capture into capture.pcapng, in place of the scenario's captures: names or globs such as node-*/vbr0,default/frontend-0/eth0; none captures nothing",
      globsOption,
    )
    .option("--pcap", "write classic pcap, one file for each device, in place of pcapng")
    .option(
      "--matrix",
      "probe in place of all traffic: every pod, and the outside, calls every Service and every pod on each of their ports; prints who reaches whom, and what stopped the others, and writes matrix.json",
    )
    .option("--junit <FILE>", "write expectations, and the probes of --matrix, as JUnit XML")
    .option(
      "--hdr",
      "write the latencies of each line of traffic as a percentile distribution of HdrHistogram, hdr/*.hgrm",
    )
    .addOption(
      new Option(
        "-w, --write <FILE>",
        "write one capture of everything captured to FILE, in place of the captures' own files; - for standard output, as for wireshark -k -i -, then the summary goes to standard error",
      ).conflicts("pcap"),
    )
    .addOption(
      new Option(
        "--comments",
        "comment each captured packet: whose it is, which rule decided where it goes, and why it was dropped",
      ).conflicts("pcap"),
    )
    .option(
      "--capture-drops <FILE>",
      "write the packets that were dropped, and no others, to FILE as pcapng, each with where and why",
    )
    .option(
      "--filter <EXPRESSION>",
      "capture only such frames, in the words of tcpdump: 'tcp port 80 and host 10.244.1.3'",
    )
    .option("--pace <PACE>", "realtime, a number of times as fast such as 0.5x, or max", paceOption)
    .option(
      "--html <FILE>",
      "write one self-contained HTML page: the cluster with its traffic, the walk of a packet of each line, tables and charts",
    )
    .option("--json", "print the report as JSON in place of the summary")
    .option("--quiet", "print no summary and no progress")
    .addHelpText(
      "after",
      "\nExit status: 0; 1 if an expectation of the scenario failed; 2 for bad input; 130 after Ctrl-C, with what was captured so far.",
    )
    .action(async (files: string[], flags: RunFlags) => {
      process.exitCode = await run(files, flags);
    });
}

/** Runs what the command line says; returns the exit status. */
export async function run(files: readonly string[], flags: RunFlags): Promise<number> {
  const started = performance.now();
  const prepared = prepare(readSources(files), {
    nodes: flags.nodes,
    proxyMode: flags.proxyMode,
    seed: flags.seed,
    durationNs: flags.duration,
    capture: flags.capture,
    pcap: flags.pcap,
    write: flags.write,
    filter: flags.filter,
    comments: flags.comments,
    captureDrops: flags.captureDrops,
    outDir: flags.out,
  });
  if (flags.matrix) return runMatrix(prepared, flags) ? 0 : EXIT_EXPECTATION;
  const interfaces = interfacesOf(prepared.plan);
  checkDevices(prepared.devices, (glob) => interfaces.some(({ name }) => globMatches(glob, name)));
  const ready = new PreparedRun(prepared.plan);
  // Files inside the output folder have theirs made with it.
  const inside = (path: string): boolean => !relative(flags.out, path).startsWith("..");
  for (const [path, option] of [
    [flags.write, "--write"],
    [flags.captureDrops, "--capture-drops"],
    [flags.html, "--html"],
  ] as const)
    if (path !== undefined && path !== STANDARD_OUTPUT && !inside(path)) checkFile(path, option);
  // From here on the input is good.
  makeOutputFolder(flags.out);
  const workers = Math.min(
    flags.workers ?? worthwhileWorkers(prepared.plan, availableParallelism()),
    prepared.plan.machines.length,
  );
  const options: RunOptions = {
    workers,
    ...(flags.pace === undefined ? {} : { pace: flags.pace }),
    flowCache: flags.flowCache !== "off",
    matcher: flags.matcher ?? "index",
  };
  const result = await execute(ready, prepared, options, flags.quiet !== true);
  const reached = reachOutcomes(prepared);
  const wall = { seconds: (performance.now() - started) / 1000, workers };
  const report = makeReport(prepared, result, flags.out, version, wall, reached);
  writeReport(report, flags.out);
  writePicture(prepared, ready, result, report, flags);
  writeRules(result, flags.out);
  writeSets(prepared, flags.out);
  if (flags.hdr) writeHgrm(result, flags.out);
  if (flags.junit !== undefined) writeOutput(flags.junit, junitXml(prepared.name, report.expectations), "--junit");
  const output = flags.write === STANDARD_OUTPUT ? process.stderr : process.stdout;
  if (flags.json) output.write(`${JSON.stringify(report, null, 2)}\n`);
  else if (flags.quiet !== true) output.write(summarize(report, flags.out));
  if (report.interrupted) return EXIT_INTERRUPT;
  return report.expectations.every(({ holds }) => holds) ? 0 : EXIT_EXPECTATION;
}

/** Runs with a progress bar on a terminal; the first Ctrl-C ends the run in good order, a second one at once. */
async function execute(
  ready: PreparedRun,
  { plan }: PreparedScenario,
  how: RunOptions,
  show: boolean,
): Promise<RunResult> {
  const abort = new AbortController();
  const interrupt = (): void => abort.abort();
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  const bar =
    show && process.stderr.isTTY
      ? new SingleBar({ format: "{bar} {reached} of {end}", stream: process.stderr, clearOnComplete: true })
      : undefined;
  const end = formatTime(plan.durationNs);
  bar?.start(plan.durationNs, 0, { reached: "0 s", end });
  try {
    return await ready.run({
      ...how,
      signal: abort.signal,
      ...(bar ? { onProgress: ({ nowNs }) => bar.update(nowNs, { reached: formatTime(nowNs) }) } : {}),
    });
  } finally {
    bar?.stop();
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
  }
}

function writeReport(report: Report, outDir: string): void {
  writeFileSync(join(outDir, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
}

/** The rules of every machine with their counters as iptables-save -c and ip6tables-save -c print them, and tables of nftables as nft lists them. */
function writeRules({ rules, ipv6Rules, nftTables }: RunResult, outDir: string): void {
  if (Object.keys(rules).length + Object.keys(ipv6Rules).length > 0)
    mkdirSync(join(outDir, "rules"), { recursive: true });
  const pathOf = (namespace: string, end: string): string =>
    join(outDir, "rules", `${namespace.replaceAll("/", ".")}.${end}`);
  // Texts are printed when they are read, one after the other.
  for (const [texts, end] of [
    [rules, "v4"],
    [ipv6Rules, "v6"],
  ] as const)
    for (const namespace of Object.keys(texts)) writeFileSync(pathOf(namespace, end), texts[namespace] ?? "");
  for (const [namespace, text] of Object.entries(nftTables)) writeFileSync(pathOf(namespace, "nft"), text);
}

/** picture.json, and the page that shows it if it is asked for; then with the walks of packets, which take a cluster of their own that shares the rules of `run`. */
function writePicture(
  { plan }: PreparedScenario,
  run: PreparedRun,
  result: RunResult,
  report: Report,
  { html, out }: RunFlags,
): void {
  const walks = html === undefined ? new Map<number, PictureWalk>() : followLines(plan, run, result);
  const picture = drawPicture(plan, result, report, walks);
  writeFileSync(join(out, PICTURE_FILE), `${JSON.stringify(picture)}\n`);
  if (html !== undefined) writeOutput(html, htmlPage(picture), "--html");
}

/** A file for each line of traffic of which something was answered. */
function writeHgrm({ lines }: RunResult, outDir: string): void {
  const folder = join(outDir, "hdr");
  mkdirSync(folder, { recursive: true });
  const names = hgrmNames(lines.map(({ name }) => name));
  for (const [i, line] of lines.entries()) {
    const text = hgrm(line);
    if (text !== undefined) writeFileSync(join(folder, names[i] ?? ""), text);
  }
}

/** The ipsets that rules name, as ipset save prints them. */
function writeSets({ plan }: PreparedScenario, outDir: string): void {
  for (const { name, sets } of plan.machines.flatMap(({ namespaces }) => namespaces))
    if (sets !== undefined) writeFileSync(join(outDir, "rules", `${name.replaceAll("/", ".")}.ipset`), sets);
}
