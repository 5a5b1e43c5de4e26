// Objects that a timeline deletes: what becomes of their pods, endpoints and connections, of their names, and what is refused.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { podwire, runInto, temporaryFolder, type ExampleRun } from "../tools/podwire.ts";

const workload = (kind: string, name: string): string => `apiVersion: apps/v1
kind: ${kind}
metadata: { name: ${name} }
spec:
  ${kind === "DaemonSet" ? "" : "replicas: 2"}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ name: main, image: example/${name}:1, ports: [{ containerPort: 80 }] }] }
---
`;

const service = (name: string): string => `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: ${name} }, ports: [{ port: 80 }] }
---
`;

const CLIENT = `apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { containers: [{ name: main, image: example/client:1 }] }
---
`;

const CONFIG = `apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
---
`;

const INGRESS = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: front }
spec: { rules: [{ host: shop.example, http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }] } }] }
---
`;

interface Files {
  objects: string;
  timeline: string;
  traffic?: string;
  applied?: string;
}

const TO_WEB = "from: { pod: client }, to: { service: web, by: clusterIP }";

function scenario({ objects, timeline, traffic = TO_WEB, applied = "" }: Files): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "next.yaml"), applied);
  writeFileSync(
    join(folder, "all.yaml"),
    `${CLIENT}${objects}apiVersion: podwire.dev/v1alpha1
kind: Scenario
metadata: { name: delete }
spec:
  duration: 10s
  cluster: { nodes: 2 }
  traffic:
    - { name: client, ${traffic}, protocol: http, rate: 50/s, stop: 9s, timeout: 500ms }
  capture: [{ devices: ["node-*/eth0"], file: run.pcapng }]
  timeline: [${timeline}]
`,
  );
  return join(folder, "all.yaml");
}

function play(files: Files, ...args: string[]): ExampleRun {
  return runInto(temporaryFolder(), scenario(files), ...args);
}

describe("a Deployment that is deleted", () => {
  const files = {
    objects: workload("Deployment", "web") + service("web"),
    timeline: "{ at: 2s, delete: deployment/web }",
    traffic: `${TO_WEB}, keepAlive: true`,
  };
  const one = play(files, "--workers", "1");

  test("has its pods ended by the kubelet, and no others made: what they had open is told, and the rules reject requests", () => {
    const [event] = one.report.events;
    expect(event?.what).toBe("deletion of Deployment default/web");
    // 100 ms for the collector, 1 s until they exit, 100 ms until they are gone, 100 ms until kube-proxy has heard of that.
    expect(event?.rulesAtNs).toBe(3.3e9);
    expect(event?.connections).toMatchObject({ hung: 0 });
    expect((event?.connections?.drained ?? 0) + (event?.connections?.cut ?? 0)).toBeGreaterThan(0);
    // The REJECT rule answers by ICMP, which the node sends to one host once a second, after a burst.
    const [failed] = event?.failed ?? [];
    expect(failed?.refused).toBeGreaterThan(0);
    expect((failed?.refused ?? 0) + (failed?.unconnected ?? 0)).toBeGreaterThan(250);
    expect(readFileSync(join(one.folder, "rules/node-1.v4"), "utf8")).toContain(
      'default/web has no endpoints" -m tcp --dport 80 -j REJECT',
    );
  });

  test("gives the same bytes with two workers", () => {
    const two = play(files, "--workers", "2");
    for (const file of ["run.pcapng", "rules/node-1.v4"])
      expect(readFileSync(join(two.folder, file)).equals(readFileSync(join(one.folder, file))), file).toBe(true);
  });
});

test("a Deployment that is deleted and applied again has new pods, which its Service finds", () => {
  const web = workload("Deployment", "web");
  const { report } = play({
    objects: web + service("web"),
    applied: web,
    timeline: "{ at: 2s, delete: deploy/web, grace: 0s }, { at: 4s, apply: next.yaml }",
  });
  expect(report.events[1]?.what).toBe("apply of next.yaml: Deployment default/web created");
  const [line] = report.traffic;
  expect(Object.keys(line?.backends ?? {}).sort()).toEqual([0, 1, 2, 3].map((i) => `default/web-${i}`));
});

test("several objects are deleted in the order in which they are named, each by any name that kubectl has for its kind", () => {
  const { report } = play({
    objects:
      workload("StatefulSet", "db") + workload("DaemonSet", "log") + service("db") + CONFIG + INGRESS + service("web"),
    traffic: "from: internet, to: { host: shop.example, port: 80 }",
    timeline: "{ at: 2s, delete: sts/db ds/log Services/db cm/settings ing/front }",
  });
  expect(report.events[0]?.what).toBe(
    "deletion of StatefulSet default/db, DaemonSet default/log, Service default/db, ConfigMap default/settings, Ingress default/front",
  );
});

test("an Ingress that is deleted is served 404 from the controller's next look on", () => {
  const { report } = play({
    objects: workload("Deployment", "web") + service("web") + INGRESS,
    traffic: "from: internet, to: { host: shop.example, port: 80 }",
    timeline: "{ at: 2s, delete: ingress/front }",
  });
  const [line] = report.traffic;
  expect(line?.statuses?.["404"]).toBeGreaterThan(100);
});

describe("is refused in one sentence:", () => {
  test.each([
    ["deployment/shop", /delete: there is no Deployment shop in namespace default; there is web/],
    ["secret/cart", /delete: there is no secret cart in namespace default/],
    ["node/node-1", /delete: a Node cannot be deleted while the cluster runs; drain node\/node-1, or kill it/],
    ["ns/shop", /delete: a Namespace cannot be deleted while the cluster runs; delete what is in it/],
    ["web", /delete: should be kinds and names such as pod\/web-0, svc\/web or deployment\/web/],
  ])("%s", (deleted, sentence) => {
    const file = scenario({ objects: workload("Deployment", "web") + service("web"), timeline: `{ at: 1s, delete: ${deleted} }` }); // prettier-ignore
    const { status, stderr } = podwire("run", file, "--out", temporaryFolder());
    expect(stderr).toMatch(sentence);
    expect(status).toBe(2);
  });
});
