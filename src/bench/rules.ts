// What rule sets of many sizes cost: to read, to keep, to change, and to the first packet of a connection.
import { LINE_DELIVERED, LINE_SENT, NS_RULES } from "../../assembly/layout/records.ts";
import { BLOCK_HEADER } from "../../assembly/layout/rules.ts";
import { STEP_A, STEP_B, STEP_C, STEP_KIND, STEP_LINE, STEP_RULE } from "../../assembly/layout/trace.ts";
import { changeRules } from "../engine/rule-change.ts";
import { ChangeableRules } from "../engine/rule-family.ts";
import { PreparedRun } from "../engine/run.ts";
import { compileText } from "../iptables/compile.ts";
import { NameTable } from "../iptables/names.ts";
import { countRules, wholeText } from "../iptables/rules-text.ts";
import { survey } from "../iptables/survey.ts";
import { compileWithTable } from "../nftables/compile.ts";
import { parseTable } from "../nftables/parse.ts";
import { Kernel } from "../kernel/kernel.ts";
import { compileKernel, newMemory } from "../kernel/load.ts";
import type { Cluster } from "../kubernetes/objects.ts";
import type { ProxyMode } from "../node/machine.ts";
import { partialSync } from "../node/kube-proxy/partial-sync.ts";
import { clusterOf, machinesOf, rulesOf, type BenchPod } from "./cluster.ts";
import { NEW_RATE, pathPlan } from "./path.ts";

export type Matcher = "index" | "linear";

export interface RulesRow {
  services: number;
  /** Of one node, chains' policies not counted. */
  rules: number;
  /** kube-proxy's. */
  mode: ProxyMode;
  matcher: string;
  parse_ms?: number;
  compile_ms?: number;
  index_ms?: number;
  bytes_per_rule?: number;
  new_per_s?: number;
  ns_per_new?: number;
  rules_walked?: number;
  change_ms?: number;
  iptables_legacy_restore_ms?: number | undefined;
  iptables_legacy_change_ms?: number | undefined;
  iptables_nft_restore_ms?: number | undefined;
  nft_load_ms?: number | undefined;
}

/** The rule set of a size: that of each of the two nodes, and what kube-proxy writes when one Service has another endpoint. */
export interface RuleTexts {
  services: number;
  rules: number;
  nodes: [client: string, server: string];
  change: string;
}

const PODS: BenchPod[] = [
  { name: "client-0", node: 1, place: 0, serves: false },
  { name: "client-1", node: 1, place: 1, serves: false },
  { name: "server", node: 2, place: 0, serves: true },
];
const SIZE = 64;
const WARM_NS = 0.02e9; // 2,000 connections
/** Connections that are timed at once. */
const SLICE = 1000;
const SLICE_NS = (SLICE / NEW_RATE) * 1e9;

/** The texts for so many Services of one UDP port and one endpoint each. */
export function ruleTexts(services: number): RuleTexts {
  const { before, after } = benchStates(services);
  const nodes: RuleTexts["nodes"] = [rulesOf(before, 1), rulesOf(before, 2)];
  return { services, rules: countRules(nodes[0]), nodes, change: partialSync(nodes[0], rulesOf(after, 1), true) };
}

/** A node in nftables mode: its rules of iptables, and kube-proxy's table before and after one Service has another endpoint. */
export interface TableTexts {
  services: number;
  /** Of both, chains' policies not counted. */
  rules: number;
  iptables: string;
  before: string;
  after: string;
  /** What both nodes have before. */
  nodes: { iptables: string; nft: string }[];
}

/** The cluster of so many Services, and with another endpoint for the first of them. */
export function benchStates(services: number): { before: Cluster; after: Cluster } {
  const before = clusterOf(2, PODS, services, ["UDP"]);
  const moved = clusterOf(2, [{ name: "server", node: 2, place: 1, serves: true }], 1, ["UDP"]).endpointSlices;
  const [, ...others] = before.endpointSlices;
  return { before, after: { ...before, endpointSlices: [...moved, ...others] } };
}

/** The texts of the first node for so many Services, as in `ruleTexts`. */
export function tableTexts(services: number): TableTexts {
  const states = benchStates(services);
  const tablesOf = (state: Cluster) =>
    machinesOf(state, undefined, "nftables")
      .slice(0, 2)
      .map(({ namespaces: [root] }) => ({ iptables: wholeText(root?.rules ?? ""), nft: root?.nft ?? "" }));
  const nodes = tablesOf(states.before);
  const { iptables = "", nft: before = "" } = nodes[0] ?? {};
  const after = tablesOf(states.after)[0]?.nft ?? "";
  const own = parseTable(before, "bench").chains.reduce((sum, { rules }) => sum + rules.length, 0);
  return { services, rules: countRules(iptables) + own, iptables, before, after, nodes };
}

/** The shortest of several goes, in milliseconds; no more than two once they have taken `enoughMs` together. */
export function best(goes: number, enoughMs: number, go: () => number): number {
  let least = Infinity;
  let total = 0;
  for (let i = 0; i < goes && (i < 2 || total < enoughMs); i++) {
    const took = go();
    least = Math.min(least, took);
    total += took;
  }
  return least;
}

export function timed(work: () => void): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

type SetCosts = Required<Pick<RulesRow, "parse_ms" | "compile_ms" | "index_ms" | "bytes_per_rule" | "change_ms">>;

export const GOES = 5;
export const ENOUGH_MS = 3000;

/** The row of what was measured: times in milliseconds, `both` of parsing and compiling. */
function setCosts(of: Record<"parse" | "both" | "index" | "changed" | "bytes" | "rules", number>): SetCosts {
  return {
    parse_ms: round(of.parse),
    compile_ms: round(of.both - of.parse),
    index_ms: round(of.index),
    bytes_per_rule: round(of.bytes / of.rules),
    change_ms: round(of.changed),
  };
}

/** What the rule set itself costs, whoever walks it. */
export function measureRuleSet({ nodes: [text], change, rules }: RuleTexts): SetCosts {
  const kernel = new Kernel(compileKernel(), newMemory());
  const names = new NameTable();
  const file = "rules of node-1";
  const parse = best(GOES, ENOUGH_MS, () => timed(() => void survey(text)));
  const both = best(GOES, ENOUGH_MS, () => timed(() => void compileText(text, new NameTable(), file)));
  const ns = kernel.newNamespace(kernel.calls.newMachine(0), 0, 1n);
  const before = kernel.calls.memoryTaken();
  const compiled = compileText(text, names, file);
  const { quick } = compiled;
  const block = kernel.placeWords(compiled.words);
  const first = block + BLOCK_HEADER;
  const index = best(1, ENOUGH_MS, () =>
    timed(() => {
      kernel.calls.admitRules(block, first, compiled.count);
      kernel.calls.indexRules(block, first, compiled.count, 0);
    }),
  );
  kernel.calls.loadRules(ns, block);
  const bytes = kernel.calls.memoryTaken() - before;
  if (!quick) throw new Error("the rules are not plain");
  const whole = ChangeableRules.of(kernel, block, text, quick);
  const changed = best(GOES, ENOUGH_MS, () =>
    timed(() => {
      const made = changeRules(whole, change);
      if (!made) throw new Error("the change is not plain");
      kernel.calls.changeRules(ns, made.rules.block);
    }),
  );
  if (kernel.word(ns + NS_RULES) === 0) throw new Error("the rules were not loaded");
  return setCosts({ parse, both, index, changed, bytes, rules });
}

/** What a node's table of nftables costs. A change is loaded anew as a whole. */
export function measureTable({ iptables, before: text, after, rules }: TableTexts): SetCosts {
  const kernel = new Kernel(compileKernel(), newMemory());
  const names = new NameTable();
  const ns = kernel.newNamespace(kernel.calls.newMachine(0), 0, 1n);
  const compile = (nft: string) => compileWithTable(iptables, nft, names, "bench");
  const load = ({ words, count }: ReturnType<typeof compile>): void => {
    const block = kernel.placeWords(words);
    kernel.calls.admitRules(block, block + BLOCK_HEADER, count);
    kernel.calls.indexRules(block, block + BLOCK_HEADER, count, 0);
    kernel.calls.indexMaps(block);
    kernel.calls.loadRules(ns, block);
  };
  const parse = best(GOES, ENOUGH_MS, () => timed(() => void parseTable(text, "bench")));
  const both = best(GOES, ENOUGH_MS, () => timed(() => void compile(text)));
  const compiled = compile(text);
  const before = kernel.calls.memoryTaken();
  const index = timed(() => load(compiled));
  const bytes = kernel.calls.memoryTaken() - before;
  const changed = best(GOES, ENOUGH_MS, () => timed(() => load(compile(after))));
  return setCosts({ parse, both, index, changed, bytes, rules });
}

type FirstPacket = Required<Pick<RulesRow, "new_per_s" | "ns_per_new" | "rules_walked">>;

/** The two-node path for one rule set. Compiled once, measured with each matcher. */
export class FirstPackets {
  readonly #run: PreparedRun;
  readonly #frames: number;
  readonly #timedFromNs: number;
  readonly #endNs: number;

  /** `frames`: connections to be timed, of one packet each. */
  constructor(services: number, frames: number, proxyMode: ProxyMode = "iptables") {
    const options = { services, flows: 1, size: SIZE, mode: "new", frames } as const;
    const { plan, timedFromNs } = pathPlan(options, { protocols: ["UDP"], warmNs: WARM_NS, proxyMode });
    this.#run = new PreparedRun(plan);
    this.#frames = frames;
    this.#timedFromNs = timedFromNs;
    this.#endNs = plan.durationNs;
  }

  /**
   * The fastest slice of `repeat` runs: one that no other work of the machine came between. Without the flow cache, as packets that go
   * the way of those before them ask no rules. Throws if a packet did not arrive.
   */
  measure(matcher: Matcher, repeat: number): FirstPacket {
    const sliceMs = best(repeat, ENOUGH_MS, () => {
      let now = this.#timedFromNs;
      const { kernel } = this.#run.alone({ matcher, flowCache: false }).worker;
      kernel.calls.run(this.#timedFromNs);
      const slices = Math.ceil(this.#frames / SLICE);
      const took = best(slices, Infinity, () => timed(() => kernel.calls.run((now += SLICE_NS))));
      kernel.calls.run(this.#endNs);
      const line = kernel.calls.lineOf(1) >>> 0;
      const [sent, delivered] = [kernel.word(line + LINE_SENT), kernel.word(line + LINE_DELIVERED)];
      if (sent < this.#frames || delivered !== sent) throw new Error(`${sent} packets sent, ${delivered} delivered`);
      return took;
    });
    return {
      new_per_s: Math.round((SLICE / sliceMs) * 1000),
      ns_per_new: Math.round((sliceMs * 1e6) / SLICE),
      rules_walked: this.#walked(matcher),
    };
  }

  /** The rules that a first packet is held against on its way, by a trace of some. */
  #walked(matcher: Matcher): number {
    const { kernel } = this.#run.alone({ matcher }).worker;
    const first = kernel.calls.setTrace(1, 0) >>> 0;
    kernel.calls.run(this.#timedFromNs / 100);
    let walked = 0;
    for (const at of kernel.steps(first)) {
      if (kernel.word(at + STEP_KIND) !== STEP_RULE || kernel.word(at + STEP_LINE) !== 1) continue;
      walked += kernel.word(at + STEP_A) - kernel.word(at + STEP_B) + 1 - kernel.word(at + STEP_C);
    }
    kernel.calls.setTrace(0, 0);
    const packets = kernel.word((kernel.calls.lineOf(1) >>> 0) + LINE_SENT);
    return Math.round(walked / packets);
  }
}

export function round(value: number): number {
  return Number(value.toPrecision(4));
}
