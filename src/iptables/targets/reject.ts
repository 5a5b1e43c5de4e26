// -j REJECT: drops the packet and tells the sender, by ICMP, ICMPv6 or a TCP reset.
import { TARGET_REJECT } from "../../../assembly/layout/rules.ts";
import type { TargetExtension } from "../extension.ts";
import { PROTO_TCP } from "../protocols.ts";

const TCP_RESET = "tcp-reset";

// Name, short name, code of ICMP destination unreachable.
const TYPES = [
  ["icmp-net-unreachable", "net-unreach", 0],
  ["icmp-host-unreachable", "host-unreach", 1],
  ["icmp-proto-unreachable", "proto-unreach", 2],
  ["icmp-port-unreachable", "port-unreach", 3],
  ["icmp-net-prohibited", "net-prohib", 9],
  ["icmp-host-prohibited", "host-prohib", 10],
  [TCP_RESET, "tcp-rst", 0],
  ["icmp-admin-prohibited", "admin-prohib", 13],
] as const;

// The same of ICMPv6 (RFC 4443, 3.1).
const TYPES6 = [
  ["icmp6-no-route", "no-route", 0],
  ["icmp6-adm-prohibited", "adm-prohibited", 1],
  ["icmp6-addr-unreachable", "addr-unreach", 3],
  ["icmp6-port-unreachable", "port-unreach", 4],
  [TCP_RESET, TCP_RESET, 0],
  ["icmp6-policy-fail", "policy-fail", 5],
  ["icmp6-reject-route", "reject-route", 6],
] as const;

type TypeName = (typeof TYPES | typeof TYPES6)[number][0];

export interface RejectTarget {
  kind: "REJECT";
  with: TypeName;
}

export const reject: TargetExtension<RejectTarget> = {
  name: "REJECT",
  options: [{ name: "reject-with" }],
  tables: ["filter"],
  hooks: () => ["INPUT", "FORWARD", "OUTPUT"],
  parse(options, rule) {
    const types: readonly (readonly [TypeName, string, number])[] = rule.family === "ipv4" ? TYPES : TYPES6;
    const what = `one of ${types.map(([name]) => name).join(", ")}`;
    const type = options.read(
      "reject-with",
      what,
      (word) => types.find(([name, short]) => word === name || word === short)?.[0],
    );
    if (type === TCP_RESET && (rule.protocol?.number !== PROTO_TCP || rule.protocol.inverted))
      options.fail("reject-with", "tcp-reset needs -p tcp");
    return {
      kind: "REJECT",
      with: type ?? (rule.family === "ipv4" ? "icmp-port-unreachable" : "icmp6-port-unreachable"),
    };
  },
  print: (target) => ` --reject-with ${target.with}`,
  compile: (target) => ({
    kind: TARGET_REJECT,
    args: [target.with === TCP_RESET ? 1 : 0, [...TYPES, ...TYPES6].find(([name]) => name === target.with)?.[2] ?? 0],
  }),
};
