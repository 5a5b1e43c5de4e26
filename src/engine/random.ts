// Seeds: one number for the run, split by name so that adding a flow or a node does not change another's.
import { createHash } from "node:crypto";

/** The 64-bit seed of a part of the run, such as `namespace shop/cart-0`. */
export function seedOf(seed: number, part: string): bigint {
  return createHash("sha256").update(`${seed} ${part}`).digest().readBigUInt64LE();
}
