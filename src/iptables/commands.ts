// The commands inside a table: -A, -I, -D, -R, -F, -Z, -N, -X, -E, -P.
import { InputError, type Place } from "../errors.ts";
import type { Family } from "./addresses.ts";
import { jumpedTo } from "./graph.ts";
import { BUILT_IN_CHAINS, type Chain, type Counters, type Rule, type TableName } from "./model.ts";
import { printRule } from "./print.ts";
import { parseRule } from "./rule.ts";

/** A table while its text is being read. Its chains may be changed; the rules in them may not. */
export interface Draft {
  table: TableName;
  family: Family;
  chains: Map<string, Chain>;
  /** Where the rules of this text stand. */
  lines: Map<Rule, number | undefined>;
  /** Where chains were deleted. */
  deleted: Map<string, number | undefined>;
}

interface Command {
  draft: Draft;
  words: string[];
  counters: Counters | undefined;
  place: Place;
}

const COMMANDS: Readonly<Record<string, (command: Command) => void>> = {
  append,
  insert,
  delete: remove,
  replace,
  flush,
  zero,
  "new-chain": newChain,
  "delete-chain": deleteChain,
  "rename-chain": renameChain,
  policy: setPolicy,
};

const LETTERS: Readonly<Record<string, string>> = {
  "-A": "append",
  "-I": "insert",
  "-D": "delete",
  "-R": "replace",
  "-F": "flush",
  "-Z": "zero",
  "-N": "new-chain",
  "-X": "delete-chain",
  "-E": "rename-chain",
  "-P": "policy",
};

/** Runs one command line. `counters` are those that stand before it. Throws an InputError. */
export function applyCommand(draft: Draft, words: string[], counters: Counters | undefined, place: Place): void {
  const [first = "", ...rest] = words;
  const run = COMMANDS[LETTERS[first] ?? (first.startsWith("--") ? first.slice(2) : "")];
  if (!run) throw new InputError(place, `"${first}" is not a command; rules begin with -A CHAIN`);
  run({ draft, words: rest, counters, place });
}

/** A chain of its own that the built-in and the declared ones are like. */
export function emptyChain(name: string): Chain {
  return { name, counters: { packets: 0, bytes: 0 }, rules: [] };
}

/** Throws an InputError unless `name` can be a user chain's. */
export function checkChainName(name: string, place: Place): void {
  if (name === "" || name.length > 28 || /^[-!]|\s/.test(name))
    throw new InputError(place, `"${name}" is not a chain name: 1 to 28 characters, not beginning with - or !`);
}

function takeChain({ draft, words, place }: Command): Chain {
  const name = words.shift();
  if (name === undefined) throw new InputError(place, "the name of a chain is missing");
  const chain = draft.chains.get(name);
  if (!chain)
    throw new InputError(
      place,
      `table ${draft.table} has no chain "${name}"; a line ":${name} - [0:0]" must stand before its rules`,
    );
  return chain;
}

/** The rule number that stands first, if one does; from 1. */
function takeNumber({ words, place }: Command, max: number): number | undefined {
  const [word] = words;
  if (word === undefined || !/^\d+$/.test(word)) return undefined;
  words.shift();
  const number = Number(word);
  if (number < 1 || number > max) throw new InputError(place, `there is no rule number ${word}; the last is ${max}`);
  return number;
}

function takeRules({ draft, words, counters, place }: Command, chain: Chain): Rule[] {
  const rules = parseRule(words, place, draft.family);
  for (const rule of rules) {
    if (rule.in && (chain.name === "OUTPUT" || chain.name === "POSTROUTING"))
      throw new InputError(
        { ...place, field: "-i" },
        `chain ${chain.name} has no incoming device; use -o or delete -i`,
      );
    if (rule.out && (chain.name === "PREROUTING" || chain.name === "INPUT"))
      throw new InputError(
        { ...place, field: "-o" },
        `chain ${chain.name} has no outgoing device; use -i or delete -o`,
      );
    if (counters) rule.counters = { ...counters };
    draft.lines.set(rule, place.line);
  }
  return rules;
}

function append(command: Command): void {
  const chain = takeChain(command);
  chain.rules.push(...takeRules(command, chain));
}

function insert(command: Command): void {
  const chain = takeChain(command);
  const number = takeNumber(command, chain.rules.length + 1) ?? 1;
  // Each rule of a list of addresses goes in at the same place, so the last stands first.
  chain.rules.splice(number - 1, 0, ...takeRules(command, chain).reverse());
}

function replace(command: Command): void {
  const chain = takeChain(command);
  const number = takeNumber(command, chain.rules.length);
  if (number === undefined) throw new InputError(command.place, "-R needs the number of a rule after the chain");
  const rules = takeRules(command, chain);
  if (rules.length > 1)
    throw new InputError(command.place, "-R replaces one rule, so each address must be a single one");
  chain.rules.splice(number - 1, 1, ...rules);
}

function remove(command: Command): void {
  const chain = takeChain(command);
  const number = takeNumber(command, chain.rules.length);
  if (number !== undefined) {
    chain.rules.splice(number - 1, 1);
    return;
  }
  for (const rule of parseRule(command.words, command.place, command.draft.family)) {
    const text = printRule(chain.name, rule);
    const index = chain.rules.findIndex((candidate) => printRule(chain.name, candidate) === text);
    if (index < 0) throw new InputError(command.place, `chain "${chain.name}" has no such rule`);
    chain.rules.splice(index, 1);
  }
}

/** The chain that is named, or all of them. */
function takeChains(command: Command): Chain[] {
  return command.words.length > 0 ? [takeChain(command)] : [...command.draft.chains.values()];
}

function flush(command: Command): void {
  for (const chain of takeChains(command)) chain.rules = [];
}

function zero(command: Command): void {
  const { lines } = command.draft;
  for (const chain of takeChains(command)) {
    chain.counters = { packets: 0, bytes: 0 };
    chain.rules = chain.rules.map((rule) => {
      const fresh = { ...rule, counters: { packets: 0, bytes: 0 } };
      lines.set(fresh, lines.get(rule));
      return fresh;
    });
  }
}

function newChain({ draft, words, place }: Command): void {
  const [name = ""] = words;
  checkChainName(name, place);
  if (draft.chains.has(name)) throw new InputError(place, `chain "${name}" is already there`);
  draft.chains.set(name, emptyChain(name));
}

function deleteChain(command: Command): void {
  const { draft, words, place } = command;
  const named = words.length > 0;
  for (const chain of takeChains(command)) {
    if (chain.policy !== undefined) {
      if (named) throw new InputError(place, `chain "${chain.name}" is built in and cannot be deleted`);
      continue;
    }
    if (chain.rules.length > 0)
      throw new InputError(place, `chain "${chain.name}" has rules; flush it before deleting it`);
    draft.chains.delete(chain.name);
    draft.deleted.set(chain.name, place.line);
  }
}

function renameChain(command: Command): void {
  const { draft, place } = command;
  const chain = takeChain(command);
  const [name = ""] = command.words;
  checkChainName(name, place);
  if (chain.policy !== undefined) throw new InputError(place, `chain "${chain.name}" is built in and keeps its name`);
  if (draft.chains.has(name)) throw new InputError(place, `chain "${name}" is already there`);
  const old = chain.name;
  chain.name = name;
  draft.chains = new Map([...draft.chains.values()].map((each) => [each.name, each]));
  for (const each of draft.chains.values()) {
    each.rules = each.rules.map((rule) => {
      const target = rule.target;
      if (jumpedTo(rule) !== old || (target?.kind !== "jump" && target?.kind !== "goto")) return rule;
      const renamed = { ...rule, target: { ...target, chain: name } };
      draft.lines.set(renamed, draft.lines.get(rule));
      return renamed;
    });
  }
}

function setPolicy(command: Command): void {
  const { draft, place } = command;
  const chain = takeChain(command);
  const [policy = ""] = command.words;
  chain.policy = readPolicy(draft.table, chain.name, policy, place);
}

/** ACCEPT or DROP for a built-in chain; throws an InputError for anything else. */
export function readPolicy(table: TableName, chain: string, policy: string, place: Place): "ACCEPT" | "DROP" {
  if (!BUILT_IN_CHAINS[table].some((builtIn) => builtIn === chain))
    throw new InputError(
      place,
      `chain "${chain}" is not built in, so it has no policy; write "- [0:0]" after its name`,
    );
  if (policy === "ACCEPT" || policy === "DROP") return policy;
  throw new InputError(place, `"${policy}" is not a policy; a built-in chain has ACCEPT or DROP`);
}
