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

/** The rules of every user chain, by table and chain, in the order of the text. */
function chainsOf(text: string): Map<string, string[]> {
  const chains = new Map<string, string[]>();
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    else if (line.startsWith(":") && line.includes(" - "))
      chains.set(`${table} ${line.slice(1, line.indexOf(" "))}`, []);
    else if (line.startsWith("-A ")) chains.get(`${table} ${line.slice(3, line.indexOf(" ", 3))}`)?.push(line);
  }
  return chains;
}

/**
 * The text of a partial sync that makes rules `before` into `after`, both iptables-save text: the chains that are always
 * written, and those of Services that have changed. Chains that nothing leads to any more stay, as a large cluster's do at first.
 */
export function partialSync(before: string, after: string): string {
  const was = chainsOf(before);
  const tables = new Map<string, { declared: string[]; rules: string[] }>();
  for (const [key, rules] of chainsOf(after)) {
    const old = was.get(key);
    if (!ALWAYS.has(key) && old?.length === rules.length && old.every((rule, i) => rule === rules[i])) continue;
    const [table = "", chain = ""] = key.split(" ");
    const part = tables.get(table) ?? { declared: [], rules: [] };
    tables.set(table, part);
    part.declared.push(`:${chain} - [0:0]`);
    for (const rule of rules) part.rules.push(rule);
  }
  return [...tables]
    .map(([table, { declared, rules }]) => [`*${table}`, ...declared, ...rules, "COMMIT", ""].join("\n"))
    .join("");
}
