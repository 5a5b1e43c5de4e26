// The words of a rule, read one after the other: what stands between blanks, quotes and braces apart.
import { InputError, type Place } from "../errors.ts";

export class Words {
  readonly #words: readonly string[];
  readonly #place: Place;
  #at = 0;

  constructor(text: string, place: Place) {
    this.#words = text.match(/"[^"]*"|\S+/g) ?? [];
    this.#place = place;
  }

  get done(): boolean {
    return this.#at >= this.#words.length;
  }

  /** The next word, without going on. */
  get peek(): string {
    return this.#words[this.#at] ?? "";
  }

  /** The next word, without quotes. */
  next(): string {
    const word = this.#words[this.#at++];
    if (word === undefined) this.fail("its end");
    return word.replaceAll('"', "");
  }

  /** Goes on over these words, if they come next. */
  take(...words: string[]): boolean {
    if (words.some((word, i) => this.#words[this.#at + i] !== word)) return false;
    this.#at += words.length;
    return true;
  }

  /** As take; throws an InputError if others come. */
  need(...words: string[]): void {
    for (const word of words) if (!this.take(word)) this.fail(this.done ? "its end" : `"${this.peek}"`);
  }

  /** What stands between braces, parted by commas. */
  braces(): string[] {
    this.need("{");
    const texts: string[] = [];
    let words: string[] = [];
    for (let word = this.next(); word !== "}"; word = this.next()) {
      words.push(word.replace(/,$/, ""));
      if (word.endsWith(",")) {
        texts.push(words.join(" "));
        words = [];
      }
    }
    return [...texts, words.join(" ")];
  }

  /** Throws an InputError about what is not understood. */
  fail(what: string): never {
    throw new InputError(this.#place, `in "${this.#words.join(" ")}", ${what} is not emulated yet`);
  }
}
