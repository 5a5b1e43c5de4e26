// The timeline of a scenario: what becomes of pods, nodes and connection tables at moments of virtual time, and what kubelets and
// kube-proxies make of it.
import type { Document } from "../documents/document.ts";
import { among } from "../errors.ts";
import type { Edition } from "../kubernetes/cluster.ts";
import type { Deed } from "../kubernetes/live/history.ts";
import type { Node, Pod } from "../kubernetes/objects.ts";
import { proxyHealthListener } from "../node/kube-proxy/health.ts";
import { podNamespace } from "../node/kubelet.ts";
import type { Change } from "../seam/change.ts";
import type { Machine } from "../seam/machine.ts";
import { findEnd, noSuchEnd } from "./links.ts";
import { deletedOf, entriesOf, type PodEvents } from "./pod-events.ts";
import type { Scenario, TimelineSpec } from "./schema.ts";
import { HEARD_NS } from "./cluster-state.ts";
import { followers } from "./followers.ts";
import { syncs, type SyncContext } from "./syncs.ts";

/** What changes count: connections that are removed from a table, that are open when a server stops, cut off when it exits, or that hang. */
export const COUNTS = ["removed", "open", "cut", "hung"] as const;
export type Count = (typeof COUNTS)[number];

/** An entry of the timeline for the report. */
export interface PreparedEvent {
  atNs: number;
  /** When the last thing that comes of it has come. */
  untilNs: number;
  what: string;
  /** When kube-proxy has the new rules in place on every node; absent if none change. */
  rulesAtNs?: number;
  /** The places in the plan's changes that count connections because of it. */
  counts: Record<Count, number[]>;
  /** Namespaces of pods that began and ended because of it, those of which only one event can say that. */
  pods: { starting: string[]; ending: string[] };
}

export interface Timeline {
  changes: Change[];
  events: PreparedEvent[];
}

export interface TimelineContext extends SyncContext {
  machines: readonly Machine[];
  /** What the cluster is when objects have changed. */
  editions: readonly Edition[];
  durationNs: number;
}

/** A change, what it counts, and the place of the entry that it counts for. */
interface Counted {
  change: Change;
  count?: Count;
  event?: number;
}

/** What a scenario's timeline comes to. Throws an InputError for what is not there or cannot be done yet. */
export function prepareTimeline(
  scenario: Scenario,
  document: Document | undefined,
  pods: PodEvents,
  context: TimelineContext,
): Timeline {
  const { machines, durationNs } = context;
  const counted: Counted[] = [];
  const events = entriesOf(scenario).map(({ entry, path, index }): PreparedEvent => {
    if (entry.at >= durationNs) document?.fail([...path, "at"], "is not before the end of the run");
    const what = pods.what.get(index) ?? "";
    const event: PreparedEvent = {
      atNs: entry.at,
      untilNs: untilOf(entry, scenario, durationNs),
      what,
      counts: noCounts(),
      pods: podsOf(pods, index),
    };
    const flushed = flush(entry, document, path, context, event) ?? [];
    const others = taint(entry, document, path, context, event) ?? linkEvent(entry, document, path, context, event);
    counted.push(...flushed.map((change): Counted => ({ change, count: "removed", event: index })));
    counted.push(...(others ?? []).map((change) => ({ change })));
    return event;
  });
  // Those that come later are not there before.
  for (const { pod } of pods.later) counted.push(...linkChanges(pod, 0, false, machines).map((change) => ({ change })));
  for (const deed of pods.deeds) {
    counted.push(...deedChanges(deed, machines));
    const event = events[deed.event];
    if (event) event.untilNs = Math.max(event.untilNs, deed.atNs);
  }
  // Its network card is all that the others hear of it; its pods have vanished.
  for (const { atNs, node } of pods.off)
    for (const { namespace, name: device } of machines.find(({ name }) => name === node)?.wires ?? [])
      counted.push({ change: { atNs, namespace, action: { kind: "link", device, up: false } } });
  const news = [...pods.steps, ...context.editions].sort((a, b) => a.atNs - b.atNs);
  const synced = syncs(news, context);
  for (const { change, event: index } of followers(news, context)) {
    counted.push({ change });
    const event = events[index];
    if (event) event.untilNs = Math.max(event.untilNs, change.atNs);
  }
  for (const { change, event } of synced.changes)
    counted.push({ change, ...(change.action.kind === "stale" ? { count: "removed", event } : {}) });
  synced.rulesAtNs.forEach((atNs, i) => {
    const event = events[i];
    if (event) Object.assign(event, { rulesAtNs: atNs, untilNs: Math.max(event.untilNs, atNs) });
  });
  // Those of one moment keep their order.
  const sorted = counted.filter(({ change }) => change.atNs < durationNs).sort((a, b) => a.change.atNs - b.change.atNs);
  sorted.forEach(({ count, event = -1 }, place) => {
    if (count) events[event]?.counts[count].push(place);
  });
  return { changes: sorted.map(({ change }) => change), events };
}

/** Links stay down and sets apart until somebody says otherwise. */
function untilOf(
  { at, link, state, partition, taint, delete: deleted }: TimelineSpec,
  { spec }: Scenario,
  durationNs: number,
): number {
  const ends = (one: TimelineSpec): boolean =>
    one.at > at && (link === undefined ? (one.heal ?? one.partition) !== undefined : one.link === link);
  if (partition !== undefined || state === "down")
    return Math.min(durationNs, ...spec.timeline.filter(ends).map((one) => one.at));
  // What is deleted does not come back, but for pods.
  const stays = taint !== undefined || deletedOf(deleted).some(({ kind }) => kind !== "Pod");
  return stays ? durationNs : at;
}

/** The pods that an entry started, of those that came later, and those that it stopped, of those that were there before. */
function podsOf({ deeds, later }: PodEvents, index: number): PreparedEvent["pods"] {
  const fresh = new Set(later.map(({ pod }) => pod));
  const names = (kind: Deed["kind"], isFresh: boolean): string[] =>
    deeds
      .filter((deed) => deed.event === index && deed.kind === kind && fresh.has(deed.pod) === isFresh)
      .map(({ pod }) => podNamespace(pod));
  return { starting: names("appear", true), ending: [...new Set(names("stop", false))] };
}

function noCounts(): PreparedEvent["counts"] {
  return { removed: [], open: [], cut: [], hung: [] };
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
    return { atNs: at + HEARD_NS, namespace: name, action: { kind: "answer", address, port, response } };
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

/** What a pod's processes and its network do. */
function deedChanges({ atNs, pod, kind, event }: Deed, machines: readonly Machine[]): Counted[] {
  const namespace = podNamespace(pod);
  const links = (up: boolean): Counted[] => linkChanges(pod, atNs, up, machines).map((change) => ({ change }));
  switch (kind) {
    case "appear":
      return links(true);
    case "listen":
      return [{ change: { atNs, namespace, action: { kind } } }];
    case "stop":
      return [{ change: { atNs, namespace, action: { kind } }, count: "open", event }];
    case "exit":
      return [{ change: { atNs, namespace, action: { kind } }, count: "cut", event }];
    case "vanish":
      return [{ change: { atNs, namespace, action: { kind } }, count: "hung", event }, ...links(false)];
  }
}

/** A pod's veth pair goes with the pod, and comes with it. */
function linkChanges(pod: Pod, atNs: number, up: boolean, machines: readonly Machine[]): Change[] {
  const veths = machines.flatMap((machine) => machine.veths).filter(({ b }) => b.namespace === podNamespace(pod));
  return veths.flatMap(({ a, b }) =>
    [a, b].map(({ namespace, name }): Change => ({ atNs, namespace, action: { kind: "link", device: name, up } })),
  );
}
