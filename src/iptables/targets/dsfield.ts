// -j DSCP and TOS: change the type-of-service byte.
import { TARGET_DSCP, TARGET_TOS } from "../../../assembly/layout/rules.ts";
import { DSCP_CLASS, parseDscpClass, parseTos, TOS_VALUE } from "../dsfield.ts";
import type { TargetExtension } from "../extension.ts";
import { formatHex } from "../values.ts";

export interface DscpTarget {
  kind: "DSCP";
  value: number;
}

export interface TosTarget {
  kind: "TOS";
  /** tos = (tos & ~mask) ^ value. */
  value: number;
  mask: number;
}

export const dscp: TargetExtension<DscpTarget> = {
  name: "DSCP",
  options: [{ name: "set-dscp" }, { name: "set-dscp-class" }],
  tables: ["mangle"],
  parse(options) {
    const name = options.oneOf(["set-dscp", "set-dscp-class"], true);
    const value = name === "set-dscp" ? options.number(name, 63) : options.read(name, DSCP_CLASS, parseDscpClass);
    return { kind: "DSCP", value: value ?? 0 };
  },
  print: (target) => ` --set-dscp ${formatHex(target.value, 2)}`,
  compile: (target) => ({ kind: TARGET_DSCP, args: [target.value] }),
};

const TOS_OPERATIONS = ["set-tos", "and-tos", "or-tos", "xor-tos"] as const;

export const tos: TargetExtension<TosTarget> = {
  name: "TOS",
  options: TOS_OPERATIONS.map((name) => ({ name })),
  tables: ["mangle"],
  parse(options) {
    const name = options.oneOf(TOS_OPERATIONS, true);
    if (name === "set-tos") return { kind: "TOS", ...options.need(name, TOS_VALUE, parseTos) };
    const bits = options.number(name, 255) ?? 0;
    if (name === "and-tos") return { kind: "TOS", value: 0, mask: ~bits & 255 };
    return { kind: "TOS", value: bits, mask: name === "or-tos" ? bits : 0 };
  },
  print: (target) => ` --set-tos ${formatHex(target.value, 2)}/${formatHex(target.mask, 2)}`,
  compile: (target) => ({ kind: TARGET_TOS, args: [target.value, target.mask] }),
};
