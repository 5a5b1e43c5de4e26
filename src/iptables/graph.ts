// How the chains of a table jump to each other: an order in which callers come first, or the rule that closes a loop.
import type { Chain, Rule, Table } from "./model.ts";

export type JumpOrder =
  | {
      /** The chains that a packet can reach, every chain before those that it jumps to. */
      order: Chain[];
    }
  | {
      /** A rule that leads back to a chain on the way to it. */
      loop: { chain: Chain; rule: Rule };
    };

/** Walks from the built-in chains. Jumps to chains that are not there are passed over. Its own stack, since chains may nest deeply. */
export function jumpOrder(table: Table): JumpOrder {
  const byName = new Map(table.chains.map((chain) => [chain.name, chain]));
  const done = new Set<Chain>();
  const open = new Set<Chain>();
  const finished: Chain[] = [];
  for (const root of table.chains) {
    if (root.policy === undefined || done.has(root)) continue;
    const stack = [{ chain: root, next: 0 }];
    open.add(root);
    for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
      const rule = frame.chain.rules[frame.next++];
      if (!rule) {
        stack.pop();
        open.delete(frame.chain);
        done.add(frame.chain);
        finished.push(frame.chain);
        continue;
      }
      const name = jumpedTo(rule);
      const chain = name === undefined ? undefined : byName.get(name);
      if (!chain || done.has(chain)) continue;
      if (open.has(chain)) return { loop: { chain: frame.chain, rule } };
      open.add(chain);
      stack.push({ chain, next: 0 });
    }
  }
  return { order: finished.reverse() };
}

/** The chain that a rule jumps or goes to. */
export function jumpedTo(rule: Rule): string | undefined {
  const target = rule.target;
  return target?.kind === "jump" || target?.kind === "goto" ? target.chain : undefined;
}
