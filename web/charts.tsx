// The charts: throughput over virtual time and the distribution of latencies, of all lines and of the chosen one.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { formatCount, formatTime } from "../src/report/format.ts";
import type { Picture, PictureLine } from "../src/report/picture.ts";

const HEIGHT = 230;
/** Of the latencies: a decade and a half, so that one bar is no wall. */
const LEAST_STEPS = 15;
const FONT = "12px system-ui, sans-serif";

type Options = Omit<uPlot.Options, "width" | "height">;

interface Colors {
  text: string;
  grid: string;
  ok: string;
  lost: string;
  accent: string;
}

/** A chart that is as wide as its place, and is drawn anew when the colours change. */
function Chart({ data, make }: { data: uPlot.AlignedData; make: (colors: Colors) => Options }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    let chart: uPlot | undefined;
    const draw = (): void => {
      chart?.destroy();
      chart = new uPlot({ ...make(colorsOf(element)), width: element.clientWidth, height: HEIGHT }, data, element);
    };
    draw();
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const sizes = new ResizeObserver(() => chart?.setSize({ width: element.clientWidth, height: HEIGHT }));
    scheme.addEventListener("change", draw);
    sizes.observe(element);
    return () => {
      scheme.removeEventListener("change", draw);
      sizes.disconnect();
      chart?.destroy();
    };
  }, [data, make]);
  return <div class="chart" ref={place} />;
}

function colorsOf(element: Element): Colors {
  const style = getComputedStyle(element);
  const color = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return { text: color("muted"), grid: color("line"), ok: color("ok"), lost: color("lost"), accent: color("accent") };
}

function axis(colors: Colors, values: uPlot.Axis.Values, size?: number): uPlot.Axis {
  return {
    font: FONT,
    stroke: colors.text,
    grid: { stroke: colors.grid, width: 1 },
    ticks: { stroke: colors.grid, width: 1 },
    values,
    ...(size === undefined ? {} : { size }),
  };
}

export function Throughput({ picture, line }: { picture: Picture; line: PictureLine | undefined }) {
  const { atNs, total } = picture;
  const totals = line?.series ?? total;
  const rate = (values: readonly number[]): number[] =>
    values.map((value, i) => {
      const span = (atNs[i] ?? 0) - (atNs[i - 1] ?? 0);
      return span > 0 ? ((value - (values[i - 1] ?? 0)) * 1e9) / span : 0;
    });
  const seconds = atNs.map((ns) => ns / 1e9);
  const data: uPlot.AlignedData = [seconds, rate(totals.sent), rate(totals.delivered), rate(totals.failed)];
  return (
    <section aria-labelledby="throughput">
      <h2 id="throughput">Requests a second{line?.series ? `, ${line.name}` : ", all lines"}</h2>
      <Chart data={data} make={throughput} />
    </section>
  );
}

function throughput(colors: Colors): Options {
  const value = (_: uPlot, value: number | null): string => (value === null ? "" : formatCount(Math.round(value)));
  const series = (label: string, stroke: string, more: uPlot.Series = {}): uPlot.Series => ({
    label,
    stroke,
    width: 1.6,
    points: { show: false },
    value,
    ...more,
  });
  return {
    legend: { live: true },
    scales: { x: { time: false }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
    axes: [
      axis(colors, (_, splits) => splits.map((at) => `${at} s`)),
      axis(colors, (_, splits) => splits.map((rate) => formatCount(rate)), 56),
    ],
    series: [
      { label: "time", value: (_, at: number | null) => (at === null ? "" : `${Number(at.toFixed(3))} s`) },
      series("sent", colors.accent, { dash: [4, 4] }),
      series("answered", colors.ok, { fill: `${colors.ok}22` }),
      series("failed", colors.lost),
    ],
  };
}

export function Latencies({ picture, line }: { picture: Picture; line: PictureLine | undefined }) {
  const own = line && line.latencies.length > 0 ? line : undefined;
  const joined = new Map<number, number>();
  for (const { latencies } of own ? [own] : picture.lines)
    for (const [upTo, count] of latencies) joined.set(upTo, (joined.get(upTo) ?? 0) + count);
  const data = wholeRange(joined);
  return (
    <section aria-labelledby="latency">
      <h2 id="latency">Answers by latency{own ? `, ${own.name}` : ", all lines"}</h2>
      {joined.size === 0 ? <p class="empty">Nothing was answered.</p> : <Chart data={data} make={latencies} />}
      {own?.remarks.map((remark) => (
        <p>{remark}</p>
      ))}
    </section>
  );
}

/** Every step of a tenth of a decade from below the least to above the most, so that bars are equally wide. */
function wholeRange(counts: ReadonlyMap<number, number>): uPlot.AlignedData {
  const edges = [...counts.keys()];
  const step = (edge: number): number => Math.round(Math.log10(edge) * 10);
  const low = step(Math.min(...edges)) - 2;
  const high = Math.max(step(Math.max(...edges)) + 2, low + LEAST_STEPS);
  const steps = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  return [steps, steps.map((at) => counts.get(Math.round(10 ** (at / 10))) ?? 0)];
}

function latencies(colors: Colors): Options {
  const timeOf = (step: number): string => formatTime(Math.round(10 ** (step / 10)));
  return {
    scales: { x: { time: false }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
    axes: [
      {
        ...axis(colors, (_, splits) => splits.map(timeOf)),
        incrs: [1, 2, 5, 10, 20],
      },
      axis(colors, (_, splits) => splits.map((count) => (Number.isInteger(count) ? formatCount(count) : "")), 56),
    ],
    series: [
      { label: "up to", value: (_, step: number | null) => (step === null ? "" : timeOf(step)) },
      {
        label: "answers",
        stroke: colors.accent,
        fill: `${colors.accent}99`,
        width: 0,
        points: { show: false },
        ...(uPlot.paths.bars ? { paths: uPlot.paths.bars({ size: [0.9, 100], radius: 0.15 }) } : {}),
      },
    ],
  };
}
