// One line of iptables-save text straight to the words of its rule, for the forms that iptables-save prints. No objects on the way.
import {
  RULE_DST,
  RULE_DST_MASK,
  RULE_FLAGS,
  RULE_GOTO,
  RULE_IN,
  RULE_INDEX,
  RULE_MATCH_COUNT,
  RULE_MATCHES,
  RULE_NOT_DST,
  RULE_NOT_IN,
  RULE_NOT_OUT,
  RULE_NOT_PROTO,
  RULE_NOT_SRC,
  RULE_OUT,
  RULE_PLAIN,
  RULE_PROTO,
  RULE_SRC,
  RULE_SRC_MASK,
  RULE_TABLE,
  RULE_TARGET,
  RULE_TARGET_ARG,
  TARGET_CONTINUE,
  TARGET_JUMP,
} from "../../assembly/layout/rules.ts";
import { prefixMask } from "../address.ts";
import { parseNetwork } from "./addresses.ts";
import type { Block } from "./block.ts";
import { jumpedTo } from "./graph.ts";
import { parseInterface } from "./interface.ts";
import { ALL_HOOKS, ALL_TABLES, limitsOf } from "./limits.ts";
import { parseProtocol } from "./protocols.ts";
import { needsRecord } from "./prefix.ts";
import { compileRule } from "./records.ts";
import { readWhole } from "./rule.ts";
import { Endpoints, Parts, type Scope } from "./segments.ts";

/** What the reader must know of the chains that rules lead to. */
export interface Destination {
  /** Its number among the chains. */
  number: number;
  /** The offset of its first rule. */
  offset: number;
}

/** A rule in a text: what follows its `-A CHAIN` stands from `from` to `end`; its number, its offset, its table (TABLE_*). */
export interface Line {
  text: string;
  from: number;
  end: number;
  index: number;
  offset: number;
  table: number;
}

/** Where a line may lead: the user chains of its table, by name. */
export interface Destinations {
  get(name: string): Destination | undefined;
}

const SPACE = 0x20;
const BANG = 0x21;
const QUOTE = 0x22;
const DASH = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const [LETTER_D, LETTER_G, LETTER_I, LETTER_J, LETTER_M, LETTER_O, LETTER_P, LETTER_S] = [
  0x64, 0x67, 0x69, 0x6a, 0x6d, 0x6f, 0x70, 0x73,
] as const;
const MATCH = "-m ";
const COMMENT = "-m comment --comment ";
const DNAT = "-j DNAT --to-destination ";
const COMMENT_MAX = 255;

// Masks by prefix length.
const MASKS = Uint32Array.from({ length: 33 }, (_, prefix) => prefixMask(prefix));

/** Reads lines into the rules of one block. */
export class LineReader {
  #text = "";
  readonly #block: Block;
  readonly #parts: Parts;
  readonly #endpoints: Endpoints;
  readonly #interfaces = new Map<string, number>();
  readonly #protocols = new Map<string, { number: number; plain: Scope; inverted: Scope }>();
  readonly #anyProtocol: Scope;

  /** Of the line read last: the number of the chain that it leads to (-1: none), and where the kernel allows it. */
  to = -1;
  hooks = ALL_HOOKS;
  tables = ALL_TABLES;

  // Of the line being read.
  #at = 0;
  #end = 0;
  #flags = 0;
  #offset = 0;
  #sequence = 0;
  /** Whether a match was read, after which no addresses of IPv6 and no protocol are. */
  #matching = false;
  #plain = true;
  #scope: Scope;

  constructor(block: Block) {
    this.#block = block;
    this.#parts = new Parts(block);
    this.#anyProtocol = this.#parts.scope("");
    this.#scope = this.#anyProtocol;
    this.#endpoints = new Endpoints(block);
  }

  /** Writes a rule. False if it is wrong, or no single rule. */
  read(line: Line, chains: Destinations): boolean {
    return this.#readPlain(line, chains) || this.#readWhole(line, chains);
  }

  /** A rule of another form than the ones that are known here. */
  #readWhole({ text, from, end, index, offset, table }: Line, chains: Destinations): boolean {
    const rule = readWhole(text.slice(from, end), this.#block.family);
    const next = rule && jumpedTo(rule);
    const chain = next === undefined ? undefined : chains.get(next);
    if (!rule || (next !== undefined && !chain)) return false;
    compileRule(this.#block, offset, index, table, rule, chain?.offset);
    this.to = chain?.number ?? -1;
    ({ hooks: this.hooks, tables: this.tables } = limitsOf(rule));
    return true;
  }

  #readPlain({ text, from, end, index, offset, table }: Line, chains: Destinations): boolean {
    const block = this.#block;
    this.#text = text;
    this.#offset = offset;
    this.#at = from;
    this.#end = end;
    this.#flags = 0;
    this.#sequence = 0;
    this.#matching = false;
    this.#plain = true;
    this.#scope = this.#anyProtocol;
    this.to = -1;
    this.hooks = ALL_HOOKS;
    this.tables = ALL_TABLES;
    block.set(this.#offset + RULE_TARGET, TARGET_CONTINUE);
    while (this.#at < this.#end) {
      if (this.#text.charCodeAt(this.#at) !== SPACE) return false;
      this.#at++;
      if (!this.#option(chains)) return false;
    }
    const matched = this.#parts.matched(this.#sequence);
    if (matched.count > 0) this.#plain = false;
    block.set(this.#offset + RULE_MATCHES, matched.offset);
    block.set(this.#offset + RULE_MATCH_COUNT, matched.count);
    block.set(this.#offset + RULE_FLAGS, this.#flags | (this.#plain ? RULE_PLAIN : 0));
    block.set(this.#offset + RULE_INDEX, index);
    block.set(this.#offset + RULE_TABLE, table);
    return true;
  }

  #option(chains: Destinations): boolean {
    const text = this.#text;
    const inverted = text.charCodeAt(this.#at) === BANG;
    if (inverted) this.#at += 2;
    const at = this.#at;
    if (text.charCodeAt(at) !== DASH || text.charCodeAt(at + 2) !== SPACE) return false;
    const value = at + 3;
    switch (text.charCodeAt(at + 1)) {
      case LETTER_S:
        return this.#address(value, RULE_SRC, RULE_SRC_MASK, inverted ? RULE_NOT_SRC : 0);
      case LETTER_D:
        return this.#address(value, RULE_DST, RULE_DST_MASK, inverted ? RULE_NOT_DST : 0);
      case LETTER_I:
        return this.#interface(value, RULE_IN, inverted ? RULE_NOT_IN : 0);
      case LETTER_O:
        return this.#interface(value, RULE_OUT, inverted ? RULE_NOT_OUT : 0);
      case LETTER_P:
        return this.#readProtocol(value, inverted);
      case LETTER_M:
        return !inverted && this.#match(at);
      case LETTER_J:
        return !inverted && this.#target(at, chains, 0);
      case LETTER_G:
        return !inverted && this.#target(at, chains, RULE_GOTO);
      default:
        return false;
    }
  }

  /** `10.1.2.0/24`. */
  #address(from: number, field: number, maskField: number, flag: number): boolean {
    const block = this.#block;
    if (block.word(this.#offset + maskField) !== 0) return false;
    if (block.family === "ipv6") return this.#address6(from, field, maskField, flag);
    const value = this.#dotted(from);
    if (value < 0) return false;
    let at = this.#after;
    let prefix = 32;
    if (at < this.#end && this.#text.charCodeAt(at) === SLASH) {
      prefix = this.#number(at + 1, 32);
      at = this.#after;
      if (prefix <= 0) return false;
    }
    const mask = MASKS[prefix] ?? 0;
    block.set(this.#offset + field, (value & mask) >>> 0);
    block.set(this.#offset + maskField, mask);
    this.#flags |= flag;
    this.#at = at;
    return true;
  }

  /** `fd00::1/128`, or a block, which has a record; those of sources come first. */
  #address6(from: number, field: number, maskField: number, flag: number): boolean {
    const block = this.#block;
    const network = parseNetwork(this.#word(from), "ipv6");
    const test = network && { ...network, inverted: flag !== 0 };
    if (!test || test.mask === 0n || this.#matching) return false;
    if (!needsRecord(test)) {
      block.set(this.#offset + field, block.address(test.value));
      block.set(this.#offset + maskField, 0xffffffff);
      this.#flags |= flag;
      return true;
    }
    if (field === RULE_SRC && this.#sequence !== 0) return false;
    this.#sequence = this.#parts.sequence(this.#sequence, this.#parts.address(field === RULE_SRC ? "-s" : "-d", test));
    return true;
  }

  /** Four numbers with dots, -1 if there are none. */
  #dotted(from: number): number {
    let at = from;
    let value = 0;
    for (let part = 0; part < 4; part++) {
      const number = this.#number(at, 255);
      if (number < 0) return -1;
      value = value * 256 + number;
      at = this.#after;
      if (part < 3 && this.#text.charCodeAt(at++) !== DOT) return -1;
    }
    return value;
  }

  #after = 0;

  /** A decimal number without leading zeros, -1 if there is none; `#after` is where it ends. */
  #number(from: number, max: number): number {
    let at = from;
    let value = 0;
    while (at < this.#end && at < from + 6) {
      const code = this.#text.charCodeAt(at);
      if (code < ZERO || code > NINE) break;
      value = value * 10 + code - ZERO;
      at++;
    }
    this.#after = at;
    if (at === from || value > max || (at > from + 1 && this.#text.charCodeAt(from) === ZERO)) return -1;
    return value;
  }

  /** The word at a place; reading goes on behind it. */
  #word(from: number): string {
    const blank = this.#text.indexOf(" ", from);
    this.#at = blank < 0 || blank > this.#end ? this.#end : blank;
    return this.#text.slice(from, this.#at);
  }

  #interface(from: number, field: number, flag: number): boolean {
    const name = this.#word(from);
    if (this.#block.word(this.#offset + field) !== 0) return false;
    let offset = this.#interfaces.get(name);
    if (offset === undefined) {
      if (name.includes('"') || parseInterface(name) === undefined || name === "+") return false;
      offset = this.#block.interface({ name, inverted: false });
      this.#interfaces.set(name, offset);
    }
    this.#block.set(this.#offset + field, offset);
    this.#flags |= flag;
    this.#plain = false;
    return true;
  }

  #readProtocol(from: number, inverted: boolean): boolean {
    const name = this.#word(from);
    const known = this.#protocols.get(name) ?? {
      number: parseProtocol(name) ?? 0,
      plain: this.#parts.scope(`-p ${name}`),
      inverted: this.#parts.scope(`! -p ${name}`),
    };
    this.#protocols.set(name, known);
    // Matches are read with the protocol before them.
    if (known.number === 0 || this.#scope !== this.#anyProtocol || this.#matching) return false;
    this.#scope = inverted ? known.inverted : known.plain;
    this.#block.set(this.#offset + RULE_PROTO, known.number);
    if (inverted) this.#flags |= RULE_NOT_PROTO;
    return true;
  }

  #match(at: number): boolean {
    if (this.#text.startsWith(COMMENT, at)) return this.#comment(at + COMMENT.length);
    const end = this.#partEnd(at + MATCH.length);
    const part = end < 0 ? null : this.#parts.match(this.#text.slice(at, end), this.#scope);
    if (!part) return false;
    this.#matching = true;
    this.#sequence = this.#parts.sequence(this.#sequence, part);
    this.hooks &= part.hooks;
    this.tables &= part.tables;
    this.#at = end;
    return true;
  }

  /** A comment says nothing to the kernel. */
  #comment(from: number): boolean {
    const text = this.#text;
    let at = from;
    if (text.charCodeAt(at) === QUOTE) {
      at = this.#closing(at + 1);
      if (at < 0) return false;
      at++;
    } else {
      while (at < this.#end && text.charCodeAt(at) !== SPACE) {
        if (text.charCodeAt(at) === QUOTE) return false;
        at++;
      }
    }
    this.#at = at;
    return at > from && at - from <= COMMENT_MAX;
  }

  /** Where a quote is closed, -1: nowhere. */
  #closing(from: number): number {
    for (let at = from; at < this.#end; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === QUOTE) return at;
      if (code === BACKSLASH) at++;
    }
    return -1;
  }

  /** Where the options of a match or target end: before ` -x `, ` ! -x `, or at the end of the line. */
  #partEnd(from: number): number {
    const text = this.#text;
    for (let at = from; at < this.#end; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        at = this.#closing(at + 1);
        if (at < 0) return -1;
      }
      if (code !== SPACE) continue;
      const next = text.charCodeAt(at + 1) === BANG ? at + 3 : at + 1;
      if (text.charCodeAt(next) === DASH && text.charCodeAt(next + 2) === SPACE) return at;
    }
    return this.#end;
  }

  #target(at: number, chains: Destinations, flag: number): boolean {
    const block = this.#block;
    if (block.word(this.#offset + RULE_TARGET) !== TARGET_CONTINUE || this.to >= 0) return false;
    // The records of matches lie before those of targets, as compileRules has them.
    this.#parts.matched(this.#sequence);
    if (flag === 0 && this.#endpoint(at)) return true;
    const chain = chains.get(this.#word(at + 3));
    if (chain) {
      this.to = chain.number;
      this.#flags |= flag;
      block.set(this.#offset + RULE_TARGET, TARGET_JUMP);
      block.set(this.#offset + RULE_TARGET_ARG, chain.offset);
      return true;
    }
    const end = flag === 0 ? this.#partEnd(at + 3) : -1;
    const part = end < 0 ? null : this.#parts.target(this.#text.slice(at, end), this.#scope);
    if (!part) return false;
    block.set(this.#offset + RULE_TARGET, part.target);
    block.set(this.#offset + RULE_TARGET_ARG, part.argument);
    this.hooks &= part.hooks;
    this.tables &= part.tables;
    this.#at = end;
    return true;
  }

  /** `-j DNAT --to-destination 10.0.0.1:80` at the end of a line: of what kube-proxy writes the only part that is never the same. */
  #endpoint(at: number): boolean {
    if (this.#block.family !== "ipv4" || !this.#text.startsWith(DNAT, at)) return false;
    const { protocol } = this.#scope;
    if (protocol !== "-p tcp" && protocol !== "-p udp") return false;
    const address = this.#dotted(at + DNAT.length);
    if (address < 0 || this.#text.charCodeAt(this.#after) !== COLON) return false;
    const port = this.#number(this.#after + 1, 65535);
    if (port < 0 || this.#after !== this.#end) return false;
    const part = this.#endpoints.target(address, port);
    this.#block.set(this.#offset + RULE_TARGET, part.target);
    this.#block.set(this.#offset + RULE_TARGET_ARG, part.argument);
    this.hooks &= part.hooks;
    this.tables &= part.tables;
    this.#at = this.#end;
    return true;
  }
}
