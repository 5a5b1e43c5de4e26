// The options of tools, as getopt reads them: `-nv`, `-c 3`, `-c3`, `--max-time 2`, `--max-time=2`, mixed with other words.
import { ToolError } from "./tool.ts";

/** By option, without its dashes: whether a word follows it. */
export type OptionSpec = Readonly<Record<string, "flag" | "value">>;

export interface Given {
  /** Whether an option was there. */
  has(name: string): boolean;
  /** The word of an option, the last one if it was there more often. */
  value(name: string): string | undefined;
  values(name: string): string[];
  words: string[];
}

/** Reads options; `alias` maps further spellings to those of the spec. Throws a ToolError for those that are not there. */
export function readOptions(
  tool: string,
  words: readonly string[],
  spec: OptionSpec,
  alias: Readonly<Record<string, string>> = {},
): Given {
  const given = new Map<string, string[]>();
  const rest: string[] = [];
  const note = (option: string, inline: string | undefined, next: () => string | undefined, shown: string): void => {
    const name = alias[option] ?? option;
    const kind = Object.hasOwn(spec, name) ? spec[name] : undefined;
    if (kind === undefined) throw new ToolError(`${tool}: option ${shown} is not emulated`);
    const value = kind === "flag" ? "" : (inline ?? next());
    if (value === undefined) throw new ToolError(`${tool}: option ${shown} needs a word behind it`);
    given.set(name, [...(given.get(name) ?? []), value]);
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    const next = (): string | undefined => words[++i];
    if (word === "--") {
      rest.push(...words.slice(i + 1));
      break;
    }
    if (word.startsWith("--")) {
      const [name = "", ...inline] = word.slice(2).split("=");
      note(name, inline.length > 0 ? inline.join("=") : undefined, next, `--${name}`);
    } else if (word.startsWith("-") && word.length > 1) {
      for (let at = 1; at < word.length; at++) {
        const letter = word[at] ?? "";
        const kind = spec[alias[letter] ?? letter];
        const inline = word.slice(at + 1);
        note(letter, kind === "value" && inline !== "" ? inline : undefined, next, `-${letter}`);
        if (kind === "value") break;
      }
    } else rest.push(word);
  }
  return {
    has: (name) => given.has(name),
    value: (name) => given.get(name)?.at(-1),
    values: (name) => given.get(name) ?? [],
    words: rest,
  };
}

/** A number that an option has, undefined if the option is not there. Throws a ToolError for what is none. */
export function numberOption(tool: string, given: Given, name: string, least = 0): number | undefined {
  const word = given.value(name);
  if (word === undefined) return undefined;
  const value = /^\d+(\.\d+)?$/.test(word) ? Number(word) : NaN;
  if (!(value >= least)) throw new ToolError(`${tool}: bad number "${word}" behind -${name}`);
  return value;
}
