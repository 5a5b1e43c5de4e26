// -m mark and -m connmark: the mark of the packet, or of its connection.
import { MATCH_INVERT, MATCH_KIND_CONNMARK, MATCH_KIND_MARK } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { formatHex, not } from "../values.ts";

interface MarkTest {
  /** (mark & mask) == value. */
  value: number;
  mask: number;
  inverted: boolean;
}

export interface MarkMatch extends MarkTest {
  kind: "mark";
}

export interface ConnmarkMatch extends MarkTest {
  kind: "connmark";
}

export const mark = markMatch<MarkMatch>("mark", MATCH_KIND_MARK);
export const connmark = markMatch<ConnmarkMatch>("connmark", MATCH_KIND_CONNMARK);

function markMatch<T extends MarkMatch | ConnmarkMatch>(name: T["kind"], kind: number): MatchExtension<T> {
  return {
    name,
    options: [{ name: "mark", invertible: true }],
    parse(options) {
      const test = options.masked("mark") ?? options.failWhole(`-m ${name} needs --mark`);
      return { kind: name, ...test, inverted: options.inverted("mark") } as T;
    },
    print(match) {
      const mask = match.mask === 0xffffffff ? "" : `/${formatHex(match.mask)}`;
      return ` ${not(match.inverted)}--mark ${formatHex(match.value)}${mask}`;
    },
    compile: (match) => [{ kind, flags: match.inverted ? MATCH_INVERT : 0, args: [match.value, match.mask] }],
  };
}
