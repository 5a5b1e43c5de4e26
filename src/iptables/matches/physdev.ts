// -m physdev: the bridge ports that a bridged packet came in by and leaves by.
import {
  MATCH_KIND_PHYSDEV,
  MATCH_PHYSDEV_NOT_IN,
  MATCH_PHYSDEV_NOT_OUT,
  MATCH_PHYSDEV_NOT_TEST_BRIDGED,
  MATCH_PHYSDEV_NOT_TEST_IN,
  MATCH_PHYSDEV_NOT_TEST_OUT,
  MATCH_PHYSDEV_TEST_BRIDGED,
  MATCH_PHYSDEV_TEST_IN,
  MATCH_PHYSDEV_TEST_OUT,
} from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { INTERFACE_NAME, parseInterface } from "../interface.ts";
import type { InterfaceTest } from "../model.ts";
import { not } from "../values.ts";

interface FlagTest {
  inverted: boolean;
}

export interface PhysdevMatch {
  kind: "physdev";
  in?: InterfaceTest;
  out?: InterfaceTest;
  isIn?: FlagTest;
  isOut?: FlagTest;
  isBridged?: FlagTest;
}

const IS_OPTIONS = [
  ["physdev-is-in", "isIn"],
  ["physdev-is-out", "isOut"],
  ["physdev-is-bridged", "isBridged"],
] as const;

export const physdev: MatchExtension<PhysdevMatch> = {
  name: "physdev",
  options: [
    { name: "physdev-in", invertible: true },
    { name: "physdev-out", invertible: true },
    ...IS_OPTIONS.map(([name]) => ({ name, words: 0 as const, invertible: true })),
  ],
  parse(options) {
    options.needAny(["physdev-in", "physdev-out", ...IS_OPTIONS.map(([name]) => name)]);
    const match: PhysdevMatch = { kind: "physdev" };
    const input = options.read("physdev-in", INTERFACE_NAME, parseInterface);
    const output = options.read("physdev-out", INTERFACE_NAME, parseInterface);
    if (input !== undefined) match.in = { name: input, inverted: options.inverted("physdev-in") };
    if (output !== undefined) match.out = { name: output, inverted: options.inverted("physdev-out") };
    for (const [name, key] of IS_OPTIONS) if (options.has(name)) match[key] = { inverted: options.inverted(name) };
    return match;
  },
  print(match) {
    const flag = (name: string, test: FlagTest | undefined) => (test ? ` ${not(test.inverted)}--physdev-${name}` : "");
    const port = (name: string, test: InterfaceTest | undefined) =>
      test ? ` ${not(test.inverted)}--physdev-${name} ${test.name}` : "";
    return (
      flag("is-in", match.isIn) +
      port("in", match.in) +
      flag("is-out", match.isOut) +
      port("out", match.out) +
      flag("is-bridged", match.isBridged)
    );
  },
  // The outgoing port is not known yet in OUTPUT, unless the rule asks for bridged packets only.
  hooks: (match) =>
    (match.out || match.isOut) && (!match.isBridged || match.isBridged.inverted)
      ? ["PREROUTING", "INPUT", "FORWARD", "POSTROUTING"]
      : undefined,
  compile: (match, block) => [
    {
      kind: MATCH_KIND_PHYSDEV,
      flags:
        (match.in?.inverted ? MATCH_PHYSDEV_NOT_IN : 0) |
        (match.out?.inverted ? MATCH_PHYSDEV_NOT_OUT : 0) |
        (match.isIn ? MATCH_PHYSDEV_TEST_IN : 0) |
        (match.isIn?.inverted ? MATCH_PHYSDEV_NOT_TEST_IN : 0) |
        (match.isOut ? MATCH_PHYSDEV_TEST_OUT : 0) |
        (match.isOut?.inverted ? MATCH_PHYSDEV_NOT_TEST_OUT : 0) |
        (match.isBridged ? MATCH_PHYSDEV_TEST_BRIDGED : 0) |
        (match.isBridged?.inverted ? MATCH_PHYSDEV_NOT_TEST_BRIDGED : 0),
      args: [match.in ? block.interface(match.in) : 0, match.out ? block.interface(match.out) : 0],
    },
  ],
};
