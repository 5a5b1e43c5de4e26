// What rule sets of several sizes cost, as spreads: parsing, compiling and changing them.
import { Bench } from "tinybench";
import { ruleTexts } from "../src/bench/rules.ts";
import { NameTable } from "../src/iptables/names.ts";
import { parseRules } from "../src/iptables/parse.ts";
import { compileRules } from "../src/iptables/records.ts";
import { restore } from "../src/iptables/restore.ts";

const bench = new Bench({ iterations: 5, time: 0, warmupIterations: 1, warmupTime: 0, throws: true });
for (const services of [100, 1000]) {
  const { nodes, change, rules } = ruleTexts(services);
  const set = parseRules(nodes[0], "rules of node-1");
  const size = `${services} Services (${rules} rules)`;
  bench.add(`parse, ${size}`, () => parseRules(nodes[0], "rules of node-1"));
  bench.add(`compile, ${size}`, () => compileRules(set, new NameTable()));
  bench.add(`change one Service, ${size}`, () =>
    compileRules(restore(set, change, { noflush: true }), new NameTable()),
  );
}
await bench.run();
console.table(bench.table());
