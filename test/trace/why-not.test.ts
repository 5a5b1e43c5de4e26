// `podwire trace --why-not`: the denials of NetworkPolicies in their own words.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { documents, namespace, pod, policy } from "../network-policy/reach.ts";
import { podwire, ROOT, temporaryFolder } from "../tools/podwire.ts";

/** What is said of a request between two pods, from `Why not` on. */
function whyNot(manifests: string, from: string, to: string, ...more: string[]): string {
  const file = join(temporaryFolder(), "a.yaml");
  writeFileSync(file, manifests);
  const { stdout } = podwire("trace", file, "--nodes", "2", "--from", from, "--to", to, "--why-not", ...more);
  return stdout.slice(stdout.indexOf("Why not"));
}

const PODS = documents(
  namespace("shop", { team: "shop" }),
  namespace("dev", { team: "dev" }),
  pod("shop/web", "node-1", { app: "web" }),
  pod("shop/cart", "node-2", { app: "cart" }, [{ name: "grpc", containerPort: 7070 }, { containerPort: 9100 }]),
  pod("dev/shell", "node-2", { app: "web", canary: "yes" }),
);

test("a packet of IPv6 is held against selectors, blocks and named ports of its family", () => {
  const called = ["--from", "default/intruder", "--to", "[fd00:10:244:1::3]:8080", "--why-not"];
  const { stdout } = podwire("trace", join(ROOT, "examples", "dual-stack"), ...called);
  expect(stdout.slice(stdout.indexOf("Why not"))).toBe(`\
Why not: A NetworkPolicy isolates default/api-1 for ingress, and no rule lets TCP 8080 in from default/intruder (fd00:10:244:1::4).

NetworkPolicy default/api selects pods of default with app=api, and lets in:
  ingress[0]
    no   from pods of default with app=web: default/intruder has app=intruder
    no   or addresses in 2001:db8:0:a::/64 except 2001:db8:0:a:8000::/65: fd00:10:244:1::4 is not in 2001:db8:0:a::/64
    yes  on TCP http
`);
});

test("a policy without rules lets in nothing", () => {
  const text = documents(PODS, policy("shop/deny", { podSelector: {} }));
  expect(whyNot(text, "shop/web", "pod/shop/cart:7070")).toBe(`\
Why not: A NetworkPolicy isolates shop/cart for ingress, and no rule lets TCP 7070 in from shop/web (10.244.1.2).

NetworkPolicy shop/deny selects every pod of shop, and lets in nothing.
`);
});

test("of each peer and port it is told whether the packet meets it, and what it has instead", () => {
  const text = documents(
    PODS,
    policy("shop/cart", {
      podSelector: { matchLabels: { app: "cart" } },
      ingress: [
        { from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: "grpc" }] },
        {
          from: [
            { namespaceSelector: { matchExpressions: [{ key: "team", operator: "In", values: ["ops", "sre"] }] } },
            { namespaceSelector: {}, podSelector: { matchExpressions: [{ key: "canary", operator: "DoesNotExist" }] } },
            { ipBlock: { cidr: "10.244.0.0/16", except: ["10.244.2.0/24"] } },
          ],
        },
        { from: [{ namespaceSelector: { matchLabels: { team: "dev" } } }], ports: [{ port: 9000, endPort: 9200 }] },
        { from: [{ namespaceSelector: {} }], ports: [{ protocol: "UDP", port: 7070 }, { port: 80 }] },
      ],
    }),
  );
  expect(whyNot(text, "dev/shell", "pod/shop/cart:7070")).toBe(`\
Why not: A NetworkPolicy isolates shop/cart for ingress, and no rule lets TCP 7070 in from dev/shell (10.244.2.3).

NetworkPolicy shop/cart selects pods of shop with app=cart, and lets in:
  ingress[0]
    no   from pods of shop with app=web: dev/shell is in namespace dev
    yes  on TCP grpc
  ingress[1]
    no   from every pod in namespaces with team in (ops,sre): namespace dev has team=dev,kubernetes.io/metadata.name=dev
    no   or pods of any namespace with !canary: dev/shell has app=web,canary=yes
    no   or addresses in 10.244.0.0/16 except 10.244.2.0/24: 10.244.2.3 is in 10.244.2.0/24
    yes  on every port
  ingress[2]
    yes  from every pod in namespaces with team=dev
    no   on TCP 9000 to 9200: the packet goes to TCP 7070
  ingress[3]
    yes  from every pod of any namespace
    no   on UDP 7070: the packet is TCP 7070
    no   or TCP 80: the packet goes to TCP 7070
`);
});

test("a policy for egress speaks of the pod that is called, after the Service's address is rewritten", () => {
  const service = JSON.stringify({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "cart", namespace: "shop" },
    spec: { selector: { app: "cart" }, ports: [{ port: 80, targetPort: 7070 }] },
  });
  const egress = [{ to: [{ ipBlock: { cidr: "10.96.0.0/12" } }], ports: [{ port: 80 }] }];
  const text = documents(PODS, service, policy("shop/web", { podSelector: {}, policyTypes: ["Egress"], egress }));
  expect(whyNot(text, "shop/web", "svc/shop/cart:80")).toBe(`\
Why not: A NetworkPolicy isolates shop/web for egress, and no rule lets TCP 7070 out to shop/cart (10.244.2.2).

NetworkPolicy shop/web selects every pod of shop, and lets out:
  egress[0]
    no   to addresses in 10.96.0.0/12: 10.244.2.2 is not in 10.96.0.0/12
    no   on TCP 80: the packet goes to TCP 7070
`);
});

test("a question for a name that a policy denies is explained too", () => {
  const text = documents(PODS, policy("shop/web", { podSelector: {}, policyTypes: ["Egress"] }));
  expect(whyNot(text, "shop/web", "kubernetes.default.svc.cluster.local:443").split("\n")[0]).toMatch(
    /^Why not: A NetworkPolicy isolates shop\/web for egress, and no rule lets UDP 53 out to kube-system\/coredns-\d /,
  );
});

test("what no policy denied is said to be so", () => {
  expect(whyNot(PODS, "shop/web", "pod/shop/cart:1")).toBe("Why not: no NetworkPolicy denied it.\n");
});

test("JSON has it as data", () => {
  const file = join(temporaryFolder(), "a.yaml");
  writeFileSync(file, documents(PODS, policy("shop/deny", { podSelector: {} })));
  const { stdout } = podwire("trace", file, "--from", "shop/web", "--to", "pod/shop/cart:7070", "--why-not", "--json");
  expect((JSON.parse(stdout) as { whyNot: unknown }).whyNot).toEqual({
    pod: "shop/cart",
    direction: "ingress",
    peer: "shop/web",
    address: "10.244.1.2",
    protocol: "TCP",
    port: 7070,
    policies: [{ policy: "shop/deny", selects: "every pod of shop", rules: [] }],
  });
});
