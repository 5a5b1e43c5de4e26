// How long a sync of kube-proxy takes where work takes time: by the rules that there are, and those that it writes.
import { expect, test } from "vitest";
import { ruleTexts } from "../../src/bench/rules.ts";
import { parseDocuments } from "../../src/documents/document.ts";
import { prepare } from "../../src/scenario/prepare.ts";
import { RestoreTimes } from "../../src/scenario/restore-time.ts";
import { defaultScenario, scenarioSchema } from "../../src/scenario/schema.ts";
import { LINUX_RESTORE_COSTS } from "../../src/seam/processor.ts";

const MS = 1e6;

test.each([
  [10, 4.9, 4.0],
  [1000, 87, 58],
])(
  "with %d Services a full sync takes within a tenth of the %d ms of Linux, a partial one of the %d ms",
  (services, full, partial) => {
    const { nodes, change } = ruleTexts(services);
    const times = new RestoreTimes(LINUX_RESTORE_COSTS);
    const took = [times.of(nodes[0], nodes[0]), times.of(change, nodes[0])].map((ns) => ns / MS);
    expect(Math.abs((took[0] ?? 0) / full - 1)).toBeLessThan(0.1);
    expect(Math.abs((took[1] ?? 0) / partial - 1)).toBeLessThan(0.1);
  },
);

const MANIFESTS = `\
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 3
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: example/web:1, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
`;

/** When the rules of two events are in place, in milliseconds. */
function inPlace(cluster: object): number[] {
  const scenario = scenarioSchema.parse({
    ...defaultScenario(),
    spec: {
      duration: "9s",
      cluster: { nodes: 2, ...cluster },
      timeline: [
        { at: "1s", delete: "pod/web-0" },
        { at: "3s", delete: "pod/web-1" },
      ],
    },
  });
  const sources = { scenario, document: undefined, manifests: parseDocuments(MANIFESTS, "all.yaml") };
  return prepare(sources, { capture: [], outDir: "" }).events.map(({ rulesAtNs = NaN }) => rulesAtNs / MS);
}

test("rules are in place when the restore is done, and the next sync waits for it", () => {
  const [first = 0, second = 0] = inPlace({});
  expect(inPlace({ cpu: { costs: { restore: "50ms", restoreRule: "0ns", restoreLine: "0ns" } } })).toEqual([
    first + 50,
    second + 50,
  ]);
  const slow = inPlace({ cpu: { costs: { restore: "2500ms", restoreRule: "0ns", restoreLine: "0ns" } } });
  // Syncs at 1.1 s, when the first pod is not ready any more, and as soon as each is done: the pod's successor, and the second pod.
  expect(slow).toEqual([1100 + 2 * 2500, 1100 + 3 * 2500]);
});

test("in nftables mode a sync takes no time", () => {
  expect(inPlace({ proxyMode: "nftables", cpu: {} })).toEqual(inPlace({ proxyMode: "nftables" }));
});
