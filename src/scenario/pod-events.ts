// What a timeline does to pods and objects: its entries handed to a cluster that lives on, and what becomes of it.
import type { Document } from "../documents/document.ts";
import { among } from "../errors.ts";
import type { Ground, Life } from "../kubernetes/cluster.ts";
import type { History } from "../kubernetes/live/history.ts";
import { LiveCluster, type LiveTimes } from "../kubernetes/live/live-cluster.ts";
import { LiveObjects, OUTCOMES, type Applied } from "../kubernetes/live/live-objects.ts";
import { kindOf } from "../kubernetes/live/removable.ts";
import type { Kind } from "../kubernetes/manifest.ts";
import type { Pod } from "../kubernetes/objects.ts";
import type { Workload } from "../kubernetes/workloads.ts";
import type { Sources } from "./files.ts";
import type { Scenario, TimelineSpec } from "./schema.ts";

export interface PodEvents extends History, Pick<Life, "states"> {
  /** By place in the timeline, what an entry did: `deletion of pod shop/web-0`. */
  what: Map<number, string>;
}

/** An entry of the timeline with its place in the scenario, and its place among all in order of time. */
export interface PlacedEntry {
  entry: TimelineSpec;
  path: (string | number)[];
  index: number;
}

/** The timeline in order of time. */
export function entriesOf({ spec }: Scenario): PlacedEntry[] {
  return spec.timeline
    .map((entry, i) => ({ entry, path: ["spec", "timeline", i] }))
    .sort((a, b) => a.entry.at - b.entry.at)
    .map((placed, index) => ({ ...placed, index }));
}

/** Nothing happens to anything. */
export const NO_EVENTS: PodEvents = {
  steps: [],
  deeds: [],
  off: [],
  later: [],
  remarks: [],
  states: [],
  what: new Map(),
};

/** What becomes of pods and objects. Throws an InputError for what is not there or cannot be done. */
export function planPods(
  { scenario, document, applied = new Map() }: Pick<Sources, "scenario" | "document" | "applied">,
  ground: Ground,
  times: LiveTimes,
  durationNs: number,
): PodEvents {
  const entries = entriesOf(scenario).filter(({ entry }) => actOf(entry) !== undefined);
  if (entries.length === 0) return NO_EVENTS;
  const what = new Map<number, string>();
  const live = new LiveCluster(ground, times);
  const objects = new LiveObjects(ground);
  for (const placed of entries)
    live.at(placed.entry.at, (nowNs) => {
      const moment = { document, ground, live, objects, applied, nowNs };
      what.set(placed.index, actOf(placed.entry)?.(placed, moment) ?? "");
    });
  const history = live.play(durationNs);
  return { ...history, states: objects.states, what };
}

interface Moment {
  document: Document | undefined;
  ground: Ground;
  live: LiveCluster;
  objects: LiveObjects;
  applied: NonNullable<Sources["applied"]>;
  nowNs: number;
}

type Act = (placed: PlacedEntry, moment: Moment) => string;

/** What does an entry's work; undefined if that is not about pods and objects. */
function actOf(entry: TimelineSpec): Act | undefined {
  if (entry.apply !== undefined) return onFile;
  if (entry.delete !== undefined) return onDelete;
  if (entry.kill?.startsWith("pod/")) return onCrash;
  if (entry.kill ?? entry.cordon ?? entry.uncordon ?? entry.drain) return onNode;
  return (entry.scale ?? entry.rollout) === undefined ? undefined : onWorkload;
}

/** Applies a file. */
function onFile({ entry, path, index }: PlacedEntry, { document, live, objects, applied, nowNs }: Moment): string {
  const documents = applied.get(entry.apply ?? "");
  if (!documents) return refuse(document, [...path, "apply"], "is a file that the scenario itself does not name");
  const hands = {
    create: (workload: Workload) => live.create(workload, index, nowNs),
    configure: (workload: Workload) => live.configure(workload, index, nowNs),
  };
  return `apply of ${entry.apply}: ${outcomes(objects.apply(documents, hands, index, nowNs))}`;
}

/** `Service shop/web created, Deployment shop/web configured`, in the words of kubectl. */
function outcomes(applied: readonly Applied[]): string {
  const said = OUTCOMES.flatMap((outcome) => {
    const objects = applied.filter((one) => one.outcome === outcome).map(({ object }) => object);
    return objects.length === 0 ? [] : [`${objects.join(", ")} ${outcome}`];
  });
  return said.length === 0 ? "nothing" : said.join("; ");
}

/** What is to be deleted, as `svc/web`: its kind, if it is one that is read. */
interface Deleted {
  word: string;
  kind: Kind | undefined;
  name: string;
}

/** The objects that an entry deletes, in the order in which it names them. */
export function deletedOf(text = ""): Deleted[] {
  return text.split(" ").flatMap((object) => {
    const [word = "", name] = object.split("/");
    return name === undefined ? [] : [{ word, kind: kindOf(word), name }];
  });
}

/** Deletes objects, one after the other, as kubectl does. */
function onDelete(placed: PlacedEntry, moment: Moment): string {
  const deleted = deletedOf(placed.entry.delete).map((one) => deleteOne(one, placed, moment));
  return `deletion of ${deleted.join(", ")}`;
}

function deleteOne({ word, kind, name }: Deleted, placed: PlacedEntry, moment: Moment): string {
  const { entry, path, index } = placed;
  const { document, live, objects, nowNs } = moment;
  const { namespace, grace } = entry;
  const at = [...path, "delete"];
  if (kind === "Node" || kind === "Namespace") {
    const instead = kind === "Node" ? `drain node/${name}, or kill it` : "delete what is in it";
    return refuse(document, at, `a ${kind} cannot be deleted while the cluster runs; ${instead}`);
  }
  if (kind === "Pod") {
    const pod = findPod(name, "delete", placed, moment);
    if (pod) live.remove(pod, index, grace ?? 0, nowNs);
    return `pod ${namespace}/${name}`;
  }
  if (kind === undefined) {
    const other = objects.removeOther(word, namespace, name);
    if (other === undefined) return refuse(document, at, `there is no ${word} ${name} in namespace ${namespace}`);
    return `${other} ${namespace}/${name}`;
  }
  const workloads = live.workloads.filter((one) => one.kind === kind && one.namespace === namespace);
  const workload = workloads.find((one) => one.name === name);
  const there = [...new Set([...objects.namesOf(kind, namespace), ...workloads.map((one) => one.name)])];
  if (!there.includes(name))
    return refuse(document, at, `there is no ${kind} ${name} in namespace ${namespace}${among(there)}`);
  if (workload?.template.spec.hostNetwork) refuseHostNetwork(document, at, `${kind} ${name}`);
  if (workload) live.delete(workload, index, grace, nowNs);
  objects.remove(kind, namespace, name, index, nowNs);
  return `${kind} ${kind === "IngressClass" ? name : `${namespace}/${name}`}`;
}

/** Takes a node's power, cordons it, or drains it. */
function onNode({ entry, path, index }: PlacedEntry, { document, ground, live, objects, nowNs }: Moment): string {
  const what = (["kill", "cordon", "uncordon", "drain"] as const).find((one) => entry[one] !== undefined) ?? "kill";
  const name = (entry[what] ?? "").replace(/^node\//, "");
  const names = ground.nodes.map(({ node }) => node.name);
  if (!names.includes(name)) return refuse(document, [...path, what], `there is no node ${name}${among(names)}`);
  switch (what) {
    case "kill":
      live.turnOff(name, index, nowNs);
      return `end of node ${name}`;
    case "drain":
      live.drain(
        name,
        { budgets: () => objects.disruptionBudgets, timeoutNs: entry.timeout ?? Infinity },
        index,
        nowNs,
      );
      return `drain of node ${name}`;
    default:
      live.cordon(name, what === "cordon", nowNs);
      return `${what} of node ${name}`;
  }
}

/** Has a pod's containers crash. */
function onCrash(placed: PlacedEntry, moment: Moment): string {
  const { entry, index } = placed;
  const name = (entry.kill ?? "").replace(/^pod\//, "");
  const pod = findPod(name, "kill", placed, moment);
  if (pod) moment.live.crash(pod, index, moment.nowNs);
  return `crash of pod ${entry.namespace}/${name}`;
}

/** The pod that is there under a name, which may end. Throws for others; a timeline comes with a document. */
function findPod(
  name: string,
  what: "delete" | "kill",
  { entry: { namespace }, path }: PlacedEntry,
  { document, live }: Moment,
): Pod | undefined {
  const there = live.running.filter((pod) => pod.namespace === namespace);
  const pod = there.find((one) => one.name === name);
  const names = there.map((one) => one.name);
  if (!pod) refuse(document, [...path, what], `there is no pod ${name} in namespace ${namespace}${among(names)}`);
  if (pod?.hostNetwork) refuseHostNetwork(document, [...path, what], `pod ${name}`);
  return pod;
}

/** Scales a workload, or has it make its pods anew. */
function onWorkload({ entry, path, index }: PlacedEntry, { document, live, nowNs }: Moment): string {
  const { namespace, grace, replicas, rollout } = entry;
  const at = [...path, rollout === undefined ? "scale" : "rollout"];
  const [kind = "", name = ""] = (rollout ?? entry.scale ?? "").split("/");
  const workload = findWorkload(live, kind, namespace, name);
  if (!workload) return refuse(document, at, `there is no ${kind} ${name} in namespace ${namespace}`);
  if (workload.template.spec.hostNetwork) refuseHostNetwork(document, at, `${kind} ${name}`);
  if (rollout === undefined) {
    if (workload.kind === "Pod" || workload.kind === "DaemonSet" || workload.kind === "Job")
      return refuse(document, at, `a ${workload.kind} has no number of replicas`);
    live.scale(workload, replicas ?? 0, index, grace ?? 0, nowNs);
    return `${kind} ${namespace}/${name} scaled to ${replicas}`;
  }
  live.rollOut(workload, index, nowNs);
  return `rollout of ${kind} ${namespace}/${name}`;
}

function findWorkload(live: LiveCluster, kind: string, namespace: string, name: string): Workload | undefined {
  return live.workloads.find(
    (one) => one.kind.toLowerCase() === kind.toLowerCase() && one.namespace === namespace && one.name === name,
  );
}

function refuseHostNetwork(document: Document | undefined, path: (string | number)[], who: string): void {
  document?.fail(path, `${who} is on its node's network; ending such a pod is not emulated yet`);
}

/** Throws; a timeline comes with a document. */
function refuse(document: Document | undefined, path: (string | number)[], sentence: string): string {
  return document?.fail(path, sentence) ?? "";
}
