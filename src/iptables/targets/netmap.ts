// -j NETMAP: maps a whole block one to one onto another.
import { TARGET_NETMAP } from "../../../assembly/layout/rules.ts";
import type { TargetExtension } from "../extension.ts";
import { formatNetwork, maskPrefix, parseNetwork } from "../values.ts";

export interface NetmapTarget {
  kind: "NETMAP";
  /** The bits of the new address in `mask` come from here, the others from the old one. */
  value: number;
  mask: number;
}

export const netmap: TargetExtension<NetmapTarget> = {
  name: "NETMAP",
  options: [{ name: "to" }],
  tables: ["nat"],
  hooks: () => ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
  parse: (options) => ({
    kind: "NETMAP",
    ...options.need("to", "a block such as 10.1.0.0/24", (word) => {
      const network = parseNetwork(word);
      return network && maskPrefix(network.mask) !== undefined ? network : undefined;
    }),
  }),
  print: (target) => ` --to ${formatNetwork(target)}`,
  compile: (target) => ({ kind: TARGET_NETMAP, args: [0, target.value, target.mask, 0, 0, 0] }),
};
