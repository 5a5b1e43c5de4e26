// How the chains of a table lead to each other.
import { HOOK_NAMES, type Rule, type Table } from "./model.ts";
import type { ChainGraph } from "./reach.ts";

/** The chain that a rule jumps or goes to. */
export function jumpedTo(rule: Rule): string | undefined {
  const target = rule.target;
  return target?.kind === "jump" || target?.kind === "goto" ? target.chain : undefined;
}

/** The chains of a table as numbers, and its rules one behind the other. Jumps to chains that are not there are none. */
export function graphOf({ chains }: Table): ChainGraph {
  const numbers = new Map(chains.map(({ name }, number) => [name, number]));
  const first = new Uint32Array(chains.length);
  let next = 0;
  chains.forEach(({ rules }, number) => {
    first[number] = next;
    next += rules.length;
  });
  return {
    first,
    rules: Uint32Array.from(chains, ({ rules }) => rules.length),
    hook: Int32Array.from(chains, ({ name }) => HOOK_NAMES.findIndex((hook) => hook === name)),
    to: Int32Array.from(
      chains.flatMap(({ rules }) => rules),
      (rule) => numbers.get(jumpedTo(rule) ?? "") ?? -1,
    ),
  };
}
