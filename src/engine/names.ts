// The names that a flow asks the resolver for, in wire form one after the other.
import { wireName } from "./zone.ts";

/** `[length][name]...`, ended by a zero length. */
export function namesBlock(names: readonly string[]): Uint8Array {
  const parts = names.flatMap((name) => {
    const wire = wireName(name.toLowerCase());
    return [wire.length, 0, 0, 0, ...wire];
  });
  return Uint8Array.from([...parts, 0, 0, 0, 0]);
}
