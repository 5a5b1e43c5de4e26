// Services: defaults, and the addresses and ports that are allocated to them.
import { describe, expect, test } from "vitest";
import { build, complaint, ownServices, service, serviceOf } from "./build.ts";

const WEB = "selector: {app: web}, ports: [{port: 80}]";

function ips(text: string): string[] {
  return ownServices(build(text)).map(({ name, clusterIPs }) => `${name} ${clusterIPs.join()}`);
}

test("a Service has the API server's defaults", () => {
  expect(serviceOf(build(service("web", WEB)), "web")).toEqual({
    namespace: "default",
    name: "web",
    labels: {},
    type: "ClusterIP",
    clusterIPs: ["10.96.0.11"],
    externalIPs: [],
    externalName: "",
    ports: [{ name: "", protocol: "TCP", port: 80, targetPort: 80, nodePort: 0 }],
    selector: { app: "web" },
    sessionAffinity: "None",
    sessionAffinityTimeoutSeconds: 10800,
    externalTrafficPolicy: "Cluster",
    internalTrafficPolicy: "Cluster",
    loadBalancerSourceRanges: [],
    loadBalancerIngress: [],
    healthCheckNodePort: 0,
    publishNotReadyAddresses: false,
  });
});

test("a Service keeps what its manifest says", () => {
  const spec =
    "type: LoadBalancer, selector: {app: web}, sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}, " +
    "externalTrafficPolicy: Local, internalTrafficPolicy: Local, externalIPs: [203.0.113.9], publishNotReadyAddresses: true, " +
    "loadBalancerSourceRanges: [192.0.2.0/24, 2001:db8::/32], healthCheckNodePort: 32000, " +
    "ports: [{name: dns, port: 53, protocol: UDP, targetPort: dns, nodePort: 30053}]";
  expect(serviceOf(build(service("web", spec)), "web")).toMatchObject({
    sessionAffinity: "ClientIP",
    sessionAffinityTimeoutSeconds: 60,
    externalTrafficPolicy: "Local",
    internalTrafficPolicy: "Local",
    externalIPs: ["203.0.113.9"],
    publishNotReadyAddresses: true,
    loadBalancerSourceRanges: ["192.0.2.0/24", "2001:db8::/32"],
    healthCheckNodePort: 32000,
    ports: [{ name: "dns", protocol: "UDP", port: 53, targetPort: "dns", nodePort: 30053 }],
  });
});

test.each([
  ['ipFamilies: [IPv6, IPv4], clusterIPs: ["fd00::1", 10.96.0.50]', "fd00::1,10.96.0.50"],
  ["ipFamilies: [IPv6, IPv4], ipFamilyPolicy: PreferDualStack", "10.96.0.11"],
  ["ipFamilyPolicy: RequireDualStack", "10.96.0.11"],
])("of a dual-stack Service with %s the IPv4 half is emulated, and the other is named", (families, addresses) => {
  const cluster = build(service("web", `${families}, ${WEB}`));
  expect(ips(service("web", `${families}, ${WEB}`))).toEqual([`web ${addresses}`]);
  expect(cluster.notEmulated).toEqual(["IPv6 of Service default/web"]);
});

test.each([
  ["ipFamilies: [IPv6], ipFamilyPolicy: SingleStack", ""],
  ['clusterIP: "fd00:10:96::5", ipFamilies: [IPv6]', "fd00:10:96::5"],
])("a Service of IPv6 alone, with %s, is taken, and named as not emulated", (families, addresses) => {
  const cluster = build(service("web", `${families}, ${WEB}`));
  expect(serviceOf(cluster, "web").clusterIPs.join()).toBe(addresses);
  expect(cluster.notEmulated).toEqual(["IPv6 of Service default/web"]);
});

describe("cluster IPs", () => {
  test("follow the DNS's in order, but for those that are asked for, which come first", () => {
    const text =
      service("a", WEB) +
      service("b", WEB) +
      service("c", `clusterIP: 10.96.0.12, ${WEB}`) +
      service("d", "clusterIP: None");
    expect(ips(text)).toEqual(["a 10.96.0.11", "b 10.96.0.13", "c 10.96.0.12", "d None"]);
  });

  test("an ExternalName has none", () => {
    expect(ips(service("a", "type: ExternalName, externalName: db.example."))).toEqual(["a "]);
    expect(serviceOf(build(service("a", "type: ExternalName, externalName: db.example.")), "a").externalName).toBe(
      "db.example",
    );
  });

  test("the API server's and the DNS's are the first and the tenth", () => {
    const { services } = build("", { serviceCIDR: "10.43.0.0/16" });
    expect(services.map(({ name, clusterIPs }) => `${name} ${clusterIPs.join()}`)).toEqual([
      "kubernetes 10.43.0.1",
      "kube-dns 10.43.0.10",
    ]);
  });

  test("the manifests' own DNS Service has the tenth address", () => {
    const own = service("kube-dns", "selector: {app: dns}, ports: [{name: dns, port: 53, protocol: UDP}]").replace(
      "{name: kube-dns}",
      "{name: kube-dns, namespace: kube-system}",
    );
    expect(build(own).services).toMatchObject([
      { name: "kube-dns", clusterIPs: ["10.96.0.10"], selector: { app: "dns" } },
      { name: "kubernetes" },
    ]);
  });
});

describe("node ports", () => {
  const ports = (text: string): number[] =>
    ownServices(build(text)).flatMap((one) => [...one.ports.map(({ nodePort }) => nodePort), one.healthCheckNodePort]);

  test("count from 30000, past those that are asked for", () => {
    const text =
      service("a", "type: NodePort, ports: [{name: x, port: 80}, {name: z, port: 81, nodePort: 30000}]") +
      service("b", "type: LoadBalancer, ports: [{port: 80}]") +
      service("c", WEB);
    expect(ports(text)).toEqual([30001, 30000, 0, 30002, 0, 0, 0]);
  });

  test("are one for a port's number, whatever its protocol", () => {
    expect(
      ports(service("dns", "type: NodePort, ports: [{name: u, port: 53, protocol: UDP}, {name: t, port: 53}]")),
    ).toEqual([30000, 30000, 0]);
  });

  test("are none for a load balancer that wants none, and health checks have one with policy Local", () => {
    const text =
      service("a", "type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]") +
      service("b", "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]") +
      service("c", "type: NodePort, externalTrafficPolicy: Local, ports: [{port: 80}]");
    expect(ports(text)).toEqual([0, 0, 30000, 30001, 30002, 0]);
  });
});

describe("load balancer addresses", () => {
  const addresses = (text: string): string[] =>
    ownServices(build(text)).map(({ loadBalancerIngress }) =>
      loadBalancerIngress.map(({ ip, hostname }) => ip || hostname).join(),
    );

  test("come from the pool in order, past those that are asked for", () => {
    const lb = "type: LoadBalancer, ports: [{port: 80}]";
    const text =
      service("a", lb) +
      service("b", lb) +
      service("c", `loadBalancerIP: 192.0.2.2, ${lb}`) +
      service("d", WEB) +
      service("e", lb).replace(
        "---",
        "status: {loadBalancer: {ingress: [{ip: 203.0.113.7}, {hostname: lb.example}]}}\n---",
      );
    expect(addresses(text)).toEqual(["192.0.2.1", "192.0.2.3", "192.0.2.2", "", "203.0.113.7,lb.example"]);
  });

  test("run out", () => {
    const text = ["a", "b", "c"].map((name) => service(name, "type: LoadBalancer, ports: [{port: 80}]")).join("");
    expect(complaint(text, { loadBalancerCIDR: "192.0.2.0/30" })).toBe(
      "a.yaml:15: spec.type: the load balancers' pool 192.0.2.0/30 is used up; choose a larger one",
    );
  });
});

describe("one sentence says that", () => {
  const PORT = "ports: [{port: 80}]";
  test.each([
    [
      "a name begins with a digit",
      service("1web", WEB),
      'metadata.name: "1web" should be a lower-case letter, then letters, digits and - between them, of at most 63 characters',
    ],
    [
      "there is no such type",
      service("a", `type: Loadbalancer, ${PORT}`),
      "spec.type: should be one of ClusterIP, NodePort, LoadBalancer, ExternalName",
    ],
    ["there is no port", service("a", "selector: {app: web}"), "spec.ports: should have at least one port"],
    ["a port is out of range", service("a", "ports: [{port: 0}]"), "spec.ports[0].port: should be at least 1"],
    [
      "a target port is out of range",
      service("a", "ports: [{port: 80, targetPort: 65536}]"),
      "spec.ports[0].targetPort: should be at most 65535",
    ],
    [
      "ports have no names",
      service("a", "ports: [{port: 80}, {port: 81}]"),
      "spec.ports[0].name: is missing; in a Service with several ports each has a name",
    ],
    [
      "ports have one name",
      service("a", "ports: [{name: x, port: 80}, {name: x, port: 81}]"),
      "spec.ports[1].name: another port is called x already",
    ],
    [
      "a port is there twice",
      service("a", "ports: [{name: x, port: 80}, {name: z, port: 80}]"),
      "spec.ports[1].port: the Service has port 80/TCP already",
    ],
    [
      "a node port is out of range",
      service("a", "type: NodePort, ports: [{port: 80, nodePort: 8080}]"),
      "spec.ports[0].nodePort: 8080 is not a node port; they are 30000 to 32767",
    ],
    [
      "a ClusterIP Service has no node port",
      service("a", "ports: [{port: 80, nodePort: 30080}]"),
      "spec.ports[0].nodePort: is for Services of type NodePort or LoadBalancer, not ClusterIP",
    ],
    [
      "an address is none",
      service("a", `clusterIP: 10.96.0.300, ${PORT}`),
      'spec.clusterIP: "10.96.0.300" is neither an IP address nor None',
    ],
    [
      "an address has leading zeros",
      service("a", `clusterIP: 10.96.0.011, ${PORT}`),
      'spec.clusterIP: "10.96.0.011" has leading zeros; write 10.96.0.11',
    ],
    [
      "an address is one of IPv4 in the notation of IPv6",
      service("a", `externalIPs: ["::ffff:192.0.2.7"], ${PORT}`),
      'spec.externalIPs[0]: "::ffff:192.0.2.7" is an IPv4 address in the notation of IPv6; write 192.0.2.7',
    ],
    [
      "an external address is one that nobody else can reach",
      service("a", `externalIPs: [169.254.169.254], ${PORT}`),
      'spec.externalIPs[0]: "169.254.169.254" is a link-local address, which nobody else can reach',
    ],
    [
      "an address is outside the range",
      service("a", `clusterIP: 10.112.0.1, ${PORT}`),
      "spec.clusterIP: 10.112.0.1 is not in the Services' range 10.96.0.0/12; choose one of it, or leave it out",
    ],
    [
      "the DNS's address is taken",
      service("a", `clusterIP: 10.96.0.10, ${PORT}`),
      "spec.clusterIP: 10.96.0.10 is that of Service kube-system/kube-dns already; choose another, or leave it out",
    ],
    [
      "a headless Service has no node port",
      service("a", `type: NodePort, clusterIP: None, ${PORT}`),
      "spec.clusterIP: should be an address in a Service of type NodePort: it cannot be headless",
    ],
    [
      "an ExternalName has no name",
      service("a", "type: ExternalName"),
      "spec.externalName: should be the DNS name that a Service of type ExternalName stands for",
    ],
    [
      "an ExternalName has no address",
      service("a", "type: ExternalName, externalName: a.example, clusterIP: 10.96.0.50"),
      "spec.clusterIP: has no place in a Service of type ExternalName",
    ],
    [
      "policy Local is for those outside",
      service("a", `externalTrafficPolicy: Local, ${PORT}`),
      "spec.externalTrafficPolicy: is for Services that are reached from outside, not for type ClusterIP",
    ],
    [
      "source ranges are for load balancers",
      service("a", `type: NodePort, loadBalancerSourceRanges: [10.0.0.0/8], ${PORT}`),
      "spec.loadBalancerSourceRanges: is for Services of type LoadBalancer, not NodePort",
    ],
    [
      "a source range is none",
      service("a", `type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0], ${PORT}`),
      'spec.loadBalancerSourceRanges[0]: "10.0.0.0" is not an address block such as 192.0.2.0/24',
    ],
    [
      "a health check port is for policy Local",
      service("a", `type: LoadBalancer, healthCheckNodePort: 30000, ${PORT}`),
      "spec.healthCheckNodePort: is for Services of type LoadBalancer with externalTrafficPolicy Local",
    ],
    [
      "affinity has no such time",
      service("a", `sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}, ${PORT}`),
      "spec.sessionAffinityConfig.clientIP.timeoutSeconds: should be at least 1",
    ],
  ])("%s", (_, text, expected) => {
    expect(complaint(text).replace(/^a\.yaml:\d+: /, "")).toBe(expected);
  });

  test("two Services cannot have one address", () => {
    const fixed = `clusterIP: 10.96.0.50, ${PORT}`;
    expect(complaint(service("a", fixed) + service("b", fixed))).toBe(
      "a.yaml:10: spec.clusterIP: 10.96.0.50 is that of Service default/a already; choose another, or leave it out",
    );
  });

  test("two Services cannot have one node port, even with different protocols", () => {
    const text =
      service("a", "type: NodePort, ports: [{port: 80, nodePort: 30080}]") +
      service("b", "type: NodePort, ports: [{port: 80, protocol: UDP, nodePort: 30080}]");
    expect(complaint(text)).toBe(
      "a.yaml:10: spec.ports[0].nodePort: node port 30080 is that of Service default/a already; choose another",
    );
  });
});

test("synthetic Services stand around the others, with the last addresses of the range that are free, and leave theirs as they are", () => {
  const taken = service("web", `clusterIP: 10.96.0.125, ${WEB}`);
  const plain = build(`${taken}\n---\n${service("api", WEB)}`, { serviceCIDR: "10.96.0.0/25" });
  const full = build(`${taken}\n---\n${service("api", WEB)}`, { serviceCIDR: "10.96.0.0/25", syntheticServices: 3 });
  const names = full.services.map(({ namespace, name, clusterIPs }) => `${namespace}/${name} ${clusterIPs.join()}`);
  const others = plain.services.map(({ namespace, name, clusterIPs }) => `${namespace}/${name} ${clusterIPs.join()}`);
  expect(names).toEqual([
    "synthetic/service-1 10.96.0.126",
    "synthetic/service-2 10.96.0.124",
    ...others,
    "synthetic/service-3 10.96.0.123",
  ]);
  const added = full.endpointSlices.filter(({ namespace }) => namespace === "synthetic");
  expect(added.map(({ labels, endpoints }) => [labels["kubernetes.io/service-name"], endpoints[0]?.addresses])).toEqual(
    [
      ["service-1", ["198.18.0.1"]],
      ["service-2", ["198.18.0.2"]],
      ["service-3", ["198.18.0.3"]],
    ],
  );
  expect(() => build("", { serviceCIDR: "10.96.0.0/25", syntheticServices: 200 })).toThrow(
    "10.96.0.0/25 has no addresses for 200 Services; choose a larger serviceCIDR",
  );
});
