// Load balancers of ipMode Proxy: the appliance between a client and a node port, by frames, and who the pod takes for its client.
import { beforeAll, describe, expect, test } from "vitest";
import { summary } from "../tools/summary.ts";
import { ended, framesOn, play, podOn, prepared, serviceOf, sourcesSeen, type Played } from "./play.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";

const LB = "192.168.0.254";
const CALLS = "{name: calls, from: internet, to: {loadBalancer: web}, protocol: tcp, rate: 40/s, stop: 500ms}";

function web(more = "", ports = "ports: [{port: 80, targetPort: 8080, nodePort: 30080}]"): string {
  return `${serviceOf("web", `type: LoadBalancer, selector: {app: web}, ${more}${ports}`)}
status: {loadBalancer: {ingress: [{ip: 192.0.2.9, ipMode: Proxy}]}}`;
}

const POD = podOn("node-1", "web", 8080);
const LOCAL = "externalTrafficPolicy: Local, healthCheckNodePort: 32000, ";

describe("an outside client", () => {
  let played: Played;
  beforeAll(async () => {
    played = await play(`  duration: 1s\n  cluster: {nodes: 2}\n  traffic: [${CALLS}]`, [POD, web()]);
  });

  test("talks to the load balancer alone, which talks to node ports from its own address", () => {
    expect(ended(played, "calls")).toBe("delivered 20");
    const [outside, inside] = ["load-balancer/eth0", "load-balancer/eth1"].map((device) =>
      framesOn(played, device).filter((line) => / tcp /.test(line) && !/:10256/.test(line)),
    );
    expect(outside?.slice(0, 2).map((line) => line.replace(/10:\d+/, "10:PORT").replace(/10:\d+/, "10:PORT"))).toEqual([
      "198.51.100.10:PORT > 192.0.2.9:80 tcp S",
      "192.0.2.9:80 > 198.51.100.10:PORT tcp S.",
    ]);
    expect(inside?.every((line) => /192\.168\.0\.254:\d+/.test(line) && /192\.168\.0\.1[12]:30080/.test(line))).toBe(
      true,
    );
    const counts = played.result.balancers[0]?.virtualServers[0]?.servers.map(({ connections }) => connections) ?? [];
    expect(counts.every((count) => count > 3)).toBe(true);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(20);
  });

  test("is neither on a node's wire nor in the pod's sight: that sees a node, as its node port masquerades", () => {
    const node = framesOn(played, "node-1/eth0");
    expect(node.filter((line) => /198\.51\.100\.10|192\.0\.2\.9/.test(line))).toEqual([]);
    expect(sourcesSeen(played, "default/web/eth0", 8080).sort()).toEqual(["10.244.1.1", "192.168.0.12"]);
  });
});

test("with policy Local the pod sees the load balancer, and only its node is sent anything", async () => {
  const played = await play(`  duration: 1s\n  cluster: {nodes: 2}\n  traffic: [${CALLS}]`, [POD, web(LOCAL)]);
  expect(ended(played, "calls")).toBe("delivered 20");
  expect(sourcesSeen(played, "default/web/eth0", 8080)).toEqual([LB]);
  expect(framesOn(played, "node-2/eth0").filter((line) => line.includes(":30080"))).toEqual([]);
});

describe("a client in the cluster", () => {
  const CLIENT = podOn("node-2", "client", 9);
  const FROM_POD = CALLS.replace("internet", "{pod: client}");
  let played: Played;
  beforeAll(async () => {
    played = await play(`  duration: 1s\n  cluster: {nodes: 2}\n  traffic: [${FROM_POD}]`, [POD, CLIENT, web(LOCAL)]);
  });

  test("goes out to the load balancer and back in, as kube-proxy has no rules for its address", () => {
    expect(ended(played, "calls")).toBe("delivered 20");
    // By its node's external address.
    const outside = framesOn(played, "load-balancer/eth0").filter((line) => / > 192\.0\.2\.9:80 tcp S$/.test(line));
    expect(outside).toHaveLength(20);
    expect(outside.every((line) => line.startsWith("203.0.113.12:"))).toBe(true);
    expect(sourcesSeen(played, "default/web/eth0", 8080)).toEqual([LB]);
    const rules = prepared("  duration: 1s", [POD, web()]).prepared.plan.machines.flatMap(({ namespaces }) =>
      namespaces.map((one) => (one.role === "node" ? wholeText(one.rules ?? "") : "")),
    );
    expect(rules.join("")).not.toContain("192.0.2.9");
  });
});

test("of mode VIP the same client never leaves its node's rules", async () => {
  const vip = web().replace("Proxy", "VIP");
  const from = CALLS.replace("internet", "{pod: client}");
  const played = await play(`  duration: 1s\n  cluster: {nodes: 2}\n  traffic: [${from}]`, [
    POD,
    podOn("node-2", "client", 9),
    vip,
  ]);
  expect(ended(played, "calls")).toBe("delivered 20");
  expect(framesOn(played, "load-balancer/eth0").filter((line) => line.includes(":80 "))).toEqual([]);
});

test("an endpoint without a server refuses behind the back of a client that was accepted: it is reset", async () => {
  const played = await play(`  duration: 1s\n  cluster: {nodes: 1}\n  traffic: [${CALLS}]`, [
    POD,
    web("", "ports: [{port: 80, targetPort: 9999, nodePort: 30080}]"),
  ]);
  expect(ended(played, "calls")).toBe("refused 20");
  const [first] = played.capture.packets.filter(
    ({ device, bytes }) => device === "load-balancer/eth0" && / tcp R/.test(summary(bytes)),
  );
  expect(summary(first?.bytes ?? new Uint8Array())).toMatch(/^192\.0\.2\.9:80 > 198\.51\.100\.10:\d+ tcp R\.$/);
});

test("what it cannot do is said by name", () => {
  const ports =
    "loadBalancerSourceRanges: [10.0.0.0/8], ports: [{name: a, port: 80, nodePort: 30080}, {name: b, port: 53, nodePort: 30053, protocol: UDP}]";
  const { warnings } = prepared("  duration: 1s", [POD, web("", ports)]).prepared;
  expect(warnings).toEqual([
    "nothing answers on 192.0.2.9:53/UDP of Service default/web: load balancers of ipMode Proxy relay TCP alone",
    "loadBalancerSourceRanges of Service default/web do not hold for 192.0.2.9: kube-proxy has no rules for ipMode Proxy, and the load balancer lets everybody in",
  ]);
  const bare = web("allocateLoadBalancerNodePorts: false, ", "ports: [{port: 80, targetPort: 8080}]");
  expect(prepared("  duration: 1s", [POD, bare]).prepared.warnings).toContain(
    "nothing answers on 192.0.2.9:80/TCP of Service default/web: a load balancer of ipMode Proxy relays to a node port, and it has none",
  );
});
