// `nft list` in the shell: the table of nftables mode as nft prints it, and who a set has kept for its affinity.
import { describe, expect, test } from "vitest";
import { dualShellOfMode, shellOfMode, shellOn } from "./shell.ts";

const MANIFESTS = [
  "{apiVersion: v1, kind: Pod, metadata: {name: client}, spec: {containers: [{name: c, image: c}]}}",
  "{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web}}, spec: {containers: [{name: c, image: c, ports: [{containerPort: 80}]}]}}",
  "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}], sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 600}}}}",
];

test("where there is IPv6, nft list has a table of each family, and a line for each client of IPv6", async () => {
  const web = MANIFESTS[2]?.replace("selector:", "ipFamilies: [IPv6], selector:") ?? "";
  const shell = dualShellOfMode("nftables", ...MANIFESTS.slice(0, 2), web);
  const four = await shell.out("node-1 nft list table ip kube-proxy");
  const six = await shell.out("node-1 nft list table ip6 kube-proxy");
  expect(four).toMatch(/^table ip kube-proxy \{/);
  expect(six).toMatch(/^table ip6 kube-proxy \{/);
  expect(await shell.out("node-1 nft list ruleset")).toBe(`${four}${six}`);
  expect(await shell.out("node-1 nft list ruleset ip6")).toBe(six);
  expect(await shell.out("node-1 nft list tables")).toBe("table ip kube-proxy\ntable ip6 kube-proxy\n");
  expect(await shell.out("node-1 nft list map ip6 kube-proxy service-ips")).toContain("fd00:10:96::b . tcp . 80 :");
  await shell.run("client curl -s -o /dev/null http://[fd00:10:96::b]");
  const texts = await shell.out(["node-1", "node-2", "node-3"].map((node) => `${node} nft list ruleset`).join("; "));
  expect(texts.match(/elements = \{ fd00:10:244:\d::\d expires 9m59s\d+ms \}/g)).toHaveLength(1);
});

describe("nft list", () => {
  const shell = shellOfMode("nftables", ...MANIFESTS);
  const node = "node-1";

  test("ruleset and table print the whole table, chain and map a part of it", async () => {
    const ruleset = await shell.out(`${node} nft list ruleset`);
    expect(ruleset).toMatch(/^table ip kube-proxy \{\n\tcomment "rules for kube-proxy"\n/);
    expect(await shell.out(`${node} nft list table ip kube-proxy`)).toBe(ruleset);
    expect(await shell.out(`${node} nft list table kube-proxy`)).toBe(ruleset);
    expect(await shell.out(`${node} nft list tables`)).toBe("table ip kube-proxy\n");
    expect(await shell.out(`${node} nft list ruleset ip6`)).toBe("");
    expect(await shell.out(`${node} nft list chain ip kube-proxy mark-for-masquerade`)).toBe(
      "table ip kube-proxy {\n\tchain mark-for-masquerade {\n\t\tmeta mark set meta mark | 0x00004000\n\t}\n}\n",
    );
    const map = await shell.out(`${node} nft list map ip kube-proxy service-ips`);
    expect(map).toMatch(/^table ip kube-proxy \{\n\tmap service-ips \{\n\t\ttype ipv4_addr \. inet_proto/);
    expect(map).toContain("goto service-");
    expect(ruleset).toContain(map.split("\n").slice(1, -2).join("\n"));
  });

  test("a set of session affinity has the clients that came, with the time that is left", async () => {
    const ruleset = await shell.out(`${node} nft list ruleset`);
    const [, set = ""] = /^\tset (affinity-\S+) \{\n/m.exec(ruleset) ?? [];
    expect(set).not.toBe("");
    expect(ruleset).not.toContain("expires");
    await shell.run("client curl -s -o /dev/null http://web");
    const texts = await shell.out(`node-1 nft list ruleset; node-2 nft list ruleset; node-3 nft list ruleset`);
    expect(texts.match(/elements = \{ 10\.244\.\d\.\d expires 9m59s\d+ms \}/g)).toHaveLength(1);
  });

  test("what is not there is told as nft tells it", async () => {
    expect(await shell.run(`${node} nft list table ip foo`)).toEqual({
      out: "",
      err: "Error: No such file or directory\nlist table ip foo\n              ^^^\n",
      status: 1,
    });
    expect((await shell.run(`${node} nft list chain ip kube-proxy zz`)).err).toBe(
      "Error: No such file or directory\nlist chain ip kube-proxy zz\n                         ^^\n",
    );
    expect((await shell.run(`${node} nft list table ip6 kube-proxy`)).err).toBe(
      "Error: No such file or directory\nlist table ip6 kube-proxy\n               ^^^^^^^^^^\n",
    );
    expect((await shell.run(`${node} nft add table ip x`)).err).toMatch(
      /add table ip x is not emulated; there is list/,
    );
  });

  test("in iptables mode there is no table", async () => {
    const other = shellOn("walks/02-same-node");
    expect(await other.out("node-1 nft list ruleset; node-1 nft list tables")).toBe("");
  });
});
