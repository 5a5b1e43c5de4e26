// -j LOG and NFLOG: would write a log line; here the packet just goes on to the next rule.
import { TARGET_CONTINUE } from "../../../assembly/layout/rules.ts";
import type { TargetExtension } from "../extension.ts";
import { parseNumber } from "../values.ts";
import { quote } from "../words.ts";

const LEVELS = ["emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"];
const DEFAULT_LEVEL = 4;
const MAX_LOG_PREFIX = 29;
const MAX_NFLOG_PREFIX = 63;

// In the order in which they are printed.
const FLAGS = ["log-tcp-sequence", "log-tcp-options", "log-ip-options", "log-uid", "log-macdecode"] as const;

export interface LogTarget {
  kind: "LOG";
  prefix: string;
  level: number;
  flags: (typeof FLAGS)[number][];
}

export interface NflogTarget {
  kind: "NFLOG";
  prefix: string;
  group: number;
  size?: number;
  threshold?: number;
}

export const log: TargetExtension<LogTarget> = {
  name: "LOG",
  options: [{ name: "log-level" }, { name: "log-prefix" }, ...FLAGS.map((name) => ({ name, words: 0 as const }))],
  parse: (options) => ({
    kind: "LOG",
    // iptables cuts a longer prefix off with a warning.
    prefix: (options.word("log-prefix") ?? "").slice(0, MAX_LOG_PREFIX),
    level:
      options.read("log-level", `a number from 0 to 7 or one of ${LEVELS.join(", ")}`, parseLevel) ?? DEFAULT_LEVEL,
    flags: FLAGS.filter((name) => options.has(name)),
  }),
  print: (target) =>
    (target.prefix === "" ? "" : ` --log-prefix ${quote(target.prefix)}`) +
    (target.level === DEFAULT_LEVEL ? "" : ` --log-level ${target.level}`) +
    target.flags.map((name) => ` --${name}`).join(""),
  compile: () => ({ kind: TARGET_CONTINUE }),
};

export const nflog: TargetExtension<NflogTarget> = {
  name: "NFLOG",
  options: [{ name: "nflog-group" }, { name: "nflog-prefix" }, { name: "nflog-size" }, { name: "nflog-threshold" }],
  parse(options) {
    const size = options.number("nflog-size");
    const threshold = options.number("nflog-threshold", 65535);
    return {
      kind: "NFLOG",
      prefix: (options.word("nflog-prefix") ?? "").slice(0, MAX_NFLOG_PREFIX),
      group: options.number("nflog-group", 65535) ?? 0,
      ...(size !== undefined && { size }),
      ...(threshold !== undefined && { threshold }),
    };
  },
  print: (target) =>
    (target.prefix === "" ? "" : ` --nflog-prefix ${quote(target.prefix)}`) +
    (target.group === 0 ? "" : ` --nflog-group ${target.group}`) +
    (target.size === undefined ? "" : ` --nflog-size ${target.size}`) +
    (target.threshold ? ` --nflog-threshold ${target.threshold}` : ""),
  compile: () => ({ kind: TARGET_CONTINUE }),
};

function parseLevel(text: string): number | undefined {
  const level = LEVELS.indexOf(text.toLowerCase());
  return level >= 0 ? level : parseNumber(text, 7);
}
