// What the kernel refuses when a table is committed: jumps to nowhere, loops, matches and targets in the wrong table or hook.
import { InputError, type Place } from "../errors.ts";
import { graphOf, jumpedTo } from "./graph.ts";
import { findMatch } from "./matches/table.ts";
import { HOOK_NAMES, type Chain, type HookName, type Rule, type Table } from "./model.ts";
import { callersFirst, hooksTo } from "./reach.ts";
import { findTarget } from "./targets/table.ts";

/** Throws an InputError for the first rule that the kernel would refuse. `place` says where a rule was read. */
export function checkTable(table: Table, place: (rule: Rule) => Place): void {
  const chains = new Map(table.chains.map((chain) => [chain.name, chain]));
  for (const chain of table.chains) for (const rule of chain.rules) checkJump(table, chains, rule, place);
  const graph = graphOf(table);
  const calls = callersFirst(graph);
  if ("loop" in calls) {
    const chain = table.chains[calls.loop.chain];
    const rule = chain?.rules[calls.loop.rule - (graph.first[calls.loop.chain] ?? 0)];
    if (!chain || !rule) throw new TypeError("a loop of no chain");
    throw new InputError(
      { ...place(rule), field: "-j" },
      `the jump from chain "${chain.name}" to "${jumpedTo(rule) ?? ""}" closes a loop; a packet may not come to a chain twice`,
    );
  }
  const reached = hooksTo(graph, calls.order);
  table.chains.forEach((chain, number) => {
    for (const rule of chain.rules) checkExtensions(table, reached[number] ?? 0, rule, place);
  });
}

function checkJump(table: Table, chains: ReadonlyMap<string, Chain>, rule: Rule, place: (rule: Rule) => Place): void {
  const name = jumpedTo(rule);
  if (name === undefined) return;
  const field = rule.target?.kind === "goto" ? "-g" : "-j";
  const chain = chains.get(name);
  if (!chain)
    throw new InputError(
      { ...place(rule), field },
      `"${name}" is neither a chain of table ${table.name} nor a supported target`,
    );
  if (chain.policy !== undefined)
    throw new InputError(
      { ...place(rule), field },
      `"${name}" is a built-in chain; rules can jump to user chains only`,
    );
}

/** `hooks`: those from which packets come to the rule, as bits 1 << HOOK_*. */
function checkExtensions(table: Table, hooks: number, rule: Rule, place: (rule: Rule) => Place): void {
  for (const match of rule.matches) {
    const extension = findMatch(match.kind);
    check(`match "${match.kind}"`, "-m", extension?.tables, extension?.hooks?.(match));
  }
  const target = rule.target;
  if (!target || target.kind === "jump" || target.kind === "goto") return;
  const extension = findTarget(target.kind);
  check(`target "${target.kind}"`, "-j", extension?.tables, extension?.hooks?.(target));

  function check(
    what: string,
    field: string,
    tables: readonly string[] | undefined,
    allowed: readonly HookName[] | undefined,
  ): void {
    if (tables && !tables.includes(table.name))
      throw new InputError(
        { ...place(rule), field },
        `${what} is not allowed in table ${table.name}, only in ${tables.join(", ")}`,
      );
    const refused =
      allowed && HOOK_NAMES.findLast((hook, number) => (hooks & (1 << number)) !== 0 && !allowed.includes(hook));
    if (refused)
      throw new InputError(
        { ...place(rule), field },
        `${what} is not allowed in ${refused} or in a chain reached from it, only in ${allowed.join(", ")}`,
      );
  }
}
