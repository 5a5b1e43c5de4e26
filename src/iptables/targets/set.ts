// -j SET: adds the packet's addresses and ports to ipsets, deletes them, or takes the mark that is set for them.
import { TARGET_SET, TARGET_SET_EXIST, TARGET_SET_MAP_MARK, TARGET_SET_NONE } from "../../../assembly/layout/rules.ts";
import type { BlockBuilder, TargetExtension } from "../extension.ts";
import type { Options } from "../options.ts";
import { parseSetReference, SET_REFERENCE, setDirections, type SetReference } from "../sets.ts";

const MAPS = ["map-mark", "map-prio", "map-queue"] as const;
const MAX_TIMEOUT = 2147483;

export interface SetTarget {
  kind: "SET";
  add?: SetReference;
  del?: SetReference;
  map?: SetReference;
  /** An element that is there is renewed. */
  exist: boolean;
  /** In seconds; the set's own if left out. */
  timeout?: number;
  /** What is taken from the element in `map`; only the mark makes a difference here. */
  maps: (typeof MAPS)[number][];
}

export const set: TargetExtension<SetTarget> = {
  name: "SET",
  options: [
    { name: "add-set", words: 2 },
    { name: "del-set", words: 2 },
    { name: "map-set", words: 2 },
    { name: "exist", words: 0 },
    { name: "timeout" },
    ...MAPS.map((name) => ({ name, words: 0 as const })),
  ],
  hooks: ({ maps }) =>
    maps.includes("map-prio") || maps.includes("map-queue") ? ["FORWARD", "OUTPUT", "POSTROUTING"] : undefined,
  parse(options) {
    options.needAny(["add-set", "del-set", "map-set"]);
    for (const option of ["exist", "timeout"])
      if (options.has(option) && !options.has("add-set")) options.fail(option, `--${option} goes with --add-set only`);
    const maps = MAPS.filter((name) => options.has(name));
    const [unasked] = options.has("map-set") ? [] : maps;
    if (unasked) options.fail(unasked, `--${unasked} goes with --map-set only`);
    if (options.has("map-set")) options.needAny(MAPS);
    const [add, del, map] = (["add-set", "del-set", "map-set"] as const).map((name) => readReference(options, name));
    // A longer time is cut down to the longest that there is.
    const timeout = options.number("timeout", TARGET_SET_NONE - 1);
    return {
      kind: "SET",
      ...(add && { add }),
      ...(del && { del }),
      ...(map && { map }),
      exist: options.has("exist"),
      ...(timeout !== undefined && { timeout }),
      maps,
    };
  },
  print: ({ add, del, map, exist, timeout, maps }) =>
    printReference("add", add) +
    (exist ? " --exist" : "") +
    (timeout === undefined ? "" : ` --timeout ${timeout}`) +
    printReference("del", del) +
    printReference("map", map) +
    maps.map((name) => ` --${name}`).join(""),
  compile: ({ add, del, map, exist, timeout, maps }, block) => ({
    kind: TARGET_SET,
    args: [
      ...referenceWords(add, block),
      ...referenceWords(del, block),
      ...referenceWords(map, block),
      timeout === undefined ? TARGET_SET_NONE : Math.min(timeout, MAX_TIMEOUT),
      (exist ? TARGET_SET_EXIST : 0) | (maps.includes("map-mark") ? TARGET_SET_MAP_MARK : 0),
    ],
  }),
};

function readReference(options: Options, name: string): SetReference | undefined {
  const words = options.words(name);
  return words && (parseSetReference(words) ?? options.fail(name, `"${words.join(" ")}" is not ${SET_REFERENCE}`));
}

function printReference(name: string, reference: SetReference | undefined): string {
  return reference ? ` --${name}-set ${reference.name} ${reference.directions.join(",")}` : "";
}

function referenceWords(reference: SetReference | undefined, block: BlockBuilder): [number, number] {
  if (!reference) return [TARGET_SET_NONE, 0];
  return [block.name("set", reference.name), reference.directions.length | (setDirections(reference) << 8)];
}
