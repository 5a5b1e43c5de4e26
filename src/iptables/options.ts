// The options that a rule gives to one match or target, and how each complaint about them reads.
import { InputError, type Place } from "../errors.ts";
import { not, parseMasked, parseNumber, parseRange, type Range } from "./values.ts";

/** An option that a match or target knows. */
export interface OptionSpec {
  /** Without the dashes: `dport`. */
  name: string;
  aliases?: readonly string[];
  /** How many words follow; 1 if left out. */
  words?: 0 | 1 | 2;
  /** Whether `!` may stand before it. */
  invertible?: boolean;
}

export interface GivenOption {
  inverted: boolean;
  words: string[];
}

/** The options given to one match or target. Every failed reading throws an InputError that names the option. */
export class Options {
  readonly #title: string;
  readonly #place: Place;
  readonly #spell: (name: string) => string;
  readonly #given = new Map<string, GivenOption>();

  /** `title` is how the rule names the match or target: `-m tcp`. `spell` is how messages name an option. */
  constructor(title: string, place: Place, spell = (name: string) => `--${name}`) {
    this.#title = title;
    this.#place = place;
    this.#spell = spell;
  }

  add(name: string, option: GivenOption): void {
    if (this.#given.has(name)) this.fail(name, `${this.#spell(name)} is given twice; once is right`);
    this.#given.set(name, option);
  }

  /** Throws an InputError whose field is the option. */
  fail(name: string, sentence: string): never {
    throw new InputError({ ...this.#place, field: this.#spell(name) }, sentence);
  }

  /** Throws an InputError about the match or target as a whole. */
  failWhole(sentence: string): never {
    throw new InputError({ ...this.#place, field: this.#title }, sentence);
  }

  has(name: string): boolean {
    return this.#given.has(name);
  }

  inverted(name: string): boolean {
    return this.#given.get(name)?.inverted ?? false;
  }

  /** The words after the option; undefined if it was not given. */
  words(name: string): string[] | undefined {
    return this.#given.get(name)?.words;
  }

  word(name: string): string | undefined {
    return this.#given.get(name)?.words[0];
  }

  /** The one option of `names` that was given; more than one is an error, none is one if `needed`. */
  oneOf(names: readonly string[], needed: true): string;
  oneOf(names: readonly string[], needed: false): string | undefined;
  oneOf(names: readonly string[], needed: boolean): string | undefined {
    const [first, second] = names.filter((name) => this.#given.has(name));
    if (first !== undefined && second !== undefined)
      this.fail(second, `--${second} cannot stand together with --${first}`);
    if (first === undefined && needed) this.failWhole(`${this.#title} needs ${list(names)}`);
    return first;
  }

  /** At least one of `names` must be given. */
  needAny(names: readonly string[]): void {
    if (!names.some((name) => this.#given.has(name))) this.failWhole(`${this.#title} needs ${list(names)}`);
  }

  /** Reads the option's word with `read`; if that gives undefined, the message says that `what` was expected. */
  read<T>(name: string, what: string, read: (word: string) => T | undefined): T | undefined {
    const word = this.word(name);
    if (word === undefined) return undefined;
    return read(word) ?? this.fail(name, `"${word}" is not ${what}`);
  }

  /** As read, for an option that must be given. */
  need<T>(name: string, what: string, read: (word: string) => T | undefined): T {
    return this.read(name, what, read) ?? this.failWhole(`${this.#title} needs --${name}`);
  }

  number(name: string, max = 0xffffffff, min = 0): number | undefined {
    return this.read(name, `a number from ${min} to ${max}`, (word) => {
      const value = parseNumber(word, max);
      return value !== undefined && value >= min ? value : undefined;
    });
  }

  /** `5`, `5:7`, `5:` or `:7`, with whether it is inverted. */
  range(name: string, max: number, what: string): InvertibleRange | undefined {
    const range = this.read(name, what, (word) => parseRange(word, max));
    return range && { ...range, inverted: this.inverted(name) };
  }

  /** A port or a range of ports that does not run backwards. */
  ports(name: string): InvertibleRange | undefined {
    const range = this.range(name, 65535, "a port or a range of ports from 0 to 65535");
    if (range && range.min > range.max)
      this.fail(name, `the port range ${range.min}:${range.max} runs backwards; the smaller port comes first`);
    return range;
  }

  /** `0x1/0xff`; without a mask all bits count. */
  masked(name: string, max = 0xffffffff): { value: number; mask: number } | undefined {
    const masked = this.read(name, `a number, or number/mask, up to 0x${max.toString(16)}`, (word) =>
      parseMasked(word, max),
    );
    return masked && { value: masked.value, mask: masked.mask ?? max };
  }
}

/** `--a`, `--a or --b`, `one of --a, --b, --c`. */
function list(names: readonly string[]): string {
  const options = names.map((name) => `--${name}`);
  return options.length < 3 ? options.join(" or ") : `one of ${options.join(", ")}`;
}

export interface InvertibleRange extends Range {
  inverted: boolean;
}

/** ` ! --dport 5:7`, or nothing if there is no range. */
export function printRange(option: string, range: InvertibleRange | undefined): string {
  if (!range) return "";
  const text = range.min === range.max ? `${range.min}` : `${range.min}:${range.max}`;
  return ` ${not(range.inverted)}--${option} ${text}`;
}
