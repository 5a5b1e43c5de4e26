// Whether a pod may run on a node: node selector and affinity, taints and tolerations, host ports.
import type { Taint } from "./node-schema.ts";
import type { ClusterNode } from "./nodes.ts";
import type { Container, Node } from "./objects.ts";
import type { NodeSelectorTerm, PodSpec, Toleration } from "./pod-schema.ts";
import { labelsMatch, requirementMet } from "./selectors.ts";

/** Whether nodeSelector and the required node affinity match a node. */
export function selectsNode({ nodeSelector, affinity }: PodSpec, node: Node): boolean {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return (
    labelsMatch(nodeSelector, node.labels) &&
    (required === undefined || required.nodeSelectorTerms.some((term) => termMatches(term, node)))
  );
}

/** All of a term's requirements hold; a term without any matches nothing. */
function termMatches({ matchExpressions, matchFields }: NodeSelectorTerm, node: Node): boolean {
  return (
    matchExpressions.length + matchFields.length > 0 &&
    matchExpressions.every((one) => requirementMet(one, node.labels)) &&
    matchFields.every((one) => requirementMet(one, { "metadata.name": node.name }))
  );
}

/** The first taint that keeps the pod off, as `dedicated=db:NoSchedule`. PreferNoSchedule keeps nobody off. */
export function untolerated({ taints }: ClusterNode, tolerations: readonly Toleration[]): string | undefined {
  const found = taints.find(
    (taint) => taint.effect !== "PreferNoSchedule" && !tolerations.some((one) => tolerates(one, taint)),
  );
  return found && `${found.key}${found.value === "" ? "" : `=${found.value}`}:${found.effect}`;
}

function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  if (effect !== "" && effect !== taint.effect) return false;
  if (key === "") return operator === "Exists";
  if (key !== taint.key || operator === "Exists") return key === taint.key;
  if (operator === "Equal") return value === taint.value;
  // As in the API's toleration.go: whether the taint's number is greater, or less, than the toleration's. No other text is tolerated.
  if (!isInteger(value) || !isInteger(taint.value)) return false;
  const [ours, its] = [BigInt(value), BigInt(taint.value)];
  return operator === "Gt" ? its > ours : its < ours;
}

function isInteger(text: string): boolean {
  return /^-?\d+$/.test(text);
}

/** A port that a pod takes of its node. */
export interface HostPort {
  port: number;
  protocol: string;
  /** Empty for all of the node's addresses. */
  ip: string;
}

/** The host ports of containers. */
export function hostPortsOf(containers: readonly Container[]): HostPort[] {
  return containers
    .flatMap(({ ports }) => ports)
    .filter(({ hostPort }) => hostPort !== 0)
    .map(({ hostPort, protocol, hostIP }) => ({ port: hostPort, protocol, ip: hostIP === "0.0.0.0" ? "" : hostIP }));
}

/** Whether two host ports cannot both be had on one node. */
export function portsClash(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === "" || b.ip === "");
}
