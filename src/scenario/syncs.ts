// kube-proxy's syncs in a timeline: what it hears of pods and objects, when, and what each node's rules and health answers become.
import { sameText, type RulesText } from "../iptables/rules-text.ts";
import type { Cluster, Node, Pod } from "../kubernetes/objects.ts";
import { ipvsChange } from "../node/kube-proxy/ipvs/change.ts";
import { partialSync } from "../node/kube-proxy/partial-sync.ts";
import type { Change, ServedDatagrams } from "../seam/change.ts";
import type { IpvsConfig } from "../seam/ipvs.ts";
import type { ListenerConfig } from "../seam/machine.ts";
import type { RestoreCosts } from "../seam/processor.ts";
import { ClusterState, rounds, type News } from "./cluster-state.ts";
import { RestoreTimes } from "./restore-time.ts";

/** What a node has for a state of the cluster: its rules, and all that listens there. */
export interface NodeState {
  rules: RulesText | undefined;
  ipv6Rules?: RulesText | undefined;
  /** kube-proxy's table in nftables mode. */
  nft?: string | undefined;
  /** The same for IPv6. */
  ipv6Nft?: string | undefined;
  /** What kube-proxy tells ip_vs in ipvs mode. */
  ipvs?: IpvsConfig | undefined;
  listeners: readonly ListenerConfig[];
}

export interface SyncContext {
  /** With all pods, also those that come later. */
  cluster: Cluster;
  later: readonly Pod[];
  minSyncPeriodNs: number;
  /** What iptables-restore costs where work takes time. */
  restoreCosts?: RestoreCosts | undefined;
  durationNs: number;
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
  const { cluster, later, minSyncPeriodNs, restoreCosts } = context;
  const times = restoreCosts && new RestoreTimes(restoreCosts);
  let doneNs = -Infinity;
  const changes: { change: Change; event: number }[] = [];
  const rulesAtNs: number[] = [];
  const state = new ClusterState(cluster, later);
  let before = news.length === 0 ? [] : context.nodesAt(state.now);
  const leavers = new Leavers(context.durationNs);
  for (const { atNs: at, batch, event } of rounds(news, minSyncPeriodNs, () => doneNs)) {
    doneNs = at;
    state.take(batch);
    const { now } = state;
    const after = context.nodesAt(now);
    cluster.nodes.forEach((node, i) => {
      const [old, fresh] = [before[i], after[i]];
      const actions = old && fresh ? nodeActions(old, fresh) : [];
      const served = context.conntrackCleanup ? context.servedBy(now, node) : [];
      if (served.length > 0) actions.push({ kind: "stale", served });
      if (actions.some((action) => action.kind === "ipvs" && action.change.leaves)) leavers.note(node.name, at, event);
      const atNs = at + (times ? restoreTime(actions, times) : 0);
      doneNs = Math.max(doneNs, atNs);
      for (const action of actions) changes.push({ change: { atNs, namespace: node.name, action }, event });
    });
    for (const one of batch) rulesAtNs[one.event] = doneNs;
    before = after;
  }
  const all = [...changes, ...leavers.changes()].sort((a, b) => a.change.atNs - b.change.atNs);
  return { changes: all, rulesAtNs };
}

/** How long a node's iptables-restore takes; nothing in nftables mode, of which no times are known. */
function restoreTime(actions: readonly Change["action"][], times: RestoreTimes): number {
  return actions.reduce((sum, action) => {
    if (action.kind !== "rules" || action.nft !== undefined) return sum;
    return sum + times.of(action.restored, action.rules);
  }, 0);
}

/** kube-proxy looks so often whether real servers that leave have connections (rsCheckDeleteInterval). */
const REAP_PERIOD_NS = 60_000_000_000;

/** From when on kube-proxy of a node, in ipvs mode, waits for real servers to lose their last connection. */
class Leavers {
  readonly #durationNs: number;
  readonly #since = new Map<string, { atNs: number; event: number }>();

  constructor(durationNs: number) {
    this.#durationNs = durationNs;
  }

  note(node: string, atNs: number, event: number): void {
    if (!this.#since.has(node)) this.#since.set(node, { atNs, event });
  }

  /** A look each period, counted from the start of the run. */
  changes(): { change: Change; event: number }[] {
    return [...this.#since].flatMap(([namespace, { atNs: from, event }]) => {
      const looks: { change: Change; event: number }[] = [];
      const first = (Math.floor(from / REAP_PERIOD_NS) + 1) * REAP_PERIOD_NS;
      for (let atNs = first; atNs < this.#durationNs; atNs += REAP_PERIOD_NS)
        looks.push({ change: { atNs, namespace, action: { kind: "reap" } }, event });
      return looks;
    });
  }
}

/** What a sync says to a node: first the rules, then to its health check server who is still there. */
function nodeActions(before: NodeState, after: NodeState): Change["action"][] {
  const actions: Change["action"][] = [];
  const change = before.ipvs && after.ipvs && ipvsChange(before.ipvs, after.ipvs);
  if (change) actions.push({ kind: "ipvs", change });
  if (after.rules !== undefined && before.rules !== undefined) {
    if (!sameText(before.rules, after.rules) || before.nft !== after.nft) {
      const restored = partialSync(before.rules, after.rules);
      actions.push({ kind: "rules", restored, rules: after.rules, nft: after.nft });
    }
  }
  if (after.ipv6Rules !== undefined && before.ipv6Rules !== undefined) {
    if (!sameText(before.ipv6Rules, after.ipv6Rules) || before.ipv6Nft !== after.ipv6Nft) {
      const restored = partialSync(before.ipv6Rules, after.ipv6Rules);
      actions.push({ kind: "rules", family: "ipv6", restored, rules: after.ipv6Rules, nft: after.ipv6Nft });
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
