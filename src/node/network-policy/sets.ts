// The ipsets of a node's policies in the making, and their `ipset save` text. A set is of one family, and no two have one name.
import type { Family } from "../../kubernetes/families.ts";
import { chainHash } from "../kube-proxy/names.ts";

/** What ipset takes without being told more. */
const USUAL_SIZE = 65536;

type SetType = "hash:ip" | "hash:net" | "hash:ip,port";

export class PolicySets {
  readonly #family: Family;
  readonly #sets = new Map<string, { type: SetType; elements: string[] }>();

  constructor(family: Family) {
    this.#family = family;
  }

  /** The name of the set with these elements; those that mean the same thing have one name. `what` tells it from others. */
  add(type: SetType, what: string, elements: readonly string[]): string {
    const name = `NETPOL-${chainHash(`${type} ${what}${this.#family === "IPv6" ? " inet6" : ""}`)}`;
    if (!this.#sets.has(name)) this.#sets.set(name, { type, elements: [...new Set(elements)] });
    return name;
  }

  print(): string {
    const lines = [...this.#sets].flatMap(([name, { type, elements }]) => {
      const size = Math.max(USUAL_SIZE, elements.length);
      return [
        `create ${name} ${type} family ${this.#family === "IPv6" ? "inet6" : "inet"} hashsize 1024 maxelem ${size}`,
        ...elements.map((element) => `add ${name} ${element}`),
      ];
    });
    return lines.length > 0 ? `${lines.join("\n")}\n` : "";
  }
}
