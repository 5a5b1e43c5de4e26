// What `kubectl delete` may be told while a cluster runs: kinds by the names that kubectl has for them.
import type { Kind } from "../manifest.ts";

/** By Kind, the short names that the API server gives it; singular and plural come of the kind itself. */
const SHORT_NAMES: Partial<Record<Kind, readonly string[]>> = {
  Pod: ["po"],
  ReplicationController: ["rc"],
  Service: ["svc"],
  Endpoints: ["ep"],
  Deployment: ["deploy"],
  ReplicaSet: ["rs"],
  StatefulSet: ["sts"],
  DaemonSet: ["ds"],
  Job: [],
  CronJob: ["cj"],
  EndpointSlice: [],
  Ingress: ["ing"],
  IngressClass: [],
  NetworkPolicy: ["netpol"],
  PodDisruptionBudget: ["pdb"],
  Node: ["no"],
  Namespace: ["ns"],
};

const KINDS = new Map<string, Kind>(
  (Object.keys(SHORT_NAMES) as Kind[]).flatMap((kind) =>
    [...wordsOf(kind), ...(SHORT_NAMES[kind] ?? [])].map((word): [string, Kind] => [word, kind]),
  ),
);

/** The kind that a word of kubectl's stands for, such as `deploy` or `Deployments`; undefined: none that is read. */
export function kindOf(word: string): Kind | undefined {
  return KINDS.get(word.toLowerCase());
}

/** The singular and the plural of a kind, as kubectl takes them. */
export function wordsOf(kind: string): string[] {
  const singular = kind.toLowerCase();
  if (singular.endsWith("points")) return [singular];
  if (singular.endsWith("s")) return [singular, `${singular}es`];
  return [singular, singular.endsWith("y") ? `${singular.slice(0, -1)}ies` : `${singular}s`];
}
