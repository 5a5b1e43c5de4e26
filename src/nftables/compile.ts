// iptables-save text and a table of nftables to one block: the rules of iptables first, then the table's chains in their order.
import {
  BLOCK_ENTRIES,
  BLOCK_UNDERFLOWS,
  HOOK_COUNT,
  MAP_HAS_DESTINATION,
  MAP_HAS_PORT,
  MAP_HAS_SOURCE,
  RULE_GOTO,
  TABLE_NFT_FILTER,
  TABLE_NFT_NAT,
  TABLE_NFT_PRE_NAT,
  TARGET_ACCEPT,
  TARGET_CONTINUE,
  TARGET_DROP,
  TARGET_JUMP,
  TARGET_RETURN,
} from "../../assembly/layout/rules.ts";
import { InputError } from "../errors.ts";
import { parseAddress, type Family } from "../iptables/addresses.ts";
import { Block } from "../iptables/block.ts";
import type { CompiledText, NftWords } from "../iptables/compile.ts";
import type { IpSet } from "../iptables/ipset.ts";
import { HOOK_NAMES } from "../iptables/model.ts";
import type { NameTable } from "../iptables/names.ts";
import { parseRules } from "../iptables/parse.ts";
import { parseProtocol } from "../iptables/protocols.ts";
import {
  chainsByName,
  compilePolicy,
  compileTables,
  referenced,
  referencesIn,
  writeRule,
  type RuleReference,
} from "../iptables/records.ts";
import { addressType } from "./expressions/key.ts";
import { readRule } from "./expressions/table.ts";
import {
  ruleFamily,
  tableName,
  type BaseChain,
  type NftChain,
  type NftElement,
  type NftSet,
  type NftTable,
} from "./model.ts";
import { parseTable } from "./parse.ts";
import type { NamedSet, RuleDraft, Surroundings, Verdict } from "./rule.ts";
import { Words } from "./words.ts";

/** Compiles iptables-save text together with `nft list table` text. Throws an InputError with file and line. */
export function compileWithTable(
  text: string,
  nft: string,
  names: NameTable,
  file: string,
  family: Family = "ipv4",
): CompiledText {
  const model = parseRules(text, file, family);
  const table = parseTable(nft, `${file}, nft`);
  if (ruleFamily(table) !== family) throw new InputError({ file }, `table ${tableName(table)} is not one of ${family}`);
  const own = referencesIn(model);
  const count = own.length + table.chains.reduce((sum, { rules }) => sum + rules.length + 1, 0);
  const block = new Block(count, names, family);
  compileTables(block, model);
  const compiler = new TableCompiler(table, block, own.length, `${file}, nft`);
  compiler.compile();
  const words = block.finish();
  const chains = chainsByName(model);
  const reference = (index: number): RuleReference | undefined => own[index] ?? compiler.reference(index);
  return {
    words,
    count,
    sets: block.sets,
    reference,
    end(index) {
      const place = compiler.chainAt(index);
      if (place) return { policy: place.chain.base?.policy ?? "RETURN", rules: place.chain.rules.length };
      const found = reference(index);
      const chain = found && referenced(chains, found).chain;
      return { policy: chain?.policy ?? "RETURN", rules: chain?.rules.length ?? 0 };
    },
    rule(index) {
      const found = own[index];
      return found && referenced(chains, found).rule;
    },
    nft: { ...compiler.words(), text: nft },
    model: () => parseRules(text, file, family),
  };
}

/** Where the base chains of a priority stand; undefined if nothing is there in this kernel. */
function placeOf({ type, hook, priority }: BaseChain): number | undefined {
  if (type === "nat") {
    const usual = hook === "PREROUTING" || hook === "OUTPUT" ? -100 : 100;
    return hook !== "FORWARD" && priority === usual ? TABLE_NFT_NAT : undefined;
  }
  const early = hook === "PREROUTING" || hook === "OUTPUT";
  if (early && priority > -150 && priority < -100) return TABLE_NFT_PRE_NAT;
  const late = hook === "INPUT" || hook === "FORWARD" || hook === "OUTPUT";
  return late && priority === 0 ? TABLE_NFT_FILTER : undefined;
}

class TableCompiler {
  readonly #table: NftTable;
  readonly #block: Block;
  readonly #file: string;
  /** By name: where a chain begins. */
  readonly #chains = new Map<string, { chain: NftChain; first: number }>();
  /** The same in the order of the numbers. */
  readonly #inOrder: { chain: NftChain; first: number }[] = [];
  readonly #sets: ReadonlyMap<string, NamedSet>;
  readonly #around: Surroundings;

  /** `first`: the number of the table's first rule. */
  constructor(table: NftTable, block: Block, first: number, file: string) {
    this.#table = table;
    this.#block = block;
    this.#file = file;
    let next = first;
    for (const chain of table.chains) {
      const place = { chain, first: next };
      this.#chains.set(chain.name, place);
      this.#inOrder.push(place);
      next += chain.rules.length + 1;
    }
    this.#sets = new Map(table.sets.map((set) => [set.name, this.#named(set)]));
    this.#around = {
      family: table.family,
      address: (address) => block.address(address),
      verdict: (text) => this.#verdict(text),
      set: (name) => this.#sets.get(name),
      map: (words) => block.map(words),
      data: (words) => block.data(words),
    };
  }

  compile(): void {
    for (const { chain, first } of this.#inOrder) {
      const policy = this.#block.ruleOffset(first + chain.rules.length);
      const place = chain.base ? this.#hook(chain.name, chain.base, first, policy) : TABLE_NFT_FILTER;
      chain.rules.forEach(({ text, line }, i) => {
        const draft = readRule(new Words(text, { file: this.#file, line }), this.#around);
        this.#write(first + i, place, draft, line);
      });
      compilePolicy(this.#block, policy, first + chain.rules.length, place, chain.base?.policy);
    }
  }

  /** Notes where a hook begins; gives its place among the tables. */
  #hook(name: string, base: BaseChain, first: number, policy: number): number {
    const place = placeOf(base);
    if (place === undefined)
      throw new InputError(
        { file: this.#file },
        `the chain ${name} of type ${base.type} at priority ${base.priority} of ${base.hook.toLowerCase()} is not emulated yet`,
      );
    const slot = (place * HOOK_COUNT + HOOK_NAMES.indexOf(base.hook)) * 4;
    if (this.#block.word(BLOCK_ENTRIES + slot) !== 0)
      throw new InputError({ file: this.#file }, `${name} is the second chain at its place; one is emulated`);
    this.#block.set(BLOCK_ENTRIES + slot, this.#block.ruleOffset(first));
    this.#block.set(BLOCK_UNDERFLOWS + slot, policy);
    this.#block.setTable(place);
    return place;
  }

  #write(index: number, table: number, draft: RuleDraft, line: number): void {
    const { protocol, action, source, destination, conditions } = draft;
    const head = {
      ...(source && { source }),
      ...(destination && { destination }),
      ...(draft.in && { in: draft.in }),
      ...(draft.out && { out: draft.out }),
      ...(protocol !== undefined && { protocol: { number: protocol, inverted: false } }),
    };
    const records = conditions.map(({ record }) => record);
    const at = this.#block.ruleOffset(index);
    writeRule(this.#block, at, index, table, head, records, () => this.#compileAction(action, line));
  }

  #compileAction(action: RuleDraft["action"], line: number): { target: number; argument: number; goes: boolean } {
    if (!action) return { target: TARGET_CONTINUE, argument: 0, goes: false };
    if ("chain" in action) {
      const to = this.#chains.get(action.chain);
      if (!to) throw new InputError({ file: this.#file, line }, `there is no chain ${action.chain}`);
      return { target: TARGET_JUMP, argument: this.#block.ruleOffset(to.first), goes: action.goto };
    }
    const { target, args } = action;
    return { target, argument: args ? this.#block.target(args) : 0, goes: false };
  }

  #verdict(text: string): Verdict | undefined {
    const [word = "", name] = text.split(" ");
    const plain: Readonly<Record<string, number>> = {
      accept: TARGET_ACCEPT,
      drop: TARGET_DROP,
      return: TARGET_RETURN,
    };
    const code = plain[word];
    if (code !== undefined) return { code, chain: 0 };
    const to = word === "jump" || word === "goto" ? this.#chains.get(name ?? "") : undefined;
    if (!to) return undefined;
    return { code: TARGET_JUMP | (word === "goto" ? RULE_GOTO : 0), chain: this.#block.ruleOffset(to.first) };
  }

  #named(set: NftSet): NamedSet {
    const isOf = (...type: string[]): boolean => type.join() === set.type.join();
    const { isMap } = set;
    if (set.dynamic) {
      const number = this.#block.name("set", kernelName(this.#table, set));
      return { isMap, isOf, number, at: () => 0 };
    }
    const known = new Map<string, number>();
    return {
      isMap,
      isOf,
      at: (side) => {
        const offset = known.get(side) ?? this.#block.map(this.#setWords(set, side));
        known.set(side, offset);
        return offset;
      },
    };
  }

  #setWords(set: NftSet, side: "source" | "destination"): number[] {
    const hasAddress = set.type[0] === addressType(this.#table.family);
    const sideBit = side === "source" ? MAP_HAS_SOURCE : MAP_HAS_DESTINATION;
    const parts = (hasAddress ? sideBit : 0) | (set.type.length > 1 ? MAP_HAS_PORT : 0);
    const words = [parts, set.elements.length, 0];
    for (const element of set.elements) {
      const verdict = element.verdict === undefined ? { code: 0, chain: 0 } : this.#verdict(element.verdict);
      const key = this.#key(element, hasAddress);
      if (!key || !verdict)
        throw new InputError(
          { file: this.#file, line: set.line },
          `in ${set.name}, "${element.key.join(" . ")}${verdict ? "" : ` : ${element.verdict}`}" is not emulated yet`,
        );
      words.push(...key, verdict.code, verdict.chain);
    }
    return words;
  }

  /** The two words of a key: address, and protocol << 16 | port. */
  #key({ key }: NftElement, hasAddress: boolean): [address: number, port: number] | undefined {
    const address = hasAddress ? parseAddress(key[0] ?? "", ruleFamily(this.#table)) : 0;
    const [protocolText, portText] = hasAddress ? key.slice(1) : key;
    const protocol = protocolText === undefined ? 0 : parseProtocol(protocolText);
    const port = Number(portText ?? 0);
    return address === undefined || protocol === undefined || !(port <= 65535)
      ? undefined
      : [this.#block.address(address), ((protocol << 16) | port) >>> 0];
  }

  /** The chain that a rule or policy of the table is in; undefined for others. */
  chainAt(index: number): { chain: NftChain; first: number } | undefined {
    let low = 0;
    let high = this.#inOrder.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#inOrder[middle]?.first ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    const place = this.#inOrder[low - 1];
    return place && index - place.first <= place.chain.rules.length ? place : undefined;
  }

  reference(index: number): RuleReference | undefined {
    const place = this.chainAt(index);
    if (!place) return undefined;
    const { chain, first } = place;
    const position = index - first;
    return {
      table: tableName(this.#table),
      chain: chain.name,
      index: position === chain.rules.length ? "policy" : position,
    };
  }

  words(): Omit<NftWords, "text"> {
    const table = tableName(this.#table);
    const inOrder = this.#inOrder;
    const ruleAt = (index: number) => {
      const place = this.chainAt(index);
      return place?.chain.rules[index - place.first];
    };
    const read = (text: string): RuleDraft => readRule(new Words(text, { file: this.#file }), describing(this.#around));
    return {
      rule: (index) => {
        const rule = ruleAt(index);
        if (!rule) return undefined;
        const comment = / comment "([^"]*)"$/.exec(rule.text)?.[1];
        return { text: rule.text, ...(comment !== undefined && { comment }) };
      },
      condition: (index, match) => read(ruleAt(index)?.text ?? "").conditions[match]?.text ?? "",
      *rules() {
        for (const { chain, first } of inOrder)
          for (const [i, { text }] of chain.rules.entries()) yield { index: first + i, table, chain: chain.name, text };
      },
      sets: this.#table.sets.filter(({ dynamic }) => dynamic).map((set) => ipsetOf(this.#table, set)),
    };
  }
}

/** For reading a rule without adding to the block. */
function describing(around: Surroundings): Surroundings {
  return { ...around, address: () => 0, map: () => 0, data: () => 0 };
}

/** A set that rules add to has this name among the ipsets of its namespace. */
function kernelName(table: NftTable, { name }: NftSet): string {
  return `${tableName(table)} ${name}`;
}

function ipsetOf(table: NftTable, set: NftSet): IpSet {
  return {
    name: kernelName(table, set),
    parts: ["address"],
    family: ruleFamily(table),
    networks: [],
    timeout: set.timeout,
    counters: false,
    skbinfo: false,
    most: set.size,
    elements: [],
  };
}
