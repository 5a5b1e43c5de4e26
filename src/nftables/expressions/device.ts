// `iif`, `iifname`, `oif`, `oifname`: the devices that a packet comes in and goes out by.
import type { Expression } from "./expression.ts";

function device(word: string, side: "in" | "out"): Expression {
  return {
    word,
    read(words, rule) {
      const inverted = words.take("!=");
      const name = words.next().replace(/\*$/, "+");
      rule[side] = { name, inverted };
    },
  };
}

export const devices: readonly Expression[] = [
  device("iif", "in"),
  device("iifname", "in"),
  device("oif", "out"),
  device("oifname", "out"),
];
