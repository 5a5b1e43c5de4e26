// What a scenario of two families comes to: machines with addresses, routes and rules of both, and what is refused.
import { expect, test } from "vitest";
import { parseDocuments } from "../../src/documents/document.ts";
import { InputError } from "../../src/errors.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";
import { prepare, type PreparedScenario } from "../../src/scenario/prepare.ts";
import { scenarioSchema } from "../../src/scenario/schema.ts";
import type { Machine } from "../../src/seam/machine.ts";

const WEB = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, ipFamilyPolicy: PreferDualStack, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {nodeName: node-1, containers: [{name: web, ports: [{name: http, containerPort: 8080, hostPort: 8000}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {nodeName: node-2, containers: [{name: client}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from:
        - podSelector: {matchLabels: {app: client}}
        - ipBlock: {cidr: "2001:db8::/32", except: ["2001:db8:bad::/48"]}
        - ipBlock: {cidr: 192.168.0.0/24}
      ports: [{port: http}]
`;

function prepared(cluster: string, traffic = "[]"): PreparedScenario {
  const [document] = parseDocuments(
    `apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: {name: test}\nspec: {cluster: ${cluster}, traffic: ${traffic}}\n`,
    "scenario.yaml",
  );
  if (!document) throw new Error("no document");
  const manifests = parseDocuments(WEB, "web.yaml");
  return prepare({ scenario: document.validate(scenarioSchema), document, manifests }, { outDir: "", capture: [] });
}

function sentence(cluster: string): string {
  try {
    prepared(cluster);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return "nothing was wrong";
}

function machine(cluster: string, name: string): Machine {
  const found = prepared(cluster).plan.machines.find((one) => one.name === name);
  if (!found) throw new Error(`there is no machine ${name}`);
  return found;
}

/** `node-1 eth0 192.168.0.11/24` */
function addresses({ addresses: all }: Machine): string[] {
  return all.map(({ namespace, device, cidr }) => `${namespace} ${device} ${cidr}`);
}

/** `node-1 ::/0 via 2001:db8:1::1 dev eth0` */
function routes6({ routes }: Machine): string[] {
  return routes
    .filter(({ destination }) => destination.includes(":"))
    .map(({ namespace, destination, via, device }) => `${namespace} ${destination} via ${via} dev ${device}`);
}

function rules6(name: string): string[] {
  const [root] = machine("{ipFamily: dual, nodes: 2}", name).namespaces;
  return wholeText(root?.ipv6Rules ?? "").split("\n");
}

test("a node has addresses of both families on its card and its bridge, and its pod on eth0", () => {
  expect(
    addresses(machine("{ipFamily: dual, nodes: 2}", "node-1")).filter((line) => !line.includes("kube-system")),
  ).toEqual([
    "node-1 eth0 192.168.0.11/24",
    "node-1 eth0 2001:db8:1::b/64",
    "node-1 vbr0 10.244.1.1/24",
    "node-1 vbr0 fd00:10:244:1::1/64",
    "default/web eth0 10.244.1.2/24",
    "default/web eth0 fd00:10:244:1::2/64",
  ]);
});

test("a node's way to the pods of another is by that one's IPv6 address, and out by the gateway; a pod's by its bridge", () => {
  expect(
    routes6(machine("{ipFamily: dual, nodes: 2}", "node-1")).filter((line) => !line.includes("kube-system")),
  ).toEqual([
    "node-1 ::/0 via 2001:db8:1::1 dev eth0",
    "node-1 fd00:10:244:2::/64 via 2001:db8:1::c dev eth0",
    "default/web ::/0 via fd00:10:244:1::1 dev eth0",
  ]);
});

test("pods of a cluster of IPv6 alone have no IPv4, the nodes' cards have", () => {
  const node = machine("{ipFamily: ipv6, nodes: 2}", "node-1");
  expect(addresses(node).filter((line) => /\d\.\d/.test(line))).toEqual(["node-1 eth0 192.168.0.11/24"]);
  expect(node.routes.filter(({ destination }) => /\d\.\d/.test(destination))).toEqual([
    { namespace: "node-1", destination: "0.0.0.0/0", via: "192.168.0.1", device: "eth0" },
  ]);
  expect(node.commonRoutes).toBeUndefined();
});

test("a cluster of IPv4 alone has nothing of IPv6", () => {
  for (const cluster of ["{}", "{ipFamily: ipv4}", "{podCIDR: 10.244.0.0/16}"]) {
    const text = JSON.stringify(prepared(cluster).plan);
    expect(text).not.toMatch(/ipv6|fd00|2001:db8:1/);
  }
});

test("nodes forward IPv6 where there is any", () => {
  expect(machine("{ipFamily: dual}", "node-1").namespaces[0]?.sysctls).toContainEqual([
    "net.ipv6.conf.all.forwarding",
    "1",
  ]);
});

test("the rules of IPv6 lead the cluster IP and the node port to the pods' addresses in brackets", () => {
  const rules = rules6("node-1");
  expect(rules).toContain(
    '-A KUBE-SERVICES -d fd00:10:96::b/128 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-LOLE4ISW44XBNF3G',
  );
  expect(rules.some((rule) => rule.endsWith("-j DNAT --to-destination [fd00:10:244:1::2]:8080"))).toBe(true);
  expect(rules.filter((rule) => rule.startsWith("-A KUBE-NODEPORTS"))).toHaveLength(1);
  expect(rules.join("\n")).not.toMatch(/\b10\.244|\b192\.168/);
});

test("what leaves the cluster is masqueraded for IPv6 as for IPv4, what stays in it is not", () => {
  const rules = rules6("node-2");
  expect(rules).toContain(
    '-A POSTROUTING -s fd00:10:244::/56 -d fd00:10:244::/56 -m comment --comment "pods keep their address inside the cluster" -j ACCEPT',
  );
  const masquerade = rules.find((rule) => rule.includes("! -d ff00::/8") && rule.endsWith("-j MASQUERADE"));
  expect(masquerade).toMatch(/^-A CNI-/);
  expect(rules.some((rule) => rule.startsWith("-A POSTROUTING -s fd00:10:244:2::"))).toBe(true);
});

test("a host port leads to the pod's IPv6 address too, without the rule for loopback", () => {
  const chain = rules6("node-1").filter((rule) => rule.startsWith("-A CNI-DN-"));
  expect(chain.map((rule) => rule.replace(/^-A \S+ /, ""))).toEqual([
    "-s fd00:10:244:1::/64 -p tcp -m tcp --dport 8000 -j CNI-HOSTPORT-SETMARK",
    "-p tcp -m tcp --dport 8000 -j DNAT --to-destination [fd00:10:244:1::2]:8080",
  ]);
});

test("a policy's selectors and blocks of IPv6 are sets of family inet6, beside those of IPv4", () => {
  const [root] = machine("{ipFamily: dual, nodes: 2}", "node-1").namespaces;
  const sets = (root?.sets ?? "")
    .split("\n")
    .map((line) => line.replace(/NETPOL-\S+/, "SET").replace(/ hashsize.*/, ""));
  expect(sets).toEqual([
    "create SET hash:ip family inet",
    "add SET 10.244.2.2",
    "create SET hash:ip,port family inet",
    "add SET 10.244.1.2,tcp:8080",
    "create SET hash:ip family inet6",
    "add SET fd00:10:244:2::2",
    "create SET hash:net family inet6",
    "add SET 2001:db8::/32",
    "add SET 2001:db8:bad::/48 nomatch",
    "create SET hash:ip,port family inet6",
    "add SET fd00:10:244:1::2,tcp:8080",
    "",
  ]);
  expect(rules6("node-1").filter((rule) => rule.startsWith("-A NETPOL-FORWARD -d"))).toEqual([
    expect.stringContaining("-A NETPOL-FORWARD -d fd00:10:244:1::2/128"),
  ]);
  // The block of IPv4 has no part in it.
  expect(rules6("node-1").filter((rule) => rule.startsWith("-A NETPOL-IN-"))).toHaveLength(2);
});

test("the gateway and the internet's router know the way to the nodes, and nothing is translated", () => {
  const gateway = machine("{ipFamily: dual}", "gateway");
  expect(addresses(gateway).filter((line) => line.includes("::"))).toEqual([
    "gateway eth0 2001:db8:1::1/64",
    "gateway eth1 2001:db8:0:1::1/64",
  ]);
  expect(gateway.namespaces[0]?.ipv6Rules).toBeUndefined();
  expect(routes6(machine("{ipFamily: dual}", "internet"))).toContain(
    "internet 2001:db8:1::/64 via 2001:db8:0:1::1 dev eth0",
  );
});

test("pairs of ranges say the families, the first of them the primary one", () => {
  const { cluster, plan } = prepared("{podCIDR: 'fd01::/48,10.244.0.0/16', serviceCIDR: 'fd02::/112,10.96.0.0/16'}");
  expect(cluster.families).toEqual(["IPv6", "IPv4"]);
  expect(cluster.services.map(({ name, clusterIPs }) => [name, clusterIPs])).toEqual([
    ["web", ["fd02::b", "10.96.0.11"]],
    ["kubernetes", ["fd02::1"]],
    ["kube-dns", ["fd02::a"]],
  ]);
  expect(cluster.pods[0]?.podIPs).toEqual(["fd01:0:0:1::2", "10.244.1.2"]);
  expect(plan.names).toContainEqual({ address: "fd01:0:0:1::2", name: "web.default", owner: "pod default/web" });
});

test.each([
  ["{podCIDR: '10.244.0.0/16,10.245.0.0/16'}", "should be one range, or one of each family"],
  ["{podCIDR: 'fd00::/48,hello'}", "hello is not an address range"],
  [
    "{podCIDR: '10.244.0.0/16,fd00:10:244::/56', serviceCIDR: 10.96.0.0/12}",
    "10.96.0.0/12 should be a range of each family, IPv4 first",
  ],
  ["{ipFamily: ipv4, podCIDR: 'fd00::/56'}", "fd00::/56 should be one range, of IPv4, as ipFamily is ipv4"],
  ["{ipFamily: both}", "should be ipv4, ipv6, dual"],
  ["{ipFamily: dual, podCIDR: 'fd00::/40'}", "fd00::/40 should have a prefix of /48 to /64"],
  ["{nodeCIDR: 'fd00::/64'}", "fd00::/64 is of IPv6, which the cluster has not; write ipFamily: dual"],
  ["{ipFamily: dual, nodeCIDR: 'fd00:10:244::/64'}", "fd00:10:244::/64 overlaps podCIDR fd00:10:244::/56"],
  ["{loadBalancerCIDR: '192.0.2.0/24,2001:db8:2::/64'}", "2001:db8:2::/64 is of IPv6, which the cluster has not"],
  ["{ipFamily: dual, loadBalancerCIDR: '2001:db8:1::/80'}", "2001:db8:1::/80 overlaps nodeCIDR 2001:db8:1::/64"],
  ["{ipFamily: dual, network: {mode: vxlan}}", "vxlan carries no IPv6 here"],
  ["{ipFamily: dual, proxyMode: ipvs}", "ipvs has no IPv6 here"],
  ["{ipFamily: ipv6, syntheticServices: 5}", "are of IPv4"],
  ["{ipFamily: dual, podCIDR: 'fd00:10:244::/63', nodes: 3}", "podCIDR fd00:10:244::/63 has no /64 left for node 2"],
])("%s is refused: %s", (cluster, message) => {
  expect(sentence(cluster)).toContain(message);
});

const LINES = `[
  {name: dns, from: {pod: client}, to: {service: web}, protocol: http, rate: 1/s},
  {name: dns6, from: {pod: client}, to: {service: web, family: ipv6}, protocol: http, rate: 1/s},
  {name: ip4, from: {node: node-1}, to: {service: web}, protocol: http, rate: 1/s},
  {name: ip6, from: {node: node-1}, to: {service: web, family: ipv6}, protocol: http, rate: 1/s},
  {name: pod6, from: {pod: client}, to: {pod: web, port: 8080, family: ipv6}, protocol: http, rate: 1/s},
  {name: np4, from: internet, to: {nodePort: web, node: node-1}, protocol: http, rate: 1/s},
  {name: np6, from: internet, to: {nodePort: web, node: node-1, family: ipv6}, protocol: http, rate: 1/s},
  {name: node6, from: {pod: client}, to: {node: node-1, port: 1, family: ipv6}, protocol: tcp, rate: 1/s},
  {name: host6, from: {pod: client}, to: {host: "2606:2800:220:1:0:0:0:1", port: 443}, protocol: tcp, rate: 1/s},
  {name: name4, from: {pod: client}, to: {host: example.com., port: 443, family: ipv4}, protocol: tcp, rate: 1/s},
]`.replaceAll("\n", " ");

test("lines of traffic call addresses of the family that they say, by name they ask for that one alone", () => {
  const { plan } = prepared("{ipFamily: dual, nodes: 2}", LINES);
  const targets = new Map(plan.flows.map(({ line, target }) => [plan.lines[line], target]));
  expect(Object.fromEntries(targets)).toMatchObject({
    ip4: { address: "10.96.0.11", port: 80 },
    ip6: { address: "fd00:10:96::b", port: 80 },
    pod6: { address: "fd00:10:244:1::2", port: 8080 },
    np4: { address: "203.0.113.11", port: 30000 },
    np6: { address: "2001:db8:1::b", port: 30000 },
    node6: { address: "2001:db8:1::b", port: 1 },
    host6: { address: "2606:2800:220:1::1", port: 443 },
    dns6: { options: { family: "ipv6" } },
    name4: { names: ["example.com"], options: { family: "ipv4" } },
  });
  expect(targets.get("dns")).not.toHaveProperty("options");
});

test("hosts outside have addresses of both families in a cluster with IPv6, each a host of its own", () => {
  const { plan } = prepared("{ipFamily: dual, nodes: 2}", LINES);
  expect(plan.outside?.filter(({ name }) => name === "example.com").map(({ type, value }) => [type, value])).toEqual([
    ["A", "198.51.100.64"],
    ["AAAA", "2001:db8:0:64::40"],
  ]);
  const internet = plan.machines.find(({ name }) => name === "internet");
  expect(
    internet?.addresses.filter(({ namespace }) => namespace.startsWith("internet/2")).map(({ cidr }) => cidr),
  ).toEqual(["2606:2800:220:1::1/128", "2001:db8:0:64::40/128"]);
  expect(internet?.listeners).toContainEqual(
    expect.objectContaining({ namespace: "internet/2606:2800:220:1::1", protocol: "tcp", port: 443 }),
  );
});

test.each([
  [
    "{name: a, from: {pod: client}, to: {service: web, family: ipv6}, protocol: http, rate: 1/s}",
    "the cluster has no IPv6",
  ],
  [
    '{name: a, from: {pod: client}, to: {host: "2606::1", port: 1}, protocol: tcp, rate: 1/s}',
    "is of IPv6, which the cluster has not",
  ],
])("in a cluster of IPv4 alone %s is refused: %s", (line, message) => {
  expect(() => prepared("{}", `[${line}]`)).toThrow(message);
});

test("a family that is not that of the address, and a load balancer where there is none, is refused", () => {
  const refused = (to: string): void =>
    void prepared("{ipFamily: dual}", `[{name: a, from: {pod: client}, to: ${to}, protocol: tcp, rate: 1/s}]`);
  expect(() => refused("{host: 192.0.2.77, port: 1, family: ipv6}")).toThrow("192.0.2.77 is not an address of IPv6");
  expect(() => refused("{loadBalancer: web, family: ipv6}")).toThrow("web has no load balancer address");
});

test("without a scenario's traffic node ports are called by both families, and a host of IPv6 outside where pods have nothing else", () => {
  const lines = (cluster: string): string[] => {
    const [document] = parseDocuments(
      `apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: {name: test}\nspec: {cluster: ${cluster}}\n`,
      "scenario.yaml",
    );
    if (!document) throw new Error("no document");
    const sources = {
      scenario: document.validate(scenarioSchema),
      document,
      manifests: parseDocuments(WEB, "web.yaml"),
    };
    const { plan } = prepare(sources, { outDir: "", capture: [] });
    return [
      ...new Set(
        plan.flows.map(
          ({ line, target }) => `${plan.lines[line]}: ${"address" in target ? target.address : target.resolver}`,
        ),
      ),
    ];
  };
  expect(lines("{ipFamily: dual, nodes: 1}")).toEqual([
    "internet > web node port 30000, IPv4: 203.0.113.11",
    "internet > web node port 30000, IPv6: 2001:db8:1::b",
    "pods > internet: 93.184.216.34",
  ]);
  expect(lines("{ipFamily: ipv6, nodes: 1}")).toEqual([
    "internet > web node port 30000: 2001:db8:1::b",
    "pods > internet: 2606:2800:220:1:248:1893:25c8:1946",
  ]);
});
