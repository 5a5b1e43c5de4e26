// `nft list`: the table of nftables that kube-proxy keeps in nftables mode, with what its sets hold now, as nft 1.0.6 prints it.
import * as R from "../../../assembly/layout/records.ts";
import { formatIpv4 } from "../../address.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";

const OBJECTS = ["chain", "set", "map"];
const NO_TABLES = ["ip6", "inet", "arp", "bridge", "netdev"];
const NEXT_LINE = ",\n\t\t\t     ";

export const nft: Tool = {
  usage: "nft list ruleset [FAMILY] | tables | table [ip] NAME | chain|set|map [ip] TABLE NAME",
  run(context, words) {
    const [command = "", what = "", ...rest] = words;
    if (command !== "list")
      throw new ToolError(
        `nft: ${command === "" ? "a command is missing" : `${words.join(" ")} is not emulated`}; there is list`,
      );
    const text = tableOf(context);
    const [, name] = /^table ip (\S+) \{/.exec(text) ?? [];
    if (what === "ruleset" && rest.length < 2) {
      if (rest[0] === undefined || rest[0] === "ip") context.out(text);
      else if (!NO_TABLES.includes(rest[0])) throw unexpected(words);
    } else if (what === "tables" && rest.length === 0) {
      if (name !== undefined) context.out(`table ip ${name}\n`);
    } else {
      const family = rest[0] === "ip" || NO_TABLES.includes(rest[0] ?? "") ? rest.shift() : "ip";
      if (rest.length !== (what === "table" ? 1 : 2) || !(what === "table" || OBJECTS.includes(what)))
        throw unexpected(words);
      if (family !== "ip" || rest[0] !== name) throw missing(words, words.length - rest.length);
      if (what === "table") context.out(text);
      else {
        const object = objectsOf(text).get(`${what} ${rest[1] ?? ""}`);
        if (object === undefined) throw missing(words, words.length - 1);
        context.out(`table ip ${name ?? ""} {\n${object}}\n`);
      }
    }
    return 0;
  },
};

/** The table of the namespace as it is now; empty if there is none. */
function tableOf({ emulation, namespace }: Context): string {
  const { kernel, nowNs, rules } = emulation;
  const text = rules.printTable(namespace.name, nowNs) ?? "";
  let shown = text;
  for (const [name, number] of rules.tableSets(namespace.name, nowNs)) {
    let handle = kernel.word(namespace.handle + R.NS_SETS);
    while (handle !== 0 && kernel.word(handle + R.SET_NAME) !== number) handle = kernel.word(handle + R.SET_NEXT);
    const elements = handle === 0 ? [] : kernel.records(kernel.word(handle + R.SET_ELEMENTS));
    const texts = elements
      .map((at) => ({
        address: kernel.word(at + R.ELEMENT_ADDRESS),
        left: Number(kernel.long(at + R.ELEMENT_EXPIRES)) - nowNs,
      }))
      .filter(({ left }) => left > 0)
      .sort((a, b) => a.address - b.address)
      .map(({ address, left }) => `${formatIpv4(address)} expires ${duration(Math.floor(left / 1e6))}`);
    if (texts.length === 0) continue;
    // Two addresses fit on a line.
    const rows = texts.flatMap((_, i) => (i % 2 === 0 ? [texts.slice(i, i + 2).join(", ")] : []));
    const head = `\tset ${name} {\n`;
    const from = shown.indexOf(head);
    const end = shown.indexOf("\t}\n", from);
    if (from >= 0) shown = `${shown.slice(0, end)}\t\telements = { ${rows.join(NEXT_LINE)} }\n${shown.slice(end)}`;
  }
  return shown;
}

/** The text of each object of a table, by `chain NAME`. */
function objectsOf(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/^\t((?:set|map|chain) \S+) \{\n(?:\t\t.*\n)*\t\}\n/gm)].map(([whole, name = ""]) => [
      name,
      whole,
    ]),
  );
}

/** `2h59m58s932ms` */
function duration(milliseconds: number): string {
  const units: [string, number][] = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1000],
    ["ms", 1],
  ];
  let left = milliseconds;
  let text = "";
  for (const [unit, size] of units) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === "" ? "0s" : text;
}

/** The word at fault is underlined. */
function complaint(words: readonly string[], at: number, what: string): ToolError {
  const before = words.slice(0, at).join(" ").length + 1;
  return new ToolError(
    `Error: ${what}\n${words.join(" ")}\n${" ".repeat(before)}${"^".repeat((words[at] ?? "").length)}`,
    1,
  );
}

function missing(words: readonly string[], at: number): ToolError {
  return complaint(words, at, "No such file or directory");
}

function unexpected(words: readonly string[]): ToolError {
  return new ToolError(
    `nft: ${words.join(" ")} is not emulated; there are list ruleset, tables, table, chain, set and map`,
  );
}
