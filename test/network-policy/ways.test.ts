// Policies on the ways that packets go: over one bridge, between nodes, by Services, from nodes, from outside, and back.
import { expect, test } from "vitest";
import { parseDocuments } from "../../src/documents/document.ts";
import { runProbes } from "../../src/commands/probing.ts";
import { prepare } from "../../src/scenario/prepare.ts";
import { judgeReaches } from "../../src/scenario/reach.ts";
import { scenarioSchema } from "../../src/scenario/schema.ts";
import { documents, pod, policy } from "./reach.ts";

const WEB = [{ containerPort: 8080 }];
const CLUSTER = documents(
  pod("default/web", "node-1", { app: "web" }, WEB),
  pod("default/near", "node-1", { app: "near" }, WEB),
  pod("default/far", "node-2", { app: "far" }, WEB),
  pod("default/host", "node-2", { app: "far" }, [{ containerPort: 7000 }], { hostNetwork: true }),
  JSON.stringify({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web" },
    spec: { type: "NodePort", selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }] },
  }),
);

/** The sentences of expectations that do not hold. */
function broken(policies: string[], expectations: string[]): string[] {
  const text = `apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: {name: x}\nspec:\n  cluster: {nodes: 2}\n  traffic: []\n  expect:\n${expectations.map((one) => `    - {${one}}\n`).join("")}`;
  const [document] = parseDocuments(text, "s.yaml");
  if (!document) throw new Error("there is no document");
  const manifests = parseDocuments(documents(CLUSTER, ...policies), "a.yaml");
  const scenario = prepare({ scenario: document.validate(scenarioSchema), document, manifests }, { outDir: "" });
  const results = runProbes(
    scenario,
    scenario.reaches.flatMap(({ probes }) => probes),
  );
  return judgeReaches(scenario.cluster, scenario.reaches, results)
    .filter(({ holds }) => !holds)
    .map(({ sentence }) => sentence);
}

const web = { podSelector: { matchLabels: { app: "web" } } };
const all = (text: string, is: string): string[] => text.split("\n").map((line) => `${line.trim()}, is: ${is}`);

test("a pod without policies is open on every way", () => {
  const ways = `from: pod/near, to: pod/web:8080
    from: pod/far, to: pod/web:8080
    from: pod/far, to: svc/web:80
    from: pod/near, to: svc/web:80
    from: node/node-2, to: pod/web:8080
    from: internet, to: {nodePort: web, node: node-1}
    from: internet, to: {nodePort: web, node: node-2}
    from: pod/far, to: {pod: web}, protocol: icmp`;
  expect(broken([], all(ways, "allowed"))).toEqual([]);
});

test("an isolated pod is closed on every way but from its own node and from itself", () => {
  const ways = `from: pod/near, to: pod/web:8080
    from: pod/far, to: pod/web:8080
    from: pod/far, to: svc/web:80
    from: pod/near, to: svc/web:80
    from: node/node-2, to: pod/web:8080
    from: pod/host, to: pod/web:8080
    from: internet, to: {nodePort: web, node: node-1}
    from: internet, to: {nodePort: web, node: node-2}
    from: pod/far, to: {pod: web}, protocol: icmp`;
  const open = `from: node/node-1, to: pod/web:8080
    from: node/node-1, to: {service: web, port: 80}
    from: pod/web, to: pod/web:8080
    from: pod/web, to: svc/web:80
    from: pod/web, to: pod/far:8080
    from: pod/web, to: svc/kube-system/kube-dns:53, protocol: udp`;
  expect(broken([policy("default/p", web)], [...all(ways, "dropped"), ...all(open, "allowed")])).toEqual([]);
});

test("outside clients have their own address on the pod's node and the other node's if they come in there", () => {
  const ingress = (cidr: string): string[] => [
    policy("default/p", { ...web, ingress: [{ from: [{ ipBlock: { cidr } }] }] }),
  ];
  const near = "from: internet, to: {nodePort: web, node: node-1}";
  const far = "from: internet, to: {nodePort: web, node: node-2}";
  expect(broken(ingress("198.51.100.0/24"), [`${near}, is: allowed`, `${far}, is: dropped`])).toEqual([]);
  expect(broken(ingress("192.168.0.12/32"), [`${near}, is: dropped`, `${far}, is: allowed`])).toEqual([]);
});

test("egress is about pods and not about cluster IPs, and leaves the own node open", () => {
  const egress = (to: object[]): string[] => [
    policy("default/p", {
      podSelector: { matchLabels: { app: "far" } },
      policyTypes: ["Egress"],
      egress: to.length > 0 ? [{ to }] : [],
    }),
  ];
  const service = "from: pod/far, to: svc/web:80";
  expect(broken(egress([web]), [`${service}, is: allowed`, "from: pod/far, to: pod/near:8080, is: dropped"])).toEqual(
    [],
  );
  expect(broken(egress([{ ipBlock: { cidr: "10.96.0.0/12" } }]), [`${service}, is: dropped`])).toEqual([]);
  expect(broken(egress([]), [`${service}, is: dropped`, "from: pod/far, to: node/node-2:7000, is: allowed"])).toEqual(
    [],
  );
  // A pod on the host's network is not isolated by a policy that selects its labels.
  expect(broken(egress([]), ["from: pod/host, to: pod/web:8080, is: allowed"])).toEqual([]);
});

test("an expectation that fails names the rule and the policies that stopped it, or those that let it through", () => {
  const [dropped = "", allowed = ""] = broken(
    [policy("default/only-far", { ...web, ingress: [{ from: [{ podSelector: { matchLabels: { app: "far" } } }] }] })],
    ["from: pod/near, to: svc/web:80, is: allowed", "from: pod/far, to: svc/web:80, is: dropped"],
  );
  expect(dropped).toMatch(
    /^default\/near > Service default\/web:80\/TCP: expected allowed, was dropped on node-1 in filter (NETPOL-POD-IN-\w{12}) by "-A \1 -m comment --comment "ingress to default\/web denied by NetworkPolicy default\/only-far" -j DROP" \(NetworkPolicy default\/only-far\)$/,
  );
  expect(allowed).toBe(
    "default/far > Service default/web:80/TCP: expected dropped, was allowed: let through by NetworkPolicy default/only-far (ingress)",
  );
});
