// -j MARK: changes the packet's mark.
import { TARGET_MARK } from "../../../assembly/layout/rules.ts";
import type { TargetExtension } from "../extension.ts";
import { MARK_OPERATIONS, readMarkOperation } from "../marks.ts";
import { formatHex } from "../values.ts";

export interface MarkTarget {
  kind: "MARK";
  /** mark = (mark & ~mask) ^ value. */
  value: number;
  mask: number;
}

export const mark: TargetExtension<MarkTarget> = {
  name: "MARK",
  options: MARK_OPERATIONS.map((name) => ({ name })),
  parse: (options) => ({ kind: "MARK", ...readMarkOperation(options, options.oneOf(MARK_OPERATIONS, true)) }),
  print: (target) => ` --set-xmark ${formatHex(target.value)}/${formatHex(target.mask)}`,
  compile: (target) => ({ kind: TARGET_MARK, args: [target.value, target.mask] }),
};
