// `conntrack`: the connection table of a namespace, as conntrack-tools prints it.
import { isIP } from "node:net";
import {
  DROP_CONNTRACK_INSERT_FAILED,
  DROP_CONNTRACK_INVALID,
  DROP_CONNTRACK_TABLE_FULL,
} from "../../../assembly/layout/codes.ts";
import { formatIpv6, parseIpv6 } from "../../address6.ts";
import { conntrackLines } from "../../lab/state.ts";
import { readOptions } from "../options.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";

const SPEC = {
  L: "flag",
  C: "flag",
  S: "flag",
  f: "value",
  p: "value",
  s: "value",
  d: "value",
  r: "value",
  q: "value",
  m: "value",
  sport: "value",
  dport: "value",
  n: "flag",
  g: "flag",
} as const;
const ALIAS = {
  dump: "L",
  count: "C",
  stats: "S",
  family: "f",
  proto: "p",
  src: "s",
  dst: "d",
  "orig-src": "s",
  "orig-dst": "d",
  "reply-src": "r",
  "reply-dst": "q",
  "orig-port-src": "sport",
  "orig-port-dst": "dport",
  mark: "m",
  "src-nat": "n",
  "dst-nat": "g",
};
const VERSION = "v1.4.7";

export const conntrack: Tool = {
  usage:
    "conntrack -L [-f ipv4|ipv6] [-p PROTO] [-s ADDR] [-d ADDR] [-r ADDR] [-q ADDR] [--sport N] [--dport N] [-m MARK] [-n] [-g] | -C | -S",
  run(context, words) {
    const given = readOptions(
      "conntrack",
      words.filter((word) => word !== "conntrack"),
      SPEC,
      ALIAS,
    );
    if (given.words.length > 0) throw new ToolError(`conntrack: ${given.words[0] ?? ""} is not emulated`);
    const { emulation, namespace, out, err } = context;
    if (given.has("S")) return statistics(context);
    const all = conntrackLines(emulation.kernel, namespace.handle, emulation.nowNs);
    if (given.has("C")) {
      out(`${all.length}\n`);
      return 0;
    }
    const family = given.value("f");
    if (family !== undefined && family !== "ipv4" && family !== "ipv6")
      throw new ToolError(`conntrack: unknown family ${family}`);
    const lines = all.filter((line) => family === undefined || line.startsWith(family)).map(asTool);
    if (!given.has("L")) throw new ToolError("conntrack: one of -L, -C and -S is needed; entries are not changed here");
    for (const option of ["s", "d", "r", "q"]) {
      const word = given.value(option);
      if (word === undefined) continue;
      const is = isIP(word);
      if (is === 0 || (family !== undefined && is !== (family === "ipv4" ? 4 : 6)))
        throw new ToolError(`conntrack: invalid address "${word}" behind -${option}`);
    }
    const wanted: readonly [value: string | undefined, test: (line: string, value: string) => boolean][] = [
      [given.value("p"), (line, value) => line.startsWith(`${value} `) || line.split(/\s+/)[1] === value],
      [given.value("s"), (line, value) => tuples(line)[0]?.includes(`src=${value} `) ?? false],
      [given.value("d"), (line, value) => tuples(line)[0]?.includes(`dst=${value} `) ?? false],
      [given.value("r"), (line, value) => tuples(line)[1]?.includes(`src=${value} `) ?? false],
      [given.value("q"), (line, value) => tuples(line)[1]?.includes(`dst=${value} `) ?? false],
      [given.value("sport"), (line, value) => tuples(line)[0]?.includes(`sport=${value} `) ?? false],
      [given.value("dport"), (line, value) => tuples(line)[0]?.includes(`dport=${value} `) ?? false],
      [given.value("m"), (line, value) => line.includes(` mark=${value} `)],
      [given.has("n") ? "" : undefined, (line) => part(line, 0, "src") !== part(line, 1, "dst")],
      [given.has("g") ? "" : undefined, (line) => part(line, 0, "dst") !== part(line, 1, "src")],
    ];
    const shown = lines.filter((line) => wanted.every(([value, test]) => value === undefined || test(line, value)));
    for (const line of shown) out(`${line}\n`);
    err(`conntrack ${VERSION} (conntrack-tools): ${shown.length} flow entries have been shown.\n`);
    return 0;
  },
};

/** A line of /proc/net/nf_conntrack as the tool has it. */
function asTool(line: string): string {
  return line
    .replace(/^ipv4 +2 |^ipv6 +10 /, "")
    .replace(/(?<=(?:src|dst)=)[0-9a-f]*:[0-9a-f:]*/g, (text) => formatIpv6(parseIpv6(text) ?? 0n))
    .replace(/ zone=0 /, " ")
    .replace(/use=2$/, "use=1");
}

/** The two tuples of a line, each with a blank at its end. */
function tuples(line: string): string[] {
  return line
    .split(/(?=src=)/)
    .slice(1)
    .map((text) => `${text} `);
}

function part(line: string, tuple: number, key: string): string | undefined {
  return new RegExp(`${key}=(\\S+)`).exec(tuples(line)[tuple] ?? "")?.[1];
}

/** The kernel counts what it could not take, for all cores together. */
function statistics({ emulation, namespace, out }: Context): number {
  const drops = emulation.kernel.drops(namespace.handle);
  const [invalid, failed, full] = [DROP_CONNTRACK_INVALID, DROP_CONNTRACK_INSERT_FAILED, DROP_CONNTRACK_TABLE_FULL].map(
    (code) => drops[code] ?? 0,
  );
  out(
    `cpu=0   \tfound=0 invalid=${invalid ?? 0} insert=0 insert_failed=${failed ?? 0} drop=${(failed ?? 0) + (full ?? 0)} early_drop=0 error=0 search_restart=0 clash_resolve=0 chaintoolong=0 \n`,
  );
  return 0;
}
