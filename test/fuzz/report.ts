// What the differential loop found, as text: a table of the families, then the cases that differ.

/** How many cases of a family were played, and how many of them were equal. */
export interface Tally {
  family: string;
  equal: number;
  total: number;
}

/** A case that differs: in what, and the folder of its shortest form. */
export interface Difference {
  name: string;
  steps: number;
  sentences: string[];
  folder: string;
}

const MOST_SENTENCES = 4;
const LONGEST = 400;

export function tallyTable(tallies: readonly Tally[]): string {
  const rows = tallies.map(({ family, equal, total }) => [family, `${equal}`, `${total}`]);
  const all = ["all", `${sum(tallies, "equal")}`, `${sum(tallies, "total")}`];
  const line = ([family = "", equal = "", total = ""]: string[]): string =>
    `${family.padEnd(10)} ${equal.padStart(6)} ${total.padStart(6)}\n`;
  return [["family", "equal", "total"], ...rows, all].map(line).join("");
}

function sum(tallies: readonly Tally[], key: "equal" | "total"): number {
  return tallies.reduce((total, tally) => total + tally[key], 0);
}

export function differenceText({ name, steps, sentences, folder }: Difference): string {
  const shown = sentences.slice(0, MOST_SENTENCES).map((text) => `  ${shorten(text)}\n`);
  const more = sentences.length > shown.length ? `  and ${sentences.length - shown.length} more\n` : "";
  return `${name}, ${steps} ${steps === 1 ? "step" : "steps"}, in ${folder}\n${shown.join("")}${more}`;
}

function shorten(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
}
