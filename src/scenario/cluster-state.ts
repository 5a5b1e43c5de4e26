// The state of a cluster while its timeline plays: the objects that are there, and the endpoints in the states that their pods have come into.
import type { Edition } from "../kubernetes/cluster.ts";
import { SERVICE_NAME } from "../kubernetes/endpoints.ts";
import type { PodState, Step } from "../kubernetes/live/history.ts";
import type { Cluster, Endpoint, Pod } from "../kubernetes/objects.ts";
import { podNamespace } from "../node/kubelet.ts";

/** What components hear of: a pod comes into a state, or objects have changed. */
export type News = Step | Edition;

/** From a change to the component that acts on it, by way of the API server: watches, queues and calls. */
export const HEARD_NS = 100_000_000;

/** When a component hears of something. What happens at the very start has been heard of. */
export function heardNs({ atNs }: News): number {
  return atNs === 0 ? 0 : atNs + HEARD_NS;
}

export class ClusterState {
  #cluster: Cluster;
  readonly #states: Map<string, PodState>;

  /** `cluster` has all pods, also those of `later`, which are not there yet. */
  constructor(cluster: Cluster, later: readonly Pod[]) {
    this.#cluster = cluster;
    this.#states = new Map(later.map((pod) => [podNamespace(pod), "gone"]));
  }

  take(news: readonly News[]): void {
    for (const one of news) {
      if ("pod" in one) this.#states.set(podNamespace(one.pod), one.state);
      else this.#cluster = one.cluster;
    }
  }

  get now(): Cluster {
    return clusterAt(this.#cluster, this.#states);
  }
}

/** What a component hears of at once, when it acts on it, and the place of the entry that the last of it comes of. */
export interface Round {
  atNs: number;
  batch: readonly News[];
  event: number;
}

/**
 * The rounds in which a component acts on news, in order of time: as soon as it hears of something, but not more often than its period, and
 * with all that it has heard by then. `busyUntil`: when the work of the rounds so far is done, and the next one may begin.
 */
export function* rounds(
  news: readonly News[],
  periodNs: number,
  busyUntil: () => number = () => -Infinity,
): Generator<Round> {
  let last = -Infinity;
  let done = 0;
  for (let first = news[0]; first; first = news[done]) {
    const atNs = Math.max(heardNs(first), last + periodNs, busyUntil());
    const batch = [first];
    for (let one = news[done + 1]; one && heardNs(one) <= atNs; one = news[done + batch.length]) batch.push(one);
    yield { atNs, batch, event: batch.at(-1)?.event ?? -1 };
    last = atNs;
    done += batch.length;
  }
}

/** The cluster before pods come that come later. */
export function clusterBefore(cluster: Cluster, later: readonly Pod[]): Cluster {
  return later.length === 0 ? cluster : new ClusterState(cluster, later).now;
}

/**
 * All that there ever is, for who asks what may be called and who may call: the objects of the start, then those that come, each Service
 * with the ports of all times, each NetworkPolicy as often as it was written.
 */
export function everythingOf(cluster: Cluster, editions: readonly Edition[]): Cluster {
  if (editions.length === 0) return cluster;
  const all = [cluster, ...editions.map((edition) => edition.cluster)];
  const objects = <T>(listOf: (one: Cluster) => readonly T[], keyOf: (one: T) => string): T[] => {
    const found = new Map<string, T>();
    for (const one of all.flatMap(listOf)) if (!found.has(keyOf(one))) found.set(keyOf(one), one);
    return [...found.values()];
  };
  const path = ({ namespace, name }: { namespace: string; name: string }): string => `${namespace}/${name}`;
  const services = new Map<string, Cluster["services"][number]>();
  for (const service of all.flatMap((one) => one.services)) {
    const known = services.get(path(service));
    const ports = (known?.ports ?? []).map(({ port, protocol }) => `${port} ${protocol}`);
    const more = service.ports.filter(({ port, protocol }) => !ports.includes(`${port} ${protocol}`));
    services.set(path(service), known ? { ...known, ports: [...known.ports, ...more] } : service);
  }
  return {
    ...cluster,
    services: [...services.values()],
    endpointSlices: objects((one) => one.endpointSlices, path),
    namespaces: objects(
      (one) => one.namespaces,
      ({ name }) => name,
    ),
    networkPolicies: objects(
      (one) => one.networkPolicies,
      (one) => `${path(one)} ${one.revision ?? 0}`,
    ),
    ingresses: objects((one) => one.ingresses ?? [], path),
  };
}

/**
 * The cluster with pods and endpoints in their states; slices whose pods are all ready are those that they were. A terminating pod still
 * serves, one that starts does not yet.
 */
function clusterAt(cluster: Cluster, states: ReadonlyMap<string, PodState>): Cluster {
  const stateOf = (namespace: string, name: string): PodState => states.get(`${namespace}/${name}`) ?? "ready";
  const endpointState = ({ targetRef }: Endpoint): PodState =>
    targetRef ? stateOf(targetRef.namespace, targetRef.name) : "ready";
  const published = new Set(
    cluster.services
      .filter(({ publishNotReadyAddresses }) => publishNotReadyAddresses)
      .map(({ namespace, name }) => `${namespace}/${name}`),
  );
  return {
    ...cluster,
    pods: cluster.pods.filter(({ namespace, name }) => stateOf(namespace, name) !== "gone"),
    endpointSlices: cluster.endpointSlices.map((slice) => {
      if (slice.endpoints.every((endpoint) => endpointState(endpoint) === "ready")) return slice;
      const ready = published.has(`${slice.namespace}/${slice.labels[SERVICE_NAME] ?? ""}`);
      const endpoints = slice.endpoints.flatMap((endpoint) => {
        const state = endpointState(endpoint);
        if (state === "gone") return [];
        if (state === "terminating") return [{ ...endpoint, ready, serving: true, terminating: true }];
        return state === "ready" ? [endpoint] : [{ ...endpoint, ready, serving: false }];
      });
      return { ...slice, endpoints };
    }),
  };
}
