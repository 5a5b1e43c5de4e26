// What becomes of pods while a cluster lives on: the states that their endpoints come into, and what their processes and networks do.
import type { Pod } from "../objects.ts";

/** `starting` and `unready` endpoints are not ready, a `terminating` one still serves; who is `gone` has none. */
export type PodState = "starting" | "ready" | "unready" | "terminating" | "gone";

/** A pod comes into a state. */
export interface Step {
  atNs: number;
  pod: Pod;
  state: PodState;
  /** The place of the timeline's entry that it comes of. */
  event: number;
}

/**
 * `appear`: the pod's network is there. `listen`: its servers listen. `stop`: they have SIGTERM, and close their listeners. `exit`: its
 * processes end, and the kernel closes their sockets. `vanish`: its network is gone, with all that was in it.
 */
export type DeedKind = "appear" | "listen" | "stop" | "exit" | "vanish";

export interface Deed {
  atNs: number;
  pod: Pod;
  kind: DeedKind;
  event: number;
}

/** A node loses its power: nothing of it is heard any more, and it hears nothing. */
export interface NodeOff {
  atNs: number;
  node: string;
  event: number;
}

/** The part of a cluster's life that a timeline leads to. */
export interface History {
  /** In order of time, each moment's in the order in which they came. */
  steps: Step[];
  deeds: Deed[];
  off: NodeOff[];
  /** Pods that were not there at the beginning, in the order of their coming. */
  later: {
    pod: Pod;
    /** A pod of the same workload that was; undefined for the first of one. */ like: Pod | undefined;
  }[];
  /** Sentences for the user about what did not come to pass. */
  remarks: string[];
}
