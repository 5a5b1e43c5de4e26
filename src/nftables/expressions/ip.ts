// `ip saddr`, `ip daddr`: a packet's address against an address, a block or a set; or with protocol and port in a map.
import { parseCidr, prefixMask } from "../../address.ts";
import type { Expression } from "./expression.ts";
import { addressText, readBraces, readNamedSet, readVmap } from "./key.ts";

export const ip: Expression = {
  word: "ip",
  read(words, rule, around) {
    const field = words.next();
    if (field !== "saddr" && field !== "daddr") words.fail(`ip ${field}`);
    const side = field === "saddr" ? "source" : "destination";
    if (words.peek === ".") {
      if (side === "source") words.fail("a key that begins with ip saddr");
      words.need(".", "meta", "l4proto", ".", "th", "dport");
      const type = ["ipv4_addr", "inet_proto", "inet_service"];
      readVmap(words, rule, around, type, "ip daddr . meta l4proto . th dport");
      return;
    }
    const inverted = words.take("!=");
    if (words.peek.startsWith("@")) return readNamedSet(words, rule, around, side, inverted);
    if (words.peek === "{") return readBraces(words, rule, around, side, inverted);
    const text = words.next();
    const block = parseCidr(text) ?? words.fail(`"${text}"`);
    if (rule[side]) words.fail(`a second ${addressText(side, inverted, text)}`);
    rule[side] = { value: block.network, mask: prefixMask(block.prefix), inverted };
  },
};
