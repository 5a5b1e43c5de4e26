// NetworkPolicies as the API server takes them, with what they leave out filled in, and what it refuses.
import { expect, test } from "vitest";
import { build, complaint } from "./build.ts";

const policy = (spec: string): string =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {${spec}}\n`;

test.each([
  ["podSelector: {}", ["ingress"]],
  ["podSelector: {}, egress: [{}]", ["ingress", "egress"]],
  ["podSelector: {}, egress: []", ["ingress"]],
  ["podSelector: {}, policyTypes: [Egress], ingress: [{}]", ["egress"]],
  ["podSelector: {}, policyTypes: [Ingress, Egress]", ["ingress", "egress"]],
])("{%s} isolates for %s", (spec, directions) => {
  const [only] = build(policy(spec)).networkPolicies;
  expect((["ingress", "egress"] as const).filter((direction) => only?.[direction] !== undefined)).toEqual(directions);
});

test("a namespace has its labels and its name as a label, whether it is written or only has pods", () => {
  const text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: one}}\n";
  expect(build(text).namespaces).toEqual([
    { name: "shop", labels: { team: "one", "kubernetes.io/metadata.name": "shop" } },
    { name: "kube-system", labels: { "kubernetes.io/metadata.name": "kube-system" } },
  ]);
});

test.each([
  ["podSelectors: {}", "spec.podSelectors: there is no such field; podSelector would be one"],
  [
    "podSelector: {matchLabel: {a: b}}",
    "spec.podSelector.matchLabel: there is no such field; matchLabels would be one",
  ],
  ["ingress: [{to: []}]", "spec.ingress[0].to: there is no such field"],
  [
    "ingress: [{from: [{namespaceSelectors: {}}]}]",
    "spec.ingress[0].from[0].namespaceSelectors: there is no such field; namespaceSelector would be one",
  ],
  [
    "ingress: [{from: [{}]}]",
    "spec.ingress[0].from[0]: should have either an ipBlock, or selectors of pods and namespaces",
  ],
  [
    "ingress: [{from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}]",
    "spec.ingress[0].from[0]: should have either an ipBlock, or selectors of pods and namespaces",
  ],
  [
    "egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/9]}}]}]",
    "spec.egress[0].to[0].ipBlock.except[0]: 11.0.0.0/9 should be a part of 10.0.0.0/8 and smaller than it",
  ],
  [
    "egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]",
    "spec.egress[0].to[0].ipBlock.except[0]: 10.0.0.0/8 should be a part of 10.0.0.0/8 and smaller than it",
  ],
  [
    "egress: [{to: [{ipBlock: {cidr: 10.0.0.1}}]}]",
    'spec.egress[0].to[0].ipBlock.cidr: "10.0.0.1" is not an address block such as 192.0.2.0/24',
  ],
  [
    "egress: [{ports: [{port: 80, endPort: 79}]}]",
    "spec.egress[0].ports[0].endPort: should be at least port, which should be a number",
  ],
  [
    "egress: [{ports: [{port: http, endPort: 80}]}]",
    "spec.egress[0].ports[0].endPort: should be at least port, which should be a number",
  ],
  [
    "egress: [{ports: [{endPort: 80}]}]",
    "spec.egress[0].ports[0].endPort: should be at least port, which should be a number",
  ],
  ["egress: [{ports: [{protocol: ICMP}]}]", "spec.egress[0].ports[0].protocol: should be one of TCP, UDP, SCTP"],
  ["policyTypes: [ingress]", "spec.policyTypes[0]: should be one of Ingress, Egress"],
])("{%s} is refused", (spec, sentence) => {
  expect(complaint(policy(spec))).toMatch(/^a\.yaml:\d+: /);
  expect(complaint(policy(spec)).replace(/^a\.yaml:\d+: /, "")).toBe(sentence);
});
