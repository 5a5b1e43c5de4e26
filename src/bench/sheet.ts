// The file that --plot names: an SVG, or a page of its own with the same picture and the figures as a table.
import { escape, plotSvg, type Plot } from "./plot.ts";

/** A row of a benchmark's table; what was not measured is left out. */
export type Row = Readonly<Record<string, string | number | undefined>>;

/** The names of all fields of some rows, in the order in which they come. */
export function fieldsOf(rows: readonly Row[]): string[] {
  return [...new Set(rows.flatMap((row) => Object.keys(row).filter((field) => row[field] !== undefined)))];
}

/** A value as a table shows it. */
export function cell(value: string | number | undefined): string {
  if (value === undefined) return "";
  return typeof value === "number" ? value.toLocaleString("en") : value;
}

/** The text of a file with a plot: HTML if its name ends so, else SVG. */
export function plotFile(path: string, plot: Plot, rows: readonly Row[]): string {
  return /\.html?$/.test(path) ? plotPage(plot, rows) : plotSvg(plot);
}

function plotPage(plot: Plot, rows: readonly Row[]): string {
  const fields = fieldsOf(rows);
  const head = fields.map((field) => `<th>${escape(field)}</th>`).join("");
  const body = rows.map((row) => `<tr>${fields.map((field) => `<td>${escape(cell(row[field]))}</td>`).join("")}</tr>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(plot.title)}</title>
<style>
:root { color-scheme: light dark; --text: #1a2230; --ground: #f6f7f9; --line: #dfe4ea; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e9f0; --ground: #0b0f14; --line: #2c3746; } }
body { margin: 0; padding: 24px; background: var(--ground); color: var(--text); font: 14px/1.45 system-ui, sans-serif; }
main { max-width: 1100px; margin: 0 auto; overflow-x: auto; }
svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin-top: 24px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
</style>
</head>
<body>
<main>
${plotSvg(plot)}
<table>
<thead><tr>${head}</tr></thead>
<tbody>
${body.join("\n")}
</tbody>
</table>
</main>
</body>
</html>
`;
}
