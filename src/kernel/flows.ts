// Flows in the kernel: a line of traffic between one client and one target, as records (FLOW_*).
import * as codes from "../../assembly/layout/codes.ts";
import * as R from "../../assembly/layout/records.ts";
import * as T from "../../assembly/layout/traffic.ts";
import * as Z from "../../assembly/layout/zone.ts";
import type { Distribution, FlowConfig, Moment, ResolverOptions, RetryCondition } from "../seam/plan.ts";
import type { Handle, Kernel } from "./kernel.ts";

const FLOW_PROTOCOLS = {
  tcp: codes.PROTOCOL_TCP,
  udp: codes.PROTOCOL_UDP,
  http: codes.PROTOCOL_HTTP,
  icmp: codes.PROTOCOL_ICMP,
  stream: codes.PROTOCOL_STREAM,
  dns: codes.PROTOCOL_DNS,
  connect: codes.PROTOCOL_CONNECT,
  query: codes.PROTOCOL_QUERY,
} as const;

const ARRIVALS = {
  constant: T.ARRIVAL_CONSTANT,
  poisson: T.ARRIVAL_POISSON,
  trace: T.ARRIVAL_TRACE,
  closed: T.ARRIVAL_CLOSED,
  called: T.ARRIVAL_CALLED,
} as const;

const DRAWN = {
  constant: T.DRAWN_CONSTANT,
  uniform: T.DRAWN_UNIFORM,
  exponential: T.DRAWN_EXPONENTIAL,
  lognormal: T.DRAWN_LOGNORMAL,
  pareto: T.DRAWN_PARETO,
} as const;

/** As in Envoy, who retries on a wider condition does so on the narrower ones too; a reset is whatever ends without an answer. */
const UNANSWERED = T.RETRY_RESET | T.RETRY_CONNECT_FAILURE;
const RETRY_CONDITIONS: Readonly<Record<RetryCondition, number>> = {
  "connect-failure": T.RETRY_CONNECT_FAILURE,
  reset: UNANSWERED,
  "gateway-error": UNANSWERED | T.RETRY_GATEWAY_ERROR,
  "5xx": UNANSWERED | T.RETRY_5XX,
};

/** Where in a request its variable parts are. */
export interface RequestPlaces {
  /** So many of its bytes every request has; the sizes that are drawn come on top. */
  fixed: number;
  /** Where the size drawn is written, and that of the answer; 0: nowhere. */
  sizeAt: number;
  answerAt: number;
}

/** A flow without a request, not started. `names` is a handle of what `place` put there; `id` is unique in the run. */
export function newFlow(kernel: Kernel, flow: FlowConfig, id: number, ns: Handle, names: Handle, seed: bigint): Handle {
  const at = kernel.calls.newFlow() >>> 0;
  const { target } = flow;
  const named = "names" in target;
  kernel.setWord(at + R.FLOW_LINE, flow.line + 1);
  kernel.setWord(at + R.FLOW_NAMESPACE, ns);
  kernel.setWord(at + R.FLOW_PROTOCOL, FLOW_PROTOCOLS[flow.protocol]);
  kernel.setWord(at + R.FLOW_ADDRESS, named ? 0 : kernel.addressNumber(target.address));
  kernel.setWord(at + R.FLOW_PORT, target.port);
  kernel.setWord(at + R.FLOW_NAMES, named ? names : 0);
  if (named) kernel.setWord(at + R.FLOW_RESOLVER, placeResolver(kernel, target.resolver, target.options ?? {}));
  kernel.setWord(at + R.FLOW_ID, id);
  const { ports } = flow;
  if (ports) {
    kernel.setWord(at + R.FLOW_PORT_FIRST, ports.first);
    kernel.setWord(at + R.FLOW_PORT_COUNT, ports.count);
    kernel.setWord(at + R.FLOW_GREETS, flow.greets === true ? ports.count : 0);
  }
  if (flow.stream) kernel.setWord(at + R.FLOW_STREAM, flow.stream === "one-way" ? R.STREAM_ONE_WAY : R.STREAM_ECHOED);
  setArrival(kernel, at, flow);
  kernel.setWord(at + R.FLOW_SIZES, placeDistribution(kernel, flow.requestSizes));
  kernel.setWord(at + R.FLOW_ANSWERS, placeDistribution(kernel, flow.responseSizes));
  kernel.setWord(at + R.FLOW_KEEPS, flow.keepAlive === true ? 1 : 0);
  kernel.setWord(at + R.FLOW_CONNECTIONS, flow.connections ?? 0);
  setRetries(kernel, at, flow.retries);
  kernel.setLong(at + R.FLOW_STOP, BigInt(flow.stopNs));
  kernel.setLong(at + R.FLOW_TIMEOUT, BigInt(flow.timeoutNs));
  kernel.setLong(at + R.FLOW_RANDOM, seed);
  return at;
}

/** What a flow sends: bytes behind their length at `request`, the first `fixed` of which every request has. */
export function setRequest(
  kernel: Kernel,
  flow: Handle,
  request: Handle,
  { fixed, sizeAt, answerAt }: RequestPlaces,
): void {
  kernel.setWord(flow + R.FLOW_REQUEST, request + 4);
  kernel.setWord(flow + R.FLOW_REQUEST_BYTES, fixed);
  kernel.setWord(flow + R.FLOW_SIZE_AT, sizeAt);
  kernel.setWord(flow + R.FLOW_ANSWER_AT, answerAt);
}

function setArrival(kernel: Kernel, at: Handle, { arrival, rate }: FlowConfig): void {
  const kind = typeof arrival === "string" ? arrival : arrival.kind === "onOff" ? arrival.gaps : arrival.kind;
  kernel.setWord(at + R.FLOW_ARRIVAL, ARRIVALS[kind]);
  kernel.setFloat(at + R.FLOW_INTERVAL, 1e9 / rate);
  if (typeof arrival === "string") return;
  if (arrival.kind === "onOff") {
    kernel.setWord(at + R.FLOW_ON, placeDistribution(kernel, arrival.on));
    kernel.setWord(at + R.FLOW_OFF, placeDistribution(kernel, arrival.off));
  } else if (arrival.kind === "trace") {
    kernel.setWord(at + R.FLOW_TRACE, placeMoments(kernel, arrival.moments));
    kernel.setWord(at + R.FLOW_MOMENTS, arrival.moments.length);
  } else if (arrival.kind === "closed") {
    kernel.setWord(at + R.FLOW_CLIENTS, arrival.clients);
    kernel.setWord(at + R.FLOW_THINK, placeDistribution(kernel, arrival.think));
  }
}

function setRetries(kernel: Kernel, at: Handle, retries: FlowConfig["retries"]): void {
  if (!retries) return;
  kernel.setWord(at + R.FLOW_RETRIES, retries.attempts);
  kernel.setWord(
    at + R.FLOW_RETRY_ON,
    retries.on.reduce((bits, condition) => bits | RETRY_CONDITIONS[condition], 0),
  );
  kernel.setLong(at + R.FLOW_TRY_TIMEOUT, BigInt(retries.perTryTimeoutNs ?? 0));
  kernel.setLong(at + R.FLOW_BACKOFF, BigInt(retries.backoffNs));
  kernel.setLong(at + R.FLOW_BACKOFF_MAX, BigInt(retries.maxBackoffNs));
}

/** DRAW_*; 0 without one. */
export function placeDistribution(kernel: Kernel, distribution: Distribution | undefined): Handle {
  if (!distribution) return 0;
  const { kind, a, b, least, most } = distribution;
  const at = kernel.calls.reserve(T.DRAW_SIZE) >>> 0;
  kernel.setWord(at + T.DRAW_KIND, DRAWN[kind]);
  kernel.setFloat(at + T.DRAW_A, a);
  kernel.setFloat(at + T.DRAW_B, b);
  kernel.setFloat(at + T.DRAW_LEAST, least);
  kernel.setFloat(at + T.DRAW_MOST, most);
  return at;
}

function placeMoments(kernel: Kernel, moments: readonly Moment[]): Handle {
  const bytes = new Uint8Array(moments.length * T.MOMENT_SIZE);
  const view = new DataView(bytes.buffer);
  moments.forEach(({ atNs, requestBytes = 0, responseBytes = 0 }, i) => {
    const at = i * T.MOMENT_SIZE;
    view.setFloat64(at + T.MOMENT_AT, atNs, true);
    view.setUint32(at + T.MOMENT_BYTES, requestBytes, true);
    view.setUint32(at + T.MOMENT_ANSWER_BYTES, responseBytes, true);
  });
  return kernel.place(bytes);
}

function placeResolver(kernel: Kernel, first: string, options: ResolverOptions): Handle {
  const servers = [first, ...(options.others ?? [])].slice(0, 3).map((address) => kernel.addressNumber(address));
  const words = new Uint32Array(Z.RESOLVER_SIZE / 4);
  words[Z.RESOLVER_COUNT / 4] = servers.length;
  words.set(servers, Z.RESOLVER_SERVERS / 4);
  words[Z.RESOLVER_ATTEMPTS / 4] = options.attempts ?? 2;
  words[Z.RESOLVER_TIMEOUT / 4] = (options.timeoutNs ?? 5e9) / 1e6;
  words[Z.RESOLVER_FLAGS / 4] =
    (options.useVc ? Z.RESOLVER_USE_VC : 0) |
    (options.singleRequest || options.singleRequestReopen ? Z.RESOLVER_SINGLE : 0) |
    (options.singleRequestReopen ? Z.RESOLVER_REOPEN : 0) |
    (options.edns0 ? Z.RESOLVER_EDNS0 : 0) |
    (options.family === "ipv6" ? Z.RESOLVER_NO_A : 0) |
    (options.family === "ipv4" ? Z.RESOLVER_NO_AAAA : 0);
  return kernel.placeWords(words);
}
