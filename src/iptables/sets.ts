// How the set match and the SET target name an ipset and say which side of the packet each of its dimensions takes.

import type { RuleSet } from "./model.ts";

export interface SetReference {
  name: string;
  /** One per dimension, at most six. */
  directions: ("src" | "dst")[];
}

/** What parseSetReference takes, for error messages. */
export const SET_REFERENCE = "a set name of at most 31 characters and up to six of src and dst";

/** The two words `NAME src,dst`. */
export function parseSetReference([name = "", list = ""]: readonly string[]): SetReference | undefined {
  const directions = list.split(",");
  if (name === "" || name.length > 31 || directions.length > 6) return undefined;
  if (!directions.every((direction) => direction === "src" || direction === "dst")) return undefined;
  return { name, directions };
}

/** Bit i is 1 if dimension i takes the source. */
export function setDirections({ directions }: SetReference): number {
  return directions.reduce((bits, direction, i) => bits | (direction === "src" ? 1 << i : 0), 0);
}

/** The sets that iptables-save text names, each once, in the order in which they come; only for names without quotes. */
export function setsInText(text: string): string[] {
  return [...new Set([...text.matchAll(/ --(?:match|add|del|map)-set (\S+)/g)].map(([, name = ""]) => name))];
}

/** The sets that rules name, each once, in the order in which they come. */
export function setsNamed({ tables }: RuleSet): string[] {
  const rules = tables.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules));
  const named = rules.flatMap(({ matches, target }) => [
    ...matches.flatMap((match) => (match.kind === "set" ? [match.name] : [])),
    ...(target?.kind === "SET" ? [target.add, target.del, target.map] : []).flatMap((set) => (set ? [set.name] : [])),
  ]);
  return [...new Set(named)];
}
