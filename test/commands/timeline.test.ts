// The timeline of a scenario: pods that end and come back, connection tables that are flushed, and what is the same with any number of workers.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { podwire, runInto, temporaryFolder, type ExampleRun } from "../tools/podwire.ts";

const MANIFESTS = `\
apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: node-1, containers: [{ name: client, image: example/client:1 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 3
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      nodeName: node-2
      containers: [{ name: web, image: example/web:1, ports: [{ name: http, containerPort: 8080 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: http }] }
`;

function scenario(timeline: string): string {
  const folder = temporaryFolder();
  writeFileSync(
    join(folder, "all.yaml"),
    `${MANIFESTS}---
apiVersion: podwire.dev/v1alpha1
kind: Scenario
metadata: { name: timeline }
spec:
  duration: 6s
  cluster: { nodes: 2 }
  traffic:
    - name: client
      from: { pod: client }
      to: { service: web, port: http, by: clusterIP }
      protocol: http
      rate: 50/s
      stop: 5s
      timeout: 500ms
  capture: [{ devices: [node-1/eth0], file: run.pcapng }]
  timeline:
${timeline}`,
  );
  return join(folder, "all.yaml");
}

function play(timeline: string, ...args: string[]): ExampleRun {
  return runInto(temporaryFolder(), scenario(timeline), ...args);
}

const SCALED = `\
    - { at: 2s, scale: deployment/web, replicas: 1 }
    - { at: 3s, scale: deployment/web, replicas: 3 }
`;

describe("a Deployment that is scaled down and up", () => {
  const one = play(SCALED, "--workers", "1");

  test("has its new rules 100 ms later, and those of pods that start a second after that", () => {
    expect(one.report.events).toMatchObject([
      { atNs: 2e9, what: "deployment default/web scaled to 1", rulesAtNs: 2.1e9, connectionsRemoved: 0 },
      { atNs: 3e9, what: "deployment default/web scaled to 3", rulesAtNs: 4.1e9, connectionsRemoved: 0 },
    ]);
    expect(one.stdout).toContain("at 2 s deployment default/web scaled to 1; new rules at 2.1 s\n");
  });

  test("loses the requests to pods that are gone only until then", () => {
    const [line] = one.report.traffic;
    expect(line?.sent).toBe(250);
    expect(line?.timedOut).toBeGreaterThan(0);
    // Of the five requests in 100 ms, and no other.
    expect(line?.timedOut).toBeLessThanOrEqual(5);
    expect(Object.keys(line?.backends ?? {})).toEqual(["default/web-0", "default/web-1", "default/web-2"]);
  });

  test("leaves the counters of rules that kube-proxy does not touch", () => {
    const rules = readFileSync(join(one.folder, "rules/node-1.v4"), "utf8");
    const jump = /^\[(\d+):\d+\] -A PREROUTING .*KUBE-SERVICES$/m.exec(rules);
    const service = /^\[(\d+):\d+\] -A KUBE-SERVICES -d 10\.96\.0\.11\/32 /m.exec(rules);
    expect(Number(jump?.[1])).toBe(250);
    // Written anew by the last restore, at 4.1 s.
    expect(Number(service?.[1])).toBe(45);
  });

  test("gives the same bytes with two workers", () => {
    const two = play(SCALED, "--workers", "2");
    for (const file of ["run.pcapng", "rules/node-1.v4"])
      expect(readFileSync(join(two.folder, file)).equals(readFileSync(join(one.folder, file))), file).toBe(true);
  });
});

test("pods with grace serve on until they are gone, and get no new connections after the sync", () => {
  const { report } = play("    - { at: 2s, scale: deployment/web, replicas: 1, grace: 1s }\n");
  expect(report.traffic[0]).toMatchObject({ sent: 250, delivered: 250 });
  // kube-proxy hears of the end of the pods later than of the beginning of that.
  expect(report.events[0]?.rulesAtNs).toBe(3.1e9);
});

test("a Service that is deleted has no rules from the next sync on, and nobody answers at its address", () => {
  const { report, folder } = play("    - { at: 2s, delete: svc/web }\n");
  expect(report.events).toMatchObject([
    {
      what: "deletion of Service default/web",
      rulesAtNs: 2.1e9,
      failed: [{ traffic: "client", refused: 2, unconnected: 143 }],
    },
  ]);
  const [line] = report.traffic;
  // Fifty a second for 2.1 s. Then the address is the gateway's, which has no route there and says so by ICMP, but not often.
  expect(line).toMatchObject({ sent: 250, delivered: 105, refused: 2, timedOut: 143 });
  expect(readFileSync(join(folder, "rules/node-1.v4"), "utf8")).not.toContain("default/web");
});

test("a NetworkPolicy that is deleted isolates nobody from the next sync on", () => {
  const file = scenario("    - { at: 2s, delete: netpol/shut }\n");
  const policy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: shut }
spec: { podSelector: { matchLabels: { app: web } }, policyTypes: [Ingress] }
---
`;
  writeFileSync(file, policy + readFileSync(file, "utf8"));
  const { report } = runInto(temporaryFolder(), file);
  expect(report.events).toMatchObject([{ what: "deletion of NetworkPolicy default/shut", rulesAtNs: 2.1e9 }]);
  const [line] = report.traffic;
  // A SYN of the last half second before is sent again after a second, when its request's time is over.
  expect(line?.delivered).toBe(145);
  expect(line?.denied?.rule).toContain("default/shut");
});

test("a flush empties the connection tables", () => {
  const { report } = play("    - { at: 4500ms, flush: conntrack, node: node-1 }\n");
  expect(report.events[0]?.what).toBe("flush of the connection table of node-1");
  expect(report.events[0]?.connectionsRemoved).toBeGreaterThan(200);
});

describe("is refused in one sentence:", () => {
  const complaint = (timeline: string): string => podwire("run", scenario(timeline), "--out", temporaryFolder()).stderr;

  test.each([
    ["{ at: 1s, delete: pod/nobody }", /delete: there is no pod nobody in namespace default; there are client, web-0/],
    ["{ at: 1s, delete: svc/cart }", /delete: there is no Service cart in namespace default; there (is|are) .*web/],
    ["{ at: 1s, delete: secret/cart }", /delete: there is no secret cart in namespace default/],
    ["{ at: 9s, delete: pod/client }", /at: is not before the end of the run/],
    ["{ at: 1s, flush: conntrack, node: node-9 }", /there is no node node-9; there are node-1, node-2/],
    [
      "{ at: 1s }",
      /should have one of apply, delete, scale, rollout, kill, cordon, uncordon, drain, taint, flush, link, partition, heal/,
    ],
    ["{ at: 1s, scale: deployment/web }", /should have scale and replicas together/],
  ])("%s", (entry, sentence) => {
    expect(complaint(`    - ${entry}\n`)).toMatch(sentence);
  });
});
