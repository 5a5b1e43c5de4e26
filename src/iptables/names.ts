// Names that rules speak of, as small numbers; one table serves a whole run, so that equal rule sets compile to equal blocks.
import type { NameKind } from "./extension.ts";

export class NameTable {
  readonly #numbers: Record<NameKind, Map<string, number>> = {
    recent: new Map(),
    set: new Map(),
    hashlimit: new Map(),
  };

  /** The number of a name, from 0 in the order in which the names first come, for each kind of its own. */
  intern(kind: NameKind, name: string): number {
    const numbers = this.#numbers[kind];
    const known = numbers.get(name);
    if (known !== undefined) return known;
    numbers.set(name, numbers.size);
    return numbers.size - 1;
  }

  /** All names of a kind; the index is the number. */
  names(kind: NameKind): string[] {
    return [...this.#numbers[kind].keys()];
  }
}
