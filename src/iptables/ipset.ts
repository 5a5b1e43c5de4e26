// `ipset save` text to sets: what their elements are made of, and the elements.
import { cidrSize, parseCidr } from "../address.ts";
import { parseCidr6 } from "../address6.ts";
import { InputError, type Place } from "../errors.ts";
import { longestPrefix, type Address, type Family } from "./addresses.ts";
import { parseProtocol } from "./protocols.ts";

/** What an element is made of, in order. A plain port is one of TCP or UDP, whichever the packet has. */
export type SetPart = "address" | "port" | "other" | "plainPort";

export interface IpSet {
  name: string;
  /** Of its addresses. */
  family: Family;
  parts: SetPart[];
  /** The parts of addresses that may be networks. */
  networks: SetPart[];
  /** Seconds that elements stay unless they say how long, 0: for ever; undefined: the set has no timeouts. */
  timeout?: number;
  counters: boolean;
  /** Whether elements carry a mark for `-j SET --map-set`. */
  skbinfo: boolean;
  /** The most elements. */
  most: number;
  /** The ports of a set of plain ports. */
  range?: [first: number, last: number];
  elements: SetElement[];
}

interface Network {
  network: Address;
  prefix: number;
}

export interface SetElement {
  address: Network;
  /** Protocol << 16 | port; 0 in sets without ports. */
  port: number;
  other: Network;
  nomatch: boolean;
  /** Seconds; that of the set if left out. */
  timeout?: number;
  packets?: number;
  bytes?: number;
  mark?: { value: number; mask: number };
}

interface SetType {
  parts: readonly SetPart[];
  /** Which addresses may be networks. */
  networks: readonly SetPart[];
}

const TYPES: Readonly<Record<string, SetType>> = {
  "hash:ip": { parts: ["address"], networks: [] },
  "hash:net": { parts: ["address"], networks: ["address"] },
  "hash:ip,port": { parts: ["address", "port"], networks: [] },
  "hash:net,port": { parts: ["address", "port"], networks: ["address"] },
  "hash:ip,port,ip": { parts: ["address", "port", "other"], networks: [] },
  "hash:ip,port,net": { parts: ["address", "port", "other"], networks: ["other"] },
  "hash:net,net": { parts: ["address", "other"], networks: ["address", "other"] },
  "hash:net,port,net": { parts: ["address", "port", "other"], networks: ["address", "other"] },
  "bitmap:port": { parts: ["plainPort"], networks: [] },
};

/** Options that change nothing here; each takes a word. */
const SIZES = ["hashsize", "bucketsize", "initval"];
const OF_LITTLE_USE = ["comment", "skbprio", "skbqueue"];
const MOST = 65536;
const MAX_TIMEOUT = 2147483;
const WORD = 0xffffffff;

/** Reads `create` and `add` lines. Throws an InputError with file and line. */
export function parseSets(text: string, file: string): IpSet[] {
  const sets = new Map<string, { set: IpSet; type: SetType }>();
  for (const [index, raw] of text.split("\n").entries()) {
    const place = { file, line: index + 1 };
    const [command = "", name = "", what = "", ...rest] = raw.match(/"[^"]*"|\S+/g) ?? [];
    if (command === "" || command.startsWith("#")) continue;
    if (command === "create") {
      const type = TYPES[what];
      if (!type) throw new InputError(place, `ipset type ${what} is not emulated yet`);
      const networks = [...type.networks];
      sets.set(name, {
        set: { name, parts: [...type.parts], networks, ...readCreate(rest, type, place), elements: [] },
        type,
      });
    } else if (command === "add") {
      const found = sets.get(name);
      if (!found) throw new InputError(place, `there is no set ${name}; a create line must come first`);
      const carried = readCarried(found.set, rest, place);
      found.set.elements.push(...readElements(found, what, place).map((element) => ({ ...element, ...carried })));
    } else {
      throw new InputError(place, `ipset ${command} is not emulated yet`);
    }
  }
  return [...sets.values()].map(({ set }) => set);
}

type Settings = Pick<IpSet, "family" | "timeout" | "counters" | "skbinfo" | "most" | "range">;

function readCreate(words: readonly string[], type: SetType, place: Place): Settings {
  const isPorts = type.parts.includes("plainPort");
  const settings: Settings = { family: "ipv4", counters: false, skbinfo: false, most: MOST };
  for (let i = 0; i < words.length; i++) {
    const name = words[i] ?? "";
    const value = words[i + 1] ?? "";
    if (name === "counters" || name === "skbinfo") {
      settings[name] = true;
      continue;
    }
    if (name === "comment") continue;
    if (name === "timeout") settings.timeout = readNumber(value, "timeout", MAX_TIMEOUT, place);
    else if (name === "maxelem") settings.most = readNumber(value, "maxelem", WORD, place);
    else if (name === "range" && isPorts) settings.range = readRange(value, place);
    else if (name === "family" && value === "inet6" && !isPorts) settings.family = "ipv6";
    else if (!SIZES.includes(name) && !(name === "family" && value === "inet"))
      throw new InputError(place, `ipset create with ${name} ${value} is not emulated yet`.replace("  ", " "));
    i++;
  }
  return settings;
}

function readRange(word: string, place: Place): [number, number] {
  const [, low = "", high = ""] = /^(\d+)-(\d+)$/.exec(word) ?? [];
  if (low === "" || Number(low) > Number(high) || Number(high) > 65535)
    throw new InputError(place, `range ${word} should be two ports such as 0-1023`);
  return [Number(low), Number(high)];
}

function readNumber(word: string, name: string, most: number, place: Place): number {
  if (!/^\d+$/.test(word) || Number(word) > most)
    throw new InputError(place, `${name} ${word} should be a number from 0 to ${most}`);
  return Number(word);
}

/** What an element carries besides what it is. */
function readCarried(set: IpSet, words: readonly string[], place: Place): Partial<SetElement> {
  const carried: Partial<SetElement> = {};
  const need = (is: boolean, option: string, flag: string): void => {
    if (!is) throw new InputError(place, `add with ${option} needs a set that was created with ${flag}`);
  };
  for (let i = 0; i < words.length; i++) {
    const name = words[i] ?? "";
    const value = words[i + 1] ?? "";
    if (name === "-exist") continue;
    if (name === "nomatch") {
      carried.nomatch = true;
      continue;
    }
    if (name === "timeout") {
      need(set.timeout !== undefined, name, name);
      carried.timeout = readNumber(value, name, MAX_TIMEOUT, place);
    } else if (name === "packets" || name === "bytes") {
      need(set.counters, name, "counters");
      carried[name] = readNumber(value, name, Number.MAX_SAFE_INTEGER, place);
    } else if (name === "skbmark") {
      need(set.skbinfo, name, "skbinfo");
      carried.mark = readMark(value, place);
    } else if (!OF_LITTLE_USE.includes(name)) {
      throw new InputError(place, `ipset add with ${name} is not emulated yet`);
    }
    i++;
  }
  return carried;
}

/** `0x10/0xff`, `0x10`. */
function readMark(word: string, place: Place): { value: number; mask: number } {
  const [value = NaN, mask = WORD] = word
    .split("/")
    .map((text) => (/^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN));
  if (!(value <= WORD && mask <= WORD)) throw new InputError(place, `skbmark ${word} should be MARK or MARK/MASK`);
  return { value, mask };
}

function readElements(
  { set: { family }, type }: { set: IpSet; type: SetType },
  text: string,
  place: Place,
): SetElement[] {
  const words = text.split(",");
  if (words.length !== type.parts.length)
    throw new InputError(place, `"${text}" should have ${type.parts.length} parts, set apart by commas`);
  const none = { network: 0, prefix: longestPrefix(family) };
  let elements: SetElement[] = [{ address: none, port: 0, other: none, nomatch: false }];
  type.parts.forEach((part, i) => {
    const word = words[i] ?? "";
    if (part === "address" || part === "other") {
      const isNetwork = type.networks.includes(part);
      const networks =
        family === "ipv4" ? readAddresses(word, isNetwork, place) : [readAddress6(word, isNetwork, place)];
      elements = elements.flatMap((element) => networks.map((network) => ({ ...element, [part]: network })));
    } else {
      const ports = readPorts(word, part === "plainPort", place);
      elements = elements.flatMap((element) => ports.map((port) => ({ ...element, port })));
    }
  });
  return elements;
}

/** A network, or every address of one if the set holds addresses. */
function readAddresses(word: string, isNetwork: boolean, place: Place): Network[] {
  const cidr = parseCidr(word);
  if (!cidr) throw new InputError(place, `"${word}" should be an IPv4 address or block; ranges are not emulated yet`);
  if (isNetwork) return [{ network: cidr.network, prefix: cidr.prefix }];
  const count = cidrSize(cidr.prefix);
  if (count > MOST)
    throw new InputError(place, `${word} has more than ${MOST} addresses; a set of networks would hold it`);
  return Array.from({ length: count }, (_, i) => ({ network: cidr.network + i, prefix: 32 }));
}

/** A network of IPv6, or one address if the set holds addresses. */
function readAddress6(word: string, isNetwork: boolean, place: Place): Network {
  const cidr = parseCidr6(word);
  if (!cidr || (!isNetwork && cidr.prefix !== longestPrefix("ipv6")))
    throw new InputError(place, `"${word}" should be an IPv6 address${isNetwork ? " or block" : ""}`);
  return { network: cidr.network, prefix: cidr.prefix };
}

/** `tcp:80`, `80` (TCP), `1000-1010`. */
function readPorts(word: string, isPlain: boolean, place: Place): number[] {
  const [, name = "tcp", low = "", high = low] = /^(?:([a-z]+):)?(\d+)(?:-(\d+))?$/.exec(word) ?? [];
  const protocol = isPlain ? 0 : parseProtocol(name);
  const [first, last] = [Number(low), Number(high)];
  if (low === "" || protocol === undefined || last > 65535 || first > last)
    throw new InputError(place, `"${word}" should be a port such as tcp:80, or a range such as tcp:80-90`);
  return Array.from({ length: last - first + 1 }, (_, i) => protocol * 65536 + first + i);
}
