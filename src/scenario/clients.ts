// Who sends a line of traffic: the pods, nodes or the outside client that `from` names.
import type { Document, FieldPath } from "../documents/document.ts";
import { among } from "../errors.ts";
import { familyOfText, IPV4_ALONE, podIPs, type Family } from "../kubernetes/families.ts";
import type { Cluster, Pod } from "../kubernetes/objects.ts";
import { podNamespace } from "../node/kubelet.ts";
import { CLIENT } from "../node/outside.ts";
import { outsideResolvConf, resolvConf, type ResolvConf } from "../node/resolv-conf.ts";
import type { Traffic } from "./traffic-schema.ts";

/** A namespace that requests come from. */
export interface Client {
  /** As the engine names it. */
  namespace: string;
  /** The Kubernetes namespace of a pod. */
  kubernetes: string | undefined;
  resolver: ResolvConf;
  /** Of its addresses, the one that it is called and calls by first. */
  families: readonly Family[];
}

const WORKLOADS = {
  deployment: "Deployment",
  statefulSet: "StatefulSet",
  daemonSet: "DaemonSet",
  replicaSet: "ReplicaSet",
  replicationController: "ReplicationController",
  job: "Job",
} as const;

export function podClient(cluster: Cluster, pod: Pod): Client {
  return {
    namespace: podNamespace(pod),
    kubernetes: pod.namespace,
    resolver: resolvConf(cluster, pod),
    families: podIPs(pod).map(familyOfText),
  };
}

export const INTERNET_CLIENT: Client = {
  namespace: CLIENT,
  kubernetes: undefined,
  resolver: outsideResolvConf(),
  families: ["IPv4", "IPv6"],
};

/** The clients that `from` names. Throws an InputError if it names none or more than one thing, or what is not there. */
export function clientsOf(cluster: Cluster, from: Traffic["from"], document: Document, path: FieldPath): Client[] {
  if (from === "internet") return [INTERNET_CLIENT];
  const { namespace } = from;
  const kinds = [...(Object.keys(WORKLOADS) as (keyof typeof WORKLOADS)[]), "pod", "node"] as const;
  const named = kinds.filter((kind) => from[kind] !== undefined);
  const [kind] = named;
  if (kind === undefined || named.length > 1) document.fail(path, `should name one of ${kinds.join(", ")}`);
  const name = from[kind] ?? "";
  if (kind === "node") {
    if (!cluster.nodes.some((node) => node.name === name))
      document.fail([...path, kind], `there is no node ${name}${among(cluster.nodes.map((node) => node.name))}`);
    const { families = IPV4_ALONE } = cluster;
    return [{ namespace: name, kubernetes: undefined, resolver: outsideResolvConf(), families }];
  }
  const pods = cluster.pods.filter(
    (pod) =>
      pod.namespace === namespace &&
      (kind === "pod" ? pod.name === name : pod.owner.kind === WORKLOADS[kind] && pod.owner.name === name),
  );
  if (pods.length === 0) {
    const what = kind === "pod" ? "pod" : WORKLOADS[kind];
    const there = cluster.pods.filter((pod) => pod.namespace === namespace);
    const choices = new Set(
      there
        .filter((pod) => kind === "pod" || pod.owner.kind === WORKLOADS[kind])
        .map((pod) => (kind === "pod" ? pod.name : pod.owner.name)),
    );
    document.fail([...path, kind], `there is no ${what} ${name} with pods in namespace ${namespace}${among(choices)}`);
  }
  const running = pods.filter(({ podIP }) => podIP !== "");
  if (running.length === 0)
    document.fail([...path, kind], `no pod of ${name} runs on a node: ${pending(cluster, pods[0])}`);
  return running.map((pod) => podClient(cluster, pod));
}

function pending(cluster: Cluster, pod: Pod | undefined): string {
  const found = cluster.pending.find((entry) => pod !== undefined && entry.pod === `${pod.namespace}/${pod.name}`);
  return found?.reason ?? "it was not placed";
}
