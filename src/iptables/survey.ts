// A first look over iptables-save text: its tables, chains and where each chain's rules stand, without reading the rules.
import { BUILT_IN_CHAINS, HOOK_NAMES, TABLE_NAMES } from "./model.ts";

/** A chain of a text. Its rules have the numbers from `first` on (RULE_INDEX); the last of them is its policy. */
export interface SurveyedChain {
  name: string;
  /** TABLE_*. */
  table: number;
  /** HOOK_*, -1: a user chain. */
  hook: number;
  policy: "ACCEPT" | "DROP" | undefined;
  /** Its place among the chains of the text as they were met. */
  place: number;
  first: number;
  /** Without the policy. */
  rules: number;
}

export interface SurveyedTable {
  /** TABLE_*. */
  number: number;
  chains: Map<string, SurveyedChain>;
}

/** What a text holds. Offsets are of its characters. */
export interface Survey {
  /** In the order in which hooks call them. */
  tables: SurveyedTable[];
  /** In the order of their rules. */
  chains: SurveyedChain[];
  /** Rules and policies. */
  count: number;
  /** By RULE_INDEX: where what follows `-A CHAIN` begins and ends; 0 for policies. */
  starts: Uint32Array;
  ends: Uint32Array;
  /** Chains that the text deletes again, and built-in chains that it flushes. */
  deleted: ReadonlySet<SurveyedChain>;
  flushed: ReadonlySet<SurveyedChain>;
}

const SPACE = 0x20;

/** Undefined for anything but the plain form that iptables-save prints, which the full reader must then judge. */
export function survey(text: string): Survey | undefined {
  return new Surveyor(text, false).look();
}

/**
 * As survey, for what `iptables-restore --noflush` reads: only user chains that have a line of their own and built-in chains that are
 * flushed first, and no policies.
 */
export function surveyChange(text: string): Survey | undefined {
  return new Surveyor(text, true).look();
}

class Surveyor {
  readonly #text: string;
  readonly #tables: SurveyedTable[] = [];
  #open: SurveyedTable | undefined;
  readonly #chains: SurveyedChain[] = [];
  /** Three numbers for each line with a rule: its chain's place in #chains, where it goes on behind the chain's name, and its end. */
  #lines = new Uint32Array(3 * 1024);
  #used = 0;
  #last: SurveyedChain | undefined;

  readonly #isChange: boolean;
  readonly #deleted = new Set<SurveyedChain>();
  readonly #flushed = new Set<SurveyedChain>();

  constructor(text: string, isChange: boolean) {
    this.#text = text;
    this.#isChange = isChange;
  }

  look(): Survey | undefined {
    const text = this.#text;
    for (let at = 0; at < text.length;) {
      const newline = text.indexOf("\n", at);
      const end = newline < 0 ? text.length : newline;
      if (!this.#line(at, trimmed(text, at, end))) return undefined;
      at = end + 1;
    }
    return this.#open === undefined ? this.#number() : undefined;
  }

  /** Whether a line was understood. */
  #line(from: number, end: number): boolean {
    let at = from;
    while (at < end && this.#text.charCodeAt(at) <= SPACE) at++;
    if (at === end) return true;
    switch (this.#text[at]) {
      case "-":
        if (this.#text[at + 1] === "X") return this.#delete(at, end);
        return this.#text[at + 1] === "F" ? this.#flush(at, end) : this.#rule(at, end);
      case "[": {
        const close = this.#text.indexOf("] ", at);
        return close > 0 && close < end && isCounters(this.#text, at, close + 1) && this.#rule(close + 2, end);
      }
      case ":":
        return this.#chain(at + 1, end);
      case "#":
        return true;
      case "*":
        return this.#table(this.#text.slice(at + 1, end));
      default: {
        const closes = this.#open !== undefined && this.#text.slice(at, end) === "COMMIT";
        if (closes) this.#open = undefined;
        return closes;
      }
    }
  }

  #table(name: string): boolean {
    const number = TABLE_NAMES.findIndex((known) => known === name);
    if (this.#open || number < 0 || this.#tables.some((table) => table.number === number)) return false;
    this.#open = { number, chains: new Map() };
    for (const chain of BUILT_IN_CHAINS[TABLE_NAMES[number] ?? "filter"])
      this.#open.chains.set(chain, this.#newChain(chain, number, HOOK_NAMES.indexOf(chain)));
    this.#tables.push(this.#open);
    return true;
  }

  #newChain(name: string, table: number, hook: number): SurveyedChain {
    const place = this.#chains.length;
    const chain = { name, table, hook, policy: hook < 0 ? undefined : ("ACCEPT" as const), place, first: 0, rules: 0 };
    this.#chains.push(chain);
    return chain;
  }

  /** `INPUT DROP [0:0]` or `KUBE-SERVICES - [0:0]`. */
  #chain(at: number, end: number): boolean {
    const table = this.#open;
    const blank = this.#text.indexOf(" ", at);
    if (!table || blank < 0 || blank >= end) return false;
    const name = this.#text.slice(at, blank);
    const next = this.#text.indexOf(" ", blank + 1);
    const policyEnd = next < 0 || next > end ? end : next;
    if (policyEnd < end && !isCounters(this.#text, policyEnd + 1, end)) return false;
    const existing = table.chains.get(name);
    if (existing)
      return existing.hook >= 0 && !this.#isChange && this.#policy(existing, this.#text.slice(blank + 1, policyEnd));
    if (policyEnd !== blank + 2 || this.#text[blank + 1] !== "-") return false;
    if (blank - at > 28 || blank === at || /^[-!"]|\s/.test(name)) return false;
    table.chains.set(name, this.#newChain(name, table.number, -1));
    return true;
  }

  /** `-X CHAIN`. */
  #delete(at: number, end: number): boolean {
    const text = this.#text;
    const chain = text.startsWith("-X ", at) ? this.#open?.chains.get(text.slice(at + 3, end)) : undefined;
    if (!this.#isChange || !chain || chain.hook >= 0 || chain.rules > 0) return false;
    this.#deleted.add(chain);
    return true;
  }

  /** `-F CHAIN`, for built-in chains. */
  #flush(at: number, end: number): boolean {
    const text = this.#text;
    const chain = text.startsWith("-F ", at) ? this.#open?.chains.get(text.slice(at + 3, end)) : undefined;
    if (!this.#isChange || !chain || chain.hook < 0 || chain.rules > 0) return false;
    this.#flushed.add(chain);
    return true;
  }

  #policy(chain: SurveyedChain, policy: string): boolean {
    if (policy === "ACCEPT" || policy === "DROP") chain.policy = policy;
    return policy === "ACCEPT" || policy === "DROP" || policy === "-";
  }

  /** `-A CHAIN ...`. */
  #rule(at: number, end: number): boolean {
    const text = this.#text;
    if (!this.#open || !text.startsWith("-A ", at)) return false;
    const begin = at + 3;
    const last = this.#last;
    let chain: SurveyedChain | undefined;
    let start = begin;
    // Rules of one chain mostly stand together.
    if (last?.table === this.#open.number && text.startsWith(last.name, begin)) {
      start = begin + last.name.length;
      if (start === end || text.charCodeAt(start) === SPACE) chain = last;
    }
    if (!chain) {
      const blank = text.indexOf(" ", begin);
      start = blank < 0 || blank > end ? end : blank;
      chain = this.#open.chains.get(text.slice(begin, start));
    }
    if (!chain || (this.#isChange && chain.hook >= 0 && !this.#flushed.has(chain)) || this.#deleted.has(chain))
      return false;
    chain.rules++;
    this.#last = chain;
    if (this.#used === this.#lines.length) {
      const longer = new Uint32Array(this.#used * 2);
      longer.set(this.#lines);
      this.#lines = longer;
    }
    this.#lines[this.#used++] = chain.place;
    this.#lines[this.#used++] = start;
    this.#lines[this.#used++] = end;
    return true;
  }

  /** Gives rules their numbers. */
  #number(): Survey {
    const tables = this.#tables.sort((a, b) => a.number - b.number);
    const chains = tables.flatMap((table) => [...table.chains.values()]);
    let count = 0;
    for (const chain of chains) {
      chain.first = count;
      count += chain.rules + 1;
      chain.rules = 0;
    }
    const starts = new Uint32Array(count);
    const ends = new Uint32Array(count);
    for (let at = 0; at < this.#used; at += 3) {
      const chain = this.#chains[this.#lines[at] ?? 0];
      if (!chain) continue;
      const index = chain.first + chain.rules++;
      starts[index] = this.#lines[at + 1] ?? 0;
      ends[index] = this.#lines[at + 2] ?? 0;
    }
    return { tables, chains, count, starts, ends, deleted: this.#deleted, flushed: this.#flushed };
  }
}

/** Where a line ends without the blanks at its end. */
function trimmed(text: string, from: number, end: number): number {
  let at = end;
  while (at > from && text.charCodeAt(at - 1) <= SPACE) at--;
  return at;
}

/** `[0:0]`. */
function isCounters(text: string, from: number, end: number): boolean {
  return (end - from === 5 && text.startsWith("[0:0]", from)) || /^\[\d+:\d+\]$/.test(text.slice(from, end));
}
