// nft's words to what the kernel walks: what is not emulated is told with its place, and numbers lead back to rules.
import { describe, expect, test } from "vitest";
import { NameTable } from "../../src/iptables/names.ts";
import { compileWithTable } from "../../src/nftables/compile.ts";
import { printAddressSet } from "../../src/nftables/intervals.ts";
import { parseTable } from "../../src/nftables/parse.ts";

const IPTABLES = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n";

function table(...chain: string[]): string {
  return `table ip t {\n\tmap m {\n\t\ttype inet_proto . inet_service : verdict\n\t\telements = { tcp . 80 : drop,\n\t\t\t     udp . 53 comment "a" : goto c }\n\t}\n\n\tchain c {\n${chain.map((line) => `\t\t${line}\n`).join("")}\t}\n}\n`;
}

const compiled = (text: string) => compileWithTable(IPTABLES, text, new NameTable(), "rules of node-1");

describe("a rule that is not emulated is refused with its line", () => {
  test.each([
    ["ip ttl 5 drop", 'in "ip ttl 5 drop", ip ttl is not emulated yet'],
    ["tcp dport 80 drop", 'in "tcp dport 80 drop", "tcp" is not emulated yet'],
    ["accept drop", 'in "accept drop", "drop" behind a statement is not emulated yet'],
    ["jump nowhere", "there is no chain nowhere"],
    ["ip saddr @none drop", 'in "ip saddr @none drop", @none (a set of addresses) is not emulated yet'],
    ["ip6 saddr fd00::1 drop", 'in "ip6 saddr fd00::1 drop", ip6 in a table of ip is not emulated yet'],
    ["ct state", 'in "ct state", its end is not emulated yet'],
  ])("%s", (rule, complaint) => {
    expect(() => compiled(table(rule))).toThrow(`rules of node-1, nft:9: ${complaint}`);
  });

  test("a base chain at a place where no table of this kernel stands", () => {
    expect(() => compiled(table("type filter hook input priority -400; policy accept;"))).toThrow(
      "the chain c of type filter at priority -400 of input is not emulated yet",
    );
  });

  test("a table of another family", () => {
    expect(() => parseTable("table inet t {\n}\n", "x.nft")).toThrow(
      "x.nft:1: tables of family inet are not emulated yet, only of ip and ip6",
    );
    expect(() => compiled(table("return").replace("table ip ", "table ip6 "))).toThrow(
      "table ip6 t is not one of ipv4",
    );
  });
});

test("a table is read with its sets, elements and base chains as nft lists them", () => {
  const { sets, chains } = parseTable(table("type nat hook output priority -100; policy accept;", "return"), "x.nft");
  expect(sets[0]?.elements).toEqual([
    { key: ["tcp", "80"], verdict: "drop" },
    { key: ["udp", "53"], verdict: "goto c" },
  ]);
  expect(chains).toEqual([
    {
      name: "c",
      base: { type: "nat", hook: "OUTPUT", priority: -100, policy: "ACCEPT" },
      rules: [{ text: "return", line: 10 }],
    },
  ]);
});

test("the rules of iptables keep their numbers, those of the table come behind them", () => {
  const set = compiled(table('ip saddr 10.0.0.0/8 drop comment "why"', "return"));
  const first = set.count - 3;
  expect(set.reference(0)).toEqual({ table: "filter", chain: "INPUT", index: 0 });
  expect(set.reference(first)).toEqual({ table: "ip t", chain: "c", index: 0 });
  expect(set.reference(first + 2)).toEqual({ table: "ip t", chain: "c", index: "policy" });
  expect(set.rule(first)).toBeUndefined();
  expect(set.nft?.rule(first)).toEqual({ text: 'ip saddr 10.0.0.0/8 drop comment "why"', comment: "why" });
  expect(set.nft?.rule(0)).toBeUndefined();
  expect(set.end(first)).toEqual({ policy: "RETURN", rules: 2 });
});

describe("a rule of a table of ip6", () => {
  const six = (...rules: string[]) =>
    compileWithTable(
      "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n",
      table(...rules).replace("table ip ", "table ip6 "),
      new NameTable(() => 0x800001),
      "IPv6 rules",
      "ipv6",
    );

  test.each([
    ["ip6 saddr != fd00::/8 drop", 0, "ip6 saddr != fd00::/8"],
    ["ip6 daddr { fd00::/8, 2001:db8::5-2001:db8::9 } drop", 0, "ip6 daddr { fd00::/8, 2001:db8::5-2001:db8::9 }"],
    ["ct state new ip6 saddr fd00::/64 drop", 1, "ip6 saddr fd00::/64"],
  ])("%s says in its own words which condition failed", (rule, match, text) => {
    const { nft, count } = six(rule);
    expect(nft?.condition(count - 2, match)).toBe(text);
  });

  test.each(["dnat to [fd00::1]:80", "dnat to fd00::1", "reject", "reject with icmpv6 port-unreachable"])(
    "may %s",
    (statement) => {
      const { nft, count } = six(statement);
      expect(nft?.rule(count - 2)?.text).toBe(statement);
    },
  );

  test.each([
    ["ip saddr 10.0.0.1 drop", "ip in a table of ip6"],
    ["dnat to 10.0.0.1:80", '"10.0.0.1:80"'],
    ["reject with icmp port-unreachable", '"icmp"'],
  ])("may not have %s", (rule, what) => {
    expect(() => six(rule)).toThrow(`${what} is not emulated yet`);
  });
});

test.each([
  [["10.0.0.0/8"], "10.0.0.0/8"],
  [["192.0.2.9", "192.0.2.8"], "{ 192.0.2.8, 192.0.2.9 }"],
  [["10.1.0.0/16", "10.0.0.0/16"], "{ 10.0.0.0/15 }"],
  [["10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8"], "{ 10.0.0.0-12.255.255.255 }"],
  [["fd00:2::1", "10::/64", "fd00:2::2"], "{ 10::/64, fd00:2::1-fd00:2::2 }"],
])("%j is printed as nft prints it", (texts, printed) => {
  expect(printAddressSet(texts)).toBe(printed);
});
