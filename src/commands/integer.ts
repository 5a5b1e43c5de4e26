// Whole numbers on the command line.
import { InvalidArgumentError } from "commander";

/** A parser of an option's value. It throws the error that commander tells with the option's name. */
export function integer(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`It should be a whole number from ${low} to ${high}.`);
  };
}
