// Lengths written into requests and answers: digits, with blanks behind them where the place is wider.
import { DIGITS } from "../layout/traffic.ts";

/** Writes a number's digits; returns how many. */
export function writeNumber(at: usize, value: u32): i32 {
  let digits = 1;
  for (let rest = value; rest >= 10; rest /= 10) digits++;
  let left = value;
  for (let i = digits - 1; i >= 0; i--) {
    store<u8>(at + <usize>i, <u8>(48 + (left % 10)));
    left /= 10;
  }
  return digits;
}

/** Writes a number into a place of DIGITS characters. */
export function writeDigits(at: usize, value: u32): void {
  for (let i = writeNumber(at, value); i < DIGITS; i++) store<u8>(at + <usize>i, 32);
}
