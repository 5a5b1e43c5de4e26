// What a scenario says once it is read and every name in it is resolved.
import type { Place } from "../errors.ts";
import type { Cluster } from "../kubernetes/objects.ts";
import type { Plan } from "../seam/plan.ts";

/** What the command line says over the scenario. */
export interface Overrides {
  nodes?: number;
  seed?: number;
  durationNs?: number;
  /** Device globs to capture besides, into `capture.pcapng` of the output folder. */
  capture?: string[];
  /** Classic pcap files, one for each interface, in `pcap/` of the output folder, in place of pcapng. */
  pcap?: boolean;
  /** The output folder; paths of captures are relative to it. */
  outDir: string;
}

export type Comparison = "==" | "!=" | ">=" | "<=" | ">" | "<";

/** One line of `expect`: a count of a traffic line, or its share of what was sent, compared with a number. */
export interface Expectation {
  traffic: string;
  /** `latency` fields are in nanoseconds. */
  field: "sent" | "delivered" | "refused" | "timedOut" | "unresolved" | "open" | "dropped" | "p50" | "p99" | "max";
  comparison: Comparison;
  value: number;
  /** The value is a percentage of `sent`. */
  percent: boolean;
  /** As written: `delivered >= 99.9%`. */
  text: string;
  place: Place;
}

export interface PreparedScenario {
  name: string;
  plan: Plan;
  cluster: Cluster;
  expectations: Expectation[];
  /** Sentences for the user about what was left out, such as SCTP ports without a server. */
  warnings: string[];
}
