// `ct state`: what connection tracking says of the packet.
import {
  MATCH_CT_ESTABLISHED,
  MATCH_CT_INVALID,
  MATCH_CT_NEW,
  MATCH_CT_RELATED,
  MATCH_CT_UNTRACKED,
  MATCH_KIND_CT_STATE,
} from "../../../assembly/layout/rules.ts";
import type { Expression } from "./expression.ts";

const STATES: Readonly<Record<string, number>> = {
  invalid: MATCH_CT_INVALID,
  established: MATCH_CT_ESTABLISHED,
  related: MATCH_CT_RELATED,
  new: MATCH_CT_NEW,
  untracked: MATCH_CT_UNTRACKED,
};

export const ct: Expression = {
  word: "ct",
  read(words, rule) {
    if (!words.take("state")) words.fail(`ct ${words.peek}`);
    const names = words.next();
    const bits = names.split(",").reduce((sum, name) => sum | (STATES[name] ?? words.fail(`the state ${name}`)), 0);
    const record = { kind: MATCH_KIND_CT_STATE, flags: 0, args: [bits] };
    rule.conditions.push({ record, text: `ct state ${names}` });
  },
};
