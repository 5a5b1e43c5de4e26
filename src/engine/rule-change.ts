// Makes a rule set of one in the kernel by restoring some chains: it has those anew and shares all others.
//
// Chains that lead to a chain which is written anew are copied, so that their jumps lead to its new place; nothing else is touched, and
// namespaces that have the old set keep it. Numbers of rules (RULE_INDEX) are given once: a chain written anew has new ones.
import {
  BLOCK_BASE,
  BLOCK_ENTRIES,
  BLOCK_HEADER,
  BLOCK_RULES,
  BLOCK_UNDERFLOWS,
  HOOK_COUNT,
  RULE_INDEX,
  RULE_NEXT_ALIKE,
  RULE_RUN,
  RULE_SIZE,
  RULE_TARGET_ARG,
} from "../../assembly/layout/rules.ts";
import type { Destination, Line } from "../iptables/line.ts";
import { isChainName } from "../iptables/quick.ts";
import { compilePolicy } from "../iptables/records.ts";
import { surveyChange, type Survey, type SurveyedChain } from "../iptables/survey.ts";
import type { Handle } from "../kernel/kernel.ts";
import { ChangeableRules, keyOf, type Chains, type Family, type Range } from "./rule-family.ts";

const WORD = 4;
const RULE_WORDS = RULE_SIZE / WORD;
/** Room for the records of a change: a rule has a target and some matches. */
const RECORD_ROOM = 4096;
const RECORD_ROOM_PER_RULE = 512;

/** What a change gives: the set, and the numbers of rules that were written as they were, whose counters begin anew: first, how many. */
export interface ChangedRules {
  rules: ChangeableRules;
  anew: Uint32Array;
}

/**
 * What `iptables-restore --noflush` of a text makes of a set. Undefined for a text that must be read by way of the model: one with
 * anything wrong or out of the ordinary in it.
 */
export function changeRules(before: ChangeableRules, text: string): ChangedRules | undefined {
  const found = before.family.broken ? undefined : surveyChange(text);
  if (!found?.chains.every(({ name, hook }) => hook >= 0 || isChainName(name))) return undefined;
  return new RuleChange(before, text, found).make();
}

/** A chain that a change writes anew: how many of its rules stay at its beginning and at its end. */
interface Rewritten {
  chain: number;
  from: SurveyedChain;
  head: number;
  tail: number;
}

class RuleChange {
  readonly #family: Family;
  readonly #before: ChangeableRules;
  readonly #text: string;
  readonly #found: Survey;
  readonly #chains: Chains;
  readonly #rewritten: Rewritten[] = [];
  readonly #anew: number[] = [];
  /** By number of a chain: it lies elsewhere in the new set. */
  readonly #moved: Uint8Array;

  constructor(before: ChangeableRules, text: string, found: Survey) {
    this.#family = before.family;
    this.#before = before;
    this.#text = text;
    this.#found = found;
    this.#chains = before.chains(found.chains.length);
    this.#moved = new Uint8Array(this.#chains.address.length);
  }

  make(): ChangedRules | undefined {
    for (const chain of this.#found.chains) if (chain.hook < 0) this.#compare(chain);
    const copied = this.#findCallers();
    const made = copied && this.#write(copied);
    if (!made) this.#family.broken = true;
    return made;
  }

  /** Holds a chain of the text against what is there. */
  #compare(from: SurveyedChain): void {
    const { numbers, names, ranges } = this.#family;
    const key = keyOf(from.table, from.name);
    const chain = numbers.get(key) ?? names.length;
    if (chain === names.length) {
      numbers.set(key, chain);
      names.push({ table: from.table, name: from.name, hook: -1, policy: undefined });
    }
    const isThere = (this.#chains.address[chain] ?? 0) !== 0;
    const old = isThere ? ranges[this.#chains.range[chain] ?? 0] : undefined;
    const most = Math.min(old?.rules ?? 0, from.rules);
    const head = old ? this.#equal(old, from, most, false) : 0;
    if (old && head === old.rules && head === from.rules && !this.#found.deleted.has(from)) {
      this.#anew.push(old.first, old.rules + 1);
      return;
    }
    const tail = old ? this.#equal(old, from, most - head, true) : 0;
    this.#rewritten.push({ chain, from, head, tail });
    this.#moved[chain] = 1;
  }

  /**
   * How many rules, `most` at most, are the same at the beginning of both chains, or at their ends. Long stretches are compared at once,
   * as they mostly stand together in both texts.
   */
  #equal(old: Range, { first, rules }: SurveyedChain, most: number, fromEnd: boolean): number {
    const same = (equal: number, more: number): boolean => {
      const was = old.offset + (fromEnd ? old.rules - equal - more : equal);
      const is = first + (fromEnd ? rules - equal - more : equal);
      const [from, to] = [old.starts[was] ?? 0, old.ends[was + more - 1] ?? 0];
      const [begin, end] = [this.#found.starts[is] ?? 0, this.#found.ends[is + more - 1] ?? 0];
      return to - from === end - begin && old.text.slice(from, to) === this.#text.slice(begin, end);
    };
    let equal = 0;
    let step = 1;
    while (equal + step <= most && same(equal, step)) {
      equal += step;
      step *= 2;
    }
    for (; step >= 1; step >>= 1) while (equal + step <= most && same(equal, step)) equal += step;
    return equal;
  }

  /** The chains, besides those written anew, that lead to one that moves. Undefined if one leads to a chain that is deleted. */
  #findCallers(): number[] | undefined {
    const { to, owner, ranges } = this.#family;
    const copied: number[] = [];
    const isNew = new Set(this.#rewritten.map(({ chain }) => chain));
    let again = this.#rewritten.length > 0;
    while (again) {
      again = false;
      for (let index = 0; index < this.#before.count; index++) {
        const next = to[index] ?? -1;
        if (next < 0 || this.#moved[next] !== 1) continue;
        const chain = owner[index] ?? 0;
        if (this.#moved[chain] === 1 || (this.#chains.address[chain] ?? 0) === 0) continue;
        const range = ranges[this.#chains.range[chain] ?? 0];
        if (!range || index < range.first || index > range.first + range.rules) continue;
        this.#moved[chain] = 1;
        copied.push(chain);
        again = true;
      }
    }
    const gone = new Set(this.#rewritten.filter(({ from }) => this.#found.deleted.has(from)).map(({ chain }) => chain));
    if (gone.size === 0) return copied;
    const leads = copied.some((chain) => {
      const { first = 0, rules = 0 } = ranges[this.#chains.range[chain] ?? 0] ?? {};
      return to.slice(first, first + rules).some((next) => gone.has(next) && !isNew.has(chain));
    });
    return leads ? undefined : copied;
  }

  /** Writes the new set to the kernel's memory. */
  #write(copied: readonly number[]): ChangedRules | undefined {
    const { kernel, base, ranges, quick, to, owner, allowed, names } = this.#family;
    const { address, range } = this.#chains;
    const gone = this.#rewritten.filter(({ from }) => this.#found.deleted.has(from));
    const written = this.#rewritten.filter(({ from }) => !this.#found.deleted.has(from));
    const lines = written.reduce((sum, { from, head, tail }) => sum + from.rules - head - tail, 0);
    const lengthOf = (chain: number): number => (ranges[range[chain] ?? 0]?.rules ?? 0) + 1;
    const count =
      written.reduce((sum, { from }) => sum + from.rules + 1, 0) +
      copied.reduce((sum, chain) => sum + lengthOf(chain), 0);
    const room = RECORD_ROOM + lines * RECORD_ROOM_PER_RULE;
    const place = kernel.calls.reserve(BLOCK_HEADER + count * RULE_SIZE + room) >>> 0;
    const rulesPlace = place + BLOCK_HEADER;
    const recordsPlace = rulesPlace + count * RULE_SIZE;
    const words = new Uint32Array((count * RULE_SIZE) / WORD);
    quick.block.extend(rulesPlace - base, words, recordsPlace - base);

    const places = new Map(copied.map((chain) => [chain, address[chain] ?? 0]));
    const old = new Map(
      written.map(({ chain }) => [chain, { at: address[chain] ?? 0, range: ranges[range[chain] ?? 0] }]),
    );
    let next = rulesPlace;
    let number = owner.length;
    for (const { chain, from } of written) {
      address[chain] = next;
      range[chain] = ranges.length;
      ranges.push({
        chain,
        first: number,
        rules: from.rules,
        text: this.#text,
        starts: this.#found.starts,
        ends: this.#found.ends,
        offset: from.first,
      });
      next += (from.rules + 1) * RULE_SIZE;
      number += from.rules + 1;
    }
    for (const chain of copied) {
      address[chain] = next;
      next += lengthOf(chain) * RULE_SIZE;
    }
    for (const { chain } of gone) address[chain] = 0;

    const leading = this.#leading();
    for (const { chain, from, head, tail } of written) {
      const was = old.get(chain);
      const wasRules = was?.range?.rules ?? 0;
      const start = ((address[chain] ?? 0) - rulesPlace) / WORD;
      this.#copy(words, start, was?.at ?? 0, head);
      this.#copy(words, start + (from.rules - tail) * RULE_WORDS, (was?.at ?? 0) + (wasRules - tail) * RULE_SIZE, tail);
      const first = ranges[range[chain] ?? 0]?.first ?? 0;
      const at = address[chain] ?? 0;
      const table = names[chain]?.table ?? 0;
      const line: Line = { text: this.#text, from: 0, end: 0, index: 0, offset: 0, table };
      for (let i = 0; i <= from.rules; i++) {
        owner.push(chain);
        to.push(-1);
        allowed.push(0);
        const offset = at + i * RULE_SIZE;
        if (i === from.rules) {
          compilePolicy(quick.block, offset - base, first + i, table, undefined);
          continue;
        }
        const kept = i < head ? i : i >= from.rules - tail ? i - from.rules + wasRules : -1;
        if (kept >= 0) {
          words[start + i * RULE_WORDS + RULE_INDEX / WORD] = first + i;
          const index = (was?.range?.first ?? 0) + kept;
          to[first + i] = to[index] ?? -1;
          allowed[first + i] = allowed[index] ?? 0;
          continue;
        }
        line.from = this.#found.starts[from.first + i] ?? 0;
        line.end = this.#found.ends[from.first + i] ?? 0;
        line.index = first + i;
        line.offset = offset - base;
        const states = quick.block.states;
        if (!quick.reader.read(line, leading(table))) return undefined;
        if (quick.block.states !== states || (quick.reader.tables & (1 << table)) === 0) return undefined;
        to[first + i] = quick.reader.to;
        allowed[first + i] = quick.reader.hooks;
      }
    }
    for (const chain of copied) {
      const start = ((address[chain] ?? 0) - rulesPlace) / WORD;
      this.#copy(words, start, places.get(chain) ?? 0, lengthOf(chain));
    }
    if (!this.#mayStand(written)) return undefined;
    // Jumps lead to where chains are now.
    for (const chain of [...copied, ...written.map((one) => one.chain)]) {
      const start = ((address[chain] ?? 0) - rulesPlace) / WORD;
      const first = ranges[range[chain] ?? 0]?.first ?? 0;
      for (let i = 0; i < lengthOf(chain); i++) {
        const target = to[first + i] ?? -1;
        if (target < 0) continue;
        if ((address[target] ?? 0) === 0) return undefined;
        words[start + i * RULE_WORDS + RULE_TARGET_ARG / WORD] = (address[target] ?? 0) - base;
      }
    }
    const records = quick.block.records;
    if (records.byteLength > room) return undefined;
    kernel.words(rulesPlace, words.length).set(words);
    kernel.words(recordsPlace, records.length).set(records);
    return this.#finish(place, [...copied, ...written.map((one) => one.chain)], lengthOf, number);
  }

  /** Copies rules as they were. The kernel makes their index anew. */
  #copy(words: Uint32Array, at: number, from: Handle, count: number): void {
    if (count === 0) return;
    words.set(this.#family.kernel.words(from, count * RULE_WORDS), at);
    for (let i = at; i < at + count * RULE_WORDS; i += RULE_WORDS) {
      words[i + RULE_RUN / WORD] = 0;
      words[i + RULE_NEXT_ALIKE / WORD] = 0;
    }
  }

  /** The user chains of a table in the new set. */
  #leading(): (table: number) => ReadonlyMap<string, Destination> {
    const { numbers, names, base } = this.#family;
    const { address } = this.#chains;
    const view = (table: number): ReadonlyMap<string, Destination> => {
      const get = (name: string): Destination | undefined => {
        const number = numbers.get(keyOf(table, name));
        const at = number === undefined ? 0 : (address[number] ?? 0);
        if (number === undefined || at === 0 || (names[number]?.hook ?? 0) >= 0) return undefined;
        return { number, offset: at - base };
      };
      return { get } as ReadonlyMap<string, Destination>;
    };
    return view;
  }

  /** Whether no way leads back to a chain that was written anew, and all rules may stand where packets come to them now. */
  #mayStand(written: readonly Rewritten[]): boolean {
    const { to, ranges, allowed } = this.#family;
    const { range, reached } = this.#chains;
    const rulesOf = (chain: number): [number, number] => {
      const { first = 0, rules = 0 } = ranges[range[chain] ?? 0] ?? {};
      return [first, first + rules];
    };
    for (const { chain, head, tail } of written) {
      const [first, end] = rulesOf(chain);
      const hooks = reached[chain] ?? 0;
      for (let index = first; index < end; index++) if ((hooks & ~(allowed[index] ?? 0)) !== 0) return false;
      const seen = new Set<number>();
      const stack: number[] = [];
      for (let index = first + head; index < end - tail; index++)
        if ((to[index] ?? -1) >= 0) stack.push(to[index] ?? 0);
      for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
        if (next === chain) return false;
        if (seen.has(next)) continue;
        seen.add(next);
        reached[next] = (reached[next] ?? 0) | hooks;
        const [from, last] = rulesOf(next);
        for (let index = from; index < last; index++) {
          if (((reached[next] ?? 0) & ~(allowed[index] ?? 0)) !== 0) return false;
          if ((to[index] ?? -1) >= 0) stack.push(to[index] ?? 0);
        }
      }
    }
    return true;
  }

  /** Gives the new set its header and has the kernel look at its rules. */
  #finish(
    place: Handle,
    chains: readonly number[],
    lengthOf: (chain: number) => number,
    count: number,
  ): ChangedRules | undefined {
    const { kernel, base, names } = this.#family;
    const { address } = this.#chains;
    const header = kernel.words(this.#before.block, BLOCK_HEADER / WORD).slice();
    header[BLOCK_BASE / WORD] = base - place;
    header[BLOCK_RULES / WORD] = count;
    for (const chain of chains) {
      const { table = 0, hook = -1 } = names[chain] ?? {};
      if (hook < 0) continue;
      const slot = table * HOOK_COUNT + hook;
      header[BLOCK_ENTRIES / WORD + slot] = (address[chain] ?? 0) - base;
      header[BLOCK_UNDERFLOWS / WORD + slot] = (address[chain] ?? 0) + (lengthOf(chain) - 1) * RULE_SIZE - base;
    }
    kernel.words(place, header.length).set(header);
    for (const chain of chains) kernel.calls.indexRules(place, address[chain] ?? 0, lengthOf(chain), 0);
    for (const { chain, from, head, tail } of this.#rewritten) {
      const first = (address[chain] ?? 0) + head * RULE_SIZE;
      const count = from.rules - head - tail;
      if (count > 0 && kernel.calls.admitRules(place, first, count) !== 0) return undefined;
    }
    const rules = new ChangeableRules(this.#family, place, count, this.#chains);
    return { rules, anew: Uint32Array.from(this.#anew) };
  }
}
