// The spellings by which MARK and CONNMARK change a mark; all of them become mark = (mark & ~mask) ^ value.
import type { Options } from "./options.ts";

export const MARK_OPERATIONS = ["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"] as const;

/** Reads the option `name`, which must have been given, as a value and a mask. */
export function readMarkOperation(options: Options, name: string): { value: number; mask: number } {
  if (name === "set-xmark" || name === "set-mark") {
    const { value, mask } = options.masked(name) ?? { value: 0, mask: 0 };
    // With --set-mark the bits of the value are cleared first, so that they end up set.
    return { value, mask: name === "set-mark" ? (mask | value) >>> 0 : mask };
  }
  const bits = options.number(name) ?? 0;
  if (name === "and-mark") return { value: 0, mask: ~bits >>> 0 };
  return { value: bits, mask: name === "or-mark" ? bits : 0 };
}
