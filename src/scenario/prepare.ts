// From what was read to what can run: the cluster, its machines, flows and captures as one plan, and what is expected of it.
import { isIP } from "node:net";
import { isAbsolute, join, normalize } from "node:path";
import type { Document } from "../documents/document.ts";
import { InputError, type Place } from "../errors.ts";
import { settleLiving } from "../kubernetes/cluster.ts";
import { dnsRecords } from "../kubernetes/dns.ts";
import { parseObjects } from "../kubernetes/parse.ts";
import { unusedBlocks } from "../kubernetes/network-policy-schema.ts";
import type { Cluster, Node } from "../kubernetes/objects.ts";
import { notRelayed } from "../node/load-balancer.ts";
import { unservedPorts } from "../node/kubelet.ts";
import { compileFilter, FilterError } from "../pcap/filter.ts";
import { nodeDatagrams, nodeMachine, NODES_SEGMENT, type ProxyMode } from "../node/machine.ts";
import { addressForm } from "../node/kube-proxy/ip.ts";
import { fullSetSentence } from "../node/kube-proxy/ipvs/sets.ts";
import { addressNames } from "../node/names.ts";
import { INTERNET_SEGMENT, outsideMachines } from "../node/outside.ts";
import type { Machine } from "../seam/machine.ts";
import type { CaptureConfig, Plan } from "../seam/plan.ts";
import { serviceGraph, type ServiceGraph } from "./calls.ts";
import { defaultLines } from "./default-lines.ts";
import { requestLines, type Ends } from "./ends.ts";
import { parseExpectations, type Expectation } from "./expectation.ts";
import type { Sources } from "./files.ts";
import { addressesOf, outsideRecords } from "../node/outside-names.ts";
import { ingressNames } from "./ingress-names.ts";
import { flowsOf, outsideHosts, outsideNames, scenarioLines } from "./lines.ts";
import { addOwnRules } from "./own-rules.ts";
import { clusterMatrix, type Matrix } from "./matrix.ts";
import { checkRanges, settleRanges } from "./ranges.ts";
import { parseReaches, type Reach } from "./reach.ts";
import { setLinks } from "./links.ts";
import type { Scenario } from "./schema.ts";
import { checkSysctls } from "./sysctls.ts";
import { isHostName } from "./targets.ts";
import { livingFlows, livingRoutes } from "./client-lives.ts";
import { NO_EVENTS, planPods } from "./pod-events.ts";
import { clusterBefore, everythingOf } from "./cluster-state.ts";
import { prepareTimeline, type PreparedEvent } from "./timeline.ts";

/** What the command line says over the scenario. */
export interface Overrides {
  nodes?: number | undefined;
  /** kube-proxy's mode. */
  proxyMode?: ProxyMode | undefined;
  seed?: number | undefined;
  durationNs?: number | undefined;
  /** Device globs to capture into `capture.pcapng`, in place of the scenario's captures. */
  capture?: readonly string[] | undefined;
  /** In the words of tcpdump: only such frames go into captures. */
  filter?: string | undefined;
  /** One capture of all devices that are captured into this file, or with `-` to standard output, in place of the captures' own files. */
  write?: string | undefined;
  /** Comments on every packet. */
  comments?: boolean | undefined;
  /** A file for the packets that are dropped. */
  captureDrops?: string | undefined;
  /** Classic pcap files, one for each interface, in a folder named like the pcapng file would be. */
  pcap?: boolean | undefined;
  /** The only traffic, in place of the scenario's and the default one: one request each. */
  requests?: readonly Ends[] | undefined;
  /** The output folder; paths of captures are relative to it. */
  outDir: string;
}

/** A glob over devices with where it was written, for the complaint if it chooses none. */
export interface ChosenDevices {
  glob: string;
  place: Place;
}

export interface PreparedScenario {
  name: string;
  plan: Plan;
  cluster: Cluster;
  expectations: Expectation[];
  reaches: Reach[];
  /** What happens in the run by the scenario's timeline. */
  events: PreparedEvent[];
  /** Who could reach whom in the cluster. */
  matrix: () => Matrix;
  devices: ChosenDevices[];
  /** Sentences for the user about what was left out, such as SCTP ports without a server. */
  warnings: string[];
}

/** What the default scenario captures: the wire between the nodes. */
const DEFAULT_DEVICES = ["node-*/eth0"];
const CAPTURE_FILE = "capture.pcapng";

/** Builds the plan of a run. Throws an InputError for whatever in the input is wrong. */
export function prepare(sources: Sources, overrides: Overrides): PreparedScenario {
  const { scenario, document, manifests } = sources;
  const { links } = scenario.spec;
  const durationNs = overrides.durationNs ?? scenario.spec.duration;
  checkSysctls(scenario.spec.cluster, document);
  const objects = parseObjects(manifests);
  const settled = settleRanges(scenario.spec.cluster, objects, document);
  const ranges = { ...settled, proxyMode: overrides.proxyMode ?? settled.proxyMode };
  checkRanges(ranges, document);
  // Requests of their own meet the cluster as it is.
  let lives = NO_EVENTS;
  const nodeCount = overrides.nodes ?? ranges.nodes ?? 3;
  const { cluster: settledCluster, editions } = settleLiving(objects, { ...ranges, nodes: nodeCount }, (ground) => {
    if (!overrides.requests) lives = planPods(sources, ground, { ...ranges.containers, ...ranges }, durationNs);
    return { later: lives.later.map(({ pod }) => pod), states: lives.states };
  });
  const later = lives.later.map(({ pod }) => pod);
  const cluster = clusterBefore(settledCluster, later);
  const everything = everythingOf(settledCluster, editions);
  // Lines may call what comes, and come from it.
  const first = new Set(lives.later.filter(({ like }) => like === undefined).map(({ pod }) => pod));
  const known = { ...everything, pods: [...cluster.pods, ...first] };
  const warnings = [
    ...manifests.flatMap(({ remarks }) => remarks),
    ...(cluster.remarks ?? []),
    ...cluster.pending.map(({ pod, reason }) => `pod ${pod} runs on no node: ${reason}`),
    ...unservedPorts(cluster),
    ...notRelayed(cluster),
    ...cluster.networkPolicies.flatMap((policy) => unusedBlocks(policy, cluster.families)),
    ...lives.remarks,
    ...(editions.at(-1)?.cluster.remarks ?? []).filter((remark) => !(cluster.remarks ?? []).includes(remark)),
  ];
  const lines = overrides.requests
    ? requestLines(overrides.requests, cluster, ranges, durationNs)
    : document && scenario.spec.traffic
      ? scenarioLines(scenario, ranges, document, known, durationNs)
      : defaultLines(cluster, ranges.nodeCIDR, durationNs, warnings);
  const named = lines.map(({ name }) => name);
  const graph: ServiceGraph =
    overrides.requests || !document
      ? { names: [], lines: [], flows: [], routes: [] }
      : serviceGraph(scenario, ranges, document, known, durationNs, named);
  const names = [...named, ...graph.names];
  const everyLine = [...lines, ...graph.lines];
  const captures = chooseCaptures(scenario, document, overrides);
  const own = { ...ranges, processor: ranges.cpu, cardMtu: links.nodes.mtu };
  const nodes = cluster.nodes.map((node) => nodeMachine(cluster, node, own, later, everything));
  addOwnRules(scenario, document, cluster, nodes);
  warnings.push(...fullSets(nodes));
  const zone = dnsRecords(cluster);
  const called = outsideNames(everyLine, editions.length === 0 ? zone : dnsRecords(known));
  const given = new Map([...ingressNames(known, called), ...hostsOf(scenario, document, ranges.six !== undefined)]);
  const addresses = addressesOf(called, given, ranges.six !== undefined);
  const { interval: intervalNs, timeout: timeoutNs, ...thresholds } = ranges.loadBalancer;
  const healthChecks = { intervalNs, timeoutNs, ...thresholds };
  const outside = { ...ranges, healthChecks, hosts: outsideHosts(everyLine, cluster, ranges, addresses) };
  const machines = [...nodes, ...outsideMachines(cluster, outside)];
  setLinks(links, document, machines);
  const context = {
    cluster: settledCluster,
    later,
    editions,
    machines,
    durationNs,
    minSyncPeriodNs: ranges.kubeProxy.minSyncPeriod,
    restoreCosts: ranges.cpu?.costs,
    conntrackCleanup: ranges.kubeProxy.conntrackCleanup,
    nodesAt: (state: Cluster) => {
      const then = cluster.nodes.map((node) => nodeMachine(state, node, ranges));
      addOwnRules(scenario, document, state, then);
      return then.map(({ namespaces: [root], listeners }) => ({
        rules: root?.rules,
        ipv6Rules: root?.ipv6Rules,
        nft: root?.nft,
        ipv6Nft: root?.ipv6Nft,
        ipvs: root?.ipvs,
        listeners,
      }));
    },
    servedBy: (state: Cluster, node: Node) => nodeDatagrams(state, node, ranges),
  };
  const none = { changes: [], events: [] };
  const { changes, events } = overrides.requests ? none : prepareTimeline(scenario, document, lives, context);
  return {
    name: scenario.metadata.name,
    cluster,
    events,
    expectations: overrides.requests ? [] : parseExpectations(scenario, document, names),
    reaches: overrides.requests ? [] : parseReaches(scenario, ranges.nodeCIDR, document, cluster),
    matrix: () => clusterMatrix(cluster, ranges.nodeCIDR),
    devices: captures.flatMap(({ devices }) => devices),
    warnings,
    plan: {
      seed: overrides.seed ?? scenario.spec.seed,
      durationNs,
      machines,
      changes,
      events: events.map(({ atNs, untilNs }) => ({ atNs, untilNs })),
      segments: [
        { name: NODES_SEGMENT, latencyNs: links.nodes.latency, rate: links.nodes.rate },
        { name: INTERNET_SEGMENT, latencyNs: links.internet.latency, rate: links.internet.rate },
      ],
      lines: names,
      flows: livingFlows([...lines.flatMap(flowsOf), ...graph.flows], lives),
      routes: livingRoutes(graph.routes, lives),
      zone,
      outside: outsideRecords(addresses),
      captures: captures.map(({ config }) => config),
      names: addressNames(everything, ranges),
    },
  };
}

/** The names that the scenario gives addresses outside: one, or one of each family. Throws an InputError for what is no name or no address. */
function hostsOf({ spec }: Scenario, document: Document | undefined, six: boolean): Map<string, string[]> {
  return new Map(
    Object.entries(spec.hosts).map(([name, text]) => {
      const fail = (message: string): void => document?.fail(["spec", "hosts", name], message);
      if (!isHostName(name)) fail(`${name} is not a DNS name`);
      const addresses = text.split(",");
      for (const address of addresses) {
        if (isIP(address) === 0) fail(`${address} is not an IP address`);
        if (isIP(address) === 6 && !six) fail(`${address} is of IPv6, which the cluster has not; write ipFamily: dual`);
      }
      return [name.toLowerCase().replace(/\.$/, ""), addresses.map(addressForm)];
    }),
  );
}

interface ChosenCapture {
  config: CaptureConfig;
  devices: ChosenDevices[];
}

function chooseCaptures(scenario: Scenario, document: Document | undefined, overrides: Overrides): ChosenCapture[] {
  const { filter, comments, captureDrops } = overrides;
  const listed = joinCaptures(listCaptures(scenario, document, overrides), overrides);
  for (const { config } of listed) if (comments) config.comments = true;
  const drops: CaptureConfig = { devices: ["*"], path: captureDrops ?? "", format: "drops" };
  const chosen = captureDrops === undefined ? listed : [...listed, { config: drops, devices: [] }];
  if (filter !== undefined) {
    checkFilter(filter, { field: "--filter" });
    for (const { config } of chosen) config.filter = filter;
  }
  return chosen;
}

/** With `write` one capture of what all others capture. */
function joinCaptures(chosen: ChosenCapture[], { write, filter }: Overrides): ChosenCapture[] {
  if (write === undefined) return chosen;
  const devices = chosen.flatMap((capture) => capture.devices);
  const config = { devices: devices.map(({ glob }) => glob), path: write, format: "pcapng", filter } as const;
  return devices.length === 0 ? [] : [{ config: { ...config, devices: [...config.devices] }, devices }];
}

function checkFilter(filter: string, place: Place): void {
  try {
    compileFilter(filter);
  } catch (error) {
    throw error instanceof FilterError ? new InputError(place, error.message) : error;
  }
}

function listCaptures(scenario: Scenario, document: Document | undefined, overrides: Overrides): ChosenCapture[] {
  const { capture, outDir, pcap = false } = overrides;
  if (capture)
    return capture.length === 0
      ? []
      : [
          choose(
            capture.map((glob) => ({ glob, place: { field: "--capture" } })),
            CAPTURE_FILE,
            outDir,
            pcap,
          ),
        ];
  if (!document)
    return [
      choose(
        DEFAULT_DEVICES.map((glob) => ({ glob, place: {} })),
        CAPTURE_FILE,
        outDir,
        pcap,
      ),
    ];
  const files = new Set<string>();
  return (scenario.spec.capture ?? []).map(({ devices, file, filter }, i) => {
    const path = ["spec", "capture", i];
    const name = normalize(file);
    if (isAbsolute(name) || name.startsWith(".."))
      document.fail([...path, "file"], "should be a path inside the output folder, such as run.pcapng");
    if (files.has(name)) document.fail([...path, "file"], `${file} is the file of another capture already`);
    files.add(name);
    const chosen = devices.map((glob, j) => ({ glob, place: document.place([...path, "devices", j]) }));
    if (filter !== undefined) checkFilter(filter, document.place([...path, "filter"]));
    return choose(chosen, name, outDir, pcap, filter);
  });
}

function choose(devices: ChosenDevices[], file: string, outDir: string, pcap: boolean, filter?: string): ChosenCapture {
  const path = join(outDir, pcap ? file.replace(/\.pcapng$/, "") : file);
  return {
    config: { devices: devices.map(({ glob }) => glob), path, format: pcap ? "pcap" : "pcapng", filter },
    devices,
  };
}

/** Throws an InputError for the first glob that chooses none of the devices. */
export function checkDevices(devices: readonly ChosenDevices[], chooses: (glob: string) => boolean): void {
  const idle = devices.find(({ glob }) => !chooses(glob));
  if (idle)
    throw new InputError(
      idle.place,
      `${idle.glob} is no device's name; they are like node-1/vbr0 or default/frontend-0/eth0`,
    );
}

/** What kube-proxy's sets in ipvs mode do not hold, each sentence once. */
function fullSets(nodes: readonly Machine[]): string[] {
  const full = nodes.flatMap(({ namespaces }) => namespaces.flatMap(({ ipvs }) => ipvs?.full ?? []));
  return [...new Set(full.map(fullSetSentence))];
}
