// Capture filters in the words of tcpdump (pcap-filter(7)), the common part: compiled to what the kernel asks of each frame.
import * as F from "../../assembly/layout/filter.ts";
import { parseCidr, parseIpv4, parseMac, prefixMask } from "../address.ts";

/** A filter that cannot be: the sentence says which word and what would be right. */
export class FilterError extends Error {}

const ETHER_TYPES: Readonly<Record<string, number>> = { ip: 0x800, arp: 0x806, rarp: 0x8035, ip6: 0x86dd };
const IP_PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  gre: 47,
  esp: 50,
  ah: 51,
  sctp: 132,
};
const WITH_PORTS = ["tcp", "udp", "sctp"];
const TYPES = ["host", "net", "port", "portrange"] as const;
const PORT_NAMES: Readonly<Record<string, number>> = {
  domain: 53,
  http: 80,
  https: 443,
  ssh: 22,
  bootps: 67,
  bootpc: 68,
};

type Type = (typeof TYPES)[number] | "proto" | "ether";

/** What stands before a value; a value alone after `or` and `and` means the same again: `port 80 or 443`. */
interface Qualifiers {
  protocol?: string;
  where: number;
  type: Type;
}

const EITHER = F.FILTER_SOURCE | F.FILTER_DESTINATION;

/**
 * The program (FILTER_*) of an expression: host, net, port, portrange, src, dst, ether host, ip, arp, tcp, udp, icmp, sctp, proto,
 * less, greater, and, or, not and parentheses. As with tcpdump `and` and `or` bind alike, from left to right. Throws a FilterError.
 */
export function compileFilter(expression: string): Uint32Array {
  return new Parser(expression).compile();
}

class Parser {
  readonly #words: string[];
  readonly #program: number[][] = [];
  #at = 0;
  #last: Qualifiers | undefined;
  #depth = 0;

  constructor(expression: string) {
    this.#words = expression
      .replaceAll("&&", " and ")
      .replaceAll("||", " or ")
      .replaceAll(/!(?!=)/g, " not ")
      .replaceAll(/[()]/g, " $& ")
      .split(/\s+/)
      .filter((word) => word !== "");
  }

  compile(): Uint32Array {
    if (this.#words.length === 0) throw new FilterError("the filter is empty; write one such as tcp port 80");
    this.#expression();
    const rest = this.#peek();
    if (rest !== undefined) throw new FilterError(`${rest} should not come here; join conditions by and or or`);
    return Uint32Array.from([this.#program.length, ...this.#program.flat()]);
  }

  #peek(): string | undefined {
    return this.#words[this.#at];
  }

  #take(): string | undefined {
    return this.#words[this.#at++];
  }

  #emit(kind: number, where = 0, a = 0, b = 0, c = 0): void {
    this.#program.push([kind, where, a, b, c]);
    if (kind === F.FILTER_NOT) return;
    this.#depth += kind === F.FILTER_AND || kind === F.FILTER_OR ? -1 : 1;
    if (this.#depth > F.FILTER_DEPTH_MAX) throw new FilterError("the filter is nested too deeply");
  }

  #expression(): void {
    this.#term();
    for (let word = this.#peek(); word === "and" || word === "or"; word = this.#peek()) {
      this.#take();
      this.#term();
      this.#emit(word === "and" ? F.FILTER_AND : F.FILTER_OR);
    }
  }

  #term(): void {
    const word = this.#peek();
    if (word === "not") {
      this.#take();
      this.#term();
      this.#emit(F.FILTER_NOT);
    } else if (word === "(") {
      this.#take();
      this.#expression();
      if (this.#take() !== ")") throw new FilterError("a parenthesis is not closed");
    } else {
      this.#primitive();
    }
  }

  #primitive(): void {
    const word = this.#peek();
    if (word === undefined)
      throw new FilterError("the filter ends too early; a condition such as host 10.0.0.1 is missing");
    if (word === "less" || word === "greater") {
      this.#take();
      const length = this.#number("a number of bytes", 65535);
      if (word === "less") this.#emit(F.FILTER_LENGTH, 0, 0, length);
      else this.#emit(F.FILTER_LENGTH, 0, length, 0xffffffff);
      return;
    }
    const qualifiers = this.#qualifiers();
    if (qualifiers === undefined) return;
    this.#last = qualifiers;
    this.#value(qualifiers);
  }

  /** Reads what stands before a value; undefined if that was all, as of `tcp`. */
  #qualifiers(): Qualifiers | undefined {
    let protocol: string | undefined;
    let where: number | undefined;
    let type: Type | undefined;
    const began = this.#at;
    for (;;) {
      const word = this.#peek() ?? "";
      if (protocol === undefined && where === undefined && type === undefined && isProtocol(word)) protocol = word;
      else if (where === undefined && type === undefined && (word === "src" || word === "dst")) {
        where = word === "src" ? F.FILTER_SOURCE : F.FILTER_DESTINATION;
        // `src or dst port 53`: the other of the two.
        const [join, other] = this.#words.slice(this.#at + 1, this.#at + 3);
        if (join === "or" && (other === "src" || other === "dst") && other !== word) {
          where = EITHER;
          this.#at += 2;
        }
      } else if (type === undefined && (TYPES as readonly string[]).includes(word)) type = word as Type;
      else if (type === undefined && word === "proto") type = "proto";
      else break;
      this.#take();
    }
    if (this.#at === began) {
      if (this.#last) return this.#last;
      if (parseIpv4(this.#peek() ?? "") === undefined)
        throw new FilterError(
          `${this.#peek() ?? ""} is not known; a condition begins with host, net, port, tcp, udp, icmp, arp, ip, src, dst or not`,
        );
    }
    const next = this.#peek();
    const isOver = next === undefined || next === "and" || next === "or" || next === ")";
    if (protocol !== undefined && where === undefined && type === undefined && isOver) {
      this.#protocolAlone(protocol);
      return undefined;
    }
    const chosen = protocol === "ether" ? "ether" : (type ?? "host");
    return { ...(protocol === undefined ? {} : { protocol }), where: where ?? EITHER, type: chosen };
  }

  #protocolAlone(protocol: string): void {
    const type = ETHER_TYPES[protocol];
    if (type !== undefined) this.#emit(F.FILTER_ETHER_TYPE, 0, type);
    else if (protocol === "ether") throw new FilterError("ether should be followed by host and a MAC address");
    else this.#emit(F.FILTER_IP_PROTO, 0, IP_PROTOCOLS[protocol] ?? 0);
  }

  #value({ protocol, where, type }: Qualifiers): void {
    switch (type) {
      case "host":
      case "net":
        this.#network(where, type, protocol);
        return;
      case "port":
      case "portrange":
        this.#ports(where, type, protocol);
        return;
      case "ether":
        this.#link(where);
        return;
      case "proto": {
        const word = this.#peek() ?? "";
        const named = IP_PROTOCOLS[word.replace(/^\\/, "")];
        if (named !== undefined) this.#take();
        this.#emit(
          F.FILTER_IP_PROTO,
          0,
          named ?? this.#number("a protocol, a number from 0 to 255 or a name such as tcp", 255),
        );
      }
    }
  }

  #network(where: number, type: "host" | "net", protocol: string | undefined): void {
    if (protocol !== undefined && ETHER_TYPES[protocol] === undefined)
      throw new FilterError(`${protocol} does not go with ${type}; write ${protocol} and ${type} ...`);
    const word = this.#take();
    if (word === undefined) throw new FilterError(`an address is missing after ${type}`);
    const range = type === "net" ? parseNet(word) : parseHost(word);
    if (!range)
      throw new FilterError(
        `${word} is not ${type === "host" ? "an IPv4 address such as 10.0.0.1" : "a network such as 10.0.0.0/8"}`,
      );
    this.#emit(F.FILTER_NET, where, range.network, range.mask);
    if (protocol === undefined) return;
    this.#protocolAlone(protocol);
    this.#emit(F.FILTER_AND);
  }

  #ports(where: number, type: "port" | "portrange", protocol: string | undefined): void {
    const word = this.#take() ?? "";
    const [low = "", high = low] = type === "portrange" ? word.split("-") : [word];
    const from = portOf(low);
    const to = portOf(high);
    if (from === undefined || to === undefined || from > to)
      throw new FilterError(
        `${word} is not ${type === "port" ? "a port from 0 to 65535" : "a range of ports such as 8000-8080"}`,
      );
    if (protocol !== undefined && !WITH_PORTS.includes(protocol))
      throw new FilterError(`${protocol} has no ports; write tcp, udp or sctp before port`);
    this.#emit(F.FILTER_PORT, where, from, to, protocol === undefined ? 0 : (IP_PROTOCOLS[protocol] ?? 0));
  }

  #link(where: number): void {
    const word = this.#take() ?? "";
    const mac = parseMac(word);
    if (!mac) throw new FilterError(`${word} is not a MAC address such as 02:00:00:00:00:01`);
    const view = new DataView(mac.buffer, mac.byteOffset, 6);
    this.#emit(F.FILTER_ETHER_HOST, where, view.getUint16(0), view.getUint32(2));
  }

  #number(what: string, most: number): number {
    const word = this.#take() ?? "";
    if (!/^\d+$/.test(word) || Number(word) > most) throw new FilterError(`${word} is not ${what}`);
    return Number(word);
  }
}

function isProtocol(word: string): boolean {
  return word === "ether" || word in ETHER_TYPES || word in IP_PROTOCOLS;
}

function parseHost(word: string): { network: number; mask: number } | undefined {
  const address = parseIpv4(word);
  return address === undefined ? undefined : { network: address, mask: 0xffffffff };
}

/** `10.0.0.0/8`; without a length as many bytes as are written: `net 10.1` is 10.1.0.0/16. */
function parseNet(word: string): { network: number; mask: number } | undefined {
  const parts = word.split(".");
  const short = !word.includes("/") && parts.length < 4 && parts.every((part) => /^\d+$/.test(part));
  const text = short
    ? `${[...parts, "0", "0", "0"].slice(0, 4).join(".")}/${parts.length * 8}`
    : word.includes("/")
      ? word
      : `${word}/32`;
  const range = parseCidr(text);
  return range && { network: range.network, mask: prefixMask(range.prefix) };
}

function portOf(word: string): number | undefined {
  const named = PORT_NAMES[word];
  if (named !== undefined) return named;
  return /^\d+$/.test(word) && Number(word) <= 65535 ? Number(word) : undefined;
}
