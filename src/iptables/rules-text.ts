// iptables-save text by its chains, and in two parts: what many namespaces have alike, and what differs in each.

/** Rules that begin with those of others. */
export interface SharedRules {
  /** iptables-save text; one string for all that begin with it. */
  common: string;
  /** What `iptables-restore --noflush` reads after it, as `differenceOf` writes it. */
  own: string;
}

/** iptables-save text, whole or in two parts. */
export type RulesText = string | SharedRules;

/** A chain; its rules are what follows `-A CHAIN`, with the blank. */
export interface TextChain {
  /** Of a built-in chain. */
  policy?: string;
  rules: readonly string[];
}

/** Every chain by table and chain, `nat KUBE-SERVICES`, in the order of the text. */
export type TextChains = ReadonlyMap<string, TextChain>;

/** The chains of iptables-save text, or those that text for `iptables-restore --noflush` writes whole. */
export function chainsOf(text: string): TextChains {
  const chains = new Map<string, TextChain & { rules: string[] }>();
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    else if (line.startsWith(":")) {
      const [chain = "", policy = "-"] = line.slice(1).split(" ");
      chains.set(`${table} ${chain}`, { ...(policy !== "-" && { policy }), rules: [] });
    } else if (line.startsWith("-F ")) {
      chains.set(`${table} ${line.slice(3)}`, { rules: [] });
    } else if (line.startsWith("-A ")) {
      const blank = line.indexOf(" ", 3);
      chains.get(`${table} ${line.slice(3, blank)}`)?.rules.push(line.slice(blank));
    }
  }
  return chains;
}

/** How a text differs from another. */
export interface Difference {
  /** Chains that are written whole though they are alike. */
  always?: ReadonlySet<string>;
  /** Whether chains that are gone stay. */
  keepsGone?: boolean;
}

/**
 * What `iptables-restore --noflush` makes of `before` and this text is `after`: chains that differ are written whole, those that are
 * gone deleted. Built-in chains come in it only where they differ; their policies do not change.
 */
export function differenceOf(
  before: TextChains,
  after: TextChains,
  { always, keepsGone = false }: Difference = {},
): string {
  const tables = new Map<string, { declared: string[]; rules: string[]; deleted: string[] }>();
  const partOf = (key: string) => {
    const [table = "", chain = ""] = key.split(" ");
    const part = tables.get(table) ?? { declared: [], rules: [], deleted: [] };
    tables.set(table, part);
    return { ...part, chain };
  };
  for (const [key, { policy, rules }] of after) {
    if (!always?.has(key) && sameRules(before.get(key)?.rules, rules)) continue;
    const part = partOf(key);
    if (policy !== undefined) part.rules.push(`-F ${part.chain}`);
    else part.declared.push(`:${part.chain} - [0:0]`);
    for (const rule of rules) part.rules.push(`-A ${part.chain}${rule}`);
  }
  for (const key of keepsGone ? [] : before.keys()) {
    if (after.has(key)) continue;
    const part = partOf(key);
    part.declared.push(`:${part.chain} - [0:0]`);
    part.deleted.push(`-X ${part.chain}`);
  }
  return [...tables]
    .map(([table, { declared, rules, deleted }]) =>
      [`*${table}`, ...declared, ...rules, ...deleted, "COMMIT", ""].join("\n"),
    )
    .join("");
}

/** How many rules a text has, without the policies of chains. */
export function countRules(text: string): number {
  let count = text.startsWith("-A ") ? 1 : 0;
  for (let at = text.indexOf("\n-A "); at >= 0; at = text.indexOf("\n-A ", at + 1)) count++;
  return count;
}

/** Whether two chains have the same rules; those of a common text mostly are the same list. */
function sameRules(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a === b || (a?.length === b.length && a.every((rule, i) => rule === b[i]));
}

/** The common texts that were read last, as many nodes have one, and another after a change. */
const read = new Map<string, TextChains>();
const READ_MOST = 4;

function commonChains(text: string): TextChains {
  const known = read.get(text);
  if (known) return known;
  const chains = chainsOf(text);
  const [oldest = ""] = read.keys();
  if (read.size === READ_MOST) read.delete(oldest);
  read.set(text, chains);
  return chains;
}

/** The whole iptables-save text: built-in chains first, then the others by name. */
export function wholeText(rules: RulesText): string {
  return typeof rules === "string" ? rules : printChains(wholeChains(rules));
}

/** Whether two whole texts are the same; parts that are the same need not be put together. */
export function sameText(a: RulesText, b: RulesText): boolean {
  if (typeof a !== "string" && typeof b !== "string" && a.common === b.common && a.own === b.own) return true;
  return wholeText(a) === wholeText(b);
}

/** The chains of the whole text. */
export function wholeChains(rules: RulesText): TextChains {
  if (typeof rules === "string") return chainsOf(rules);
  const { common, own } = rules;
  const chains = new Map(commonChains(common));
  let table = "";
  for (const line of own.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    const [word = "", name = ""] = line.split(" ", 2);
    const key = `${table} ${word.startsWith(":") ? word.slice(1) : name}`;
    if (word.startsWith(":")) chains.set(key, { rules: [] });
    else if (word === "-F") chains.set(key, { ...chains.get(key), rules: [] });
    else if (word === "-X") chains.delete(key);
    else if (word === "-A") {
      (chains.get(key)?.rules as string[]).push(line.slice(word.length + 1 + name.length));
    }
  }
  return chains;
}

function printChains(chains: TextChains): string {
  const byTable = new Map<string, [name: string, chain: TextChain][]>();
  for (const [key, chain] of chains) {
    const [table = "", name = ""] = key.split(" ");
    const list = byTable.get(table) ?? [];
    byTable.set(table, list);
    list.push([name, chain]);
  }
  return [...byTable]
    .map(([table, all]) => {
      const user = all.filter(([, { policy }]) => policy === undefined).sort(([a], [b]) => (a < b ? -1 : 1));
      const list = [...all.filter(([, { policy }]) => policy !== undefined), ...user];
      const heads = list.map(([name, { policy = "-" }]) => `:${name} ${policy} [0:0]\n`);
      const rules = list.map(([name, { rules }]) => rules.map((rule) => `-A ${name}${rule}\n`).join(""));
      return `*${table}\n${heads.join("")}${rules.join("")}COMMIT\n`;
    })
    .join("");
}
