// The ranges of a cluster whose objects have addresses already, as manifests that were read from another cluster do.
import { expect, test } from "vitest";
import { parseDocuments } from "../../src/documents/document.ts";
import { InputError } from "../../src/errors.ts";
import { prepare } from "../../src/scenario/prepare.ts";
import { scenarioSchema } from "../../src/scenario/schema.ts";

const service = (name: string, clusterIP: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {clusterIP: ${clusterIP}, ports: [{port: 80}]}\n`;

const node = (name: string, address: string, podCIDR: string): string =>
  `apiVersion: v1\nkind: Node\nmetadata: {name: ${name}}\nspec: {podCIDR: ${podCIDR}}\nstatus: {addresses: [{type: InternalIP, address: ${address}}]}\n`;

function prepared(objects: string[], cluster = "{}"): ReturnType<typeof prepare> {
  const [document] = parseDocuments(
    `apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: {name: test}\nspec: {cluster: ${cluster}, traffic: []}\n`,
    "scenario.yaml",
  );
  if (!document) throw new Error("no document");
  const manifests = parseDocuments(objects.join("---\n"), "objects.yaml");
  return prepare({ scenario: document.validate(scenarioSchema), document, manifests }, { outDir: "", capture: [] });
}

function clusterIPs(objects: string[], cluster?: string): Record<string, string | undefined> {
  return Object.fromEntries(
    prepared(objects, cluster).cluster.services.map(({ name, clusterIPs: [ip] }) => [name, ip]),
  );
}

function sentence(objects: string[], cluster?: string): string {
  try {
    prepared(objects, cluster);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  throw new Error("nothing was wrong");
}

test("a cluster IP outside the usual range makes the range the /16 around it, with the API server and the DNS at its beginning", () => {
  expect(clusterIPs([service("web", "10.43.7.20")])).toEqual({
    web: "10.43.7.20",
    kubernetes: "10.43.0.1",
    "kube-dns": "10.43.0.10",
  });
});

test("cluster IPs of two /16 have a range that holds both", () => {
  expect(clusterIPs([service("a", "172.30.0.5"), service("b", "172.31.0.5")]).kubernetes).toBe("172.30.0.1");
});

test("cluster IPs in the usual range leave it as it is", () => {
  expect(clusterIPs([service("web", "10.96.0.20")]).kubernetes).toBe("10.96.0.1");
});

test("a range that the scenario says is kept to", () => {
  expect(sentence([service("web", "10.43.7.20")], "{serviceCIDR: 10.96.0.0/12}")).toContain(
    "10.43.7.20 is not in the Services' range 10.96.0.0/12",
  );
});

test("a range that would overlap another that the scenario says is not taken: the address is wrong", () => {
  expect(sentence([service("web", "10.244.9.20")], "{podCIDR: 10.244.0.0/16}")).toContain(
    "10.244.9.20 is not in the Services' range 10.96.0.0/12",
  );
});

test("a range of which nobody says anything gives way to addresses that objects have", () => {
  const { cluster } = prepared([service("web", "10.244.9.20")]);
  expect(cluster.nodes[0]?.podCIDR).toBe("10.42.1.0/24");
  expect(clusterIPs([service("web", "192.168.0.40")]).kubernetes).toBe("192.168.0.1");
  expect(prepared([service("web", "192.168.0.40")]).cluster.nodes[0]?.address).toBe("172.18.0.11");
  expect(clusterIPs([node("a", "10.100.0.5", "10.244.0.0/24")]).kubernetes).toBe("10.43.0.1");
});

test("nodes that have left the usual network leave it to the pods, as with Calico's usual pool", () => {
  const { cluster } = prepared([node("a", "172.18.0.2", "192.168.0.0/24")]);
  expect(cluster.nodes.map(({ address, podCIDR }) => [address, podCIDR])).toEqual([["172.18.0.2", "192.168.0.0/24"]]);
});

test("addresses that no range holds are wrong", () => {
  expect(sentence([service("a", "10.43.0.5"), service("b", "172.30.0.5")])).toContain(
    "10.43.0.5 is not in the Services' range 10.96.0.0/12",
  );
});

test("nodes keep the addresses and pod ranges of another cluster, and others of it get theirs beside them", () => {
  const { cluster } = prepared([
    node("a", "10.0.1.17", "10.42.0.0/24"),
    node("b", "10.0.2.9", "10.42.1.0/24"),
    "apiVersion: v1\nkind: Node\nmetadata: {name: c}\n",
  ]);
  expect(cluster.nodes.map(({ address, podCIDR }) => [address, podCIDR])).toEqual([
    ["10.0.1.17", "10.42.0.0/24"],
    ["10.0.2.9", "10.42.1.0/24"],
    ["10.0.0.13", "10.42.3.0/24"],
  ]);
});
