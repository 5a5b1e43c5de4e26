// The sets and rules of policies, loaded into a real kernel: it takes them all and prints the rules back as they were written.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { documents, pod, policy, prepared } from "./reach.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";

/** What a shell prints in a network namespace of its own, in which iptables-legacy and ipset are at home. */
function shell(script: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync("unshare", ["-n", "sh", "-c", script], { encoding: "utf8" });
}

const works =
  shell("ipset create probe hash:net && iptables-legacy -A FORWARD -m set --match-set probe src").status === 0;
if (!works)
  console.warn("SKIPPED: policies are not held against Linux; that needs root, unshare, iptables-legacy and ipset");

it("Linux is here to be compared with, at least in CI", () => {
  if (process.env.CI === "true") expect(works).toBe(true);
});

it.skipIf(!works)("Linux takes every kind of set and rule that policies become", () => {
  const peers = [
    { podSelector: {} },
    { ipBlock: { cidr: "0.0.0.0/0", except: ["10.1.0.0/16", "0.0.0.0/2"] } },
    { ipBlock: { cidr: "10.2.3.4/16" } },
  ];
  const ports = [
    { port: "http" },
    { port: "http", protocol: "SCTP" },
    { port: 80, endPort: 90 },
    { protocol: "UDP" },
    { port: 7, protocol: "SCTP" },
  ];
  const { plan } = prepared(
    documents(
      pod("default/web", "node-1", { app: "web" }, [{ name: "http", containerPort: 8080 }]),
      policy("default/both", { podSelector: {}, ingress: [{ from: peers, ports }], egress: [{ to: peers, ports }] }),
    ),
  );
  const [root] = plan.machines[0]?.namespaces ?? [];
  const { sets = "" } = root ?? {};
  const rules = wholeText(root?.rules ?? "");
  const folder = mkdtempSync(join(tmpdir(), "podwire-test-"));
  writeFileSync(join(folder, "v4"), rules);
  writeFileSync(join(folder, "ipset"), sets);
  const { status, stderr, stdout } = shell(
    `ipset restore <${folder}/ipset && iptables-legacy-restore <${folder}/v4 && iptables-legacy-save -t filter`,
  );
  rmSync(folder, { recursive: true });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const ours = (text: string): string[] =>
    text.split("\n").filter((line) => /^(:|-A )(NETPOL|FORWARD.*NETPOL)/.test(line));
  expect(ours(rules).length).toBeGreaterThan(40);
  expect(ours(stdout).sort()).toEqual(ours(rules).sort());
});
