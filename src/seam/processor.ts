// The processor of a machine whose work takes virtual time: cores, the room for what waits, and what each kind of work costs.

/** Nanoseconds; fractions count down to 1/4096. */
export interface ProcessorCosts {
  /** A device takes a frame: a card, the end of a veth pair, a tunnel, loopback. With it the bridging or routing that follows. */
  hop: number;
  /** A socket sends a packet, or takes one. */
  socket: number;
  /** A table is asked at a hook. */
  table: number;
  /** A rule that Linux holds against a packet. */
  rule: number;
  /** A packet's connection is looked for. */
  conntrackLookup: number;
  /** A new connection is put into the table. */
  conntrackInsert: number;
  /** Addresses or ports of a packet are translated. */
  nat: number;
  /** A byte of a frame that a socket sends or takes: it is copied. */
  byte: number;
}

/** What iptables-restore costs, in nanoseconds: kube-proxy's rules are in place so much later. */
export interface RestoreCosts {
  /** Once. */
  restore: number;
  /** A rule that the tables have. */
  restoreRule: number;
  /** A rule that it reads. */
  restoreLine: number;
}

export interface ProcessorConfig {
  cores: number;
  /** Frames that may wait for each core (net.core.netdev_max_backlog). */
  backlog: number;
  costs: ProcessorCosts;
}

/** What they were on one Linux; docs/saturation.md says how each was measured. */
export const LINUX_COSTS: ProcessorCosts = {
  hop: 565,
  socket: 1500,
  table: 100,
  rule: 5,
  conntrackLookup: 360,
  conntrackInsert: 840,
  nat: 150,
  byte: 0.13,
};

/** Those of iptables-legacy-restore there, from the times of full and partial syncs with 10, 1,000 and 10,000 Services. */
export const LINUX_RESTORE_COSTS: RestoreCosts = { restore: 3_300_000, restoreRule: 9200, restoreLine: 7900 };
