// Random pods and policies: labels, selectors, blocks and named ports that meet each other often.
import fc from "fast-check";
import { documents, namespace, pod, policy } from "./reach.ts";

export const NAMESPACES = ["a", "b", "c"];
const labels = fc.record({ app: fc.constantFrom("x", "y"), tier: fc.constantFrom("p", "q") }, { requiredKeys: [] });

const expression = fc.oneof(
  fc.record({
    key: fc.constantFrom("app", "tier"),
    operator: fc.constantFrom("In", "NotIn"),
    values: fc.subarray(["x", "y", "p"], { minLength: 1 }),
  }),
  fc.record({ key: fc.constantFrom("app", "tier"), operator: fc.constantFrom("Exists", "DoesNotExist") }),
);
const selector = fc.record(
  { matchLabels: labels, matchExpressions: fc.array(expression, { maxLength: 1 }) },
  { requiredKeys: [] },
);
const namespaceSelector = fc.oneof(
  fc.constant({}),
  fc.constantFrom("a", "b", "c").map((name) => ({ matchLabels: { "kubernetes.io/metadata.name": name } })),
  fc.constant({ matchLabels: { team: "one" } }),
  fc.constant({ matchExpressions: [{ key: "team", operator: "DoesNotExist" }] }),
);
const ipBlock = fc.constantFrom(
  { cidr: "0.0.0.0/0" },
  { cidr: "0.0.0.0/0", except: ["10.244.1.0/24"] },
  { cidr: "10.244.0.0/16", except: ["10.244.1.2/31", "10.244.2.3/32"] },
  { cidr: "10.244.1.0/24" },
  { cidr: "10.244.2.2/31" },
  { cidr: "2001:db8::/32" },
);
const peer = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector }),
  fc.record({ podSelector: selector, namespaceSelector }),
  fc.record({ ipBlock }),
);
const port = fc.constantFrom<object[]>(
  { port: 8080 },
  { port: 8080, endPort: 8081 },
  { port: "web" },
  { port: "web", protocol: "UDP" },
  { protocol: "UDP" },
  { protocol: "TCP" },
  { port: 8081, protocol: "UDP" },
  { port: 8080, protocol: "SCTP" },
);
const rules = (side: "from" | "to") =>
  fc.array(
    fc.record(
      { [side]: fc.array(peer, { maxLength: 2 }), ports: fc.array(port, { maxLength: 2 }) },
      { requiredKeys: [] },
    ),
    { maxLength: 2 },
  );
const spec = fc.record(
  {
    podSelector: selector,
    policyTypes: fc.subarray(["Ingress", "Egress"]),
    ingress: rules("from"),
    egress: rules("to"),
  },
  { requiredKeys: ["podSelector"] },
);

// A named port may have another number, or another protocol, in each pod.
const ports = fc.constantFrom<object[]>(
  [],
  [
    { name: "web", containerPort: 8080 },
    { name: "dns", containerPort: 8081, protocol: "UDP" },
  ],
  [
    { name: "other", containerPort: 8080 },
    { name: "web", containerPort: 8081 },
  ],
  [
    { name: "web", containerPort: 8081, protocol: "UDP" },
    { name: "more", containerPort: 9000 },
  ],
);
export const world = fc.record({
  // The last has no Namespace object, so its name is its only label.
  teams: fc.array(fc.constantFrom({}, { team: "one" }), { minLength: 2, maxLength: 2 }),
  pods: fc.array(
    fc.record({
      at: fc.constantFrom(...NAMESPACES),
      node: fc.constantFrom("node-1", "node-2"),
      labels,
      ports,
    }),
    { minLength: 2, maxLength: 5 },
  ),
  policies: fc.array(fc.record({ at: fc.constantFrom(...NAMESPACES), spec }), { maxLength: 4 }),
});

export type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** A world as manifests: pods p0, p1 and so on, policies n0, n1 and so on. */
export function manifestsOf({ teams, pods, policies }: World): string {
  return documents(
    ...teams.map((team, i) => namespace(NAMESPACES[i] ?? "", team)),
    ...pods.map(({ at, node, labels, ports }, i) => pod(`${at}/p${i}`, node, labels, ports)),
    ...policies.map(({ at, spec }, i) => policy(`${at}/n${i}`, spec)),
  );
}
