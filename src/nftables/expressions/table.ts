// The expressions and statements that podwire knows, by the word that they begin with. A new one gets an object in a file beside this.
import { RuleDraft, type Surroundings } from "../rule.ts";
import type { Words } from "../words.ts";
import { ct } from "./ct.ts";
import { devices } from "./device.ts";
import type { Expression } from "./expression.ts";
import { fib } from "./fib.ts";
import { ip, ip6 } from "./ip.ts";
import { meta } from "./meta.ts";
import { numgen } from "./numgen.ts";
import { statements } from "./statements.ts";

const ALL: readonly Expression[] = [ct, ...devices, fib, ip, ip6, meta, numgen, ...statements];
const BY_WORD = new Map(ALL.map((expression) => [expression.word, expression]));

/** Reads a rule. Throws an InputError for what is not emulated, a second action among it. */
export function readRule(words: Words, around: Surroundings): RuleDraft {
  const rule = new RuleDraft();
  while (!words.done) {
    const word = words.next();
    const expression = BY_WORD.get(word) ?? words.fail(`"${word}"`);
    if (rule.action && word !== "comment") words.fail(`"${word}" behind a statement`);
    expression.read(words, rule, around);
  }
  return rule;
}
