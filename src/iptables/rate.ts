// Rates such as 5/second: their units, and how iptables-save writes them.

/** The seconds of each unit, the longest first. */
export const UNITS = { day: 24 * 60 * 60, hour: 60 * 60, minute: 60, second: 1 } as const;
export type Unit = keyof typeof UNITS;

const NAMES = Object.keys(UNITS) as Unit[];

/** The seconds of a unit, whose name may be cut short; undefined if it is none. */
export function unitOf(text: string): number | undefined {
  const name = NAMES.find((unit) => text !== "" && unit.startsWith(text.toLowerCase()));
  return name && UNITS[name];
}

/** What one packet costs, of which a second has `perSecond`, as a rate in the largest unit that divides about evenly. */
export function formatRate(cost: number, perSecond: number): { text: string; unit: Unit } {
  let chosen: Unit = "day";
  for (const unit of NAMES.slice(1)) {
    const length = UNITS[unit] * perSecond;
    if (cost > length || Math.floor(length / cost) < length % cost) break;
    chosen = unit;
  }
  const short = chosen === "minute" ? "min" : chosen === "second" ? "sec" : chosen;
  return { text: `${Math.floor((UNITS[chosen] * perSecond) / cost)}/${short}`, unit: chosen };
}
