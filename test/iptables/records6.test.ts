// Rule sets of IPv6 to blocks: one address as its number, blocks of addresses as match records, by the quick way and by the long one.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as layout from "../../assembly/layout/rules.ts";
import { InputError } from "../../src/errors.ts";
import { NameTable } from "../../src/iptables/names.ts";
import { parseRules } from "../../src/iptables/parse.ts";
import { compileQuickly } from "../../src/iptables/quick.ts";
import { compileRules } from "../../src/iptables/records.ts";

const FIRST = 0x00800000;

/** Numbers from 0x800000 on, in the order in which addresses come. */
function numbered(): NameTable {
  const numbers = new Map<bigint, number>();
  return new NameTable((address) => {
    const number = numbers.get(address) ?? FIRST + numbers.size;
    numbers.set(address, number);
    return number;
  });
}

type Words = Uint32Array;

const word = (words: Words, offset: number) => words[offset / 4] ?? Number.NaN;
const list = (words: Words, offset: number, count: number) =>
  Array.from({ length: count }, (_, i) => word(words, offset + i * 4));
const ruleAt = (index: number) => layout.BLOCK_HEADER + index * layout.RULE_SIZE;
const bytes = (words: Words, offset: number, count: number) =>
  [...new Uint8Array(words.buffer, offset, count)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

function compile(text: string, names = numbered()): Words {
  return compileRules(parseRules(text, undefined, "ipv6"), names, "ipv6").words;
}

/** The first rule of INPUT: its flags and addresses. */
function head(rule: string): number[] {
  return list(compile(`*filter\n-A INPUT ${rule}\nCOMMIT`), ruleAt(0), 5);
}

/** The kind, flags and arguments of each match record of a rule, and the bytes behind a PREFIX6 record. */
function recordsOf(words: Words, index = 0): unknown[] {
  const first = word(words, ruleAt(index) + layout.RULE_MATCHES);
  return Array.from({ length: word(words, ruleAt(index) + layout.RULE_MATCH_COUNT) }, (_, i) => {
    const record = list(words, first + i * layout.MATCH_SIZE, 8);
    const [kind = 0, flags = 0, at = 0] = record;
    if (kind !== layout.MATCH_KIND_PREFIX6) return record;
    return { flags, value: bytes(words, at, 16), mask: bytes(words, at + 16, 16) };
  });
}

const records = (rule: string) => recordsOf(compile(`*filter\n-A INPUT ${rule}\nCOMMIT`));

/** RULE_TARGET and the eight words of the target record of the only rule of a chain of nat. */
function target(rule: string): number[] {
  const words = compile(`*nat\n-A ${rule}\nCOMMIT`);
  const index = Array.from({ length: 5 }, (_, i) => i).find((i) => word(words, ruleAt(i) + layout.RULE_TARGET_ARG) > 0);
  const at = ruleAt(index ?? 0);
  return [word(words, at + layout.RULE_TARGET), ...list(words, word(words, at + layout.RULE_TARGET_ARG), 8)];
}

describe("addresses", () => {
  test("that are one are numbers in the rule itself, inverted or not", () => {
    expect(head("-s fd00::1 ! -d fd00::2")).toEqual([
      layout.RULE_NOT_DST | layout.RULE_PLAIN,
      FIRST,
      0xffffffff,
      FIRST + 1,
      0xffffffff,
    ]);
    expect(records("-s fd00::1 ! -d fd00::2")).toEqual([]);
  });

  test("that are many are records before all others", () => {
    expect(head("-s fd00:1::/64 ! -d fe80::/10")).toEqual([0, 0, 0, 0, 0]);
    expect(records("-m mark --mark 1 -s fd00:1::/64 ! -d fe80::/10")).toEqual([
      { flags: 0, value: "fd000001000000000000000000000000", mask: "ffffffffffffffff0000000000000000" },
      {
        flags: layout.MATCH_PREFIX6_DESTINATION | layout.MATCH_INVERT,
        value: "fe800000000000000000000000000000",
        mask: "ffc00000000000000000000000000000",
      },
      [layout.MATCH_KIND_MARK, 0, 1, 0xffffffff, 0, 0, 0, 0],
    ]);
  });

  test("whose mask has holes keep it", () => {
    expect(records("-d fd00:ff:1::9/ffff:0:ffff::")).toEqual([
      {
        flags: layout.MATCH_PREFIX6_DESTINATION,
        value: "fd000000000100000000000000000000",
        mask: "ffff0000ffff00000000000000000000",
      },
    ]);
  });

  test("of ::/0 test nothing", () => {
    expect(head("-s ::/0")).toEqual([layout.RULE_PLAIN, 0, 0, 0, 0]);
  });

  test("that the connection has", () => {
    expect(records("-m conntrack --ctorigdst fd00::7")).toEqual([
      [layout.MATCH_KIND_CT_ADDRESS, 0, layout.MATCH_CT_ORIGINAL_DESTINATION, FIRST, 0xffffffff, 0, 0, 0],
    ]);
    const words = compile("*filter\n-A INPUT -m conntrack ! --ctreplsrc fd00::7/16\nCOMMIT");
    const [[kind, flags, which, at] = []] = recordsOf(words) as number[][];
    expect([kind, flags, which]).toEqual([
      layout.MATCH_KIND_CT_ADDRESS,
      layout.MATCH_INVERT | layout.MATCH_CT_PREFIX6,
      layout.MATCH_CT_REPLY_SOURCE,
    ]);
    expect(bytes(words, at ?? 0, 32)).toBe(`fd00${"0".repeat(28)}ffff${"0".repeat(28)}`);
  });
});

test("masks of recent, connlimit and hashlimit", () => {
  const recent = (mask: string) => {
    const words = compile(`*filter\n-A INPUT -m recent --set ${mask}\nCOMMIT`);
    const at = (recordsOf(words) as number[][])[0]?.slice(6) ?? [];
    return [at[0], at[1] ? bytes(words, at[1], 16) : 0];
  };
  expect(recent("")).toEqual([0, 0]);
  expect(recent("--mask ffff:ffff::")).toEqual([0, `ffffffff${"0".repeat(24)}`]);
  expect(records("-m connlimit --connlimit-above 3 --connlimit-mask 64")).toEqual([
    [layout.MATCH_KIND_CONNLIMIT, 0, 3, 64, 0, 0, 0, 0],
  ]);
  const words = compile(
    "*filter\n-A INPUT -m hashlimit --hashlimit-upto 1/s --hashlimit-mode srcip --hashlimit-name a --hashlimit-srcmask 48\nCOMMIT",
  );
  const config = (recordsOf(words) as number[][])[0]?.[3] ?? 0;
  expect(list(words, config + layout.HASHLIMIT_SRC_MASK, 2)).toEqual([48, 128]);
});

test("ICMPv6 types: 255 is one of them", () => {
  expect(records("-p icmpv6 --icmpv6-type 255")).toEqual([
    [layout.MATCH_KIND_ICMP, layout.MATCH_ICMP_SIX, 255, 0, 255, 0, 0, 0],
  ]);
});

test("NAT to one address, to a range and to a block", () => {
  const both = layout.TARGET_NAT_IPS | layout.TARGET_NAT_PORTS;
  expect(target("PREROUTING -p tcp -j DNAT --to-destination [fd00::1]:80")).toEqual([
    layout.TARGET_DNAT,
    ...[both, FIRST, FIRST, 80, 80, 0, 0, 0],
  ]);
  expect(target("POSTROUTING -p tcp -j SNAT --to-source [fd00::1-fd00::9]:1-7")).toEqual([
    layout.TARGET_SNAT,
    ...[both, FIRST, FIRST + 1, 1, 7, 0, 0, 0],
  ]);
  expect(target("PREROUTING -j NETMAP --to fd01::/56")).toEqual([
    layout.TARGET_NETMAP,
    ...[0, FIRST, 56, 0, 0, 0, 0, 0],
  ]);
});

test("REJECT has the code of ICMPv6", () => {
  const code = (name: string, proto = "") => {
    const words = compile(`*filter\n-A INPUT ${proto} -j REJECT --reject-with ${name}\nCOMMIT`);
    return list(words, word(words, ruleAt(0) + layout.RULE_TARGET_ARG), 2);
  };
  expect(code("icmp6-no-route")).toEqual([0, 0]);
  expect(code("icmp6-adm-prohibited")).toEqual([0, 1]);
  expect(code("icmp6-addr-unreachable")).toEqual([0, 3]);
  expect(code("icmp6-port-unreachable")).toEqual([0, 4]);
  expect(code("icmp6-policy-fail")).toEqual([0, 5]);
  expect(code("icmp6-reject-route")).toEqual([0, 6]);
  expect(code("tcp-reset", "-p tcp")).toEqual([1, 0]);
});

// The quick way writes the same rules and the same match records.
const side = (flag: string) =>
  fc.constantFrom("", `${flag} fd00::1/128 `, `! ${flag} fd00::2/128 `, `${flag} fd00:1::/64 `, `! ${flag} fe80::/10 `);
const match = fc.constantFrom(
  "-m mark --mark 0x1/0x1 ",
  "-m comment --comment x ",
  "-m tcp --dport 80 ",
  "-m recent --set --name A --mask ffff:: --rsource ",
  "-m icmp6 --icmpv6-type 128 ",
  "-m conntrack --ctorigsrc fd00::/8 ",
  "-m hl --hl-eq 3 ",
);
const does = fc.constantFrom(
  "",
  "-j C",
  "-j DROP",
  "-j REJECT --reject-with icmp6-port-unreachable",
  "-j DNAT --to-destination [fd00::5]:80",
);
const line = fc
  .tuple(side("-s"), fc.constantFrom("", "-i eth0 "), side("-d"), fc.constantFrom("", "-p tcp ", "-p ipv6-icmp "))
  .chain((before) =>
    fc
      .tuple(fc.constant(before.join("")), fc.array(match, { maxLength: 3 }), does)
      .map((parts) => parts.flat().join("")),
  );

/** Undefined for a text that is wrong. */
function compileSlowly(text: string, names: NameTable): Words | undefined {
  try {
    return compile(text, names);
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

test("random rules are the same by the quick way and by the long one", () => {
  let taken = 0;
  fc.assert(
    fc.property(fc.constantFrom("filter", "nat"), line, line, (table, first, second) => {
      const chain = table === "nat" ? "PREROUTING" : "INPUT";
      const text = `*${table}\n:C - [0:0]\n-A ${chain} ${first.trimEnd()}\n-A ${chain} ${second.trimEnd()}\nCOMMIT\n`;
      const names = numbered();
      const slow = compileSlowly(text, names);
      const quick = compileQuickly(text, names, "ipv6")?.words;
      if (!quick) return;
      taken++;
      if (!slow) throw new Error("the long way does not take it");
      for (const index of [0, 1]) {
        // All but the places of records.
        const plain = (words: Words) => list(words, ruleAt(index), 14).filter((_, i) => ![6, 7, 8, 11].includes(i));
        expect(plain(quick)).toEqual(plain(slow));
        const kinds = (words: Words) =>
          recordsOf(words, index).map((record) => (Array.isArray(record) ? (record as number[]).slice(0, 2) : record));
        expect(kinds(quick)).toEqual(kinds(slow));
      }
    }),
    { numRuns: 2000, seed: 3 },
  );
  expect(taken).toBeGreaterThan(300);
});
