// Rules in, text of iptables-save and ip6tables-save out, against what version 1.8.9 printed for the same rules.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BUILT_IN_CHAINS, TABLE_NAMES, type TableName } from "../../src/iptables/model.ts";
import { parseRules } from "../../src/iptables/parse.ts";
import { printRules } from "../../src/iptables/print.ts";
import { quote, splitWords } from "../../src/iptables/words.ts";
import type { Family } from "../../src/iptables/addresses.ts";
import { CHANGED, SAME, USER_CHAINS } from "./cases.ts";
import { CHANGED6, SAME6 } from "./cases6.ts";

function tableText(table: TableName, rules: readonly string[]): string {
  const chains = [
    ...BUILT_IN_CHAINS[table].map((chain) => `:${chain} ACCEPT [0:0]`),
    ...USER_CHAINS.map((chain) => `:${chain} - [0:0]`),
  ];
  return [`*${table}`, ...chains, ...rules.map((rule) => `-A ${rule}`), "COMMIT", ""].join("\n");
}

function printedRules(table: TableName, rules: readonly string[], family: Family = "ipv4"): string[] {
  const lines = printRules(parseRules(tableText(table, rules), undefined, family)).split("\n");
  return lines.filter((line) => line.startsWith("-A ")).map((line) => line.slice(3));
}

describe.each(TABLE_NAMES)("table %s", (table) => {
  test.each(SAME[table] ?? [])("prints unchanged: %s", (rule) => {
    expect(printedRules(table, [rule])).toEqual([rule]);
  });

  test.each(CHANGED[table] ?? [])("prints in its own form: %s", (written, printed) => {
    expect(printedRules(table, [written])).toEqual(printed);
    expect(printedRules(table, printed)).toEqual(printed);
  });
});

describe.each(TABLE_NAMES)("table %s of IPv6", (table) => {
  test.each(SAME6[table] ?? [])("prints unchanged: %s", (rule) => {
    expect(printedRules(table, [rule], "ipv6")).toEqual([rule]);
  });

  test.each(CHANGED6[table] ?? [])("prints in its own form: %s", (written, printed) => {
    expect(printedRules(table, [written], "ipv6")).toEqual(printed);
    expect(printedRules(table, printed, "ipv6")).toEqual(printed);
  });
});

test.each([
  // These need an accounting object or a set in the kernel, so they are not among the cases that the real tools check.
  ["INPUT -m nfacct --nfacct-name  localhost_nps_accepted_pkts -j ACCEPT"],
  ["INPUT -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT"],
  ["INPUT -m set ! --match-set blocked src --return-nomatch -j DROP"],
  ["INPUT -j SET --add-set seen src,src --exist --timeout 60"],
  ["INPUT -j SET --del-set seen src"],
  ["FORWARD -j SET --add-set seen src --exist --timeout 10 --del-set S dst --map-set S dst,src --map-mark --map-prio"],
  ["INPUT -m set --match-set S src ! --update-counters --packets-gt 4 ! --bytes-eq 3"],
  ["INPUT -m set ! --match-set S src --return-nomatch --packets-lt 4"],
  ["INPUT -m conntrack --ctorigsrc 10.1.2.3/8"],
])("prints unchanged: %s", (rule) => {
  expect(printedRules("filter", [rule])).toEqual([rule]);
});

test("reads the spellings that kube-proxy writes", () => {
  const printed = printedRules("nat", [
    "POSTROUTING -m mark ! --mark 0x00004000/0x00004000 -j RETURN",
    "POSTROUTING -j MARK --xor-mark 0x00004000",
    'ZED -m comment --comment "ns/svc:p -> 10.0.0.1:80" -m statistic --mode random --probability 0.3333333333 -j abc',
    "ZED -m comment --comment ns/svc:p -m recent --name KUBE-SEP-X --rcheck --seconds 10800 --reap -j abc",
    "ZED -m comment --comment ns/svc:p -m recent --name KUBE-SEP-X --set -m tcp -p tcp -j DNAT --to-destination 10.0.0.1:80",
    "abc -j MARK --or-mark 0x00004000",
    "PREROUTING -m comment --comment x -m tcp -p tcp -d 10.96.0.1 --dport 443 -j abc",
  ]);
  expect(printed).toEqual([
    "PREROUTING -d 10.96.0.1/32 -p tcp -m comment --comment x -m tcp --dport 443 -j abc",
    "POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
    "POSTROUTING -j MARK --set-xmark 0x4000/0x0",
    'ZED -m comment --comment "ns/svc:p -> 10.0.0.1:80" -m statistic --mode random --probability 0.33333333349 -j abc',
    'ZED -m comment --comment "ns/svc:p" -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-X --mask 255.255.255.255 --rsource -j abc',
    'ZED -p tcp -m comment --comment "ns/svc:p" -m recent --set --name KUBE-SEP-X --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination 10.0.0.1:80',
    "abc -j MARK --set-xmark 0x4000/0x4000",
  ]);
});

test.each([
  [2, "0.5000000000", "0.50000000000"],
  [3, "0.3333333333", "0.33333333349"],
  [5, "0.2000000000", "0.20000000019"],
  [6, "0.1666666667", "0.16666666651"],
  [7, "0.1428571429", "0.14285714272"],
  [10, "0.1000000000", "0.10000000009"],
  [100, "0.0100000000", "0.00999999978"],
  [100001, "0.0000099999", "0.00001000008"],
])("prints a probability of 1 in %d as the kernel keeps it", (_, written, printed) => {
  const rule = (probability: string) => `FORWARD -m statistic --mode random --probability ${probability}`;
  expect(printedRules("filter", [rule(written)])).toEqual([rule(printed)]);
});

const SAVED = `*mangle
:PREROUTING ACCEPT [7:420]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT
*filter
:INPUT DROP [3:180]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [12:34567890123]
:A-CHAIN - [0:0]
:KUBE-FORWARD - [0:0]
:Z-CHAIN - [0:0]
:a-chain - [0:0]
[4:240] -A INPUT -s 10.0.0.0/8 -j KUBE-FORWARD
[0:0] -A INPUT -j Z-CHAIN
[1:60] -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
`;

test("prints counters, built-in chains in hook order, then user chains by name", () => {
  const shuffled = SAVED.replace(":A-CHAIN - [0:0]\n", "").replace(
    ":a-chain - [0:0]\n",
    ":a-chain - [0:0]\n:A-CHAIN - [0:0]\n",
  );
  expect(printRules(parseRules(shuffled), { counters: true })).toBe(SAVED);
});

test("prints one table, without rule counters unless asked", () => {
  expect(printRules(parseRules(SAVED), { table: "filter" })).toBe(
    SAVED.slice(SAVED.indexOf("*filter")).replace(/^\[\d+:\d+\] /gm, ""),
  );
  expect(printRules({ tables: [] })).toBe("");
});

test("reads comment lines, blank lines, carriage returns and lines without chain counters", () => {
  const text = "# made by hand\r\n\r\n*filter\r\n:INPUT DROP\r\n-A INPUT -i lo -j ACCEPT\r\nCOMMIT\r\n# end";
  expect(printRules(parseRules(text))).toBe(
    "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n",
  );
});

test("a quoted word is read back as it was", () => {
  fc.assert(
    fc.property(fc.string(), (raw) => {
      const text = raw.replace(/[\n\r]/g, "");
      expect(splitWords(`-m ${quote(text)} x`)).toEqual(["-m", text, "x"]);
    }),
  );
});

test("a comment of any text survives printing and reading", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 80 }), (raw) => {
      const text = raw.replace(/[\n\r]/g, "");
      const [rule] = printedRules("filter", [`INPUT -m comment --comment ${quote(text)} -j ACCEPT`]);
      expect(printedRules("filter", [rule ?? ""])).toEqual([rule]);
    }),
    { numRuns: 200, examples: [["!"], ["-j"], ['\\"'], ["\u00a0"]] },
  );
});
