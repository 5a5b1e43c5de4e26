// Requests that are under way when their server is told to end: what it calls for them is called still, and answered.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runInto, temporaryFolder } from "../tools/podwire.ts";

const server = (name: string, node: string): string => `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: ${name} }, ports: [{ port: 80 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { nodeName: ${node}, containers: [{ name: main, image: example/${name}:1, ports: [{ containerPort: 80 }] }] }
---
`;

/** One request at 1 s to web, which works for a second and calls cart twice, before and after that; at 1.5 s something happens to web. */
function play(timeline: string, workers: string) {
  const folder = temporaryFolder();
  writeFileSync(
    join(folder, "all.yaml"),
    `${server("web", "node-1")}${server("cart", "node-2")}apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: node-2, containers: [{ name: client, image: example/client:1 }] }
---
apiVersion: podwire.dev/v1alpha1
kind: Scenario
metadata: { name: calls }
spec:
  duration: 8s
  cluster: { nodes: 2, containers: { shutdown: 3s } }
  traffic:
    - { name: visit, from: { pod: client }, to: { service: web, by: clusterIP }, protocol: http, rate: 1/s, start: 1s, stop: 1500ms, timeout: 4s }
  calls:
    - { from: { deployment: web }, to: [{ service: cart }, { work: 1s }, { service: cart, path: /after }] }
  timeline: [${timeline}]
`,
  );
  return runInto(folder, join(folder, "all.yaml"), "--capture", "none", "--workers", workers).report;
}

test.each(["1", "2"])(
  "a rollout: the request that drains is answered after both its calls, with %s workers",
  (workers) => {
    const { traffic, events } = play(
      "{ at: 200ms, scale: deployment/cart, replicas: 1 }, { at: 1200ms, delete: pod/web-0, grace: 4s }",
      workers,
    );
    expect(traffic).toMatchObject([
      { sent: 1, delivered: 1, statuses: { 200: 1 } },
      { name: "web > cart", sent: 2, delivered: 2, statuses: { 200: 2 } },
    ]);
    expect(events.at(-1)?.failed).toEqual([]);
  },
);

test("SIGTERM in the middle, and the pods of a Deployment that are made anew near the end of the run", () => {
  const report = play("{ at: 200ms, rollout: deployment/web }, { at: 7900ms, rollout: deployment/web }", "1");
  // The old pod gets SIGTERM at 1.25 s, when its request has 0.75 s to go.
  expect(report.traffic).toMatchObject([
    { sent: 1, delivered: 1, statuses: { 200: 1 } },
    { name: "web > cart", sent: 2, delivered: 2 },
  ]);
});
