// The words of one rule, in any order that iptables takes, to the rule: addresses, matches, target.
import { InputError, type Place } from "../errors.ts";
import { NETWORK_WORDS, parseNetwork, type Family } from "./addresses.ts";
import type { MatchExtension, TargetExtension } from "./extension.ts";
import { INTERFACE_NAME, parseInterface, passesEvery } from "./interface.ts";
import { findMatch, findProtocolMatch, type Match } from "./matches/table.ts";
import type { AddressTest, Counters, InterfaceTest, Rule } from "./model.ts";
import { Options, type OptionSpec } from "./options.ts";
import { formatProtocol, parseProtocol } from "./protocols.ts";
import type { ChainTarget } from "./targets/chain.ts";
import { findTarget, isUnsupportedTarget, type ExtensionTarget } from "./targets/table.ts";
import { splitWords } from "./words.ts";

interface Loaded<E> {
  extension: E;
  options: Options;
}

/** An option of the rule itself, `-s` or `--source`. */
interface GeneralOption extends OptionSpec {
  letter: string;
}

const GENERAL: readonly GeneralOption[] = [
  { letter: "s", name: "source", aliases: ["src"], invertible: true },
  { letter: "d", name: "destination", aliases: ["dst"], invertible: true },
  { letter: "i", name: "in-interface", invertible: true },
  { letter: "o", name: "out-interface", invertible: true },
  { letter: "p", name: "protocol", aliases: ["proto"], invertible: true },
  { letter: "f", name: "fragments", words: 0, invertible: true },
  { letter: "m", name: "match" },
  { letter: "j", name: "jump" },
  { letter: "g", name: "goto" },
  { letter: "c", name: "set-counters", words: 2 },
];

/**
 * Reads the words after `-A CHAIN`. A list of addresses makes a rule for each, sources outermost, as in iptables.
 * Throws an InputError whose field is the option at fault.
 */
export function parseRule(words: readonly string[], place: Place, family: Family): Rule[] {
  return new RuleReader(words, place, family).read();
}

/** The rule behind `-A CHAIN`; undefined if it is wrong, or more than one. */
export function readWhole(text: string, family: Family): Rule | undefined {
  try {
    const words = splitWords(text);
    if (!words) return undefined;
    const rules = parseRule(words, {}, family);
    return rules.length === 1 ? rules[0] : undefined;
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

class RuleReader {
  readonly #words: readonly string[];
  readonly #place: Place;
  readonly #family: Family;
  #position = 0;
  readonly #general: Options;
  readonly #matches: Loaded<MatchExtension<Match>>[] = [];
  #target: Loaded<TargetExtension<ExtensionTarget>> | undefined;
  #chain: ChainTarget | undefined;
  /** Matches and target, the last loaded first: the order in which they are asked about an option. */
  readonly #loaded: Loaded<{ options: readonly OptionSpec[] }>[] = [];

  constructor(words: readonly string[], place: Place, family: Family) {
    this.#words = words;
    this.#place = place;
    this.#family = family;
    this.#general = new Options("rule", place, spellGeneral);
  }

  read(): Rule[] {
    while (this.#position < this.#words.length) this.#readOption();
    return this.#finish();
  }

  #readOption(): void {
    const inverted = this.#words[this.#position] === "!";
    if (inverted) this.#position++;
    const word = this.#words[this.#position++];
    if (word === undefined) throw this.#error("!", "an option must follow the !");
    if (!/^(-[a-z]|--[^-].*)$/i.test(word)) throw this.#error(word, `"${word}" stands where an option should`);
    const equals = word.startsWith("--") ? word.indexOf("=") : -1;
    const name = equals < 0 ? word : word.slice(0, equals);
    const found = this.#find(name);
    if (inverted && !found.spec.invertible) throw this.#error(name, `${name} cannot be inverted by !`);
    const values = equals < 0 ? [] : [word.slice(equals + 1)];
    const count = found.spec.words ?? 1;
    while (values.length < count) {
      const value = this.#words[this.#position++];
      if (value === undefined)
        throw this.#error(name, `${name} needs ${count === 1 ? "a value" : `${count} values`} after it`);
      if (value === "!" && found.spec.invertible)
        throw this.#error(name, `the ! stands before the option, as in "! ${name} VALUE"`);
      values.push(value);
    }
    if (values.length > count) throw this.#error(name, `${name} takes no value`);
    if (found.options === this.#general && found.spec.name === "match") this.#loadMatch(values[0] ?? "");
    else found.options.add(found.spec.name, { inverted, words: values });
    if (found.options === this.#general && (found.spec.name === "jump" || found.spec.name === "goto"))
      this.#loadTarget(found.spec.name, values[0] ?? "");
  }

  /** Finds who knows an option: by its full name, else by a beginning that only one name has, else the match of the protocol. */
  #find(word: string): { options: Options; spec: OptionSpec } {
    const known = this.#findLoaded(word);
    if (known) return known;
    const protocol = this.#general.has("protocol") ? parseProtocol(this.#general.word("protocol") ?? "") : undefined;
    const implied = protocol === undefined ? undefined : findProtocolMatch(protocol, this.#family);
    if (implied?.options.some((spec) => isNamed(spec, word.slice(2)))) {
      this.#loadMatch(implied.name);
      const found = this.#findLoaded(word);
      if (found) return found;
    }
    throw this.#error(word, `${word} is not an option of iptables, nor of the matches and the target before it`);
  }

  #findLoaded(word: string): { options: Options; spec: OptionSpec } | undefined {
    if (!word.startsWith("--")) {
      const spec = GENERAL.find(({ letter }) => word === `-${letter}`);
      return spec && { options: this.#general, spec };
    }
    const name = word.slice(2);
    for (const { extension, options } of this.#loaded) {
      const spec = extension.options.find((candidate) => isNamed(candidate, name));
      if (spec) return { options, spec };
    }
    const spec = GENERAL.find((candidate) => isNamed(candidate, name));
    return spec ? { options: this.#general, spec } : this.#findBegun(name);
  }

  #findBegun(name: string): { options: Options; spec: OptionSpec } | undefined {
    const sources = [...this.#loaded, { extension: { options: GENERAL }, options: this.#general }];
    const begun = sources.flatMap(({ extension, options }) =>
      extension.options
        .filter((spec) => [spec.name, ...(spec.aliases ?? [])].some((full) => full.startsWith(name)))
        .map((spec) => ({ options, spec })),
    );
    return begun.length === 1 ? begun[0] : undefined;
  }

  #loadMatch(name: string): void {
    const extension = findMatch(name, this.#family);
    if (!extension) throw this.#error("-m", `match "${name}" is not supported${this.#inFamily(findMatch(name))}`);
    const loaded = { extension, options: new Options(`-m ${name}`, this.#place) };
    this.#matches.push(loaded);
    this.#loaded.unshift(loaded);
  }

  #loadTarget(option: "jump" | "goto", name: string): void {
    const letter = option === "jump" ? "-j" : "-g";
    if (this.#target || this.#chain) throw this.#error(letter, "a rule has one target at most: one -j or one -g");
    const extension = findTarget(name, this.#family);
    if (option === "goto" && extension) throw this.#error("-g", `-g needs a chain, and "${name}" is a target; use -j`);
    if (isUnsupportedTarget(name, this.#family))
      throw this.#error(letter, `target "${name}" is not supported${this.#inFamily(findTarget(name))}`);
    if (extension) {
      this.#target = { extension, options: new Options(`-j ${name}`, this.#place) };
      this.#loaded.unshift(this.#target);
    } else {
      this.#chain = { kind: option, chain: name };
    }
  }

  #finish(): Rule[] {
    const general = this.#general;
    const family = this.#family;
    const rule: Rule = { matches: [], counters: this.#counters() };
    const sources = this.#addresses("source");
    const destinations = this.#addresses("destination");
    const input = this.#interface("in-interface");
    const output = this.#interface("out-interface");
    const protocol = general.read("protocol", "a protocol name or a number from 0 to 255", parseProtocol);
    if (input) rule.in = input;
    if (output) rule.out = output;
    if (protocol === 0 && general.inverted("protocol")) general.fail("protocol", "! -p all would match no packet");
    if (protocol) rule.protocol = { number: protocol, inverted: general.inverted("protocol") };
    if (general.has("fragments")) {
      if (family === "ipv6")
        general.fail("fragments", "-f is an option of iptables; IPv6 packets are not fragmented on their way");
      rule.fragment = { inverted: general.inverted("fragments") };
    }
    for (const { extension, options } of this.#matches) {
      const needed = extension.protocol;
      if (needed !== undefined && (rule.protocol?.number !== needed || rule.protocol.inverted))
        throw this.#error("-m", `match "${extension.name}" needs -p ${formatProtocol(needed)}`);
      rule.matches.push(extension.parse(options, { ...rule, family }));
    }
    if (this.#chain) rule.target = this.#chain;
    else if (this.#target) rule.target = this.#target.extension.parse(this.#target.options, { ...rule, family });
    const [source] = sources;
    const [destination] = destinations;
    // One rule of its own is what nearly all are.
    if (sources.length === 1 && destinations.length === 1) {
      if (source) rule.source = source;
      if (destination) rule.destination = destination;
      return [rule];
    }
    return sources.flatMap((source) =>
      destinations.map((destination) => ({
        ...(source && { source }),
        ...(destination && { destination }),
        ...rule,
        counters: { ...rule.counters },
      })),
    );
  }

  /** One test per address of the list; [undefined] if there is none to make. */
  #addresses(name: "source" | "destination"): (AddressTest | undefined)[] {
    const general = this.#general;
    const inverted = general.inverted(name);
    const networks = general.read(name, NETWORK_WORDS[this.#family], (word) => {
      const list = word.split(",").map((part) => parseNetwork(part, this.#family));
      return list.every((network) => network !== undefined) ? list : undefined;
    });
    if (inverted && networks && networks.length > 1) general.fail(name, "a list of addresses cannot be inverted by !");
    return (networks ?? [undefined]).map((network) =>
      network && (Number(network.mask) !== 0 || inverted) ? { ...network, inverted } : undefined,
    );
  }

  #interface(name: string): InterfaceTest | undefined {
    const device = this.#general.read(name, INTERFACE_NAME, parseInterface);
    const test = device === undefined ? undefined : { name: device, inverted: this.#general.inverted(name) };
    return passesEvery(test) ? undefined : test;
  }

  #counters(): Counters {
    const [packets = "0", bytes = "0"] = this.#general.words("set-counters") ?? [];
    if (!/^\d+$/.test(packets) || !/^\d+$/.test(bytes))
      this.#general.fail("set-counters", "--set-counters needs two numbers: packets and bytes");
    return { packets: Number(packets), bytes: Number(bytes) };
  }

  /** How an extension of the other family is told from one that is not emulated. */
  #inFamily(other: object | undefined): string {
    return other ? ` in ${this.#family === "ipv4" ? "iptables" : "ip6tables"}` : "";
  }

  #error(field: string, sentence: string): InputError {
    return new InputError({ ...this.#place, field }, sentence);
  }
}

function spellGeneral(name: string): string {
  return `-${GENERAL.find((option) => option.name === name)?.letter ?? name}`;
}

function isNamed(spec: OptionSpec, name: string): boolean {
  return spec.name === name || (spec.aliases?.includes(name) ?? false);
}
