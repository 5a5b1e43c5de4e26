// What requests and responses say on the wire.
import type { Handle, Kernel } from "../kernel/kernel.ts";
import type { FlowConfig } from "../seam/plan.ts";

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

/** The request of a flow: HTTP/1.1 (a GET, or a POST of the bytes asked for), the data of a ping, or plain bytes of that length. */
export function requestOf(flow: FlowConfig, line: string): Uint8Array {
  if (flow.protocol === "http") return httpRequest(flow);
  if (flow.protocol === "icmp") return Uint8Array.from({ length: Math.max(flow.requestBytes, 16) }, (_, i) => i & 255);
  const bytes = new Uint8Array(Math.max(flow.requestBytes, 8)).fill(0x2e);
  // A datagram begins with the numbers of its flow and request, which the kernel writes over these bytes.
  const text = encoder.encode(flow.protocol === "udp" ? `........ ${line} ` : `podwire ${line} `);
  bytes.set(text.subarray(0, bytes.length - 1));
  bytes[bytes.length - 1] = 0x0a;
  return bytes;
}

function httpRequest(flow: FlowConfig): Uint8Array {
  const { requestBytes } = flow;
  const head = [
    `${requestBytes > 0 ? "POST" : "GET"} ${flow.path ?? "/"} HTTP/1.1`,
    `Host: ${flow.host ?? hostOf(flow)}`,
    "User-Agent: podwire",
    "Accept: */*",
    ...(requestBytes > 0 ? ["Content-Type: text/plain", `Content-Length: ${requestBytes}`] : []),
  ];
  return Uint8Array.from([
    ...encoder.encode(`${head.join("\r\n")}\r\n\r\n`),
    ...new Uint8Array(requestBytes).fill(0x2e),
  ]);
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
