// Probes: single requests that find out whether one end reaches the other, and by what they were stopped.
import { CLUSTER_DOMAIN } from "../kubernetes/dns.ts";
import type { Cluster } from "../kubernetes/objects.ts";
import { isolations, type Isolation } from "../node/network-policy/enforcer.ts";
import type { NamespaceConfig } from "../seam/machine.ts";
import type { Denial, FlowConfig, FlowProtocol, FlowTarget, LineResult, Plan } from "../seam/plan.ts";
import type { Client } from "./clients.ts";

/** `mixed`: of several requests some came through. */
export type Verdict = "allowed" | "refused" | "dropped" | "mixed";

export interface Probe {
  /** As people read them: `default/web-0`, `Service default/cart:7070/TCP`. */
  from: string;
  to: string;
  client: Client;
  target: FlowTarget;
  protocol: FlowProtocol;
  /** How many requests: several where kube-proxy's rules draw from several endpoints. */
  times: number;
}

/** What stopped a probe. */
export interface Stop extends Denial {
  /** The NetworkPolicies that isolate the pod, and the Service without endpoints, if the rule is theirs. */
  policies: string[];
  service: string | null;
}

export interface ProbeResult {
  from: string;
  to: string;
  verdict: Verdict;
  /** The rule that denied it; null if none did. */
  by: Stop | null;
  /** Why frames ended otherwise, in the kernel's words; empty if it was allowed. */
  reasons: string[];
}

/** So many probes are put to one emulated cluster; the next find a new one. */
const BATCH = 2000;
const APART_NS = 100_000;
const REPEAT_NS = 1_000_000;
const PATIENCE_NS = 400_000_000;
/** Crossings of a wire in a request, its answer and the ARP before them, generously. */
const CROSSINGS = 20;
const REQUEST_BYTES = 64;
const RESOLVER_PORT = 53;
/** The drop of a segment that no socket takes, which a reset answers. */
const NOBODY = "NO_SOCKET";

/** A request over a protocol to a target: the cluster's DNS answers questions only, everybody else anything. */
export function probeFlow(
  cluster: Cluster,
  protocol: "tcp" | "udp" | "icmp",
  target: FlowTarget,
): Pick<Probe, "protocol" | "target"> {
  if (protocol === "tcp") return { protocol: "connect", target };
  if (protocol === "icmp" || "names" in target || target.port !== RESOLVER_PORT) return { protocol, target };
  const { address, port } = target;
  const service = cluster.services.some(
    ({ namespace, name, clusterIPs }) =>
      namespace === "kube-system" && name === "kube-dns" && clusterIPs.includes(address),
  );
  const pod = cluster.pods.some(
    ({ namespace, labels, podIP }) =>
      namespace === "kube-system" && labels["k8s-app"] === "kube-dns" && podIP === address,
  );
  if (!service && !pod) return { protocol, target };
  const names = [`kubernetes.default.svc.${CLUSTER_DOMAIN}`];
  return { protocol: "dns", target: { names, resolver: address, port } };
}

/** The plans that put probes, a few thousand each, to the machines of `plan`; their lines are the probes in order. */
export function probePlans(plan: Plan, probes: readonly Probe[]): Plan[] {
  const slowest = Math.max(0, ...plan.segments.map(({ latencyNs }) => latencyNs));
  const timeoutNs = PATIENCE_NS + slowest * CROSSINGS;
  const machines = plan.machines.map((machine) => ({ ...machine, namespaces: machine.namespaces.map(unlimited) }));
  return Array.from({ length: Math.ceil(probes.length / BATCH) }, (_, i) => {
    const batch = probes.slice(i * BATCH, (i + 1) * BATCH);
    let startNs = 0;
    const flows = batch.map((probe, line): FlowConfig => {
      const stopNs = startNs + (probe.times - 1) * REPEAT_NS + 1;
      const flow: FlowConfig = {
        line,
        namespace: probe.client.namespace,
        protocol: probe.protocol,
        target: probe.target,
        rate: 1e9 / REPEAT_NS,
        arrival: "constant",
        startNs,
        stopNs,
        requestBytes: REQUEST_BYTES,
        timeoutNs,
      };
      startNs += APART_NS;
      return flow;
    });
    const durationNs = Math.max(0, ...flows.map(({ stopNs }) => stopNs)) + timeoutNs + 1;
    return {
      ...plan,
      routes: [],
      machines,
      durationNs,
      flows,
      lines: batch.map(({ from, to }) => `${from} > ${to}`),
      captures: [],
      changes: [],
    };
  });
}

const UNLIMITED: [string, string][] = [
  ["net.ipv4.icmp_ratemask", "0"],
  ["net.ipv6.icmp.ratelimit", "0"],
];

/** Without a limit on ICMP errors: a host tells one sender of six refusals at once, and the next would look like a drop. */
function unlimited(namespace: NamespaceConfig): NamespaceConfig {
  return { ...namespace, sysctls: [...namespace.sysctls, ...UNLIMITED] };
}

/** What came of probes, by the lines of the runs of their plans. */
export function probeResults(cluster: Cluster, probes: readonly Probe[], lines: readonly LineResult[]): ProbeResult[] {
  const chains = new Map(isolations(cluster).map((isolation) => [isolation.chain, isolation]));
  return probes.flatMap(({ from, to }, i): ProbeResult[] => {
    const line = lines[i];
    if (!line) return [];
    const verdict = verdictOf(line);
    if (verdict === "allowed") return [{ from, to, verdict, by: null, reasons: [] }];
    const by = line.denied === null ? null : stopOf(line.denied, chains);
    return [{ from, to, verdict, by, reasons: Object.keys(line.drops) }];
  });
}

function verdictOf({ sent, delivered, refused, unresolved }: LineResult): Verdict {
  if (delivered === sent) return "allowed";
  if (refused + unresolved === sent) return "refused";
  return delivered + refused + unresolved === 0 ? "dropped" : "mixed";
}

function stopOf(denial: Denial, chains: ReadonlyMap<string, Isolation>): Stop {
  const [, service] = /--comment "(\S+) has no (?:local )?endpoints"/.exec(denial.rule) ?? [];
  return { ...denial, policies: chains.get(denial.chain)?.policies ?? [], service: service ?? null };
}

/** What stopped a probe, for the end of a sentence: `by rule ... on node-1 (NetworkPolicy default/deny-all)`. */
export function stoppedBy({ by, reasons, verdict }: ProbeResult): string {
  if (by === null) {
    if (verdict === "refused" && reasons.every((reason) => reason === NOBODY)) return "by nobody's listening there";
    return reasons.length > 0 ? `by no rule: ${reasons.join(", ")}` : "by no rule";
  }
  const owner =
    by.policies.length > 0
      ? ` (NetworkPolicy ${by.policies.join(", ")})`
      : by.service === null
        ? ""
        : ` (Service ${by.service})`;
  return `on ${by.namespace} in ${by.table} ${by.chain} by "${by.rule}"${owner}`;
}
