// Which hooks lead to which chains, told from numbers alone: what the kernel checks before it takes a table.

/** Chains by number; the rules of chain c are first[c] to first[c] + rules[c] - 1. */
export interface ChainGraph {
  first: Uint32Array;
  rules: Uint32Array;
  /** HOOK_*, -1: a user chain. */
  hook: Int32Array;
  /** By rule: the chain that it leads to, -1: none. */
  to: Int32Array;
}

/** The chains that a packet can come to, callers first; or the number of a rule that leads back to a chain on the way to it. */
export type CallOrder = { order: Uint32Array } | { loop: { chain: number; rule: number } };

/** Walks from the built-in chains, with a stack of its own, since chains may nest deeply. */
export function callersFirst({ first, rules, hook, to }: ChainGraph): CallOrder {
  const count = first.length;
  const state = new Uint8Array(count); // 1: on the way, 2: done
  const order = new Uint32Array(count);
  let place = count;
  const stack = new Uint32Array(count);
  const next = new Uint32Array(count);
  for (let root = 0; root < count; root++) {
    if ((hook[root] ?? -1) < 0 || state[root] !== 0) continue;
    let depth = 0;
    stack[0] = root;
    next[0] = 0;
    state[root] = 1;
    while (depth >= 0) {
      const chain = stack[depth] ?? 0;
      const rule = next[depth] ?? 0;
      if (rule === rules[chain]) {
        state[chain] = 2;
        order[--place] = chain;
        depth--;
        continue;
      }
      next[depth] = rule + 1;
      const index = (first[chain] ?? 0) + rule;
      const target = to[index] ?? -1;
      if (target < 0 || state[target] === 2) continue;
      if (state[target] === 1) return { loop: { chain, rule: index } };
      state[target] = 1;
      depth++;
      stack[depth] = target;
      next[depth] = 0;
    }
  }
  return { order: order.subarray(place) };
}

/** By chain: from which hooks a packet can come to it, as bits 1 << HOOK_*. `order` has callers first. */
export function hooksTo({ first, rules, hook, to }: ChainGraph, order: Uint32Array): Uint8Array {
  const reached = new Uint8Array(first.length);
  for (const chain of order) {
    const own = hook[chain] ?? -1;
    if (own >= 0) reached[chain] = 1 << own;
    const from = first[chain] ?? 0;
    const hooks = reached[chain] ?? 0;
    for (let rule = from; rule < from + (rules[chain] ?? 0); rule++) {
      const target = to[rule] ?? -1;
      if (target >= 0) reached[target] = (reached[target] ?? 0) | hooks;
    }
  }
  return reached;
}
