// Objects while a cluster lives on: what `kubectl apply` and `kubectl delete` make of them, and which are written from when on.
import { isDeepStrictEqual } from "node:util";
import type { Document } from "../../documents/document.ts";
import type { DisruptionBudget } from "../disruption-budgets.ts";
import { parseObjects, type ParsedObjects } from "../parse.ts";
import { serviceLabel } from "../services.ts";
import type { Workload } from "../workloads.ts";
import { checkChange } from "./changeable.ts";

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

/** Kinds that may be deleted while a cluster runs, besides pods. */
export type RemovableKind = "Service" | "NetworkPolicy";

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

  /** `system`: what the cluster has without anyone having written it. `takesIngresses`: whether there is an ingress controller. */
  constructor({ own, system, takesIngresses }: { own: ParsedObjects; system: ParsedObjects; takesIngresses: boolean }) {
    this.#own = own;
    this.#system = system;
    this.#takesIngresses = takesIngresses;
  }

  get disruptionBudgets(): readonly DisruptionBudget[] {
    return this.#own.disruptionBudgets;
  }

  /** The names of the objects of a kind in a namespace. */
  namesOf(kind: RemovableKind, namespace: string): string[] {
    const { services, networkPolicies } = this.#own;
    const others = this.#system.services.filter(({ service }) => !this.#gone.has(serviceLabel(service)));
    const all = kind === "Service" ? [...services, ...others].map(({ service }) => service) : networkPolicies;
    return [...new Set(all.filter((one) => one.namespace === namespace).map(({ name }) => name))];
  }

  /** Deletes an object; an endpoint slice goes with its Service. */
  remove(kind: RemovableKind, namespace: string, name: string, event: number, atNs: number): void {
    const stays = (one: Named): boolean => one.namespace !== namespace || one.name !== name;
    const { services, networkPolicies, names } = this.#own;
    const left = new Map(names);
    left.delete(`${kind} ${namespace}/${name}`);
    if (kind === "Service") this.#gone = new Set([...this.#gone, `${kind} ${namespace}/${name}`]);
    this.#own = {
      ...this.#own,
      names: left,
      services: kind === "Service" ? services.filter(({ service }) => stays(service)) : services,
      networkPolicies: kind === "NetworkPolicy" ? networkPolicies.filter(stays) : networkPolicies,
    };
    this.#note(event, atNs);
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
      if (outcome !== "unchanged") checkChange(object, manifest, before, surroundings);
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
