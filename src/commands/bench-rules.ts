// `podwire bench rules`: what kube-proxy's rules cost by the number of Services.
import type { Command } from "commander";
import { measureServers, serverTexts } from "../bench/ipvs.ts";
import {
  BACKENDS,
  canLoadTables,
  canRestore,
  checkKernel,
  measureKernel,
  measureKernelTable,
  measureNftLoad,
  measureRestore,
} from "../bench/linux.ts";
import {
  FirstPackets,
  measureRuleSet,
  measureTable,
  ruleTexts,
  tableTexts,
  type Matcher,
  type RulesRow,
} from "../bench/rules.ts";
import { rulesPlot } from "../bench/rules-plot.ts";
import { PROXY_MODES, type ProxyMode } from "../node/machine.ts";
import { checkOutput, integersOption, output, withOutput, wordsOption, type OutputFlags } from "./bench-output.ts";
import { integer } from "./options.ts";

interface RulesFlags extends OutputFlags {
  services: number[];
  mode: ProxyMode[];
  matcher: Matcher[];
  frames: number;
  repeat: number;
  kernel?: boolean;
}

/** Adds the command to `podwire bench`. */
export function addRules(bench: Command): void {
  const command = bench
    .command("rules")
    .summary("kube-proxy's rules by the number of Services")
    .description(
      "For each number of Services, of one UDP port and one endpoint each: how long the rules of a node take to parse, to compile " +
        "and to index; the memory that they take in the kernel; how long it takes to change one Service, by what kube-proxy writes " +
        "then; and the first packets of connections from a pod to a Service whose pod is on another node, both with all rules: " +
        "how many a second, the time of one, and how many rules it is held against. As root on Linux, iptables-legacy-restore " +
        "loads and changes the same text in a network namespace of its own, and nft a table of nftables mode. In that mode each " +
        "node has kube-proxy's table, whose maps need no index of rules, and a change loads it anew. " +
        "In ipvs mode the index is the kernel's addresses, sets and virtual servers, and a change that of one server.",
    )
    .option("--services <N,N>", "numbers of Services", integersOption(1, 100_000), [10, 100, 1000, 10_000, 100_000])
    .option("--mode <M,M>", "kube-proxy's: iptables, nftables, ipvs or several", wordsOption<ProxyMode>(PROXY_MODES), [
      ...PROXY_MODES,
    ])
    .option("--matcher <M,M>", "index, linear or both", wordsOption<Matcher>(["index", "linear"]), ["index", "linear"])
    .option("--frames <N>", "connections to be timed", integer(100, 1e6), 20_000)
    .option("--repeat <N>", "runs, of which the fastest counts", integer(1, 100), 3)
    .option(
      "--kernel",
      "the live kernel too, in network namespaces, with the rules of iptables-legacy and iptables-nft, and the table of nft",
    );
  withOutput(command).action((flags: RulesFlags) => {
    checkOutput(flags);
    if (flags.kernel) checkKernel();
    const rows = flags.services.flatMap((services) => measure(services, flags));
    // Mode by mode and matcher by matcher, as one compares sizes.
    const kinds = [...new Set(rows.map(({ mode, matcher }) => `${mode} ${matcher}`))];
    const sorted = kinds.flatMap((kind) => rows.filter(({ mode, matcher }) => `${mode} ${matcher}` === kind));
    output(sorted, flags, () => rulesPlot(sorted));
  });
}

function measure(services: number, flags: RulesFlags): RulesRow[] {
  return [
    ...(flags.mode.includes("iptables") ? measureRules(services, flags) : []),
    ...(flags.mode.includes("nftables") ? measureTables(services, flags) : []),
    ...(flags.mode.includes("ipvs") ? [measureVirtualServers(services, flags)] : []),
  ];
}

function measureTables(services: number, flags: RulesFlags): RulesRow[] {
  const texts = tableTexts(services);
  const loadMs = canLoadTables() ? measureNftLoad(texts) : undefined;
  const row = indexedRow(services, texts.rules, "nftables", measureTable(texts), flags);
  const live = flags.kernel && loadMs !== undefined ? [measureKernelTable(texts, loadMs)] : [];
  return [{ ...row, nft_load_ms: loadMs }, ...live];
}

function measureVirtualServers(services: number, flags: RulesFlags): RulesRow {
  const texts = serverTexts(services);
  return indexedRow(services, texts.rules, "ipvs", measureServers(texts), flags);
}

/** The row of a mode in which packets are not held against rules one by one. */
function indexedRow(
  services: number,
  rules: number,
  mode: ProxyMode,
  { change_ms, ...costs }: Partial<RulesRow> & { change_ms: number },
  { frames, repeat }: RulesFlags,
): RulesRow {
  const firstPackets = new FirstPackets(services, frames, mode).measure("index", repeat);
  return { services, rules, mode, matcher: "index", ...costs, ...firstPackets, change_ms };
}

function measureRules(services: number, { matcher, frames, repeat, kernel }: RulesFlags): RulesRow[] {
  const texts = ruleTexts(services);
  const costs = measureRuleSet(texts);
  const legacy = canRestore("legacy") ? measureRestore(texts, "legacy") : undefined;
  const firstPackets = new FirstPackets(services, frames);
  const rows = matcher.map((one): RulesRow => {
    const { parse_ms, compile_ms, index_ms, bytes_per_rule, change_ms } = costs;
    return {
      services,
      rules: texts.rules,
      mode: "iptables",
      matcher: one,
      parse_ms,
      compile_ms,
      index_ms,
      bytes_per_rule,
      ...firstPackets.measure(one, repeat),
      change_ms,
      iptables_legacy_restore_ms: legacy?.restoreMs,
      iptables_legacy_change_ms: legacy?.changeMs,
    };
  });
  const live = kernel ? BACKENDS.filter(canRestore).map((backend) => measureKernel(texts, backend)) : [];
  return [...rows, ...live];
}
