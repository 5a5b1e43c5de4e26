// Values inside options: numbers, ranges, lists of names; to data and back to text.

/** An unsigned number as strtoul reads it: decimal, 0x hexadecimal or 0 octal. Undefined if it is none or exceeds `max`. */
export function parseNumber(text: string, max = 0xffffffff): number | undefined {
  const value = parseBigNumber(text);
  return value !== undefined && value <= max ? Number(value) : undefined;
}

/** As parseNumber, without a limit. */
export function parseBigNumber(text: string): bigint | undefined {
  if (/^0[0-7]+$/.test(text)) return BigInt(`0o${text.slice(1)}`);
  return /^(0x[0-9a-f]+|0|[1-9][0-9]*)$/i.test(text) ? BigInt(text) : undefined;
}

/** `5`, `5:7`, `5:`, `:7`; an open end is 0 or `max`. A range that runs backwards is returned as it is. */
export function parseRange(text: string, max: number, separator = ":"): Range | undefined {
  const [low = "", high, ...rest] = text.split(separator);
  if (rest.length > 0 || text === separator) return undefined;
  const from = low === "" && high !== undefined ? 0 : parseNumber(low, max);
  const to = high === undefined ? from : high === "" ? max : parseNumber(high, max);
  return from === undefined || to === undefined ? undefined : { min: from, max: to };
}

export interface Range {
  min: number;
  max: number;
}

/** `5` or `5:7`. */
export function formatRange(range: Range, separator = ":"): string {
  return range.min === range.max ? `${range.min}` : `${range.min}${separator}${range.max}`;
}

/** `5` or `5/0xff`. */
export function parseMasked(text: string, max = 0xffffffff): { value: number; mask?: number } | undefined {
  const [head = "", tail, ...rest] = text.split("/");
  const value = parseNumber(head, max);
  if (value === undefined || rest.length > 0) return undefined;
  if (tail === undefined) return { value };
  const mask = parseNumber(tail, max);
  return mask === undefined ? undefined : { value, mask };
}

/** 255 as `0xff`; `digits` pads with zeros. */
export function formatHex(value: number, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}

/** `A,B` to the bits of the names, upper or lower case; undefined if a name is not among them. */
export function parseBits(text: string, names: readonly Bit[]): number | undefined {
  let bits = 0;
  for (const part of text.split(",")) {
    const bit = names.find(([name]) => name === part.toUpperCase());
    if (!bit) return undefined;
    bits |= bit[1];
  }
  return bits;
}

/** The names of the bits that are set, in the order of the list. */
export function formatBits(bits: number, names: readonly Bit[]): string {
  return names
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name)
    .join(",");
}

export type Bit = readonly [name: string, bit: number];

/** `! ` or nothing. */
export function not(inverted: boolean): string {
  return inverted ? "! " : "";
}
