// -m hashlimit: a token bucket for each group of packets that have the same addresses or ports.
import {
  MATCH_HASHLIMIT_BYTES,
  MATCH_HASHLIMIT_DESTINATION,
  MATCH_HASHLIMIT_DPORT,
  MATCH_HASHLIMIT_SOURCE,
  MATCH_HASHLIMIT_SPORT,
  MATCH_INVERT,
  MATCH_KIND_HASHLIMIT,
} from "../../../assembly/layout/rules.ts";
import { longestPrefix } from "../addresses.ts";
import type { MatchExtension } from "../extension.ts";
import type { Options } from "../options.ts";
import { lengthWord } from "../prefix.ts";
import { formatRate, UNITS, unitOf } from "../rate.ts";
import { parseNumber } from "../values.ts";

const MODES = ["srcip", "srcport", "dstip", "dstport"] as const;
type Mode = (typeof MODES)[number];
const MODE_BITS: Record<Mode, number> = {
  srcip: MATCH_HASHLIMIT_SOURCE,
  srcport: MATCH_HASHLIMIT_SPORT,
  dstip: MATCH_HASHLIMIT_DESTINATION,
  dstport: MATCH_HASHLIMIT_DPORT,
};

export interface HashlimitMatch {
  kind: "hashlimit";
  /** `above`: what goes over the limit. */
  side: "above" | "upto";
  /** What is counted. Of bytes, 16 count as one. */
  counts: "packets" | "bytes";
  /** What one packet costs, in microseconds; of bytes what 16 cost, in parts of 2^32 of a second. */
  average: number;
  /** Packets, or how many times as many bytes as in a second; 0: bytes without a burst. */
  burst: number;
  modes: Mode[];
  name: string;
  /** Whole addresses if left out. */
  sourcePrefix?: number;
  destinationPrefix?: number;
  /** 0: as Linux chooses. */
  size: number;
  /** The most groups; 0: as Linux chooses. */
  max: number;
  /** Milliseconds. */
  gcInterval: number;
  /** Milliseconds after which a group that is not seen starts anew. */
  expire: number;
}

const SECOND = 1_000_000;
const MAX_BURST = 1_000_000;
const DEFAULT_BURST = 5;
const DEFAULT_INTERVAL = 1000;
const BYTES_EXPIRE = 15;
const ALL = 0xffffffff;
const FACTORS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 * 1024 };

export const hashlimit: MatchExtension<HashlimitMatch> = {
  name: "hashlimit",
  options: [
    { name: "hashlimit-upto", aliases: ["hashlimit"], invertible: true },
    { name: "hashlimit-above", invertible: true },
    { name: "hashlimit-burst" },
    { name: "hashlimit-mode" },
    { name: "hashlimit-name" },
    { name: "hashlimit-srcmask" },
    { name: "hashlimit-dstmask" },
    { name: "hashlimit-htable-size" },
    { name: "hashlimit-htable-max" },
    { name: "hashlimit-htable-gcinterval" },
    { name: "hashlimit-htable-expire" },
  ],
  parse(options, { family }) {
    const limit = options.oneOf(["hashlimit-upto", "hashlimit-above"], true);
    const above = (limit === "hashlimit-above") !== options.inverted(limit);
    const { counts, average, unit } = options.need(
      limit,
      "a rate up to 1000000/second, such as 5/second, 3/hour or 512kb/s",
      parseRate,
    );
    const longest = longestPrefix(family);
    const source = options.number("hashlimit-srcmask", longest) ?? longest;
    const destination = options.number("hashlimit-dstmask", longest) ?? longest;
    return {
      kind: "hashlimit",
      side: above ? "above" : "upto",
      counts,
      average,
      burst: counts === "packets" ? packetBurst(options) : byteBurst(options, average),
      modes: options.read("hashlimit-mode", `one or more of ${MODES.join(", ")}`, parseModes) ?? [],
      name: options.need("hashlimit-name", "a name of 1 to 254 characters without a slash", parseName),
      ...(source < longest && { sourcePrefix: source }),
      ...(destination < longest && { destinationPrefix: destination }),
      size: options.number("hashlimit-htable-size") ?? 0,
      max: options.number("hashlimit-htable-max") ?? 0,
      gcInterval: options.number("hashlimit-htable-gcinterval", ALL, 1) ?? DEFAULT_INTERVAL,
      expire: options.number("hashlimit-htable-expire", ALL, 1) ?? unit * 1000,
    };
  },
  print(match) {
    const { text, expire } = match.counts === "packets" ? packetRate(match.average) : byteRate(match.average);
    let line = ` --hashlimit-${match.side} ${text}`;
    if (match.counts === "packets") line += ` --hashlimit-burst ${match.burst}`;
    else if (match.burst > 0) line += ` --hashlimit-burst ${formatBytes(match.burst * bytesOf(match.average))}`;
    if (match.modes.length > 0) line += ` --hashlimit-mode ${match.modes.join(",")}`;
    line += ` --hashlimit-name ${match.name}`;
    if (match.size > 0) line += ` --hashlimit-htable-size ${match.size}`;
    if (match.max > 0) line += ` --hashlimit-htable-max ${match.max}`;
    if (match.gcInterval !== DEFAULT_INTERVAL) line += ` --hashlimit-htable-gcinterval ${match.gcInterval}`;
    if (match.expire !== expire) line += ` --hashlimit-htable-expire ${match.expire}`;
    if (match.sourcePrefix !== undefined) line += ` --hashlimit-srcmask ${match.sourcePrefix}`;
    if (match.destinationPrefix !== undefined) line += ` --hashlimit-dstmask ${match.destinationPrefix}`;
    return line;
  },
  compile(match, block) {
    const longest = longestPrefix(block.family);
    // Each family has tables of its own.
    const name = block.family === "ipv4" ? match.name : `/${match.name}`;
    const bytes = match.counts === "bytes" ? MATCH_HASHLIMIT_BYTES : 0;
    const most = match.max > 0 ? Math.max(match.max, match.size) : match.size * 8;
    // What the rule says that is first to name a table holds for all that name it.
    const table = block.shared(`hashlimit ${name}`, [
      match.modes.reduce((bits, mode) => bits | MODE_BITS[mode], bytes),
      match.average % 2 ** 32,
      Math.floor(match.average / 2 ** 32),
      match.burst,
      lengthWord(match.sourcePrefix ?? longest, block),
      lengthWord(match.destinationPrefix ?? longest, block),
      match.expire,
      match.gcInterval,
      most,
    ]);
    const flags = (match.side === "above" ? MATCH_INVERT : 0) | bytes;
    return [{ kind: MATCH_KIND_HASHLIMIT, flags, args: [block.name("hashlimit", name), table] }];
  },
};

interface Rate {
  counts: HashlimitMatch["counts"];
  average: number;
  /** The seconds of the unit that the rate is given in. */
  unit: number;
}

/** `5/second`, or `512kb/s` in bytes. */
function parseRate(text: string): Rate | undefined {
  const [, digits, factor = ""] = /^(\d+)([km]?)b\/s(?:ec(?:ond)?)?$/i.exec(text) ?? [];
  if (digits !== undefined) {
    const bytes = Number(digits) * (FACTORS[factor.toLowerCase()] ?? 1);
    if (bytes === 0 || bytes > ALL) return undefined;
    return { counts: "bytes", average: Math.floor(ALL / (Math.floor(bytes / 16) + 1)), unit: BYTES_EXPIRE };
  }
  const [head = "", name = "second", ...rest] = text.split("/");
  const count = parseNumber(head);
  const unit = unitOf(name);
  if (!count || unit === undefined || rest.length > 0) return undefined;
  const average = Math.floor((unit * SECOND) / count);
  return average === 0 ? undefined : { counts: "packets", average, unit };
}

function packetBurst(options: Options): number {
  return options.number("hashlimit-burst", MAX_BURST, 1) ?? DEFAULT_BURST;
}

/** In seconds' worth of bytes. */
function byteBurst(options: Options, average: number): number {
  const perSecond = bytesOf(average);
  const burst = options.read("hashlimit-burst", `at least as many bytes as come in a second, such as 2mb`, (text) => {
    const [, digits, factor = ""] = /^(\d+)(?:([km]?)b)?$/i.exec(text) ?? [];
    const bytes = Number(digits) * (FACTORS[factor.toLowerCase()] ?? 1);
    return bytes >= perSecond && bytes <= ALL ? bytes : undefined;
  });
  return burst === undefined || perSecond === 0 ? 0 : Math.ceil(burst / perSecond);
}

function parseModes(text: string): Mode[] | undefined {
  const words = text.split(",");
  if (words.some((word) => !MODES.includes(word as Mode))) return undefined;
  return MODES.filter((mode) => words.includes(mode));
}

function parseName(text: string): string | undefined {
  return /^[^/]{1,254}$/.exec(text)?.[0];
}

/** As iptables-save has it, with the milliseconds that groups then live by themselves. */
function packetRate(average: number): { text: string; expire: number } {
  const { text, unit } = formatRate(average, SECOND);
  return { text, expire: (UNITS[unit] ?? 1) * 1000 };
}

function byteRate(average: number): { text: string; expire: number } {
  return { text: `${formatBytes(bytesOf(average))}/s`, expire: BYTES_EXPIRE * 1000 };
}

/** The bytes a second that a cost stands for. */
function bytesOf(average: number): number {
  return (Math.floor(ALL / average) - 1) * 16;
}

function formatBytes(bytes: number): string {
  if (bytes >= 1024 * 1024) return `${Math.floor(bytes / (1024 * 1024))}mb`;
  return bytes >= 1024 ? `${Math.floor(bytes / 1024)}kb` : `${bytes}b`;
}
