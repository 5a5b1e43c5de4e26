// iptables-save text to a block without a model in between; what it does not know at sight it leaves to the full reader.
import {
  HOOK_INPUT,
  HOOK_OUTPUT,
  HOOK_POSTROUTING,
  HOOK_PREROUTING,
  RULE_IN,
  RULE_OUT,
} from "../../assembly/layout/rules.ts";
import { Block } from "./block.ts";
import { jumpedTo } from "./graph.ts";
import { limitsOf } from "./limits.ts";
import { LineReader, type Destination } from "./line.ts";
import type { NameTable } from "./names.ts";
import { callersFirst, hooksTo, type ChainGraph } from "./reach.ts";
import { compileChain, compileRule } from "./records.ts";
import { readWhole } from "./rule.ts";
import { survey, type Survey } from "./survey.ts";
import { findTarget, isUnsupportedTarget } from "./targets/table.ts";

/** A block, and where its rules stand in the text. */
export interface QuickRules {
  words: Uint32Array;
  survey: Survey;
  /** The ipsets that it names. */
  sets: string[];
}

/**
 * The block of a text that the kernel would take as a whole: the one that compileRules makes of its model. Undefined for a text with
 * anything wrong or out of the ordinary.
 */
export function compileQuickly(text: string, names: NameTable): QuickRules | undefined {
  const found = survey(text);
  if (!found || found.chains.some(({ name }) => findTarget(name) !== undefined || isUnsupportedTarget(name)))
    return undefined;
  const compiler = new QuickCompiler(text, found, names);
  const words = compiler.compile();
  return words && { words, survey: found, sets: compiler.sets };
}

class QuickCompiler {
  readonly #text: string;
  readonly #survey: Survey;
  readonly #block: Block;
  readonly #reader: LineReader;
  readonly #graph: ChainGraph;
  /** By rule: the hooks that it is allowed in. */
  readonly #hooks: Uint8Array;

  constructor(text: string, found: Survey, names: NameTable) {
    this.#text = text;
    this.#survey = found;
    this.#block = new Block(found.count, names);
    this.#reader = new LineReader(text, this.#block);
    this.#hooks = new Uint8Array(found.count);
    this.#graph = {
      first: Uint32Array.from(found.chains, ({ first }) => first),
      rules: Uint32Array.from(found.chains, ({ rules }) => rules),
      hook: Int32Array.from(found.chains, ({ hook }) => hook),
      to: new Int32Array(found.count).fill(-1),
    };
  }

  /** The ipsets that the rules compiled so far name. */
  get sets(): string[] {
    return this.#block.sets;
  }

  compile(): Uint32Array | undefined {
    let number = 0;
    for (const { number: table, chains } of this.#survey.tables) {
      const leading = new Map<string, Destination>();
      for (const { name, hook, first } of chains.values()) {
        // Rules can lead to user chains only.
        if (hook < 0) leading.set(name, { number, first });
        number++;
      }
      for (const chain of chains.values()) {
        compileChain(this.#block, chain.first, table, chain, chain.rules);
        for (let index = chain.first; index < chain.first + chain.rules; index++)
          if (!this.#rule(index, table, chain.hook, leading)) return undefined;
      }
    }
    return this.#allowed() ? this.#block.finish() : undefined;
  }

  #rule(index: number, table: number, hook: number, leading: ReadonlyMap<string, Destination>): boolean {
    const { starts, ends } = this.#survey;
    const [start, end] = [starts[index] ?? 0, ends[index] ?? 0];
    const reader = this.#reader;
    if (!reader.read(start, end, index, table, leading)) return this.#odd(index, start, end, table, hook, leading);
    this.#graph.to[index] = reader.to;
    this.#hooks[index] = reader.hooks;
    return (reader.tables & (1 << table)) !== 0 && !this.#wrongDevice(index, hook);
  }

  /** A rule of a form that the line reader does not know. */
  #odd(
    index: number,
    start: number,
    end: number,
    table: number,
    hook: number,
    leading: ReadonlyMap<string, Destination>,
  ): boolean {
    const rule = readWhole(this.#text.slice(start, end));
    if (!rule) return false;
    const next = jumpedTo(rule);
    const chain = next === undefined ? undefined : leading.get(next);
    if (next !== undefined && !chain) return false;
    const limits = limitsOf(rule);
    compileRule(this.#block, index, table, rule, chain?.first);
    this.#graph.to[index] = chain?.number ?? -1;
    this.#hooks[index] = limits.hooks;
    return (limits.tables & (1 << table)) !== 0 && !this.#wrongDevice(index, hook);
  }

  /** Whether a rule of a hook's chain asks for a device that packets do not have there. */
  #wrongDevice(index: number, hook: number): boolean {
    const at = this.#block.ruleOffset(index);
    if (hook === HOOK_OUTPUT || hook === HOOK_POSTROUTING) return this.#block.word(at + RULE_IN) !== 0;
    if (hook === HOOK_PREROUTING || hook === HOOK_INPUT) return this.#block.word(at + RULE_OUT) !== 0;
    return false;
  }

  /** Whether no way leads back to a chain, and every rule may stand wherever packets come to it. */
  #allowed(): boolean {
    const order = callersFirst(this.#graph);
    if (!order) return false;
    const reached = hooksTo(this.#graph, order);
    return this.#survey.chains.every(({ first, rules }, chain) => {
      const hooks = reached[chain] ?? 0;
      for (let index = first; index < first + rules; index++)
        if ((hooks & ~(this.#hooks[index] ?? 0)) !== 0) return false;
      return true;
    });
  }
}
