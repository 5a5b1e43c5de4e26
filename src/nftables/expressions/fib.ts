// `fib saddr type local`, `fib daddr type local`: whether the routing table says that an address is the host's own.
import { ROUTE_LOCAL } from "../../../assembly/layout/codes.ts";
import { MATCH_KIND_ADDRTYPE } from "../../../assembly/layout/rules.ts";
import type { Expression } from "./expression.ts";

export const fib: Expression = {
  word: "fib",
  read(words, rule) {
    const field = words.next();
    if (field !== "saddr" && field !== "daddr") words.fail(`fib ${field}`);
    words.need("type", "local");
    const bits = 1 << ROUTE_LOCAL;
    const args = field === "saddr" ? [bits, 0] : [0, bits];
    rule.conditions.push({ record: { kind: MATCH_KIND_ADDRTYPE, flags: 0, args }, text: `fib ${field} type local` });
  },
};
