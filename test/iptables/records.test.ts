// Rule sets to blocks: what stands where, word by word.
import { describe, expect, test } from "vitest";
import * as layout from "../../assembly/layout/rules.ts";
import { NameTable } from "../../src/iptables/names.ts";
import { parseRules } from "../../src/iptables/parse.ts";
import { compileRules } from "../../src/iptables/records.ts";

/** A compiled text, with readers by byte offset. */
function compile(text: string, names = new NameTable()) {
  const { words, rules } = compileRules(parseRules(text), names);
  const word = (offset: number) => words[offset / 4] ?? Number.NaN;
  const list = (offset: number, count: number) => Array.from({ length: count }, (_, i) => word(offset + i * 4));
  const rule = (index: number) => layout.BLOCK_HEADER + index * layout.RULE_SIZE;
  return { words, rules, word, list, rule };
}

/** The kind, flags and arguments of each match record of the only rule in filter INPUT. */
function matchRecords(matches: string) {
  const block = compile(`*filter\n-A INPUT ${matches}\nCOMMIT`);
  const count = block.word(block.rule(0) + layout.RULE_MATCH_COUNT);
  const first = block.word(block.rule(0) + layout.RULE_MATCHES);
  return Array.from({ length: count }, (_, i) => block.list(first + i * layout.MATCH_SIZE, 8));
}

/** RULE_TARGET and the eight words of the target record of the only rule of a chain. */
function targetRecord(table: string, rule: string) {
  const block = compile(`*${table}\n:MINE - [0:0]\n-A ${rule}\nCOMMIT`);
  const index = block.rules.findIndex((reference) => reference.index === 0);
  const argument = block.word(block.rule(index) + layout.RULE_TARGET_ARG);
  const kind = block.word(block.rule(index) + layout.RULE_TARGET);
  return argument === 0 ? [kind] : [kind, ...block.list(argument, 8)];
}

describe("the block", () => {
  const block = compile(`*filter
:INPUT DROP [0:0]
:MINE - [0:0]
-A INPUT -s 10.0.0.0/8 ! -p tcp -g MINE
-A INPUT -i eth0 -f
-A MINE ! -d 1.2.3.4 -j RETURN
COMMIT
*raw
COMMIT
`);

  test("lists rules table by table, chain by chain, each chain closed by its policy", () => {
    expect(block.rules).toEqual([
      { table: "raw", chain: "PREROUTING", index: "policy" },
      { table: "raw", chain: "OUTPUT", index: "policy" },
      { table: "filter", chain: "INPUT", index: 0 },
      { table: "filter", chain: "INPUT", index: 1 },
      { table: "filter", chain: "INPUT", index: "policy" },
      { table: "filter", chain: "FORWARD", index: "policy" },
      { table: "filter", chain: "OUTPUT", index: "policy" },
      { table: "filter", chain: "MINE", index: 0 },
      { table: "filter", chain: "MINE", index: "policy" },
    ]);
  });

  test("has a header with sizes, tables, entries and underflows", () => {
    expect(block.word(layout.BLOCK_SIZE)).toBe(block.words.byteLength);
    expect(block.word(layout.BLOCK_RULES)).toBe(9);
    expect(block.word(layout.BLOCK_STATES)).toBe(0);
    expect(block.word(layout.BLOCK_TABLES)).toBe((1 << layout.TABLE_RAW) | (1 << layout.TABLE_FILTER));
    const entries = block.list(layout.BLOCK_ENTRIES, layout.TABLE_COUNT * layout.HOOK_COUNT);
    const underflows = block.list(layout.BLOCK_UNDERFLOWS, layout.TABLE_COUNT * layout.HOOK_COUNT);
    const at = (...indices: (number | undefined)[]) => indices.map((i) => (i === undefined ? 0 : block.rule(i)));
    const none = undefined;
    const unused = [none, none, none, none, none];
    const nft = [...unused, ...unused, ...unused];
    expect(entries).toEqual(at(0, none, none, 1, none, ...unused, ...unused, none, 2, 5, 6, none, ...nft));
    expect(underflows).toEqual(at(0, none, none, 1, none, ...unused, ...unused, none, 4, 5, 6, none, ...nft));
  });

  test("holds addresses, protocol, inversions and the target of a rule", () => {
    expect(block.list(block.rule(2), 14)).toEqual([
      layout.RULE_NOT_PROTO | layout.RULE_GOTO | layout.RULE_PLAIN,
      0x0a000000,
      0xff000000,
      0,
      0,
      6,
      0,
      0,
      0,
      0,
      layout.TARGET_JUMP,
      block.rule(7),
      2,
      layout.TABLE_FILTER,
    ]);
    expect(block.list(block.rule(7), 5)).toEqual([
      layout.RULE_NOT_DST | layout.RULE_PLAIN,
      0,
      0,
      0x01020304,
      0xffffffff,
    ]);
    expect(block.word(block.rule(7) + layout.RULE_TARGET)).toBe(layout.TARGET_RETURN);
  });

  test("holds an interface as a name and a mask that ends with the name's zero", () => {
    expect(block.word(block.rule(3) + layout.RULE_FLAGS)).toBe(layout.RULE_FRAGMENT);
    expect(block.word(block.rule(3) + layout.RULE_TARGET)).toBe(layout.TARGET_CONTINUE);
    const record = block.list(block.word(block.rule(3) + layout.RULE_IN), 8);
    expect(record).toEqual([0x30687465, 0, 0, 0, 0xffffffff, 0xff, 0, 0]);
  });

  test("closes chains with DROP, ACCEPT or RETURN", () => {
    const targets = [4, 5, 8].map((index) => block.word(block.rule(index) + layout.RULE_TARGET));
    expect(targets).toEqual([layout.TARGET_DROP, layout.TARGET_ACCEPT, layout.TARGET_RETURN]);
  });
});

test("a final + masks only what is before it, and + alone tests nothing", () => {
  const block = compile("*filter\n-A FORWARD -i veth+ -o + -j DROP\n-A FORWARD ! -o +\nCOMMIT");
  const rule = block.rule(1);
  expect(block.list(block.word(rule + layout.RULE_IN), 8)).toEqual([0x68746576, 0, 0, 0, 0xffffffff, 0, 0, 0]);
  expect(block.word(rule + layout.RULE_OUT)).toBe(0);
  const inverted = block.rule(2);
  expect(block.word(inverted + layout.RULE_FLAGS)).toBe(layout.RULE_NOT_OUT);
  expect(block.list(block.word(inverted + layout.RULE_OUT), 8)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
});

test("comments are not compiled and leave a rule plain", () => {
  const block = compile("*filter\n-A INPUT -m comment --comment x -m nfacct --nfacct-name y -j DROP\nCOMMIT");
  expect(block.word(block.rule(0) + layout.RULE_FLAGS)).toBe(layout.RULE_PLAIN);
  expect(block.word(block.rule(0) + layout.RULE_MATCHES)).toBe(0);
});

test("equal records stand once, and equal rule sets give equal blocks", () => {
  const rule = "-A INPUT -p tcp -m tcp --dport 80 -j REJECT\n";
  const one = compile(`*filter\n${rule}COMMIT`);
  const two = compile(`*filter\n${rule}${rule}COMMIT`);
  expect(two.words.byteLength - one.words.byteLength).toBe(layout.RULE_SIZE);
  const names = new NameTable();
  const text = "*filter\n-A INPUT -m recent --name A --set\n-A INPUT -m recent --name B --set\nCOMMIT";
  expect(compile(text, names).words).toEqual(compile(text, names).words);
  expect(names.names("recent")).toEqual(["A", "B"]);
});

test("states begin at their first values", () => {
  const block = compile(`*filter
-A INPUT -m statistic --mode nth --every 3 --packet 1
-A INPUT -m quota --quota 4294967301
-A INPUT -m limit --limit 5/s --limit-burst 7
-A INPUT -m connlimit --connlimit-above 3
COMMIT`);
  expect(block.word(layout.BLOCK_STATES)).toBe(4);
  // 7 packets at 200 ms each are 1,400,000,000 ns of credit.
  expect(block.list(block.word(layout.BLOCK_STATE_VALUES), 16)).toEqual([
    ...[1, 0, 0, 0],
    ...[5, 1, 0, 0],
    ...[0, 0, 1_400_000_000, 0],
    ...[0, 0, 0, 0],
  ]);
  const records = [0, 1, 2, 3].map((i) => block.list(block.word(block.rule(i) + layout.RULE_MATCHES), 5));
  expect(records).toEqual([
    [layout.MATCH_KIND_NTH, 0, 2, 0, 0],
    [layout.MATCH_KIND_QUOTA, 0, 1, 0, 0],
    [layout.MATCH_KIND_LIMIT, 0, 2000, 7, 2],
    [layout.MATCH_KIND_CONNLIMIT, 0, 3, 0xffffffff, 3],
  ]);
});

const {
  MATCH_INVERT,
  MATCH_CT_AFTER_STATE,
  MATCH_KIND_CT_STATE,
  MATCH_KIND_CT_DIRECTION,
  MATCH_KIND_CT_ADDRESS,
  MATCH_KIND_CT_PORT,
} = layout;

test.each<[string, number[][]]>([
  ["-p tcp -m tcp", [[layout.MATCH_KIND_TCP, 0, 0, 65535, 0, 65535, 0, 0]]],
  [
    "-p tcp ! --sport 5:7 --dport 80 ! --syn --tcp-option 2",
    [
      [
        layout.MATCH_KIND_TCP,
        layout.MATCH_NOT_SPORT | layout.MATCH_NOT_TCP_FLAGS,
        ...[5, 7, 80, 80],
        0x17 | (0x02 << 8),
        2,
      ],
    ],
  ],
  ["-p udp ! --dport 53", [[layout.MATCH_KIND_UDP, layout.MATCH_NOT_DPORT, 0, 65535, 53, 53, 0, 0]]],
  ["-p sctp --sport 9", [[layout.MATCH_KIND_SCTP, 0, 9, 9, 0, 65535, 0, 0]]],
  ["-p icmp --icmp-type 3/4", [[layout.MATCH_KIND_ICMP, 0, 3, 4, 4, 0, 0, 0]]],
  ["-p icmp ! --icmp-type 8", [[layout.MATCH_KIND_ICMP, MATCH_INVERT, 8, 0, 255, 0, 0, 0]]],
  ["-m mark ! --mark 0x4000/0x4000", [[layout.MATCH_KIND_MARK, MATCH_INVERT, 0x4000, 0x4000, 0, 0, 0, 0]]],
  ["-m connmark --mark 7", [[layout.MATCH_KIND_CONNMARK, 0, 7, 0xffffffff, 0, 0, 0, 0]]],
  ["-m state --state NEW,RELATED", [[MATCH_KIND_CT_STATE, 0, 8 | 4, 0, 0, 0, 0, 0]]],
  [
    "-m conntrack ! --ctstate ESTABLISHED,DNAT --ctdir REPLY ! --ctorigdst 10.1.2.3/8 --ctreplsrcport 5:6",
    [
      [MATCH_KIND_CT_STATE, MATCH_INVERT, 2 | 128, 0, 0, 0, 0, 0],
      [MATCH_KIND_CT_DIRECTION, MATCH_CT_AFTER_STATE, 1, 0, 0, 0, 0, 0],
      [MATCH_KIND_CT_ADDRESS, MATCH_CT_AFTER_STATE | MATCH_INVERT, 1, 0x0a000000, 0xff000000, 0, 0, 0],
      [MATCH_KIND_CT_PORT, MATCH_CT_AFTER_STATE, 2, 5, 6, 0, 0, 0],
    ],
  ],
  ["-m conntrack ! --ctproto tcp", [[layout.MATCH_KIND_CT_PROTO, MATCH_INVERT, 6, 0, 0, 0, 0, 0]]],
  ["-m conntrack --ctstatus ASSURED", [[layout.MATCH_KIND_CT_STATUS, 0, 4, 0, 0, 0, 0, 0]]],
  ["-m conntrack --ctexpire 5:9", [[layout.MATCH_KIND_CT_EXPIRE, 0, 5, 9, 0, 0, 0, 0]]],
  [
    "-m addrtype --src-type UNICAST ! --dst-type LOCAL,BROADCAST --limit-iface-in",
    [
      [
        layout.MATCH_KIND_ADDRTYPE,
        layout.MATCH_ADDRTYPE_NOT_DESTINATION | layout.MATCH_ADDRTYPE_LIMIT_IN,
        ...[2, 4 | 8, 0, 0, 0, 0],
      ],
    ],
  ],
  ["-m statistic --mode random --probability 0.3333333333", [[layout.MATCH_KIND_RANDOM, 0, 715827883, 0, 0, 0, 0, 0]]],
  [
    "-m recent --name X --rcheck --seconds 10800 --reap --rdest",
    [
      [
        layout.MATCH_KIND_RECENT,
        layout.MATCH_RECENT_REAP | layout.MATCH_RECENT_DESTINATION,
        ...[0, layout.MATCH_RECENT_RCHECK, 10800, 0, 0xffffffff, 0],
      ],
    ],
  ],
  ["-m length ! --length 5:7", [[layout.MATCH_KIND_LENGTH, MATCH_INVERT, 5, 7, 0, 0, 0, 0]]],
  ["-m ttl --ttl-gt 5", [[layout.MATCH_KIND_TTL, 0, layout.MATCH_TTL_GT, 5, 0, 0, 0, 0]]],
  ["-m tos --tos Minimize-Cost", [[layout.MATCH_KIND_TOS, 0, 2, 0x3f, 0, 0, 0, 0]]],
  ["-m dscp --dscp-class AF43", [[layout.MATCH_KIND_DSCP, 0, 38, 0, 0, 0, 0, 0]]],
  ["-m mac --mac-source 0a:58:0a:f4:01:02", [[layout.MATCH_KIND_MAC, 0, 0x0a580af4, 0x0102, 0, 0, 0, 0]]],
  ["-m pkttype --pkt-type multicast", [[layout.MATCH_KIND_PKTTYPE, 0, 2, 0, 0, 0, 0, 0]]],
  [
    "-m iprange ! --src-range 1.2.3.4-1.2.3.9",
    [
      [
        layout.MATCH_KIND_IPRANGE,
        layout.MATCH_IPRANGE_SRC | layout.MATCH_IPRANGE_NOT_SRC,
        ...[0x01020304, 0x01020309, 0, 0, 0, 0],
      ],
    ],
  ],
  [
    "-p tcp -m ecn ! --ecn-tcp-ece --ecn-ip-ect 2",
    [
      [
        layout.MATCH_KIND_ECN,
        layout.MATCH_ECN_TEST_IP | layout.MATCH_ECN_TEST_ECE | layout.MATCH_ECN_NOT_ECE,
        ...[2, 0, 0, 0, 0, 0],
      ],
    ],
  ],
  ["-m set --match-set S src,dst,src", [[layout.MATCH_KIND_SET, 0, 0, 3, 0b101, 0, 0, 0]]],
])("match %s", (matches, records) => {
  expect(matchRecords(matches)).toEqual(records);
});

test("lists of ports and u32 programs stand outside their records", () => {
  const block = compile(
    '*filter\n-A INPUT -p tcp -m multiport ! --ports 80,1000:2000\n-A INPUT -m u32 --u32 "6&0xFF=1&&0>>22@4=3:5,7"\nCOMMIT',
  );
  const ports = block.list(block.word(block.rule(0) + layout.RULE_MATCHES), 4);
  expect(ports.slice(0, 2)).toEqual([
    layout.MATCH_KIND_MULTIPORT,
    MATCH_INVERT | layout.MATCH_PORTS_SOURCE | layout.MATCH_PORTS_DESTINATION,
  ]);
  expect(ports[3]).toBe(2);
  expect(block.list(ports[2] ?? 0, 2)).toEqual([80 + 80 * 0x10000, 1000 + 2000 * 0x10000]);
  const program = block.list(block.word(block.rule(1) + layout.RULE_MATCHES), 4);
  expect(program[3]).toBe(2);
  expect(block.list(program[2] ?? 0, 20)).toEqual([
    ...[2, layout.MATCH_U32_AND, 6, layout.MATCH_U32_AND, 0xff, 1, 1, 1],
    ...[3, layout.MATCH_U32_AND, 0, layout.MATCH_U32_RIGHT, 22, layout.MATCH_U32_AT, 4, 2, 3, 5, 7, 7],
  ]);
});

test.each<[string, string, number[]]>([
  ["filter", "INPUT -j ACCEPT", [layout.TARGET_ACCEPT]],
  ["filter", "INPUT -j LOG", [layout.TARGET_CONTINUE]],
  ["filter", "INPUT -j REJECT", [layout.TARGET_REJECT, 0, 3, 0, 0, 0, 0, 0, 0]],
  ["filter", "INPUT -p tcp -j REJECT --reject-with tcp-reset", [layout.TARGET_REJECT, 1, 0, 0, 0, 0, 0, 0, 0]],
  ["filter", "INPUT -j REJECT --reject-with admin-prohib", [layout.TARGET_REJECT, 0, 13, 0, 0, 0, 0, 0, 0]],
  ["nat", "MINE -j MARK --or-mark 0x4000", [layout.TARGET_MARK, 0x4000, 0x4000, 0, 0, 0, 0, 0, 0]],
  ["nat", "MINE -j MARK --xor-mark 0x4000", [layout.TARGET_MARK, 0x4000, 0, 0, 0, 0, 0, 0, 0]],
  ["mangle", "MINE -j CONNMARK --save-mark --nfmask 1 --ctmask 2", [layout.TARGET_CONNMARK, 1, 0, 2, 1, 0, 0, 0, 0]],
  [
    "nat",
    "PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1:8080",
    [layout.TARGET_DNAT, 3, 0x0a000001, 0x0a000001, 8080, 8080, 0, 0, 0],
  ],
  [
    "nat",
    "POSTROUTING -j SNAT --to-source 1.2.3.4-1.2.3.8 --persistent",
    [layout.TARGET_SNAT, 1 | 8, 0x01020304, 0x01020308, 0, 0, 0, 0, 0],
  ],
  ["nat", "POSTROUTING -j MASQUERADE --random-fully", [layout.TARGET_MASQUERADE, 16, 0, 0, 0, 0, 0, 0, 0]],
  ["nat", "OUTPUT -p udp -j REDIRECT --to-ports 5-6", [layout.TARGET_REDIRECT, 2, 0, 0, 5, 6, 0, 0, 0]],
  ["nat", "PREROUTING -j NETMAP --to 10.1.0.0/16", [layout.TARGET_NETMAP, 0, 0x0a010000, 0xffff0000, 0, 0, 0, 0, 0]],
  ["raw", "PREROUTING -j NOTRACK", [layout.TARGET_CT, 1, 0, 0, 0, 0, 0, 0, 0]],
  ["mangle", "PREROUTING -j TTL --ttl-dec 2", [layout.TARGET_TTL, 2, 2, 0, 0, 0, 0, 0, 0]],
  ["mangle", "FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu", [layout.TARGET_TCPMSS, 0xffff, 0, 0, 0, 0, 0, 0, 0]],
  [
    "mangle",
    "PREROUTING -j SET --add-set S src --exist",
    [layout.TARGET_SET, 0, 0x101, 0xffffffff, 0, 0xffffffff, 0, 0xffffffff, 1],
  ],
])("target in %s: %s", (table, rule, words) => {
  expect(targetRecord(table, rule)).toEqual(words);
});
