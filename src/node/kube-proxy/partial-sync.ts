// What kube-proxy writes when little has changed: iptables-restore text of some chains, for `--noflush`.

/** Chains that kube-proxy writes whole at every sync. */
const ALWAYS = new Set([
  "nat KUBE-SERVICES",
  "nat KUBE-NODEPORTS",
  "nat KUBE-POSTROUTING",
  "nat KUBE-MARK-MASQ",
  "filter KUBE-SERVICES",
  "filter KUBE-EXTERNAL-SERVICES",
  "filter KUBE-FORWARD",
  "filter KUBE-NODEPORTS",
  "filter KUBE-PROXY-FIREWALL",
]);

interface Chain {
  builtIn: boolean;
  rules: string[];
}

/** The rules of every chain, by table and chain, in the order of the text. */
function chainsOf(text: string): Map<string, Chain> {
  const chains = new Map<string, Chain>();
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    else if (line.startsWith(":"))
      chains.set(`${table} ${line.slice(1, line.indexOf(" "))}`, { builtIn: !line.includes(" - "), rules: [] });
    else if (line.startsWith("-A ")) chains.get(`${table} ${line.slice(3, line.indexOf(" ", 3))}`)?.rules.push(line);
  }
  return chains;
}

/**
 * The text of a partial sync that makes rules `before` into `after`, both iptables-save text: the chains that are always
 * written, and those that have changed. Chains that are gone are deleted, or with `keepStale` stay, as in a large cluster, where
 * kube-proxy deletes them once in a while. Built-in chains come in it only where they have changed.
 */
export function partialSync(before: string, after: string, keepStale = false): string {
  const was = chainsOf(before);
  const is = chainsOf(after);
  const tables = new Map<string, { declared: string[]; rules: string[]; deleted: string[] }>();
  const partOf = (key: string) => {
    const [table = "", chain = ""] = key.split(" ");
    const part = tables.get(table) ?? { declared: [], rules: [], deleted: [] };
    tables.set(table, part);
    return { ...part, chain };
  };
  for (const [key, { builtIn, rules }] of is) {
    const old = was.get(key)?.rules;
    if (!ALWAYS.has(key) && old?.length === rules.length && old.every((rule, i) => rule === rules[i])) continue;
    const part = partOf(key);
    if (builtIn) part.rules.push(`-F ${part.chain}`);
    else part.declared.push(`:${part.chain} - [0:0]`);
    for (const rule of rules) part.rules.push(rule);
  }
  for (const key of keepStale ? [] : was.keys()) {
    if (is.has(key)) continue;
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
