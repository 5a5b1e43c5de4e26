// Rules of a loaded set in the words of the tool that they are written for.
import { printRule } from "../iptables/print.ts";
import type { LoadedRules } from "./rules.ts";

/** A rule as its tool prints it; undefined for policies. */
export function textOf(loaded: LoadedRules, index: number): string | undefined {
  const nft = loaded.nft?.rule(index);
  if (nft) return nft.text;
  const rule = loaded.rule(index);
  const chain = loaded.reference(index)?.chain;
  return rule && chain !== undefined ? printRule(chain, rule) : undefined;
}
