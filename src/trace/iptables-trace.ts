// The lines that the kernel writes to its log for a packet with -j TRACE, a line for each rule that matched (nf_log_syslog.c).
import type { IpView, PacketView, Step } from "../seam/trace.ts";
import { isIp } from "./packet.ts";

/** The lines of a walk, one for each rule or policy of iptables or ip6tables that matched, in order. */
export function traceLines(steps: readonly Step[]): string[] {
  const lines: string[] = [];
  let hook: Extract<Step, { kind: "hook" }> | undefined;
  for (const step of steps) {
    if (step.kind === "hook") hook = step;
    if (step.kind !== "rule") continue;
    const { rule, view } = step;
    const network = view.network;
    // A table of nftables has a blank in its name, and writes no such lines.
    if (!isIp(network) || rule.table.includes(" ")) continue;
    lines.push(
      `TRACE: ${rule.table}:${rule.chain}:${commentOf(rule.text, rule.chain)}:${rule.number} ` +
        `IN=${hook?.input ?? ""} OUT=${hook?.output ?? ""} ${ports(hook, view)}${mac(hook, view, network)}${network.kind === "ipv4" ? ip(network, view) : ipv6(network, view)}` +
        (view.mark === 0 ? "" : `MARK=0x${view.mark.toString(16)} `),
    );
  }
  return lines;
}

const BUILT_IN = new Set(["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]);

/** An unconditional verdict counts as the end of its chain (get_chainname_rulenum). */
function commentOf(text: string, chain: string): string {
  const unconditional = /^(-A \S+ -j )?(ACCEPT|DROP|RETURN)$/.test(text);
  if (!unconditional) return "rule";
  return BUILT_IN.has(chain) ? "policy" : "return";
}

function ports(hook: Extract<Step, { kind: "hook" }> | undefined, { physIn, physOut }: PacketView): string {
  const input = physIn !== undefined && physIn !== hook?.input ? `PHYSIN=${physIn} ` : "";
  const output = physOut !== undefined && physOut !== hook?.output ? `PHYSOUT=${physOut} ` : "";
  return input + output;
}

/** The link header of a packet that came in. */
function mac(hook: Extract<Step, { kind: "hook" }> | undefined, view: PacketView, { kind }: IpView): string {
  const type = kind === "ipv4" ? "08:00" : "86:dd";
  return hook?.input === undefined ? "" : `MAC=${view.macDestination}:${view.macSource}:${type} `;
}

function ip(network: IpView, view: PacketView): string {
  const { tos, fragment } = network;
  const hex = (value: number): string => `0x${value.toString(16).toUpperCase().padStart(2, "0")}`;
  const flags = `${fragment & 0x8000 ? "CE " : ""}${fragment & 0x4000 ? "DF " : ""}${fragment & 0x2000 ? "MF " : ""}`;
  const offset = fragment & 0x1fff;
  const options = bytesOf(view.header, 20, network.headerLength);
  return (
    `SRC=${network.source} DST=${network.destination} LEN=${network.totalLength} TOS=${hex(tos & 0x1e)} PREC=${hex(tos & 0xe0)} ` +
    `TTL=${network.ttl} ID=${network.id} ${flags}${offset ? `FRAG:${offset} ` : ""}` +
    (options === "" ? "" : `OPT (${options}) `) +
    transport(network, view.header)
  );
}

/** Addresses are written out in full (dump_ipv6_packet). */
function ipv6(network: IpView, view: PacketView): string {
  const words = new DataView(view.header.buffer, view.header.byteOffset, view.header.byteLength);
  const address = (at: number): string =>
    Array.from({ length: 8 }, (_, i) =>
      words
        .getUint16(at + 2 * i)
        .toString(16)
        .padStart(4, "0"),
    ).join(":");
  return (
    `SRC=${address(8)} DST=${address(24)} LEN=${network.totalLength} TC=${network.tos} HOPLIMIT=${network.ttl} ` +
    `FLOWLBL=${words.getUint32(0) & 0xfffff} ${transport(network, view.header)}`
  );
}

function transport(network: IpView, header: Uint8Array): string {
  const at = network.headerLength;
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const ports = `SPT=${network.sourcePort ?? 0} DPT=${network.destinationPort ?? 0} `;
  switch (network.protocol) {
    case 6: {
      const reserved = (view.getUint8(at + 12) & 0x0f).toString(16).padStart(2, "0");
      const options = bytesOf(header, at + 20, at + (view.getUint8(at + 12) >> 4) * 4);
      return (
        `PROTO=TCP ${ports}SEQ=${view.getUint32(at + 4)} ACK=${view.getUint32(at + 8)} WINDOW=${view.getUint16(at + 14)} ` +
        `RES=0x${reserved} ${tcpFlags(network.tcpFlags ?? 0)}URGP=${view.getUint16(at + 18)} ` +
        (options === "" ? "" : `OPT (${options}) `)
      );
    }
    case 17:
      return `PROTO=UDP ${ports}LEN=${view.getUint16(at + 4)} `;
    case 1: {
      const { type, code, id } = network.icmp ?? { type: 0, code: 0, id: 0 };
      const echo = type === 0 || type === 8 ? `ID=${id} SEQ=${view.getUint16(at + 6)} ` : "";
      return `PROTO=ICMP TYPE=${type} CODE=${code} ${echo}`;
    }
    case 58: {
      const { type, code, id } = network.icmp ?? { type: 0, code: 0, id: 0 };
      const echo = type === 128 || type === 129 ? `ID=${id} SEQ=${view.getUint16(at + 6)} ` : "";
      return `PROTO=ICMPv6 TYPE=${type} CODE=${code} ${echo}`;
    }
    default:
      return `PROTO=${network.protocol} `;
  }
}

/** In the kernel's order. */
function tcpFlags(flags: number): string {
  const names = ["CWR", "ECE", "URG", "ACK", "PSH", "RST", "SYN", "FIN"];
  return names
    .filter((_, i) => flags & (128 >> i))
    .map((name) => `${name} `)
    .join("");
}

function bytesOf(header: Uint8Array, from: number, to: number): string {
  return Buffer.from(header.subarray(from, to)).toString("hex").toUpperCase();
}
