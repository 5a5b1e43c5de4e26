// `numgen random mod N vmap { 0 : goto a, 1 : goto b }`: a verdict by chance.
import { MATCH_KIND_NUMGEN, TARGET_CONTINUE, TARGET_VERDICT } from "../../../assembly/layout/rules.ts";
import type { Expression } from "./expression.ts";

export const numgen: Expression = {
  word: "numgen",
  read(words, rule, around) {
    words.need("random", "mod");
    const modulus = Number(words.next());
    words.need("vmap");
    if (!Number.isInteger(modulus) || modulus < 1) words.fail("that modulus");
    const list = new Array<number>(2 * modulus).fill(TARGET_CONTINUE);
    for (const element of words.braces()) {
      const [place = "", text = ""] = element.split(" : ");
      const verdict = around.verdict(text) ?? words.fail(`"${text}"`);
      list[2 * Number(place)] = verdict.code;
      list[2 * Number(place) + 1] = verdict.chain;
    }
    const record = { kind: MATCH_KIND_NUMGEN, flags: 0, args: [modulus, around.data(list)] };
    rule.conditions.push({ record, text: `numgen random mod ${modulus}` });
    rule.action = { target: TARGET_VERDICT };
  },
};
