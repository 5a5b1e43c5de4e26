// The index, and looking at four keys at once, give what asking rule by rule gives: for any rules and packets the same verdicts, marks, counters, and the same rules
// that Linux would have looked at.
import fc from "fast-check";
import { expect, test } from "vitest";
import { MATCHER_INDEX, MATCHER_LINEAR, MATCHER_PLAIN } from "../../assembly/layout/codes.ts";
import { BATCH_HEADER, BATCH_USED, NS_RULES } from "../../assembly/layout/records.ts";
import { BLOCK_HEADER, BLOCK_RULES } from "../../assembly/layout/rules.ts";
import { STEP_A, STEP_B, STEP_KIND, STEP_MARK, STEP_RULE, STEP_SIZE } from "../../assembly/layout/trace.ts";
import { clusterOf, machinesOf } from "../../src/bench/cluster.ts";
import { ethernet, tcp, udp } from "./craft.ts";
import { Lab } from "./lab.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";

const X = "02:aa:00:00:00:01";
const ADDRESSES = ["10.0.2.1", "10.0.2.2", "10.0.2.3", "10.0.3.4"];
const SOURCES = ["10.0.1.9", "10.0.1.8", "10.0.1.7"];
const PORTS = [53, 80, 443];

const address = (flag: string, pool: string[]) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant("") },
    { weight: 6, arbitrary: fc.constantFrom(...pool).map((at) => `${flag} ${at}/32 `) },
    { weight: 1, arbitrary: fc.constantFrom(...pool).map((at) => `! ${flag} ${at}/32 `) },
    { weight: 1, arbitrary: fc.constantFrom(...pool).map((at) => `${flag} ${at}/24 `) },
  );
const protocol = fc.oneof(
  fc.constant(""),
  fc
    .tuple(fc.constantFrom("tcp", "udp"), fc.constantFrom("", ...PORTS.map(String), "! 80", "50:90"))
    .map(([name, port]) => {
      if (port === "") return `-p ${name} `;
      return `-p ${name} -m ${name} ${port.startsWith("!") ? `! --dport ${port.slice(2)}` : `--dport ${port}`} `;
    }),
);
const more = fc.constantFrom("", "", "", "-m mark --mark 0x1/0x1 ", "-m statistic --mode random --probability 0.5 ");
const target = fc.constantFrom(
  "-j MARK --set-xmark 0x1/0x1",
  "-j MARK --set-xmark 0x0/0x1",
  "-j C1",
  "-j C2",
  "-g C2",
  "-j RETURN",
  "-j ACCEPT",
  "-j DROP",
  "",
);
const rule = fc
  .tuple(address("-s", SOURCES), address("-d", ADDRESSES), protocol, more, target)
  .map((parts) => parts.join(""));
const rules = fc.array(rule, { minLength: 1, maxLength: 40 });

/** Chains that jump downwards only. */
function text(forward: string[], first: string[], second: string[]): string {
  const lines = [
    ...forward.map((one) => `-A FORWARD ${one}`),
    ...first.map((one) => `-A C1 ${one.replace("-j C1", "-j C2")}`),
    ...second.map((one) => `-A C2 ${one.replace(/-[jg] C[12]/, "-j ACCEPT")}`),
  ];
  return `*filter\n:FORWARD ACCEPT [0:0]\n:C1 - [0:0]\n:C2 - [0:0]\n${lines.join("\n")}\nCOMMIT\n`;
}

const packet = fc
  .tuple(
    fc.constantFrom(...SOURCES),
    fc.constantFrom(...ADDRESSES),
    fc.boolean(),
    fc.constantFrom(...PORTS, 99),
    fc.nat(3),
  )
  .map(([from, to, isTcp, port, cut]) => {
    const bytes = isTcp ? tcp({ from, to }, [5000, port], { flags: "S" }) : udp({ from, to }, [5000, port]);
    // Now and then the header is cut off, though its packet says so itself.
    if (cut !== 0 || !isTcp) return bytes;
    const short = bytes.slice(0, 28);
    short[3] = 28;
    return short;
  });

/** What the rules did with the packets: counters, drops, and each rule that matched with the first one looked at on the way to it. */
function outcome(ruleText: string, packets: readonly Uint8Array[], matcher: number): unknown {
  const lab = new Lab("release", {
    namespaces: {
      r: {
        sysctls: { "net.ipv4.ip_forward": 1, "net.ipv4.conf.all.rp_filter": 0 },
        addresses: { left: "10.0.1.254/24", right: "10.0.2.254/23" },
        neighbours: ADDRESSES.map((at) => `right ${at} ${X}`),
        rules: ruleText,
      },
      w: {},
    },
    veths: ["w/l r/left", "w/r r/right"],
  });
  const { calls } = lab.kernel;
  calls.setMatcher(matcher);
  const block = lab.kernel.word(lab.namespace("r") + NS_RULES);
  calls.indexRules(block, block + BLOCK_HEADER, lab.kernel.word(block + BLOCK_RULES), 2);
  const first = calls.setTrace(1, 0) >>> 0;
  lab.badChecksumsAllowed = true;
  packets.forEach((bytes, i) => lab.inject("r/left", ethernet(lab.mac("r/left"), X, 0x0800, bytes), i));
  lab.run(packets.length + 1);
  const steps: number[][] = [];
  const used = lab.kernel.word(first + BATCH_USED);
  for (let at = first + BATCH_HEADER; at < first + BATCH_HEADER + used; at += STEP_SIZE) {
    if (lab.kernel.word(at + STEP_KIND) !== STEP_RULE) continue;
    steps.push([STEP_A, STEP_B, STEP_MARK].map((field) => lab.kernel.word(at + field)));
  }
  calls.setTrace(0, 0);
  return { counters: lab.counters("r"), drops: lab.drops("r"), steps };
}

test("random rules and packets", { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(rules, rules, rules, fc.array(packet, { minLength: 1, maxLength: 12 }), (a, b, c, packets) => {
      const ruleText = text(a, b, c);
      const plain = outcome(ruleText, packets, MATCHER_PLAIN);
      expect(outcome(ruleText, packets, MATCHER_INDEX)).toEqual(plain);
      expect(outcome(ruleText, packets, MATCHER_LINEAR)).toEqual(plain);
    }),
    { numRuns: 60, seed: 7 },
  );
});

test("kube-proxy's rules of a cluster", { timeout: 120_000 }, () => {
  const pods = [
    { name: "client", node: 1, place: 0, serves: false },
    { name: "server", node: 2, place: 0, serves: true },
  ];
  const ruleText = wholeText(machinesOf(clusterOf(2, pods, 40))[0]?.namespaces[0]?.rules ?? "");
  const targets = ["10.192.0.11", "10.192.0.30", "10.192.0.50", "10.192.0.51", "10.0.2.1", "10.0.1.254"];
  const packets = targets.flatMap((to) => [
    udp({ from: "10.0.1.9", to }, [5000, 80]),
    tcp({ from: "10.0.1.9", to }, [5000, 80], { flags: "S" }),
    tcp({ from: "10.0.1.9", to }, [5001, 81], { flags: "S" }),
  ]);
  const plain = outcome(ruleText, packets, MATCHER_PLAIN);
  expect(outcome(ruleText, packets, MATCHER_INDEX)).toEqual(plain);
  expect(outcome(ruleText, packets, MATCHER_LINEAR)).toEqual(plain);
});
