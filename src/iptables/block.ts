// Lays out a compiled block: rules of a known number first, then records of any length, equal ones once, then states.
import {
  BLOCK_HEADER,
  BLOCK_MAPS,
  BLOCK_RULES,
  BLOCK_SIZE,
  BLOCK_STATES,
  BLOCK_STATE_VALUES,
  BLOCK_TABLES,
  MATCH_SIZE,
  RULE_SIZE,
  STATE_SIZE,
  TARGET_SIZE,
} from "../../assembly/layout/rules.ts";
import type { Address, Family } from "./addresses.ts";
import type { BlockBuilder, MatchRecord, NameKind } from "./extension.ts";
import { interfaceWords, passesEvery } from "./interface.ts";
import type { InterfaceTest } from "./model.ts";
import type { NameTable } from "./names.ts";

const WORD = 4;
// Records begin at multiples of half a cache line, the size of a match or target record.
const ALIGNMENT = 8;

/** Offsets are bytes; words are unsigned. */
export class Block implements BlockBuilder {
  readonly family: Family;
  readonly #names: NameTable;
  readonly #ruleCount: number;
  // What is being written: header and rules, later the rules of a change, and records; with their offsets.
  #rules: Uint32Array;
  #rulesAt = 0;
  #records: number[] = [];
  #recordsAt: number;
  readonly #offsets = new Map<string, number>();
  readonly #shared = new Map<string, number>();
  readonly #states: number[] = [];
  readonly #sets = new Set<string>();
  readonly #maps = new Set<number>();

  constructor(ruleCount: number, names: NameTable, family: Family = "ipv4") {
    this.family = family;
    this.#ruleCount = ruleCount;
    this.#names = names;
    this.#rules = new Uint32Array((BLOCK_HEADER + ruleCount * RULE_SIZE) / WORD);
    this.#recordsAt = this.#rules.byteLength;
  }

  /** The ipsets that were named. */
  get sets(): string[] {
    return [...this.#sets];
  }

  /** How many states there are. */
  get states(): number {
    return this.#states.length / (STATE_SIZE / WORD);
  }

  /** Sets a word of the header or of a rule. */
  set(offset: number, value: number): void {
    this.#rules[(offset - this.#rulesAt) / WORD] = value;
  }

  /** A word of the header or of a rule. */
  word(offset: number): number {
    return this.#rules[(offset - this.#rulesAt) / WORD] ?? 0;
  }

  /** Notes that there is a table (TABLE_*). */
  setTable(table: number): void {
    this.set(BLOCK_TABLES, this.word(BLOCK_TABLES) | (1 << table));
  }

  /** The offset of the rule at an index. */
  ruleOffset(index: number): number {
    return BLOCK_HEADER + index * RULE_SIZE;
  }

  /** The offset of the records, one after the other; 0 if there are none. */
  matches(records: readonly MatchRecord[]): number {
    if (records.length === 0) return 0;
    return this.data(records.flatMap(({ kind, flags, args }) => padded([kind, flags, ...args], MATCH_SIZE)));
  }

  target(args: readonly number[]): number {
    return this.data(padded(args, TARGET_SIZE));
  }

  interface(test: InterfaceTest): number {
    return passesEvery(test) ? 0 : this.data(interfaceWords(test.name));
  }

  data(words: readonly number[]): number {
    const key = words.join();
    const known = this.#offsets.get(key);
    if (known !== undefined) return known;
    const offset = this.#recordsAt + this.#records.length * WORD;
    for (const word of words) this.#records.push(word);
    while (this.#records.length % ALIGNMENT !== 0) this.#records.push(0);
    this.#offsets.set(key, offset);
    return offset;
  }

  shared(key: string, words: readonly number[]): number {
    const offset = this.#shared.get(key) ?? this.data(words);
    this.#shared.set(key, offset);
    return offset;
  }

  /** The offset of a set or map; MAP_* in assembly/layout/rules.ts. */
  map(words: readonly number[]): number {
    const offset = this.data(words);
    this.#maps.add(offset);
    return offset;
  }

  state(values: readonly number[]): number {
    this.#states.push(...padded(values, STATE_SIZE));
    return this.states - 1;
  }

  address(address: Address): number {
    return typeof address === "number" ? address : this.#names.addressNumber(address);
  }

  name(kind: NameKind, name: string): number {
    if (kind === "set") this.#sets.add(name);
    return this.#names.intern(kind, name);
  }

  /**
   * Goes on elsewhere, once the block is finished: rules are written to `words`, which lie at the offset `rulesAt`, new records to
   * `recordsAt`. Records that the block has already are used again.
   */
  extend(rulesAt: number, words: Uint32Array, recordsAt: number): void {
    this.#rules = words;
    this.#rulesAt = rulesAt;
    this.#records = [];
    this.#recordsAt = recordsAt;
  }

  /** The records that were added since `extend`. */
  get records(): Uint32Array {
    return Uint32Array.from(this.#records);
  }

  /** The whole block, with the header's sizes filled in. */
  finish(): Uint32Array {
    if (this.#maps.size > 0) this.set(BLOCK_MAPS, this.data([this.#maps.size, ...this.#maps]));
    const states = this.#rules.byteLength + this.#records.length * WORD;
    const size = states + this.#states.length * WORD;
    this.set(BLOCK_SIZE, size);
    this.set(BLOCK_RULES, this.#ruleCount);
    this.set(BLOCK_STATES, this.states);
    this.set(BLOCK_STATE_VALUES, states);
    const words = new Uint32Array(size / WORD);
    words.set(this.#rules);
    words.set(this.#records, this.#rules.length);
    words.set(this.#states, states / WORD);
    return words;
  }
}

function padded(words: readonly number[], size: number): number[] {
  if (words.length > size / WORD) throw new RangeError(`a record of ${size} bytes cannot hold ${words.length} words`);
  const record = words.slice();
  while (record.length < size / WORD) record.push(0);
  return record;
}
