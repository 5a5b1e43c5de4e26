// Whole sets of manifests: the examples of this project, and the Online Boutique where it lies beside the checkout.
import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseDocuments } from "../../src/documents/document.ts";
import { buildCluster, type ClusterOptions } from "../../src/kubernetes/cluster.ts";
import type { Cluster } from "../../src/kubernetes/objects.ts";
import { projectFiles } from "../structure/tree.ts";
import { build, OPTIONS, ownServices, places, serviceOf } from "./build.ts";

/** The ranges that a cluster of both families has unless it says others. */
const DUAL: Pick<ClusterOptions, "families" | "six"> = {
  families: ["IPv4", "IPv6"],
  six: {
    podCIDR: "fd00:10:244::/56",
    serviceCIDR: "fd00:10:96::/112",
    nodeCIDR: "2001:db8:1::/64",
    loadBalancerCIDR: "2001:db8:2::/64",
  },
};

const files = projectFiles("examples", ".yaml");
const folders = files
  .map(({ path }) => path)
  .filter((path) => posix.basename(path) === "scenario.yaml")
  .map((path) => posix.dirname(path));

function example(folder: string): Cluster {
  const text = (name: string): string => files.find(({ path }) => path === `${folder}/${name}`)?.text ?? "";
  const { spec } = parse(text("scenario.yaml")) as {
    spec: { manifests: string[]; cluster: { nodes?: number; ipFamily?: string } };
  };
  const documents = spec.manifests.flatMap((name) => parseDocuments(text(name), name));
  const families = spec.cluster.ipFamily === "dual" ? DUAL : {};
  return buildCluster(documents, { ...OPTIONS, ...families, nodes: spec.cluster.nodes ?? 3 });
}

test.each(folders)("%s makes a cluster in which every pod runs", (folder) => {
  const cluster = example(folder);
  expect(places(cluster)).not.toEqual([]);
  expect(cluster.pending).toEqual([]);
  expect(cluster.notEmulated).toEqual([]);
});

test("the shop's first pods are on the first address of each node, and its peers have names", () => {
  const shop = example("examples/shop");
  expect(places(shop).slice(0, 4)).toEqual([
    "shop/frontend-0 node-1 10.244.1.2",
    "shop/frontend-1 node-2 10.244.2.2",
    "shop/frontend-2 node-3 10.244.3.2",
    "shop/catalogue-0 node-1 10.244.1.3",
  ]);
  expect(places(shop).filter((place) => place.startsWith("shop/statsd"))).toEqual([
    "shop/statsd-0 node-1 10.244.1.9",
    "shop/statsd-1 node-2 10.244.2.9",
    "shop/statsd-2 node-3 10.244.3.9",
  ]);
  const peers = shop.endpointSlices.find(({ name }) => name === "redis-peers-slice");
  expect(peers?.endpoints.map(({ hostname }) => hostname)).toEqual(["redis-0", "redis-1", "redis-2"]);
});

const BOUTIQUE = new URL("../../../shared/data/online-boutique/kubernetes-manifests.yaml", import.meta.url);
const there = existsSync(BOUTIQUE);
if (!there) console.warn("skipped: the Online Boutique's manifests are not beside the checkout");

describe("the Online Boutique", () => {
  test.runIf(process.env.CI === "true")("is there", () => expect(there).toBe(true));

  test.runIf(there)("has twelve Deployments, their Services and a load balancer", () => {
    const cluster = build(readFileSync(BOUTIQUE, "utf8"));
    expect(places(cluster).map((place) => place.split(" ")[0])).toEqual([
      "default/frontend-0",
      "default/adservice-0",
      "default/currencyservice-0",
      "default/cartservice-0",
      "default/redis-cart-0",
      "default/loadgenerator-0",
      "default/recommendationservice-0",
      "default/checkoutservice-0",
      "default/emailservice-0",
      "default/paymentservice-0",
      "default/shippingservice-0",
      "default/productcatalogservice-0",
    ]);
    expect(ownServices(cluster)).toHaveLength(12);
    expect(serviceOf(cluster, "frontend-external")).toMatchObject({
      type: "LoadBalancer",
      loadBalancerIngress: [{ ip: "192.0.2.1" }],
      ports: [{ port: 80, targetPort: 8080, nodePort: 30000 }],
    });
    expect(cluster.ignored).toEqual([{ kind: "ServiceAccount", count: 11 }]);
    // Every Service has endpoints; two of them the same ones.
    expect(cluster.endpointSlices.filter(({ namespace }) => namespace === "default")).toHaveLength(13);
  });
});
