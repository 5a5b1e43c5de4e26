// Who follows the cluster besides kube-proxy: CoreDNS, whose names change, and the ingress controller, whose servers do.
import { Zone } from "../kubernetes/dns.ts";
import type { Cluster, Pod } from "../kubernetes/objects.ts";
import { ingressLocations } from "../node/ingress.ts";
import type { Change } from "../seam/change.ts";
import type { Machine } from "../seam/machine.ts";
import type { DnsRecord } from "../seam/plan.ts";
import { ClusterState, rounds, type News } from "./cluster-state.ts";

/** ingress-nginx' controller looks at the cluster so often at the most (`--sync-rate-limit`, 0.3 a second). */
const INGRESS_PERIOD_NS = Math.round(1e9 / 0.3);

export interface FollowContext {
  /** With all pods, also those that come later. */
  cluster: Cluster;
  later: readonly Pod[];
  machines: readonly Machine[];
}

/** What a component makes of a state, told to each of the namespaces that it runs in. */
interface Follower {
  namespaces: readonly string[];
  periodNs: number;
  actionOf: (cluster: Cluster) => Change["action"] | undefined;
}

/**
 * The changes that news, in order of time, lead to; `event`: the place of the entry that the last news before each comes of.
 */
export function followers(news: readonly News[], context: FollowContext): { change: Change; event: number }[] {
  if (news.length === 0) return [];
  return [nameServers(context), ingressControllers(context)].flatMap((one) => follow(one, news, context));
}

function follow(
  { namespaces, periodNs, actionOf }: Follower,
  news: readonly News[],
  { cluster, later }: FollowContext,
): { change: Change; event: number }[] {
  if (namespaces.length === 0) return [];
  const state = new ClusterState(cluster, later);
  actionOf(state.now);
  const changes: { change: Change; event: number }[] = [];
  for (const { atNs, batch, event } of rounds(news, periodNs)) {
    state.take(batch);
    const action = actionOf(state.now);
    if (action) for (const namespace of namespaces) changes.push({ change: { atNs, namespace, action }, event });
  }
  return changes;
}

function namespacesWith({ machines }: FollowContext, application: "dns" | "ingress"): string[] {
  const listeners = machines.flatMap((machine) => machine.listeners);
  const own = listeners.filter((one) => one.application === application && one.dns?.names !== "outside");
  return [...new Set(own.map(({ namespace }) => namespace))];
}

/** CoreDNS watches EndpointSlices and Services, and answers by what it has heard. */
function nameServers(context: FollowContext): Follower {
  const zone = new Zone();
  let start: Map<string, DnsRecord[]> | undefined;
  let before = "[]";
  const actionOf = (cluster: Cluster): Change["action"] | undefined => {
    const now = byName(zone.recordsOf(cluster));
    start ??= now;
    const names = differences(start, now);
    const text = JSON.stringify(names);
    if (text === before) return undefined;
    before = text;
    return { kind: "names", names };
  };
  return { namespaces: namespacesWith(context, "dns"), periodNs: 0, actionOf };
}

function byName(records: readonly DnsRecord[]): Map<string, DnsRecord[]> {
  const names = new Map<string, DnsRecord[]>();
  for (const record of records) {
    const known = names.get(record.name);
    if (known) known.push(record);
    else names.set(record.name, [record]);
  }
  return names;
}

/** The names whose records are others than at the start, with those that they have now. */
function differences(
  start: ReadonlyMap<string, DnsRecord[]>,
  now: ReadonlyMap<string, DnsRecord[]>,
): { name: string; records: DnsRecord[] }[] {
  const same = (a: readonly DnsRecord[], b: readonly DnsRecord[]): boolean =>
    a.length === b.length && a.every(({ type, value }, i) => type === b[i]?.type && value === b[i].value);
  const changed = [...now].filter(([name, records]) => !same(start.get(name) ?? [], records));
  const gone = [...start.keys()].filter((name) => !now.has(name));
  return [...changed.map(([name, records]) => ({ name, records })), ...gone.map((name) => ({ name, records: [] }))];
}

/** nginx is given new servers without a reload; what the controller does not see in time it sees at its next look. */
function ingressControllers(context: FollowContext): Follower {
  let before: string | undefined;
  const actionOf = (cluster: Cluster): Change["action"] | undefined => {
    const locations = ingressLocations(cluster);
    const text = JSON.stringify(locations);
    const isFirst = before === undefined;
    if (text === before) return undefined;
    before = text;
    return isFirst ? undefined : { kind: "ingress", locations };
  };
  return { namespaces: namespacesWith(context, "ingress"), periodNs: INGRESS_PERIOD_NS, actionOf };
}
