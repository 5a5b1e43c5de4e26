// kube-proxy's syncs in a timeline: what it hears of pods, when, and what each node's rules and health answers become.
import { sameText, type RulesText } from "../iptables/rules-text.ts";
import { SERVICE_NAME } from "../kubernetes/endpoints.ts";
import type { PodState, Step } from "../kubernetes/live/history.ts";
import type { Cluster, Node, Pod } from "../kubernetes/objects.ts";
import { partialSync } from "../node/kube-proxy/partial-sync.ts";
import { podNamespace } from "../node/kubelet.ts";
import type { Change, ServedDatagrams } from "../seam/change.ts";
import type { ListenerConfig } from "../seam/machine.ts";

/** From a change of a pod to the EndpointSlice, and from there to kube-proxy: watches, queues and calls to the API server. */
export const TO_PROXY_NS = 100_000_000;

/** What a node has for a state of the cluster: its rules, and all that listens there. */
export interface NodeState {
  rules: RulesText | undefined;
  /** kube-proxy's table in nftables mode. */
  nft?: string | undefined;
  listeners: readonly ListenerConfig[];
}

export interface SyncContext {
  /** With all pods, also those that come later. */
  cluster: Cluster;
  later: readonly Pod[];
  minSyncPeriodNs: number;
  conntrackCleanup: boolean;
  /** Every node, in order, for a state of the cluster. */
  nodesAt: (cluster: Cluster) => NodeState[];
  servedBy: (cluster: Cluster, node: Node) => ServedDatagrams[];
}

/** An object is deleted. */
export interface Removal {
  atNs: number;
  kind: "Service" | "NetworkPolicy";
  namespace: string;
  name: string;
  event: number;
}

/**
 * The syncs that steps and removals, in order of time, lead to: as soon as kube-proxy hears of something, but not more often than its minSyncPeriod.
 * `event`: the place of the entry that the last step before a sync comes of.
 */
export function syncs(
  steps: readonly (Step | Removal)[],
  context: SyncContext,
): { changes: { change: Change; event: number }[]; rulesAtNs: number[] } {
  const { cluster, later, minSyncPeriodNs } = context;
  const heard = (step: Step | Removal): number => (step.atNs === 0 ? 0 : step.atNs + TO_PROXY_NS);
  const changes: { change: Change; event: number }[] = [];
  const rulesAtNs: number[] = [];
  const states = new Map<string, PodState>(later.map((pod) => [podNamespace(pod), "gone"]));
  const removed: Removal[] = [];
  let before = steps.length === 0 ? [] : context.nodesAt(clusterBefore(cluster, later));
  let last = -Infinity;
  let done = 0;
  while (done < steps.length) {
    const first = steps[done];
    if (!first) break;
    const at = Math.max(heard(first), last + minSyncPeriodNs);
    const batch = steps.slice(done).filter((step) => heard(step) <= at);
    for (const one of batch) {
      if ("pod" in one) states.set(podNamespace(one.pod), one.state);
      else removed.push(one);
      rulesAtNs[one.event] = at;
    }
    done += batch.length;
    last = at;
    const now = clusterAt(without(cluster, removed), states);
    const after = context.nodesAt(now);
    cluster.nodes.forEach((node, i) => {
      const [old, fresh] = [before[i], after[i]];
      const actions = old && fresh ? nodeActions(old, fresh) : [];
      const served = context.conntrackCleanup ? context.servedBy(now, node) : [];
      if (served.length > 0) actions.push({ kind: "stale", served });
      const event = batch.at(-1)?.event ?? -1;
      for (const action of actions) changes.push({ change: { atNs: at, namespace: node.name, action }, event });
    });
    before = after;
  }
  return { changes, rulesAtNs };
}

/** The cluster without objects that are deleted; a Service's EndpointSlices go with it. */
function without(cluster: Cluster, removed: readonly Removal[]): Cluster {
  const isGone = (kind: Removal["kind"], namespace: string, name: string): boolean =>
    removed.some((one) => one.kind === kind && one.namespace === namespace && one.name === name);
  return {
    ...cluster,
    services: cluster.services.filter(({ namespace, name }) => !isGone("Service", namespace, name)),
    endpointSlices: cluster.endpointSlices.filter(
      ({ namespace, labels }) => !isGone("Service", namespace, labels[SERVICE_NAME] ?? ""),
    ),
    networkPolicies: cluster.networkPolicies.filter(({ namespace, name }) => !isGone("NetworkPolicy", namespace, name)),
  };
}

/** What a sync says to a node: first the rules, then to its health check server who is still there. */
function nodeActions(before: NodeState, after: NodeState): Change["action"][] {
  const actions: Change["action"][] = [];
  if (after.rules !== undefined && before.rules !== undefined) {
    if (!sameText(before.rules, after.rules) || before.nft !== after.nft) {
      const restored = partialSync(before.rules, after.rules);
      actions.push({ kind: "rules", restored, rules: after.rules, nft: after.nft });
    }
  }
  const keyOf = ({ address, port }: ListenerConfig): string => `${address}:${port}`;
  const known = new Map(before.listeners.map((listener) => [keyOf(listener), listener.response]));
  for (const listener of after.listeners) {
    const { address, port, response } = listener;
    if (response !== undefined && known.get(keyOf(listener)) !== response)
      actions.push({ kind: "answer", address, port, response });
  }
  return actions;
}

/** The cluster before pods come that come later. */
export function clusterBefore(cluster: Cluster, later: readonly Pod[]): Cluster {
  if (later.length === 0) return cluster;
  return clusterAt(cluster, new Map(later.map((pod): [string, PodState] => [podNamespace(pod), "gone"])));
}

/** The cluster with pods and endpoints in their states. A terminating pod still serves, one that starts does not yet. */
function clusterAt(cluster: Cluster, states: ReadonlyMap<string, PodState>): Cluster {
  const stateOf = (namespace: string, name: string): PodState => states.get(`${namespace}/${name}`) ?? "ready";
  const published = new Set(
    cluster.services
      .filter(({ publishNotReadyAddresses }) => publishNotReadyAddresses)
      .map(({ namespace, name }) => `${namespace}/${name}`),
  );
  return {
    ...cluster,
    pods: cluster.pods.filter(({ namespace, name }) => stateOf(namespace, name) !== "gone"),
    endpointSlices: cluster.endpointSlices.map((slice) => ({
      ...slice,
      endpoints: slice.endpoints.flatMap((endpoint) => {
        const { targetRef } = endpoint;
        const state = targetRef ? stateOf(targetRef.namespace, targetRef.name) : "ready";
        if (state === "gone") return [];
        const ready = published.has(`${slice.namespace}/${slice.labels[SERVICE_NAME] ?? ""}`);
        if (state === "terminating") return [{ ...endpoint, ready, serving: true, terminating: true }];
        return state === "ready" ? [endpoint] : [{ ...endpoint, ready, serving: false }];
      }),
    })),
  };
}
