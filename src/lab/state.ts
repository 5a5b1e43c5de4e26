// What a kernel holds at the end of a case, in the words of the tools that list it: conntrack entries, forwarding databases.
import * as codes from "../../assembly/layout/codes.ts";
import * as R from "../../assembly/layout/records.ts";
import { formatIpv4, formatMac } from "../address.ts";
import { longText } from "./family.ts";
import { isNumberOfIpv6, TCP_CONNTRACK_STATES, type Handle, type Kernel } from "../kernel/kernel.ts";
import type { Network } from "./build.ts";

const PROTOCOLS: Readonly<Record<number, string>> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  58: "icmpv6",
  132: "sctp",
  47: "gre",
  136: "udplite",
};
const GRE = 47;

/** The lines of /proc/net/nf_conntrack of a namespace, sorted. */
export function conntrackLines(kernel: Kernel, ns: Handle, nowNs: number): string[] {
  return kernel
    .connections(ns)
    .map((entry) => conntrackLine(kernel, ns, entry, nowNs))
    .sort();
}

function conntrackLine(kernel: Kernel, ns: Handle, entry: Handle, nowNs: number): string {
  const protocol = kernel.word(entry + R.CT_ORIGINAL + R.TUPLE_PROTO);
  const status = kernel.word(entry + R.CT_STATUS);
  const left = (Number(kernel.long(entry + R.CT_TIMEOUT)) - nowNs) / 1e9;
  const isSix = isNumberOfIpv6(kernel.word(entry + R.CT_ORIGINAL + R.TUPLE_SRC));
  const head = [
    `${isSix ? "ipv6     10" : "ipv4     2"} ${(PROTOCOLS[protocol] ?? "unknown").padEnd(8)} ${protocol} ${Math.max(0, Math.floor(left))}`,
  ];
  if (protocol === 6) head.push(TCP_CONNTRACK_STATES[kernel.word(entry + R.CT_TCP_STATE)] ?? "NONE");
  if (protocol === GRE) head.push("timeout=30, stream_timeout=180");
  const zone = kernel.word(entry + R.CT_ORIGINAL + R.TUPLE_ZONE);
  const replyZone = kernel.word(entry + R.CT_REPLY + R.TUPLE_ZONE);
  head.push(tupleText(kernel, ns, entry + R.CT_ORIGINAL, protocol));
  if (zone !== replyZone && replyZone === 0) head.push(`zone-orig=${zone}`);
  if ((status & codes.IPS_SEEN_REPLY) === 0) head.push("[UNREPLIED]");
  head.push(tupleText(kernel, ns, entry + R.CT_REPLY, protocol));
  if (zone !== replyZone && zone === 0) head.push(`zone-reply=${replyZone}`);
  if ((status & codes.IPS_ASSURED) !== 0) head.push("[ASSURED]");
  head.push(`mark=${kernel.word(entry + R.CT_MARK)}`);
  if (zone === replyZone) head.push(`zone=${zone}`);
  head.push("use=2");
  return head.join(" ");
}

function tupleText(kernel: Kernel, ns: Handle, tuple: Handle, protocol: number): string {
  const ports = kernel.word(tuple + R.TUPLE_PORTS);
  const [high, low] = [ports >>> 16, ports & 0xffff];
  const text = (field: number): string => {
    const address = kernel.addressText(ns, kernel.word(tuple + field));
    return address.includes(":") ? longText(address) : address;
  };
  const addresses = `src=${text(R.TUPLE_SRC)} dst=${text(R.TUPLE_DST)}`;
  if (protocol === 1 || protocol === 58) return `${addresses} type=${low >>> 8} code=${low & 255} id=${high}`;
  if (protocol === GRE) return `${addresses} srckey=0x0 dstkey=0x0`;
  return [6, 17, 132, 136].includes(protocol) ? `${addresses} sport=${high} dport=${low}` : addresses;
}

/** An entry of a forwarding database as `bridge -j fdb` tells it. */
export interface FdbEntry {
  mac: string;
  ifname: string;
  /** The remote host, of an entry of a tunnel. */
  dst?: string;
  flags: string[];
  /** The bridge, of an entry of a bridge. */
  master?: string;
  state: string;
}

/** `bridge -j fdb show` of every namespace with a bridge or a tunnel, without the entries for multicast, sorted. */
export function fdb(network: Network, nowNs: number): Record<string, FdbEntry[]> {
  const { kernel, topology } = network;
  const result: Record<string, FdbEntry[]> = {};
  for (const { ns, name } of topology.bridges) {
    const bridge = network.device(`${ns}:${name}`);
    const ageing = Number(kernel.long(bridge + R.DEV_AGEING));
    const rows = kernel.records(kernel.word(bridge + R.DEV_FDB)).flatMap((entry) => {
      const flags = kernel.word(entry + R.FDB_FLAGS);
      const age = nowNs - Number(kernel.long(entry + R.FDB_UPDATED));
      if (flags === 0 && age >= ageing) return [];
      const port = kernel.word(entry + R.FDB_PORT);
      const state = (flags & R.FDB_LOCAL) !== 0 ? "permanent" : (flags & R.FDB_STATIC) !== 0 ? "static" : "";
      const ifname = (network.nameOf(port === 0 ? bridge : port) ?? "").slice(ns.length + 1);
      return [{ mac: macOf(kernel, entry), ifname, flags: [], master: name, state }];
    });
    result[ns] = [...(result[ns] ?? []), ...rows];
  }
  for (const { ns, name } of topology.vxlan)
    result[ns] = [...(result[ns] ?? []), ...tunnelEntries(kernel, network.device(`${ns}:${name}`), name, nowNs)];
  const key = ({ ifname, mac, dst }: FdbEntry): string => `${ifname} ${mac} ${dst ?? ""}`;
  for (const rows of Object.values(result)) rows.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return result;
}

function tunnelEntries(kernel: Kernel, device: Handle, ifname: string, nowNs: number): FdbEntry[] {
  const ageing = Number(kernel.long(device + R.DEV_AGEING));
  return kernel.records(kernel.word(device + R.DEV_FDB)).flatMap((entry) => {
    const isStatic = kernel.word(entry + R.FDB_FLAGS) !== 0;
    if (!isStatic && nowNs - Number(kernel.long(entry + R.FDB_UPDATED)) >= ageing) return [];
    const dst = formatIpv4(kernel.word(entry + R.FDB_PORT));
    return [{ mac: macOf(kernel, entry), ifname, dst, flags: ["self"], state: isStatic ? "permanent" : "" }];
  });
}

function macOf(kernel: Kernel, entry: Handle): string {
  const bytes = new Uint8Array(6);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, kernel.word(entry + R.FDB_MAC_HIGH));
  view.setUint32(2, kernel.word(entry + R.FDB_MAC_LOW));
  return formatMac(bytes);
}
