// A rule set that was made by restoring some chains of another is the one that the whole text gives, rule by rule, as the kernel has it.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  BLOCK_BASE,
  BLOCK_ENTRIES,
  BLOCK_HEADER,
  HOOK_COUNT,
  MATCH_SIZE,
  RULE_IN,
  RULE_INDEX,
  RULE_MATCHES,
  RULE_MATCH_COUNT,
  RULE_OUT,
  RULE_SIZE,
  RULE_TARGET,
  RULE_TARGET_ARG,
  TABLE_COUNT,
  TARGET_JUMP,
} from "../../assembly/layout/rules.ts";
import { clusterOf, rulesOf } from "../../src/bench/cluster.ts";
import { changeRules } from "../../src/engine/rule-change.ts";
import { ChangeableRules } from "../../src/engine/rule-family.ts";
import { RuleSets } from "../../src/engine/rules.ts";
import { compileText } from "../../src/iptables/compile.ts";
import { NameTable } from "../../src/iptables/names.ts";
import { parseRules } from "../../src/iptables/parse.ts";
import { printRule, printRules } from "../../src/iptables/print.ts";
import { restore } from "../../src/iptables/restore.ts";
import { Kernel, type Handle } from "../../src/kernel/kernel.ts";
import { compileKernel, newMemory } from "../../src/kernel/load.ts";
import { partialSync } from "../../src/node/kube-proxy/partial-sync.ts";
import type { Plan } from "../../src/seam/plan.ts";

const kernel = new Kernel(compileKernel(), newMemory());
const names = new NameTable();

function loaded(text: string): ChangeableRules {
  const { words, quick, count } = compileText(text, names, "rules");
  if (!quick) throw new Error(`not plain: ${text}`);
  const block = kernel.placeWords(words);
  kernel.calls.admitRules(block, block + BLOCK_HEADER, count);
  return ChangeableRules.of(kernel, block, text, quick);
}

/** All that packets can come to in a set, as the kernel reads it, chain after chain in the order in which they are reached. */
function reachable(set: ChangeableRules): unknown {
  const base = (set.block + kernel.word(set.block + BLOCK_BASE)) >>> 0;
  const at = (offset: number): Handle => (base + offset) >>> 0;
  const chains: Handle[] = [];
  const entries = Array.from({ length: TABLE_COUNT * HOOK_COUNT }, (_, i) =>
    kernel.word(set.block + BLOCK_ENTRIES + i * 4),
  );
  const numberOf = (rule: Handle): number => {
    const known = chains.indexOf(rule);
    return known < 0 ? chains.push(rule) - 1 : known;
  };
  const begins = entries.map((entry) => (entry === 0 ? -1 : numberOf(at(entry))));
  const list: unknown[] = [];
  for (let chain = 0; chain < chains.length; chain++) {
    for (let rule = chains[chain] ?? 0; ; rule += RULE_SIZE) {
      const words = [...kernel.words(rule, RULE_SIZE / 4)];
      const field = (offset: number): number => words[offset / 4] ?? 0;
      const record = (offset: number, size: number): number[] =>
        offset === 0 ? [] : [...kernel.words(at(offset), size)];
      const argument = field(RULE_TARGET_ARG);
      const reference = set.reference(field(RULE_INDEX));
      const read = set.rule(field(RULE_INDEX));
      list.push([
        words.slice(0, RULE_IN / 4),
        record(field(RULE_IN), 8),
        record(field(RULE_OUT), 8),
        field(RULE_MATCH_COUNT) === 0 ? [] : record(field(RULE_MATCHES), (field(RULE_MATCH_COUNT) * MATCH_SIZE) / 4),
        field(RULE_TARGET),
        field(RULE_TARGET) === TARGET_JUMP ? numberOf(at(argument)) : record(argument, 8),
        reference,
        read && printRule(reference?.chain ?? "", read),
      ]);
      if (reference?.index === "policy" || reference === undefined) break;
    }
  }
  return { begins, list };
}

/** The set after a restore, made both ways. */
function expectChanged(before: string, change: string): void {
  const changed = changeRules(loaded(before), change);
  const after = printRules(restore(parseRules(before), change, { noflush: true }));
  expect(changed && reachable(changed.rules)).toEqual(reachable(loaded(after)));
}

test("one Service's endpoint moves, one Service comes, one goes", () => {
  const pods = (place: number) => [{ name: `server-${place}`, node: 2, place, serves: true }];
  const text = (services: number, place: number) => rulesOf(clusterOf(2, pods(place), services), 1);
  const [small, large, moved] = [text(30, 0), text(31, 0), text(30, 1)];
  for (const [before, after] of [
    [small, large],
    [large, small],
    [small, moved],
  ] as const) {
    const change = partialSync(before, after);
    const changed = changeRules(loaded(before), change);
    expect(changed && reachable(changed.rules)).toEqual(reachable(loaded(after)));
    expectChanged(before, change);
  }
});

test("changes follow each other, and earlier sets stay what they were", () => {
  const texts = [5, 6, 4, 4, 9].map((services, i) =>
    rulesOf(clusterOf(2, [{ name: `pod-${i % 2}`, node: 2, place: i % 2, serves: true }], services), 1),
  );
  let [before = ""] = texts;
  let set = loaded(before);
  const sets = [set];
  for (const after of texts.slice(1)) {
    const changed = changeRules(set, partialSync(before, after));
    if (!changed) throw new Error("not changed");
    set = changed.rules;
    before = after;
    sets.push(set);
  }
  texts.forEach((text, i) => expect(reachable(sets[i] ?? set)).toEqual(reachable(loaded(text))));
});

test("a set that is loaded as a whole after a change keeps the counters of the rules that stay, and no others", () => {
  const text = (c: string, forward = "") =>
    `*filter\n:FORWARD ACCEPT [0:0]\n:B - [0:0]\n:C - [0:0]\n${forward}-A FORWARD -j B\n-A B -j C\n${c}COMMIT\n`;
  const [first, second, third] = [
    text("-A C -s 10.0.0.1/32 -j ACCEPT\n"),
    text("-A C -s 10.0.0.2/32 -j ACCEPT\n"),
    // A limit keeps a state of its own.
    text("-A C -s 10.0.0.2/32 -j ACCEPT\n", "-A FORWARD -s 10.0.0.3/32 -m limit --limit 1/sec -j DROP\n"),
  ];
  const own = new Kernel(compileKernel(), newMemory());
  const namespace = { name: "n", role: "node", sysctls: [], rules: first };
  const plan = {
    machines: [{ namespaces: [namespace] }],
    changes: [
      { atNs: 1, namespace: "n", action: { kind: "rules", restored: partialSync(first, second), rules: second } },
      { atNs: 2, namespace: "n", action: { kind: "rules", restored: partialSync(second, third), rules: third } },
    ],
  } as unknown as Plan;
  const sets = new RuleSets(plan, own);
  const [changed, whole] = sets.place(plan, ["n"], () => 0).map(({ action }) => action);
  expect(changed).toMatchObject({ kind: "rules", changed: true });
  if (whole?.kind !== "rules" || whole.changed) throw new Error("not loaded as a whole");
  const pairs = Array.from({ length: whole.kept.length / 2 }, (_, i) => whole.kept.slice(2 * i, 2 * i + 2));
  const textAt = (index: number, atNs: number) => sets.denial("n", index, atNs);
  expect(pairs.map(([is = -1]) => textAt(is, 1)?.rule)).toEqual(pairs.map(([, is = -1]) => textAt(is, 2)?.rule));
  expect(pairs.map(([is = -1]) => textAt(is, 1)?.rule).filter((rule) => rule?.startsWith("-A"))).toEqual([
    "-A FORWARD -j B",
    "-A B -j C",
    "-A C -s 10.0.0.2/32 -j ACCEPT",
  ]);
});

test("rules of a built-in chain that stay keep their counters when others come and go, and so does its policy", () => {
  const text = (...sources: string[]) =>
    `*filter\n:FORWARD DROP [0:0]\n:B - [0:0]\n${sources.map((one) => `-A FORWARD -s 10.0.0.${one}/32 -j B\n`).join("")}COMMIT\n`;
  const [first, second] = [text("1", "2", "3", "4"), text("5", "1", "3", "6")];
  const restored = partialSync(first, second);
  expect(restored).toContain("-F FORWARD\n");
  const plan = {
    machines: [{ namespaces: [{ name: "n", role: "node", sysctls: [], rules: first }] }],
    changes: [{ atNs: 1, namespace: "n", action: { kind: "rules", restored, rules: second } }],
  } as unknown as Plan;
  const sets = new RuleSets(plan, new Kernel(compileKernel(), newMemory()));
  const [change] = sets.place(plan, ["n"], () => 0).map(({ action }) => action);
  if (change?.kind !== "rules" || !change.changed) throw new Error("not changed");
  const kept = Array.from({ length: change.kept.length / 2 }, (_, i) =>
    [0, 1].map((atNs) => sets.denial("n", change.kept[2 * i + atNs] ?? -1, atNs)?.rule),
  );
  expect(kept).toEqual(
    ["-P FORWARD DROP", "-A FORWARD -s 10.0.0.1/32 -j B", "-A FORWARD -s 10.0.0.3/32 -j B"].map((rule) => [rule, rule]),
  );
});

const line = (chain: string, chains: string[]) =>
  fc
    .tuple(
      fc.constantFrom("", "-s 10.0.0.1/32 ", "-d 10.0.0.2/32 ", "-d 10.1.0.0/16 "),
      fc.constantFrom("", "-p tcp -m tcp --dport 80 ", "-p udp -m udp --dport 53 ", "-i eth0 "),
      fc.constantFrom("-j ACCEPT", "-j MARK --set-xmark 0x1/0x1", ...chains.map((name) => `-j ${name}`)),
    )
    .map((parts) => `-A ${chain} ${parts.join("")}`);
const ORDER = ["C1", "C2", "C3", "C4"];
const rulesFor = (chain: string, maxLength: number) =>
  fc.array(line(chain, ORDER.slice(ORDER.indexOf(chain) + 1)), { maxLength });

test("random chains restored into random sets", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(
      fc.array(line("FORWARD", ORDER), { maxLength: 3 }),
      fc.tuple(...ORDER.map((chain) => rulesFor(chain, 12))),
      fc.subarray(ORDER, { minLength: 1 }),
      fc.tuple(...ORDER.map((chain) => rulesFor(chain, 12))),
      fc.option(fc.array(line("FORWARD", ORDER), { maxLength: 3 })),
      (forward, first, restored, second, flushed) => {
        const declared = (some: string[]) => some.map((chain) => `:${chain} - [0:0]\n`).join("");
        const before = `*filter\n:FORWARD DROP [0:0]\n${declared(ORDER)}${[...forward, ...first.flat()].map((one) => `${one}\n`).join("")}COMMIT\n`;
        const anew = flushed === null ? [] : ["-F FORWARD", ...flushed];
        const lines = [...anew, ...restored.flatMap((chain) => second[ORDER.indexOf(chain)] ?? [])];
        expectChanged(before, `*filter\n${declared(restored)}${lines.map((one) => `${one}\n`).join("")}COMMIT\n`);
      },
    ),
    { numRuns: 300, seed: 1 },
  );
});

const BASE = "*filter\n:A - [0:0]\n:B - [0:0]\n-A INPUT -j A\n-A A -j B\nCOMMIT\n";
test.each([
  ["a loop", "*filter\n:B - [0:0]\n-A B -j A\nCOMMIT\n"],
  ["a jump to nowhere", "*filter\n:B - [0:0]\n-A B -j C\nCOMMIT\n"],
  ["a chain that is deleted while a rule leads to it", "*filter\n:B - [0:0]\n-X B\nCOMMIT\n"],
  ["a chain in a table that is not there", "*mangle\n:C - [0:0]\n-A C -j RETURN\nCOMMIT\n"],
  ["a rule in a built-in chain", "*filter\n-A INPUT -j DROP\nCOMMIT\n"],
  ["a device that packets of a built-in chain do not have", "*filter\n-F INPUT\n-A INPUT -o eth0 -j A\nCOMMIT\n"],
  ["a match with a state of its own", "*filter\n:B - [0:0]\n-A B -m limit --limit 1/s\nCOMMIT\n"],
  [
    "a device that packets do not have there",
    "*filter\n:B - [0:0]\n-A B -m physdev --physdev-is-bridged -j WHAT\nCOMMIT\n",
  ],
])("%s is left to those who read the whole set", (_, change) => {
  expect(changeRules(loaded(BASE), change)).toBeUndefined();
});
