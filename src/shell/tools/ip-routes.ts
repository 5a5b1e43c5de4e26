// `ip route`, `ip rule`, `ip neigh`: routing tables and neighbours of a namespace, as iproute2 prints them.
import * as codes from "../../../assembly/layout/codes.ts";
import * as R from "../../../assembly/layout/records.ts";
import { formatIpv4 } from "../../address.ts";
import { parseIpv6 } from "../../address6.ts";
import type { Family } from "../../iptables/addresses.ts";
import { isNumberOfIpv6, type Handle, type Kernel } from "../../kernel/kernel.ts";
import { macOf, type Namespace } from "../namespaces.ts";
import { ToolError } from "../tool.ts";
import { addressesOf } from "./ip-links.ts";

/** By ROUTE_*; unicast is not said. */
const TYPES = "none unicast local broadcast anycast multicast blackhole unreachable prohibit".split(" ");
const LOCAL_TABLE = 255;
const MAIN_TABLE = 254;
const REACHABLE_NS = 30e9;

interface Route {
  network: number;
  length: number;
  text: string;
}

/** The routing tables of a namespace by the words for them, of IPv6 if `six`. */
export function tableOf(kernel: Kernel, ns: Handle, word: string, six: boolean): Handle | undefined {
  if (word === "main" || word === `${MAIN_TABLE}`) return kernel.word(ns + (six ? R.NS_TABLE_MAIN6 : R.NS_TABLE_MAIN));
  if (word === "local" || word === `${LOCAL_TABLE}`)
    return kernel.word(ns + (six ? R.NS_TABLE_LOCAL6 : R.NS_TABLE_LOCAL));
  for (let at = kernel.word(ns + (six ? R.NS_TABLES6 : R.NS_TABLES)); at !== 0; at = kernel.word(at + R.TABLE_NEXT))
    if (`${kernel.word(at + R.TABLE_ID)}` === word) return kernel.word(at + R.TABLE_FIB);
  return undefined;
}

/** `ip route show`, of one device if that is said. */
export function routeText(kernel: Kernel, namespace: Namespace, table: Handle, device?: string): string {
  kernel.calls.expandRoutes(table);
  const routes = kernel
    .records(kernel.word(table + R.FIB_HASH))
    .filter((at) => device === undefined || deviceName(namespace, kernel.word(at + R.ROUTE_DEVICE)) === device)
    .map((at): Route => {
      const [network, length] = [kernel.word(at + R.ROUTE_NETWORK), kernel.word(at + R.ROUTE_LENGTH)];
      return { network, length, text: describe(kernel, namespace, at, network, length) };
    });
  // As the trie is walked: by network, and of one network the longest first.
  routes.sort((a, b) => a.network - b.network || b.length - a.length || (a.text < b.text ? -1 : 1));
  const last = routes.filter(({ length }) => length === 0);
  return [...last, ...routes.filter(({ length }) => length !== 0)].map(({ text }) => `${text} \n`).join("");
}

/** `ip -6 route show`: by network, the default last (fib6_walk). */
export function routeText6(kernel: Kernel, namespace: Namespace, table: Handle, device?: string): string {
  if (table === 0) return "";
  kernel.calls.expandRoutes(table);
  const text = (number: number): string => kernel.addressText(namespace.handle, number);
  const routes = kernel.records(kernel.word(table + R.FIB_HASH)).flatMap((at) => {
    const type = kernel.word(at + R.ROUTE_TYPE);
    const via = kernel.word(at + R.ROUTE_VIA);
    const on = kernel.word(at + R.ROUTE_DEVICE);
    const index = namespace.devices.findIndex(({ handle }) => handle === on);
    if (device !== undefined && namespace.devices[index]?.name !== device) return [];
    const length = kernel.word(at + R.ROUTE_LENGTH);
    const network = length === 0 ? "::" : text(kernel.word(at + R.ROUTE_NETWORK));
    const to = length === 0 ? "default" : length === 128 ? network : `${network}/${length}`;
    const isLocal = type === codes.ROUTE_LOCAL;
    const metric = kernel.word(at + R.ROUTE_METRIC) || (isLocal ? 0 : via === 0 ? OF_PREFIX : OF_ROUTE);
    const words = [type === codes.ROUTE_UNICAST ? to : `${TYPES[type] ?? "none"} ${to}`];
    if (via !== 0) words.push(`via ${text(via)}`);
    if (on !== 0) words.push(`dev ${deviceName(namespace, on)}`);
    if (via === 0 && on !== 0) words.push("proto kernel");
    words.push(`metric ${metric}`);
    const mtu = kernel.word(at + R.ROUTE_MTU);
    if (mtu !== 0) words.push(`mtu ${mtu}`);
    return [{ network: parseIpv6(network) ?? 0n, length, index, line: `${words.join(" ")} pref medium\n` }];
  });
  routes.sort(
    (a, b) =>
      Number(a.length === 0) - Number(b.length === 0) ||
      (a.network < b.network ? -1 : a.network > b.network ? 1 : a.length - b.length || a.index - b.index),
  );
  return routes.map(({ line }) => line).join("");
}

/** The metrics of routes that have none: of a prefix on a link (IP6_RT_PRIO_ADDRCONF), and of what a user adds (IP6_RT_PRIO_USER). */
const OF_PREFIX = 256;
const OF_ROUTE = 1024;

function deviceName({ devices }: Namespace, handle: Handle): string {
  return devices.find((device) => device.handle === handle)?.name ?? "lo";
}

function describe(kernel: Kernel, namespace: Namespace, at: Handle, network: number, length: number): string {
  const type = kernel.word(at + R.ROUTE_TYPE);
  const via = kernel.word(at + R.ROUTE_VIA);
  const handle = kernel.word(at + R.ROUTE_DEVICE);
  const source = kernel.word(at + R.ROUTE_SOURCE);
  const metric = kernel.word(at + R.ROUTE_METRIC);
  const mtu = kernel.word(at + R.ROUTE_MTU);
  const to = length === 0 ? "default" : length === 32 ? formatIpv4(network) : `${formatIpv4(network)}/${length}`;
  const isOwn = type === codes.ROUTE_LOCAL || type === codes.ROUTE_BROADCAST;
  const connected =
    type === codes.ROUTE_UNICAST &&
    via === 0 &&
    addressesOf(kernel, handle).some(({ local, prefix }) => local === source && prefix === length);
  const words = [type === codes.ROUTE_UNICAST ? to : `${TYPES[type] ?? "none"} ${to}`];
  if (via !== 0) words.push(`via ${formatIpv4(via)}`);
  if (handle !== 0) words.push(`dev ${deviceName(namespace, handle)}`);
  if (isOwn || connected) words.push("proto kernel");
  if (type === codes.ROUTE_LOCAL) words.push("scope host");
  else if (via === 0 && handle !== 0) words.push("scope link");
  if (source !== 0) words.push(`src ${formatIpv4(source)}`);
  if (metric !== 0) words.push(`metric ${metric}`);
  if (mtu !== 0) words.push(`mtu ${mtu}`);
  return words.join(" ");
}

/** `ip rule`; IPv6 has no table `default`. */
export function ruleText(kernel: Kernel, ns: Handle, six: boolean): string {
  const own: string[] = [];
  if (six) {
    if (kernel.word(ns + R.NS_POLICIES6) !== 0)
      throw new ToolError("ip: rules of IPv6 besides those that are always there are not shown yet");
    return "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n";
  }
  for (let at = kernel.word(ns + R.NS_POLICIES); at !== 0; at = kernel.word(at + R.POLICY_NEXT)) {
    const block = (value: number, mask: number): string => {
      const bits = Math.clz32(~mask);
      return bits === 0 ? "all" : bits === 32 ? formatIpv4(value) : `${formatIpv4(value)}/${bits}`;
    };
    const from = block(kernel.word(at + R.POLICY_SOURCE), kernel.word(at + R.POLICY_SOURCE_MASK));
    const to = block(kernel.word(at + R.POLICY_DESTINATION), kernel.word(at + R.POLICY_DESTINATION_MASK));
    const fib = kernel.word(at + R.POLICY_TABLE);
    const route = kernel.word(at + R.POLICY_ROUTE);
    const what =
      fib === 0 ? (TYPES[kernel.word(route + R.ROUTE_TYPE)] ?? "none") : `lookup ${tableName(kernel, ns, fib)}`;
    own.push(`${kernel.word(at + R.POLICY_PRIORITY)}:\tfrom ${from}${to === "all" ? "" : ` to ${to}`} ${what}\n`);
  }
  return `0:\tfrom all lookup local\n${own.join("")}32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n`;
}

function tableName(kernel: Kernel, ns: Handle, fib: Handle): string {
  if (fib === kernel.word(ns + R.NS_TABLE_MAIN)) return "main";
  if (fib === kernel.word(ns + R.NS_TABLE_LOCAL)) return "local";
  for (let at = kernel.word(ns + R.NS_TABLES); at !== 0; at = kernel.word(at + R.TABLE_NEXT))
    if (kernel.word(at + R.TABLE_FIB) === fib) return `${kernel.word(at + R.TABLE_ID)}`;
  return "default";
}

const NUD: readonly [state: number, name: string][] = [
  [codes.NUD_INCOMPLETE, "INCOMPLETE"],
  [codes.NUD_REACHABLE, "REACHABLE"],
  [codes.NUD_STALE, "STALE"],
  [codes.NUD_DELAY, "DELAY"],
  [codes.NUD_PROBE, "PROBE"],
  [codes.NUD_FAILED, "FAILED"],
  [codes.NUD_PERMANENT, "PERMANENT"],
];

/** `ip neigh`, by device and address. What was confirmed more than 30 seconds ago counts as stale, as in Linux. */
export function neighbourText(
  kernel: Kernel,
  namespace: Namespace,
  nowNs: number,
  device?: string,
  family?: Family,
): string {
  const entries = kernel.records(kernel.word(namespace.handle + R.NS_NEIGHBOURS)).flatMap((at) => {
    const on = namespace.devices.find(({ handle }) => handle === kernel.word(at + R.NEIGH_DEVICE));
    const stored = kernel.word(at + R.NEIGH_STATE);
    if (!on || stored === codes.NUD_NONE || (device !== undefined && on.name !== device)) return [];
    const late = nowNs - Number(kernel.long(at + R.NEIGH_CONFIRMED)) >= REACHABLE_NS;
    const state = stored === codes.NUD_REACHABLE && late ? codes.NUD_STALE : stored;
    const known = state !== codes.NUD_INCOMPLETE && state !== codes.NUD_FAILED;
    const mac = macOf(kernel.word(at + R.NEIGH_MAC_HIGH), kernel.word(at + R.NEIGH_MAC_LOW));
    const address = kernel.word(at + R.NEIGH_ADDRESS);
    const six = isNumberOfIpv6(address);
    if (family !== undefined && six !== (family === "ipv6")) return [];
    const text = kernel.addressText(namespace.handle, address);
    const name = NUD.find(([code]) => code === state)?.[1] ?? "NONE";
    return [
      {
        index: on.index,
        key: six ? (parseIpv6(text) ?? 0n) + (1n << 32n) : BigInt(address),
        text: `${text} dev ${on.name} ${known ? `lladdr ${mac} ` : ""}${name} \n`,
      },
    ];
  });
  entries.sort((a, b) => a.index - b.index || (a.key < b.key ? -1 : 1));
  return entries.map(({ text }) => text).join("");
}
