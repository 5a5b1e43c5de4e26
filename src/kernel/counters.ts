// Counters of rules as they are taken out of a kernel: only those pages in which something was counted.
import { COUNTER_PAGE_SHIFT, NS_RULES, NS_RULES6 } from "../../assembly/layout/records.ts";
import type { Family } from "../iptables/addresses.ts";

/** Where a namespace has its rules in force (RULESET_*), of iptables and of ip6tables. */
export const RULES_AT: Readonly<Record<Family, number>> = { ipv4: NS_RULES, ipv6: NS_RULES6 };

/** By page, packets and bytes of each of its rules. May be sent from worker to worker. */
export type RuleCounters = ReadonlyMap<number, BigUint64Array>;

/** The rules that have counted, by RULE_INDEX. */
export function* countedIn(counters: RuleCounters): Generator<{ index: number; packets: number; bytes: number }> {
  for (const [page, values] of counters)
    for (let at = 0; at < values.length; at += 2)
      if (values[at] !== 0n || values[at + 1] !== 0n)
        yield {
          index: (page << COUNTER_PAGE_SHIFT) + at / 2,
          packets: Number(values[at]),
          bytes: Number(values[at + 1]),
        };
}

/** What the rule with a RULE_INDEX has counted. */
export function countedBy(counters: RuleCounters, index: number): { packets: number; bytes: number } {
  const page = counters.get(index >>> COUNTER_PAGE_SHIFT);
  const at = (index & ((1 << COUNTER_PAGE_SHIFT) - 1)) * 2;
  return { packets: Number(page?.[at] ?? 0n), bytes: Number(page?.[at + 1] ?? 0n) };
}
