// Who reaches whom in manifests, by frames: the matrix of `podwire run --matrix` without its command line.
import { runProbes } from "../../src/commands/probing.ts";
import { parseDocuments } from "../../src/documents/document.ts";
import type { Cluster } from "../../src/kubernetes/objects.ts";
import { prepare, type PreparedScenario } from "../../src/scenario/prepare.ts";
import type { Probe, ProbeResult } from "../../src/scenario/probes.ts";
import { defaultScenario } from "../../src/scenario/schema.ts";

export function prepared(text: string): PreparedScenario {
  const manifests = parseDocuments(text, "a.yaml");
  return prepare({ scenario: defaultScenario(), document: undefined, manifests }, { nodes: 2, outDir: "" });
}

/** The results of the matrix, by `from > to`; `chosen` leaves probes out. */
export function reach(text: string, chosen: (probe: Probe) => boolean = () => true): Map<string, ProbeResult> {
  const scenario = prepared(text);
  const probes = scenario.matrix().probes.filter(chosen);
  return new Map(runProbes(scenario, probes).map((result) => [`${result.from} > ${result.to}`, result]));
}

/** The verdicts of those results. */
export function verdicts(results: ReadonlyMap<string, ProbeResult>): Record<string, string> {
  return Object.fromEntries([...results].map(([key, { verdict }]) => [key, verdict]));
}

/** A pod on a node, in flow style; ports are container ports. */
export function pod(path: string, node: string, labels: object, ports: object[] = [], more: object = {}): string {
  const [namespace, name] = path.split("/");
  const spec = { nodeName: node, containers: [{ name: "main", image: "example/main:1", ports }], ...more };
  return JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name, namespace, labels }, spec });
}

export function policy(path: string, spec: object): string {
  const [namespace, name] = path.split("/");
  return JSON.stringify({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace },
    spec,
  });
}

export function namespace(name: string, labels: object): string {
  return JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
}

export function documents(...parts: string[]): string {
  return parts.join("\n---\n");
}

export function podOf({ pods }: Cluster, path: string): Cluster["pods"][number] {
  const found = pods.find((one) => `${one.namespace}/${one.name}` === path);
  if (!found) throw new Error(`there is no pod ${path}`);
  return found;
}
