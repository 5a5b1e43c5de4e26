// Numbers as people read them: virtual times with a unit, counts with separators, bytes.

/** Nanoseconds with three significant digits and the unit that fits: `4.21 ms`. */
export function formatTime(ns: number): string {
  const units: [string, number][] = [
    ["s", 1e9],
    ["ms", 1e6],
    ["us", 1e3],
  ];
  const [unit, scale] = units.find(([, scale]) => ns >= scale) ?? ["ns", 1];
  const value = ns / scale;
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(3))} ${unit}`;
}

/** `12,345` */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** `1.5 MB` */
export function formatBytes(bytes: number): string {
  const units: [string, number][] = [
    ["GB", 1e9],
    ["MB", 1e6],
    ["kB", 1e3],
  ];
  const [unit, scale] = units.find(([, scale]) => bytes >= scale) ?? ["bytes", 1];
  return `${Number((bytes / scale).toPrecision(3))} ${unit}`;
}

/** `1 pod`, `2 pods` */
export function plural(count: number, word: string): string {
  return `${formatCount(count)} ${word}${count === 1 ? "" : "s"}`;
}
