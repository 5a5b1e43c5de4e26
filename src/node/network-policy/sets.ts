// The ipsets of a node's policies in the making, and their `ipset save` text.
import { chainHash } from "../kube-proxy/names.ts";

/** What ipset takes without being told more. */
const USUAL_SIZE = 65536;

type SetType = "hash:ip" | "hash:net" | "hash:ip,port";

export class PolicySets {
  readonly #sets = new Map<string, { type: SetType; elements: string[] }>();

  /** The name of the set with these elements; those that mean the same thing have one name. `what` tells it from others. */
  add(type: SetType, what: string, elements: readonly string[]): string {
    const name = `NETPOL-${chainHash(`${type} ${what}`)}`;
    if (!this.#sets.has(name)) this.#sets.set(name, { type, elements: [...new Set(elements)] });
    return name;
  }

  print(): string {
    const lines = [...this.#sets].flatMap(([name, { type, elements }]) => {
      const size = Math.max(USUAL_SIZE, elements.length);
      return [
        `create ${name} ${type} family inet hashsize 1024 maxelem ${size}`,
        ...elements.map((element) => `add ${name} ${element}`),
      ];
    });
    return lines.length > 0 ? `${lines.join("\n")}\n` : "";
  }
}
