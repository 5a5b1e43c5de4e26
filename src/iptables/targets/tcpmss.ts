// -j TCPMSS: lowers the maximum segment size that a SYN announces.
import { TARGET_TCPMSS, TARGET_TCPMSS_CLAMP } from "../../../assembly/layout/rules.ts";
import type { TargetExtension } from "../extension.ts";
import { PROTO_TCP } from "../protocols.ts";

export interface TcpmssTarget {
  kind: "TCPMSS";
  mss: number | "path MTU";
}

export const tcpmss: TargetExtension<TcpmssTarget> = {
  name: "TCPMSS",
  options: [{ name: "set-mss" }, { name: "clamp-mss-to-pmtu", words: 0 }],
  // The path MTU is known only once the packet has a route.
  hooks: (target) => (target.mss === "path MTU" ? ["FORWARD", "OUTPUT", "POSTROUTING"] : undefined),
  parse(options, rule) {
    if (rule.protocol?.number !== PROTO_TCP || rule.protocol.inverted)
      options.failWhole("-j TCPMSS needs -p tcp with --syn or --tcp-flags SYN,RST SYN");
    const name = options.oneOf(["set-mss", "clamp-mss-to-pmtu"], true);
    return { kind: "TCPMSS", mss: name === "set-mss" ? (options.number(name, 65495) ?? 0) : "path MTU" };
  },
  print: (target) => (target.mss === "path MTU" ? " --clamp-mss-to-pmtu" : ` --set-mss ${target.mss}`),
  compile: (target) => ({
    kind: TARGET_TCPMSS,
    args: [target.mss === "path MTU" ? TARGET_TCPMSS_CLAMP : target.mss],
  }),
};
