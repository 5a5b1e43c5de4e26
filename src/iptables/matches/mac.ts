// -m mac: the Ethernet source address.
import { MATCH_INVERT, MATCH_KIND_MAC } from "../../../assembly/layout/rules.ts";
import { formatMac, parseMac } from "../../address.ts";
import type { MatchExtension } from "../extension.ts";
import { not } from "../values.ts";

export interface MacMatch {
  kind: "mac";
  /** In lower case. */
  source: string;
  inverted: boolean;
}

export const mac: MatchExtension<MacMatch> = {
  name: "mac",
  options: [{ name: "mac-source", invertible: true }],
  parse: (options) => ({
    kind: "mac",
    source: formatMac(options.need("mac-source", "a MAC address such as 02:00:00:00:00:01", parseMac)),
    inverted: options.inverted("mac-source"),
  }),
  print: (match) => ` ${not(match.inverted)}--mac-source ${match.source}`,
  hooks: () => ["PREROUTING", "INPUT", "FORWARD"],
  compile(match) {
    const digits = match.source.replaceAll(":", "");
    return [
      {
        kind: MATCH_KIND_MAC,
        flags: match.inverted ? MATCH_INVERT : 0,
        args: [Number.parseInt(digits.slice(0, 8), 16), Number.parseInt(digits.slice(8), 16)],
      },
    ];
  },
};
