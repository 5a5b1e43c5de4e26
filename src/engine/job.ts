// What the main thread hands to every worker, and what a worker hands back.
import type { CommentNames } from "../pcap/comments.ts";
import type {
  BalancerResult,
  CaptureConfig,
  Failures,
  FlowConfig,
  Plan,
  ProcessorResult,
  ServiceRoute,
} from "../seam/plan.ts";
import type { Machine } from "../seam/machine.ts";
import type { RuleCounters } from "../kernel/counters.ts";
import type { LineCounters } from "../kernel/kernel.ts";
import type { PlacedChange } from "./changes.ts";
import type { NumberedSet } from "./sets.ts";

export interface PlacedNamespace {
  /** Its number in the run. */
  id: number;
  /** Where its compiled rules lie; 0: it has none. */
  rules: number;
  /** The same of those for IPv6. */
  rules6: number;
  sets: NumberedSet[];
}

/** A machine with the numbers that it has in the whole run. */
export interface PlacedMachine {
  id: number;
  worker: number;
  machine: Machine;
  /** Of each namespace, in order. */
  namespaces: PlacedNamespace[];
  /** The list of its common routes, and the place there of the one that it does not have. */
  commonRoutes?: { list: number; except: number } | undefined;
  /** Of each wire end, in order: its port number on its segment. */
  ports: number[];
}

export interface PlacedFlow {
  id: number;
  machine: number;
  flow: FlowConfig;
}

/** A capture file that the main thread has opened, with its head written. */
export interface OpenCapture {
  fd: number;
  format: CaptureConfig["format"];
  /** `<namespace>/<device>` in the order of the interface numbers. */
  devices: string[];
  filter?: string | undefined;
  comments?: boolean | undefined;
}

export interface Job {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  control: SharedArrayBuffer;
  workers: number;
  cores: number;
  seed: number;
  durationNs: number;
  pace?: number | undefined;
  lookAheadNs: number;
  /** The moment of virtual time from which the run is timed. */
  timedFromNs: number;
  flowCache: boolean;
  matcher: "index" | "linear";
  lines: string[];
  namespaceCount: number;
  machines: PlacedMachine[];
  flows: PlacedFlow[];
  routes: ServiceRoute[];
  /** In order of time. */
  changes: PlacedChange[];
  events: NonNullable<Plan["events"]>;
  /** Handles of the segments by name, and their numbers of ports. */
  segments: Record<string, { handle: number; ports: number }>;
  /** Handles of the blocks that DNS servers answer from. */
  zones: Record<"zone" | "outside", number>;
  captures: OpenCapture[];
  /** Handles of the kernel's records of those files. */
  captureRecords: number[];
  /** What notes about packets speak of; undefined if no capture has any. */
  comments?: CommentNames | undefined;
}

export interface NamespaceResult {
  name: string;
  drops: Uint32Array;
  /** Empty without rules. */
  counters: RuleCounters;
  /** Of the rules for IPv6. */
  counters6: RuleCounters;
  /** By device. */
  frames: Map<string, number>;
}

export interface WorkerResult {
  endNs: number;
  /** Wall time from `timedFromNs` to the end, in milliseconds. */
  wallMs: number;
  interrupted: boolean;
  lines: LineCounters[];
  namespaces: NamespaceResult[];
  balancers: BalancerResult[];
  processors: ProcessorResult[];
  /** Moments, and for each of them three totals of every line: sent, delivered, failed. */
  series: { atNs: number[]; totals: Uint32Array[] };
  /** Connections that changes of its machines removed or found, by place in the plan's list. */
  counted: { change: number; connections: number }[];
  /** By event and line. */
  failures: Failures[][];
  listenErrors: { namespace: string; process: string; protocol: "tcp" | "udp"; port: number; error: string }[];
  /** By capture file; only worker 0 writes them. */
  captures: { packets: number; bytes: number }[];
}
