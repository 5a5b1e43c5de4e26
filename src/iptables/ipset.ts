// `ipset save` text to sets: what their elements are made of, and the elements.
import { cidrSize, parseCidr } from "../address.ts";
import { InputError, type Place } from "../errors.ts";
import { parseProtocol } from "./protocols.ts";

/** What an element is made of, in order. A plain port is one of TCP or UDP, whichever the packet has. */
export type SetPart = "address" | "port" | "other" | "plainPort";

export interface IpSet {
  name: string;
  parts: SetPart[];
  elements: SetElement[];
}

interface Network {
  network: number;
  prefix: number;
}

export interface SetElement {
  address: Network;
  /** Protocol << 16 | port; 0 in sets without ports. */
  port: number;
  other: Network;
  nomatch: boolean;
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

/** Options of `create` that change nothing here; each takes a word. */
const SIZES = ["hashsize", "maxelem", "bucketsize", "initval", "range"];
const MOST = 65536;

/** Reads `create` and `add` lines. Throws an InputError with file and line. */
export function parseSets(text: string, file: string): IpSet[] {
  const sets = new Map<string, { set: IpSet; type: SetType }>();
  for (const [index, raw] of text.split("\n").entries()) {
    const place = { file, line: index + 1 };
    const [command, name = "", what = "", ...rest] = raw.trim().split(/\s+/);
    if (command === "" || command?.startsWith("#")) continue;
    if (command === "create") {
      const type = TYPES[what];
      if (!type) throw new InputError(place, `ipset type ${what} is not emulated yet`);
      checkCreate(rest, place);
      sets.set(name, { set: { name, parts: [...type.parts], elements: [] }, type });
    } else if (command === "add") {
      const found = sets.get(name);
      if (!found) throw new InputError(place, `there is no set ${name}; a create line must come first`);
      found.set.elements.push(...readElements(found.type, what, rest, place));
    } else {
      throw new InputError(place, `ipset ${command} is not emulated yet`);
    }
  }
  return [...sets.values()].map(({ set }) => set);
}

function checkCreate(words: readonly string[], place: Place): void {
  for (let i = 0; i < words.length; i += 2) {
    const [name = "", value = ""] = words.slice(i);
    if (SIZES.includes(name) || (name === "family" && value === "inet")) continue;
    throw new InputError(place, `ipset create with ${name} ${value} is not emulated yet`);
  }
}

function readElements(type: SetType, text: string, options: readonly string[], place: Place): SetElement[] {
  for (const option of options)
    if (option !== "nomatch" && option !== "-exist")
      throw new InputError(place, `ipset add with ${option} is not emulated yet`);
  const words = text.split(",");
  if (words.length !== type.parts.length)
    throw new InputError(place, `"${text}" should have ${type.parts.length} parts, set apart by commas`);
  let elements: SetElement[] = [{ address: NONE, port: 0, other: NONE, nomatch: options.includes("nomatch") }];
  type.parts.forEach((part, i) => {
    const word = words[i] ?? "";
    if (part === "address" || part === "other") {
      const networks = readAddresses(word, type.networks.includes(part), place);
      elements = elements.flatMap((element) => networks.map((network) => ({ ...element, [part]: network })));
    } else {
      const ports = readPorts(word, part === "plainPort", place);
      elements = elements.flatMap((element) => ports.map((port) => ({ ...element, port })));
    }
  });
  return elements;
}

/** A part that a set does not have. */
const NONE: Network = { network: 0, prefix: 32 };

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

/** `tcp:80`, `80` (TCP), `1000-1010`. */
function readPorts(word: string, isPlain: boolean, place: Place): number[] {
  const [, name = "tcp", low = "", high = low] = /^(?:([a-z]+):)?(\d+)(?:-(\d+))?$/.exec(word) ?? [];
  const protocol = isPlain ? 0 : parseProtocol(name);
  const [first, last] = [Number(low), Number(high)];
  if (low === "" || protocol === undefined || last > 65535 || first > last)
    throw new InputError(place, `"${word}" should be a port such as tcp:80, or a range such as tcp:80-90`);
  return Array.from({ length: last - first + 1 }, (_, i) => protocol * 65536 + first + i);
}
