// iptables-save -c of texts whose rules were counted: as parsing and printing would have it, but each rule is read once, whatever the number of texts with it.
import type { Family } from "./addresses.ts";
import { TABLE_NAMES, type Counters } from "./model.ts";
import { PRINT_ORDER, printCounters, printRule } from "./print.ts";
import { readWhole } from "./rule.ts";
import type { Survey, SurveyedChain } from "./survey.ts";

const NOTHING: Counters = { packets: 0, bytes: 0 };

export class SavedRules {
  /** What follows `-A CHAIN`, as it is written and as it is printed. */
  readonly #printed = new Map<string, string>();
  readonly #family: Family;

  constructor(family: Family = "ipv4") {
    this.#family = family;
  }

  /**
   * The text with these counters, by the survey's numbers of rules and policies; all others are zero. Undefined if a rule is not to be
   * read alone: the caller then takes the way by the model.
   */
  print(text: string, { tables, starts, ends }: Survey, counted: ReadonlyMap<number, Counters>): string | undefined {
    let saved = "";
    for (const name of PRINT_ORDER) {
      const table = tables.find(({ number }) => TABLE_NAMES[number] === name);
      if (!table) continue;
      const chains = inOrder([...table.chains.values()]);
      saved += `*${name}\n`;
      for (const { name: chain, policy = "-", first, rules } of chains)
        saved += `:${chain} ${policy} ${printCounters(counted.get(first + rules) ?? NOTHING)}\n`;
      for (const { name: chain, first, rules } of chains)
        for (let index = first; index < first + rules; index++) {
          const printed = this.rule(text.slice(starts[index], ends[index]));
          if (printed === undefined) return undefined;
          saved += `${printCounters(counted.get(index) ?? NOTHING)} -A ${chain}${printed}\n`;
        }
      saved += "COMMIT\n";
    }
    return saved;
  }

  /** What follows `-A CHAIN` as iptables-save prints it, with a leading blank; undefined if it is not one rule. */
  rule(written: string): string | undefined {
    const known = this.#printed.get(written);
    if (known !== undefined) return known;
    const rule = readWhole(written, this.#family);
    if (!rule) return undefined;
    const printed = printRule("", rule).slice("-A ".length);
    this.#printed.set(written, printed);
    return printed;
  }
}

/** Built-in chains in hook order, then those of users by name. */
function inOrder(chains: readonly SurveyedChain[]): SurveyedChain[] {
  const builtIn = chains.filter(({ hook }) => hook >= 0);
  const user = chains.filter(({ hook }) => hook < 0);
  return [...builtIn, ...user.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))];
}
