// `meta l4proto`, `meta mark`: the packet's protocol, alone or with its port in a map; its mark, asked and set.
import { MATCH_KIND_MARK, TARGET_MARK } from "../../../assembly/layout/rules.ts";
import { parseProtocol } from "../../iptables/protocols.ts";
import type { RuleDraft, Surroundings } from "../rule.ts";
import type { Words } from "../words.ts";
import type { Expression } from "./expression.ts";
import { readVmap } from "./key.ts";

export const meta: Expression = {
  word: "meta",
  read(words, rule, around) {
    if (words.take("l4proto")) return readProtocol(words, rule, around);
    if (words.take("mark", "set")) return readSetMark(words, rule);
    if (words.take("mark")) return readMark(words, rule);
    words.fail(`meta ${words.peek}`);
  },
};

function readProtocol(words: Words, rule: RuleDraft, around: Surroundings): void {
  if (words.peek === ".") {
    words.need(".", "th", "dport");
    return readVmap(words, rule, around, ["inet_proto", "inet_service"], "meta l4proto . th dport");
  }
  const name = words.next();
  rule.protocol = parseProtocol(name) ?? words.fail(`the protocol ${name}`);
}

/** `& A == B`, or of the highest bits `B/LENGTH`. */
function readMark(words: Words, rule: RuleDraft): void {
  let value: number;
  let mask: number;
  if (words.take("&")) {
    mask = readNumber(words);
    words.need("==");
    value = readNumber(words);
  } else {
    const text = words.next();
    const [number = "", length] = text.split("/");
    value = Number(number);
    mask = length === undefined ? 0xffffffff : -(2 ** (32 - Number(length))) >>> 0;
    if (Number.isNaN(value) || Number.isNaN(mask)) words.fail(`the mark ${text}`);
  }
  const text = `meta mark & 0x${mask.toString(16)} == 0x${value.toString(16)}`;
  rule.conditions.push({ record: { kind: MATCH_KIND_MARK, flags: 0, args: [value, mask] }, text });
}

/** `meta mark | A`, `meta mark ^ A`, `A`: mark = (mark & ~mask) ^ value. */
function readSetMark(words: Words, rule: RuleDraft): void {
  if (!words.take("meta", "mark")) {
    rule.action = { target: TARGET_MARK, args: [readNumber(words), 0xffffffff] };
  } else if (words.take("|")) {
    const bits = readNumber(words);
    rule.action = { target: TARGET_MARK, args: [bits, bits] };
  } else if (words.take("^")) {
    rule.action = { target: TARGET_MARK, args: [readNumber(words), 0] };
  } else {
    words.fail(`"${words.peek}"`);
  }
}

function readNumber(words: Words): number {
  const text = words.next();
  return /^(0x[0-9a-f]+|\d+)$/.test(text) ? Number(text) : words.fail(`the number ${text}`);
}
