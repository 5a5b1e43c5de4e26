// What requests and responses say on the wire.
import { wireName } from "./zone.ts";
import { STREAM_METERED_HEADER } from "../../assembly/layout/records.ts";
import { DIGITS } from "../../assembly/layout/traffic.ts";
import type { RequestPlaces } from "../kernel/flows.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import type { FlowConfig } from "../seam/plan.ts";

/** The field in which a request says how many bytes its answer should have; assembly/app/http.ts reads it. */
const RESPONSE_BYTES = "X-Response-Bytes";
/** How a request begins that says so without HTTP, with its own length and that of the answer behind; assembly/app/service.ts reads it. */
const SIZED = "exchange";

const encoder = new TextEncoder();

/** Bytes behind their length, as the kernel takes them. */
export function counted(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(4 + bytes.length);
  new DataView(result.buffer).setUint32(0, bytes.length, true);
  result.set(bytes, 4);
  return result;
}

/** So many bytes may an answer that changes become longer by. */
const SPARE_BYTES = 64;

/** An answer that may change while a run goes on. */
export interface Answer {
  block: Handle;
  room: number;
}

/** An answer behind its length, with room for one that is longer. */
export function placeAnswer(kernel: Kernel, text: string): Answer {
  const bytes = counted(encoder.encode(text));
  const room = bytes.length + SPARE_BYTES;
  const padded = new Uint8Array(room);
  padded.set(bytes);
  return { block: kernel.place(padded), room };
}

/** Whoever asks from now on gets another answer, also over a connection that is open. */
export function overwriteAnswer(kernel: Kernel, answer: Answer | undefined, text: string): void {
  const bytes = counted(encoder.encode(text));
  if (!answer || bytes.length > answer.room) throw new Error(`there is no room for the answer ${text}`);
  kernel.bytes(answer.block, bytes.length).set(bytes);
}

/** The request of a flow, and where its variable parts are. */
export interface Request extends RequestPlaces {
  bytes: Uint8Array;
}

/**
 * The request of a flow: HTTP/1.1 (a GET, or a POST of the bytes asked for), the data of a ping, or plain bytes of that length. Where
 * sizes are drawn it has room for the largest.
 */
export function requestOf(flow: FlowConfig, line: string): Request {
  if (flow.protocol === "http") return httpRequest(flow);
  if (flow.protocol === "query") return question(flow);
  const drawn = flow.requestSizes !== undefined;
  const length = largestRequest(flow);
  const fixed = (bytes: Uint8Array): Request => ({ bytes, fixed: drawn ? 0 : bytes.length, sizeAt: 0, answerAt: 0 });
  if (flow.protocol === "icmp") return fixed(Uint8Array.from({ length: Math.max(length, 16) }, (_, i) => i & 255));
  const bytes = new Uint8Array(Math.max(length, 8)).fill(0x2e);
  const sized = flow.protocol === "tcp" && flow.responseSizes !== undefined;
  const place = " ".repeat(DIGITS);
  // A datagram begins with the numbers of its flow and request, or what a stream says of it, which the kernel writes over these bytes.
  const text = encoder.encode(
    flow.stream !== undefined
      ? `${".".repeat(STREAM_METERED_HEADER)} ${line} `
      : flow.protocol === "udp"
        ? `........ ${line} `
        : sized
          ? `${SIZED} ${place} ${place} ${line} `
          : `podwire ${line} `,
  );
  bytes.set(text.subarray(0, bytes.length - 1));
  bytes[bytes.length - 1] = 0x0a;
  const first = SIZED.length + 1;
  return sized ? { bytes, fixed: 0, sizeAt: first, answerAt: first + DIGITS + 1 } : fixed(bytes);
}

/** A DNS question with recursion desired; its number is written when it is sent. */
function question({ question: { name, type } = { name: "", type: 0 } }: FlowConfig): Request {
  const words = (...values: number[]): number[] => values.flatMap((value) => [value >> 8, value & 255]);
  const bytes = Uint8Array.from([...words(0, 0x0100, 1, 0, 0, 0), ...wireName(name.toLowerCase()), ...words(type, 1)]);
  return { bytes, fixed: bytes.length, sizeAt: 0, answerAt: 0 };
}

/** The bytes of a flow's largest request, without a head. */
function largestRequest({ requestBytes, requestSizes, arrival }: FlowConfig): number {
  const traced = typeof arrival === "object" && arrival.kind === "trace" ? arrival.moments : [];
  const largest = requestSizes?.most ?? requestBytes;
  return traced.reduce((most, moment) => Math.max(most, moment.requestBytes ?? 0), largest);
}

function httpRequest(flow: FlowConfig): Request {
  const drawn = flow.requestSizes !== undefined;
  const length = largestRequest(flow);
  const place = " ".repeat(DIGITS);
  const head = [
    `${length > 0 ? "POST" : "GET"} ${flow.path ?? "/"} HTTP/1.1`,
    `Host: ${flow.host ?? hostOf(flow)}`,
    "User-Agent: podwire",
    "Accept: */*",
    ...(length > 0 ? ["Content-Type: text/plain", `Content-Length: ${drawn ? place : length}`] : []),
    ...(flow.responseSizes ? [`${RESPONSE_BYTES}: ${place}`] : []),
  ];
  const text = `${head.join("\r\n")}\r\n\r\n`;
  const at = (name: string): number => text.indexOf(`${name}: `) + name.length + 2;
  const bytes = Uint8Array.from([...encoder.encode(text), ...new Uint8Array(length).fill(0x2e)]);
  return {
    bytes,
    fixed: drawn ? encoder.encode(text).length : bytes.length,
    sizeAt: drawn ? at("Content-Length") : 0,
    answerAt: flow.responseSizes ? at(RESPONSE_BYTES) : 0,
  };
}

/** The Host header: the name or address called, with the port if it is not HTTP's own. */
function hostOf({ target }: FlowConfig): string {
  const host = "names" in target ? (target.names.at(-1) ?? "") : target.address;
  return target.port === 80 ? host : `${host}:${target.port}`;
}

/** The response of a service to an HTTP request, with a body of `bytes` bytes that names who answered. */
export function responseOf(name: string, bytes: number): Uint8Array {
  const body = new Uint8Array(bytes).fill(0x2e);
  body.set(encoder.encode(`${name}\n`).subarray(0, bytes));
  const head = ["HTTP/1.1 200 OK", "Content-Type: text/plain", `Content-Length: ${bytes}`, "Server: podwire"];
  return Uint8Array.from([...encoder.encode(`${head.join("\r\n")}\r\n\r\n`), ...body]);
}

/** The response of a service one of whose calls has failed. */
export function failureOf(status: string): string {
  return `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nServer: podwire\r\n\r\n`;
}
