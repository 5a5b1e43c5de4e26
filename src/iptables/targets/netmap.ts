// -j NETMAP: maps a whole block one to one onto another.
import { TARGET_NETMAP } from "../../../assembly/layout/rules.ts";
import { formatNetwork, maskPrefix, parseNetwork, type Address } from "../addresses.ts";
import type { TargetExtension } from "../extension.ts";

export interface NetmapTarget {
  kind: "NETMAP";
  /** The bits of the new address in `mask` come from here, the others from the old one. */
  value: Address;
  mask: Address;
}

export const netmap: TargetExtension<NetmapTarget> = {
  name: "NETMAP",
  options: [{ name: "to" }],
  tables: ["nat"],
  hooks: () => ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
  parse: (options, { family }) => ({
    kind: "NETMAP",
    ...options.need("to", `a block such as ${family === "ipv4" ? "10.1.0.0/24" : "fd00:1::/64"}`, (word) => {
      const network = parseNetwork(word, family);
      return network && maskPrefix(network.mask) !== undefined ? network : undefined;
    }),
  }),
  print: (target) => ` --to ${formatNetwork(target)}`,
  // What stands for a mask of IPv6 is its length.
  compile: ({ value, mask }, block) => ({
    kind: TARGET_NETMAP,
    args: [0, block.address(value), typeof mask === "number" ? mask : (maskPrefix(mask) ?? 0), 0, 0, 0],
  }),
};
