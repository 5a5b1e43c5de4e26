// What a second iptables-restore leaves of the rules that the first one made; checked against iptables 1.8.9.
import { expect, test } from "vitest";
import { parseRules } from "../../src/iptables/parse.ts";
import { printRules } from "../../src/iptables/print.ts";
import { restore } from "../../src/iptables/restore.ts";

const BEFORE = `*filter
:INPUT DROP [5:6]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:U1 - [0:0]
:U2 - [0:0]
[1:2] -A INPUT -s 1.1.1.1/32 -j U1
[3:4] -A U1 -j ACCEPT
[7:8] -A U2 -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [1:60]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT
`;

function after(text: string, noflush: boolean, table: "filter" | "nat" = "filter"): string[] {
  const before = parseRules(BEFORE);
  const result = restore(before, text, { noflush });
  expect(printRules(before, { counters: true })).toBe(BEFORE);
  return printRules(result, { counters: true, table }).trimEnd().split("\n").slice(1, -1);
}

test("noflush keeps what is not named, empties declared user chains, sets declared policies", () => {
  const text = `*filter
:INPUT ACCEPT [9:9]
:U1 - [0:0]
:U3 - [0:0]
[9:9] -A U1 -j RETURN
-A INPUT -j U3
-I INPUT 2 -s 2.2.2.2,3.3.3.3 -j U2
COMMIT
`;
  expect(after(text, true)).toEqual([
    ":INPUT ACCEPT [9:9]",
    ":FORWARD ACCEPT [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    ":U1 - [0:0]",
    ":U2 - [0:0]",
    ":U3 - [0:0]",
    "[1:2] -A INPUT -s 1.1.1.1/32 -j U1",
    "[0:0] -A INPUT -s 3.3.3.3/32 -j U2",
    "[0:0] -A INPUT -s 2.2.2.2/32 -j U2",
    "[0:0] -A INPUT -j U3",
    "[9:9] -A U1 -j RETURN",
    "[7:8] -A U2 -j DROP",
  ]);
});

test("without noflush a table in the text is made anew and another stays", () => {
  const text = "*filter\n:NEW - [0:0]\n-A FORWARD -j NEW\nCOMMIT\n";
  expect(after(text, false)).toEqual([
    ":INPUT ACCEPT [0:0]",
    ":FORWARD ACCEPT [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    ":NEW - [0:0]",
    "[0:0] -A FORWARD -j NEW",
  ]);
  expect(after(text, false, "nat")[0]).toBe(":PREROUTING ACCEPT [1:60]");
});

test("commands delete, flush, insert, replace, rename, zero and set policies", () => {
  const text = `*filter
-D INPUT --source 1.1.1.1 --jump U1
-F U1
-X U1
-P FORWARD DROP
-N NEW
-A NEW -j U2
-I NEW -s 4.4.4.4
-I NEW 3 -s 5.5.5.5
-R NEW 1 -s 6.6.6.6
-D NEW 3
-E U2 U4
-A OUTPUT -j NEW -c 8 9
-Z U4
COMMIT
`;
  expect(after(text, true)).toEqual([
    ":INPUT DROP [5:6]",
    ":FORWARD DROP [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    ":NEW - [0:0]",
    ":U4 - [0:0]",
    "[8:9] -A OUTPUT -j NEW",
    "[0:0] -A NEW -s 6.6.6.6/32",
    "[0:0] -A NEW -j U4",
    "[0:0] -A U4 -j DROP",
  ]);
});

test("a chain that is still jumped to cannot be deleted, and the error is at the -X", () => {
  expect(() => after("*filter\n-F U1\n-X U1\nCOMMIT\n", true)).toThrow(
    '-j: "U1" is neither a chain of table filter nor a supported target',
  );
  expect(() => restore(parseRules(BEFORE), "*filter\n-F U1\n-X U1\nCOMMIT\n", { noflush: true, file: "f" })).toThrow(
    "f:3:",
  );
  expect(() => after("*filter\n-X U2\nCOMMIT\n", true)).toThrow('chain "U2" has rules; flush it before deleting it');
});

test("what kube-proxy writes to remove a stale chain leaves no trace of it", () => {
  const before = parseRules(BEFORE);
  const made = restore(before, "*nat\n:KUBE-SVC-OLD - [0:0]\n-A KUBE-SVC-OLD -j RETURN\nCOMMIT\n", { noflush: true });
  const removed = restore(made, "*nat\n:KUBE-SVC-OLD - [0:0]\n-X KUBE-SVC-OLD\nCOMMIT\n", { noflush: true });
  expect(printRules(removed, { counters: true })).toBe(BEFORE);
});
