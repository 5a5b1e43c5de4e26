// What a scenario says of links comes to the plan's wires and veths; what it cannot mean is refused with a sentence.
import { describe, expect, test } from "vitest";
import { parseDocuments } from "../../src/documents/document.ts";
import { InputError } from "../../src/errors.ts";
import { prepare, type PreparedScenario } from "../../src/scenario/prepare.ts";
import { scenarioSchema } from "../../src/scenario/schema.ts";

const POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web}]}\n";

function prepared(spec: string): PreparedScenario {
  const [document] = parseDocuments(
    `apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: {name: test}\nspec: {cluster: {nodes: 2}, traffic: [], ${spec}}\n`,
    "scenario.yaml",
  );
  if (!document) throw new Error("no document");
  const sources = { scenario: document.validate(scenarioSchema), document, manifests: parseDocuments(POD, "pod.yaml") };
  return prepare(sources, { outDir: "", capture: [] });
}

/** The links and MTUs that differ from what a device has by itself, by device. */
function set(spec: string): Record<string, unknown> {
  const { machines } = prepared(spec).plan;
  const ends = machines.flatMap(({ wires, veths }) => [
    ...wires.map((wire) => ({ ...wire, mtu: wire.mtu === 1500 ? undefined : wire.mtu })),
    ...veths.flatMap(({ a, b }) => [a, b]),
  ]);
  const found = ends.flatMap(({ namespace, name, netem, mtu }) => {
    const end = { ...netem, ...(mtu === undefined ? {} : { mtu }) };
    return Object.keys(end).length > 0 ? [[`${namespace}/${name.replace(/^veth.*/, "veth")}`, end] as const] : [];
  });
  return Object.fromEntries(found);
}

function sentence(spec: string): string {
  try {
    prepared(spec);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  throw new Error("nothing was wrong");
}

const LINK = { latencyNs: 50_000, rate: 10e9 };

test("latency and rate alone are the segment's, and no link of a device", () => {
  expect(set("links: {nodes: {latency: 1ms, rate: 1Gbit}}")).toEqual({});
  expect(prepared("links: {nodes: {latency: 1ms, rate: 1Gbit}}").plan.segments[0]).toEqual({
    name: "nodes",
    latencyNs: 1e6,
    rate: 1e9,
  });
});

test("what a segment has, every wire on it has", () => {
  const loss = { ...LINK, loss: { probability: 0.01 } };
  expect(set("links: {nodes: {loss: 1%}}")).toEqual({ "node-1/eth0": loss, "node-2/eth0": loss, "gateway/eth0": loss });
});

test("what is said of a device comes over what its segment has, word by word, later over earlier", () => {
  const spec = `links: {internet: {corrupt: 1%}, devices: [
    {devices: [node-*/eth0], loss: 1%, rate: 1Gbit}, {devices: [node-1/eth0], loss: 2%}, {devices: [gateway/eth1], latency: 20ms}]}`;
  expect(set(spec)).toEqual({
    "node-1/eth0": { ...LINK, rate: 1e9, loss: { probability: 0.02 } },
    "node-2/eth0": { ...LINK, rate: 1e9, loss: { probability: 0.01 } },
    "gateway/eth1": { latencyNs: 20e6, rate: 1e9, corrupt: { probability: 0.01 } },
    "internet/eth0": { latencyNs: 10e6, rate: 1e9, corrupt: { probability: 0.01 } },
  });
});

test("a pod's link is set for what it sends, for what comes to it, or both; netem's limit is 1000", () => {
  const link = { latencyNs: 0, rate: 10e6, limit: { packets: 1000 } };
  const spec = (direction: string): string =>
    `links: {devices: [{devices: [default/web/eth0], rate: 10Mbit${direction}}]}`;
  expect(set(spec(""))).toEqual({ "default/web/eth0": link });
  expect(set(spec(", direction: ingress"))).toEqual({ "node-1/veth": link });
  expect(set(spec(", direction: both"))).toEqual({ "default/web/eth0": link, "node-1/veth": link });
});

test("the MTU of the nodes' wires is that of the gateway too, and pods have what fits through", () => {
  const spec = (more: string): string => `links: {nodes: {mtu: 1400}${more}}`;
  expect(set(spec(""))).toEqual({
    "node-1/eth0": { mtu: 1400 },
    "node-2/eth0": { mtu: 1400 },
    "gateway/eth0": { mtu: 1400 },
  });
  expect(prepared(spec("")).plan.machines[0]?.veths[0]?.mtu).toBe(1400);
  expect(set(spec(", devices: [{devices: [default/web/eth0], mtu: 1300}]"))).toMatchObject({
    "default/web/eth0": { mtu: 1300 },
  });
});

describe("the words are those of tc-netem", () => {
  test.each<[string, unknown]>([
    ["loss: 1% 25%", { loss: { probability: 0.01, correlation: 0.25 } }],
    ["loss: random 1%", { loss: { probability: 0.01 } }],
    ["loss: gemodel 1%", { loss: { p: 0.01, r: 0.99, lostInBad: 1, lostInGood: 0 } }],
    ["loss: gemodel 1% 10% 70% 0.1%", { loss: { p: 0.01, r: 0.1, lostInBad: 0.7, lostInGood: 0.001 } }],
    ["jitter: 10us 25%, distribution: pareto", { jitter: { ns: 10_000, correlation: 0.25, distribution: "pareto" } }],
    ["duplicate: 1%, duplicateDelay: 1ms", { duplicate: { probability: 0.01, delayNs: 1e6 } }],
    ["corrupt: 0.1% 10%", { corrupt: { probability: 0.001, correlation: 0.1 } }],
    ["reorder: 25% 50% gap 5", { reorder: { probability: 0.25, correlation: 0.5, gap: 5 } }],
    ["reorder: 25%", { reorder: { probability: 0.25, gap: 1 } }],
    ["limit: 100", { limit: { packets: 100 } }],
    ["limit: 64kb", { limit: { bytes: 65536 } }],
  ])("%s", (words, expected) => {
    expect(set(`links: {nodes: {${words}}}`)["node-1/eth0"]).toEqual({ ...LINK, ...(expected as object) });
  });
});

describe("what makes no sense is refused", () => {
  test.each([
    [
      "nodes: {loss: 101%}",
      "101% is no loss; write a percentage such as 1% or 1% 25%, or gemodel p r 1-h 1-k, such as gemodel 1% 10% 70% 0.1%",
    ],
    ["nodes: {loss: state 1%}", "loss state, the model with four states, is not emulated yet"],
    [
      "nodes: {corrupt: lots}",
      "lots is no share of frames; write a percentage and, if need be, a correlation, such as corrupt: 1% 25%",
    ],
    ["nodes: {reorder: 25% gap 0}", "25% gap 0 is no reordering"],
    ["nodes: {limit: 10MB}", "10MB is no limit; write a number of packets such as 100, or bytes such as 64kb"],
    ["nodes: {jitter: 3s}", "3s is too long; netem takes jitter up to 2147483647ns"],
    ["nodes: {jitter: much}", "much is no jitter; write a time and, if need be, a correlation, such as 10us 25%"],
    ["nodes: {distribution: normal}", "should come with jitter, whose distribution it is"],
    ["nodes: {jitter: 1us, distribution: bell}", "should be one of uniform, normal, pareto, paretonormal"],
    ["nodes: {duplicateDelay: 1ms}", "should come with duplicate"],
    ["nodes: {delay: 1ms}", "there is no such field"],
    ["nodes: {mtu: 100}", "mtu"],
    ["devices: [{devices: [node-9/eth0], loss: 1%}]", "node-9/eth0 is no wire and no end of a veth pair"],
    ["devices: [{devices: [node-1/vbr0], loss: 1%}]", "node-1/vbr0 is no wire and no end of a veth pair"],
    [
      "devices: [{devices: [node-1/eth0], latency: 10ns}]",
      "should be at least 1us for node-1/eth0, which is on a wire",
    ],
    [
      "devices: [{devices: [node-1/eth0], loss: 1%, direction: ingress}]",
      "node-1/eth0 is on a wire, which is set for what a device sends",
    ],
    ["devices: [{devices: [default/web/eth0], reorder: 1%}]", "should come with a latency for default/web/eth0"],
    ["devices: [{devices: [default/web/eth0], direction: left}]", "should be egress, ingress or both"],
  ])("%s", (links, expected) => {
    expect(sentence(`links: {${links}}`)).toContain(expected);
  });
});

describe("a timeline", () => {
  const events = (entries: string) => {
    const { plan, events } = prepared(`timeline: [${entries}]`);
    return {
      actions: plan.changes?.map(({ namespace, action }) => ({ namespace, ...action })),
      what: events.map(({ what }) => what),
    };
  };

  test("takes links down and up, parts nodes and brings them together", () => {
    expect(events("{at: 1s, link: node-1/eth0, state: down}, {at: 2s, link: node-1/eth0, state: up}")).toEqual({
      actions: [
        { namespace: "node-1", kind: "carrier", device: "eth0", on: false },
        { namespace: "node-1", kind: "carrier", device: "eth0", on: true },
      ],
      what: ["link node-1/eth0 down", "link node-1/eth0 up"],
    });
    expect(events("{at: 1s, partition: [[node-1], [node-2, gateway]]}, {at: 2s, heal: partition}")).toEqual({
      actions: [
        { namespace: "", kind: "partition", sets: [["node-1"], ["node-2", "gateway"]] },
        { namespace: "", kind: "heal" },
      ],
      what: ["partition between node-1 and node-2, gateway", "end of the partition"],
    });
  });

  test.each([
    ["{at: 1s, link: node-1/eth7, state: down}", "node-1/eth7 is no wire and no end of a veth pair"],
    ["{at: 1s, link: node-1/eth0}", "should have link and state together"],
    ["{at: 1s, link: node-1/eth0, state: broken}", "should be up or down"],
    ["{at: 1s, partition: [[node-1]]}", "should be at least two sets of nodes"],
    ["{at: 1s, partition: [[node-1], [node-3]]}", "there is no machine node-3"],
    ["{at: 1s, partition: [[node-1], [node-2, node-1]]}", "node-1 is in a set already"],
    ["{at: 1s, heal: node-1}", "should be partition"],
    [
      "{at: 1s}",
      "should have one of apply, delete, scale, rollout, kill, cordon, uncordon, drain, taint, flush, link, partition, heal",
    ],
  ])("%s", (entry, expected) => {
    expect(sentence(`timeline: [${entry}]`)).toContain(expected);
  });
});
