// -j ACCEPT, DROP and RETURN: what ends a packet's walk, or the walk of a chain.
import { TARGET_ACCEPT, TARGET_DROP, TARGET_RETURN } from "../../../assembly/layout/rules.ts";
import type { TargetExtension } from "../extension.ts";
import type { TableName } from "../model.ts";

export interface VerdictTarget {
  kind: "ACCEPT" | "DROP" | "RETURN";
}

export const accept = verdict("ACCEPT", TARGET_ACCEPT);
// iptables refuses DROP in nat: packets of a known connection would not meet it.
export const drop = verdict("DROP", TARGET_DROP, ["raw", "mangle", "filter"]);
export const return_ = verdict("RETURN", TARGET_RETURN);

function verdict(
  name: VerdictTarget["kind"],
  kind: number,
  tables?: readonly TableName[],
): TargetExtension<VerdictTarget> {
  return {
    name,
    options: [],
    ...(tables && { tables }),
    parse: () => ({ kind: name }),
    print: () => "",
    compile: () => ({ kind }),
  };
}
