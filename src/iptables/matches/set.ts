// -m set: the packet's addresses and ports are in a named ipset.
import { MATCH_INVERT, MATCH_KIND_SET, MATCH_SET_RETURN_NOMATCH } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { parseSetReference, SET_REFERENCE, setDirections, type SetReference } from "../sets.ts";
import { not } from "../values.ts";

export interface SetMatch extends SetReference {
  kind: "set";
  inverted: boolean;
  /** An element marked `nomatch` counts as a match. */
  returnNomatch: boolean;
}

export const set: MatchExtension<SetMatch> = {
  name: "set",
  options: [
    { name: "match-set", words: 2, invertible: true },
    { name: "return-nomatch", words: 0 },
  ],
  parse(options) {
    const words = options.words("match-set") ?? options.failWhole("-m set needs --match-set");
    return {
      kind: "set",
      ...(parseSetReference(words) ?? options.fail("match-set", `"${words.join(" ")}" is not ${SET_REFERENCE}`)),
      inverted: options.inverted("match-set"),
      returnNomatch: options.has("return-nomatch"),
    };
  },
  print: (match) =>
    ` ${not(match.inverted)}--match-set ${match.name} ${match.directions.join(",")}` +
    (match.returnNomatch ? " --return-nomatch" : ""),
  compile: (match, block) => [
    {
      kind: MATCH_KIND_SET,
      flags: (match.inverted ? MATCH_INVERT : 0) | (match.returnNomatch ? MATCH_SET_RETURN_NOMATCH : 0),
      args: [block.name("set", match.name), match.directions.length, setDirections(match)],
    },
  ],
};
