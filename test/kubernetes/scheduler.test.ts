// Nodes and the scheduler: which labels, addresses and pods each node has, and why a pod has none.
import { describe, expect, test } from "vitest";
import { build, complaint, deployment, places, pod } from "./build.ts";

function node(name: string, spec: string, more = ""): string {
  return `
apiVersion: v1
kind: Node
metadata: {name: ${name}, labels: {disk: ssd}}
spec: {${spec}}
${more}
---`;
}

describe("nodes", () => {
  test("by number are called node-1 and so on and have addresses and ranges of their own", () => {
    expect(build("", { nodes: 2 }).nodes).toEqual([
      {
        name: "node-1",
        labels: { "kubernetes.io/hostname": "node-1", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" },
        address: "192.168.0.11",
        podCIDR: "10.244.1.0/24",
        unschedulable: false,
      },
      {
        name: "node-2",
        labels: { "kubernetes.io/hostname": "node-2", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" },
        address: "192.168.0.12",
        podCIDR: "10.244.2.0/24",
        unschedulable: false,
      },
    ]);
  });

  test("of a list have their labels and zone", () => {
    const [only] = build("", { nodes: [{ name: "big", zone: "west", labels: { disk: "ssd" } }] }).nodes;
    expect(only).toMatchObject({ name: "big", labels: { "topology.kubernetes.io/zone": "west", disk: "ssd" } });
  });

  test("of manifests come in place of a number, with what they say of themselves", () => {
    const text =
      node("a", "podCIDR: 10.244.2.0/24, unschedulable: true") +
      node("b", "", "status: {addresses: [{type: Hostname, address: b}, {type: InternalIP, address: 192.168.0.11}]}");
    expect(build(text).nodes).toMatchObject([
      { name: "a", address: "192.168.0.12", podCIDR: "10.244.2.0/24", unschedulable: true },
      { name: "b", address: "192.168.0.11", podCIDR: "10.244.3.0/24", labels: { disk: "ssd" }, unschedulable: false },
    ]);
  });

  test.each([
    [
      "too many for the pod range",
      "",
      { nodes: 4, podCIDR: "10.244.0.0/22" },
      "podCIDR 10.244.0.0/22 has no /24 left for node 4; choose a larger one",
    ],
    [
      "too many for the nodes' network",
      "",
      { nodes: 6, nodeCIDR: "192.168.0.0/28" },
      "nodeCIDR 192.168.0.0/28 has no address for node 5; choose a larger one",
    ],
    [
      "two of a name",
      "",
      { nodes: [{ name: "a" }, { name: "a" }] },
      "there are two nodes called a; give one another name",
    ],
    [
      "both listed and written",
      node("a", ""),
      { nodes: [{ name: "a" }] },
      "a.yaml:2: the scenario lists the nodes; leave out that list or the Node manifests",
    ],
    [
      "a pod range elsewhere",
      node("a", "podCIDR: 10.1.0.0/24"),
      {},
      "a.yaml:5: spec.podCIDR: 10.1.0.0/24 should be a part of the pod range 10.244.0.0/16, a /30 or larger",
    ],
    [
      "one pod range twice",
      node("a", "podCIDR: 10.244.1.0/24") + node("b", "podCIDR: 10.244.1.128/25"),
      {},
      "a.yaml:11: spec.podCIDR: 10.244.1.128/25 overlaps another node's pod range",
    ],
    [
      "the gateway's address",
      node("a", "", "status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}"),
      {},
      "a.yaml:6: status.addresses: 192.168.0.1 should be in the nodes' network 192.168.0.0/24, behind the gateway's address",
    ],
  ])("are refused: %s", (_, text, options, expected) => {
    expect(complaint(text, options)).toBe(expected);
  });
});

describe("the scheduler", () => {
  test("spreads each workload's pods, then all pods, then goes by the nodes' order", () => {
    expect(places(build(deployment("a", 2) + deployment("b", 2) + deployment("c", 4)))).toEqual([
      "default/a-0 node-1 10.244.1.2",
      "default/a-1 node-2 10.244.2.2",
      "default/b-0 node-3 10.244.3.2",
      "default/b-1 node-1 10.244.1.3",
      "default/c-0 node-2 10.244.2.3",
      "default/c-1 node-3 10.244.3.3",
      "default/c-2 node-1 10.244.1.4",
      "default/c-3 node-2 10.244.2.4",
    ]);
  });

  test("spreads a workload even over a node that is full of others", () => {
    const text = pod("one", "nodeName: node-2") + pod("two", "nodeName: node-2") + deployment("web", 2);
    expect(places(build(text, { nodes: 2 })).slice(2)).toEqual([
      "default/web-0 node-1 10.244.1.2",
      "default/web-1 node-2 10.244.2.4",
    ]);
  });

  test("leaves a pod on the node that it names, cordoned or not", () => {
    const text = node("a", "") + node("b", "unschedulable: true") + pod("one", "nodeName: b") + pod("two");
    expect(places(build(text))).toEqual(["default/one b 10.244.2.2", "default/two a 10.244.1.2"]);
  });

  test("heeds nodeSelector and required node affinity", () => {
    const nodes = [
      { name: "a", labels: { disk: "hdd" } },
      { name: "b", labels: { disk: "ssd" } },
      { name: "c", labels: { disk: "ssd", gpu: "yes", cores: "16" } },
    ];
    const affinity = (operator: string, values: string, key = "disk"): string =>
      `affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: ${key}, operator: ${operator}${values}}]}]}}}`;
    const text =
      pod("selector", "nodeSelector: {disk: ssd, gpu: yes}".replace("yes", '"yes"')) +
      pod("in", affinity("In", ", values: [hdd]")) +
      pod("not-in", affinity("NotIn", ", values: [hdd]")) +
      pod("exists", affinity("Exists", "", "gpu")) +
      pod("does-not-exist", affinity("DoesNotExist", "", "gpu")) +
      pod("gt", affinity("Gt", ", values: ['8']", "cores"));
    expect(places(build(text, { nodes })).map((place) => place.split(" ").slice(0, 2).join(" "))).toEqual([
      "default/selector c",
      "default/in a",
      "default/not-in b",
      "default/exists c",
      "default/does-not-exist a",
      "default/gt c",
    ]);
    expect(complaint(pod("lt", affinity("Lt", ", values: [few]")), { nodes })).toMatch(
      /values: should be one whole number in quotes for the operator Lt$/,
    );
  });

  test("keeps pods off taints that they do not tolerate", () => {
    const text =
      node("a", "taints: [{key: dedicated, value: db, effect: NoSchedule}]") +
      node("b", "taints: [{key: gone, effect: NoExecute}]") +
      node("c", "taints: [{key: slow, effect: PreferNoSchedule}]") +
      pod("plain") +
      pod("db", "tolerations: [{key: dedicated, value: db}]") +
      pod("other", "tolerations: [{key: dedicated, value: web}]") +
      pod("all", "tolerations: [{operator: Exists}]");
    expect(places(build(text)).map((place) => place.split(" ").slice(0, 2).join(" "))).toEqual([
      "default/plain c",
      "default/db a",
      "default/other c",
      "default/all b",
    ]);
  });

  test("tolerates a taint whose number is greater or less than the toleration's, by Gt and Lt, and no other text", () => {
    const text =
      node("a", "taints: [{key: level, value: '950', effect: NoSchedule}]") +
      node("b", "taints: [{key: level, value: '90', effect: NoSchedule}]") +
      node("c", "taints: [{key: level, value: high, effect: NoSchedule}]") +
      pod("more", "tolerations: [{key: level, operator: Gt, value: '900'}]") +
      pod("less", "tolerations: [{key: level, operator: Lt, value: '900'}]") +
      pod("same", "tolerations: [{key: level, operator: Gt, value: '950'}]");
    const cluster = build(text);
    expect(places(cluster).map((place) => place.split(" ").slice(0, 2).join(" "))).toEqual([
      "default/more a",
      "default/less b",
      "default/same", // on no node
    ]);
    expect(cluster.pending.map(({ pod }) => pod)).toContain("default/same");
  });

  test("puts a DaemonSet's pod on each node that fits it", () => {
    const daemon = deployment("agent", 1).replace("Deployment", "DaemonSet").replace("replicas: 1", "");
    const text =
      node("a", "taints: [{key: x, effect: NoSchedule}]") + node("b", "unschedulable: true") + node("c", "") + daemon;
    expect(places(build(text))).toEqual(["default/agent-0 b 10.244.2.2", "default/agent-1 c 10.244.3.2"]);
  });

  test("gives a host port of a node to one pod only", () => {
    const port = "{containerPort: 80, hostPort: 8080}";
    const text = deployment("edge", 3, "", port) + pod("host", "hostNetwork: true", "{containerPort: 8080}");
    const cluster = build(text, { nodes: 2 });
    expect(places(cluster)).toEqual([
      "default/edge-0 node-1 10.244.1.2",
      "default/edge-1 node-2 10.244.2.2",
      "default/edge-2",
      "default/host",
    ]);
    expect(cluster.pending).toEqual([
      { pod: "default/edge-2", reason: "host port 8080/TCP is taken (2 of 2 nodes)" },
      { pod: "default/host", reason: "host port 8080/TCP is taken (2 of 2 nodes)" },
    ]);
  });

  test("lets pods share a host port's number at other addresses and with other protocols", () => {
    const text =
      pod("a", "", "{containerPort: 53, hostPort: 53, hostIP: 127.0.0.1}") +
      pod("b", "", "{containerPort: 53, hostPort: 53, hostIP: 192.168.0.11}") +
      pod("c", "", "{containerPort: 53, hostPort: 53, protocol: UDP}");
    expect(build(text, { nodes: 1 }).pending).toEqual([]);
  });

  test("says of a pending pod what stands in its way on how many nodes", () => {
    const text =
      node("a", "taints: [{key: dedicated, value: db, effect: NoSchedule}]") +
      node("b", "") +
      pod("lost", "nodeSelector: {zone: north}") +
      pod("blocked", "nodeSelector: {kubernetes.io/hostname: a}");
    expect(build(text).pending).toEqual([
      { pod: "default/lost", reason: "its nodeSelector or node affinity does not match (2 of 2 nodes)" },
      {
        pod: "default/blocked",
        reason:
          "it does not tolerate the taint dedicated=db:NoSchedule (1 of 2 nodes); its nodeSelector or node affinity does not match (1 of 2 nodes)",
      },
    ]);
  });

  test("gives a node of a /24 no more than 253 pods", () => {
    const cluster = build(deployment("many", 254), { nodes: 1 });
    expect(places(cluster).at(252)).toBe("default/many-252 node-1 10.244.1.254");
    expect(cluster.pending[0]).toEqual({
      pod: "default/many-253",
      reason: "the pod range has no address left on node-1",
    });
  });

  test("waits for a node that there is not", () => {
    const cluster = build(pod("a", "nodeName: node-9") + deployment("b", 1, "nodeName: node-9"));
    const reason = "there is no node node-9; there are node-1, node-2, node-3";
    expect(cluster.pending).toEqual([
      { pod: "default/a", reason },
      { pod: "default/b-0", reason },
    ]);
  });
});
