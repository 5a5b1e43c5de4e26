// The two ends of a single request as the command line writes them: `--from shop/web-0 --to svc/cart:7070`, read like a line of traffic.
import { parseDocuments } from "../documents/document.ts";
import { InputError } from "../errors.ts";
import type { Cluster } from "../kubernetes/objects.ts";
import { scenarioLines, type Line } from "./lines.ts";
import type { ClusterSpec } from "./ranges.ts";
import { API_VERSION, scenarioSchema } from "./schema.ts";
import type { Traffic } from "./traffic-schema.ts";

export interface Ends {
  /** `NAMESPACE/POD`, `pod/NAME`, `deployment/NAME` and the like, `node/NAME` or `internet`. */
  from: string;
  /** `svc/NAME:PORT`, `lb/NAME:PORT`, `nodeport/NAME:PORT`, `pod/NAME:PORT`, `node/NAME:PORT`, `ADDRESS:PORT`, `[ADDRESS]:PORT` or `DNS-NAME:PORT`. */
  to: string;
  protocol: "tcp" | "udp" | "icmp";
  /** The namespace of names that say none. */
  namespace: string;
}

const FROM_KINDS: Readonly<Record<string, string>> = {
  deployment: "deployment",
  deploy: "deployment",
  statefulset: "statefulSet",
  sts: "statefulSet",
  daemonset: "daemonSet",
  ds: "daemonSet",
  replicaset: "replicaSet",
  rs: "replicaSet",
  job: "job",
  pod: "pod",
  po: "pod",
  node: "node",
};
const TO_KINDS: Readonly<Record<string, string>> = {
  svc: "service",
  service: "service",
  lb: "loadBalancer",
  loadbalancer: "loadBalancer",
  nodeport: "nodePort",
  pod: "pod",
  po: "pod",
  node: "node",
};
/** Time for a request to be answered: longer than ARP and the first tries of a SYN need. */
const TIMEOUT = "5s";

/**
 * The lines of requests between two ends each: of several pods or nodes that `from` or `to` mean, the first. Throws an InputError
 * about `--from` or `--to` for what is not there.
 */
export function requestLines(
  requests: readonly Ends[],
  cluster: Cluster,
  ranges: ClusterSpec,
  durationNs: number,
): Line[] {
  const traffic = requests.map((ends, i) => ({
    name: requests.length === 1 ? nameOf(ends) : `${i} ${nameOf(ends)}`,
    from: parseFrom(ends),
    to: parseTo(ends),
    protocol: ends.protocol,
    rate: "1/s",
    timeout: TIMEOUT,
  }));
  // Documents are JSON, so that thousands of requests are read quickly.
  const text = JSON.stringify({
    apiVersion: API_VERSION,
    kind: "Scenario",
    metadata: { name: "request" },
    spec: { traffic },
  });
  try {
    const [document] = parseDocuments(text, "");
    if (!document) throw new TypeError("the requests' document is empty");
    const scenario = document.validate(scenarioSchema);
    return scenarioLines(scenario, ranges, document, cluster, durationNs).map((line) => {
      const [pair] = line.pairs;
      if (!pair) throw new TypeError("the request has no client");
      return { ...line, pairs: [pair] };
    });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError({ field: error.place.field?.includes(".from") ? "--from" : "--to" }, error.sentence);
  }
}

function nameOf({ from, to }: Ends): string {
  return `${from} > ${to}`;
}

/** What `from` means, as a line of traffic has it. Throws an InputError about `--from`. */
export function parseFrom({
  from,
  namespace,
}: Pick<Ends, "from" | "namespace">): Traffic["from"] | Record<string, string> {
  if (from === "internet") return from;
  const parts = from.split("/");
  const kind = parts.length > 1 ? FROM_KINDS[parts[0] ?? ""] : undefined;
  const names = kind === undefined ? parts : parts.slice(1);
  if (names.length > 2 || names.includes(""))
    throw new InputError(
      { field: "--from" },
      `${from} should be NAMESPACE/POD, deployment/NAME, node/NAME or internet, with the namespace before the name, if any`,
    );
  return { [kind ?? "pod"]: names.at(-1) ?? "", ...(kind === "node" ? {} : scope(names, namespace)) };
}

function scope(names: readonly string[], namespace: string): { namespace: string } {
  return { namespace: names.length === 2 ? (names[0] ?? namespace) : namespace };
}

/** The same of `to`. */
export function parseTo({
  to,
  protocol,
  namespace,
}: Pick<Ends, "to" | "protocol" | "namespace">): Record<string, string | number> {
  const colon = to.lastIndexOf(":");
  const [target, portText] = colon < 0 ? [to, undefined] : [to.slice(0, colon), to.slice(colon + 1)];
  const port = portText !== undefined && /^\d+$/.test(portText) ? Number(portText) : portText;
  const ports = port === undefined || protocol === "icmp" ? {} : { port };
  const parts = target.split("/");
  const kind = parts.length > 1 ? TO_KINDS[parts[0] ?? ""] : undefined;
  const names = parts.slice(1);
  if (kind === undefined) {
    if (parts.length > 1 || target === "")
      throw new InputError(
        { field: "--to" },
        `${to} should be svc/NAME:PORT, lb/NAME:PORT, nodeport/NAME:PORT, pod/NAME:PORT, node/NAME:PORT, ADDRESS:PORT or DNS-NAME:PORT`,
      );
    return { host: target.replace(/^\[(.*)\]$/, "$1"), ...ports };
  }
  if (names.length > 2 || names.includes(""))
    throw new InputError(
      { field: "--to" },
      `${to} should be ${parts[0] ?? ""}/NAME or ${parts[0] ?? ""}/NAMESPACE/NAME, then a colon and the port`,
    );
  const place = kind === "node" ? {} : scope(names, namespace);
  // A Service is called by its address, so that the first packet is the request itself; by its name the DNS is asked first.
  const by = kind === "service" ? { by: "clusterIP" } : {};
  return { [kind]: names.at(-1) ?? "", ...place, ...ports, ...by };
}
