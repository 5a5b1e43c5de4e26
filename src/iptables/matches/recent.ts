// -m recent: named lists of addresses seen lately.
import {
  MATCH_INVERT,
  MATCH_KIND_RECENT,
  MATCH_RECENT_DESTINATION,
  MATCH_RECENT_RCHECK,
  MATCH_RECENT_REAP,
  MATCH_RECENT_REMOVE,
  MATCH_RECENT_SET,
  MATCH_RECENT_TTL,
  MATCH_RECENT_UPDATE,
} from "../../../assembly/layout/rules.ts";
import { formatAddress, isWhole, parseAddress, wholeMask, wordsOf, type Address } from "../addresses.ts";
import type { BlockBuilder, MatchExtension } from "../extension.ts";
import { not } from "../values.ts";

const OPERATIONS = ["set", "rcheck", "update", "remove"] as const;
const OPERATION_NUMBERS = {
  set: MATCH_RECENT_SET,
  rcheck: MATCH_RECENT_RCHECK,
  update: MATCH_RECENT_UPDATE,
  remove: MATCH_RECENT_REMOVE,
};

export interface RecentMatch {
  kind: "recent";
  operation: (typeof OPERATIONS)[number];
  inverted: boolean;
  seconds?: number;
  hits?: number;
  reap: boolean;
  ttl: boolean;
  name: string;
  mask: Address;
  address: "source" | "destination";
}

export const recent: MatchExtension<RecentMatch> = {
  name: "recent",
  options: [
    ...OPERATIONS.map((name) => ({ name, words: 0 as const, invertible: true })),
    { name: "seconds" },
    { name: "hitcount" },
    { name: "reap", words: 0 },
    { name: "rttl", words: 0 },
    { name: "name" },
    { name: "mask" },
    { name: "rsource", words: 0 },
    { name: "rdest", words: 0 },
  ],
  parse(options, { family }) {
    const operation = options.oneOf(OPERATIONS, true) as RecentMatch["operation"];
    const seconds = options.number("seconds", 0xffffffff, 1);
    const hits = options.number("hitcount", 0xffffffff, 1);
    for (const name of ["seconds", "hitcount", "rttl"])
      if (options.has(name) && (operation === "set" || operation === "remove"))
        options.fail(name, `--${name} does not go with --${operation}; it goes with --rcheck or --update`);
    if (options.has("reap") && seconds === undefined) options.fail("reap", "--reap needs --seconds");
    return {
      kind: "recent",
      operation,
      inverted: options.inverted(operation),
      ...(seconds !== undefined && { seconds }),
      ...(hits !== undefined && { hits }),
      reap: options.has("reap"),
      ttl: options.has("rttl"),
      name:
        options.read("name", "a name of 1 to 199 characters", (word) => /^[^/]{1,199}$/.exec(word)?.[0]) ?? "DEFAULT",
      mask:
        options.read("mask", `a mask of ${family === "ipv4" ? "IPv4" : "IPv6"}`, (word) =>
          parseAddress(word, family),
        ) ?? wholeMask(family),
      address: options.oneOf(["rsource", "rdest"], false) === "rdest" ? "destination" : "source",
    };
  },
  print(match) {
    let text = ` ${not(match.inverted)}--${match.operation}`;
    if (match.seconds !== undefined) text += ` --seconds ${match.seconds}`;
    if (match.reap) text += " --reap";
    if (match.hits !== undefined) text += ` --hitcount ${match.hits}`;
    if (match.ttl) text += " --rttl";
    return `${text} --name ${match.name} --mask ${formatAddress(match.mask)} --r${match.address === "source" ? "source" : "dest"}`;
  },
  compile: (match, block) => [
    {
      kind: MATCH_KIND_RECENT,
      flags:
        (match.inverted ? MATCH_INVERT : 0) |
        (match.address === "destination" ? MATCH_RECENT_DESTINATION : 0) |
        (match.ttl ? MATCH_RECENT_TTL : 0) |
        (match.reap ? MATCH_RECENT_REAP : 0),
      args: [
        block.name("recent", match.name),
        OPERATION_NUMBERS[match.operation],
        match.seconds ?? 0,
        match.hits ?? 0,
        ...maskWords(match.mask, block),
      ],
    },
  ],
};

/** A mask over addresses of IPv6 has a place of its own unless it is whole. */
function maskWords(mask: Address, block: BlockBuilder): [word: number, six: number] {
  if (typeof mask === "number") return [mask, 0];
  return [0, isWhole(mask) ? 0 : block.data(wordsOf(mask))];
}
