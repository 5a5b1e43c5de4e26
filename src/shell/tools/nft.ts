// `nft list`: the table of nftables that kube-proxy keeps in nftables mode, with what its sets hold now, as nft 1.0.6 prints it.
import * as R from "../../../assembly/layout/records.ts";
import { parseIpv4 } from "../../address.ts";
import { parseIpv6 } from "../../address6.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";

const OBJECTS = ["chain", "set", "map"];
const FAMILIES = { ip: "ipv4", ip6: "ipv6" } as const;
type Word = keyof typeof FAMILIES;
const WORDS = Object.keys(FAMILIES) as Word[];
const NO_TABLES = ["inet", "arp", "bridge", "netdev"];
const NEXT_LINE = ",\n\t\t\t     ";

export const nft: Tool = {
  usage: "nft list ruleset [FAMILY] | tables | table [ip|ip6] NAME | chain|set|map [ip|ip6] TABLE NAME",
  run(context, words) {
    const [command = "", what = "", ...rest] = words;
    if (command !== "list")
      throw new ToolError(
        `nft: ${command === "" ? "a command is missing" : `${words.join(" ")} is not emulated`}; there is list`,
      );
    if (what === "ruleset" && rest.length < 2) {
      const [only] = rest;
      if (only !== undefined && !isFamily(only) && !NO_TABLES.includes(only)) throw unexpected(words);
      for (const word of WORDS) if (only === undefined || only === word) context.out(tableOf(context, word));
    } else if (what === "tables" && rest.length === 0) {
      for (const word of WORDS) {
        const name = nameOf(tableOf(context, word));
        if (name !== undefined) context.out(`table ${word} ${name}\n`);
      }
    } else {
      const said = isFamily(rest[0] ?? "") || NO_TABLES.includes(rest[0] ?? "");
      const word = said ? (rest.shift() ?? "") : "ip";
      if (rest.length !== (what === "table" ? 1 : 2) || !(what === "table" || OBJECTS.includes(what)))
        throw unexpected(words);
      const text = isFamily(word) ? tableOf(context, word) : "";
      const name = nameOf(text);
      if (name === undefined || rest[0] !== name) throw missing(words, words.length - rest.length);
      if (what === "table") context.out(text);
      else {
        const object = objectsOf(text).get(`${what} ${rest[1] ?? ""}`);
        if (object === undefined) throw missing(words, words.length - 1);
        context.out(`table ${word} ${name} {\n${object}}\n`);
      }
    }
    return 0;
  },
};

function isFamily(word: string): word is Word {
  return word in FAMILIES;
}

/** The name of a table; undefined if there is none. */
function nameOf(text: string): string | undefined {
  return /^table \S+ (\S+) \{/.exec(text)?.[1];
}

/** The table of a family of the namespace as it is now; empty if there is none. */
function tableOf({ emulation, namespace }: Context, word: Word): string {
  const { kernel, nowNs, rules } = emulation;
  const family = FAMILIES[word];
  const text = rules.printTable(namespace.name, nowNs, family) ?? "";
  let shown = text;
  for (const [name, number] of rules.tableSets(namespace.name, nowNs, family)) {
    let handle = kernel.word(namespace.handle + R.NS_SETS);
    while (handle !== 0 && kernel.word(handle + R.SET_NAME) !== number) handle = kernel.word(handle + R.SET_NEXT);
    const elements = handle === 0 ? [] : kernel.records(kernel.word(handle + R.SET_ELEMENTS));
    const texts = elements
      .map((at) => ({
        address: kernel.addressText(namespace.handle, kernel.word(at + R.ELEMENT_ADDRESS)),
        left: Number(kernel.long(at + R.ELEMENT_EXPIRES)) - nowNs,
      }))
      .filter(({ left }) => left > 0)
      .sort((a, b) => (numberOf(a.address) < numberOf(b.address) ? -1 : 1))
      .map(({ address, left }) => `${address} expires ${duration(Math.floor(left / 1e6))}`);
    if (texts.length === 0) continue;
    // Two addresses fit on a line, one of IPv6.
    const most = word === "ip" ? 2 : 1;
    const rows = texts.flatMap((_, i) => (i % most === 0 ? [texts.slice(i, i + most).join(", ")] : []));
    const head = `\tset ${name} {\n`;
    const from = shown.indexOf(head);
    const end = shown.indexOf("\t}\n", from);
    if (from >= 0) shown = `${shown.slice(0, end)}\t\telements = { ${rows.join(NEXT_LINE)} }\n${shown.slice(end)}`;
  }
  return shown;
}

function numberOf(address: string): bigint {
  return parseIpv6(address) ?? BigInt(parseIpv4(address) ?? 0);
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
