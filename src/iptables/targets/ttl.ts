// -j TTL: changes the time to live.
import { TARGET_TTL, TARGET_TTL_DEC, TARGET_TTL_INC, TARGET_TTL_SET } from "../../../assembly/layout/rules.ts";
import type { TargetExtension } from "../extension.ts";

const MODES = ["ttl-set", "ttl-inc", "ttl-dec"] as const;
const MODE_NUMBERS = { "ttl-set": TARGET_TTL_SET, "ttl-inc": TARGET_TTL_INC, "ttl-dec": TARGET_TTL_DEC };

export interface TtlTarget {
  kind: "TTL";
  mode: (typeof MODES)[number];
  value: number;
}

export const ttl: TargetExtension<TtlTarget> = {
  name: "TTL",
  options: MODES.map((name) => ({ name })),
  tables: ["mangle"],
  parse(options) {
    const mode = options.oneOf(MODES, true) as TtlTarget["mode"];
    return { kind: "TTL", mode, value: options.number(mode, 255, mode === "ttl-set" ? 0 : 1) ?? 0 };
  },
  print: (target) => ` --${target.mode} ${target.value}`,
  compile: (target) => ({ kind: TARGET_TTL, args: [MODE_NUMBERS[target.mode], target.value] }),
};
