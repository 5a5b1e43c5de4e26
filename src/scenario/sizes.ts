// How many bytes a line's requests and answers may have, and how many they have.
import type { Document, FieldPath } from "../documents/document.ts";
import type { Distribution, FlowArrival } from "../seam/plan.ts";
import { toDistribution } from "./distribution.ts";
import { LEAST_STREAM_BYTES } from "./stream.ts";
import type { Traffic } from "./traffic-schema.ts";

/** The most bytes of a request and of an answer. */
export const LARGEST_REQUEST = 1_000_000;
export const LARGEST_RESPONSE = 10_000_000;
/** Ethernet's 1500 less the headers of IPv4 and UDP or ICMP: more would have to be fragmented. */
const LARGEST_DATAGRAM = 1472;
export const DEFAULT_BYTES = 64;
const DEFAULT_RESPONSE_BYTES = 200;
/** A request over TCP that says how long its answer should be is so long at least. */
const SIZED_BYTES = 32;

/** Bytes of requests and answers as a flow has them. */
export interface Sizes {
  /** Undefined for http: a GET without a body. */
  requestBytes?: number | undefined;
  requestSizes?: Distribution | undefined;
  responseSizes?: Distribution | undefined;
}

/** The sizes of a line. Throws an InputError for those that its protocol cannot have. */
export function sizesOf(
  {
    protocol,
    requestBytes,
    responseBytes,
    stream,
  }: Pick<Traffic, "protocol" | "requestBytes" | "responseBytes"> & Pick<Partial<Traffic>, "stream">,
  arrival: FlowArrival,
  document: Document,
  path: FieldPath,
): Sizes {
  const connected = protocol === "tcp" || protocol === "http";
  const most = connected ? LARGEST_REQUEST : LARGEST_DATAGRAM;
  const complaint = `should be at most ${LARGEST_DATAGRAM} for ${protocol}: what is sent is not fragmented yet`;
  if (typeof requestBytes === "number" && requestBytes > most) document.fail([...path, "requestBytes"], complaint);
  if (responseBytes !== undefined && !connected)
    document.fail([...path, "responseBytes"], `is for tcp and http; ${protocol} is answered with what came`);
  const moments = typeof arrival === "object" && arrival.kind === "trace" ? arrival.moments : [];
  const traced = (field: "requestBytes" | "responseBytes"): boolean => moments.some((one) => one[field] !== undefined);
  if (moments.some((one) => (one.requestBytes ?? 0) > most)) document.fail([...path, "arrival", "trace"], complaint);
  if (!connected && traced("responseBytes"))
    document.fail([...path, "arrival", "trace"], `has bytes of answers, which are for tcp and http`);
  const answers = responseBytes ?? (traced("responseBytes") ? DEFAULT_RESPONSE_BYTES : undefined);
  const responseSizes = answers === undefined ? undefined : toDistribution(answers, 1, LARGEST_RESPONSE);
  const sized = protocol === "tcp" && responseSizes !== undefined;
  const least = sized
    ? SIZED_BYTES
    : stream
      ? LEAST_STREAM_BYTES
      : protocol === "udp"
        ? 8
        : protocol === "icmp"
          ? 16
          : 1;
  const drawn = typeof requestBytes === "object" || traced("requestBytes") || sized;
  const usual = requestBytes ?? DEFAULT_BYTES;
  if (drawn) return { requestSizes: toDistribution(usual, least, most), responseSizes };
  return {
    requestBytes: typeof usual === "number" && !(protocol === "http" && requestBytes === undefined) ? usual : undefined,
    responseSizes,
  };
}
