// A Deployment that is rolled out under load: with and without readiness probe and preStop hook, by the frames and by the report.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readCaptureFile } from "../tools/capture.ts";
import { podwire, runInto, temporaryFolder, type ExampleRun } from "../tools/podwire.ts";
import { summary } from "../tools/summary.ts";

const SAFE = `
          readinessProbe: { httpGet: { path: /, port: http }, periodSeconds: 1 }
          lifecycle: { preStop: { sleep: { seconds: 3 } } }`;

function scenario(container: string, deployment = "", timeline = "{ at: 2s, rollout: deployment/web }"): string {
  const folder = temporaryFolder();
  writeFileSync(
    join(folder, "all.yaml"),
    `apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: node-1, containers: [{ name: client, image: example/client:1 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 3
  ${deployment}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      nodeName: node-2
      containers:
        - name: web
          image: example/web:1
          ports: [{ name: http, containerPort: 8080 }]${container}
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: http }] }
---
apiVersion: podwire.dev/v1alpha1
kind: Scenario
metadata: { name: rollout }
spec:
  duration: 20s
  cluster: { nodes: 2, containers: { startup: 2s } }
  traffic:
    - name: client
      from: { pod: client }
      to: { service: web, port: http, by: clusterIP }
      protocol: http
      rate: 100/s
      stop: 19s
      timeout: 500ms
  capture: [{ devices: [default/client/eth0, "default/web-*/eth0"], file: run.pcapng }]
  timeline:
    - ${timeline}
`,
  );
  return join(folder, "all.yaml");
}

function play(file: string, ...args: string[]): ExampleRun {
  return runInto(temporaryFolder(), file, ...args);
}

const backends = ({ report }: ExampleRun): string[] => Object.keys(report.traffic[0]?.backends ?? {});

describe("a rollout without readiness probe", () => {
  const one = play(scenario(""), "--workers", "1");

  test("refuses what comes to new pods that do not listen yet, and to old ones that have been told to end", () => {
    const [line] = one.report.traffic;
    expect(line?.sent).toBe(1900);
    expect(line?.refused).toBeGreaterThan(200);
    expect(line?.refused).toBe(line?.drops["NO_SOCKET"]);
    expect((line?.delivered ?? 0) + (line?.refused ?? 0)).toBe(1900);
    const frames = readCaptureFile(join(one.folder, "run.pcapng")).packets;
    const resets = frames.filter(
      ({ device, bytes }) => /web-\w+-\d\/eth0$/.test(device) && / tcp R\.$/.test(summary(bytes)),
    );
    expect(new Set(resets.map(({ device }) => device)).size).toBe(3);
  });

  test("has all of that in the report, as what came of the rollout", () => {
    const [event] = one.report.events;
    const refused = one.report.traffic[0]?.refused ?? 0;
    expect(event?.failed).toEqual([{ traffic: "client", refused }]);
    expect(event?.refusedBy?.starting).toBeGreaterThan(100);
    expect((event?.refusedBy?.starting ?? 0) + (event?.refusedBy?.ending ?? 0)).toBe(refused);
    expect(one.stdout).toContain(`requests of client that failed: ${refused} refused\n`);
  });

  test("has new pods under names and addresses of their own", () => {
    const names = backends(one);
    expect(names.slice(0, 3)).toEqual(["default/web-0", "default/web-1", "default/web-2"]);
    expect(names).toHaveLength(6);
    for (const name of names.slice(3)) expect(name).toMatch(/^default\/web-[456789bcdf]{6,10}-[012]$/);
    const rules = readFileSync(join(one.folder, "rules/node-1.v4"), "utf8");
    const servers = [...rules.matchAll(/--to-destination (\S+):8080/g)].map(([, address]) => address);
    expect(servers.sort()).toEqual(["10.244.2.6", "10.244.2.7", "10.244.2.8"]);
  });

  test("gives the same bytes with two workers", () => {
    const two = play(scenario(""), "--workers", "2");
    for (const file of ["run.pcapng", "rules/node-1.v4", "rules/node-2.v4"])
      expect(readFileSync(join(two.folder, file)).equals(readFileSync(join(one.folder, file))), file).toBe(true);
    expect({ ...two.report, wallSeconds: 0, wallFramesPerSecond: 0, wallWorkers: 0 }).toEqual({
      ...one.report,
      wallSeconds: 0,
      wallFramesPerSecond: 0,
      wallWorkers: 0,
    });
  });
});

test("with a readiness probe and a preStop hook no request is lost", () => {
  const run = play(scenario(SAFE));
  expect(run.report.traffic[0]).toMatchObject({ sent: 1900, delivered: 1900 });
  expect(backends(run)).toHaveLength(6);
  expect(run.report.events).toMatchObject([
    { atNs: 2e9, what: "rollout of deployment default/web", connectionsRemoved: 0, failed: [] },
  ]);
});

test("maxSurge 0: one old pod after the other gives way first", () => {
  const run = play(scenario(SAFE, "strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }"));
  expect(run.report.traffic[0]).toMatchObject({ sent: 1900, delivered: 1900 });
  // Each new pod takes a second to be made, two to listen, and its controllers their time.
  expect(run.report.events[0]?.rulesAtNs).toBeGreaterThan(11e9);
});

test("Recreate: nobody serves until the old pods are gone and the new ones ready", () => {
  const run = play(scenario(SAFE, "strategy: { type: Recreate }"));
  const [line] = run.report.traffic;
  // They serve 3 s on while they terminate, as there is nobody else. Then it takes a second to shut down, one to be made, two to start.
  // Once the rules say that there is nobody, they refuse by ICMP, of which a host sends one a second.
  const failed = (line?.refused ?? 0) + (line?.timedOut ?? 0);
  expect(failed).toBe(425);
  expect(line?.refused).toBeGreaterThan(110);
  expect(line?.denied?.rule).toContain("has no endpoints");
});

test("a NetworkPolicy lets the new pods be called as it did the old ones, and nobody else call them", () => {
  const allow = (app: string): string => `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web }
spec:
  podSelector: { matchLabels: { app: web } }
  ingress: [{ from: [{ podSelector: { matchLabels: { app: ${app} } } }] }]
---
apiVersion: v1
kind: Pod
metadata: { name: other, labels: { app: other } }
spec: { nodeName: node-2, containers: [{ name: other, image: example/other:1 }] }
---
`;
  const [open, shut] = ["web", "other"].map((app) => {
    const file = scenario(SAFE);
    const text = readFileSync(file, "utf8");
    const own = text.replace("from: { pod: client }", "from: { deployment: web }");
    writeFileSync(
      file,
      own.replace("\n---\napiVersion: v1\nkind: Service", `${allow(app)}apiVersion: v1\nkind: Service`),
    );
    return play(file).report.traffic[0];
  });
  // Each of the pods calls the others, as long as it lives; one that comes later, too.
  expect(open?.delivered).toBe(open?.sent);
  expect(Object.keys(open?.backends ?? {})).toHaveLength(6);
  // A pod cannot be kept from itself.
  expect(shut?.timedOut).toBeGreaterThan(0.6 * (shut?.sent ?? 0));
  expect((shut?.delivered ?? 0) + (shut?.timedOut ?? 0)).toBe(shut?.sent);
});

test("a pod of a Deployment that is deleted has a successor of another name", () => {
  const run = play(scenario(SAFE, "", "{ at: 2s, delete: pod/web-0, grace: 1s }"));
  expect(backends(run)).toEqual(["default/web-0", "default/web-1", "default/web-2", "default/web-3"]);
});

test("a Deployment that is scaled up has more pods than its manifest says", () => {
  const run = play(scenario(SAFE, "", "{ at: 2s, scale: deployment/web, replicas: 5 }"));
  expect(run.report.traffic[0]).toMatchObject({ sent: 1900, delivered: 1900 });
  expect(backends(run)).toEqual([0, 1, 2, 3, 4].map((ordinal) => `default/web-${ordinal}`));
});

describe("a pod that is killed, and a node", () => {
  const timeline = `{ at: 2s, kill: pod/web-0 }
    - { at: 8s, kill: node/node-2 }`;
  const one = play(scenario(SAFE, "", timeline), "--workers", "1");

  test("the pod refuses until the rules leave it out, and again from the start of its container on; the node says nothing", () => {
    const [crash, end] = one.report.events;
    // Seen by the kubelet after a second, told to kube-proxy 100 ms later: a third of 110 requests.
    expect(crash?.what).toBe("crash of pod default/web-0");
    const [refused] = crash?.failed ?? [];
    expect(Object.keys(refused ?? {})).toEqual(["traffic", "refused"]);
    expect(refused?.refused).toBeGreaterThan(20);
    expect(refused?.refused).toBeLessThan(55);
    // Made in a second, listening after two, asked once a second: 5.9 s, and the next sync.
    expect(crash?.rulesAtNs).toBe(6.1e9);
    expect(end).toMatchObject({ what: "end of node node-2", atNs: 8e9 });
    expect(end?.failed.map((kinds) => Object.keys(kinds))).toEqual([["traffic", "unconnected"]]);
    expect(one.report.traffic[0]?.delivered).toBe(800 - (refused?.refused ?? 0));
  });

  test("gives the same bytes with two workers", () => {
    const two = play(scenario(SAFE, "", timeline), "--workers", "2");
    for (const file of ["run.pcapng", "rules/node-1.v4"])
      expect(readFileSync(join(two.folder, file)).equals(readFileSync(join(one.folder, file))), file).toBe(true);
    expect(two.report.events).toEqual(one.report.events);
  });
});

describe("is refused in one sentence:", () => {
  test.each([
    [
      "{ at: 1s, rollout: job/web }",
      /rollout: should be a Deployment, a StatefulSet or a DaemonSet such as deployment\/web/,
    ],
    ["{ at: 1s, rollout: statefulset/web }", /rollout: there is no statefulset web in namespace default/],
    ["{ at: 1s, kill: node/node-9 }", /kill: there is no node node-9; there are node-1, node-2/],
    ["{ at: 1s, drain: node-1 }", /drain: should be a node such as node\/node-2/],
    ["{ at: 1s, rollout: deployment/cart }", /rollout: there is no deployment cart in namespace default/],
  ])("%s", (entry, sentence) => {
    const { status, stderr } = podwire("run", scenario("", "", entry), "--out", temporaryFolder());
    expect(stderr).toMatch(sentence);
    expect(status).toBe(2);
  });
});
