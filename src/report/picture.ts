// What the HTML page of a run shows, as data: the cluster as machines and places, traffic line by line, charts, drops, rules, walks.
//
// Everything is what the engine counted or noted. Nothing depends on the machine that ran it, so equal runs give equal bytes.
import type { NamespaceConfig } from "../seam/machine.ts";
import type { LineResult, RuleHits, Series } from "../seam/plan.ts";

/** A namespace that is not a machine's own: a pod, or a host outside. */
export interface PicturePlace {
  name: string;
  address: string;
  /** Frames that it sent, and that were sent to it over its wire. */
  sent: number;
  received: number;
  /** Whether an ingress controller listens there. */
  proxy?: true;
}

export interface PictureMachine {
  name: string;
  role: NamespaceConfig["role"];
  address: string;
  /** Frames that its network cards sent. */
  sent: number;
  places: PicturePlace[];
}

/** A line of traffic. */
export interface PictureLine extends Pick<
  LineResult,
  "name" | "sent" | "delivered" | "refused" | "timedOut" | "unresolved" | "open" | "drops"
> {
  protocol: string;
  /** Namespaces that send, at most SOURCES of them, and how many there are. */
  sources: string[];
  sourceCount: number;
  p50: number | null;
  p99: number | null;
  max: number | null;
  /** What was offered and delivered a second, the quantiles, and how often answers said an error, as text. */
  remarks: string[];
  /** How many answers took how long, at most: coarser than the engine counts, ten steps a decade. */
  latencies: [upTo: number, count: number][];
  /** The rule that denied first, if one did. */
  denied: { namespace: string; rule: string } | null;
  /** Who answered, most first, at most BACKENDS, and how many there are. */
  backends: [name: string, count: number][];
  backendCount: number;
  /** Running totals at the moments of `atNs`; only for the lines with most requests. */
  series: Series["lines"][number] | null;
  /** What became of one request of this line, if it was followed. */
  walk: PictureWalk | null;
}

export type StepKind =
  "receive" | "transmit" | "bridge" | "hook" | "rule" | "conntrack" | "nat" | "route" | "neighbour" | "end" | "other";

/** A step of a walk, as `podwire trace` tells it. */
export interface PictureStep {
  /** Index into the walk's `places`. */
  at: number;
  kind: StepKind;
  /** 0: a step of its own; 1: what happens within a hook. */
  depth: 0 | 1;
  text: string;
}

export interface PictureWalk {
  /** `answered by shop/cart-1 after 201 us`. */
  outcome: string;
  delivered: boolean;
  /** The packet of the request, and the first of the answer. */
  packets: { title: string; end: string; delivered: boolean; places: string[]; steps: PictureStep[] }[];
}

export interface Picture {
  podwire: string;
  scenario: string;
  seed: number;
  durationNs: number;
  endNs: number;
  interrupted: boolean;
  cluster: { nodes: number; pods: number; services: number };
  frames: number;
  machines: PictureMachine[];
  lines: PictureLine[];
  /** Lines that are left out, as there are so many. */
  otherLines: number;
  atNs: number[];
  /** All lines together. */
  total: Series["lines"][number];
  drops: { namespace: string; reason: string; count: number }[];
  otherDrops: number;
  /** How busy the cores of each node were, 0 to 1, the busiest nodes first; absent if their work takes no time. */
  processors?: { node: string; utilisation: number; cores: number[]; dropped: number; longestBacklog: number }[];
  otherProcessors?: number;
  rules: RuleHits[];
  /** Rules that no packet matched, and hit ones that are left out. */
  idleRules: number;
  otherRules: number;
  expectations: { text: string; holds: boolean }[];
  /** What happened by the timeline: a sentence, and one for each line of which requests failed. */
  events: string[][];
  warnings: string[];
}
