// -m state: the older spelling of -m conntrack --ctstate.
import {
  MATCH_CT_DNAT,
  MATCH_CT_ESTABLISHED,
  MATCH_CT_INVALID,
  MATCH_CT_NEW,
  MATCH_CT_RELATED,
  MATCH_CT_SNAT,
  MATCH_CT_UNTRACKED,
  MATCH_INVERT,
  MATCH_KIND_CT_STATE,
} from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { formatBits, not, parseBits, type Bit } from "../values.ts";

export interface StateMatch {
  kind: "state";
  /** MATCH_CT_INVALID and its kin. */
  bits: number;
  inverted: boolean;
}

const STATES: readonly Bit[] = [
  ["INVALID", MATCH_CT_INVALID],
  ["NEW", MATCH_CT_NEW],
  ["RELATED", MATCH_CT_RELATED],
  ["ESTABLISHED", MATCH_CT_ESTABLISHED],
  ["UNTRACKED", MATCH_CT_UNTRACKED],
];

/** The states that `--ctstate` knows, in the order in which they are printed. */
export const CT_STATES: readonly Bit[] = [...STATES, ["SNAT", MATCH_CT_SNAT], ["DNAT", MATCH_CT_DNAT]];

export const state: MatchExtension<StateMatch> = {
  name: "state",
  options: [{ name: "state", invertible: true }],
  parse: (options) => ({
    kind: "state",
    bits: options.need("state", `a list of ${STATES.map(([name]) => name).join(", ")}`, (word) =>
      parseBits(word, STATES),
    ),
    inverted: options.inverted("state"),
  }),
  print: (match) => ` ${not(match.inverted)}--state ${formatBits(match.bits, STATES)}`,
  compile: (match) => [{ kind: MATCH_KIND_CT_STATE, flags: match.inverted ? MATCH_INVERT : 0, args: [match.bits] }],
};
