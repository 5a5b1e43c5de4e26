// What Linux did in a case, and in what the emulator did something else: frames in their order at each interface, rule counters,
// connections, forwarding entries.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readRecording, type Row } from "../../src/lab/recording.ts";
import type { CounterTables } from "../../src/lab/rules.ts";
import type { LabResult } from "../../src/lab/run.ts";
import type { FdbEntry } from "../../src/lab/state.ts";
import { Masker, type Known } from "./mask.ts";

interface Head {
  kernel: string;
  masks: string[];
  known: Known;
}

/** The first line of a recording: the kernel that was recorded, and what a comparison needs. */
export function readHead(path: string): Head {
  const [line = ""] = readFileSync(join(path, "observed.jsonl"), "utf8").split("\n", 1);
  return JSON.parse(line) as Head;
}

/** Every difference between a run and the recording in a folder, as a sentence; none if they are equal. */
export function differences(result: LabResult, path: string): string[] {
  const { masks, known } = readHead(path);
  const json = <T>(name: string): T => JSON.parse(readFileSync(join(path, name), "utf8")) as T;
  const ours = frameTexts(result.rows, new Masker(masks, known));
  const theirs = frameTexts(readRecording(path).rows, new Masker(masks, known));
  const connections = readFileSync(join(path, "conntrack.txt"), "utf8").split("\n").filter(Boolean);
  const tracked = Object.entries(result.conntrack).flatMap(([ns, lines]) => lines.map((line) => `${ns} ${line}`));
  return [
    ...compare(ours, theirs),
    ...compare(counterTexts(result.counters), counterTexts(json("counters.json"))),
    ...compare(
      connectionTexts(tracked, new Masker(masks, known)),
      connectionTexts(connections, new Masker(masks, known)),
    ),
    ...compare(fdbTexts(result.fdb), fdbTexts(json("fdb.json"))),
  ];
}

type Texts = Map<string, string[]>;

function compare(ours: Texts, theirs: Texts): string[] {
  const keys = [...new Set([...theirs.keys(), ...ours.keys()])];
  return keys.flatMap((key) => {
    const [a, b] = [ours.get(key) ?? [], theirs.get(key) ?? []];
    if (a.length === b.length && a.every((text, i) => text === b[i])) return [];
    return [`${key}: podwire has ${JSON.stringify(a)}, Linux has ${JSON.stringify(b)}`];
  });
}

/** Frames by step, interface and direction; injected ones are no work of a kernel. */
function frameTexts(rows: readonly Row[], masker: Masker): Texts {
  const groups = new Map<string, Buffer[]>();
  const own = rows.filter(({ inj }) => !inj);
  for (const { step, at, dir, hex } of own) {
    const key = `${String(step).padStart(4, "0")} ${at} ${dir}`;
    const frame = Buffer.from(hex, "hex");
    const group = groups.get(key);
    if (group) group.push(frame);
    else groups.set(key, [frame]);
  }
  // Labels are given in the order of the first use, so both sides must be read in the same order.
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  masker.learn(sorted.flatMap(([, frames]) => frames));
  return new Map(sorted.map(([key, frames]) => [`step ${key}`, frames.map((frame) => masker.text(frame))]));
}

function counterTexts(counters: Record<string, CounterTables>): Texts {
  const texts: Texts = new Map();
  for (const [ns, tables] of Object.entries(counters)) {
    for (const [table, chains] of Object.entries(tables)) {
      for (const [chain, { policy, pkts, bytes, rules }] of Object.entries(chains)) {
        const lines = [`[${pkts}:${bytes}] policy ${policy}`, ...rules.map((r) => `[${r.pkts}:${r.bytes}] ${r.rule}`)];
        lines.forEach((line, i) => texts.set(`${ns} ${table} ${chain} ${i}`, [line]));
      }
    }
  }
  return texts;
}

/** Connections without their timeouts. */
function connectionTexts(lines: readonly string[], masker: Masker): Texts {
  const plain = lines.map((line) => {
    const [, ns, protocol, rest] = /^(\S+) (?:ipv4\s+2|ipv6\s+10) (\S+)\s+\d+ \d+ (.*)$/.exec(line) ?? [];
    return masker.connection(`${ns} ${protocol} ${rest?.replace(/ ?(use|secctx)=\S+/g, "")}`);
  });
  return new Map([["connections", plain.sort()]]);
}

function fdbTexts(fdb: Record<string, FdbEntry[]>): Texts {
  return new Map(
    Object.entries(fdb).map(([ns, entries]) => [
      `fdb of ${ns}`,
      entries.map((entry) => `${entry.mac} ${entry.ifname} ${entry.state}`).sort(),
    ]),
  );
}
