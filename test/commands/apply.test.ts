// A file that the timeline applies: what comes of Deployments, Services, policies and names, and what is refused.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { podwire, runInto, temporaryFolder, type ExampleRun } from "../tools/podwire.ts";

const pod = (name: string, node: string): string => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${name} } }
spec: { nodeName: ${node}, containers: [{ name: main, image: example/${name}:1 }] }
---
`;

const deployment = (
  name: string,
  more: { image?: string; replicas?: string; node?: string } = {},
): string => `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  ${more.replicas ?? "replicas: 2"}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      nodeName: ${more.node ?? "node-2"}
      containers:
        - name: main
          image: example/${name}:${more.image ?? "1"}
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /, port: http }, periodSeconds: 1 }
          lifecycle: { preStop: { sleep: { seconds: 6 } } }
---
`;

const service = (name: string, spec = ""): string => `apiVersion: v1
kind: Service
metadata: { name: ${name.split(" ")[0]} }
spec: { selector: { app: ${name.split(" ").at(-1)} }, ports: [{ name: http, port: 80, targetPort: http }]${spec} }
---
`;

const SETTINGS = `apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { colour: blue }
---
`;

const policy = (app: string): string => `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web }
spec: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: ${app} } } }] }] }
---
`;

const START = pod("client", "node-1") + deployment("web") + service("web") + SETTINGS;

interface Files {
  start?: string;
  applied: string;
  traffic: string[];
  timeline?: string;
  duration?: string;
}

function scenario({
  start = START,
  applied,
  traffic,
  timeline = "{ at: 2s, apply: next.yaml }",
  duration = "16s",
}: Files): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "next.yaml"), applied);
  writeFileSync(
    join(folder, "all.yaml"),
    `${start}apiVersion: podwire.dev/v1alpha1
kind: Scenario
metadata: { name: apply }
spec:
  duration: ${duration}
  cluster: { nodes: 2 }
  traffic:
${traffic.map((line) => `    - { protocol: http, rate: 50/s, timeout: 500ms, ${line.includes("stop:") ? "" : "stop: 15s, "}${line} }`).join("\n")}
  capture: [{ devices: [node-1/eth0], file: run.pcapng }]
  timeline: [${timeline}]
`,
  );
  return join(folder, "all.yaml");
}

function play(files: Files, ...args: string[]): ExampleRun {
  return runInto(temporaryFolder(), scenario(files), ...args);
}

const CLIENT = "name: client, from: { pod: client }";

describe("a Deployment whose template and number of replicas are applied", () => {
  const files = {
    applied: deployment("web", { image: "2", replicas: "replicas: 3" }) + service("web") + SETTINGS,
    traffic: [`${CLIENT}, to: { service: web }`],
  };
  const one = play(files, "--workers", "1");

  test("is rolled out without a lost request, and says so in kubectl's words", () => {
    const [line] = one.report.traffic;
    expect(line).toMatchObject({ sent: 750, delivered: 750 });
    const names = Object.keys(line?.backends ?? {});
    expect(names.map((name) => name.replace(/-[4-9b-z]{6,10}-/, "-*-"))).toEqual([
      ...["default/web-0", "default/web-1"],
      ...["default/web-*-0", "default/web-*-1", "default/web-*-2"],
    ]);
    expect(one.report.events[0]?.what).toBe(
      "apply of next.yaml: Deployment default/web configured; Service default/web, ConfigMap settings unchanged",
    );
  });

  test("gives the same bytes with two workers", () => {
    const two = play(files, "--workers", "2");
    for (const file of ["run.pcapng", "rules/node-1.v4", "rules/node-2.v4"])
      expect(readFileSync(join(two.folder, file)).equals(readFileSync(join(one.folder, file))), file).toBe(true);
    expect(two.report.events).toEqual(one.report.events);
  });
});

test("replicas that are not written stay as they were scaled to; a template that was there before has its ReplicaSet again", () => {
  const timeline = `{ at: 1s, scale: deployment/web, replicas: 3 }, { at: 2s, apply: next.yaml },
    { at: 8s, apply: back.yaml }`;
  const file = scenario({
    start: pod("client", "node-1") + deployment("web", { replicas: "" }) + service("web"),
    applied: deployment("web", { replicas: "", image: "2" }),
    traffic: [`${CLIENT}, to: { service: web }, start: 15s, stop: 15900ms`],
    timeline,
  });
  writeFileSync(join(file, "../back.yaml"), deployment("web", { replicas: "" }));
  const { report } = runInto(temporaryFolder(), file);
  // Of the first two one was still about to end; pods of the other template have its hash in their names.
  expect(Object.keys(report.traffic[0]?.backends ?? {}).join(" ")).toMatch(/^(default\/web-\d ?){3}$/);
});

describe("a Service and its Deployment that come", () => {
  const { report, folder } = play({
    applied: deployment("api") + service("api") + service("direct api", ", clusterIP: None"),
    traffic: [
      `${CLIENT}, to: { service: api }`,
      `name: address, from: { pod: client }, to: { service: api, by: clusterIP }, start: 6s`,
      `name: direct, from: { pod: client }, to: { service: direct }`,
      `name: back, from: { deployment: api }, to: { service: web }`,
    ],
  });
  const [client, address, direct, back] = report.traffic;

  test("are answered for once a pod is ready, and before that the name is not there", () => {
    // 2.1 s without a name; then nobody is ready until the probe has succeeded and kube-proxy heard of it.
    expect(client?.unresolved).toBe(105);
    expect(client?.delivered).toBeGreaterThan(550);
    expect(Object.keys(client?.backends ?? {}).sort()).toEqual(["default/api-0", "default/api-1"]);
    expect(address).toMatchObject({ sent: 450, delivered: 450 });
  });

  test("a headless Service's name is there when it has ready pods", () => {
    // Applied at 2 s, made in a second, ready at the first question; CoreDNS hears of it 100 ms later.
    expect(direct).toMatchObject({ unresolved: 155, delivered: 595 });
  });

  test("the new pods call, from when they listen on", () => {
    expect(back).toMatchObject({ sent: 600, delivered: 600 });
  });

  test("have the next address, which the rules lead from", () => {
    const rules = readFileSync(join(folder, "rules/node-1.v4"), "utf8");
    expect(rules).toMatch(/-A KUBE-SERVICES -d 10\.96\.0\.12\/32 .*default\/api:http cluster IP/);
  });
});

test("a Service whose selector changes leads elsewhere from the next sync on, under its address; so does a port of its", () => {
  const { report } = play({
    start: START + deployment("other"),
    applied: service("web other").replace("port: 80", "port: 81"),
    traffic: [
      `${CLIENT}, to: { service: web, port: 80, by: clusterIP }, stop: 2s`,
      `name: later, from: { pod: client }, to: { service: web, port: 81, by: clusterIP }, start: 2200ms`,
    ],
  });
  const [before, after] = report.traffic;
  expect(Object.keys(before?.backends ?? {}).sort()).toEqual(["default/web-0", "default/web-1"]);
  expect(after?.delivered).toBe(after?.sent);
  expect(Object.keys(after?.backends ?? {}).sort()).toEqual(["default/other-0", "default/other-1"]);
});

describe.each(["iptables", "nftables"])("a NetworkPolicy, with kube-proxy's mode %s,", (mode) => {
  test("holds from the next sync on, and what it says anew from the one after that", () => {
    const file = scenario({
      start: START + pod("other", "node-1"),
      applied: policy("other"),
      traffic: [
        `${CLIENT}, to: { service: web, by: clusterIP }`,
        `name: other, from: { pod: other }, to: { service: web, by: clusterIP }`,
      ],
      timeline: "{ at: 4s, apply: next.yaml }, { at: 8s, apply: then.yaml }",
    });
    writeFileSync(join(file, "../then.yaml"), policy("client"));
    const { report } = runInto(temporaryFolder(), file, "--proxy-mode", mode);
    // The client is shut out from 4.1 to 8.1 s, the other one from then on.
    expect(report.traffic.map(({ timedOut }) => timedOut)).toEqual([200, 345]);
    expect(report.events.map(({ what }) => what)).toEqual([
      "apply of next.yaml: NetworkPolicy default/web created",
      "apply of then.yaml: NetworkPolicy default/web configured",
    ]);
  });
});

const INGRESS = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: web }
spec: { rules: [{ host: shop.example.com, http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }] } }] }
---
`;

test("an ingress controller sends to the pods of a rollout, and a headless name leads to them, without a lost request", () => {
  const { report } = play({
    start: START + INGRESS + service("direct web", ", clusterIP: None"),
    applied: deployment("web", { image: "2" }),
    traffic: [
      "name: outside, from: internet, to: { host: shop.example.com, port: 80 }",
      `name: direct, from: { pod: client }, to: { service: direct }`,
    ],
  });
  for (const { sent, delivered, statuses } of report.traffic)
    expect({ delivered, statuses }).toEqual({ delivered: sent, statuses: { 200: sent } });
  expect(Object.keys(report.traffic[1]?.backends ?? {})).toHaveLength(4);
  // The old pods have been gone for a while.
  expect(report.drops["gateway"]).toBeUndefined();
});

test("a file that is applied is not among the manifests of its folder", () => {
  const file = scenario({ applied: deployment("api") + service("api"), traffic: [`${CLIENT}, to: { service: api }`] });
  const { report } = runInto(temporaryFolder(), join(file, ".."));
  expect(report.traffic[0]?.unresolved).toBe(105);
});

describe("a StatefulSet and a DaemonSet", () => {
  const kinds = (image: string): string =>
    deployment("db", { image, replicas: "replicas: 2, serviceName: db".replace(", ", "\n  ") }).replace(
      "kind: Deployment",
      "kind: StatefulSet",
    ) +
    deployment("agent", { image, replicas: "" })
      .replace("kind: Deployment", "kind: DaemonSet")
      .replace("      nodeName: node-2\n", "");
  const files = {
    start: pod("client", "node-1") + kinds("1") + service("db", ", clusterIP: None") + service("agent"),
    applied: kinds("2"),
    traffic: [
      `${CLIENT}, to: { service: db }, stop: 25s`,
      `name: agent, from: { pod: client }, to: { service: agent }, stop: 25s`,
    ],
    timeline: "{ at: 2s, apply: next.yaml }",
    duration: "26s",
  };
  const one = play(files, "--workers", "1");

  test("of a new template are rolled out pod by pod, and whoever asks for the name is never led astray", () => {
    for (const { sent, delivered } of one.report.traffic) expect([sent, delivered]).toEqual([1250, 1250]);
    const [db, agent] = one.report.traffic.map(({ backends }) => Object.keys(backends).sort());
    expect(db).toEqual(["default/db-0", "default/db-1"]);
    expect(agent).toEqual([0, 1, 2, 3].map((number) => `default/agent-${number}`));
    // Eight seconds of the end of each, one for its successor: one after the other.
    expect(one.report.events[0]?.rulesAtNs).toBeGreaterThan(18e9);
    expect(one.report.events[0]?.what).toBe(
      "apply of next.yaml: StatefulSet default/db, DaemonSet default/agent configured",
    );
  });

  test("give the same bytes with two workers", () => {
    const two = play(files, "--workers", "2");
    expect(readFileSync(join(two.folder, "run.pcapng")).equals(readFileSync(join(one.folder, "run.pcapng")))).toBe(
      true,
    );
    expect(two.report.events).toEqual(one.report.events);
  });

  test("keep labels and ports of a StatefulSet's pods", () => {
    const file = scenario({ ...files, applied: kinds("2").replace("8080", "9090") });
    const { stderr } = podwire("run", file, "--out", temporaryFolder());
    expect(stderr).toMatch(
      /labels and ports of the pods of StatefulSet default\/db cannot change while the cluster runs/,
    );
  });
});

test("a PodDisruptionBudget that is applied keeps a pod on a node that is drained, and the summary says so", () => {
  const budget = `apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: web }
spec: { selector: { matchLabels: { app: web } }, maxUnavailable: 0 }
`;
  const { report, stdout } = play({
    applied: budget,
    traffic: [`${CLIENT}, to: { service: web, by: clusterIP }`],
    timeline: "{ at: 1s, apply: next.yaml }, { at: 2s, drain: node/node-2, timeout: 5s }",
  });
  expect(report.traffic[0]).toMatchObject({ sent: 750, delivered: 750 });
  expect(report.events[0]?.what).toBe("apply of next.yaml: PodDisruptionBudget default/web created");
  expect(stdout).toContain(
    "pod default/web-1 was not evicted from node-2: it would break PodDisruptionBudget default/web\n",
  );
});

describe("is refused in one sentence:", () => {
  const node = "apiVersion: v1\nkind: Node\nmetadata: { name: node-9 }\n";
  const balanced = service("web").replace("spec: {", "spec: { type: LoadBalancer,");
  test.each([
    ["a Node", node, /next\.yaml:1: Node node-9 cannot join while the cluster runs/],
    ["a Pod that changes", pod("client", "node-2"), /spec: Pod default\/client cannot change; delete it/],
    [
      "another selector",
      deployment("web").replaceAll("app: web", "app: other"),
      /spec\.selector: this field of Deployment default\/web is immutable/,
    ],
    [
      "a load balancer",
      balanced,
      /spec: what the load balancer of Service default\/web does cannot change while the cluster runs/,
    ],
    [
      "another cluster IP",
      service("web", ", clusterIP: 10.96.9.9"),
      /the cluster IP of Service default\/web is 10\.96\.0\.11 and cannot change/,
    ],
    [
      "an Ingress that nobody serves",
      INGRESS,
      /nobody serves Ingress default\/web; have an Ingress, or an ingress controller, from the start/,
    ],
    [
      "host network",
      pod("host", "node-1").replace("spec: {", "spec: { hostNetwork: true,"),
      /pods of Pod default\/host are on their nodes' network/,
    ],
    [
      "labels of a Namespace",
      "apiVersion: v1\nkind: Namespace\nmetadata: { name: default, labels: { a: b } }\n",
      /the labels of Namespace default cannot change/,
    ],
    [
      "a budget that says both",
      "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: { name: web }\nspec: { minAvailable: 1, maxUnavailable: 1 }\n",
      /next\.yaml:4: spec: should have minAvailable or maxUnavailable, not both/,
    ],
    ["a Scenario", "apiVersion: podwire.dev/v1alpha1\nkind: Scenario\n", /a Scenario cannot be applied/],
    ["what is no manifest", "kind: Pod\n", /next\.yaml:1: apiVersion/],
  ])("%s", (_, applied, sentence) => {
    const file = scenario({ applied, traffic: [`${CLIENT}, to: { service: web }`] });
    const { status, stderr } = podwire("run", file, "--out", temporaryFolder());
    expect(stderr).toMatch(sentence);
    expect(status).toBe(2);
  });

  test("a file that is not there", () => {
    const file = scenario({
      applied: "",
      traffic: [`${CLIENT}, to: { service: web }`],
      timeline: "{ at: 1s, apply: none.yaml }",
    });
    const { stderr } = podwire("run", file, "--out", temporaryFolder());
    expect(stderr).toMatch(/all\.yaml:\d+: spec\.timeline\[0\]\.apply: there is no file .*none\.yaml/);
  });
});
