// `ip link`, `ip addr`: the devices of a namespace and their addresses, as iproute2 prints them.
import * as codes from "../../../assembly/layout/codes.ts";
import * as R from "../../../assembly/layout/records.ts";
import { formatIpv4 } from "../../address.ts";
import type { Family } from "../../iptables/addresses.ts";
import type { Handle, Kernel } from "../../kernel/kernel.ts";
import type { Device, Namespace } from "../namespaces.ts";

/** What the options of `ip` before the object change. */
export interface IpStyle {
  brief: boolean;
  statistics: boolean;
  /** The family of addresses, routes and neighbours, if one was said. */
  family?: Family;
}

const BROADCAST = "ff:ff:ff:ff:ff:ff";
const NONE = "00:00:00:00:00:00";

interface Address {
  local: number;
  prefix: number;
  broadcast: number;
  secondary: boolean;
}

/** The addresses of a device, in its order. */
export function addressesOf(kernel: Kernel, device: Handle): Address[] {
  const found: Address[] = [];
  for (let at = kernel.word(device + R.DEV_ADDRESSES); at !== 0; at = kernel.word(at + R.ADDR_NEXT))
    found.push({
      local: kernel.word(at + R.ADDR_LOCAL),
      prefix: kernel.word(at + R.ADDR_PREFIX),
      broadcast: kernel.word(at + R.ADDR_BROADCAST),
      secondary: kernel.word(at + R.ADDR_SECONDARY) !== 0,
    });
  return found;
}

interface Address6 {
  text: string;
  prefix: number;
  scope: "host" | "link" | "global";
}

/** The IPv6 addresses of a device, as inet6_fill_ifaddr tells them: those of a wider scope first. */
export function addresses6Of(kernel: Kernel, ns: Handle, device: Handle): Address6[] {
  const found: Address6[] = [];
  for (let at = kernel.word(device + R.DEV_ADDRESSES6); at !== 0; at = kernel.word(at + R.ADDR_NEXT)) {
    const text = kernel.addressText(ns, kernel.word(at + R.ADDR_LOCAL));
    const scope = text === "::1" ? "host" : /^fe[89ab]/.test(text) ? "link" : "global";
    found.push({ text, prefix: kernel.word(at + R.ADDR_PREFIX), scope });
  }
  return [...found.filter(({ scope }) => scope !== "link"), ...found.filter(({ scope }) => scope === "link")];
}

/** The addresses of a device of both families, but for those that are of the link alone. */
export function globalAddresses(kernel: Kernel, ns: Handle, device: Handle): string[] {
  const four = addressesOf(kernel, device).map(({ local }) => formatIpv4(local));
  const six = addresses6Of(kernel, ns, device).filter(({ scope }) => scope !== "link");
  return [...four, ...six.map(({ text }) => text)];
}

interface LinkState {
  up: boolean;
  carrier: boolean;
  flags: string;
  state: string;
}

function stateOf(kernel: Kernel, { handle, kind }: Device): LinkState {
  const up = kernel.word(handle + R.DEV_UP) !== 0;
  const carrier = kind === "loopback" || kernel.word(handle + R.DEV_RUNNING) !== 0;
  const what = kind === "loopback" ? ["LOOPBACK"] : ["BROADCAST", "MULTICAST"];
  const flags = [...(up && !carrier ? ["NO-CARRIER"] : []), ...what];
  if (up) flags.push("UP", ...(carrier ? ["LOWER_UP"] : []));
  const lower = kind === "veth" ? "LOWERLAYERDOWN" : "DOWN";
  const state = !up ? "DOWN" : !carrier ? lower : kind === "loopback" || kind === "vxlan" ? "UNKNOWN" : "UP";
  return { up, carrier, flags: flags.join(","), state };
}

/** `eth0@if5`: a veth end in another namespace is known by its number only. */
export function shownName({ name, peer }: Device): string {
  return peer ? `${name}@if${peer.index}` : name;
}

/** `ip link` (`addresses` false) or `ip addr` of these devices. */
export function linkText(
  kernel: Kernel,
  namespace: Namespace,
  devices: readonly Device[],
  style: IpStyle,
  addresses: boolean,
): string {
  const print = style.brief ? (addresses ? briefAddress : briefLink) : addresses ? longAddress : longLink;
  return devices.map((device) => print(kernel, namespace, device, style)).join("");
}

function briefLink(kernel: Kernel, _: Namespace, device: Device): string {
  const { state, flags } = stateOf(kernel, device);
  return `${shownName(device).padEnd(16)} ${state.padEnd(14)} ${device.mac} <${flags}> \n`;
}

function briefAddress(kernel: Kernel, { handle: ns }: Namespace, device: Device, { family }: IpStyle): string {
  const four = addressesOf(kernel, device.handle).map(({ local, prefix }) => `${formatIpv4(local)}/${prefix} `);
  const six = addresses6Of(kernel, ns, device.handle).map(({ text, prefix }) => `${text}/${prefix} `);
  const own = [...(family === "ipv6" ? [] : four), ...(family === "ipv4" ? [] : six)];
  if (family !== undefined && own.length === 0) return "";
  return `${shownName(device).padEnd(16)} ${stateOf(kernel, device).state.padEnd(14)} ${own.join("")}\n`;
}

function longLink(kernel: Kernel, namespace: Namespace, device: Device, style: IpStyle): string {
  return head(kernel, namespace, device, " mode DEFAULT", false) + (style.statistics ? statistics(kernel, device) : "");
}

function longAddress(kernel: Kernel, namespace: Namespace, device: Device, style: IpStyle): string {
  const lines = addressesOf(kernel, device.handle).map(({ local, prefix, broadcast, secondary }) => {
    const brd = broadcast !== 0 && prefix < 31 && device.kind !== "loopback" ? ` brd ${formatIpv4(broadcast)}` : "";
    const scope = local >>> 24 === 127 ? "host" : "global";
    return (
      `    inet ${formatIpv4(local)}/${prefix}${brd} scope ${scope} ${secondary ? "secondary " : ""}${device.name}\n` +
      FOREVER
    );
  });
  const six = addresses6Of(kernel, namespace.handle, device.handle).map(
    ({ text, prefix, scope }) => `    inet6 ${text}/${prefix} scope ${scope} \n${FOREVER}`,
  );
  const { family } = style;
  const own = [...(family === "ipv6" ? [] : lines), ...(family === "ipv4" ? [] : six)];
  if (family !== undefined && own.length === 0) return "";
  const counters = style.statistics ? statistics(kernel, device) : "";
  return head(kernel, namespace, device, "", family === "ipv6") + own.join("") + counters;
}

const FOREVER = "       valid_lft forever preferred_lft forever\n";

/** The lines before the addresses; with `-6` they are told by that family, which knows less of a link. */
function head(kernel: Kernel, namespace: Namespace, device: Device, mode: string, six: boolean): string {
  const { handle, kind, index, mac, peer } = device;
  const { flags, state } = stateOf(kernel, device);
  const master = kernel.word(handle + R.DEV_MASTER);
  const bridge = namespace.devices.find((other) => other.handle === master);
  const of = bridge ? ` master ${bridge.name}` : "";
  if (six) {
    const about = `mtu ${kernel.word(handle + R.DEV_MTU)} state ${state} qlen 1000`;
    return `${index}: ${shownName(device)}: <${flags}> ${about}\n`;
  }
  const queue = kind === "wire" ? "fq_codel" : "noqueue";
  const mtu = kernel.word(handle + R.DEV_MTU);
  const link = kind === "loopback" ? `link/loopback ${NONE} brd ${NONE}` : `link/ether ${mac} brd ${BROADCAST}`;
  // The other namespaces have numbers here in the order in which their pods came.
  const pairs = namespace.devices.filter((other) => other.peer);
  const netns = peer ? ` link-netnsid ${pairs.indexOf(device)}` : "";
  return (
    `${index}: ${shownName(device)}: <${flags}> mtu ${mtu} qdisc ${queue}${of} state ${state}${mode} group default qlen 1000\n` +
    `    ${link}${netns}\n`
  );
}

/** The kernel counts packets, not bytes. */
function statistics(kernel: Kernel, { handle }: Device): string {
  kernel.calls.settleCounters();
  const row = (packets: bigint): string =>
    `         ${"-".padStart(5)} ${packets.toString().padStart(7)}      0       0       0       0 \n`;
  return (
    `    RX:  bytes packets errors dropped  missed   mcast           \n${row(kernel.long(handle + R.DEV_RX_PACKETS))}` +
    `    TX:  bytes packets errors dropped carrier collsns           \n${row(kernel.long(handle + R.DEV_TX_PACKETS))}`
  );
}

/** `bridge link`. */
export function bridgeLinks(kernel: Kernel, namespace: Namespace): string {
  const ports = namespace.devices.flatMap((device) => {
    const master = kernel.word(device.handle + R.DEV_MASTER);
    const bridge = namespace.devices.find(({ handle }) => handle === master);
    return bridge ? [{ device, bridge }] : [];
  });
  return ports
    .map(({ device, bridge }) => {
      const { flags, up, carrier } = stateOf(kernel, device);
      const mtu = kernel.word(device.handle + R.DEV_MTU);
      const state = up && carrier ? "forwarding" : "disabled";
      const cost = "priority 32 cost 2 ";
      return `${device.index}: ${shownName(device)}: <${flags}> mtu ${mtu} master ${bridge.name} state ${state} ${cost}\n`;
    })
    .join("");
}

/** The flags of a bridge's port as `bridge -d link` tells them. */
export function portFlags(kernel: Kernel, device: Handle): string {
  const flags = kernel.word(device + R.DEV_PORT_FLAGS);
  const on = (bit: number): string => ((flags & bit) !== 0 ? "on" : "off");
  return (
    `    hairpin ${on(codes.PORT_HAIRPIN)} guard off root_block off fastleave off learning ${on(codes.PORT_LEARNING)} ` +
    `flood ${on(codes.PORT_FLOOD)} mcast_flood ${on(codes.PORT_MCAST_FLOOD)} bcast_flood ${on(codes.PORT_BCAST_FLOOD)} ` +
    `neigh_suppress off vlan_tunnel off isolated ${on(codes.PORT_ISOLATED)} \n`
  );
}
