// iptables-save text to a rule set.
import type { Family } from "./addresses.ts";
import type { RuleSet } from "./model.ts";
import { restore } from "./restore.ts";

/**
 * Reads iptables-save text, or any input of iptables-restore, into a namespace that has no rules yet.
 * `file` is for error messages. Text of ip6tables-save is of family `ipv6`. Throws an InputError with file, line and option.
 */
export function parseRules(text: string, file?: string, family: Family = "ipv4"): RuleSet {
  return restore({ tables: [] }, text, { ...(file !== undefined && { file }), family });
}
