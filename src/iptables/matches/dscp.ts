// -m dscp: the upper six bits of the type-of-service byte.
import { MATCH_INVERT, MATCH_KIND_DSCP } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { DSCP_CLASS, parseDscpClass } from "../dsfield.ts";
import { formatHex, not } from "../values.ts";

export interface DscpMatch {
  kind: "dscp";
  value: number;
  inverted: boolean;
}

export const dscp: MatchExtension<DscpMatch> = {
  name: "dscp",
  options: [
    { name: "dscp", invertible: true },
    { name: "dscp-class", invertible: true },
  ],
  parse(options) {
    const name = options.oneOf(["dscp", "dscp-class"], true);
    const value = options.has("dscp") ? options.number("dscp", 63) : options.read(name, DSCP_CLASS, parseDscpClass);
    return { kind: "dscp", value: value ?? 0, inverted: options.inverted(name) };
  },
  print: (match) => ` ${not(match.inverted)}--dscp ${formatHex(match.value, 2)}`,
  compile: (match) => [{ kind: MATCH_KIND_DSCP, flags: match.inverted ? MATCH_INVERT : 0, args: [match.value] }],
};
