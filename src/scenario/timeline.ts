// The timeline of a scenario: what becomes of pods, nodes and connection tables at moments of virtual time, and what kubelets and
// kube-proxies make of it.
import type { Document } from "../documents/document.ts";
import { among } from "../errors.ts";
import type { Node, Pod } from "../kubernetes/objects.ts";
import { proxyHealthListener } from "../node/kube-proxy/health.ts";
import { podNamespace } from "../node/kubelet.ts";
import type { Change } from "../seam/change.ts";
import type { Machine } from "../seam/machine.ts";
import { findEnd, noSuchEnd } from "./links.ts";
import type { Scenario, TimelineSpec } from "./schema.ts";
import { syncs, TO_PROXY_NS, type Step, type SyncContext } from "./syncs.ts";

/** From the start of a pod to its being ready: container start and first readiness probe. */
const START_NS = 1_000_000_000;

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

export interface TimelineContext extends SyncContext {
  machines: readonly Machine[];
  durationNs: number;
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
    const tainted = taint(entry, document, path, context, event) ?? linkEvent(entry, document, path, context, event);
    if (own) flushes.set(event, own);
    else if (tainted) changes.push(...tainted);
    else steps.push(...podSteps(entry, document, path, context, running, event, events.length - 1));
  }
  steps.sort((a, b) => a.atNs - b.atNs);
  changes.push(...[...flushes.values()].flat());
  for (const step of steps) changes.push(...linkChanges(step, context.machines));
  const synced = syncs(steps, context);
  synced.rulesAtNs.forEach((atNs, i) => {
    const event = events[i];
    if (event) event.rulesAtNs = atNs;
  });
  changes.push(...synced.changes);
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
  context: TimelineContext,
  event: PreparedEvent,
): Change[] | undefined {
  if (entry.flush === undefined) return undefined;
  const { node } = entry;
  const nodes = node === undefined ? context.cluster.nodes : namedNode(node, document, path, context);
  event.what = `flush of ${node === undefined ? "every node's connection table" : `the connection table of ${node}`}`;
  return nodes.map(({ name }) => ({ atNs: entry.at, namespace: name, action: { kind: "flush" } }));
}

/** The taint of a node that is to go: its kube-proxy says so as soon as it hears of it, whenever it syncs next (KEP-3836). */
function taint(
  { at, taint: key, node }: TimelineSpec,
  document: Document | undefined,
  path: (string | number)[],
  context: TimelineContext,
  event: PreparedEvent,
): Change[] | undefined {
  if (key === undefined || node === undefined) return undefined;
  event.what = `taint ${key} on ${node}`;
  return namedNode(node, document, path, context).map(({ name }): Change => {
    const { address, port, response = "" } = proxyHealthListener({ name, toBeDeleted: true });
    return { atNs: at + TO_PROXY_NS, namespace: name, action: { kind: "answer", address, port, response } };
  });
}

/** What happens to links: a carrier that is lost or comes back, a partition and its end. */
function linkEvent(
  { at: atNs, link, state, partition, heal }: TimelineSpec,
  document: Document | undefined,
  path: (string | number)[],
  { machines }: TimelineContext,
  event: PreparedEvent,
): Change[] | undefined {
  if (link !== undefined) {
    const end = findEnd(machines, link);
    if (!end) return document?.fail([...path, "link"], noSuchEnd(link));
    event.what = `link ${link} ${state === "up" ? "up" : "down"}`;
    return [{ atNs, namespace: end.namespace, action: { kind: "carrier", device: end.name, on: state === "up" } }];
  }
  if (heal !== undefined) {
    event.what = "end of the partition";
    return [{ atNs, namespace: "", action: { kind: "heal" } }];
  }
  if (partition === undefined) return undefined;
  const names = machines.map(({ name }) => name);
  const seen = new Set<string>();
  partition.forEach((set, i) =>
    set.forEach((name, j) => {
      const at = [...path, "partition", i, j];
      if (!names.includes(name)) document?.fail(at, `there is no machine ${name}${among(names)}`);
      if (seen.has(name)) document?.fail(at, `${name} is in a set already`);
      seen.add(name);
    }),
  );
  event.what = `partition between ${partition.map((set) => set.join(", ")).join(" and ")}`;
  return [{ atNs, namespace: "", action: { kind: "partition", sets: partition } }];
}

/** A node by its name, as a list. */
function namedNode(
  name: string,
  document: Document | undefined,
  path: (string | number)[],
  { cluster }: TimelineContext,
): Node[] {
  const found = cluster.nodes.filter((node) => node.name === name);
  if (found.length === 0)
    document?.fail([...path, "node"], `there is no node ${name}${among(cluster.nodes.map((node) => node.name))}`);
  return found;
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
