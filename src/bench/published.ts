// Figures of others, drawn beside what was measured here.
import type { Series } from "./plot.ts";

/** Where they are from. */
export const PUBLISHED_SOURCE =
  "Dotted lines: kube-proxy on a real cluster, read off the charts of the Kubernetes blog of 28 February 2025 (NFTables mode for kube-proxy), ± 4 µs.";

/** Time of the first packet of a connection by number of Services, in nanoseconds. */
export const PUBLISHED_FIRST_PACKET: readonly Series[] = [
  { name: "kube-proxy iptables, p50", dashed: true, points: [[5000, 49e3], [10_000, 63e3], [30_000, 274e3]] }, // prettier-ignore
  { name: "kube-proxy iptables, p99", dashed: true, points: [[5000, 154e3], [10_000, 259e3], [30_000, 716e3]] }, // prettier-ignore
  // There in words: about equal to the first percentile of iptables.
  { name: "kube-proxy nftables, p50", dashed: true, points: [[5000, 16e3], [10_000, 12.5e3]] }, // prettier-ignore
];
