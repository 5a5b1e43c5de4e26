// Streams of datagrams, as iperf3 -u sends them: what a line of them may say, and how many a second a bandwidth is.
import type { Document, FieldPath } from "../documents/document.ts";
import type { Traffic } from "./traffic-schema.ts";

/** A datagram carries its number and when it was sent. */
export const LEAST_STREAM_BYTES = 20;

/** Throws an InputError for what a stream cannot have, or what is no stream. */
export function checkStream(traffic: Traffic, document: Document, path: FieldPath): void {
  const { stream, protocol, requestBytes, arrival } = traffic;
  if (!stream) return;
  if (protocol !== "udp") document.fail([...path, "stream"], `is for udp, not for ${protocol}`);
  for (const field of ["clients", "thinkTime", "retries"] as const)
    if (traffic[field] !== undefined)
      document.fail([...path, field], "is not for a stream, whose datagrams nobody waits for");
  if (typeof arrival === "object" && "trace" in arrival)
    document.fail([...path, "arrival", "trace"], "is not for a stream; write a rate or a bandwidth");
  if (typeof requestBytes === "number" && requestBytes < LEAST_STREAM_BYTES)
    document.fail(
      [...path, "requestBytes"],
      `should be at least ${LEAST_STREAM_BYTES} for a stream, whose datagrams carry a number and a time`,
    );
  if (stream.bandwidth === undefined) {
    if (traffic.rate === undefined) document.fail(path, "should have a rate, or stream.bandwidth");
    return;
  }
  if (traffic.rate !== undefined)
    document.fail([...path, "rate"], "should not come with stream.bandwidth, which says how many datagrams there are");
  if (typeof requestBytes === "object")
    document.fail([...path, "stream", "bandwidth"], "should be a rate instead, as requestBytes differ");
}

/** Datagrams a second: as the line says, or so many bytes of data as its bandwidth is. */
export function streamRate({ stream, rate }: Traffic, bytes: number): number | undefined {
  return stream?.bandwidth === undefined ? rate : stream.bandwidth / 8 / bytes;
}
