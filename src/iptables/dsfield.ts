// Names of values in the type-of-service byte: the old TOS words and the DSCP classes.
import { parseMasked } from "./values.ts";

const TOS_NAMES: Readonly<Record<string, number>> = {
  "minimize-delay": 0x10,
  "maximize-throughput": 0x08,
  "maximize-reliability": 0x04,
  "minimize-cost": 0x02,
  "normal-service": 0x00,
};
const NAMED_MASK = 0x3f;

/** What parseTos takes, for error messages. */
export const TOS_VALUE = "a value from 0 to 255, a value with a mask, or a name such as Minimize-Delay";

/** `0x10`, `0x10/0x3f` or `Minimize-Delay`. */
export function parseTos(text: string): { value: number; mask: number } | undefined {
  const named = TOS_NAMES[text.toLowerCase()];
  if (named !== undefined) return { value: named, mask: NAMED_MASK };
  const masked = parseMasked(text, 0xff);
  return masked && { value: masked.value, mask: masked.mask ?? 0xff };
}

/** What parseDscpClass takes, for error messages. */
export const DSCP_CLASS = "a DSCP class: CS0 to CS7, BE, EF or AF11 to AF43";

/** CS0 to CS7, BE, EF, AF11 to AF43 (RFC 2474, 2597, 3246) to the six bits. */
export function parseDscpClass(text: string): number | undefined {
  const name = text.toUpperCase();
  if (name === "BE") return 0;
  if (name === "EF") return 0x2e;
  const selector = /^CS([0-7])$/.exec(name);
  if (selector) return Number(selector[1]) * 8;
  const assured = /^AF([1-4])([1-3])$/.exec(name);
  return assured ? Number(assured[1]) * 8 + Number(assured[2]) * 2 : undefined;
}
