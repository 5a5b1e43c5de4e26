// The printer against the iptables and ip6tables tools themselves, in a network namespace of their own. Needs root and iptables 1.8.9.
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { BUILT_IN_CHAINS, TABLE_NAMES, type TableName } from "../../src/iptables/model.ts";
import { parseRules } from "../../src/iptables/parse.ts";
import { printRules } from "../../src/iptables/print.ts";
import { restore } from "../../src/iptables/restore.ts";
import { CHANGED, SAME, USER_CHAINS } from "./cases.ts";
import { CHANGED6, SAME6 } from "./cases6.ts";

function run(command: string, input = ""): { ok: boolean; output: string; errors: string } {
  const { status, stdout, stderr } = spawnSync("unshare", ["-n", "sh", "-c", command], { input, encoding: "utf8" });
  return { ok: status === 0, output: stdout ?? "", errors: stderr ?? "no unshare" };
}

/** Why the real tools cannot be asked here; undefined if they can. */
function missing(tool: string): string | undefined {
  const version = run(`${tool}-save --version && ${tool}-save`);
  if (!version.ok) return `${tool} cannot be run here (${version.errors.trim()})`;
  return version.output.includes("v1.8.9") ? undefined : `the iptables here is not 1.8.9: ${version.output.trim()}`;
}

const CASES = {
  ipv4: { tool: "iptables", same: SAME, changed: CHANGED },
  ipv6: { tool: "ip6tables", same: SAME6, changed: CHANGED6 },
};

function tableText(table: TableName, family: keyof typeof CASES): string {
  const { same, changed } = CASES[family];
  const rules = [...(same[table] ?? []), ...(changed[table] ?? []).map(([written]) => written)];
  const chains = [
    ...BUILT_IN_CHAINS[table].map((chain) => `:${chain} ACCEPT [0:0]`),
    ...USER_CHAINS.map((chain) => `:${chain} - [0:0]`),
  ];
  return [`*${table}`, ...chains, ...rules.map((rule) => `-A ${rule}`), "COMMIT", ""].join("\n");
}

function withoutComments(text: string): string {
  return text.replace(/^#.*\n/gm, "");
}

describe.each([
  ["ipv4", "legacy"],
  ["ipv4", "nft"],
  ["ipv6", "legacy"],
  ["ipv6", "nft"],
] as const)("the tools for %s, %s", (family, variant) => {
  const tool = `${CASES[family].tool}-${variant}`;
  const reason = missing(tool);

  test.skipIf(reason !== undefined && process.env["CI"] !== "true")(`is here${reason ? `: ${reason}` : ""}`, () => {
    expect(reason).toBeUndefined();
  });

  test.skipIf(reason !== undefined).each(TABLE_NAMES)("prints table %s as podwire does", (table) => {
    const text = tableText(table, family);
    const real = run(`${tool}-restore && ${tool}-save -t ${table}`, text);
    expect(real.errors).toBe("");
    const printed = printRules(parseRules(text, undefined, family));
    expect(printed).toBe(withoutComments(real.output));
    expect(run(`${tool}-restore --test`, printed).errors).toBe("");
  });

  test.skipIf(reason !== undefined)("keeps the same after a restore with --noflush", () => {
    const [one, two] = family === "ipv4" ? ["1.1.1.1", "2.2.2.2,3.3.3.3"] : ["fd00::1", "fd00::2,fd00::3"];
    const first = `*filter\n:INPUT DROP [5:6]\n:U1 - [0:0]\n[1:2] -A INPUT -s ${one} -j U1\n[3:4] -A U1\nCOMMIT\n`;
    const second = `*filter\n:INPUT ACCEPT [7:8]\n:U1 - [0:0]\n:U2 - [0:0]\n[5:6] -A U1 -j U2\n-I INPUT -s ${two} -j U2\nCOMMIT\n`;
    const save = `${tool}-save -c -t filter`;
    const command = `printf '${first}' | ${tool}-restore -c && printf '${second}' | ${tool}-restore -c -n && ${save}`;
    const real = run(command.replaceAll("\n", "\\n"));
    expect(real.errors).toBe("");
    const mine = restore(parseRules(first, undefined, family), second, { noflush: true, family });
    // ip6tables-nft-restore 1.8.9 leaves out the counters of rules.
    const lost = family === "ipv6" && variant === "nft";
    const printed = printRules(mine, { counters: true });
    expect(lost ? printed.replace(/^\[\d+:\d+\] /gm, "[0:0] ") : printed).toBe(withoutComments(real.output));
  });
});
