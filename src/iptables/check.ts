// What the kernel refuses when a table is committed: jumps to nowhere, loops, matches and targets in the wrong table or hook.
import { InputError, type Place } from "../errors.ts";
import { jumpedTo, jumpOrder } from "./graph.ts";
import { findMatch } from "./matches/table.ts";
import { HOOK_NAMES, type Chain, type HookName, type Rule, type Table } from "./model.ts";
import { findTarget } from "./targets/table.ts";

/** Throws an InputError for the first rule that the kernel would refuse. `place` says where a rule was read. */
export function checkTable(table: Table, place: (rule: Rule) => Place): void {
  const chains = new Map(table.chains.map((chain) => [chain.name, chain]));
  for (const chain of table.chains) for (const rule of chain.rules) checkJump(table, chains, rule, place);
  const result = jumpOrder(table);
  if ("loop" in result) {
    const { chain, rule } = result.loop;
    throw new InputError(
      { ...place(rule), field: "-j" },
      `the jump from chain "${chain.name}" to "${jumpedTo(rule) ?? ""}" closes a loop; a packet may not come to a chain twice`,
    );
  }
  const reached = hooksOfChains(result.order, chains);
  for (const chain of table.chains)
    for (const rule of chain.rules) checkExtensions(table, reached.get(chain) ?? NO_HOOKS, rule, place);
}

const NO_HOOKS: ReadonlySet<HookName> = new Set();

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

/** From which hooks a packet can come to each chain. `order` has callers first. */
function hooksOfChains(
  order: readonly Chain[],
  chains: ReadonlyMap<string, Chain>,
): ReadonlyMap<Chain, ReadonlySet<HookName>> {
  const reached = new Map(order.map((chain) => [chain, new Set(HOOK_NAMES.filter((hook) => hook === chain.name))]));
  for (const chain of order) {
    const hooks = reached.get(chain) ?? NO_HOOKS;
    for (const rule of chain.rules) {
      const next = chains.get(jumpedTo(rule) ?? "");
      const nextHooks = next && reached.get(next);
      if (nextHooks) for (const hook of hooks) nextHooks.add(hook);
    }
  }
  return reached;
}

function checkExtensions(table: Table, hooks: ReadonlySet<HookName>, rule: Rule, place: (rule: Rule) => Place): void {
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
    const refused = allowed && [...hooks].find((hook) => !allowed.includes(hook));
    if (refused)
      throw new InputError(
        { ...place(rule), field },
        `${what} is not allowed in ${refused} or in a chain reached from it, only in ${allowed.join(", ")}`,
      );
  }
}
