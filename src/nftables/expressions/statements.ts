// What rules do: verdicts, NAT, reject, and noting an address in a set.
import {
  TARGET_ACCEPT,
  TARGET_DNAT,
  TARGET_DROP,
  TARGET_MASQUERADE,
  TARGET_NAT_IPS,
  TARGET_NAT_PORTS,
  TARGET_NAT_RANDOM,
  TARGET_NAT_RANDOM_FULLY,
  TARGET_REJECT,
  TARGET_RETURN,
  TARGET_SET,
  TARGET_SET_EXIST,
  TARGET_SET_NONE,
} from "../../../assembly/layout/rules.ts";
import { parseIpv4 } from "../../address.ts";
import type { Expression } from "./expression.ts";

/** Code of ICMP destination unreachable: port. */
const PORT_UNREACHABLE = 3;

function verdict(word: string, target: number): Expression {
  return {
    word,
    read: (_, rule) => {
      rule.action = { target };
    },
  };
}

function way(word: "jump" | "goto"): Expression {
  return {
    word,
    read: (words, rule) => {
      rule.action = { chain: words.next(), goto: word === "goto" };
    },
  };
}

const reject: Expression = {
  word: "reject",
  read(words, rule) {
    if (words.take("with")) words.need("icmp", "port-unreachable");
    rule.action = { target: TARGET_REJECT, args: [0, PORT_UNREACHABLE] };
  },
};

/** `dnat to 10.244.1.3:80` */
const dnat: Expression = {
  word: "dnat",
  read(words, rule) {
    words.need("to");
    const text = words.next();
    const [head = "", port] = text.split(":");
    const address = parseIpv4(head) ?? words.fail(`"${text}"`);
    const number = port === undefined ? 0 : Number(port);
    const flags = TARGET_NAT_IPS | (port === undefined ? 0 : TARGET_NAT_PORTS);
    rule.action = { target: TARGET_DNAT, args: [flags, address, address, number, number, 0] };
  },
};

const masquerade: Expression = {
  word: "masquerade",
  read(words, rule) {
    const flags = words.take("fully-random") ? TARGET_NAT_RANDOM_FULLY : words.take("random") ? TARGET_NAT_RANDOM : 0;
    rule.action = { target: TARGET_MASQUERADE, args: [flags, 0, 0, 0, 0, 0] };
  },
};

/** `update @set { ip saddr }`: the address comes into the set, or stays there anew. */
const update: Expression = {
  word: "update",
  read(words, rule, around) {
    const name = words.next();
    const set = around.set(name.replace(/^@/, ""));
    const number = set?.number ?? words.fail(`${name} (a set with the flag dynamic)`);
    words.need("{", "ip", "saddr", "}");
    const none = [TARGET_SET_NONE, 0];
    const source = 1 | (1 << 8);
    rule.action = {
      target: TARGET_SET,
      args: [number, source, ...none, ...none, TARGET_SET_NONE, TARGET_SET_EXIST],
    };
  },
};

const comment: Expression = {
  word: "comment",
  read: (words, rule) => {
    rule.comment = words.next();
  },
};

export const statements: readonly Expression[] = [
  verdict("accept", TARGET_ACCEPT),
  verdict("drop", TARGET_DROP),
  verdict("return", TARGET_RETURN),
  way("jump"),
  way("goto"),
  reject,
  dnat,
  masquerade,
  update,
  comment,
];
