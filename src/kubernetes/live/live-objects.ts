// Objects while a cluster lives on: what `kubectl apply` and `kubectl delete` make of them, and which are written from when on.
import { isDeepStrictEqual } from "node:util";
import type { Document } from "../../documents/document.ts";
import type { DisruptionBudget } from "../disruption-budgets.ts";
import type { Kind, Manifest } from "../manifest.ts";
import { parseObjects, type ParsedObjects } from "../parse.ts";
import { serviceLabel } from "../services.ts";
import type { Workload } from "../workloads.ts";
import { checkChange } from "./changeable.ts";
import { wordsOf } from "./removable.ts";

/** In kubectl's words. */
export const OUTCOMES = ["created", "configured", "unchanged"] as const;
type Outcome = (typeof OUTCOMES)[number];

/** An object, as `Deployment shop/web`, and what became of it. */
export interface Applied {
  object: string;
  outcome: Outcome;
}

/** The objects that are written from a moment on; of pods and their controllers the manifests alone. */
export interface ObjectsAt {
  atNs: number;
  event: number;
  own: ParsedObjects;
  /** What every cluster has, but this one no more: `Service default/kubernetes`. */
  gone: ReadonlySet<string>;
}

/** Who acts on workloads: makes the pods of a new one, or brings those of one that was written before to what it says now. */
export interface WorkloadHands {
  create: (workload: Workload) => void;
  configure: (workload: Workload) => void;
}

/** Kinds that kube-proxy, the network policies' agents or the ingress controller watch. */
const WATCHED: ReadonlySet<Kind> = new Set([
  "Service",
  "EndpointSlice",
  "Endpoints",
  "Ingress",
  "IngressClass",
  "NetworkPolicy",
] as const);

interface Named {
  namespace?: string;
  name: string;
}

export class LiveObjects {
  readonly states: ObjectsAt[] = [];
  #own: ParsedObjects;
  readonly #system: ParsedObjects;
  readonly #takesIngresses: boolean;
  readonly #revisions = new Map<string, number>();
  #gone: ReadonlySet<string> = new Set();
  /** Objects that were deleted, as they were written last. */
  readonly #removed = new Map<string, Manifest>();

  /** `system`: what the cluster has without anyone having written it. `takesIngresses`: whether there is an ingress controller. */
  constructor({ own, system, takesIngresses }: { own: ParsedObjects; system: ParsedObjects; takesIngresses: boolean }) {
    this.#own = own;
    this.#system = system;
    this.#takesIngresses = takesIngresses;
  }

  get disruptionBudgets(): readonly DisruptionBudget[] {
    return this.#own.disruptionBudgets;
  }

  /** The names of the objects of a kind in a namespace, or in the cluster if they are in none. */
  namesOf(kind: Kind, namespace: string): string[] {
    const there = new Set(this.#own.names.keys());
    for (const { service } of this.#system.services)
      if (!this.#gone.has(serviceLabel(service))) there.add(serviceLabel(service));
    return [...there].flatMap((object) => {
      if (object.startsWith(`${kind} ${namespace}/`)) return [object.slice(`${kind} ${namespace}/`.length)];
      return object.startsWith(`${kind} `) && !object.includes("/") ? [object.slice(kind.length + 1)] : [];
    });
  }

  /** Deletes an object that has no part in the network, such as `configmap` `settings`; gives its kind, undefined if there is none. */
  removeOther(word: string, namespace: string, name: string): string | undefined {
    for (const object of this.#own.others.keys()) {
      const [kind = "", path] = object.split(" ");
      if (path !== `${namespace}/${name}` && path !== name) continue;
      if (!wordsOf(kind).includes(word.toLowerCase()) && !(kind === "ConfigMap" && word === "cm")) continue;
      const others = new Map(this.#own.others);
      others.delete(object);
      this.#own = { ...this.#own, others };
      return kind;
    }
    return undefined;
  }

  /** Deletes an object; an endpoint slice goes with its Service. */
  remove(kind: Kind, namespace: string, name: string, event: number, atNs: number): void {
    const own = this.#own;
    const isIt = (one: Named): boolean => (one.namespace ?? namespace) === namespace && one.name === name;
    const others = <T>(of: Kind, list: T[], named: (one: T) => Named): T[] =>
      of === kind ? list.filter((one) => !isIt(named(one))) : list;
    const object = kind === "IngressClass" ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
    const names = new Map(own.names);
    const manifest = names.get(object);
    if (manifest) this.#removed.set(object, manifest);
    names.delete(object);
    if (kind === "Service") this.#gone = new Set([...this.#gone, object]);
    this.#own = {
      ...own,
      names,
      workloads: own.workloads.filter((one) => one.kind !== kind || !isIt(one)),
      services: others("Service", own.services, ({ service }) => service),
      endpointSlices: others("EndpointSlice", own.endpointSlices, (slice) => slice),
      endpoints: others("Endpoints", own.endpoints, ({ metadata }) => metadata),
      ingresses: others("Ingress", own.ingresses, ({ ingress }) => ingress),
      ingressClasses: others("IngressClass", own.ingressClasses, (one) => one),
      disruptionBudgets: others("PodDisruptionBudget", own.disruptionBudgets, (budget) => budget),
      networkPolicies: others("NetworkPolicy", own.networkPolicies, (policy) => policy),
    };
    // Nobody on a node watches the others: of a workload that is gone kube-proxy hears by its pods' endpoints.
    if (WATCHED.has(kind)) this.#note(event, atNs);
  }

  /**
   * `kubectl apply` of documents: what became of each object. Throws an InputError for what the API server would refuse, and for what
   * cannot change while a cluster runs.
   */
  apply(documents: readonly Document[], hands: WorkloadHands, event: number, atNs: number): Applied[] {
    const more = parseObjects(documents);
    const own = this.#own;
    const surroundings = { takesIngresses: this.#takesIngresses, namespaces: namespacesOf(own) };
    const outcomes = new Map<string, Outcome>();
    for (const [object, manifest] of more.names) {
      const before = own.names.get(object) ?? this.#system.names.get(object);
      const outcome = outcomeOf(before, manifest);
      if (outcome !== "unchanged")
        checkChange(object, manifest, before, { ...surroundings, removed: this.#removed.get(object) });
      outcomes.set(object, outcome);
    }
    for (const [object, value] of more.others)
      outcomes.set(
        object,
        outcomeOf(own.others.has(object) ? { value: own.others.get(object) } : undefined, { value }),
      );
    const changed = (kind: string, { namespace, name }: Named): boolean =>
      outcomes.get(`${kind} ${namespace}/${name}`) !== "unchanged";
    for (const workload of more.workloads) {
      const outcome = outcomes.get(`${workload.kind} ${workload.namespace}/${workload.name}`);
      if (outcome === "created") hands.create(workload);
      if (outcome === "configured") hands.configure(workload);
    }
    const policies = more.networkPolicies
      .filter((policy) => changed("NetworkPolicy", policy))
      .map((policy) => ({ ...policy, revision: this.#nextRevision(`${policy.namespace}/${policy.name}`) }));
    const services = more.services.filter(({ service }) => changed("Service", service));
    this.#own = {
      ...own,
      workloads: merge(own.workloads, more.workloads, (one) => ({ namespace: `${one.kind} ${one.namespace}`, name: one.name })), // prettier-ignore
      services: merge(own.services, services, ({ service }) => service),
      endpointSlices: merge(own.endpointSlices, more.endpointSlices, (slice) => slice),
      endpoints: merge(own.endpoints, more.endpoints, ({ metadata }) => metadata),
      ingresses: merge(own.ingresses, more.ingresses, ({ ingress }) => ingress),
      ingressClasses: merge(own.ingressClasses, more.ingressClasses, (one) => one),
      namespaces: merge(own.namespaces, more.namespaces, (one) => one),
      disruptionBudgets: merge(own.disruptionBudgets, more.disruptionBudgets, (budget) => budget),
      networkPolicies: merge(own.networkPolicies, policies, (policy) => policy),
      names: new Map([...own.names, ...more.names]),
      others: new Map([...own.others, ...more.others]),
      notEmulated: [...new Set([...own.notEmulated, ...more.notEmulated])],
      remarks: [...new Set([...own.remarks, ...more.remarks])],
    };
    if ([...outcomes.values()].some((outcome) => outcome !== "unchanged")) this.#note(event, atNs);
    return [...outcomes].map(([object, outcome]) => ({ object, outcome }));
  }

  #note(event: number, atNs: number): void {
    this.states.push({ atNs, event, own: this.#own, gone: this.#gone });
  }

  /** How often a policy has been written while the cluster ran. */
  #nextRevision(policy: string): number {
    const revision = (this.#revisions.get(policy) ?? 0) + 1;
    this.#revisions.set(policy, revision);
    return revision;
  }
}

function outcomeOf(before: { value: unknown } | undefined, after: { value: unknown }): Outcome {
  if (!before) return "created";
  return isDeepStrictEqual(before.value, after.value) ? "unchanged" : "configured";
}

/** A list with objects added, or put in the place of those of their name. */
function merge<T>(own: readonly T[], more: readonly T[], named: (one: T) => Named): T[] {
  const keyOf = (one: T): string => `${named(one).namespace ?? ""}/${named(one).name}`;
  const merged = new Map([...own, ...more].map((one) => [keyOf(one), one]));
  return [...merged.values()];
}

/** The namespaces that there are. */
function namespacesOf({ names, namespaces }: ParsedObjects): Set<string> {
  const used = [...names.keys()].flatMap((object) => /^\S+ (.+)\//.exec(object)?.[1] ?? []);
  return new Set([...used, ...namespaces.map(({ name }) => name)]);
}
