// Service graphs as a scenario writes them: routes of each pod, lines of the calls, and the sentence about what cannot be.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSources } from "../../src/scenario/files.ts";
import { prepare } from "../../src/scenario/prepare.ts";
import { temporaryFolder } from "../tools/podwire.ts";

const MANIFEST = ["web", "cart"]
  .map(
    (name) => `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { type: NodePort, selector: { app: ${name} }, ports: [{ port: 80 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: 2
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ name: web, image: web, ports: [{ containerPort: 80 }] }] }
`,
  )
  .join("---\n");

function planOf(calls: string) {
  const file = join(temporaryFolder(), "scenario.yaml");
  const head = "apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: { name: x }\n";
  const line = "{ name: home, from: internet, to: { nodePort: web, node: node-1 }, protocol: http, rate: 1/s }";
  writeFileSync(file, `${head}spec:\n  traffic: [${line}]\n  calls:\n    - ${calls}\n---\n${MANIFEST}`);
  return prepare(readSources([file]), { outDir: "" }).plan;
}

describe("calls", () => {
  test("become a route of each pod, and flows of one line for each pair of workloads", () => {
    const { lines, flows, routes } = planOf(
      "{ from: { deployment: web }, path: /cart, to: [{ service: cart }, [{ service: cart, path: /x, times: 2, probability: 25% }, { work: 5ms }]] }",
    );
    expect(lines).toEqual(["home", "web > cart"]);
    const work = { kind: "constant", a: 5e6, b: 0, least: 0, most: 5e6 };
    const stages = [
      [{ call: 1, times: 1, chance: 1 }],
      [
        { call: 2, times: 2, chance: 0.25 },
        { work, chance: 1 },
      ],
    ];
    expect(routes).toEqual([
      { namespace: "default/web-0", path: "/cart", stages },
      { namespace: "default/web-1", path: "/cart", stages },
    ]);
    const called = flows
      .slice(1)
      .map(({ line, namespace, arrival, keepAlive, path }) => [line, namespace, arrival, keepAlive, path]);
    expect(called).toEqual([
      [1, "default/web-0", { kind: "called", call: 1 }, true, undefined],
      [1, "default/web-1", { kind: "called", call: 1 }, true, undefined],
      [1, "default/web-0", { kind: "called", call: 2 }, true, "/x"],
      [1, "default/web-1", { kind: "called", call: 2 }, true, "/x"],
    ]);
  });
});

test.each([
  [
    "{ from: { deployment: shop }, to: [{ service: cart }] }",
    "calls[0].from.deployment",
    "there is no Deployment shop",
  ],
  ["{ from: { deployment: web }, to: [{ service: card }] }", "calls[0].to[0].service", "there is no Service card"],
  ["{ from: { deployment: web }, to: [{ nodePort: cart }] }", "calls[0].to[0]", "should be one target"],
  ["{ from: { deployment: web }, to: [] }", "calls[0].to", "should have at least 1 entry"],
  ["{ from: { deployment: web }, to: [{ service: cart, rate: 1/s }] }", "calls[0].to[0]", "rate"],
  [
    "{ from: { deployment: web }, to: [[{ service: cart }, { work: soon }]] }",
    "calls[0].to[0][1].work",
    "soon is not a moment",
  ],
  [
    "{ from: { deployment: web }, to: [{ service: cart, probability: 0% }] }",
    "calls[0].to[0].probability",
    "should be a percentage above 0%",
  ],
  [
    "{ from: { deployment: web }, to: [{ service: cart, protocol: icmp }] }",
    "calls[0].to[0].protocol",
    "should be one of tcp, http, udp",
  ],
])("%s: %s %s", (calls, field, sentence) => {
  expect(() => planOf(calls)).toThrow(field);
  expect(() => planOf(calls)).toThrow(sentence);
});
