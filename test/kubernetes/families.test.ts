// Services, pods, nodes and names in clusters of two families, and of IPv6 alone.
import { describe, expect, test } from "vitest";
import { dnsRecords } from "../../src/kubernetes/dns.ts";
import type { FamilyOptions } from "../../src/kubernetes/families.ts";
import type { Cluster } from "../../src/kubernetes/objects.ts";
import { build, complaint, ownServices } from "./build.ts";

const SIX = {
  podCIDR: "fd00:10:244::/56",
  serviceCIDR: "fd00:10:96::/112",
  nodeCIDR: "2001:db8:1::/64",
  loadBalancerCIDR: "2001:db8:2::/64",
};
const DUAL: FamilyOptions = { families: ["IPv4", "IPv6"], six: SIX };
const SIX_FIRST: FamilyOptions = { families: ["IPv6", "IPv4"], six: SIX };
const SIX_ALONE = { families: ["IPv6"], six: SIX, podCIDR: "", serviceCIDR: "" } as const;

function service(spec: string, name = "web"): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {selector: {app: web}, ports: [{port: 80}], ${spec}}\n`;
}

const PODS = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, ports: [{containerPort: 80}]}]}
`;

function clusterIPs(spec: string, options: FamilyOptions = DUAL): string[] {
  return ownServices(build(service(spec), options)).flatMap(({ clusterIPs }) => clusterIPs);
}

describe("cluster IPs", () => {
  test.each([
    ["", ["10.96.0.11"]],
    ["ipFamilyPolicy: SingleStack", ["10.96.0.11"]],
    ["ipFamilyPolicy: PreferDualStack", ["10.96.0.11", "fd00:10:96::b"]],
    ["ipFamilyPolicy: RequireDualStack", ["10.96.0.11", "fd00:10:96::b"]],
    ["ipFamilies: [IPv6]", ["fd00:10:96::b"]],
    ["ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6]", ["fd00:10:96::b", "10.96.0.11"]],
    ["ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]", ["fd00:10:96::b", "10.96.0.11"]],
    ["clusterIP: 'fd00:10:96::77'", ["fd00:10:96::77"]],
    ["ipFamilyPolicy: PreferDualStack, clusterIP: 'fd00:10:96::77'", ["fd00:10:96::77", "10.96.0.11"]],
    ["ipFamilyPolicy: RequireDualStack, clusterIPs: [10.96.0.9, 'fd00:10:96::9']", ["10.96.0.9", "fd00:10:96::9"]],
    ["clusterIP: None", ["None"]],
  ])("of a Service with %s in a cluster of both, IPv4 first", (spec, expected) => {
    expect(clusterIPs(spec)).toEqual(expected);
  });

  test("are of IPv6 where that comes first, and a Service that prefers both has them in that order", () => {
    expect(clusterIPs("ipFamilyPolicy: PreferDualStack", SIX_FIRST)).toEqual(["fd00:10:96::b", "10.96.0.11"]);
    expect(clusterIPs("type: ClusterIP", SIX_FIRST)).toEqual(["fd00:10:96::b"]);
  });

  test("are of IPv6 alone where there is nothing else", () => {
    expect(clusterIPs("ipFamilyPolicy: PreferDualStack", SIX_ALONE)).toEqual(["fd00:10:96::b"]);
  });

  test.each([
    [
      "ipFamilies: [IPv4, IPv6]",
      "spec.ipFamilyPolicy: must be RequireDualStack or PreferDualStack when multiple IP families are specified",
      DUAL,
    ],
    [
      "clusterIPs: [10.96.0.9, 'fd00:10:96::9']",
      "spec.ipFamilyPolicy: must be RequireDualStack or PreferDualStack when multiple cluster IPs are specified",
      DUAL,
    ],
    ["ipFamilyPolicy: RequireDualStack", "this cluster is not configured for dual-stack services", SIX_ALONE],
    ["ipFamilies: [IPv4]", "spec.ipFamilies: IPv4 is not configured on this cluster", SIX_ALONE],
    ["clusterIP: 10.96.0.9", "spec.clusterIP: IPv4 is not configured on this cluster", SIX_ALONE],
    ["ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6, IPv6]", "IPv6 is there already", DUAL],
    ["ipFamilies: [IPv6], clusterIP: 10.96.0.9", "10.96.0.9 should be an IPv6 address, as ipFamilies[0] says", DUAL],
    [
      "ipFamilyPolicy: PreferDualStack, clusterIPs: [10.96.0.8, 10.96.0.9]",
      "may specify no more than one IP for each IP family",
      DUAL,
    ],
    ["clusterIP: 'fd00:11::1'", "fd00:11::1 is not in the Services' range fd00:10:96::/112", DUAL],
  ])("of a Service with %s are refused: %s", (spec, sentence, options: FamilyOptions) => {
    expect(complaint(service(spec), options)).toContain(sentence);
  });

  test("that are the same in another notation are one", () => {
    const both = `${service("clusterIP: 'fd00:10:96::77'")}---\n${service("clusterIP: 'fd00:10:96:0::0077'", "other")}`;
    expect(complaint(both, DUAL)).toContain("fd00:10:96:0::0077 is that of Service default/web already");
  });

  test("the API server and the DNS server have addresses of the primary family alone", () => {
    const system = ({ services }: Cluster): string[] =>
      services.flatMap(({ name, clusterIPs }) => [name, ...clusterIPs]);
    expect(system(build("", DUAL))).toEqual(["kubernetes", "10.96.0.1", "kube-dns", "10.96.0.10"]);
    expect(system(build("", SIX_FIRST))).toEqual(["kubernetes", "fd00:10:96::1", "kube-dns", "fd00:10:96::a"]);
    expect(build("", SIX_FIRST).endpointSlices.find(({ name }) => name === "kubernetes")).toMatchObject({
      addressType: "IPv6",
      endpoints: [{ addresses: ["2001:db8:1::b"] }],
    });
  });
});

describe("load balancers", () => {
  const addresses = (spec: string, options: FamilyOptions = DUAL): string[] =>
    ownServices(build(service(`type: LoadBalancer, ${spec}`), options)).flatMap(({ loadBalancerIngress }) =>
      loadBalancerIngress.map(({ ip }) => ip),
    );

  test.each([
    ["ipFamilyPolicy: PreferDualStack", ["192.0.2.1", "2001:db8:2::1"]],
    ["ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]", ["2001:db8:2::1", "192.0.2.1"]],
    ["ipFamilies: [IPv6]", ["2001:db8:2::1"]],
    ["", ["192.0.2.1"]],
    ["ipFamilyPolicy: PreferDualStack, loadBalancerIP: '2001:DB8:2:0::77'", ["192.0.2.1", "2001:db8:2::77"]],
    ["ipFamilyPolicy: PreferDualStack, loadBalancerIP: 192.0.2.9", ["192.0.2.9", "2001:db8:2::1"]],
  ])("with %s have an address of each family of their Service: %s", (spec, expected) => {
    expect(addresses(spec)).toEqual(expected);
  });

  test("have the addresses of the manifest's status, which a cluster of IPv4 alone knows no use for if they are of IPv6", () => {
    const text = service("type: LoadBalancer, ipFamilyPolicy: PreferDualStack").replace(
      "spec:",
      "status: {loadBalancer: {ingress: [{ip: '2001:db8:2:0::5'}, {ip: 192.0.2.5}]}}\nspec:",
    );
    const given = (options: FamilyOptions): string[] | undefined =>
      ownServices(build(text, options))[0]?.loadBalancerIngress.map(({ ip }) => ip);
    expect(given(DUAL)).toEqual(["2001:db8:2::5", "192.0.2.5"]);
    expect(given({})).toEqual(["192.0.2.5"]);
  });

  test("cannot have an address of a family that their Service has not", () => {
    expect(complaint(service("type: LoadBalancer, loadBalancerIP: '2001:db8:2::7'"), DUAL)).toContain(
      "spec.loadBalancerIP: 2001:db8:2::7 is of IPv6, and Service default/web of IPv4 alone",
    );
  });

  test("run out of IPv6 addresses, too", () => {
    const six = { ...SIX, loadBalancerCIDR: "2001:db8:2::/127" };
    const both = service("type: LoadBalancer, ipFamilies: [IPv6]");
    expect(complaint(`${both}---\n${both.replace("web", "two")}`, { ...DUAL, six })).toContain(
      "the load balancers' pool 2001:db8:2::/127 is used up; choose a larger one",
    );
  });
});

test("nodes have an address and a /64 of IPv6, pods the next address of each family behind the bridge's", () => {
  const { nodes, pods } = build(PODS, DUAL);
  expect(nodes[1]).toMatchObject({
    address: "192.168.0.12",
    address6: "2001:db8:1::c",
    podCIDR: "10.244.2.0/24",
    podCIDR6: "fd00:10:244:2::/64",
  });
  expect(pods.filter(({ namespace }) => namespace === "default").map(({ podIP, podIPs }) => [podIP, podIPs])).toEqual([
    ["10.244.1.2", ["10.244.1.2", "fd00:10:244:1::2"]],
    ["10.244.2.2", ["10.244.2.2", "fd00:10:244:2::2"]],
  ]);
});

test("pods of a cluster of IPv6 alone have one address, and those on the host's network their node's of IPv6", () => {
  const host = PODS.replace("spec: {containers", "spec: {hostNetwork: true, containers");
  expect(build(PODS, SIX_ALONE).pods[0]).toMatchObject({ podIP: "fd00:10:244:1::2" });
  expect(build(PODS, SIX_ALONE).pods[0]).not.toHaveProperty("podIPs");
  expect(build(host, SIX_ALONE).pods[0]).toMatchObject({ podIP: "2001:db8:1::b" });
  expect(build(host, DUAL).pods[0]).toMatchObject({ podIPs: ["192.168.0.11", "2001:db8:1::b"] });
});

test("Node manifests keep their addresses and ranges of both families", () => {
  const node = `
apiVersion: v1
kind: Node
metadata: {name: a}
spec: {podCIDR: 10.244.7.0/24, podCIDRs: [10.244.7.0/24, "fd00:10:244:7::/64"]}
status: {addresses: [{type: InternalIP, address: 192.168.0.50}, {type: InternalIP, address: "2001:db8:1::50"}]}
---
apiVersion: v1
kind: Node
metadata: {name: b}
`;
  expect(build(node, DUAL).nodes).toMatchObject([
    { address: "192.168.0.50", address6: "2001:db8:1::50", podCIDR: "10.244.7.0/24", podCIDR6: "fd00:10:244:7::/64" },
    { address6: "2001:db8:1::c", podCIDR6: "fd00:10:244:2::/64" },
  ]);
  expect(complaint(node.replace("fd00:10:244:7::/64", "fd00:11::/64"), DUAL)).toContain(
    "fd00:11::/64 should be a part of the pod range fd00:10:244::/56",
  );
});

test("EndpointSlices are of each family that a Service has", () => {
  const slices = (spec: string): unknown[] =>
    build(`${PODS}---\n${service(spec)}`, DUAL)
      .endpointSlices.filter(({ namespace, name }) => namespace === "default" && name !== "kubernetes")
      .map(({ name, addressType, endpoints }) => [name, addressType, endpoints.flatMap(({ addresses }) => addresses)]);
  const four = ["web-slice", "IPv4", ["10.244.1.2", "10.244.2.2"]];
  const six = ["web-slice-ipv6", "IPv6", ["fd00:10:244:1::2", "fd00:10:244:2::2"]];
  expect(slices("ipFamilyPolicy: PreferDualStack")).toEqual([four, six]);
  expect(slices("ipFamilies: [IPv6]")).toEqual([six]);
  expect(slices("clusterIP: None")).toEqual([four]);
  expect(slices("clusterIP: None, ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]")).toEqual([six, four]);
});

function records(spec: string, options: FamilyOptions = DUAL): string[] {
  return dnsRecords(build(`${PODS}---\n${service(spec)}`, options))
    .filter(({ name, value }) => /web\./.test(name) || /web\./.test(value))
    .map(({ name, type, value }) => `${name} ${type} ${value}`);
}

test("a Service of both families has A and AAAA records, and names for its addresses of each", () => {
  expect(records("ipFamilyPolicy: PreferDualStack").slice(0, 4)).toEqual([
    "web.default.svc.cluster.local A 10.96.0.11",
    "11.0.96.10.in-addr.arpa PTR web.default.svc.cluster.local",
    "web.default.svc.cluster.local AAAA fd00:10:96::b",
    "b.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa PTR web.default.svc.cluster.local",
  ]);
});

test("a headless Service's name leads to its pods of each family, which are called by their addresses with dashes", () => {
  expect(records("clusterIP: None, ipFamilies: [IPv6]")).toEqual([
    "web.default.svc.cluster.local AAAA fd00:10:244:1::2",
    "web.default.svc.cluster.local AAAA fd00:10:244:2::2",
    "fd00-10-244-1--2.web.default.svc.cluster.local AAAA fd00:10:244:1::2",
    "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa PTR fd00-10-244-1--2.web.default.svc.cluster.local",
    "fd00-10-244-2--2.web.default.svc.cluster.local AAAA fd00:10:244:2::2",
    "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa PTR fd00-10-244-2--2.web.default.svc.cluster.local",
  ]);
});

test("the DNS server's own name has an address of the primary family", () => {
  const own = (options: FamilyOptions): unknown =>
    dnsRecords(build("", options)).find(({ name }) => name === "ns.dns.cluster.local");
  expect(own(DUAL)).toMatchObject({ type: "A", value: "10.96.0.10" });
  expect(own(SIX_FIRST)).toMatchObject({ type: "AAAA", value: "fd00:10:96::a" });
});
