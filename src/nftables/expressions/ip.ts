// `ip saddr`, `ip daddr`, of IPv6 `ip6`: a packet's address against an address, a block or a set; or with protocol and port in a map.
import { parseNetwork } from "../../iptables/addresses.ts";
import { needsRecord, prefixRecord } from "../../iptables/prefix.ts";
import { ruleFamily, type NftFamily } from "../model.ts";
import type { Expression } from "./expression.ts";
import { addressText, addressType, readBraces, readNamedSet, readVmap } from "./key.ts";

function addresses(word: NftFamily): Expression {
  return {
    word,
    read(words, rule, around) {
      if (around.family !== word) words.fail(`${word} in a table of ${around.family}`);
      const field = words.next();
      if (field !== "saddr" && field !== "daddr") words.fail(`${word} ${field}`);
      const side = field === "saddr" ? "source" : "destination";
      if (words.peek === ".") {
        if (side === "source") words.fail(`a key that begins with ${word} saddr`);
        words.need(".", "meta", "l4proto", ".", "th", "dport");
        const type = [addressType(word), "inet_proto", "inet_service"];
        readVmap(words, rule, around, type, `${word} daddr . meta l4proto . th dport`);
        return;
      }
      const inverted = words.take("!=");
      if (words.peek.startsWith("@")) return readNamedSet(words, rule, around, side, inverted);
      if (words.peek === "{") return readBraces(words, rule, around, side, inverted);
      const text = words.next();
      const network = parseNetwork(text, ruleFamily(around)) ?? words.fail(`"${text}"`);
      const test = { ...network, inverted };
      const condition = addressText(word, side, inverted, text);
      if (needsRecord(test)) {
        rule.conditions.push({ record: prefixRecord(test, side, around), text: condition });
        return;
      }
      if (rule[side]) words.fail(`a second ${condition}`);
      rule[side] = test;
    },
  };
}

export const ip = addresses("ip");
export const ip6 = addresses("ip6");
