// The timeline of a scenario: what becomes of pods and connection tables at moments of virtual time, and what controllers, kubelets and
// kube-proxies make of it on each node.
import type { Document } from "../documents/document.ts";
import { among } from "../errors.ts";
import type { Cluster, Node, Pod } from "../kubernetes/objects.ts";
import { podNamespace } from "../node/kubelet.ts";
import type { Change, ServedDatagrams } from "../seam/change.ts";
import type { Machine } from "../seam/machine.ts";
import type { Scenario, TimelineSpec } from "./schema.ts";

/** From a change of a pod to the EndpointSlice, and from there to kube-proxy: watches, queues and calls to the API server. */
const TO_PROXY_NS = 100_000_000;
/** From the start of a pod to its being ready: container start and first readiness probe. */
const START_NS = 1_000_000_000;
/** The chains that every restore of kube-proxy writes anew. */
const REWRITTEN = [
  ...["KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-FORWARD", "KUBE-NODEPORTS", "KUBE-PROXY-FIREWALL"].map(
    (chain) => `filter ${chain}`,
  ),
  ...["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"].map((chain) => `nat ${chain}`),
];

/** An entry of the timeline for the report. */
export interface PreparedEvent {
  atNs: number;
  what: string;
  /** When kube-proxy has the new rules in place on every node; absent if none change. */
  rulesAtNs?: number;
  /** The places in the plan's changes that remove connections because of it. */
  removals: number[];
}

export interface Timeline {
  changes: Change[];
  events: PreparedEvent[];
}

export interface TimelineContext {
  cluster: Cluster;
  machines: readonly Machine[];
  durationNs: number;
  minSyncPeriodNs: number;
  conntrackCleanup: boolean;
  /** The rules of every node, in order, for a state of the cluster. */
  rulesOf: (cluster: Cluster) => (string | undefined)[];
  servedBy: (cluster: Cluster, node: Node) => ServedDatagrams[];
}

type PodState = "ready" | "terminating" | "gone" | "starting";

interface Step {
  atNs: number;
  pod: Pod;
  state: PodState;
  event: number;
}

/** What a scenario's timeline comes to. Throws an InputError for what is not there or cannot be done yet. */
export function prepareTimeline(
  scenario: Scenario,
  document: Document | undefined,
  context: TimelineContext,
): Timeline {
  const events: PreparedEvent[] = [];
  const changes: Change[] = [];
  const steps: Step[] = [];
  const flushes = new Map<PreparedEvent, Change[]>();
  const entries = scenario.spec.timeline.map((entry, i) => ({ entry, i })).sort((a, b) => a.entry.at - b.entry.at);
  const running = new Set(context.cluster.pods);
  for (const { entry, i } of entries) {
    const path = ["spec", "timeline", i];
    if (entry.at >= context.durationNs) document?.fail([...path, "at"], "is not before the end of the run");
    const event = { atNs: entry.at, what: "", removals: [] };
    events.push(event);
    const own = flush(entry, document, path, context, event);
    if (own) flushes.set(event, own);
    else steps.push(...podSteps(entry, document, path, context, running, event, events.length - 1));
  }
  steps.sort((a, b) => a.atNs - b.atNs);
  changes.push(...[...flushes.values()].flat());
  for (const step of steps) changes.push(...linkChanges(step, context.machines));
  changes.push(...syncs(steps, events, context));
  // Those of one moment keep their order.
  const sorted = changes.filter(({ atNs }) => atNs < context.durationNs).sort((a, b) => a.atNs - b.atNs);
  for (const event of events) {
    const own = flushes.get(event);
    event.removals = sorted.flatMap((change, place) =>
      (own ? own.includes(change) : change.action.kind === "stale" && change.atNs === event.rulesAtNs) ? [place] : [],
    );
  }
  return { changes: sorted, events };
}

function flush(
  entry: TimelineSpec,
  document: Document | undefined,
  path: (string | number)[],
  { cluster }: TimelineContext,
  event: PreparedEvent,
): Change[] | undefined {
  if (entry.flush === undefined) return undefined;
  const { node } = entry;
  const nodes = cluster.nodes.filter(({ name }) => node === undefined || name === node);
  if (nodes.length === 0)
    document?.fail([...path, "node"], `there is no node ${node}${among(cluster.nodes.map(({ name }) => name))}`);
  event.what = `flush of ${node === undefined ? "every node's connection table" : `the connection table of ${node}`}`;
  return nodes.map(({ name }) => ({ atNs: entry.at, namespace: name, action: { kind: "flush" } }));
}

/** What a deletion or a new number of replicas does to pods; `running` follows. */
function podSteps(
  entry: TimelineSpec,
  document: Document | undefined,
  path: (string | number)[],
  { cluster }: TimelineContext,
  running: Set<Pod>,
  event: PreparedEvent,
  index: number,
): Step[] {
  const { at, grace, namespace } = entry;
  const ends = (pods: readonly Pod[]): Step[] =>
    pods.flatMap((pod) => {
      running.delete(pod);
      const gone: Step = { atNs: at + grace, pod, state: "gone", event: index };
      return grace > 0 ? [{ atNs: at, pod, state: "terminating", event: index }, gone] : [gone];
    });
  if (entry.delete !== undefined) {
    const name = entry.delete.replace(/^pod\//, "");
    const pod = [...running].find((one) => one.namespace === namespace && one.name === name);
    const there = [...running].filter((one) => one.namespace === namespace).map((one) => one.name);
    if (!pod)
      return (
        document?.fail([...path, "delete"], `there is no pod ${name} in namespace ${namespace}${among(there)}`) ?? []
      );
    if (pod.owner.kind !== "Pod")
      document?.fail(
        [...path, "delete"],
        `${pod.owner.kind} ${pod.owner.name} would make another pod at once, which is not emulated yet; use scale`,
      );
    refuseHostNetwork([pod], document, [...path, "delete"]);
    event.what = `deletion of pod ${namespace}/${name}`;
    return ends([pod]);
  }
  const [kind = "", name = ""] = (entry.scale ?? "").split("/");
  const own = cluster.pods.filter(
    ({ namespace: where, owner }) =>
      where === namespace && owner.kind.toLowerCase() === kind.toLowerCase() && owner.name === name,
  );
  const replicas = entry.replicas ?? 0;
  if (own.length === 0)
    document?.fail([...path, "scale"], `there is no ${kind} ${name} with pods in namespace ${namespace}`);
  if (replicas > own.length)
    document?.fail(
      [...path, "replicas"],
      `should be at most ${own.length}, the number in the manifest: more than that is not emulated yet`,
    );
  refuseHostNetwork(own, document, [...path, "scale"]);
  event.what = `${kind} ${namespace}/${name} scaled to ${replicas}`;
  const before = own.filter((pod) => running.has(pod)).length;
  const starts = own.slice(before, replicas);
  for (const pod of starts) running.add(pod);
  return [
    ...ends(own.slice(replicas).filter((pod) => running.has(pod))),
    ...starts.flatMap((pod): Step[] => [
      { atNs: at, pod, state: "starting", event: index },
      { atNs: at === 0 ? 0 : at + START_NS, pod, state: "ready", event: index },
    ]),
  ];
}

function refuseHostNetwork(pods: readonly Pod[], document: Document | undefined, path: (string | number)[]): void {
  const pod = pods.find(({ hostNetwork }) => hostNetwork);
  if (pod) document?.fail(path, `pod ${pod.name} is on its node's network; ending such a pod is not emulated yet`);
}

/** A pod's veth pair goes with the pod, and comes with it. */
function linkChanges({ atNs, pod, state }: Step, machines: readonly Machine[]): Change[] {
  if (state === "terminating" || state === "ready") return [];
  const up = state === "starting";
  const veths = machines.flatMap((machine) => machine.veths).filter(({ b }) => b.namespace === podNamespace(pod));
  return veths.flatMap(({ a, b }) =>
    [a, b].map(({ namespace, name }): Change => ({ atNs, namespace, action: { kind: "link", device: name, up } })),
  );
}

/** kube-proxy's syncs: as soon as it hears of something, but not more often than its minSyncPeriod. */
function syncs(steps: readonly Step[], events: PreparedEvent[], context: TimelineContext): Change[] {
  const { cluster, minSyncPeriodNs } = context;
  const heard = (step: Step): number => (step.atNs === 0 ? 0 : step.atNs + TO_PROXY_NS);
  const changes: Change[] = [];
  const rules = context.rulesOf(cluster);
  const states = new Map<string, PodState>();
  let last = -Infinity;
  let done = 0;
  while (done < steps.length) {
    const first = steps[done];
    if (!first) break;
    const at = Math.max(heard(first), last + minSyncPeriodNs);
    const batch = steps.slice(done).filter((step) => heard(step) <= at);
    for (const { pod, state, event } of batch) {
      states.set(podNamespace(pod), state);
      const entry = events[event];
      if (entry) entry.rulesAtNs = at;
    }
    done += batch.length;
    last = at;
    const now = clusterAt(cluster, states);
    context.rulesOf(now).forEach((text, i) => {
      const node = cluster.nodes[i];
      if (!node || text === undefined) return;
      if (text !== rules[i])
        changes.push({ atNs: at, namespace: node.name, action: { kind: "rules", rules: text, rewritten: REWRITTEN } });
      rules[i] = text;
      const served = context.conntrackCleanup ? context.servedBy(now, node) : [];
      if (served.length > 0) changes.push({ atNs: at, namespace: node.name, action: { kind: "stale", served } });
    });
  }
  return changes;
}

/** The cluster with pods and endpoints in their states. A terminating pod still serves, one that starts does not yet. */
function clusterAt(cluster: Cluster, states: ReadonlyMap<string, PodState>): Cluster {
  const stateOf = (namespace: string, name: string): PodState => states.get(`${namespace}/${name}`) ?? "ready";
  return {
    ...cluster,
    pods: cluster.pods.filter(({ namespace, name }) => stateOf(namespace, name) !== "gone"),
    endpointSlices: cluster.endpointSlices.map((slice) => ({
      ...slice,
      endpoints: slice.endpoints.flatMap((endpoint) => {
        const { targetRef } = endpoint;
        const state = targetRef ? stateOf(targetRef.namespace, targetRef.name) : "ready";
        if (state === "gone") return [];
        if (state === "terminating") return [{ ...endpoint, ready: false, serving: true, terminating: true }];
        return state === "starting" ? [{ ...endpoint, ready: false, serving: false }] : [endpoint];
      }),
    })),
  };
}
