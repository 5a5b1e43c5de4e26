// Rules of both families in one namespace: texts, errors, counters and changes of each are its own.
import { describe, expect, test } from "vitest";
import { RULE_OF_IPV6 } from "../../assembly/layout/rules.ts";
import { RuleSets } from "../../src/engine/rules.ts";
import { PreparedRun } from "../../src/engine/run.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { compileKernel, newMemory } from "../../src/kernel/load.ts";
import type { Plan } from "../../src/seam/plan.ts";
import { machineOf, planOf } from "../kernel/network.ts";

const FOUR = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 10.0.0.1/32 -j DROP\nCOMMIT\n";
const SIX =
  "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:C - [0:0]\n" +
  "-A INPUT -s fd00::1/128 -j C\n-A C -d fd00:2::/64 -j DROP\nCOMMIT\n";
const CHANGE = "*filter\n:C - [0:0]\n-A C -d fd00:3::/64 -j DROP\nCOMMIT\n";
const CHANGED = SIX.replace("fd00:2::", "fd00:3::");

function planWith(ipv6Rules: string, more: Partial<Plan> = {}): Plan {
  const machine = machineOf("m", { namespaces: { a: { rules: FOUR }, b: {} } });
  const namespaces = machine.namespaces.map((one) => ({ ...one, ipv6Rules }));
  return planOf([{ ...machine, namespaces }], { durationNs: 1e9, ...more });
}

const change = {
  atNs: 5e8,
  namespace: "b",
  action: { kind: "rules" as const, family: "ipv6" as const, restored: CHANGE, rules: CHANGED },
};

describe("rules of ip6tables", () => {
  test("stand in the results beside those of iptables, also where a namespace has no others", async () => {
    const result = await new PreparedRun(planWith(SIX)).run({ workers: 1 });
    expect(Object.keys(result.rules)).toEqual(["a"]);
    expect(Object.keys(result.ipv6Rules)).toEqual(["a", "b"]);
    expect(result.ipv6Rules["b"]).toBe(SIX.replaceAll("-A", "[0:0] -A"));
    expect(result.rules["a"]).toContain("[0:0] -A INPUT -s 10.0.0.1/32 -j DROP");
  });

  test("are changed by themselves", async () => {
    const result = await new PreparedRun(planWith(SIX, { changes: [change] })).run({ workers: 1 });
    expect(result.ipv6Rules["a"]).toBe(SIX.replaceAll("-A", "[0:0] -A"));
    expect(result.ipv6Rules["b"]).toBe(CHANGED.replaceAll("-A", "[0:0] -A"));
  });

  test("count by themselves", () => {
    const run = new PreparedRun(planWith(SIX)).alone();
    const ns = run.built.namespaces.get("a") ?? 0;
    const { kernel } = run.worker;
    kernel.setRuleCounter(ns, 0, 3, 180, "ipv6");
    kernel.setRuleCounter(ns, 1, 5, 500);
    const six = run.rules.print("a", kernel.ruleCounters(ns, "ipv6"), 0, "ipv6");
    expect(six).toBe(SIX.replaceAll("-A", "[0:0] -A").replace("[0:0] -A INPUT", "[3:180] -A INPUT"));
    expect(run.rules.print("a", kernel.ruleCounters(ns), 0)).toContain(":INPUT ACCEPT [5:500]");
    expect(run.rules.print("a", kernel.ruleCounters(ns), 0)).toContain("[0:0] -A INPUT -s 10.0.0.1/32 -j DROP");
  });

  test("have numbers of their own, by which denials and traces know them", () => {
    const plan = planWith(SIX, { changes: [change] });
    const sets = new RuleSets(plan, new Kernel(compileKernel(), newMemory()));
    expect(sets.denial("a", 0, 0)?.rule).toBe("-A INPUT -s 10.0.0.1/32 -j DROP");
    expect(sets.denial("a", RULE_OF_IPV6, 0)?.rule).toBe("-A INPUT -s fd00::1/128 -j C");
    expect(sets.ruleAt("b", RULE_OF_IPV6 + 4)).toMatchObject({ family: "ipv6", reference: { chain: "C", index: 0 } });
    expect(sets.ruleAt("b", 0)).toBeUndefined();
    const { ruleSets, rules } = sets.texts(["a", "b"]);
    expect(ruleSets).toEqual({ ipv4: [0, -1], ipv6: [1, 1] });
    expect(rules[1]?.[4]).toBe("filter C 1 -d fd00:2::/64 -j DROP");
  });

  test("that are wrong are told from those of iptables", () => {
    const make = (text: string) => () => new RuleSets(planWith(text), new Kernel(compileKernel(), newMemory()));
    expect(make("*filter\n-A INPUT -s 10.0.0.1 -j DROP\nCOMMIT\n")).toThrow(
      'IPv6 rules of a:2: -s: "10.0.0.1" is not an IPv6 address or block, such as fd00::/8',
    );
    expect(make("*filter\n-A INPUT -m set --match-set pods src -j DROP\nCOMMIT\n")).toThrow(
      "IPv6 rules of a: there is no ipset pods on this machine",
    );
  });
});
