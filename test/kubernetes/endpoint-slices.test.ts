// EndpointSlices: those made for Services with selectors, those written, those mirrored from Endpoints.
import { describe, expect, test } from "vitest";
import type { Cluster, EndpointSlice } from "../../src/kubernetes/objects.ts";
import { build, complaint, deployment, pod, service } from "./build.ts";

/** Without those of the cluster's own Services. */
function slices({ endpointSlices }: Cluster): EndpointSlice[] {
  return endpointSlices.filter(({ name }) => name !== "kubernetes" && name !== "kube-dns-slice");
}

function brief(cluster: Cluster): unknown[] {
  return slices(cluster).map(({ name, ports, endpoints }) => [
    name,
    ports.map(({ name, port }) => `${name}:${port}`).join(),
    endpoints.map(({ addresses }) => addresses.join()).join(" "),
  ]);
}

test("a Service's pods are the endpoints of its slice", () => {
  const text =
    deployment("web", 2) + service("web", "selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]");
  expect(slices(build(text, { nodes: [{ name: "a", zone: "west" }] }))).toEqual([
    {
      namespace: "default",
      name: "web-slice",
      labels: { "kubernetes.io/service-name": "web" },
      addressType: "IPv4",
      ports: [{ name: "http", protocol: "TCP", port: 8080 }],
      endpoints: ["web-0", "web-1"].map((name, i) => ({
        addresses: [`10.244.1.${i + 2}`],
        ready: true,
        serving: true,
        terminating: false,
        nodeName: "a",
        zone: "west",
        hostname: "",
        forZones: [],
        forNodes: [],
        targetRef: { kind: "Pod", namespace: "default", name },
      })),
    },
  ]);
});

test("pods of other namespaces, other labels or without a node are none", () => {
  const text =
    pod("web") +
    pod("web-far").replace("app: web-far", "app: web, tier: far") +
    pod("web", "", "").replace("{name: web,", "{name: web, namespace: other,") +
    pod("lost", "nodeSelector: {a: b}").replace("app: lost", "app: web") +
    service("web", "selector: {app: web, tier: far}, ports: [{port: 80}]");
  expect(brief(build(text, { nodes: 1 }))).toEqual([["web-slice", ":80", "10.244.1.3"]]);
});

test("a Service without pods has no slice, nor has one without a selector or of type ExternalName", () => {
  const text =
    pod("web") +
    service("none", "selector: {app: other}, ports: [{port: 80}]") +
    service("bare", "selector: {}, ports: [{port: 80}]") +
    service("name", "type: ExternalName, externalName: a.example, selector: {app: web}");
  expect(brief(build(text))).toEqual([]);
});

test("a named target port is looked up in each pod, and slices go by what came out", () => {
  const text =
    pod("a", "", "{name: http, containerPort: 8080}").replace("app: a", "app: web") +
    pod("b", "", "{name: http, containerPort: 9090}").replace("app: b", "app: web") +
    pod("c", "", "{name: http, containerPort: 8080}").replace("app: c", "app: web") +
    pod("d", "", "{name: http, containerPort: 8080, protocol: UDP}").replace("app: d", "app: web") +
    service("web", "selector: {app: web}, ports: [{name: x, port: 80, targetPort: http}, {name: z, port: 81}]");
  expect(brief(build(text, { nodes: 1 }))).toEqual([
    ["web-slice-1", "x:8080,z:81", "10.244.1.2 10.244.1.4"],
    ["web-slice-2", "x:9090,z:81", "10.244.1.3"],
    ["web-slice-3", "z:81", "10.244.1.5"],
  ]);
});

test("a slice has at most a hundred endpoints", () => {
  const text = deployment("web", 201) + service("web", "selector: {app: web}, ports: [{port: 80}]");
  expect(slices(build(text)).map(({ name, endpoints }) => [name, endpoints.length])).toEqual([
    ["web-slice-1", 100],
    ["web-slice-2", 100],
    ["web-slice-3", 1],
  ]);
});

test("a headless Service's endpoints have the hostnames of pods that are in its subdomain", () => {
  const text =
    pod("a", "hostname: first, subdomain: peers").replace("app: a", "app: web") +
    pod("b", "hostname: second, subdomain: others").replace("app: b", "app: web") +
    service("peers", "clusterIP: None, selector: {app: web}");
  const [slice] = slices(build(text));
  expect(slice?.labels).toEqual({ "kubernetes.io/service-name": "peers", "service.kubernetes.io/headless": "" });
  expect(slice?.ports).toEqual([]);
  expect(slice?.endpoints.map(({ hostname }) => hostname)).toEqual(["first", ""]);
});

test.each([
  ["PreferSameZone", [["west"], []], [[], []]],
  ["PreferSameNode", [["west"], []], [["a"], ["b"]]],
])("trafficDistribution %s gives hints", (distribution, zones, nodes) => {
  const text =
    deployment("web", 2) +
    service("web", `trafficDistribution: ${distribution}, selector: {app: web}, ports: [{port: 80}]`);
  const [slice] = slices(build(text, { nodes: [{ name: "a", zone: "west" }, { name: "b" }] }));
  expect(slice?.endpoints.map(({ forZones }) => forZones)).toEqual(zones);
  expect(slice?.endpoints.map(({ forNodes }) => forNodes)).toEqual(nodes);
});

describe("a slice that is written", () => {
  const slice = (more: string): string => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, labels: {kubernetes.io/service-name: db}}
${more}
`;

  test("is kept, with the API server's defaults", () => {
    const text = slice(
      "addressType: IPv4\nports: [{port: 5432}, {name: any}]\nendpoints: [{addresses: [203.0.113.5]}, {addresses: [203.0.113.6], conditions: {ready: false, terminating: true}, hints: {forZones: [{name: west}]}}]",
    );
    expect(slices(build(text))).toMatchObject([
      {
        name: "db-1",
        ports: [
          { name: "", protocol: "TCP", port: 5432 },
          { name: "any", port: 0 },
        ],
        endpoints: [
          { addresses: ["203.0.113.5"], ready: true, serving: true, terminating: false, nodeName: "", forZones: [] },
          { addresses: ["203.0.113.6"], ready: false, serving: true, terminating: true, forZones: ["west"] },
        ],
      },
    ]);
  });

  test("has addresses of its type", () => {
    expect(complaint(slice('addressType: IPv4\nendpoints: [{addresses: ["fd00::1"]}]'))).toBe(
      'a.yaml:6: endpoints[0].addresses[0]: "fd00::1" is not an IPv4 address',
    );
  });
});

describe("Endpoints", () => {
  const endpoints = (name: string, labels = "{}"): string => `
apiVersion: v1
kind: Endpoints
metadata: {name: ${name}, labels: ${labels}}
subsets:
  - addresses: [{ip: 203.0.113.5, hostname: one}, {ip: "2001:db8::5"}]
    notReadyAddresses: [{ip: 203.0.113.6}]
    ports: [{name: sql, port: 5432}]
---`;

  test("of a Service without a selector are mirrored", () => {
    const cluster = build(endpoints("db") + service("db", "ports: [{name: sql, port: 5432}]"));
    expect(slices(cluster)).toMatchObject([
      {
        name: "db-mirror-1",
        labels: { "kubernetes.io/service-name": "db" },
        addressType: "IPv4",
        ports: [{ name: "sql", protocol: "TCP", port: 5432 }],
        endpoints: [
          { addresses: ["203.0.113.5"], ready: true, hostname: "one" },
          { addresses: ["203.0.113.6"], ready: false },
        ],
      },
      { name: "db-mirror-2", addressType: "IPv6", endpoints: [{ addresses: ["2001:db8::5"] }] },
    ]);
  });

  test.each([
    ["of a Service with a selector", endpoints("db") + service("db", "selector: {app: db}, ports: [{port: 5432}]")],
    ["of no Service", endpoints("db")],
    [
      "that say so",
      endpoints("db", '{endpointslice.kubernetes.io/skip-mirror: "true"}') + service("db", "ports: [{port: 5432}]"),
    ],
  ])("%s are not mirrored", (_, text) => {
    expect(slices(build(text))).toEqual([]);
  });
});

test("the API server's Service leads to port 6443 of the first node", () => {
  expect(build("").endpointSlices.find(({ name }) => name === "kubernetes")).toMatchObject({
    namespace: "default",
    ports: [{ name: "https", protocol: "TCP", port: 6443 }],
    endpoints: [{ addresses: ["192.168.0.11"], ready: true }],
  });
});
