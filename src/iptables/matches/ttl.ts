// -m ttl and -m hl: the time to live of the IPv4 header, the hop limit of the IPv6 header.
import {
  MATCH_INVERT,
  MATCH_KIND_TTL,
  MATCH_TTL_EQ,
  MATCH_TTL_GT,
  MATCH_TTL_LT,
} from "../../../assembly/layout/rules.ts";
import type { Family } from "../addresses.ts";
import type { MatchExtension } from "../extension.ts";
import { not } from "../values.ts";

const MODES = ["eq", "lt", "gt"] as const;
const MODE_NUMBERS = { eq: MATCH_TTL_EQ, lt: MATCH_TTL_LT, gt: MATCH_TTL_GT };

interface HopTest {
  mode: (typeof MODES)[number];
  value: number;
  inverted: boolean;
}

export interface TtlMatch extends HopTest {
  kind: "ttl";
}

export interface HlMatch extends HopTest {
  kind: "hl";
}

export const ttl = hopMatch<TtlMatch>("ttl", "ipv4");
export const hl = hopMatch<HlMatch>("hl", "ipv6");

function hopMatch<T extends TtlMatch | HlMatch>(name: T["kind"], family: Family): MatchExtension<T> {
  return {
    name,
    family,
    options: MODES.map((mode) => ({
      name: `${name}-${mode}`,
      ...(mode === "eq" && { aliases: [name], invertible: true }),
    })),
    parse(options) {
      const option = options.oneOf(
        MODES.map((mode) => `${name}-${mode}`),
        true,
      );
      const mode = MODES.find((each) => option === `${name}-${each}`) ?? "eq";
      return { kind: name, mode, value: options.number(option, 255) ?? 0, inverted: options.inverted(option) } as T;
    },
    print: ({ inverted, mode, value }) => ` ${not(inverted)}--${name}-${mode} ${value}`,
    compile: ({ inverted, mode, value }) => [
      { kind: MATCH_KIND_TTL, flags: inverted ? MATCH_INVERT : 0, args: [MODE_NUMBERS[mode], value] },
    ],
  };
}
