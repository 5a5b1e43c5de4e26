// -j CHAIN and -g CHAIN: going on in a user chain. The rule reader makes these; the chain's offset is filled in when compiling.

/** `goto` does not come back to this chain but to the one that jumped to it. */
export type ChainTarget = { kind: "jump"; chain: string } | { kind: "goto"; chain: string };
