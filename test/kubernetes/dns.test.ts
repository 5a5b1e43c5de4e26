// The cluster's DNS: its records, its address and the names that resolvers ask for.
import { expect, test } from "vitest";
import { dnsAddress, dnsRecords, searchNames } from "../../src/kubernetes/dns.ts";
import type { Cluster } from "../../src/kubernetes/objects.ts";
import { build, deployment, pod, service } from "./build.ts";

/** The records of namespace default but the API server's. */
function records(cluster: Cluster): string[] {
  return dnsRecords(cluster)
    .map(({ name, type, value }) => `${name} ${type} ${value}`)
    .filter((text) => text.includes(".default.") && !text.includes("kubernetes.default") && !text.includes("kube-dns"));
}

test("a Service has its address, its named ports and its name behind the address; so have its endpoints", () => {
  const text =
    deployment("web", 1) + service("web", "selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]");
  expect(records(build(text))).toEqual([
    "web.default.svc.cluster.local A 10.96.0.11",
    "11.0.96.10.in-addr.arpa PTR web.default.svc.cluster.local",
    "10-244-1-2.web.default.svc.cluster.local A 10.244.1.2",
    "2.1.244.10.in-addr.arpa PTR 10-244-1-2.web.default.svc.cluster.local",
    "_http._tcp.web.default.svc.cluster.local SRV 0 100 80 web.default.svc.cluster.local",
  ]);
});

test("a headless Service has its endpoints' addresses, names and ports", () => {
  const text =
    pod("a", "hostname: first, subdomain: peers").replace("app: a", "app: web") +
    pod("b").replace("app: b", "app: web") +
    service("peers", "clusterIP: None, selector: {app: web}, ports: [{name: sql, port: 80, targetPort: 5432}]");
  expect(records(build(text))).toEqual([
    "peers.default.svc.cluster.local A 10.244.1.2",
    "peers.default.svc.cluster.local A 10.244.2.2",
    "first.peers.default.svc.cluster.local A 10.244.1.2",
    "2.1.244.10.in-addr.arpa PTR first.peers.default.svc.cluster.local",
    "10-244-2-2.peers.default.svc.cluster.local A 10.244.2.2",
    "2.2.244.10.in-addr.arpa PTR 10-244-2-2.peers.default.svc.cluster.local",
    "_sql._tcp.peers.default.svc.cluster.local SRV 0 50 5432 first.peers.default.svc.cluster.local",
    "_sql._tcp.peers.default.svc.cluster.local SRV 0 50 5432 10-244-2-2.peers.default.svc.cluster.local",
  ]);
});

test("an ExternalName is another's name; an address is no name", () => {
  const text =
    service("db", "type: ExternalName, externalName: db.example.") +
    service("ip", "type: ExternalName, externalName: 203.0.113.5");
  expect(records(build(text))).toEqual(["db.default.svc.cluster.local CNAME db.example"]);
});

test("endpoints that are not ready have no records, nor have addresses of a family that the cluster has not", () => {
  const text = `
apiVersion: v1
kind: Endpoints
metadata: {name: db}
subsets: [{addresses: [{ip: "2001:db8::5"}], notReadyAddresses: [{ip: 203.0.113.6}]}]
---${service("db", "clusterIP: None")}`;
  expect(records(build(text))).toEqual([]);
});

test("a port without a name has no SRV record", () => {
  const text = service("web", "ports: [{port: 80}]");
  expect(records(build(text)).filter((record) => record.includes("SRV"))).toEqual([]);
});

test("every record lives for 30 seconds and stands there once", () => {
  const found = dnsRecords(
    build(
      deployment("web", 3) +
        service("web", "clusterIP: None, selector: {app: web}, ports: [{name: a, port: 1}, {name: b, port: 2}]"),
    ),
  );
  expect(found.every(({ ttl }) => ttl === 30)).toBe(true);
  const texts = found.map(({ name, type, value }) => `${name} ${type} ${value}`);
  expect(new Set(texts).size).toBe(texts.length);
});

test("the DNS has names too, and the tenth address", () => {
  const cluster = build("");
  expect(dnsAddress(cluster)).toBe("10.96.0.10");
  expect(dnsRecords(cluster).map(({ name, type, value }) => `${name} ${type} ${value}`)).toEqual(
    expect.arrayContaining([
      "cluster.local NS kube-dns.kube-system.svc.cluster.local",
      "ns.dns.cluster.local A 10.96.0.10",
      "default.svc.cluster.local NAME ",
      "kube-system.pod.cluster.local PODS ",
      "kubernetes.default.svc.cluster.local A 10.96.0.1",
      "192-168-0-11.kubernetes.default.svc.cluster.local A 192.168.0.11",
      "kube-dns.kube-system.svc.cluster.local A 10.96.0.10",
      "10.0.96.10.in-addr.arpa PTR kube-dns.kube-system.svc.cluster.local",
      "_dns._udp.kube-dns.kube-system.svc.cluster.local SRV 0 100 53 kube-dns.kube-system.svc.cluster.local",
    ]),
  );
});

test("a cluster without a DNS Service has no DNS address", () => {
  expect(() => dnsAddress({ ...build(""), services: [] })).toThrow("the cluster has no DNS Service");
});

test.each([
  ["web", ["web.shop.svc.cluster.local", "web.svc.cluster.local", "web.cluster.local", "web"]],
  [
    "web.other",
    ["web.other.shop.svc.cluster.local", "web.other.svc.cluster.local", "web.other.cluster.local", "web.other"],
  ],
  [
    "a.b.c.d.e.f",
    ["a.b.c.d.e.f", "a.b.c.d.e.f.shop.svc.cluster.local", "a.b.c.d.e.f.svc.cluster.local", "a.b.c.d.e.f.cluster.local"],
  ],
  ["web.shop.svc.cluster.local.", ["web.shop.svc.cluster.local"]],
])("a pod of namespace shop that asks for %s asks for %j", (name, expected) => {
  const searches = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"];
  expect(searchNames({ searches, ndots: 5 }, name)).toEqual(expected);
});
