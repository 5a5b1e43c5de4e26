// Device names in rules: their limits, and their form in a compiled block.
import type { InterfaceTest } from "./model.ts";

const MAX_LENGTH = 15;

/** What parseInterface takes, for error messages. */
export const INTERFACE_NAME = `a device name of 1 to ${MAX_LENGTH} characters`;

/** A device name, perhaps with a final `+`, which stands for any ending. */
export function parseInterface(text: string): string | undefined {
  return text.length > 0 && text.length <= MAX_LENGTH && !/[\s/]/.test(text) ? text : undefined;
}

/** Whether the test lets every device pass. */
export function passesEvery(test: InterfaceTest | undefined): boolean {
  return test === undefined || (test.name === "+" && !test.inverted);
}

/** The eight words of an interface record: the name and the mask over it, in the order of their bytes in memory. */
export function interfaceWords(name: string): number[] {
  const bytes = new TextEncoder().encode(name);
  const wild = name.endsWith("+");
  // Without `+` the zero after the name counts too, so that `eth1` is not `eth10`.
  const significant = wild ? bytes.length - 1 : bytes.length + 1;
  const words = new Array<number>(8).fill(0);
  for (let i = 0; i < significant; i++) {
    const shift = (i & 3) * 8;
    words[i >> 2] = ((words[i >> 2] ?? 0) | ((bytes[i] ?? 0) << shift)) >>> 0;
    words[4 + (i >> 2)] = ((words[4 + (i >> 2)] ?? 0) | (0xff << shift)) >>> 0;
  }
  return words;
}
