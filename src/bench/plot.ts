// Line charts as SVG, in light and dark by themselves: scales and paths are d3's, the text around them is written here.
//
// d3-scale and d3-shape are two small libraries of plain arithmetic: they need no document, so nothing stands in for a browser.
import { scaleLinear, scaleLog } from "d3-scale";
import { line } from "d3-shape";

/** A series; points in the order of x. */
export interface Series {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
  /** Of others' measurements, or an ideal: drawn dashed. */
  dashed?: boolean;
}

export interface Axis {
  /** What it is, with its unit if the numbers do not say it: `Services`. */
  label: string;
  scale: "log" | "linear";
  format: (value: number) => string;
}

export interface Chart {
  title: string;
  x: Axis;
  y: Axis;
  series: readonly Series[];
}

/** A sheet of charts, one below the other. */
export interface Plot {
  title: string;
  subtitle: string;
  charts: readonly Chart[];
  /** Sentences at the foot, such as where figures are from. */
  notes: readonly string[];
}

const WIDTH = 960;
const LEFT = 84;
const RIGHT = 268;
const HEAD = 76;
const CHART = 400;
const ABOVE = 44;
const BELOW = 62;
const LINE = 17;

/** By series, in light and in dark; told apart in the common kinds of colour blindness, and each series is named at its end. */
const COLOURS: readonly (readonly [light: string, dark: string])[] = [
  ["#1f5fd0", "#7ea6ff"],
  ["#c2541b", "#ff9d66"],
  ["#0b7f6b", "#3ecfb2"],
  ["#a32a77", "#f283c4"],
  ["#7a6100", "#e0c04a"],
  ["#5b4bb5", "#b3a5ff"],
  ["#5d6878", "#a9b4c4"],
  ["#a01f2e", "#ff8290"],
];

/** The sheet as an SVG document. */
export function plotSvg(plot: Plot): string {
  const height = HEAD + plot.charts.length * CHART + 16 + plot.notes.length * LINE + 12;
  const notes = plot.notes.map((note, i) => {
    return text(24, HEAD + plot.charts.length * CHART + 20 + i * LINE, note, "note");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escape(plot.title)}">
<style>
${style()}
</style>
<rect class="ground" width="${WIDTH}" height="${height}" rx="8"/>
${text(24, 36, plot.title, "title")}
${text(24, 58, plot.subtitle, "note")}
${plot.charts.map((chart, i) => drawChart(chart, HEAD + i * CHART)).join("\n")}
${notes.join("\n")}
</svg>
`;
}

function style(): string {
  const colours = (which: 0 | 1): string => COLOURS.map((pair, i) => `--c${i}: ${pair[which]};`).join(" ");
  return `  svg { --ground: #ffffff; --text: #1a2230; --muted: #5d6878; --grid: #e6eaef; --axis: #aab4c0; ${colours(0)} }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #0f141b; --text: #e4e9f0; --muted: #98a4b5; --grid: #222c38; --axis: #4a5766; ${colours(1)} }
  }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--text); }
  .title { font-size: 20px; font-weight: 600; }
  .chart { font-size: 15px; font-weight: 600; }
  .note, .tick { fill: var(--muted); font-size: 12px; }
  .ground { fill: var(--ground); }
  .grid { stroke: var(--grid); }
  .axis { stroke: var(--axis); }
  .series { fill: none; stroke-width: 2.25; stroke-linejoin: round; stroke-linecap: round; }
  .dashed { stroke-dasharray: 2 5; }
  .lead { fill: none; stroke-width: 1; opacity: 0.5; }
${COLOURS.map((_, i) => `  .s${i} { stroke: var(--c${i}); } .f${i} { fill: var(--c${i}); }`).join("\n")}`;
}

type Scale = ((value: number) => number) & { ticks: number[]; labels: number[] };

/** A scale from the least to the largest value to a range of pixels, with the ticks that get a line and those that get a label. */
function scaleOf(axis: Axis, values: readonly number[], range: [number, number]): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (axis.scale === "linear") {
    const scale = scaleLinear([Math.min(0, low), high || 1], range).nice();
    const ticks = scale.ticks(6);
    return Object.assign((value: number) => scale(value), { ticks, labels: ticks });
  }
  const scale = scaleLog([low, high === low ? low * 10 : high], range).nice();
  const ticks = scale.ticks();
  const decades = ticks.filter((tick) => Number.isInteger(Math.round(Math.log10(tick) * 1e6) / 1e6));
  // What lies between the powers of ten has lines where there are few.
  return Object.assign((value: number) => scale(value), {
    ticks: decades.length > 4 ? decades : ticks,
    labels: decades,
  });
}

function drawChart(chart: Chart, top: number): string {
  const positive = ({ points }: Series): readonly (readonly [number, number])[] =>
    points.filter(([x, y]) => (chart.x.scale === "linear" || x > 0) && (chart.y.scale === "linear" || y > 0));
  const series = chart.series.filter((one) => positive(one).length > 0);
  const points = series.flatMap(positive);
  const [left, right] = [LEFT, WIDTH - RIGHT];
  const [upper, lower] = [top + ABOVE, top + CHART - BELOW];
  const x = scaleOf(chart.x, points.map(([value]) => value), [left, right]); // prettier-ignore
  const y = scaleOf(chart.y, points.map(([, value]) => value), [lower, upper]); // prettier-ignore
  const parts = [text(24, top + 22, chart.title, "chart")];
  for (const tick of y.ticks) parts.push(rule("grid", left, y(tick), right, y(tick)));
  for (const tick of x.labels) parts.push(rule("grid", x(tick), upper, x(tick), lower));
  for (const tick of y.labels) parts.push(text(left - 8, y(tick) + 4, chart.y.format(tick), "tick", "end"));
  for (const tick of x.labels) parts.push(text(x(tick), lower + 18, chart.x.format(tick), "tick", "middle"));
  parts.push(rule("axis", left, lower, right, lower), rule("axis", left, upper, left, lower));
  parts.push(text((left + right) / 2, lower + 40, chart.x.label, "note", "middle"));
  parts.push(text(left, upper - 8, chart.y.label, "note"));
  const path = line<readonly [number, number]>(
    ([value]) => x(value),
    ([, value]) => y(value),
  ).digits(1);
  series.forEach((one, i) => {
    const colour = i % COLOURS.length;
    const drawn = positive(one);
    const marks = drawn
      .map(([a, b]) => `<circle class="f${colour}" cx="${x(a).toFixed(1)}" cy="${y(b).toFixed(1)}" r="3"/>`)
      .join("");
    const dashed = one.dashed ? " dashed" : "";
    parts.push(`<path class="series s${colour}${dashed}" d="${path(drawn) ?? ""}"><title>${escape(one.name)}</title></path>${marks}`); // prettier-ignore
  });
  const ends = series.map((one) => positive(one).at(-1) ?? [0, 0]);
  const places = spread(ends.map(([, value]) => y(value)), upper, lower); // prettier-ignore
  series.forEach((one, i) => {
    const [a = 0, b = 0] = ends[i] ?? [];
    const at = places[i] ?? 0;
    const colour = i % COLOURS.length;
    parts.push(`<path class="lead s${colour}" d="M${(x(a) + 5).toFixed(1)},${y(b).toFixed(1)}L${right + 8},${at.toFixed(1)}"/>`); // prettier-ignore
    parts.push(text(right + 12, at + 4, one.name, `f${colour}`));
  });
  return `<g>\n${parts.join("\n")}\n</g>`;
}

/** Places for labels that want to stand at given heights, a line apart at least. */
function spread(wanted: readonly number[], upper: number, lower: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const places = wanted.slice();
  let next = upper;
  for (const i of order) {
    places[i] = Math.max(wanted[i] ?? 0, next);
    next = (places[i] ?? 0) + LINE;
  }
  let limit = lower + LINE;
  for (const i of order.toReversed()) {
    places[i] = Math.min(places[i] ?? 0, limit - LINE);
    limit = places[i] ?? 0;
  }
  return places;
}

function rule(kind: string, x1: number, y1: number, x2: number, y2: number): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map((value) => value.toFixed(1));
  return `<line class="${kind}" x1="${a}" y1="${b}" x2="${c}" y2="${d}"/>`;
}

function text(x: number, y: number, words: string, kind: string, anchor = "start"): string {
  const place = anchor === "start" ? "" : ` text-anchor="${anchor}"`;
  return `<text class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}"${place}>${escape(words)}</text>`;
}

/** Words as XML has them. */
export function escape(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** `250 ns`, `1.5 µs`, `20 ms`. */
export function formatTime(ns: number): string {
  const units = ["ns", "µs", "ms", "s"];
  let value = ns;
  while (value >= 999.5 && units.length > 1) {
    value /= 1000;
    units.shift();
  }
  return `${Number(value.toPrecision(3))} ${units[0]}`;
}

/** `10,000`. */
export function formatCount(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: 2 });
}
