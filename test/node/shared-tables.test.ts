// Nodes that see the same Services share what kube-proxy makes of them, and no node's text shows it.
import { expect, test } from "vitest";
import { clusterOf, rulesOf, type BenchPod } from "../../src/bench/cluster.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";
import {
  commonTables,
  printTables,
  RuleTable,
  rulesOf as rulesOfTables,
  type NodeTables,
} from "../../src/node/tables.ts";

const PODS: BenchPod[] = [1, 2].map((node) => ({ name: `pod-${node}`, node, place: 0, serves: true }));

/** The rules of both nodes of a cluster, made one after the other from the same lists, and each from lists of its own. */
function bothWays(make: () => ReturnType<typeof clusterOf>): { shared: string[]; alone: string[] } {
  const cluster = make();
  return { shared: [1, 2].map((node) => rulesOf(cluster, node)), alone: [1, 2].map((node) => rulesOf(make(), node)) };
}

test("the second node's rules are what they are without a first one", () => {
  const { shared, alone } = bothWays(() => clusterOf(2, PODS, 3));
  expect(shared).toEqual(alone);
  expect(shared[0]).not.toBe(shared[1]);
});

test("where a policy asks for local endpoints, each node has its own", () => {
  const { shared, alone } = bothWays(() => {
    const cluster = clusterOf(2, PODS, 2);
    return {
      ...cluster,
      services: cluster.services.map((one) => ({ ...one, internalTrafficPolicy: "Local" as const })),
    };
  });
  expect(shared).toEqual(alone);
  const reached = shared.map((text) => [...text.matchAll(/--to-destination ([\d.]+)/g)].map(([, address]) => address));
  expect(reached.map((addresses) => [...new Set(addresses)])).toEqual([["10.0.1.2"], ["10.0.2.2"]]);
});

test("where hints keep endpoints for a zone, each node has those of its zone", () => {
  const { shared, alone } = bothWays(() => {
    const cluster = clusterOf(2, PODS, 2, ["UDP"]);
    const zones = ["a", "b"];
    const all = cluster.endpointSlices.flatMap(({ endpoints }) => endpoints);
    const endpoints = all.map((one, i) => ({ ...one, forZones: [zones[i] ?? ""] }));
    return {
      ...cluster,
      nodes: cluster.nodes.map((node, i) => ({ ...node, labels: { "topology.kubernetes.io/zone": zones[i] ?? "" } })),
      endpointSlices: cluster.endpointSlices.map((slice) => ({ ...slice, endpoints })),
    };
  });
  expect(shared).toEqual(alone);
  expect(shared[0]).not.toContain("10.0.2.2:80");
  expect(shared[1]).not.toContain("10.0.1.2:80");
});

test.each(["A-FIRST", "M-BETWEEN", "Z-LAST", "K-ONE"])(
  "what a table adds in chain %s stands in its place, and in no other table",
  (chain) => {
    const fill = (table: RuleTable): void => {
      table.append("PREROUTING", { target: "K-ONE" });
      for (const name of ["K-ONE", "N-TWO"]) table.append(name, { protocol: "tcp", target: "RETURN" });
    };
    const add = (table: RuleTable): void => {
      table.append(chain, { protocol: "udp", target: "ACCEPT" });
      table.prepend("PREROUTING", { target: chain });
      table.declare("N-TWO", "O-EMPTY");
    };
    const plain = new RuleTable("nat");
    fill(plain);
    const untouched = plain.print();
    add(plain);
    const base = { mangle: new RuleTable("mangle"), nat: new RuleTable("nat"), filter: new RuleTable("filter") };
    fill(base.nat);
    const { make } = commonTables(base);
    const { nat } = make();
    expect(nat.print()).toBe(untouched);
    add(nat);
    expect(nat.print()).toBe(plain.print());
    expect(make().nat.print()).toBe(untouched);
  },
);

/** Tables with some chains in each. */
function filled(): NodeTables {
  const tables = { mangle: new RuleTable("mangle"), nat: new RuleTable("nat"), filter: new RuleTable("filter") };
  for (const table of [tables.mangle, tables.nat, tables.filter]) {
    table.append("OUTPUT", { target: "K-ONE" });
    for (const name of ["K-ONE", "N-TWO"]) table.append(name, { protocol: "tcp", target: "RETURN" });
  }
  return tables;
}

test("in two parts, a table says the same as whole: chains that are added to, new ones, and ones that are not there", () => {
  const like = commonTables(filled());
  const more = (tables: NodeTables): NodeTables => {
    tables.nat.prepend("PREROUTING", { target: "A-NEW" });
    tables.nat.append("A-NEW", { source: "10.0.0.1/32", target: "ACCEPT" });
    tables.filter.append("N-TWO", { target: "DROP" });
    return tables;
  };
  const begun = more(like.make());
  expect(rulesOfTables(begun)).toEqual({
    common: like.text,
    own: `*filter
:N-TWO - [0:0]
-A N-TWO -p tcp -j RETURN
-A N-TWO -j DROP
COMMIT
*nat
:A-NEW - [0:0]
-F PREROUTING
-A PREROUTING -j A-NEW
-A A-NEW -s 10.0.0.1/32 -j ACCEPT
COMMIT
`,
  });
  expect(wholeText(rulesOfTables(begun))).toBe(printTables(begun));

  const apart = { mangle: new RuleTable("mangle"), nat: new RuleTable("nat"), filter: new RuleTable("filter") };
  const beside: NodeTables = { ...apart, like };
  for (const table of [apart.nat, apart.filter]) {
    table.append("OUTPUT", { target: "K-ONE" });
    table.append("K-ONE", { protocol: "tcp", target: "RETURN" });
  }
  expect(rulesOfTables(beside)).toMatchObject({
    own: `*mangle
:K-ONE - [0:0]
:N-TWO - [0:0]
-F OUTPUT
-X K-ONE
-X N-TWO
COMMIT
*filter
:N-TWO - [0:0]
-X N-TWO
COMMIT
*nat
:N-TWO - [0:0]
-X N-TWO
COMMIT
`,
  });
  expect(wholeText(rulesOfTables(beside))).toBe(printTables(apart));
});
