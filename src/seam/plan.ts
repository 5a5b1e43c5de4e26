// What the engine is asked to run and what it hands back: machines, the segments between them, flows, captures; results.
import type { Change } from "./change.ts";
import type { Machine } from "./machine.ts";

/** An Ethernet segment between machines: an ideal switch with the same latency between any two ports. */
export interface SegmentConfig {
  name: string;
  /** One-way latency in nanoseconds; at least 1,000. The least of all segments, and of wires with links of their own, is the engine's look-ahead. */
  latencyNs: number;
  /** Bits per second of each port. */
  rate: number;
}

/** `query`: one DNS question to the target. `dns`: asks the resolver of the target for its first name; any answer will do. `connect`: TCP that is closed once it is open. */
export type FlowProtocol = "tcp" | "udp" | "http" | "icmp" | "stream" | "dns" | "connect" | "query";

/** Where a flow's requests go. With `names` each request first asks the resolver for the names in order until one has an address. */
export type FlowTarget =
  { address: string; port: number } | { names: string[]; resolver: string; port: number; options?: ResolverOptions };

/** What a client's resolv.conf says besides its first nameserver; resolv.conf(5) has the words. */
export interface ResolverOptions {
  /** Nameservers after the first; at most two. */
  others?: string[];
  /** Default 5 s. */
  timeoutNs?: number;
  /** Default 2. */
  attempts?: number;
  /** Asks over TCP. */
  useVc?: boolean;
  /** Asks for AAAA only when A is answered. */
  singleRequest?: boolean;
  /** And from another socket. */
  singleRequestReopen?: boolean;
  edns0?: boolean;
  /** The program asks for addresses of this family alone. Default: of both, and calls the one that RFC 6724 puts first. */
  family?: "ipv4" | "ipv6";
}

/**
 * A number drawn anew each time, never below `least` or above `most`: `a` itself; from `a` to `b`; exponential of mean `a`; lognormal of
 * median `a` and the logarithm's standard deviation `b`; Pareto from `a` on with shape `b`.
 */
export interface Distribution {
  kind: "constant" | "uniform" | "exponential" | "lognormal" | "pareto";
  a: number;
  b: number;
  least: number;
  most: number;
}

/** A request of a trace; bytes that it does not say are as the flow says. */
export interface Moment {
  atNs: number;
  requestBytes?: number | undefined;
  responseBytes?: number | undefined;
}

/**
 * When requests come: evenly, at random, either of them in `on` times with `off` times between (nanoseconds), at given moments, each
 * of `clients` one after the other (a closed loop), or when a service needs them.
 */
export type FlowArrival =
  | "constant"
  | "poisson"
  | { kind: "onOff"; on: Distribution; off: Distribution; gaps: "constant" | "poisson" }
  | { kind: "trace"; moments: Moment[] }
  | { kind: "closed"; clients: number; think?: Distribution | undefined }
  | { kind: "called"; call: number };

/** A call that a service makes, by the number of its namespace's flow that is `called` so, or work that takes time; `chance` up to 1. */
export type ServiceCall = { call: number; times: number; chance: number } | { work: Distribution; chance: number };

/** What the services of a namespace call before they answer an HTTP request: of several of one namespace the first that fits counts. */
export interface ServiceRoute {
  namespace: string;
  /** With which the path begins. */
  path: string;
  port?: number | undefined;
  /** One after the other; the calls of a stage are made at once. */
  stages: ServiceCall[][];
}

/** On what a request is tried again, in Envoy's words. */
export type RetryCondition = "connect-failure" | "reset" | "gateway-error" | "5xx";

/** How often a request is made anew after one that failed, in Envoy's way: before the n-th retry it waits at random, less than 2^(n-1) x backoffNs. */
export interface Retries {
  attempts: number;
  on: RetryCondition[];
  perTryTimeoutNs?: number | undefined;
  backoffNs: number;
  maxBackoffNs: number;
}

/** One client and one target: the unit of load. A traffic line of a scenario becomes one flow per client pod and target. */
export interface FlowConfig {
  /** Index into `Plan.lines`. */
  line: number;
  namespace: string;
  protocol: FlowProtocol;
  target: FlowTarget;
  /** Requests per second; of a trace or a closed loop about so many, which only says how much work there will be. */
  rate: number;
  arrival: FlowArrival;
  /** The first request comes at `startNs` (constant) or after a first random gap from it (poisson). */
  startNs: number;
  stopNs: number;
  requestBytes: number;
  /** In place of requestBytes: bytes of each request. */
  requestSizes?: Distribution | undefined;
  /** For tcp and http: bytes that the answer to each request should have; else a service answers as it likes. */
  responseSizes?: Distribution | undefined;
  /** For tcp and http: connections stay open for further requests. */
  keepAlive?: boolean | undefined;
  /** For tcp and http: so many connections at most, for which requests wait in line. */
  connections?: number | undefined;
  retries?: Retries | undefined;
  /** A request not answered by then counts as timed out. */
  timeoutNs: number;
  /** For query. */
  question?: { name: string; type: number } | undefined;
  /** For http: the Host header and the path. */
  host?: string;
  path?: string;
  /** For stream: datagrams that arrive at a meter count as delivered; they come from these ports in turn. */
  ports?: { first: number; count: number };
  /** For stream, in place of ports: datagrams from a socket, which are metered where they arrive, or sent back and metered then. */
  stream?: "one-way" | "echoed" | undefined;
  /** For stream: the first datagram from each port asks the meter for an answer. */
  greets?: boolean;
}

export interface DnsRecord {
  /** Lower case, without the final dot: `frontend.default.svc.cluster.local`. */
  name: string;
  /**
   * NAME: the name exists, whether it has records or not. PODS: so it does, and a name right below it that is an address with
   * dashes has that address (CoreDNS' `pods insecure`).
   */
  type: "A" | "AAAA" | "SRV" | "PTR" | "CNAME" | "NS" | "NAME" | "PODS";
  ttl: number;
  /** A, AAAA: address. PTR, CNAME, NS: name. SRV: `priority weight port target`. NAME, PODS: empty. */
  value: string;
}

/** The path of a capture that goes to standard output. */
export const STANDARD_OUTPUT = "-";

export interface CaptureConfig {
  /** Interface names with globs, matched against `<namespace>/<device>`: `node-*\/vbr0`, `*\/eth0`. */
  devices: string[];
  /** pcapng, drops: the file, or `-` for standard output. pcap: the folder of one file per interface. */
  path: string;
  /** drops: pcapng of the dropped frames of the chosen devices, wherever they died, each with why. */
  format: "pcapng" | "pcap" | "drops";
  /** pcapng: comments say whose a packet is, which rule decided where it goes, and with the last sighting why it was dropped. */
  comments?: boolean | undefined;
  /** In the words of tcpdump, checked: only such frames are kept. */
  filter?: string | undefined;
}

export interface Plan {
  seed: number;
  durationNs: number;
  machines: Machine[];
  segments: SegmentConfig[];
  /** The names of the traffic lines, in the order of the report. */
  lines: string[];
  flows: FlowConfig[];
  /** Default: no service calls another. */
  routes?: ServiceRoute[];
  /** What the cluster's DNS server knows. */
  zone: DnsRecord[];
  /** What the resolver outside knows of the rest of the world. */
  outside?: DnsRecord[];
  captures: CaptureConfig[];
  /** What happens while it runs, in order of time; default: nothing. */
  changes?: Change[];
  /** By which failed requests are counted, in order of time: `untilNs` is when all that comes of one has come. Default: none. */
  events?: { atNs: number; untilNs: number }[];
  /** Address to name, for the name resolution block of captures; for comments also what has it: `pod shop/web-0`. */
  names: { address: string; name: string; owner?: string }[];
}

/** Virtual time in nanoseconds. Quantiles are exact to 1 part in 64 (the upper edge of the bucket). */
export interface Latency {
  p50: number;
  p99: number;
  max: number;
}

/** A rule that denied a packet. */
export interface Denial {
  namespace: string;
  table: string;
  chain: string;
  /** As iptables-save prints it; `-P CHAIN DROP` for a policy. */
  rule: string;
}

/** Quantiles between those of Latency, and the mean. */
export interface Percentiles extends Latency {
  mean: number;
  p75: number;
  p90: number;
  p95: number;
  p999: number;
  p9999: number;
}

/** sent = delivered + refused + timedOut + unresolved + open, and for a stream + lost. */
export interface LineResult {
  name: string;
  /** Requests whose moment came: what was offered. */
  sent: number;
  /** Those of them that began: the others waited for a connection until their time was over, or still do. */
  begun: number;
  /** Times that a request was tried again. */
  retries: number;
  /** Requests answered in full. */
  delivered: number;
  /** Answered by a TCP reset or an ICMP error. */
  refused: number;
  timedOut: number;
  /** The name had no address. */
  unresolved: number;
  /** Still waiting when the run ended. */
  open: number;
  /** Of a stream only. */
  stream?: StreamResult | undefined;
  /** Of the delivered, by status: HTTP's, or the code of a DNS answer. */
  statuses: Record<string, number>;
  latency: Percentiles | null;
  /** How many answers took how long: buckets that are not empty, each with its upper edge in nanoseconds. */
  latencies: [upTo: number, count: number][];
  /** Frames of this line dropped anywhere, by reason (SKB_DROP_REASON_* without the prefix). */
  drops: Record<string, number>;
  /** The rule that denied a frame of this line first, if one did. */
  denied: Denial | null;
  /** Requests answered, by the namespace that answered. */
  backends: Record<string, number>;
}

/** What became of the datagrams of a stream. */
export interface StreamResult {
  /** Sent and never seen again, but for those that were refused; also what was under way when the run ended. */
  lost: number;
  /** Of the delivered: came after one that was sent later. */
  reordered: number;
  /** Came again, and are not among the delivered. */
  duplicates: number;
  /** RFC 3550's interarrival jitter, in nanoseconds: the mean of the line's streams at the end, and the most that one ever had. */
  jitter: { mean: number; max: number };
}

/** Requests that failed, by how they did. */
export interface Failures {
  /** A reset or an ICMP error answered the first packet, or there was no way to send one. */
  refused: number;
  /** The connection was reset once it was open. */
  reset: number;
  /** The server closed the connection before the answer was whole. */
  closed: number;
  /** Their time was over, and the connection was not open yet. */
  unconnected: number;
  /** Their time was over otherwise. */
  unanswered: number;
  /** The name had no address. */
  unresolved: number;
}

export interface CaptureResult {
  path: string;
  packets: number;
  bytes: number;
}

/** What the processor of a machine did. */
export interface ProcessorResult {
  machine: string;
  cores: {
    /** Nanoseconds of virtual time in which it worked. */
    busyNs: number;
    /** Frames that it took up. */
    frames: number;
    /** Frames that found its backlog full. */
    dropped: number;
    /** The most that waited at once. */
    longestBacklog: number;
  }[];
}

/** What a load balancer did: the connections that each server was handed, and the servers that came and went. */
export interface BalancerResult {
  virtualServers: {
    name: string;
    address: string;
    protocol: "tcp" | "udp";
    port: number;
    servers: { address: string; healthy: boolean; connections: number }[];
  }[];
  /** In the order of time; the first of each server is what was found at the beginning. */
  changes: {
    atNs: number;
    address: string;
    /** Of the health check. */
    port: number;
    healthy: boolean;
    /** The HTTP status, `refused`, `timed out` or `no HTTP`. */
    result: string;
  }[];
}

/** Running totals. */
export interface Series {
  atNs: number[];
  /** By the lines of the plan. */
  lines: { sent: number[]; delivered: number[]; failed: number[] }[];
}

/** A rule as it was hit in all namespaces together. */
export interface RuleHits {
  /** Of rules of ip6tables. */
  family?: "ipv6";
  table: string;
  chain: string;
  /** As iptables-save prints it, without its chain. */
  text: string;
  packets: number;
  bytes: number;
  /** How many namespaces have hit it. */
  namespaces: number;
}

/** The rules of all namespaces, each once. */
export interface RuleHeat {
  /** Those that packets matched, the hottest first. */
  hit: RuleHits[];
  /** How many others there are. */
  idle: number;
}

export interface RunResult {
  lines: LineResult[];
  balancers: BalancerResult[];
  /** Of the machines whose work takes time, in the order of the plan. */
  processors: ProcessorResult[];
  /** All drops of the run by namespace and reason, also of frames that belong to no line. */
  drops: Record<string, Record<string, number>>;
  captures: CaptureResult[];
  /** Listeners that the kernel refused, such as a second one on the same port. */
  listenErrors: { namespace: string; process: string; protocol: "tcp" | "udp"; port: number; error: string }[];
  /** By place in the plan's changes: connections that each removed from a table, or found at servers that end. */
  countedConnections: number[];
  /** By event of the plan and by line: the requests that failed because of it, see docs/report.md. */
  failures: Failures[][];
  /** Frames that devices sent. */
  frames: number;
  /** The same device by device, `<namespace>/<device>`; those that sent none are left out. */
  sentBy: Record<string, number>;
  /** What had come of the requests at equal steps of virtual time, the last of which is the end. */
  series: Series;
  /** Virtual time reached. */
  endNs: number;
  interrupted: boolean;
  /**
   * By namespace: iptables-save -c text at the end, printed anew whenever it is read. Only for namespaces that have rules.
   * Those of a large cluster together are larger than the memory: read one after the other.
   */
  rules: Record<string, string>;
  /** The same of ip6tables-save -c. */
  ipv6Rules: Record<string, string>;
  /** By namespace: its tables of nftables as nft lists them, where it has any: that of IPv4 first. */
  nftTables: Record<string, string>;
  /** The same rules by heat, worked out anew whenever it is read. */
  heat: RuleHeat;
}

export interface RunOptions {
  workers: number;
  /**
   * Seconds of virtual time in a second on the clock, at most; captures are then written as they come. Undefined or Infinity: as
   * fast as can be.
   */
  pace?: number | undefined;
  /** Called from time to time with the virtual time reached. */
  onProgress?: (progress: { nowNs: number }) => void;
  signal?: AbortSignal;
  /** The moment of virtual time from which the run is timed. Default: its beginning. */
  timedFromNs?: number;
  /** Whether frames may take the way that the last one like them took; nothing in the results depends on it. Default: yes. */
  flowCache?: boolean;
  /** Whether packets find their rules with an index or ask one after the other; nothing in the results depends on it. Default: index. */
  matcher?: "index" | "linear";
}
