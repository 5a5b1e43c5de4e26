// Where the kernel allows a rule: the tables and hooks of its matches and its target, as bits.
import { findMatch } from "./matches/table.ts";
import { HOOK_NAMES, TABLE_NAMES, type HookName, type Rule, type TableName } from "./model.ts";
import { findTarget } from "./targets/table.ts";

export interface Limits {
  /** 1 << TABLE_*. */
  tables: number;
  /** 1 << HOOK_*. */
  hooks: number;
}

export const ALL_TABLES = (1 << TABLE_NAMES.length) - 1;
export const ALL_HOOKS = (1 << HOOK_NAMES.length) - 1;

/** What all parts of a rule allow. */
export function limitsOf(rule: Rule): Limits {
  const limits = { tables: ALL_TABLES, hooks: ALL_HOOKS };
  const narrow = (tables?: readonly TableName[], hooks?: readonly HookName[]): void => {
    if (tables) limits.tables &= bits(TABLE_NAMES, tables);
    if (hooks) limits.hooks &= bits(HOOK_NAMES, hooks);
  };
  for (const match of rule.matches) {
    const extension = findMatch(match.kind);
    narrow(extension?.tables, extension?.hooks?.(match));
  }
  const { target } = rule;
  if (target && target.kind !== "jump" && target.kind !== "goto") {
    const extension = findTarget(target.kind);
    narrow(extension?.tables, extension?.hooks?.(target));
  }
  return limits;
}

function bits<T>(all: readonly T[], some: readonly T[]): number {
  return some.reduce((sum, one) => sum | (1 << all.indexOf(one)), 0);
}
