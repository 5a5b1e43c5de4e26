// -j CONNMARK: changes the mark of the connection, or copies it from or to the packet's.
import {
  TARGET_CONNMARK,
  TARGET_CONNMARK_RESTORE,
  TARGET_CONNMARK_SAVE,
  TARGET_CONNMARK_SET,
} from "../../../assembly/layout/rules.ts";
import type { TargetExtension } from "../extension.ts";
import { MARK_OPERATIONS, readMarkOperation } from "../marks.ts";
import { formatHex } from "../values.ts";

export type ConnmarkTarget = { kind: "CONNMARK" } & (
  | { mode: "set"; value: number; mask: number }
  | {
      /** `save`: from packet to connection. */
      mode: "save" | "restore";
      packetMask: number;
      connectionMask: number;
    }
);

const COPIES = ["save-mark", "restore-mark"] as const;
const ALL = 0xffffffff;

export const connmark: TargetExtension<ConnmarkTarget> = {
  name: "CONNMARK",
  options: [
    ...MARK_OPERATIONS.map((name) => ({ name })),
    ...COPIES.map((name) => ({ name, words: 0 as const })),
    { name: "mask" },
    { name: "nfmask" },
    { name: "ctmask" },
  ],
  parse(options) {
    const name = options.oneOf([...MARK_OPERATIONS, ...COPIES], true);
    if (name !== "save-mark" && name !== "restore-mark") {
      for (const mask of ["mask", "nfmask", "ctmask"])
        if (options.has(mask)) options.fail(mask, `--${mask} goes with --save-mark or --restore-mark only`);
      return { kind: "CONNMARK", mode: "set", ...readMarkOperation(options, name) };
    }
    options.oneOf(["mask", "nfmask"], false);
    options.oneOf(["mask", "ctmask"], false);
    const both = options.number("mask") ?? ALL;
    return {
      kind: "CONNMARK",
      mode: name === "save-mark" ? "save" : "restore",
      packetMask: options.number("nfmask") ?? both,
      connectionMask: options.number("ctmask") ?? both,
    };
  },
  print(target) {
    if (target.mode === "set") return ` --set-xmark ${formatHex(target.value)}/${formatHex(target.mask)}`;
    const masks = `--nfmask ${formatHex(target.packetMask)} --ctmask ${formatHex(target.connectionMask)}`;
    return ` --${target.mode}-mark ${masks}`;
  },
  compile(target) {
    if (target.mode === "set")
      return { kind: TARGET_CONNMARK, args: [TARGET_CONNMARK_SET, target.value, target.mask, 0] };
    const mode = target.mode === "save" ? TARGET_CONNMARK_SAVE : TARGET_CONNMARK_RESTORE;
    return { kind: TARGET_CONNMARK, args: [mode, 0, target.connectionMask, target.packetMask] };
  },
};
