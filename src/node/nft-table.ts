// `nft list table` text in the making: sets, maps and chains that kube-proxy adds to, then printed at once.
import { parseIpv4 } from "../address.ts";
import { parseIpv6 } from "../address6.ts";
import { parseProtocol } from "../iptables/protocols.ts";

/** The key of an element: those of its parts that the set or map has, in this order. */
export interface ElementKey {
  address?: string;
  protocol?: string;
  port?: number;
}

/** A set, or a map to verdicts, as it is made. */
export interface SetOptions {
  /** The types of the parts of a key, and of a map `: verdict`: `ipv4_addr . inet_proto : verdict`. */
  type: string;
  comment?: string;
  /** Most elements; printed for sets that rules add to. */
  size?: number;
  /** Flags as nft prints them: `dynamic,timeout`. */
  flags?: string;
  /** Seconds that elements stay. */
  timeout?: number;
}

export interface BaseChain {
  type: "filter" | "nat";
  hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  /** As nft prints it: `dstnat - 10`, `-110`, `filter`. */
  priority: string;
}

interface Element {
  /** Where it stands among the others. */
  order: readonly (number | bigint)[];
  verdict: string | undefined;
  text: string;
}

interface NamedSet extends SetOptions {
  kind: "set" | "map";
  elements: Map<string, Element>;
}

interface Chain {
  base?: BaseChain | undefined;
  comment?: string | undefined;
  rules: string[];
}

/** One table. Sets and chains are printed in the order in which they were made, as nft prints them. */
export class NftTable {
  readonly #head: string;
  readonly #sets = new Map<string, NamedSet>();
  readonly #chains = new Map<string, Chain>();

  constructor(family: "ip" | "ip6", name: string, comment: string) {
    this.#head = `table ${family} ${name} {\n\tcomment "${comment}"\n`;
  }

  addSet(name: string, options: SetOptions): void {
    this.#sets.set(name, { ...options, kind: "set", elements: new Map() });
  }

  addMap(name: string, options: SetOptions): void {
    this.#sets.set(name, { ...options, kind: "map", elements: new Map() });
  }

  /** Adds an element to a set, or with a verdict to a map. One with the same key and another verdict is replaced, as kube-proxy does. */
  addElement(set: string, key: ElementKey, verdict?: string, comment?: string): void {
    const parts = [key.address, key.protocol, key.port].filter((part) => part !== undefined).join(" . ");
    const elements = this.#sets.get(set)?.elements;
    if (!elements) throw new TypeError(`there is no set ${set}`);
    const known = elements.get(parts);
    if (known && known.verdict === verdict) return;
    const note = comment === undefined ? "" : ` comment "${comment}"`;
    const text = parts + note + (verdict === undefined ? "" : ` : ${verdict}`);
    elements.set(parts, { order: orderOf(key), verdict, text });
  }

  /** Makes a chain; one that exists keeps its rules. */
  addChain(name: string, { base, comment }: { base?: BaseChain; comment?: string } = {}): void {
    if (!this.#chains.has(name)) this.#chains.set(name, { base, comment, rules: [] });
  }

  /** Adds a rule, in the words of nft's own listing, at the end of a chain. */
  append(chain: string, ...words: (string | readonly string[])[]): void {
    const rules = this.#chains.get(chain)?.rules;
    if (!rules) throw new TypeError(`there is no chain ${chain}`);
    rules.push(words.flat().join(" "));
  }

  /** The table as `nft list table` prints it. */
  print(): string {
    const parts = [
      ...[...this.#sets].map(([name, set]) => printSet(name, set)),
      ...[...this.#chains].map(([name, chain]) => printChain(name, chain)),
    ];
    return `${this.#head}${parts.join("\n")}}\n`;
  }
}

/** nft sorts addresses as numbers, but keys of several parts as the bytes of a little-endian number: the last byte counts most. */
function orderOf({ address = "", protocol, port }: ElementKey): Element["order"] {
  const ipv4 = parseIpv4(address);
  const number = ipv4 ?? parseIpv6(address) ?? 0;
  if (protocol === undefined || port === undefined) return [number];
  const swapped = ipv4 === undefined ? reversed(BigInt(number), 16) : Number(reversed(BigInt(number), 4));
  return [((port & 255) << 8) | (port >> 8), parseProtocol(protocol) ?? 0, swapped];
}

/** A number of so many bytes with its bytes in the other order. */
function reversed(value: bigint, bytes: number): bigint {
  let left = value;
  let result = 0n;
  for (let i = 0; i < bytes; i++, left >>= 8n) result = (result << 8n) | (left & 255n);
  return result;
}

function byOrder({ order: a }: Element, { order: b }: Element): number {
  for (const [i, part] of a.entries()) {
    const other = b[i] ?? 0;
    if (part !== other) return part < other ? -1 : 1;
  }
  return 0;
}

const NEXT_LINE = ",\n\t\t\t     ";

function printSet(name: string, { kind, type, size, flags, timeout, comment, elements }: NamedSet): string {
  const lines = [
    `type ${type}`,
    ...(size === undefined ? [] : [`size ${size}`]),
    ...(flags === undefined ? [] : [`flags ${flags}`]),
    ...(timeout === undefined ? [] : [`timeout ${printTimeout(timeout)}`]),
    ...(comment === undefined ? [] : [`comment "${comment}"`]),
  ];
  if (elements.size > 0) {
    const texts = [...elements.values()].sort(byOrder).map(({ text }) => text);
    // Two IPv4 addresses fit on a line.
    const perLine = type === "ipv4_addr" ? 2 : 1;
    const rows = texts.flatMap((_, i) => (i % perLine === 0 ? [texts.slice(i, i + perLine).join(", ")] : []));
    lines.push(`elements = { ${rows.join(NEXT_LINE)} }`);
  }
  return `\t${kind} ${name} {\n${lines.map((line) => `\t\t${line}\n`).join("")}\t}\n`;
}

function printChain(name: string, { base, comment, rules }: Chain): string {
  const lines = [
    ...(comment === undefined ? [] : [`comment "${comment}"`]),
    ...(base ? [`type ${base.type} hook ${base.hook} priority ${base.priority}; policy accept;`] : []),
    ...rules,
  ];
  return `\tchain ${name} {\n${lines.map((line) => `\t\t${line}\n`).join("")}\t}\n`;
}

/** `3h`, `1d1h1m1s`. */
function printTimeout(seconds: number): string {
  const units: [string, number][] = [
    ["d", 86400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ];
  let left = seconds;
  let text = "";
  for (const [unit, length] of units) {
    const count = Math.floor(left / length);
    if (count > 0) text += `${count}${unit}`;
    left -= count * length;
  }
  return text;
}
