// What `podwire trace` says of a request against what became of it: ten thousand random requests in three clusters, each sent twice,
// once in a run that notes nothing, where sockets and counters tell, and once in a run whose every packet is followed.
import fc from "fast-check";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { PreparedRun } from "../../src/engine/run.ts";
import type { Cluster } from "../../src/kubernetes/objects.ts";
import type { Ends } from "../../src/scenario/ends.ts";
import { readSources } from "../../src/scenario/files.ts";
import { prepare } from "../../src/scenario/prepare.ts";
import { walkPlan } from "../../src/scenario/walk-plan.ts";
import type { LineResult, Plan } from "../../src/seam/plan.ts";
import type { Step } from "../../src/seam/trace.ts";
import { isDns } from "../../src/trace/packet.ts";
import { outcomeOf } from "../../src/trace/outcome.ts";
import { requestWalk, walksOf, type Walk } from "../../src/trace/walks.ts";
import { ROOT } from "../tools/podwire.ts";

const OUTSIDE = "93.184.216.34";
const NOWHERE = "10.244.1.250";
/** After a request is given up, packets of it still wait for ARP. */
const LATE_NS = 4e9;

/** Every end that a request may come from, and those that it may go to over each protocol. */
function ends(cluster: Cluster): { sources: string[]; targets: Record<Ends["protocol"], string[]> } {
  const pods = cluster.pods.filter(({ podIP }) => podIP !== "");
  const sources = [
    ...pods.map(({ namespace, name }) => `${namespace}/${name}`),
    ...cluster.nodes.map(({ name }) => `node/${name}`),
    "internet",
  ];
  const over = (protocol: "TCP" | "UDP", wrong: number): string[] => [
    ...cluster.services.flatMap(({ namespace, name, type, clusterIPs, loadBalancerIngress, ports }) =>
      ports
        .filter((port) => port.protocol === protocol)
        .flatMap(({ port, nodePort }) => {
          const path = `${namespace}/${name}:${port}`;
          const [address = "None"] = clusterIPs;
          return [
            ...(address === "None" ? [] : [`svc/${path}`, `${address}:${wrong}`]),
            // To the name server by its name, a request could not be told from the question for the name.
            ...(port === 53 ? [] : [`${name}.${namespace}.svc.cluster.local:${port}`, `${name}.${namespace}:${port}`]),
            ...(nodePort === 0
              ? []
              : [`nodeport/${path}`, ...cluster.nodes.map(({ address: ip }) => `${ip}:${nodePort}`)]),
            ...(type === "LoadBalancer" && loadBalancerIngress.length > 0 ? [`lb/${path}`, `lb/${path}`] : []),
          ];
        }),
    ),
    ...pods.flatMap(({ namespace, name, containers }) => [
      `pod/${namespace}/${name}:${wrong}`,
      ...containers
        .flatMap(({ ports }) => ports)
        .filter((port) => port.protocol === protocol)
        .map(({ containerPort }) => `pod/${namespace}/${name}:${containerPort}`),
    ]),
    ...cluster.nodes.flatMap(({ name }) => [`node/${name}:10256`, `node/${name}:${wrong}`]),
    `${OUTSIDE}:443`,
    `www.example.com:${wrong}`,
    `nothing.default.svc.cluster.local:${wrong}`,
    `${NOWHERE}:${wrong}`,
    `127.0.0.1:${wrong}`,
  ];
  const icmp = [
    ...pods.map(({ namespace, name }) => `pod/${namespace}/${name}`),
    ...cluster.nodes.map(({ name }) => `node/${name}`),
    ...cluster.services.flatMap(({ clusterIPs }) => clusterIPs.filter((ip) => ip !== "None")),
    OUTSIDE,
    NOWHERE,
  ];
  return { sources, targets: { tcp: over("TCP", 9), udp: over("UDP", 9), icmp } };
}

function randomRequests(cluster: Cluster, count: number): Ends[] {
  const { sources, targets } = ends(cluster);
  const protocols: Ends["protocol"][] = ["tcp", "tcp", "tcp", "udp", "icmp"];
  const request = fc
    .tuple(fc.constantFrom(...sources), fc.constantFrom(...protocols), fc.nat())
    .map(([from, protocol, pick]) => {
      const choices = targets[protocol];
      return { from, protocol, to: choices[pick % choices.length] ?? "", namespace: "default" };
    });
  return fc.sample(request, { numRuns: count, seed: 1 });
}

/** What is kept of a request's walks: its steps are too many. */
interface Told {
  walks: Walk[];
  request: Walk | undefined;
  /** Drops by reason, over all its packets. */
  drops: Record<string, number>;
  /** The first rule that denied a packet of it. */
  denied: string | null;
  /** Whether a socket of the client took an answer. */
  answered: boolean;
}

function tell(steps: readonly Step[], asksNames: boolean): Told {
  const walks = walksOf(steps, { arp: true });
  const request = requestWalk(walks, asksNames);
  const drops: Record<string, number> = {};
  for (const step of steps) if (step.kind === "drop") drops[step.reason] = (drops[step.reason] ?? 0) + 1;
  const denials = walks.flatMap(({ steps: own, end }) => (end.kind === "dropped" && end.rule ? [{ own, end }] : []));
  const [first] = denials.sort((a, b) => (a.own.at(-1)?.timeNs ?? 0) - (b.own.at(-1)?.timeNs ?? 0));
  const { namespace = "", rule } = first?.end ?? {};
  const answered = walks.some(({ steps: own, end }) => {
    const last = own.findLast((step) => step.kind === "socket");
    const network = last?.view.network;
    if (end.kind !== "delivered" || end.owner !== "client" || network?.kind !== "ipv4") return false;
    if (asksNames && isDns(network)) return false;
    if (network.protocol === 1) return network.icmp?.type === 0;
    const tcpHeader = ((last?.view.header[network.headerLength + 12] ?? 0) >> 4) * 4;
    return network.protocol === 17 || network.totalLength > network.headerLength + tcpHeader;
  });
  const light = (walk: Walk): Walk => ({ ...walk, steps: walk.steps.slice(0, 1) });
  const kept = new Map(walks.map((walk) => [walk, light(walk)]));
  return {
    walks: [...kept.values()],
    request: request && kept.get(request),
    drops,
    denied: rule ? `${namespace} ${rule.table} ${rule.chain} ${rule.text}` : null,
    answered,
  };
}

/** Follows all requests of a plan in one cluster. A request's steps are told, and forgotten, once its time is over. */
function follow(plan: Plan): { told: Told[]; lines: LineResult[] } {
  const steps = plan.lines.map((): Step[] => []);
  const told: Told[] = [];
  const overNs = plan.flows.map(({ startNs, timeoutNs }) => startNs + timeoutNs + LATE_NS);
  const tellThrough = (nowNs: number): void => {
    for (let i = told.length; i < steps.length && (overNs[i] ?? 0) < nowNs; i++) {
      const target = plan.flows[i]?.target;
      told.push(tell(steps[i] ?? [], target !== undefined && "names" in target));
      steps[i] = [];
    }
  };
  const { lines } = new PreparedRun(plan).follow(false, (more, nowNs) => {
    for (const step of more) if (step.line !== undefined) steps[step.line]?.push(step);
    tellThrough(nowNs);
  });
  tellThrough(Infinity);
  return { told, lines };
}

/** What a trace says of a request, in the words of what became of it. */
function verdictOf(line: LineResult | undefined, { walks, request, drops, denied, answered }: Told): Fate {
  const { outcome, answeredBy } = outcomeOf(line, walks, request);
  const server = answered ? answeredBy : undefined;
  return { outcome: answered ? "delivered" : outcome, answeredBy: server, drops, denied };
}

interface Fate {
  outcome: string;
  answeredBy: string | undefined;
  drops: Record<string, number>;
  denied: string | null;
}

function fateOf(line: LineResult): Fate {
  const { delivered, refused, unresolved, timedOut, open, drops, denied, backends } = line;
  const outcome = delivered ? "delivered" : refused ? "refused" : unresolved ? "unresolved" : "timed out";
  expect([delivered + refused + unresolved + timedOut, open], line.name).toEqual([1, 0]);
  const [answeredBy] = Object.keys(backends);
  return {
    outcome,
    answeredBy,
    drops,
    denied: denied && `${denied.namespace} ${denied.table} ${denied.chain} ${denied.rule}`,
  };
}

describe.each([
  ["shop", 3400],
  ["policies", 3300],
  ["load-balancer", 3300],
])("%s: a trace's verdict is the request's fate", (example, count) => {
  test(`for ${count} random sources, targets and ports`, { timeout: 120_000 }, () => {
    const sources = readSources([join(ROOT, "examples", example)]);
    const bare = prepare(sources, { outDir: "", capture: [] });
    const requests = randomRequests(bare.cluster, count);
    const { plan } = prepare(sources, { outDir: "", capture: [], requests });
    const followed = walkPlan(plan);
    const untraced = new PreparedRun(followed).runHere().lines;
    const { told, lines } = follow(followed);
    const wrong = untraced.flatMap((line, i) => {
      const fate = fateOf(line);
      const verdict = verdictOf(lines[i], told[i] as Told);
      return isDeepStrictEqual(fate, verdict) ? [] : [{ request: line.name, fate, verdict }];
    });
    expect(wrong.slice(0, 10)).toEqual([]);
    const outcomes = new Set(untraced.map((line) => fateOf(line).outcome));
    expect([...outcomes].sort()).toEqual(["delivered", "refused", "timed out", "unresolved"]);
  });
});
