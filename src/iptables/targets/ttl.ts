// -j TTL and HL: change the time to live of IPv4, the hop limit of IPv6.
import { TARGET_TTL, TARGET_TTL_DEC, TARGET_TTL_INC, TARGET_TTL_SET } from "../../../assembly/layout/rules.ts";
import type { Family } from "../addresses.ts";
import type { TargetExtension } from "../extension.ts";

const MODES = ["set", "inc", "dec"] as const;
const MODE_NUMBERS = { set: TARGET_TTL_SET, inc: TARGET_TTL_INC, dec: TARGET_TTL_DEC };

interface HopChange {
  mode: (typeof MODES)[number];
  value: number;
}

export interface TtlTarget extends HopChange {
  kind: "TTL";
}

export interface HlTarget extends HopChange {
  kind: "HL";
}

export const ttl = hopTarget<TtlTarget>("TTL", "ttl", "ipv4");
export const hl = hopTarget<HlTarget>("HL", "hl", "ipv6");

function hopTarget<T extends TtlTarget | HlTarget>(
  name: T["kind"],
  prefix: string,
  family: Family,
): TargetExtension<T> {
  const names = MODES.map((mode) => `${prefix}-${mode}`);
  return {
    name,
    family,
    options: names.map((option) => ({ name: option })),
    tables: ["mangle"],
    parse(options) {
      const option = options.oneOf(names, true);
      const mode = MODES.find((each) => option === `${prefix}-${each}`) ?? "set";
      return { kind: name, mode, value: options.number(option, 255, mode === "set" ? 0 : 1) ?? 0 } as T;
    },
    print: ({ mode, value }) => ` --${prefix}-${mode} ${value}`,
    compile: ({ mode, value }) => ({ kind: TARGET_TTL, args: [MODE_NUMBERS[mode], value] }),
  };
}
