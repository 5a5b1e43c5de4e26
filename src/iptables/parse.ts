// iptables-save text to a rule set.
import type { RuleSet } from "./model.ts";
import { restore } from "./restore.ts";

/**
 * Reads iptables-save text, or any input of iptables-restore, into a namespace that has no rules yet.
 * `file` is for error messages. Throws an InputError with file, line and option.
 */
export function parseRules(text: string, file?: string): RuleSet {
  return restore({ tables: [] }, text, file === undefined ? {} : { file });
}
