// -j REJECT: drops the packet and tells the sender, by ICMP or by a TCP reset.
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

export interface RejectTarget {
  kind: "REJECT";
  with: (typeof TYPES)[number][0];
}

export const reject: TargetExtension<RejectTarget> = {
  name: "REJECT",
  options: [{ name: "reject-with" }],
  tables: ["filter"],
  hooks: () => ["INPUT", "FORWARD", "OUTPUT"],
  parse(options, rule) {
    const what = `one of ${TYPES.map(([name]) => name).join(", ")}`;
    const type = options.read(
      "reject-with",
      what,
      (word) => TYPES.find(([name, short]) => word === name || word === short)?.[0],
    );
    if (type === TCP_RESET && (rule.protocol?.number !== PROTO_TCP || rule.protocol.inverted))
      options.fail("reject-with", "tcp-reset needs -p tcp");
    return { kind: "REJECT", with: type ?? "icmp-port-unreachable" };
  },
  print: (target) => ` --reject-with ${target.with}`,
  compile: (target) => ({
    kind: TARGET_REJECT,
    args: [target.with === TCP_RESET ? 1 : 0, TYPES.find(([name]) => name === target.with)?.[2] ?? 0],
  }),
};
