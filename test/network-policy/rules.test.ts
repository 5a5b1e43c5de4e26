// The rules and sets that policies become on a node, as text.
import { expect, test } from "vitest";
import { nodeMachine } from "../../src/node/machine.ts";
import { documents, namespace, pod, policy, prepared } from "./reach.ts";
import { RANGES } from "../node/shop.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";

const PODS = [
  namespace("b", { team: "one" }),
  pod("a/web", "node-1", { app: "web" }, [{ name: "http", containerPort: 8080 }]),
  pod("a/api", "node-2", { app: "api" }, [{ name: "http", containerPort: 9090 }]),
  pod("b/job", "node-1", { app: "job" }),
  pod("a/agent", "node-1", { app: "web" }, [], { hostNetwork: true }),
];

/** What node-1 has for a policy of a/web: the rules of its policy chains without their chain and mark, and the sets without their head. */
function rulesOf(spec: object): { rules: string[]; sets: string[] } {
  const { cluster } = prepared(
    documents(...PODS, policy("a/p", { podSelector: { matchLabels: { app: "web" } }, ...spec })),
  );
  const [node] = cluster.nodes;
  if (!node) throw new Error("there is no node");
  const [root] = nodeMachine(cluster, node, RANGES).namespaces;
  const names: string[] = [];
  const named = (line: string): string =>
    line.replace(/NETPOL-[A-Z2-7]{16}/g, (name) => {
      if (!names.includes(name)) names.push(name);
      return `SET${names.indexOf(name)}`;
    });
  const rules = wholeText(root?.rules ?? "")
    .split("\n")
    .filter((line) => /^-A NETPOL-(IN|OUT)-/.test(line));
  return {
    rules: rules.map((line) =>
      named(line.replace(/^-A NETPOL-(IN|OUT)-\w+ ?/, "$1 ").replace(/ ?-m comment .*$/, "")).trim(),
    ),
    sets: (root?.sets ?? "")
      .split("\n")
      .filter(Boolean)
      .map((line) => named(line.replace(/ family.*/, ""))),
  };
}

const from = (...peers: object[]): object => ({ ingress: [{ from: peers }] });
const ports = (...list: object[]): object => ({ ingress: [{ ports: list }] });

test.each<[string, object, string[], string[]]>([
  ["an empty rule is a rule without conditions", { ingress: [{}] }, ["IN"], []],
  ["no rule at all is a chain that marks nothing", { policyTypes: ["Ingress"] }, [], []],
  [
    "selectors in one peer must both match, in two peers one of them, and all are one set of addresses",
    from(
      { namespaceSelector: { matchLabels: { team: "one" } }, podSelector: { matchLabels: { app: "job" } } },
      { podSelector: { matchExpressions: [{ key: "app", operator: "NotIn", values: ["web"] }] } },
    ),
    ["IN -m set --match-set SET0 src"],
    ["create SET0 hash:ip", "add SET0 10.244.1.3", "add SET0 10.244.2.2"],
  ],
  [
    "a namespace is known by its name, which is a label that it has by itself; pods on the host's network are nobody's peers",
    from({ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "a" } } }),
    ["IN -m set --match-set SET0 src"],
    ["create SET0 hash:ip", "add SET0 10.244.1.2", "add SET0 10.244.2.2"],
  ],
  [
    "a selector that matches nobody is an empty set, and so lets nobody in",
    from({ podSelector: { matchLabels: { app: "ghost" } } }),
    ["IN -m set --match-set SET0 src"],
    ["create SET0 hash:ip"],
  ],
  [
    "a block of addresses is written into the rule",
    from({ ipBlock: { cidr: "10.1.2.3/16" } }),
    ["IN -s 10.1.0.0/16"],
    [],
  ],
  [
    "blocks with exceptions are sets of networks, each its own",
    from(
      { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } },
      { ipBlock: { cidr: "0.0.0.0/0", except: ["192.0.2.0/24"] } },
    ),
    ["IN -m set --match-set SET0 src", "IN -m set --match-set SET1 src"],
    [
      "create SET0 hash:net",
      "add SET0 10.0.0.0/8",
      "add SET0 10.1.0.0/16 nomatch",
      "create SET1 hash:net",
      "add SET1 0.0.0.0/1",
      "add SET1 128.0.0.0/1",
      "add SET1 192.0.2.0/24 nomatch",
    ],
  ],
  ["an IPv6 block alone lets nobody in", from({ ipBlock: { cidr: "2001:db8::/32" } }), [], []],
  [
    "ports are numbers, ranges and whole protocols",
    ports(
      { port: 80 },
      { port: 1000, endPort: 1010, protocol: "UDP" },
      { protocol: "SCTP" },
      { port: 7, protocol: "SCTP" },
    ),
    ["IN -p tcp -m tcp --dport 80", "IN -p udp -m udp --dport 1000:1010", "IN -p sctp", "IN -p sctp -m sctp --dport 7"],
    [],
  ],
  [
    "a named port is every pod's own number",
    { egress: [{ ports: [{ port: "http" }] }], policyTypes: ["Egress"] },
    ["OUT -m set --match-set SET0 dst,dst"],
    ["create SET0 hash:ip,port", "add SET0 10.244.1.2,tcp:8080", "add SET0 10.244.2.2,tcp:9090"],
  ],
  [
    "each peer goes with each port",
    {
      ingress: [
        {
          from: [{ ipBlock: { cidr: "10.1.0.0/16" } }, { ipBlock: { cidr: "10.2.0.0/16" } }],
          ports: [{ port: 1 }, { port: 2 }],
        },
      ],
    },
    [
      "IN -s 10.1.0.0/16 -p tcp -m tcp --dport 1",
      "IN -s 10.1.0.0/16 -p tcp -m tcp --dport 2",
      "IN -s 10.2.0.0/16 -p tcp -m tcp --dport 1",
      "IN -s 10.2.0.0/16 -p tcp -m tcp --dport 2",
    ],
    [],
  ],
  ["rules for egress isolate for egress if no policyTypes are written", { egress: [{ to: [] }] }, ["OUT"], []],
  ["and do not if policyTypes leave it out", { egress: [{}], ingress: [{}], policyTypes: ["Ingress"] }, ["IN"], []],
])("%s", (_, spec, rules, sets) => {
  expect(rulesOf(spec)).toEqual({ rules, sets });
});

test("what is denied is dropped by a rule that names the pod and its policies, in comments that iptables takes", () => {
  const long = Array.from({ length: 12 }, (_, i) => policy(`a/a-policy-with-a-long-name-${i}`, { podSelector: {} }));
  const { plan } = prepared(documents(...PODS, ...long));
  const rules = wholeText(plan.machines[0]?.namespaces[0]?.rules ?? "");
  const [drop = ""] = rules.split("\n").filter((line) => line.endsWith("-j DROP") && line.includes("NETPOL"));
  const [, text = ""] = /--comment "([^"]*)"/.exec(drop) ?? [];
  expect(text).toMatch(/^ingress to a\/web denied by NetworkPolicy a\/a-policy-with-a-long-name-0, a\/.*\.\.\.$/);
  expect(text.length).toBe(255);
});

test("the jump to the policies is the first rule of FORWARD, and there is none without policies", () => {
  const forward = (...more: string[]): string | undefined =>
    wholeText(prepared(documents(...PODS, ...more)).plan.machines[0]?.namespaces[0]?.rules ?? "")
      .split("\n")
      .find((line) => line.startsWith("-A FORWARD"));
  expect(forward(policy("a/p", { podSelector: {} }))).toBe(
    '-A FORWARD -m comment --comment "network policies" -j NETPOL-FORWARD',
  );
  expect(forward()).not.toContain("NETPOL");
});
