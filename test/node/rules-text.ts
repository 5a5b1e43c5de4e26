// iptables-save text taken apart for comparison: table to chain to its rules in order.

export type ParsedRules = Map<string, Map<string, string[]>>;

/** Takes the text apart; rules keep their order and lose the `-A CHAIN ` before them. */
export function parseRules(text: string): ParsedRules {
  const tables: ParsedRules = new Map();
  let chains = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) tables.set(line.slice(1), (chains = new Map<string, string[]>()));
    else if (line.startsWith(":")) chains.set(line.slice(1).split(" ")[0] ?? "", []);
    else if (line.startsWith("-A ")) {
      const [, chain = "", rule = ""] = /^-A (\S+) (.*)$/.exec(line) ?? [];
      const rules = chains.get(chain);
      if (!rules) throw new Error(`a rule of chain ${chain}, which has no line of its own`);
      rules.push(rule);
    }
  }
  return tables;
}

const SHARED = ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL"];

/** The table as comparable data: chains by name; chains that all Services share are sorted, their node-port jumps kept last. */
export function comparable(table: Map<string, string[]> | undefined): Record<string, string[]> {
  const isLast = (rule: string): boolean => rule.includes("NOTE: this must be the last rule");
  const entries = [...(table ?? [])].map(([chain, rules]): [string, string[]] => {
    if (!SHARED.includes(chain)) return [chain, rules];
    const jumps = rules.findIndex(isLast);
    const end = jumps < 0 ? rules.length : jumps;
    return [chain, [...rules.slice(0, end).sort(), ...rules.slice(end).sort()]];
  });
  return Object.fromEntries(entries);
}
