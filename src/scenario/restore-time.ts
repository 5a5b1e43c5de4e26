// How long iptables-restore takes for a sync of kube-proxy, by the rules that it reads and those that the tables have (docs/saturation.md).
import { countRules, type RulesText } from "../iptables/rules-text.ts";
import type { RestoreCosts } from "../seam/processor.ts";

export class RestoreTimes {
  readonly #costs: RestoreCosts;
  /** Texts that many nodes share are counted once. */
  readonly #counted = new Map<string, number>();

  constructor(costs: RestoreCosts) {
    this.#costs = costs;
  }

  /** Nanoseconds until tables that are `rules` afterwards have taken `restored`. */
  of(restored: string, rules: RulesText): number {
    const { restore, restoreRule, restoreLine } = this.#costs;
    // Chains that a node has otherwise than the others count twice; they are few.
    const there = typeof rules === "string" ? this.#count(rules) : this.#count(rules.common) + countRules(rules.own);
    return Math.round(restore + restoreRule * there + restoreLine * countRules(restored));
  }

  #count(text: string): number {
    const count = this.#counted.get(text) ?? countRules(text);
    this.#counted.set(text, count);
    return count;
  }
}
