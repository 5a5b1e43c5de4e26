// Changes of machines while they run, made between two windows so that the number of workers does not show.
import * as R from "../../assembly/layout/records.ts";
import type { Family } from "../iptables/addresses.ts";
import { PROTO_UDP } from "../iptables/protocols.ts";
import { countedBy, RULES_AT } from "../kernel/counters.ts";
import { isNumberOfIpv6, type Handle, type Kernel } from "../kernel/kernel.ts";
import type { Action, ServedDatagrams } from "../seam/change.ts";
import { answerKey, type Built } from "./build.ts";
import { ingressBlock } from "./ingress.ts";
import type { Job } from "./job.ts";
import { changeIpvs } from "./ipvs.ts";
import { overwriteAnswer } from "./payload.ts";
import type { NumberedSet } from "./sets.ts";

/** A change with the numbers of what it speaks of. Rules are compiled. */
export interface PlacedChange {
  /** Its place in the plan's list. */
  index: number;
  atNs: number;
  namespace: string;
  namespaceId: number;
  action: LocalAction | RulesInPlace | NamesInPlace | IpvsInPlace | PartitionAction;
}

/** A block of names that are others than in the cluster's zone. */
export interface NamesInPlace {
  kind: "names";
  block: Handle;
}

export type PartitionAction = Extract<Action, { kind: "partition" | "heal" }>;
type LocalAction = Exclude<Action, { kind: "rules" | "names" | "ipvs" } | PartitionAction>;
/** What a sync of kube-proxy in ipvs mode leaves behind, with its sets. */
export type IpvsInPlace = Extract<Action, { kind: "ipvs" }> & { added: NumberedSet[]; removed: NumberedSet[] };

/**
 * A set that takes the place of another. `kept` has pairs of a number of a rule (RULE_INDEX) in the old set and one in the new, whose
 * counters go on. `changed`: it was made by changing that one, and rules whose numbers stay go on counting, too, but for those of `anew`,
 * each a number and how many.
 */
export type RulesInPlace = { kind: "rules"; family: Family; block: Handle; ruleSet: number; kept: Uint32Array } & (
  { changed: true; anew: Uint32Array } | { changed: false }
);

/** Whether a change is of the network between the machines: every worker makes it. */
export function isPartition(action: PlacedChange["action"]): action is PartitionAction {
  return action.kind === "partition" || action.kind === "heal";
}

/** Parts the machines, or brings them together again. */
export function applyPartition(kernel: Kernel, action: PartitionAction, job: Pick<Job, "machines" | "segments">): void {
  kernel.calls.heal();
  if (action.kind === "heal") return;
  for (const { machine, ports } of job.machines) {
    const set = action.sets.findIndex((names) => names.includes(machine.name)) + 1;
    if (set === 0) continue;
    machine.wires.forEach((wire, i) => {
      const segment = job.segments[wire.segment];
      if (segment) kernel.calls.placeInSet(segment.handle, ports[i] ?? 0, segment.ports, set);
    });
  }
}

/** Makes a change of a machine; `built` has its namespace. Returns how many connections it removed, or found. */
export function applyChange(
  kernel: Kernel,
  namespace: string,
  action: LocalAction | RulesInPlace | NamesInPlace | IpvsInPlace,
  built: Built,
): number {
  const ns = built.namespaces.get(namespace) ?? 0;
  switch (action.kind) {
    case "rules":
      replaceRules(kernel, ns, action);
      return 0;
    case "ipvs": {
      const found = built.ipvs.get(namespace);
      if (found) changeIpvs(kernel, found, action.change, action);
      return 0;
    }
    case "reap":
      kernel.calls.reapServers(ns);
      return 0;
    case "link":
      kernel.calls.setLink(built.devices.get(`${namespace}/${action.device}`) ?? 0, action.up ? 1 : 0);
      return 0;
    case "carrier":
      kernel.calls.setCarrier(built.devices.get(`${namespace}/${action.device}`) ?? 0, action.on ? 1 : 0);
      return 0;
    case "stale": {
      const isStale = staleTest(kernel, action.served);
      return removeConnections(kernel, ns, isStale);
    }
    case "flush":
      return removeConnections(kernel, ns, () => true);
    case "listen":
      for (const socket of built.servers.get(namespace) ?? []) kernel.listen(ns, ...socket);
      return 0;
    case "stop":
      kernel.calls.closeListeners(ns);
      return kernel.calls.openConnections(ns);
    case "exit":
      return kernel.calls.endServers(ns, 0);
    case "vanish":
      return kernel.calls.endServers(ns, 1);
    case "names":
      for (const server of built.nameServers.get(namespace) ?? []) kernel.calls.changeNames(server, action.block);
      return 0;
    case "ingress":
      // Requests that are under way keep the servers that they had.
      for (const place of built.ingresses.get(namespace) ?? [])
        kernel.setWord(place, kernel.place(ingressBlock(action.locations, (address) => kernel.addressNumber(address))));
      return 0;
    case "answer":
      overwriteAnswer(kernel, built.answers.get(answerKey(namespace, action)), action.response);
      return 0;
  }
}

function replaceRules(kernel: Kernel, ns: Handle, rules: RulesInPlace): void {
  const { family, block } = rules;
  const before = rules.kept.length === 0 ? undefined : kernel.ruleCounters(ns, family);
  kernel.enforceRules(ns, block, family, rules.changed);
  if (rules.changed)
    for (let i = 0; i < rules.anew.length; i += 2)
      kernel.calls.clearCounters(ns + RULES_AT[family], rules.anew[i] ?? 0, rules.anew[i + 1] ?? 0);
  if (!before) return;
  for (let i = 0; i < rules.kept.length; i += 2) {
    const { packets, bytes } = countedBy(before, rules.kept[i] ?? 0);
    if (packets !== 0) kernel.setRuleCounter(ns, rules.kept[i + 1] ?? 0, packets, bytes, family);
  }
}

function removeConnections(kernel: Kernel, ns: Handle, chosen: (entry: Handle) => boolean): number {
  const found = kernel.connections(ns).filter(chosen);
  for (const entry of found) kernel.calls.removeConnection(entry);
  return found.length;
}

/** Whether an entry leads to one of the destinations, and its answers come from none of the servers. */
function staleTest(kernel: Kernel, served: readonly ServedDatagrams[]): (entry: Handle) => boolean {
  const byDestination = new Map<string, Set<number>>();
  const byPort = { ipv4: new Map<number, Set<number>>(), ipv6: new Map<number, Set<number>>() };
  for (const { family, addresses, port, nodePort, servers } of served) {
    const known = new Set(servers.map((address) => kernel.addressNumber(address)));
    for (const address of addresses) byDestination.set(`${kernel.addressNumber(address)} ${port}`, known);
    if (nodePort !== 0) byPort[family].set(nodePort, known);
  }
  return (entry) => {
    const original = entry + R.CT_ORIGINAL;
    if (kernel.word(original + R.TUPLE_PROTO) !== PROTO_UDP) return false;
    const port = kernel.word(original + R.TUPLE_PORTS) & 0xffff;
    const to = kernel.word(original + R.TUPLE_DST);
    const ofFamily = byPort[isNumberOfIpv6(to) ? "ipv6" : "ipv4"];
    const servers = byDestination.get(`${to} ${port}`) ?? ofFamily.get(port);
    return servers !== undefined && !servers.has(kernel.word(entry + R.CT_REPLY + R.TUPLE_SRC));
  };
}
