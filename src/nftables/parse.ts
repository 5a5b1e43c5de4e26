// `nft list table` text to a table: its sets, maps and chains. Rules are read when they are compiled.
import { InputError, type Place } from "../errors.ts";
import { HOOK_NAMES } from "../iptables/model.ts";
import type { BaseChain, NftChain, NftElement, NftSet, NftTable } from "./model.ts";

/** The words for priorities (include/uapi/linux/netfilter_ipv4.h and netfilter_ipv6.h, which agree); dstnat and srcnat are those of IP tables. */
const PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};
const DEFAULT_SIZE = 65535;

/** Reads one table. Throws an InputError with file and line. */
export function parseTable(text: string, file: string): NftTable {
  return new Reader(text, file).table();
}

class Reader {
  readonly #lines: string[];
  readonly #file: string;
  #at = 0;

  constructor(text: string, file: string) {
    this.#lines = text.split("\n");
    this.#file = file;
  }

  get #place(): Place {
    return { file: this.#file, line: this.#at };
  }

  /** The next line that is not empty, without blanks around it. */
  #next(): string {
    while (this.#at < this.#lines.length) {
      const line = (this.#lines[this.#at++] ?? "").trim();
      if (line !== "") return line;
    }
    throw new InputError(this.#place, "the text ends before the table does; a } is missing");
  }

  table(): NftTable {
    const head = this.#next();
    const [, family, name] = /^table (\S+) (\S+) \{$/.exec(head) ?? [];
    if (family === undefined || name === undefined)
      throw new InputError(this.#place, `"${head}" should begin a table, such as "table ip kube-proxy {"`);
    if (family !== "ip" && family !== "ip6")
      throw new InputError(this.#place, `tables of family ${family} are not emulated yet, only of ip and ip6`);
    const table: NftTable = { family, name, sets: [], chains: [] };
    for (let line = this.#next(); line !== "}"; line = this.#next()) {
      const [, kind, object] = /^(set|map|chain) (\S+) \{$/.exec(line) ?? [];
      if (object === undefined) {
        if (!line.startsWith("comment ")) throw new InputError(this.#place, `"${line}" is not emulated yet in a table`);
      } else if (kind === "chain") table.chains.push(this.#chain(object));
      else table.sets.push(this.#set(object, kind === "map"));
    }
    return table;
  }

  #chain(name: string): NftChain {
    const chain: NftChain = { name, rules: [] };
    for (let line = this.#next(); line !== "}"; line = this.#next()) {
      if (line.startsWith("type ")) chain.base = this.#base(line);
      else if (!line.startsWith("comment ")) chain.rules.push({ text: line, line: this.#at });
    }
    return chain;
  }

  #base(line: string): BaseChain {
    const [, type = "", hook = "", priority = "", policy = "accept"] =
      /^type (\S+) hook (\S+) priority ([^;]+);(?: policy (accept|drop);)?$/.exec(line) ?? [];
    const found = HOOK_NAMES.find((one) => one === hook.toUpperCase());
    const number = priorityOf(priority);
    if ((type !== "filter" && type !== "nat") || !found || number === undefined)
      throw new InputError(this.#place, `"${line}" is not a base chain that is emulated`);
    return { type, hook: found, priority: number, policy: policy === "drop" ? "DROP" : "ACCEPT" };
  }

  #set(name: string, isMap: boolean): NftSet {
    const set: NftSet = {
      name,
      type: [],
      isMap,
      dynamic: false,
      timeout: 0,
      size: DEFAULT_SIZE,
      elements: [],
      line: this.#at,
    };
    for (let line = this.#next(); line !== "}"; line = this.#next()) {
      const [word = "", ...rest] = line.split(" ");
      const value = rest.join(" ");
      if (word === "type") set.type = typeOf(value, isMap);
      else if (word === "size") set.size = Number(value);
      else if (word === "timeout") set.timeout = secondsOf(value);
      else if (word === "flags") this.#flags(set, value);
      else if (word === "elements") this.#elements(set, line);
      else if (word !== "comment") throw new InputError(this.#place, `"${line}" is not emulated yet in a set`);
    }
    return set;
  }

  #flags(set: NftSet, value: string): void {
    for (const flag of value.split(",")) {
      if (flag === "dynamic") set.dynamic = true;
      else if (flag !== "timeout") throw new InputError(this.#place, `the flag ${flag} of a set is not emulated yet`);
    }
  }

  /** Elements stand one behind the other, over several lines. */
  #elements(set: NftSet, line: string): void {
    let rest = line.replace(/^elements = \{ /, "");
    while (true) {
      const ends = rest.endsWith(" }");
      const texts = (ends ? rest.slice(0, -2) : rest).split(/,(?: |$)/);
      for (const text of texts) if (text !== "") set.elements.push(elementOf(text));
      if (ends) return;
      rest = this.#next();
    }
  }
}

function typeOf(value: string, isMap: boolean): string[] {
  const [key = ""] = isMap ? value.split(" : ") : [value];
  return key.split(" . ");
}

function elementOf(text: string): NftElement {
  const bare = text.replace(/ comment "[^"]*"/, "");
  const [key = "", verdict] = bare.split(" : ");
  return { key: key.split(" . "), ...(verdict !== undefined && { verdict }) };
}

/** `dstnat - 10`, `-100`, `filter`. */
function priorityOf(text: string): number | undefined {
  if (/^-?\d+$/.test(text)) return Number(text);
  const [word = "", sign, offset = "0"] = text.split(" ");
  const from = PRIORITIES[word];
  return from === undefined ? undefined : from + (sign === "-" ? -1 : 1) * Number(offset);
}

/** `1d1h1m1s` */
function secondsOf(text: string): number {
  const units: Readonly<Record<string, number>> = { d: 86400, h: 3600, m: 60, s: 1 };
  return [...text.matchAll(/(\d+)([dhms])/g)].reduce(
    (sum, [, n, unit = "s"]) => sum + Number(n) * (units[unit] ?? 0),
    0,
  );
}
