// Workloads to pods: how many, what they are called, what they bear.
import { describe, expect, test } from "vitest";
import { build, complaint, deployment, places, pod } from "./build.ts";

function workload(kind: string, spec: string, apiVersion = "apps/v1", name = "web"): string {
  return `
apiVersion: ${apiVersion}
kind: ${kind}
metadata: {name: ${name}}
spec:
  ${spec}
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main}]}}
---`;
}

function names(text: string): string[] {
  return build(text)
    .pods.filter(({ namespace }) => namespace !== "kube-system")
    .map(({ name }) => name);
}

test.each([
  ["a Deployment has one pod by default", workload("Deployment", ""), ["web-0"]],
  ["a Deployment has its replicas", workload("Deployment", "replicas: 2"), ["web-0", "web-1"]],
  ["no replicas are none", workload("ReplicaSet", "replicas: 0"), []],
  [
    "a StatefulSet counts from its start",
    workload("StatefulSet", "replicas: 2\n  ordinals: {start: 5}"),
    ["web-5", "web-6"],
  ],
  ["a DaemonSet has a pod on every node", workload("DaemonSet", ""), ["web-0", "web-1", "web-2"]],
  ["a Job has one pod by default", workload("Job", "", "batch/v1"), ["web-0"]],
  [
    "a Job has no more pods than completions",
    workload("Job", "parallelism: 4\n  completions: 2", "batch/v1"),
    ["web-0", "web-1"],
  ],
  ["a suspended Job has no pod", workload("Job", "suspend: true", "batch/v1"), []],
])("%s", (_, text, expected) => {
  expect(names(text)).toEqual(expected);
});

test("a ReplicationController selects the labels of its template by default", () => {
  const text = `
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec: {replicas: 2, template: {metadata: {labels: {app: old}}, spec: {containers: [{name: main}]}}}
`;
  expect(build(text).pods[1]).toMatchObject({
    name: "old-1",
    labels: { app: "old" },
    owner: { kind: "ReplicationController", name: "old" },
  });
});

test("a pod bears its template's labels, its owner and its containers' ports with defaults", () => {
  const [made] = build(
    deployment(
      "web",
      1,
      "",
      "{name: http, containerPort: 80}, {containerPort: 53, protocol: UDP, hostPort: 5353, hostIP: 127.0.0.1}",
    ),
  ).pods;
  expect(made).toEqual({
    namespace: "default",
    name: "web-0",
    labels: { app: "web" },
    owner: { kind: "Deployment", name: "web" },
    nodeName: "node-1",
    podIP: "10.244.1.2",
    hostNetwork: false,
    hostname: "",
    subdomain: "",
    containers: [
      {
        name: "main",
        ports: [
          { name: "http", containerPort: 80, protocol: "TCP", hostPort: 0, hostIP: "" },
          { name: "", containerPort: 53, protocol: "UDP", hostPort: 5353, hostIP: "127.0.0.1" },
        ],
      },
    ],
  });
});

test("a StatefulSet's pods have hostnames under its Service, and their own labels", () => {
  const text = workload("StatefulSet", "serviceName: peers");
  expect(build(text).pods[0]).toMatchObject({
    hostname: "web-0",
    subdomain: "peers",
    labels: {
      app: "web",
      "statefulset.kubernetes.io/pod-name": "web-0",
      "apps.kubernetes.io/pod-index": "0",
    },
  });
});

test("an indexed Job's pods have hostnames and their index", () => {
  const text = workload("Job", "completions: 3\n  parallelism: 3\n  completionMode: Indexed", "batch/v1");
  expect(build(text).pods[2]).toMatchObject({
    hostname: "web-2",
    labels: { "batch.kubernetes.io/job-completion-index": "2", "batch.kubernetes.io/job-name": "web" },
  });
});

test("a sidecar runs, an init container has ended", () => {
  const text = pod(
    "a",
    "initContainers: [{name: setup, ports: [{containerPort: 1}]}, {name: proxy, restartPolicy: Always}]",
  );
  expect(build(text).pods[0]?.containers.map(({ name }) => name)).toEqual(["proxy", "main"]);
});

test("on the host's network a pod has its node's address and its ports are the host's", () => {
  const [made] = build(pod("agent", "hostNetwork: true, nodeName: node-2", "{containerPort: 9100}")).pods;
  expect(made).toMatchObject({ podIP: "192.168.0.12", hostNetwork: true });
  expect(made?.containers[0]?.ports[0]?.hostPort).toBe(9100);
});

test("two controllers of one name have pods of different names", () => {
  const text = workload("DaemonSet", "") + workload("Deployment", "") + workload("StatefulSet", "replicas: 2");
  expect(names(text)).toEqual([
    "web-daemonset-0",
    "web-daemonset-1",
    "web-daemonset-2",
    "web-deployment-0",
    "web-0",
    "web-1",
  ]);
});

test("of two controllers of one name the first has the plain names", () => {
  expect(names(workload("ReplicaSet", "") + workload("Deployment", ""))).toEqual(["web-0", "web-deployment-0"]);
});

test("system pods come after the user's", () => {
  const cluster = build(deployment("web", 1));
  expect(cluster.pods.map(({ namespace, name, podIP }) => `${namespace}/${name} ${podIP}`)).toEqual([
    "default/web-0 10.244.1.2",
    "kube-system/coredns-0 10.244.2.2",
    "kube-system/coredns-1 10.244.3.2",
  ]);
});

test("the manifests' own CoreDNS comes in place of the cluster's", () => {
  const own = deployment("coredns", 1).replace("{name: coredns}", "{name: coredns, namespace: kube-system}");
  expect(build(own).pods.map(({ name, labels }) => ({ name, labels }))).toEqual([
    { name: "coredns-0", labels: { app: "coredns" } },
  ]);
});

describe("one sentence says that", () => {
  test.each([
    [
      "the selector does not match",
      workload("Deployment", "").replace("matchLabels: {app: web}", "matchLabels: {app: shop}"),
      "a.yaml:7: spec.selector: does not match the labels of the template; they should be the same",
    ],
    [
      "the selector is empty",
      workload("DaemonSet", "").replace("matchLabels: {app: web}", ""),
      "a.yaml:7: spec.selector: should name at least one label",
    ],
    [
      "replicas are below zero",
      workload("Deployment", "replicas: -1"),
      "a.yaml:6: spec.replicas: should be at least 0",
    ],
    [
      "two pods have one name",
      pod("web-0") + workload("StatefulSet", ""),
      "a.yaml:9: metadata.name: there is another pod default/web-0; choose another name",
    ],
    [
      "two containers have one name",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: x\n    - name: x\n",
      "a.yaml:7: spec.containers[1].name: another container is called x already",
    ],
    [
      "two ports of a container have one name",
      pod("a", "", "{name: http, containerPort: 80}, {name: http, containerPort: 81}"),
      "a.yaml:5: spec.containers[0].ports[1].name: another port of the container is called http already",
    ],
    [
      "a port's name has no letter",
      pod("a", "", '{name: "80", containerPort: 80}'),
      'a.yaml:5: spec.containers[0].ports[0].name: "80" should be a port\'s name: at most 15 lower-case letters, digits and single - between them, one a letter',
    ],
    [
      "a port is too large",
      pod("a", "", "{containerPort: 70000}"),
      "a.yaml:5: spec.containers[0].ports[0].containerPort: should be at most 65535",
    ],
    [
      "there is no such protocol",
      pod("a", "", "{containerPort: 80, protocol: tcp}"),
      "a.yaml:5: spec.containers[0].ports[0].protocol: should be one of TCP, UDP, SCTP",
    ],
    [
      "a host port is taken in the pod itself",
      pod("a", "", "{containerPort: 80, hostPort: 80}, {containerPort: 81, hostPort: 80}"),
      "a.yaml:5: spec.containers[0].ports[1].hostPort: the pod has host port 80/TCP already",
    ],
    [
      "a host port is not the container's on the host's network",
      pod("a", "hostNetwork: true", "{containerPort: 80, hostPort: 81}"),
      "a.yaml:5: spec.containers[0].ports[0].hostPort: should be 80, the containerPort, with hostNetwork",
    ],
    [
      "a pod has no container",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n",
      "a.yaml:4: spec.containers: should have at least 1 entry",
    ],
  ])("%s", (_, text, expected) => {
    expect(complaint(text)).toBe(expected);
  });
});

test("fields that podwire does not need are not looked at", () => {
  const text = pod("a", "restartPolicy: 7, volumes: nothing, securityContext: []");
  expect(places(build(text))).toEqual(["default/a node-1 10.244.1.2"]);
});

test("an init container may have a host port that a container has: it ends before", () => {
  const port = "ports: [{containerPort: 80, hostPort: 80}]";
  const cluster = build(`apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {initContainers: [{name: before, ${port}}, {name: then, ${port}}], containers: [{name: main, ${port}}]}
`);
  expect(places(cluster)).toEqual(["default/a node-1 10.244.1.2"]);
});
