// The quick way from text to block gives what the long way over the model gives, and leaves to it what is out of the ordinary.
import fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { clusterOf, machinesOf } from "../../src/bench/cluster.ts";
import { compileText } from "../../src/iptables/compile.ts";
import { NameTable } from "../../src/iptables/names.ts";
import { parseRules } from "../../src/iptables/parse.ts";
import { printRule } from "../../src/iptables/print.ts";
import { compileQuickly } from "../../src/iptables/quick.ts";
import { chainsByName, compileRules, referenced } from "../../src/iptables/records.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";

const FIXTURES = fileURLToPath(new URL("../fixtures/", import.meta.url));
const TEXTS = readdirSync(FIXTURES, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".v4") || name.endsWith("expected.rules"))
  .map((name) => [name, readFileSync(join(FIXTURES, name), "utf8")] as const);

/** What the long way makes of a text. */
function slowly(text: string) {
  const names = new NameTable();
  const { words, rules } = compileRules(parseRules(text), names);
  return { words: [...words], rules, recent: names.names("recent"), sets: names.names("set") };
}

function quickly(text: string) {
  const names = new NameTable();
  const quick = compileQuickly(text, names);
  return quick && { words: [...quick.words], recent: names.names("recent"), sets: names.names("set") };
}

/** Both ways give the same block, and a number the same rule. */
function expectEqual(text: string): void {
  const { rules, ...slow } = slowly(text);
  expect(quickly(text)).toEqual(slow);
  const compiled = compileText(text, new NameTable(), "rules");
  const chains = chainsByName(parseRules(text));
  expect(compiled.count).toBe(rules.length);
  rules.forEach((reference, index) => {
    expect(compiled.reference(index)).toEqual(reference);
    const { rule } = referenced(chains, reference);
    const found = compiled.rule(index);
    expect(found && printRule(reference.chain, found)).toBe(rule && printRule(reference.chain, rule));
  });
}

test("kube-proxy's rules of a cluster", () => {
  const pods = [1, 2].flatMap((node) =>
    [0, 1].map((place) => ({ name: `pod-${node}-${place}`, node, place, serves: node === 2 })),
  );
  for (const machine of machinesOf(clusterOf(2, pods, 20))) expectEqual(wholeText(machine.namespaces[0]?.rules ?? ""));
});

test("most recorded rule sets are taken the quick way, and all of them give the same block", () => {
  expect(TEXTS.length).toBeGreaterThan(50);
  let quick = 0;
  for (const [, text] of TEXTS) {
    if (quickly(text) === undefined) continue;
    quick++;
    // Where the rules of a chain do not stand together, their records come in another order.
    expect(quickly(text)?.words.length).toBe(slowly(text).words.length);
  }
  expect(quick / TEXTS.length).toBeGreaterThan(0.8);
});

const address = (flag: string) =>
  fc.constantFrom(
    "",
    `${flag} 10.0.0.1 `,
    `${flag} 10.0.0.1/32 `,
    `! ${flag} 10.1.0.0/16 `,
    `${flag} 1.2.3.4/255.255.0.0 `,
  );
const device = fc.constantFrom("", "-i eth0 ", "! -i veth+ ", "-o eth1 ", "-i + ");
const protocol = fc.constantFrom("", "-p tcp ", "-p udp ", "! -p tcp ", "-p 47 ", "-p all ");
const match = fc.constantFrom(
  "-m comment --comment x ",
  '-m comment --comment "default/web:http cluster IP" ',
  '-m comment --comment "a \\" b -j DROP " ',
  "-m mark --mark 0x4000/0x4000 ",
  "-m conntrack --ctstate RELATED,ESTABLISHED ",
  "-m conntrack ! --ctstate INVALID ",
  "-m statistic --mode random --probability 0.25000000000 ",
  "-m statistic --mode nth --every 3 --packet 1 ",
  "-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-X --mask 255.255.255.255 --rsource ",
  "-m set --match-set pods src ",
  "-m multiport --dports 80,443 ",
  "-m tcp --dport 80 ",
  "-m udp --sport 53 ",
  "-m addrtype --dst-type LOCAL ",
  "--dport 80 ",
);
const target = fc.constantFrom(
  "",
  "-j ACCEPT",
  "-j DROP",
  "-j C1",
  "-g C2",
  "-j MISSING",
  "-j MARK --set-xmark 0x4000/0x4000",
  "-j DNAT --to-destination 10.0.0.7:8080",
  "-j DNAT --to-destination 10.0.0.7",
  "-j MASQUERADE --random-fully",
  "-j REJECT --reject-with icmp-port-unreachable",
  "-j TRACE",
  '-j LOG --log-prefix "a -m b "',
);
const line = fc
  .tuple(
    fc.constantFrom("PREROUTING", "POSTROUTING", "FORWARD", "C1", "C2", "NONE"),
    address("-s"),
    address("-d"),
    device,
    protocol,
    fc.array(match, { maxLength: 3 }),
    target,
  )
  .map(([chain, source, destination, on, proto, matches, to]) =>
    `-A ${chain} ${source}${destination}${on}${proto}${matches.join("")}${to}`.trimEnd(),
  );
const table = fc
  .tuple(fc.constantFrom("nat", "filter", "mangle"), fc.array(line, { maxLength: 6 }))
  .map(([name, lines]) => `*${name}\n:C1 - [0:0]\n:C2 - [0:0]\n${lines.map((one) => `${one}\n`).join("")}COMMIT\n`);

describe("random rules", () => {
  test("are taken the quick way only if the long way takes them, and mean the same", { timeout: 60_000 }, () => {
    let taken = 0;
    fc.assert(
      fc.property(table, (text) => {
        const quick = quickly(text);
        if (!quick) return;
        taken++;
        const slow = slowly(text);
        expect(quick.words.slice(0, 48)).toEqual(slow.words.slice(0, 48));
        expectSameRules(text);
      }),
      { numRuns: 3000, seed: 1 },
    );
    expect(taken).toBeGreaterThan(300);
  });

  test("that the long way takes are mostly taken the quick way", () => {
    const samples = fc.sample(table, { numRuns: 1000, seed: 2 }).filter((text) => {
      try {
        slowly(text);
        return true;
      } catch {
        return false;
      }
    });
    const quick = samples.filter((text) => quickly(text) !== undefined);
    expect(quick.length).toBe(samples.length);
  });
});

/** Each rule that a number stands for, and its words but for the places of its records, are those of the long way. */
function expectSameRules(text: string): void {
  const slow = slowly(text);
  const quick = quickly(text);
  slow.rules.forEach((_, index) => {
    const at = 48 + index * 16;
    const plain = (words: number[] | undefined) =>
      words?.slice(at, at + 14).filter((_, field) => ![6, 7, 8, 11].includes(field));
    expect(plain(quick?.words)).toEqual(plain(slow.words));
  });
}

test.each([
  ["a chain that nobody declared", "*filter\n-A MINE -j DROP\nCOMMIT\n"],
  ["a loop", "*filter\n:A - [0:0]\n:B - [0:0]\n-A INPUT -j A\n-A A -j B\n-A B -j A\nCOMMIT\n"],
  ["a jump to a built-in chain", "*filter\n:A - [0:0]\n-A A -j INPUT\nCOMMIT\n"],
  ["a target in the wrong table", "*filter\n-A INPUT -p tcp -j DNAT --to-destination 1.2.3.4:5\nCOMMIT\n"],
  [
    "a target in the wrong hook",
    "*nat\n:A - [0:0]\n-A POSTROUTING -j A\n-A A -p tcp -j DNAT --to-destination 1.2.3.4:5\nCOMMIT\n",
  ],
  ["an incoming device in OUTPUT", "*filter\n-A OUTPUT -i eth0 -j DROP\nCOMMIT\n"],
  ["a table without end", "*filter\n-A INPUT -j DROP\n"],
  ["a table that comes twice", "*filter\nCOMMIT\n*filter\nCOMMIT\n"],
  ["a list of addresses", "*filter\n-A INPUT -s 1.1.1.1,2.2.2.2 -j DROP\nCOMMIT\n"],
  ["a rule that is inserted", "*filter\n-I INPUT -j DROP\nCOMMIT\n"],
])("%s is left to the long way", (_, text) => {
  expect(quickly(text)).toBeUndefined();
});
