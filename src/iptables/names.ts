// Names that rules speak of, as small numbers; one table serves a whole run, so that equal rule sets compile to equal blocks.
import type { NameKind } from "./extension.ts";

/** The number that stands for an address of IPv6 in the kernel. */
export type AddressNumber = (address: bigint) => number;

export class NameTable {
  /** Compiling rules of IPv6 needs it. */
  readonly addressNumber: AddressNumber;
  readonly #numbers: Record<NameKind, Map<string, number>> = {
    recent: new Map(),
    set: new Map(),
    hashlimit: new Map(),
  };

  constructor(addressNumber: AddressNumber = noNumber) {
    this.addressNumber = addressNumber;
  }

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

function noNumber(): never {
  throw new TypeError("addresses of IPv6 have no numbers here");
}
