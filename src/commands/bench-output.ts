// What the parts of `podwire bench` share: options, and how rows are printed and drawn.
import { InvalidArgumentError, type Command } from "commander";
import Table from "cli-table3";
import type { Plot } from "../bench/plot.ts";
import { cell, fieldsOf, plotFile, type Row } from "../bench/sheet.ts";
import { checkFile, writeOutput } from "./output.ts";

export interface OutputFlags {
  json?: boolean;
  plot?: string;
}

/** Adds --json and --plot. */
export function withOutput(command: Command): Command {
  return command
    .option("--json", "print JSON in place of the table")
    .option("--plot <FILE>", "draw it, as SVG or, if the name ends in .html, as a page");
}

/** Throws an InputError if the plot cannot be written: before anything is measured. */
export function checkOutput({ plot }: OutputFlags): void {
  if (plot !== undefined) checkFile(plot, "--plot");
}

/** Prints rows as a table or JSON, and writes the plot. */
export function output(rows: readonly object[], { json, plot }: OutputFlags, draw?: () => Plot): void {
  const records = rows as readonly Row[];
  if (plot !== undefined && draw) writeOutput(plot, plotFile(plot, draw(), records), "--plot");
  if (json) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return;
  }
  const fields = fieldsOf(records);
  const table = new Table({ head: fields, style: { head: [], border: [] } });
  for (const row of records) table.push(fields.map((field) => cell(row[field])));
  process.stdout.write(`${table.toString()}\n`);
}

/** A parser of whole numbers separated by commas, in rising order. */
export function integersOption(low: number, high: number): (text: string) => number[] {
  return (text) => {
    const values = text.split(",").map((word) => (/^\d+$/.test(word) ? Number(word) : NaN));
    if (values.every((value, i) => value >= low && value <= high && value > (values[i - 1] ?? 0))) return values;
    throw new InvalidArgumentError(`It should be rising whole numbers from ${low} to ${high}, such as ${low},${high}.`);
  };
}

/** A parser of words from a list, separated by commas. */
export function wordsOption<T extends string>(choices: readonly T[]): (text: string) => T[] {
  return (text) => {
    const words = text.split(",").map((word) => choices.find((choice) => choice === word));
    if (words.every((word) => word !== undefined)) return words;
    throw new InvalidArgumentError(`It should be ${choices.join(" or ")}, or several with commas.`);
  };
}
