// podwire rules: a node's rules on standard output, equal to those that kube-proxy writes and to those that a run begins with.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { comparable, parseRules } from "../node/rules-text.ts";
import { podwire, ROOT, runInto, temporaryFolder } from "../tools/podwire.ts";

const CASES = "test/fixtures/kube-proxy";

// One for each way to say who is a pod, and both families; test/node has all cases.
const SOME = [
  "07-nodeport-localhost-off-no-kubelet",
  "31-dual-stack-ipv6-half",
  "33-masquerade-all-odd-mark",
  "35-detect-local-none",
];

describe("with --context it prints the rules of the recorded case", () => {
  test.each(SOME)("%s", (name) => {
    const folder = `${CASES}/${name}`;
    const { status, stdout, stderr } = podwire("rules", folder, "--context", `./${folder}/context.yaml`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const [actual, expected] = [
      parseRules(stdout),
      parseRules(readFileSync(join(ROOT, folder, "expected.rules"), "utf8")),
    ];
    for (const table of ["nat", "filter"])
      expect(comparable(actual.get(table))).toEqual(comparable(expected.get(table)));
  });
});

test("with --context objects are taken as kube-proxy is told of them, also where the API server would not store them", () => {
  const folder = temporaryFolder();
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const service = (name: string, spec: string): string =>
    `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: shop}\nspec: ${spec}\n---\n`;
  const manifests =
    service(
      "outside",
      "{type: ExternalName, clusterIP: 10.96.0.9, externalName: a.example, ports: [{port: 80, nodePort: 30001}]}",
    ) + service("web", '{clusterIP: 10.96.0.8, clusterIPs: [""], healthCheckNodePort: 30002, ports: [{port: 80}]}');
  const context = write("context.yaml", "nodeName: node-1\n");
  const { status, stdout, stderr } = podwire("rules", write("m.yaml", manifests), "--context", context);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout.split("\n").filter((line) => line.includes("shop/"))).toEqual([
    '-A KUBE-SERVICES -d 10.96.0.8/32 -p tcp -m comment --comment "shop/web has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
  ]);
});

test("without --context it prints the rules that the node has in a run, the first node's unless another is named", () => {
  const { status, stdout, stderr } = podwire("rules", "examples/walks/07-node-port", "--counters");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(podwire("rules", "examples/walks/07-node-port", "--counters", "--node", "node-1").stdout).toBe(stdout);
  const { folder } = runInto(temporaryFolder(), "examples/walks/07-node-port");
  const counted = readFileSync(join(folder, "rules/node-1.v4"), "utf8");
  expect(stdout).toBe(counted.replace(/\[\d+:\d+\]/g, "[0:0]"));
});

test("--table prints one table, --nodes changes the cluster", () => {
  const { stdout } = podwire("rules", "examples/walks/07-node-port", "--table", "filter");
  expect(stdout).toMatch(/^\*filter\n[^*]*COMMIT\n$/);
  const { stderr } = podwire("rules", "examples/shop/frontend.yaml", "--nodes", "1", "--node", "node-2");
  expect(stderr).toBe("podwire: --node: there is no node node-2; there are node-1, gateway\n");
});

test("--ipsets prints the sets that the rules of a NetworkPolicy name", () => {
  const folder = temporaryFolder();
  writeFileSync(
    join(folder, "policy.yaml"),
    `apiVersion: v1
kind: Pod
metadata: {name: db, labels: {app: db}}
spec: {containers: [{name: main}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}]}
`,
  );
  const sets = podwire("rules", folder, "--ipsets").stdout;
  const named = [...podwire("rules", folder, "--table", "filter").stdout.matchAll(/--match-set (\S+)/g)].map(
    ([, set]) => set,
  );
  expect(named.length).toBeGreaterThan(0);
  for (const set of named) expect(sets).toContain(`create ${set} hash:`);
});

describe("bad input ends with status 2 and one sentence:", () => {
  const folder = temporaryFolder();
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const manifests = file("m.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n");
  const scenario = file("s.yaml", "apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: {name: s}\n");
  const context = (text: string): string => file("context.yaml", text);

  test.each<[string, string[], string]>([
    [
      "an unknown table",
      [manifests, "--table", "mangel"],
      "--table: the node has no table mangel; there are mangle, filter, nat",
    ],
    [
      "an unknown node",
      [manifests, "--node", "a"],
      "--node: there is no node a; there are node-1, node-2, node-3, gateway",
    ],
    ["no context", [manifests, "--context", "none.yaml"], "none.yaml: --context: there is no such file"],
    [
      "a context with a field that there is not",
      [manifests, "--context", file("c.yaml", "nodeIP: 10.0.0.1\nnodename: a\n")],
      "FOLDER/c.yaml:2: nodename: there is no such field",
    ],
    [
      "two contexts in a file",
      [manifests, "--context", file("two.yaml", "{}\n---\n{}")],
      "FOLDER/two.yaml:3: there should be one document in this file",
    ],
    [
      "a Scenario besides",
      [scenario, "--context", context("nodeName: a")],
      "FOLDER/s.yaml:2: kind: a Scenario has no part in the rules of --context; leave one of them out",
    ],
  ])("%s", (_, args, sentence) => {
    const { status, stdout, stderr } = podwire("rules", ...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr.replaceAll(folder, "FOLDER")).toBe(`podwire: ${sentence}\n`);
  });
});

test("a Service without cluster IP is named, as --context allocates none", () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "context.yaml"), "nodeName: a\n");
  writeFileSync(
    join(folder, "web.yaml"),
    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
  );
  const { status, stdout, stderr } = podwire("rules", folder, "--context", join(folder, "context.yaml"));
  expect(status).toBe(0);
  expect(stdout).not.toContain("default/web");
  expect(stderr).toBe(
    "Service default/web has no cluster IP, so kube-proxy leaves it alone; with --context none is allocated\n",
  );
});

describe("--format nft", () => {
  test("prints the table of a kube-proxy in nftables mode, for a node of the cluster", () => {
    const { status, stdout, stderr } = podwire(
      "rules",
      "examples/walks/07-node-port",
      "--format",
      "nft",
      "--node",
      "node-2",
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain('table ip kube-proxy {\n\tcomment "rules for kube-proxy"\n');
    expect(stdout).toContain("elements = { 192.168.0.12 }");
    expect(stdout).toContain('ip daddr 10.96.0.0/12 drop comment "Drop traffic to unallocated ClusterIPs"');
  });

  test("with --context the family is that of the kube-proxy", () => {
    const folder = `${CASES}/31-dual-stack-ipv6-half`;
    const { status, stdout } = podwire("rules", folder, "--context", `./${folder}/context.yaml`, "--format", "nft");
    expect(status).toBe(0);
    expect(stdout).toContain("table ip6 kube-proxy {\n");
    expect(stdout).toContain("type ipv6_addr . inet_proto . inet_service : verdict");
  });

  test.each([
    [["--table", "nat"], "podwire: --table: it is for iptables; leave it out with --format nft\n"],
    [["--node", "gateway"], "podwire: --node: gateway has no nft table, as no kube-proxy runs there; choose a node\n"],
  ])("with %j says what is wrong", (more, complaint) => {
    const { status, stderr } = podwire("rules", "examples/walks/07-node-port", "--format", "nft", ...more);
    expect({ status, stderr }).toEqual({ status: 2, stderr: complaint });
  });
});
