// -j CT and NOTRACK: whether, and in which zone, a new packet is tracked.
import { FRAME_ZONE_OF_MARK, FRAME_ZONE_ORIGINAL, FRAME_ZONE_REPLY } from "../../../assembly/layout/frame.ts";
import { TARGET_CT } from "../../../assembly/layout/rules.ts";
import type { TargetExtension } from "../extension.ts";
import { parseNumber } from "../values.ts";

const ZONE_OPTIONS = ["zone", "zone-orig", "zone-reply"] as const;
const MOST = 65535;

export interface CtTarget {
  kind: "CT";
  notrack: boolean;
  zone?: {
    /** Which directions of a connection it is the zone of: both, or one. */
    option: (typeof ZONE_OPTIONS)[number];
    id: number | "mark";
  };
}

export interface NotrackTarget {
  kind: "NOTRACK";
}

const DIRECTIONS: Readonly<Record<(typeof ZONE_OPTIONS)[number], number>> = {
  zone: FRAME_ZONE_ORIGINAL | FRAME_ZONE_REPLY,
  "zone-orig": FRAME_ZONE_ORIGINAL,
  "zone-reply": FRAME_ZONE_REPLY,
};

export const ct: TargetExtension<CtTarget> = {
  name: "CT",
  options: [{ name: "notrack", words: 0 }, ...ZONE_OPTIONS.map((name) => ({ name }))],
  tables: ["raw"],
  parse(options) {
    const notrack = options.has("notrack");
    options.oneOf(ZONE_OPTIONS, false);
    const option = ZONE_OPTIONS.find((name) => options.has(name));
    if (option === undefined) return { kind: "CT", notrack };
    const id = options.need(option, `a number from 0 to ${MOST}, or mark`, (word) =>
      word === "mark" ? word : parseNumber(word, MOST),
    );
    return { kind: "CT", notrack, zone: { option, id } };
  },
  print: ({ notrack, zone }) =>
    (notrack ? " --notrack" : "") + (zone && zone.id !== 0 ? ` --${zone.option} ${zone.id}` : ""),
  compile({ notrack, zone }) {
    const id = zone?.id ?? 0;
    const directions = DIRECTIONS[zone?.option ?? "zone"];
    const args = id === "mark" ? [0, directions | FRAME_ZONE_OF_MARK] : [id, directions];
    return { kind: TARGET_CT, args: [notrack ? 1 : 0, ...args] };
  },
};

export const notrack: TargetExtension<NotrackTarget> = {
  name: "NOTRACK",
  options: [],
  tables: ["raw"],
  parse: () => ({ kind: "NOTRACK" }),
  print: () => "",
  compile: () => ({ kind: TARGET_CT, args: [1, 0, 0] }),
};
