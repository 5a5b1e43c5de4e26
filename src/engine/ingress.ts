// An ingress controller's locations as the block that the kernel walks; see assembly/layout/ingress.ts.
import * as I from "../../assembly/layout/ingress.ts";
import type { IngressLocation } from "../seam/machine.ts";

const encoder = new TextEncoder();

/** nginx' own answers, in the order of RESPONSE_*. */
const ANSWERS = [
  "400 Bad Request",
  "404 Not Found",
  "502 Bad Gateway",
  "503 Service Temporarily Unavailable",
  "504 Gateway Time-out",
];

/** The block of one controller; it counts turns in it, so every controller has its own. `numberOf`: what stands for an address in the kernel. */
export function ingressBlock(locations: readonly IngressLocation[], numberOf: (address: string) => number): Uint8Array {
  const block = new Block(I.INGRESS_FIRST + locations.length * I.LOCATION_SIZE);
  block.set(I.INGRESS_LOCATIONS, locations.length);
  ANSWERS.forEach((status, i) => {
    const bytes = answerOf(status);
    const at = block.append(4 + bytes.length);
    block.set(at, bytes.length);
    block.write(at + 4, bytes);
    block.set(I.INGRESS_RESPONSES + i * 4, at);
  });
  locations.forEach(({ host, path, exact, servers }, i) => {
    const at = I.INGRESS_FIRST + i * I.LOCATION_SIZE;
    const wildcard = host.startsWith("*.");
    const name = block.text(wildcard ? host.slice(1) : host);
    block.set(at + I.LOCATION_HOST_KIND, host === "" ? I.HOST_ANY : wildcard ? I.HOST_WILDCARD : I.HOST_EXACT);
    block.set(at + I.LOCATION_HOST, name.at);
    block.set(at + I.LOCATION_HOST_LENGTH, name.length);
    const prefix = block.text(path);
    block.set(at + I.LOCATION_EXACT, exact ? 1 : 0);
    block.set(at + I.LOCATION_PATH, prefix.at);
    block.set(at + I.LOCATION_PATH_LENGTH, prefix.length);
    if (!servers) return;
    const list = block.append(I.SERVERS_FIRST + servers.length * I.SERVERS_ENTRY);
    block.set(at + I.LOCATION_SERVERS, list);
    block.set(list + I.SERVERS_COUNT, servers.length);
    servers.forEach(({ address, port }, j) => {
      const entry = list + I.SERVERS_FIRST + j * I.SERVERS_ENTRY;
      block.set(entry, numberOf(address));
      block.set(entry + 4, port);
    });
  });
  return block.bytes();
}

function answerOf(status: string): Uint8Array {
  const body = `${status}\n`;
  const head = [
    `HTTP/1.1 ${status}`,
    "Server: nginx",
    "Content-Type: text/plain",
    `Content-Length: ${body.length}`,
    "Connection: keep-alive",
  ];
  return encoder.encode(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** Bytes that grow at their end, in whole words. */
class Block {
  #bytes: Uint8Array;

  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
  }

  /** Room for so many bytes; returns where it is. */
  append(size: number): number {
    const at = this.#bytes.length;
    const larger = new Uint8Array(at + ((size + 3) & ~3));
    larger.set(this.#bytes);
    this.#bytes = larger;
    return at;
  }

  set(at: number, value: number): void {
    new DataView(this.#bytes.buffer).setUint32(at, value, true);
  }

  write(at: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, at);
  }

  text(text: string): { at: number; length: number } {
    const bytes = encoder.encode(text);
    const at = this.append(bytes.length);
    this.write(at, bytes);
    return { at, length: bytes.length };
  }

  bytes(): Uint8Array {
    return this.#bytes;
  }
}
