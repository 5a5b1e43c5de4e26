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
import type { Destinations, Line } from "../iptables/line.ts";
import { asksForWrongDevice, isChainName } from "../iptables/quick.ts";
import { compilePolicy } from "../iptables/records.ts";
import { surveyChange, type Survey, type SurveyedChain } from "../iptables/survey.ts";
import type { Handle } from "../kernel/kernel.ts";
import { ChangeableRules, keyOf, type ChainList, type Family, type Range } from "./rule-family.ts";

const WORD = 4;
const RULE_WORDS = RULE_SIZE / WORD;
/** Room for the records of a change: a rule has a target and some matches. */
const RECORD_ROOM = 4096;
const RECORD_ROOM_PER_RULE = 512;
/** So much is taken at once, as changes need far less than they may. */
const RECORD_ROOM_TAKEN = 65536;

/**
 * What a change gives: the set, the numbers of rules that were written as they were, whose counters begin anew (first, how many), and
 * those of rules of built-in chains that stay, whose counters go on (old, new): nobody flushes such a chain, rules come and go in it.
 */
export interface ChangedRules {
  rules: ChangeableRules;
  anew: Uint32Array;
  kept: Uint32Array;
}

/**
 * What `iptables-restore --noflush` of a text makes of a set. Undefined for a text that must be read by way of the model: one with
 * anything wrong or out of the ordinary in it.
 */
export function changeRules(before: ChangeableRules, text: string): ChangedRules | undefined {
  const found = before.family.broken ? undefined : surveyChange(text);
  if (!found?.chains.every(({ name, hook }) => hook >= 0 || isChainName(name, before.family.quick.block.family)))
    return undefined;
  if (!found.tables.every(({ number }) => before.hasTable(number))) return undefined;
  return new RuleChange(before, text, found).make();
}

/** A chain that a change writes anew: what it was, and how many of its rules stay at its beginning and at its end. */
interface Rewritten {
  chain: number;
  from: SurveyedChain;
  /** Undefined for a chain that is new. */
  old: (Range & { at: Handle }) | undefined;
  head: number;
  tail: number;
}

/** A place that rules are written to before they go to the kernel. */
interface Space {
  words: Uint32Array;
  /** Where the words will lie. */
  at: Handle;
}

class RuleChange {
  readonly #family: Family;
  readonly #before: ChangeableRules;
  readonly #text: string;
  readonly #found: Survey;
  readonly #chains: ChainList;
  /** Numbers of chains that are not what they were. */
  readonly #touched = new Set<number>();
  /** Chains that are written anew, and those that the text deletes. */
  readonly #written: Rewritten[] = [];
  readonly #gone: number[] = [];
  readonly #anew: number[] = [];
  /** By number of a chain: it lies elsewhere in the new set. */
  readonly #moved: Uint8Array;

  constructor(before: ChangeableRules, text: string, found: Survey) {
    this.#family = before.family;
    this.#before = before;
    this.#text = text;
    this.#found = found;
    const most = before.family.names.length + found.chains.length;
    this.#chains = before.chains.list(most);
    this.#moved = new Uint8Array(most);
  }

  make(): ChangedRules | undefined {
    const { chains, flushed } = this.#found;
    for (const chain of chains) if (chain.hook < 0 || flushed.has(chain)) this.#compare(chain);
    const made = this.#write(this.#findCallers());
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
    const at = this.#chains.address[chain] ?? 0;
    const range = at === 0 ? undefined : ranges[this.#chains.range[chain] ?? 0];
    const old = range && { ...range, at };
    if (this.#found.deleted.has(from)) {
      this.#gone.push(chain);
      this.#moved[chain] = 1;
      return;
    }
    const most = Math.min(old?.rules ?? 0, from.rules);
    const head = old ? this.#equal(old, from, most, false) : 0;
    if (old && head === old.rules && head === from.rules) {
      this.#anew.push(old.first, old.rules + 1);
      return;
    }
    const tail = old ? this.#equal(old, from, most - head, true) : 0;
    this.#written.push({ chain, from, old, head, tail });
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

  /** The chains, besides those written anew, that lead to one that moves. */
  #findCallers(): number[] {
    const { to, owner, ranges } = this.#family;
    const copied: number[] = [];
    // Nothing leads to chains that are new, or built in.
    let again = this.#gone.length > 0 || this.#written.some(({ old, from }) => old && from.hook < 0);
    while (again) {
      again = false;
      for (let index = 0; index < this.#before.count; index++) {
        const next = to[index] ?? -1;
        if (next < 0 || this.#moved[next] !== 1) continue;
        const chain = owner[index] ?? 0;
        if (this.#moved[chain] === 1 || this.#chains.address[chain] === 0) continue;
        const range = ranges[this.#chains.range[chain] ?? 0];
        if (!range || index < range.first || index > range.first + range.rules) continue;
        this.#moved[chain] = 1;
        copied.push(chain);
        again = true;
      }
    }
    return copied;
  }

  /** Writes the new set to the kernel's memory. Undefined if a line is not understood, or a rule may not stand where it does. */
  #write(copied: readonly number[]): ChangedRules | undefined {
    const { kernel, base, quick } = this.#family;
    const chains = [...copied, ...this.#written.map(({ chain }) => chain)];
    const count =
      this.#written.reduce((sum, { from }) => sum + from.rules + 1, 0) +
      copied.reduce((sum, chain) => sum + this.#lengthOf(chain), 0);
    const lines = this.#written.reduce((sum, { from, head, tail }) => sum + from.rules - head - tail, 0);
    const room = RECORD_ROOM + lines * RECORD_ROOM_PER_RULE;
    const place = kernel.calls.reserve(BLOCK_HEADER + count * RULE_SIZE) >>> 0;
    const space = { words: new Uint32Array(count * RULE_WORDS), at: place + BLOCK_HEADER };
    const recordsAt = this.#roomFor(room);
    quick.block.extend(space.at - base, space.words, recordsAt - base);

    const places = copied.map((chain) => this.#addressOf(chain));
    this.#layOut(copied, space.at);
    if (!this.#written.every((one) => this.#writeAnew(one, space))) return undefined;
    copied.forEach((chain, i) => {
      this.#copy(space, this.#addressOf(chain), places[i] ?? 0, this.#lengthOf(chain));
    });
    const { records } = quick.block;
    if (!this.#mayStand() || !this.#lead(chains, space) || records.byteLength > room) return undefined;
    kernel.words(space.at, space.words.length).set(space.words);
    kernel.words(recordsAt, records.length).set(records);
    this.#take(records.byteLength);
    return this.#finish(place, chains);
  }

  /** Where so many bytes of records may lie. */
  #roomFor(bytes: number): Handle {
    const { kernel, room } = this.#family;
    if (room.bytes < bytes) {
      room.bytes = Math.max(bytes, RECORD_ROOM_TAKEN);
      room.at = kernel.calls.reserve(room.bytes) >>> 0;
    }
    return room.at;
  }

  #take(bytes: number): void {
    const { room } = this.#family;
    room.at += bytes;
    room.bytes -= bytes;
  }

  /** Where a chain lies; 0: it is not there. */
  #addressOf(chain: number): Handle {
    return this.#chains.address[chain] ?? 0;
  }

  #place(chain: number, address: Handle): void {
    this.#chains.address[chain] = address;
    this.#touched.add(chain);
  }

  /** How many rules a chain has, with its policy. */
  #lengthOf(chain: number): number {
    return (this.#family.ranges[this.#chains.range[chain] ?? 0]?.rules ?? 0) + 1;
  }

  /** The number of a chain's first rule. */
  #firstOf(chain: number): number {
    return this.#family.ranges[this.#chains.range[chain] ?? 0]?.first ?? 0;
  }

  /** Gives chains their places from `at` on, one behind the other, and those that are written anew their numbers. */
  #layOut(copied: readonly number[], at: Handle): void {
    const { ranges, owner, to, allowed } = this.#family;
    const { starts, ends } = this.#found;
    let next = at;
    for (const { chain, from } of this.#written) {
      const { rules, first: offset } = from;
      this.#place(chain, next);
      this.#chains.range[chain] = ranges.length;
      ranges.push({ chain, first: owner.length, rules, text: this.#text, starts, ends, offset });
      for (let i = 0; i <= rules; i++) {
        owner.push(chain);
        to.push(-1);
        allowed.push(0);
      }
      next += (rules + 1) * RULE_SIZE;
    }
    for (const chain of copied) {
      this.#place(chain, next);
      next += this.#lengthOf(chain) * RULE_SIZE;
    }
    for (const chain of this.#gone) this.#place(chain, 0);
  }

  /** Writes a chain: rules that stay are copied, others are read. False if one is not understood. */
  #writeAnew({ chain, from, old, head, tail }: Rewritten, space: Space): boolean {
    const { base, quick, to, allowed, names } = this.#family;
    const at = this.#addressOf(chain);
    const first = this.#firstOf(chain);
    const { table = 0, hook = -1, policy } = names[chain] ?? {};
    if (old) {
      this.#copy(space, at, old.at, head);
      this.#copy(space, at + (from.rules - tail) * RULE_SIZE, old.at + (old.rules - tail) * RULE_SIZE, tail);
    }
    const chains = this.#destinations(table);
    const line: Line = { text: this.#text, from: 0, end: 0, index: 0, offset: 0, table };
    for (let i = 0; i < from.rules; i++) {
      const index = first + i;
      const offset = at + i * RULE_SIZE;
      if (old && (i < head || i >= from.rules - tail)) {
        const was = old.first + (i < head ? i : i - from.rules + old.rules);
        space.words[(offset - space.at + RULE_INDEX) / WORD] = index;
        to[index] = to[was] ?? -1;
        allowed[index] = allowed[was] ?? 0;
        continue;
      }
      line.from = this.#found.starts[from.first + i] ?? 0;
      line.end = this.#found.ends[from.first + i] ?? 0;
      line.index = index;
      line.offset = offset - base;
      const states = quick.block.states;
      if (!quick.reader.read(line, chains)) return false;
      if (quick.block.states !== states || (quick.reader.tables & (1 << table)) === 0) return false;
      if (asksForWrongDevice(quick.block, line.offset, hook)) return false;
      to[index] = quick.reader.to;
      allowed[index] = quick.reader.hooks;
    }
    compilePolicy(quick.block, at + from.rules * RULE_SIZE - base, first + from.rules, table, policy);
    return true;
  }

  /** Has the jumps of chains lead to where chains are now. False if one leads to a chain that is gone. */
  #lead(chains: readonly number[], { words, at }: Space): boolean {
    const { to, base } = this.#family;
    for (const chain of chains) {
      const first = this.#firstOf(chain);
      const start = this.#addressOf(chain) - at;
      for (let i = 0; i < this.#lengthOf(chain); i++) {
        const target = to[first + i] ?? -1;
        if (target < 0) continue;
        const place = this.#addressOf(target);
        if (place === 0) return false;
        words[(start + i * RULE_SIZE + RULE_TARGET_ARG) / WORD] = place - base;
      }
    }
    return true;
  }

  /** Copies rules as they were to a place of the space. The kernel makes their index anew. */
  #copy({ words, at }: Space, to: Handle, from: Handle, count: number): void {
    if (count === 0) return;
    const start = (to - at) / WORD;
    words.set(this.#family.kernel.words(from, count * RULE_WORDS), start);
    for (let i = start; i < start + count * RULE_WORDS; i += RULE_WORDS) {
      words[i + RULE_RUN / WORD] = 0;
      words[i + RULE_NEXT_ALIKE / WORD] = 0;
    }
  }

  /** The user chains of a table in the new set. */
  #destinations(table: number): Destinations {
    const { numbers, names, base } = this.#family;
    const { address } = this.#chains;
    return {
      get(name) {
        const number = numbers.get(keyOf(table, name));
        const at = number === undefined ? 0 : (address[number] ?? 0);
        if (number === undefined || at === 0 || (names[number]?.hook ?? 0) >= 0) return undefined;
        return { number, offset: at - base };
      },
    };
  }

  /** Whether no way leads back to a chain that was written anew, and all rules may stand where packets come to them now. */
  #mayStand(): boolean {
    const { to, allowed } = this.#family;
    const rulesOf = (chain: number): [number, number] => {
      const first = this.#firstOf(chain);
      return [first, first + this.#lengthOf(chain) - 1];
    };
    for (const { chain, head, tail } of this.#written) {
      const [first, end] = rulesOf(chain);
      const hooks = this.#chains.reached[chain] ?? 0;
      for (let index = first; index < end; index++) if ((hooks & ~(allowed[index] ?? 0)) !== 0) return false;
      const seen = new Set<number>();
      const stack: number[] = [];
      for (let index = first + head; index < end - tail; index++)
        if ((to[index] ?? -1) >= 0) stack.push(to[index] ?? 0);
      for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
        if (next === chain) return false;
        if (seen.has(next)) continue;
        seen.add(next);
        const reached = (this.#chains.reached[next] ?? 0) | hooks;
        this.#chains.reached[next] = reached;
        this.#touched.add(next);
        const [from, last] = rulesOf(next);
        for (let index = from; index < last; index++) {
          if ((reached & ~(allowed[index] ?? 0)) !== 0) return false;
          if ((to[index] ?? -1) >= 0) stack.push(to[index] ?? 0);
        }
      }
    }
    return true;
  }

  /** Gives the new set its header and has the kernel look at its rules. */
  #finish(place: Handle, chains: readonly number[]): ChangedRules | undefined {
    const { kernel, base, names, owner } = this.#family;
    const count = owner.length;
    const header = kernel.words(this.#before.block, BLOCK_HEADER / WORD).slice();
    header[BLOCK_BASE / WORD] = base - place;
    header[BLOCK_RULES / WORD] = count;
    for (const chain of chains) {
      const { table = 0, hook = -1 } = names[chain] ?? {};
      if (hook < 0) continue;
      const slot = table * HOOK_COUNT + hook;
      header[BLOCK_ENTRIES / WORD + slot] = this.#addressOf(chain) - base;
      header[BLOCK_UNDERFLOWS / WORD + slot] = this.#addressOf(chain) + (this.#lengthOf(chain) - 1) * RULE_SIZE - base;
    }
    kernel.words(place, header.length).set(header);
    for (const chain of chains) kernel.calls.indexRules(place, this.#addressOf(chain), this.#lengthOf(chain), 0);
    for (const { chain, from, head, tail } of this.#written) {
      const first = this.#addressOf(chain) + head * RULE_SIZE;
      const lines = from.rules - head - tail;
      if (lines > 0 && kernel.calls.admitRules(place, first, lines) !== 0) return undefined;
    }
    const changed = this.#before.chains.changed(this.#chains, this.#touched);
    const rules = new ChangeableRules(this.#family, place, count, changed);
    const kept = this.#written.flatMap((one) => (one.from.hook < 0 ? [] : this.#keptOf(one)));
    return { rules, anew: Uint32Array.from(this.#anew), kept: Uint32Array.from(kept) };
  }

  /** Pairs of numbers, old and new, of the rules of a chain that stay, and of its policy. */
  #keptOf({ chain, from, old }: Rewritten): number[] {
    if (!old) return [];
    const first = this.#firstOf(chain);
    const was = new Map<string, number>();
    for (let i = old.rules - 1; i >= 0; i--)
      was.set(old.text.slice(old.starts[old.offset + i], old.ends[old.offset + i]), old.first + i);
    const pairs = [old.first + old.rules, first + from.rules];
    for (let i = 0; i < from.rules; i++) {
      const place = from.first + i;
      const number = was.get(this.#text.slice(this.#found.starts[place], this.#found.ends[place]));
      if (number !== undefined) pairs.push(number, first + i);
    }
    return pairs;
  }
}
