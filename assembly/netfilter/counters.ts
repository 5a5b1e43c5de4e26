// The counters of a namespace's rules (RULESET_*): pages that are made when the first packet is counted in them, as most rules never match.
import { COUNTER_PAGE_SHIFT, COUNTER_PAGE_SIZE, COUNTER_SIZE, RULESET_COUNTERS } from "../layout/records.ts";
import { RULE_INDEX } from "../layout/rules.ts";
import { allocate } from "../memory/arena.ts";

const PAGE_MASK: u32 = (1 << COUNTER_PAGE_SHIFT) - 1;

/** How many pages the counters of so many rules have. */
function pagesOf(rules: u32): u32 {
  return (rules + PAGE_MASK) >> COUNTER_PAGE_SHIFT;
}

/** Gives a set in force (RULESET_*) room for the counters of `rules` rules. With `before`, so many has it counted already: they go on. */
export function makeRoom(set: usize, rules: u32, before: u32): void {
  const pages = allocate(pagesOf(rules) << 2);
  if (before) memory.copy(pages, load<usize>(set, RULESET_COUNTERS), min(pagesOf(rules), pagesOf(before)) << 2);
  store<usize>(set, pages, RULESET_COUNTERS);
}

/** Has `count` counter pairs begin anew. */
export function clearCounts(rules: usize, first: u32, count: u32): void {
  for (let index = first; index < first + count; index++) {
    const page = load<usize>(load<usize>(rules, RULESET_COUNTERS) + (((<usize>index) >> COUNTER_PAGE_SHIFT) << 2));
    if (page) memory.fill(page + <usize>(index & PAGE_MASK) * COUNTER_SIZE, 0, COUNTER_SIZE);
  }
}

/** The counter pair of the rule with a RULE_INDEX. */
export function counterAt(rules: usize, index: u32): usize {
  const slot = load<usize>(rules, RULESET_COUNTERS) + (((<usize>index) >> COUNTER_PAGE_SHIFT) << 2);
  let page = load<usize>(slot);
  if (!page) {
    page = allocate(COUNTER_PAGE_SIZE);
    store<usize>(slot, page);
  }
  return page + <usize>(index & PAGE_MASK) * COUNTER_SIZE;
}

/** The counter pair of a rule. */
export function counterOf(rules: usize, rule: usize): usize {
  return counterAt(rules, load<u32>(rule, RULE_INDEX));
}
