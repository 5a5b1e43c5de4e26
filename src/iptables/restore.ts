// iptables-restore: text to changes of a rule set.
import { InputError, type Place } from "../errors.ts";
import type { Family } from "./addresses.ts";
import { checkTable } from "./check.ts";
import { applyCommand, checkChainName, emptyChain, readPolicy, type Draft } from "./commands.ts";
import { jumpedTo } from "./graph.ts";
import { newTable, TABLE_NAMES, type Chain, type Counters, type RuleSet, type Table, type TableName } from "./model.ts";
import { splitWords } from "./words.ts";

export interface RestoreOptions {
  /** Keeps what the text does not name, as `iptables-restore --noflush` does. */
  noflush?: boolean;
  /** The file that the text is from, for error messages. */
  file?: string;
  /** Of the addresses in it; IPv4 if left out. */
  family?: Family;
}

/**
 * The rule set that `iptables-restore --counters` would leave behind. Tables that the text does not name stay as they are.
 * A table in it is made anew; with `noflush` it stays, and only the user chains that have a `:` line are emptied.
 * `ruleSet` is not changed. Throws an InputError with file, line and option.
 */
export function restore(ruleSet: RuleSet, text: string, options: RestoreOptions = {}): RuleSet {
  const tables = new Map<TableName, Table>(ruleSet.tables.map((table) => [table.name, table]));
  let draft: Draft | undefined;
  const lines = text.split("\n");
  for (const [index, raw] of lines.entries()) {
    const line = raw.trim();
    const place = { file: options.file, line: index + 1 };
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("*")) {
      if (draft)
        throw new InputError(place, `table ${draft.table} is not finished; a COMMIT line is missing before this one`);
      draft = openDraft(readTableName(line, place), tables, options);
    } else if (!draft) {
      throw new InputError(place, `"${line}" stands outside a table; a line such as *filter must come first`);
    } else if (line === "COMMIT") {
      tables.set(draft.table, commit(draft, options.file));
      draft = undefined;
    } else if (line.startsWith(":")) {
      declareChain(draft, line, place, options.noflush ?? false);
    } else {
      runCommand(draft, line, place);
    }
  }
  if (draft)
    throw new InputError(
      { file: options.file, line: lines.length },
      `table ${draft.table} has no COMMIT line at its end`,
    );
  return { tables: TABLE_NAMES.flatMap((name) => tables.get(name) ?? []) };
}

function readTableName(line: string, place: Place): TableName {
  const word = line.slice(1).trim();
  const name = TABLE_NAMES.find((known) => known === word);
  if (name !== undefined) return name;
  const sentence = word === "security" ? 'table "security" is not supported' : `there is no table "${word}"`;
  throw new InputError(place, `${sentence}; the tables are ${TABLE_NAMES.join(", ")}`);
}

function openDraft(
  name: TableName,
  tables: ReadonlyMap<TableName, Table>,
  { noflush = false, family = "ipv4" }: RestoreOptions,
): Draft {
  const { chains } = (noflush ? tables.get(name) : undefined) ?? newTable(name);
  const copies = chains.map((chain): [string, Chain] => [chain.name, { ...chain, rules: chain.rules.slice() }]);
  return { table: name, family, chains: new Map(copies), lines: new Map(), deleted: new Map() };
}

/** `:INPUT DROP [3:180]`, `:KUBE-SERVICES - [0:0]`. */
function declareChain(draft: Draft, line: string, place: Place, noflush: boolean): void {
  const [name = "", policy = "", counts = "[0:0]", ...rest] = line.slice(1).trim().split(/\s+/);
  const counters = parseCounters(counts);
  if (policy === "" || !counters || rest.length > 0)
    throw new InputError(place, `"${line}" is not a chain line such as ":INPUT ACCEPT [0:0]" or ":MY-CHAIN - [0:0]"`);
  const existing = draft.chains.get(name);
  if (existing?.policy !== undefined) {
    if (policy === "-") return;
    existing.policy = readPolicy(draft.table, name, policy, place);
    existing.counters = counters;
    return;
  }
  if (policy !== "-") readPolicy(draft.table, name, policy, place);
  checkChainName(name, place);
  if (!existing) draft.chains.set(name, emptyChain(name));
  else if (noflush) existing.rules = [];
  else throw new InputError(place, `chain "${name}" is declared twice`);
}

/** `-A INPUT ...`, perhaps with `[packets:bytes]` before it. */
function runCommand(draft: Draft, line: string, place: Place): void {
  const words = splitWords(line);
  if (!words) throw new InputError(place, 'a double quote is not closed; text in quotes ends with "');
  let counters: Counters | undefined;
  if (line.startsWith("[")) {
    counters = parseCounters(words.shift() ?? "");
    if (!counters) throw new InputError(place, "counters read [packets:bytes]");
  }
  applyCommand(draft, words, counters, place);
}

function parseCounters(text: string): Counters | undefined {
  const match = /^\[(\d+):(\d+)\]$/.exec(text);
  return match ? { packets: Number(match[1]), bytes: Number(match[2]) } : undefined;
}

function commit(draft: Draft, file: string | undefined): Table {
  const table: Table = { name: draft.table, chains: [...draft.chains.values()] };
  checkTable(table, (rule) => ({ file, line: draft.lines.get(rule) ?? draft.deleted.get(jumpedTo(rule) ?? "") }));
  return table;
}
