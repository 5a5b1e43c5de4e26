// When the requests of a line come: open loops, closed loops, and traces, which are files of moments.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Document, FieldPath } from "../documents/document.ts";
import { InputError } from "../errors.ts";
import type { FlowArrival, Moment } from "../seam/plan.ts";
import { toDistribution } from "./distribution.ts";
import { DEFAULT_BYTES, LARGEST_REQUEST, LARGEST_RESPONSE } from "./sizes.ts";
import { streamRate } from "./stream.ts";
import type { Traffic } from "./traffic-schema.ts";
import { LONGEST, parseDuration } from "./units.ts";

/** Requests per second of one client of a closed loop, as a guess at the work that it makes. */
const CLIENT_RATE = 200;
/** Times in which requests come last at least that long. */
const SHORTEST_NS = 1000;

export interface LineArrival {
  arrival: FlowArrival;
  rate: number;
}

/** How the requests of a line come, and how many a second in about. Throws an InputError for what cannot be. */
export function arrivalOf(traffic: Traffic, document: Document, path: FieldPath): LineArrival {
  const { arrival, clients, thinkTime, start, requestBytes } = traffic;
  const rate = streamRate(traffic, typeof requestBytes === "number" ? requestBytes : DEFAULT_BYTES);
  if (clients !== undefined) {
    if (rate !== undefined)
      document.fail([...path, "rate"], "is for an open loop; clients make a closed one, as fast as they are answered");
    if (arrival !== undefined)
      document.fail(
        [...path, "arrival"],
        "is for an open loop; with clients a request comes when the last one is over",
      );
    const think = thinkTime === undefined ? undefined : toDistribution(thinkTime, 0, LONGEST);
    return { arrival: { kind: "closed", clients, think }, rate: clients * CLIENT_RATE };
  }
  if (thinkTime !== undefined)
    document.fail([...path, "thinkTime"], "is for a closed loop; it should come with clients");
  if (typeof arrival === "object" && "trace" in arrival) {
    if (rate !== undefined) document.fail([...path, "rate"], "is not for a trace, whose requests have their moments");
    const moments = readTrace(join(dirname(document.file), arrival.trace), start, document, [...path, "arrival"]);
    const lastNs = Math.max(1e6, (moments.at(-1)?.atNs ?? 0) - start);
    return { arrival: { kind: "trace", moments }, rate: Math.max(1, (moments.length * 1e9) / lastNs) };
  }
  if (rate === undefined) return document.fail(path, "should have a rate, or clients for a closed loop");
  if (typeof arrival !== "object") return { arrival: arrival ?? "constant", rate };
  const { onTime, offTime, gaps } = arrival.onOff;
  const times = { on: toDistribution(onTime, SHORTEST_NS, LONGEST), off: toDistribution(offTime, 0, LONGEST) };
  return { arrival: { kind: "onOff", ...times, gaps }, rate };
}

/**
 * Reads a trace: on each line the time of a request from the line's start, in seconds or with a unit, then perhaps the bytes of the
 * request and of its answer; between them blanks or a comma. What stands behind # is no matter.
 */
function readTrace(file: string, startNs: number, document: Document, path: FieldPath): Moment[] {
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    document.fail(
      [...path, "trace"],
      code === "ENOENT" ? `there is no file ${file}` : `${file} cannot be read: ${code ?? String(error)}`,
    );
  }
  const moments = text.split(/\r?\n/).flatMap((row, i): Moment[] => {
    const words = row
      .replace(/#.*/, "")
      .trim()
      .split(/[\s,]+/);
    const [time = "", request, response] = words;
    if (time === "") return [];
    const ns = parseDuration(/^\d+(\.\d+)?$/.test(time) ? `${time}s` : time);
    const requestBytes = sizeOf(request, LARGEST_REQUEST);
    const responseBytes = sizeOf(response, LARGEST_RESPONSE);
    if (ns === undefined || Number.isNaN(requestBytes) || Number.isNaN(responseBytes) || words.length > 3)
      throw new InputError(
        { file, line: i + 1 },
        `${row.trim()} should be a time such as 0.25 or 250ms, then perhaps the bytes of the request and of its answer`,
      );
    return [{ atNs: startNs + ns, requestBytes, responseBytes }];
  });
  if (moments.length === 0) throw new InputError({ file }, "there is no request in this trace");
  return moments.sort((a, b) => a.atNs - b.atNs);
}

/** The bytes that a word of a trace says; NaN if it does not. */
function sizeOf(word: string | undefined, most: number): number | undefined {
  if (word === undefined) return undefined;
  const size = /^\d+$/.test(word) ? Number(word) : NaN;
  return size > 0 && size <= most ? size : NaN;
}

/** The part of a line's arrivals that one of its `count` pairs has. */
export function shareOf({ arrival, rate }: LineArrival, index: number, count: number): LineArrival {
  const mine = (total: number): number => Math.floor(total / count) + (index < total % count ? 1 : 0);
  if (typeof arrival === "object" && arrival.kind === "trace") {
    const moments = arrival.moments.filter((_, i) => i % count === index);
    return { arrival: { ...arrival, moments }, rate: rate / count };
  }
  if (typeof arrival === "object" && arrival.kind === "closed") {
    const clients = mine(arrival.clients);
    return { arrival: { ...arrival, clients }, rate: clients * CLIENT_RATE };
  }
  return { arrival, rate: rate / count };
}
