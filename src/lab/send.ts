// How a case sends: a frame out of an interface as from a packet socket, a packet of a namespace as from a raw socket.
import { FRAME_CAPACITY } from "../../assembly/layout/frame.ts";
import * as R from "../../assembly/layout/records.ts";
import type { Handle } from "../kernel/kernel.ts";
import type { Network } from "./build.ts";
import type { Row } from "./recording.ts";

const ETHERNET_LENGTH = 14;
const TAG_LENGTH = 4;

/** A row of a recording, without its place in it. */
export type NewRow = Omit<Row, "step" | "n">;

/** Sends a frame out of the interface `at` (`namespace:interface`) at a moment in nanoseconds. */
export function inject(network: Network, at: string, bytes: Uint8Array, now: number): NewRow {
  const { kernel } = network;
  const device = network.device(at);
  const peer = kernel.word(device + R.DEV_PEER);
  const [own = 0, other = 0] = [device, peer].map((end) => kernel.word(end + R.DEV_MTU) + ETHERNET_LENGTH);
  // What its interface or the other end cannot take is not sent, as a packet socket refuses it (packet_snd, is_skb_forwardable).
  const hex = hexOf(bytes);
  const tag = hex.slice(24, 28) === "8100" ? TAG_LENGTH : 0;
  const err = bytes.length > own + tag ? "EMSGSIZE" : bytes.length > other + TAG_LENGTH ? "ENOBUFS" : undefined;
  if (err === undefined) kernel.calls.transmit(device, newFrame(network, bytes), now);
  return { at, dir: "out", inj: true, ...(err === undefined ? {} : { err }), us: 0, hex };
}

/** Lets a namespace send a packet that has its own header. */
export function sendLocal(network: Network, name: string, bytes: Uint8Array, now: number): NewRow {
  network.kernel.calls.sendRaw(network.namespace(name), newFrame(network, bytes), now);
  return { at: `${name}:`, dir: "local", inj: true, us: 0, hex: hexOf(bytes) };
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function newFrame(network: Network, bytes: Uint8Array): Handle {
  if (bytes.length > FRAME_CAPACITY) network.refuse(`a frame of more than ${FRAME_CAPACITY} bytes is not emulated yet`);
  return network.kernel.newFrame(bytes);
}
