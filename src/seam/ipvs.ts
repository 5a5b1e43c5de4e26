// What the components tell a machine's ip_vs: virtual servers, the real servers behind each, and the device that has their addresses.

/** How a new connection is given to one of the real servers: those of Linux that the kernel here has. */
export const SCHEDULERS = ["rr", "wrr", "lc", "wlc", "sh", "dh", "sed", "nq", "mh", "fo", "ovf", "twos"] as const;
export type Scheduler = (typeof SCHEDULERS)[number];

/** What is said to who asks for another one. */
export const SCHEDULER_SENTENCE = `should be one of ${SCHEDULERS.join(", ")}; lblc and lblcr of ip_vs are not emulated`;

export interface RealServer {
  address: string;
  port: number;
  /** 0: no new connections. */
  weight: number;
}

export interface VirtualService {
  address: string;
  port: number;
  /** In lower case. */
  protocol: string;
  scheduler: Scheduler;
  /** For so long after its last connection a client keeps its real server; 0: it does not. */
  persistentSeconds: number;
  /** Forwarded by NAT (masquerading), in the order in which they are added. */
  destinations: RealServer[];
}

export interface IpvsConfig {
  /** A dummy device of the namespace. */
  device: string;
  /** Its addresses, each of its own (/32). */
  addresses: string[];
  services: VirtualService[];
  /** `ipset save` text of the sets that change with them, beside those of the namespace. */
  sets: string;
  /** Sets that there are more elements for than they hold: those beyond are left out. */
  full: FullSet[];
}

/** A set by its name, and how many elements there would be. */
export interface FullSet {
  set: string;
  elements: number;
}

/** What of it is other after a sync. */
export interface IpvsChange {
  addresses: { added: string[]; removed: string[] };
  /** Virtual servers that are new or others than they were, as they are from now on. */
  put: VirtualService[];
  removed: Pick<VirtualService, "address" | "port" | "protocol">[];
  /** `ipset save` text of the elements that come and of those that go, with the sets that they are in. */
  sets: { added: string; removed: string };
  /** Whether a real server leaves, and is deleted once its connections are over. */
  leaves: boolean;
}
