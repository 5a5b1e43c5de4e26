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
import { parseAddress } from "../../iptables/addresses.ts";
import { ruleFamily } from "../model.ts";
import type { Expression } from "./expression.ts";

/** Codes of ICMP and ICMPv6 destination unreachable: port. */
const PORT_UNREACHABLE = { ip: 3, ip6: 4 };
const ICMP = { ip: "icmp", ip6: "icmpv6" };

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
  read(words, rule, { family }) {
    if (words.take("with")) words.need(ICMP[family], "port-unreachable");
    rule.action = { target: TARGET_REJECT, args: [0, PORT_UNREACHABLE[family]] };
  },
};

/** `dnat to 10.244.1.3:80`, `dnat to [fd00::3]:80` */
const dnat: Expression = {
  word: "dnat",
  read(words, rule, around) {
    words.need("to");
    const text = words.next();
    const [, bracketed, bare = bracketed ?? "", port] =
      /^(?:\[([^\]]*)\]|([^:]*|.*:.*:.*))(?::(\d+))?$/.exec(text) ?? words.fail(`"${text}"`);
    const address = around.address(parseAddress(bare, ruleFamily(around)) ?? words.fail(`"${text}"`));
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
    words.need("{", around.family, "saddr", "}");
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
