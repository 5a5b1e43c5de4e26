// kube-proxy's syncs in a timeline: what it hears of pods and objects, when, and what each node's rules and health answers become.
import { sameText, type RulesText } from "../iptables/rules-text.ts";
import type { Cluster, Node, Pod } from "../kubernetes/objects.ts";
import { partialSync } from "../node/kube-proxy/partial-sync.ts";
import type { Change, ServedDatagrams } from "../seam/change.ts";
import type { ListenerConfig } from "../seam/machine.ts";
import { ClusterState, heardNs, type News } from "./cluster-state.ts";

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

/**
 * The syncs that news, in order of time, lead to: as soon as kube-proxy hears of something, but not more often than its minSyncPeriod.
 * `event`: the place of the entry that the last news before a sync comes of.
 */
export function syncs(
  news: readonly News[],
  context: SyncContext,
): { changes: { change: Change; event: number }[]; rulesAtNs: number[] } {
  const { cluster, later, minSyncPeriodNs } = context;
  const changes: { change: Change; event: number }[] = [];
  const rulesAtNs: number[] = [];
  const state = new ClusterState(cluster, later);
  let before = news.length === 0 ? [] : context.nodesAt(state.now);
  let last = -Infinity;
  let done = 0;
  while (done < news.length) {
    const first = news[done];
    if (!first) break;
    const at = Math.max(heardNs(first), last + minSyncPeriodNs);
    const batch = news.slice(done).filter((one) => heardNs(one) <= at);
    for (const { event } of batch) rulesAtNs[event] = at;
    state.take(batch);
    done += batch.length;
    last = at;
    const { now } = state;
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
