// How a case sends: a frame out of an interface as from a packet socket, a packet of a namespace as from a raw socket.
import { FRAME_CAPACITY } from "../../assembly/layout/frame.ts";
import * as R from "../../assembly/layout/records.ts";
import type { Handle } from "../kernel/kernel.ts";
import type { Network } from "./build.ts";
import type { Row } from "./recording.ts";

/** A row of a recording, without its place in it. */
export type NewRow = Omit<Row, "step" | "n">;

/** Sends a frame out of the interface `at` (`namespace:interface`) at a moment in nanoseconds. */
export function inject(network: Network, at: string, bytes: Uint8Array, now: number): NewRow {
  const { kernel } = network;
  const device = network.device(at);
  const peer = kernel.word(device + R.DEV_PEER);
  // What the other end cannot take is not sent, as a packet socket refuses it: an Ethernet header and a VLAN tag may come on top.
  const fits = bytes.length <= kernel.word(peer + R.DEV_MTU) + 18;
  if (fits) kernel.calls.transmit(device, newFrame(network, bytes), now);
  return { at, dir: "out", inj: true, ...(fits ? {} : { err: "ENOBUFS" }), us: 0, hex: hexOf(bytes) };
}

/** Lets a namespace send an IPv4 packet that has its own header. */
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
