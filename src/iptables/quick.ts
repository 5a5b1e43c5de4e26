// iptables-save text to a block without a model in between; what is wrong or out of the ordinary it leaves to the full reader.
import {
  HOOK_INPUT,
  HOOK_OUTPUT,
  HOOK_POSTROUTING,
  HOOK_PREROUTING,
  RULE_IN,
  RULE_OUT,
} from "../../assembly/layout/rules.ts";
import type { Family } from "./addresses.ts";
import { Block } from "./block.ts";
import { LineReader, type Destination, type Destinations, type Line } from "./line.ts";
import type { NameTable } from "./names.ts";
import { callersFirst, hooksTo, type ChainGraph } from "./reach.ts";
import { compileChain } from "./records.ts";
import { survey, type Survey } from "./survey.ts";
import { findTarget, isUnsupportedTarget } from "./targets/table.ts";

/** A block, where its rules stand in the text, and what a change of it must know. */
export interface QuickRules {
  words: Uint32Array;
  survey: Survey;
  block: Block;
  reader: LineReader;
  graph: ChainGraph;
  /** By rule: the hooks that the kernel allows it in, as bits 1 << HOOK_*. */
  allowed: Uint8Array;
  /** By chain: the hooks from which packets come to it. */
  reached: Uint8Array;
}

/** Whether a chain may have the name: one of a target's would be taken for the target. */
export function isChainName(name: string, family: Family): boolean {
  return findTarget(name, family) === undefined && !isUnsupportedTarget(name, family);
}

/** Whether the rule at an offset, in the chain of a hook, asks for a device that packets do not have there. */
export function asksForWrongDevice(block: Block, at: number, hook: number): boolean {
  if (hook === HOOK_OUTPUT || hook === HOOK_POSTROUTING) return block.word(at + RULE_IN) !== 0;
  if (hook === HOOK_PREROUTING || hook === HOOK_INPUT) return block.word(at + RULE_OUT) !== 0;
  return false;
}

/**
 * The block of a text that the kernel would take as a whole: the one that compileRules makes of its model. Undefined for a text with
 * anything wrong or out of the ordinary.
 */
export function compileQuickly(text: string, names: NameTable, family: Family = "ipv4"): QuickRules | undefined {
  const found = survey(text);
  if (!found?.chains.every(({ name }) => isChainName(name, family))) return undefined;
  return new QuickCompiler(text, found, new Block(found.count, names, family)).compile();
}

class QuickCompiler {
  readonly #survey: Survey;
  readonly #block: Block;
  readonly #reader: LineReader;
  readonly #graph: ChainGraph;
  readonly #allowed: Uint8Array;
  readonly #line: Line;

  constructor(text: string, found: Survey, block: Block) {
    this.#line = { text, from: 0, end: 0, index: 0, offset: 0, table: 0 };
    this.#survey = found;
    this.#block = block;
    this.#reader = new LineReader(this.#block);
    this.#allowed = new Uint8Array(found.count);
    this.#graph = {
      first: Uint32Array.from(found.chains, ({ first }) => first),
      rules: Uint32Array.from(found.chains, ({ rules }) => rules),
      hook: Int32Array.from(found.chains, ({ hook }) => hook),
      to: new Int32Array(found.count).fill(-1),
    };
  }

  compile(): QuickRules | undefined {
    const block = this.#block;
    let number = 0;
    for (const { number: table, chains } of this.#survey.tables) {
      const leading = new Map<string, Destination>();
      for (const { name, hook, first } of chains.values()) {
        // Rules can lead to user chains only.
        if (hook < 0) leading.set(name, { number, offset: block.ruleOffset(first) });
        number++;
      }
      for (const chain of chains.values()) {
        compileChain(block, chain.first, table, chain, chain.rules);
        for (let index = chain.first; index < chain.first + chain.rules; index++)
          if (!this.#rule(index, table, chain.hook, leading)) return undefined;
      }
    }
    const calls = callersFirst(this.#graph);
    if ("loop" in calls) return undefined;
    const reached = hooksTo(this.#graph, calls.order);
    if (!this.#mayStand(reached)) return undefined;
    return {
      words: block.finish(),
      survey: this.#survey,
      block,
      reader: this.#reader,
      graph: this.#graph,
      allowed: this.#allowed,
      reached,
    };
  }

  #rule(index: number, table: number, hook: number, leading: Destinations): boolean {
    const line = this.#line;
    line.from = this.#survey.starts[index] ?? 0;
    line.end = this.#survey.ends[index] ?? 0;
    line.index = index;
    line.offset = this.#block.ruleOffset(index);
    line.table = table;
    const reader = this.#reader;
    if (!reader.read(line, leading)) return false;
    this.#graph.to[index] = reader.to;
    this.#allowed[index] = reader.hooks;
    return (reader.tables & (1 << table)) !== 0 && !asksForWrongDevice(this.#block, line.offset, hook);
  }

  /** Whether every rule may stand wherever packets come to it. */
  #mayStand(reached: Uint8Array): boolean {
    return this.#survey.chains.every(({ first, rules }, chain) => {
      const hooks = reached[chain] ?? 0;
      for (let index = first; index < first + rules; index++)
        if ((hooks & ~(this.#allowed[index] ?? 0)) !== 0) return false;
      return true;
    });
  }
}
