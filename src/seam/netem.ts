// What the link of a device does to the frames that the device sends, in the words of tc-netem(8): types only.

/** A chance for each frame. `correlation`, from 0 to 1: by how much a random number resembles the one before it. */
export interface Chance {
  probability: number;
  correlation?: number;
}

/** How jitter is spread; those with a table have it from iproute2. */
export const DISTRIBUTIONS = ["uniform", "normal", "pareto", "paretonormal"] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

/**
 * Losses in bursts, by the model of Gilbert and Elliott: a frame takes the link from its good state to its bad one with probability
 * `p`, and back with `r`; it is lost in the bad state with probability `1 - h`, in the good one with `1 - k`.
 */
export interface GilbertElliott {
  p: number;
  r: number;
  lostInBad: number;
  lostInGood: number;
}

export interface NetemConfig {
  /** One way, in nanoseconds. */
  latencyNs: number;
  /** Nanoseconds: the half width of a uniform distribution, the standard deviation of another. At most 2^31 - 1. */
  jitter?: { ns: number; correlation?: number; distribution?: Distribution };
  /** Bits per second. Absent: any. */
  rate?: number;
  /** The most frames or bytes that are on the link, waiting or on their way. Absent: 1000 full frames that wait for the rate. */
  limit?: { packets: number } | { bytes: number };
  loss?: Chance | GilbertElliott;
  /** Frames that also arrive a second time; with `delayNs` so much after the frame, whatever the link does to others. */
  duplicate?: Chance & { delayNs?: number };
  /** Frames of which one bit is turned over. */
  corrupt?: Chance;
  /** Of every `gap` frames the last may go past all that wait. */
  reorder?: Chance & { gap: number };
}
