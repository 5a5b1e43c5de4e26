// Texts with counters in them: as printing a model with the same counters has it, letter for letter.
import { expect, test } from "vitest";
import { parseRules } from "../../src/iptables/parse.ts";
import { printRules } from "../../src/iptables/print.ts";
import { SavedRules } from "../../src/iptables/saved.ts";
import { survey, type Survey } from "../../src/iptables/survey.ts";

/** As somebody may write it: tables and chains in any order, implied matches, counters of old. */
const WRITTEN = `\
# a comment
*nat
:PREROUTING ACCEPT [7:8]
:B - [0:0]
:A - [0:0]
[3:4] -A B -p tcp --dport 80 -j RETURN
-A PREROUTING -s 10.0.0.0/8 -j B
-A A -m comment --comment one -j MARK --set-mark 1
COMMIT
*mangle
-A FORWARD -j ACCEPT
COMMIT
*filter
:INPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
COMMIT
`;

const SAVED = `\
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
[0:0] -A FORWARD -j ACCEPT
COMMIT
*filter
:INPUT DROP [9:900]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
[0:0] -A INPUT -i lo -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:A - [0:0]
:B - [0:0]
[0:0] -A PREROUTING -s 10.0.0.0/8 -j B
[0:0] -A A -m comment --comment one -j MARK --set-xmark 0x1/0xffffffff
[5:300] -A B -p tcp -m tcp --dport 80 -j RETURN
COMMIT
`;

function surveyOf(text: string): Survey {
  const found = survey(text);
  if (!found) throw new Error("not in the plain form");
  return found;
}

/** The number of a chain's rule, or of its policy behind them. */
function numberOf(found: Survey, chain: string, place: number): number {
  return (found.chains.find(({ name }) => name === chain)?.first ?? NaN) + place;
}

test("what was counted stands before its rules and policies, all else is as iptables-save prints it", () => {
  const found = surveyOf(WRITTEN);
  const drop = found.chains.find(({ name, policy }) => name === "INPUT" && policy === "DROP");
  const counted = new Map([
    [numberOf(found, "B", 0), { packets: 5, bytes: 300 }],
    [(drop?.first ?? NaN) + 1, { packets: 9, bytes: 900 }],
  ]);
  expect(new SavedRules().print(WRITTEN, found, counted)).toBe(SAVED);
});

test("what is saved is what a model of it prints", () => {
  expect(printRules(parseRules(SAVED, "saved"), { counters: true })).toBe(SAVED);
});

test("a line that is two rules is left to who reads the whole text", () => {
  const text = "*filter\n-A INPUT -s 10.0.0.1,10.0.0.2 -j ACCEPT\nCOMMIT\n";
  expect(new SavedRules().print(text, surveyOf(text), new Map())).toBeUndefined();
});
