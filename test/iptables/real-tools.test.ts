// The printer against the iptables tools themselves, in a network namespace of their own. Needs root and iptables 1.8.9.
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { BUILT_IN_CHAINS, TABLE_NAMES, type TableName } from "../../src/iptables/model.ts";
import { parseRules } from "../../src/iptables/parse.ts";
import { printRules } from "../../src/iptables/print.ts";
import { restore } from "../../src/iptables/restore.ts";
import { CHANGED, SAME, USER_CHAINS } from "./cases.ts";

function run(command: string, input = ""): { ok: boolean; output: string; errors: string } {
  const { status, stdout, stderr } = spawnSync("unshare", ["-n", "sh", "-c", command], { input, encoding: "utf8" });
  return { ok: status === 0, output: stdout ?? "", errors: stderr ?? "no unshare" };
}

/** Why the real tools cannot be asked here; undefined if they can. */
function missing(variant: string): string | undefined {
  const version = run(`iptables-${variant}-save --version && iptables-${variant}-save`);
  if (!version.ok) return `iptables-${variant} cannot be run here (${version.errors.trim()})`;
  return version.output.includes("v1.8.9") ? undefined : `the iptables here is not 1.8.9: ${version.output.trim()}`;
}

function tableText(table: TableName): string {
  const rules = [...(SAME[table] ?? []), ...(CHANGED[table] ?? []).map(([written]) => written)];
  const chains = [
    ...BUILT_IN_CHAINS[table].map((chain) => `:${chain} ACCEPT [0:0]`),
    ...USER_CHAINS.map((chain) => `:${chain} - [0:0]`),
  ];
  return [`*${table}`, ...chains, ...rules.map((rule) => `-A ${rule}`), "COMMIT", ""].join("\n");
}

function withoutComments(text: string): string {
  return text.replace(/^#.*\n/gm, "");
}

describe.each(["legacy", "nft"])("iptables-%s", (variant) => {
  const reason = missing(variant);

  test.skipIf(reason !== undefined && process.env["CI"] !== "true")(`is here${reason ? `: ${reason}` : ""}`, () => {
    expect(reason).toBeUndefined();
  });

  test.skipIf(reason !== undefined).each(TABLE_NAMES)("prints table %s as podwire does", (table) => {
    const text = tableText(table);
    const real = run(`iptables-${variant}-restore && iptables-${variant}-save -t ${table}`, text);
    expect(real.errors).toBe("");
    const printed = printRules(parseRules(text));
    expect(printed).toBe(withoutComments(real.output));
    expect(run(`iptables-${variant}-restore --test`, printed).errors).toBe("");
  });

  test.skipIf(reason !== undefined)("keeps the same after a restore with --noflush", () => {
    const first = "*filter\n:INPUT DROP [5:6]\n:U1 - [0:0]\n[1:2] -A INPUT -s 1.1.1.1 -j U1\n[3:4] -A U1\nCOMMIT\n";
    const second =
      "*filter\n:INPUT ACCEPT [7:8]\n:U1 - [0:0]\n:U2 - [0:0]\n[5:6] -A U1 -j U2\n-I INPUT -s 2.2.2.2,3.3.3.3 -j U2\nCOMMIT\n";
    const save = `iptables-${variant}-save -c -t filter`;
    const command = `printf '${first}' | iptables-${variant}-restore -c && printf '${second}' | iptables-${variant}-restore -c -n && ${save}`;
    const real = run(command.replaceAll("\n", "\\n"));
    expect(real.errors).toBe("");
    const mine = restore(parseRules(first), second, { noflush: true });
    expect(printRules(mine, { counters: true })).toBe(withoutComments(real.output));
  });
});
