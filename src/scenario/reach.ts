// Expectations about reach: `- {from: deployment/frontend, to: {service: cart, port: 7070}, is: allowed}`, each held against probes.
import type { Document, FieldPath } from "../documents/document.ts";
import { InputError } from "../errors.ts";
import { SERVICE_NAME } from "../kubernetes/endpoints.ts";
import type { Cluster } from "../kubernetes/objects.ts";
import { PolicySelection, policyName, rulesOf, type Direction } from "../node/network-policy/select.ts";
import type { FlowTarget } from "../seam/plan.ts";
import { clientsOf } from "./clients.ts";
import { parseFrom, parseTo } from "./ends.ts";
import { probeFlow, stoppedBy, type Probe, type ProbeResult, type Stop, type Verdict } from "./probes.ts";
import { scenarioSchema, type ReachSpec, type Scenario } from "./schema.ts";
import type { Traffic } from "./traffic-schema.ts";
import { targetsOf } from "./targets.ts";

/** One expectation, and the probes of every pod and target that it means. */
export interface Reach {
  expected: ReachSpec["is"];
  probes: Probe[];
}

/** A probe that was expected to end so. */
export interface ReachOutcome {
  from: string;
  to: string;
  expected: Verdict;
  actual: Verdict;
  holds: boolean;
  by: Stop | null;
  /** What was expected, what came, and by which rule and policy. */
  sentence: string;
}

const NAMESPACE = "default";
/** So often is a Service called, as kube-proxy's rules draw an endpoint at random. */
const DRAWS = 8;

/** What a scenario expects of who reaches whom. Throws an InputError for an end that is not there. */
export function parseReaches(
  scenario: Scenario,
  nodeCIDR: string,
  document: Document | undefined,
  cluster: Cluster,
): Reach[] {
  if (!document) return [];
  return scenario.spec.expect.flatMap((spec, i) => {
    if (!("is" in spec)) return [];
    return [{ expected: spec.is, probes: probesOf(spec, nodeCIDR, document, ["spec", "expect", i], cluster) }];
  });
}

function probesOf(spec: ReachSpec, nodeCIDR: string, document: Document, path: FieldPath, cluster: Cluster): Probe[] {
  const { protocol } = spec;
  const line = { from: fromOf(spec, document, [...path, "from"]), to: toOf(spec, document, [...path, "to"]) };
  const { from, to } = complete(line, document, path);
  if (protocol === "icmp" && to.port !== undefined)
    document.fail([...path, "to", "port"], "is not for icmp, which has no ports");
  const transport = ({ tcp: "TCP", udp: "UDP", icmp: "ICMP" } as const)[protocol];
  const context = { cluster, nodeCIDR, document, path: [...path, "to"], protocol: transport };
  // By its address, so that the answer is about the Service itself and not about the DNS.
  const called = to.service !== undefined && to.by === undefined ? { ...to, by: "clusterIP" as const } : to;
  return clientsOf(cluster, from, document, [...path, "from"]).flatMap((client) =>
    targetsOf(called, client, context).map((target): Probe => {
      const times = (to.service ?? to.loadBalancer ?? to.nodePort) ? DRAWS : 1;
      const name = targetName(to, target, transport);
      return { from: client.namespace, to: name, client, ...probeFlow(cluster, protocol, target), times };
    }),
  );
}

function fromOf({ from }: ReachSpec, document: Document, path: FieldPath): unknown {
  if (typeof from !== "string") return from;
  return inDocument(document, path, () => parseFrom({ from, namespace: NAMESPACE }));
}

function toOf({ to, protocol }: ReachSpec, document: Document, path: FieldPath): unknown {
  if (typeof to !== "string") return to;
  return inDocument(document, path, () => parseTo({ to, protocol, namespace: NAMESPACE }));
}

function inDocument<T>(document: Document, path: FieldPath, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof InputError) return document.fail(path, error.sentence);
    throw error;
  }
}

/** Ends with their defaults, by way of a line of traffic that has them. */
function complete(
  ends: { from: unknown; to: unknown },
  document: Document,
  path: FieldPath,
): Pick<Traffic, "from" | "to"> {
  const traffic = [{ ...ends, name: "probe", protocol: "tcp", rate: "1/s" }];
  const read = scenarioSchema.safeParse({
    apiVersion: "podwire.dev/v1alpha1",
    kind: "Scenario",
    metadata: { name: "probe" },
    spec: { traffic },
  });
  const [line] = read.data?.spec.traffic ?? [];
  return line ?? document.fail(path, read.error?.issues[0]?.message ?? "has ends that cannot be read");
}

function targetName(to: Traffic["to"], target: FlowTarget, protocol: string): string {
  const port = protocol === "ICMP" ? "" : `:${target.port}/${protocol}`;
  const path = (name: string): string => `${to.namespace}/${name}${port}`;
  if (to.service !== undefined) return `Service ${path(to.service)}`;
  if (to.loadBalancer !== undefined) return `load balancer ${path(to.loadBalancer)}`;
  if (to.nodePort !== undefined) return `node port ${path(to.nodePort)}`;
  if (to.pod !== undefined) return `pod ${path(to.pod)}`;
  if (to.node !== undefined) return `node ${to.node}${port}`;
  return `${to.host ?? ""}${port}`;
}

/** What came of expectations; `results` are those of all their probes in order. */
export function judgeReaches(
  cluster: Cluster,
  reaches: readonly Reach[],
  results: readonly ProbeResult[],
): ReachOutcome[] {
  let next = 0;
  const selection = new PolicySelection(cluster);
  return reaches.flatMap(({ expected, probes }) =>
    probes.flatMap((): ReachOutcome[] => {
      const result = results[next++];
      if (!result) return [];
      const { from, to, verdict: actual, by } = result;
      const holds = actual === expected;
      const how = actual === "allowed" ? letThrough(cluster, selection, result) : ` ${stoppedBy(result)}`;
      const sentence = `${from} > ${to}: expected ${expected}, ${holds ? "and was" : "was"} ${actual}${how}`;
      return [{ from, to, expected, actual, holds, by, sentence }];
    }),
  );
}

/** Which policies had a say in what was allowed: those with rules for the pod that called, or for one that may have answered. */
function letThrough(cluster: Cluster, selection: PolicySelection, { from, to }: ProbeResult): string {
  const named = (pods: ReadonlySet<string>, direction: Direction): string[] =>
    cluster.pods
      .filter(({ namespace, name }) => pods.has(`${namespace}/${name}`))
      .flatMap((pod) => selection.isolating(pod, direction))
      .filter((policy) => (rulesOf(policy, direction) ?? []).length > 0)
      .map((policy) => `${policyName(policy)} (${direction})`);
  const policies = [...named(new Set([from]), "egress"), ...named(calledPods(cluster, to), "ingress")];
  if (policies.length === 0) return ": no NetworkPolicy stood in its way";
  return `: let through by NetworkPolicy ${[...new Set(policies)].join(", ")}`;
}

/** The pod that a target's name says, or the pods behind its Service. */
function calledPods(cluster: Cluster, to: string): Set<string> {
  const [, kind = "", path = ""] = /^(pod|Service|load balancer|node port) ([^:]+)/.exec(to) ?? [];
  if (kind === "pod") return new Set([path]);
  const slices = cluster.endpointSlices.filter(
    ({ namespace, labels }) => `${namespace}/${labels[SERVICE_NAME]}` === path,
  );
  const targets = slices.flatMap(({ endpoints }) => endpoints.flatMap(({ targetRef }) => targetRef ?? []));
  return new Set(targets.map(({ namespace, name }) => `${namespace}/${name}`));
}
