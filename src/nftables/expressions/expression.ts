// What an expression or a statement of a rule is: the word that it begins with, and how it is read. One object for each word.
import type { RuleDraft, Surroundings } from "../rule.ts";
import type { Words } from "../words.ts";

export interface Expression {
  word: string;
  /** Reads what follows the word into the rule. Throws an InputError for what is not emulated. */
  read: (words: Words, rule: RuleDraft, around: Surroundings) => void;
}
