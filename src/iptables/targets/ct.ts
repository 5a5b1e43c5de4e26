// -j CT and NOTRACK: whether, and in which zone, a new packet is tracked.
import { TARGET_CT } from "../../../assembly/layout/rules.ts";
import type { TargetExtension } from "../extension.ts";

export interface CtTarget {
  kind: "CT";
  notrack: boolean;
  zone?: number;
}

export interface NotrackTarget {
  kind: "NOTRACK";
}

export const ct: TargetExtension<CtTarget> = {
  name: "CT",
  options: [{ name: "notrack", words: 0 }, { name: "zone" }],
  tables: ["raw"],
  parse(options) {
    const zone = options.number("zone", 65534);
    return { kind: "CT", notrack: options.has("notrack"), ...(zone !== undefined && { zone }) };
  },
  print: (target) => (target.notrack ? " --notrack" : "") + (target.zone ? ` --zone ${target.zone}` : ""),
  compile: (target) => ({ kind: TARGET_CT, args: [target.notrack ? 1 : 0, target.zone ?? 0] }),
};

export const notrack: TargetExtension<NotrackTarget> = {
  name: "NOTRACK",
  options: [],
  tables: ["raw"],
  parse: () => ({ kind: "NOTRACK" }),
  print: () => "",
  compile: () => ({ kind: TARGET_CT, args: [1, 0] }),
};
