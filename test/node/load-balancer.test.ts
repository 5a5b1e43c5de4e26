// The load balancer outside the nodes, by the frames that pass it: whom it hands connections to, and what the nodes tell it.
import { beforeAll, describe, expect, test } from "vitest";
import { CAPTURE_EPOCH } from "../../assembly/layout/pcap.ts";
import { decodeFrame } from "../tools/frame.ts";
import { parseRules } from "../../src/iptables/parse.ts";
import { printRules } from "../../src/iptables/print.ts";
import { restore } from "../../src/iptables/restore.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";
import type { Plan } from "../../src/seam/plan.ts";
import { ended, play, podOn, serviceOf, sourcesSeen, type Played } from "./play.ts";

const CLIENT = "198.51.100.10";
const NODES = ["192.168.0.11", "192.168.0.12", "192.168.0.13"];
/** When a run begins. */
const START = BigInt(CAPTURE_EPOCH) * 1_000_000_000n;
const PORTS = "ports: [{port: 80, targetPort: 8080}]";

/** A node manifest, as far as it matters. */
function nodeOf(name: string, spec: string, labels = ""): string {
  return `apiVersion: v1\nkind: Node\nmetadata: {name: ${name}, labels: {${labels}}}\nspec: {${spec}}`;
}

/** Traffic from outside to the load balancer of a Service called web. */
function traffic(rate: string, more = ""): string {
  return `  traffic: [{name: calls, from: internet, to: {loadBalancer: web}, protocol: tcp, rate: ${rate}${more}}]`;
}

/** Connections handed to each node, by its number, of the first address and port. */
function spread({ result }: Played): number[] {
  return result.balancers[0]?.virtualServers[0]?.servers.map(({ connections }) => connections) ?? [];
}

/** The frames that begin connections to a port on a device, as they came in there. */
function begun({ capture }: Played, device: string, port: number) {
  return capture.packets
    .filter((packet) => packet.device === device && packet.direction === "inbound")
    .map(({ bytes, time }) => ({ ...decodeFrame(bytes), time: Number(time - START) }))
    .filter(({ tcp }) => tcp?.flags === "S" && tcp.destinationPort === port);
}

describe("with externalTrafficPolicy Cluster", () => {
  let played: Played;
  beforeAll(async () => {
    played = await play(`  duration: 1s\n${traffic("300/s", ", stop: 805ms")}`, [
      podOn("node-1", "web", 8080),
      serviceOf("web", `type: LoadBalancer, selector: {app: web}, ${PORTS}`),
    ]);
  });

  test("every connection is delivered, and every node has a third of them, give or take", () => {
    expect(ended(played, "calls")).toBe("delivered 242");
    const counts = spread(played);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(242);
    for (const count of counts) expect(Math.abs(count - 80)).toBeLessThan(25);
  });

  test("a node gets the client's packet as it was, one hop further, for the address of the load balancer", () => {
    const [first] = begun(played, "node-3/eth0", 80);
    expect(first?.ipv4).toMatchObject({ source: CLIENT, destination: "192.0.2.1", ttl: 62 });
  });

  test("all packets of a connection go to one node", () => {
    const nodesOf = new Map<number, Set<string>>();
    for (const { device, direction, bytes } of played.capture.packets) {
      const { ipv4, tcp } = decodeFrame(bytes);
      if (!/^node-\d\/eth0$/.test(device) || direction !== "inbound" || ipv4?.destination !== "192.0.2.1") continue;
      const port = tcp?.sourcePort ?? 0;
      nodesOf.set(port, (nodesOf.get(port) ?? new Set()).add(device));
    }
    expect(nodesOf.size).toBe(242);
    expect([...nodesOf.values()].every((nodes) => nodes.size === 1)).toBe(true);
  });

  test("the answers go past the load balancer: it never sees one", () => {
    const answers = played.capture.packets
      .filter(({ device }) => device.startsWith("load-balancer/"))
      .filter(({ bytes }) => decodeFrame(bytes).ipv4?.source === "192.0.2.1");
    expect(answers).toEqual([]);
  });

  test("the pod sees a node as its client", () => {
    expect(sourcesSeen(played, "default/web/eth0", 8080).sort()).toEqual([
      "10.244.1.1",
      "192.168.0.12",
      "192.168.0.13",
    ]);
  });
});

describe("with externalTrafficPolicy Local", () => {
  let played: Played;
  beforeAll(async () => {
    played = await play(`  duration: 1s\n${traffic("200/s", ", stop: 800ms")}`, [
      podOn("node-1", "one", 8080).replace("app: one", "app: web"),
      podOn("node-3", "three", 8080).replace("app: three", "app: web"),
      serviceOf(
        "web",
        `type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 32000, selector: {app: web}, ${PORTS}`,
      ),
    ]);
  });

  test("the nodes are asked at the health check node port, and say 200 with an endpoint and 503 without", () => {
    expect(begun(played, "node-2/eth0", 32000).map(({ ipv4 }) => ipv4?.source)).toEqual(["192.168.0.254"]);
    expect(
      played.result.balancers[0]?.changes.map(({ address, port, healthy, result }) => [address, port, healthy, result]),
    ).toEqual([
      [NODES[0], 32000, true, "200"],
      [NODES[1], 32000, false, "503"],
      [NODES[2], 32000, true, "200"],
    ]);
  });

  test("the request of a check is HTTP with the name of the node that is asked", () => {
    const request = played.capture.packets
      .filter(({ device, direction }) => device === "node-2/eth0" && direction === "inbound")
      .map(({ bytes }) => decodeFrame(bytes))
      .find(({ tcp }) => tcp?.destinationPort === 32000 && tcp.flags === "P.");
    expect(Buffer.from(request?.payload ?? []).toString()).toBe(
      "GET /healthz HTTP/1.1\r\nHost: 192.168.0.12:32000\r\nUser-Agent: load-balancer\r\n\r\n",
    );
  });

  test("the node without an endpoint gets no connection, and none is lost", () => {
    expect(ended(played, "calls")).toBe("delivered 160");
    const [one = 0, two, three = 0] = spread(played);
    expect(two).toBe(0);
    expect(one + three).toBe(160);
    expect(begun(played, "node-2/eth0", 80)).toEqual([]);
  });

  test("the pods see the client's own address", () => {
    for (const pod of ["one", "three"]) expect(sourcesSeen(played, `default/${pod}/eth0`, 8080)).toEqual([CLIENT]);
  });
});

/** Has a node's health checks come through for so many bytes, and no more. */
function failAfter(node: string, bytes: number): (plan: Plan) => void {
  const rules = `*filter
-A INPUT -p tcp -m tcp --dport 10256 -m quota --quota ${bytes} -j ACCEPT
-A INPUT -p tcp -m tcp --dport 10256 -j DROP
COMMIT
`;
  return (plan) => {
    const root = plan.machines.find(({ name }) => name === node)?.namespaces[0];
    if (root?.rules === undefined) throw new Error(`there is no node ${node}`);
    root.rules = printRules(restore(parseRules(wholeText(root.rules), node), rules, { noflush: true, file: "own" }));
  };
}

describe("a node whose health checks time out", () => {
  const CHECKS =
    "  cluster: {loadBalancer: {interval: 100ms, timeout: 50ms, healthyThreshold: 2, unhealthyThreshold: 3}}\n";
  const MANIFESTS = [
    podOn("node-1", "web", 8080),
    serviceOf("web", `type: LoadBalancer, selector: {app: web}, ${PORTS}`),
  ];

  test("is left out after three of them in a row, and gets no connection from then on", async () => {
    const played = await play(
      `  duration: 2s\n${CHECKS}${traffic("200/s", ", stop: 1502ms")}`,
      MANIFESTS,
      failAfter("node-2", 2000),
    );
    const [, , , out] = played.result.balancers[0]?.changes ?? [];
    expect(out).toMatchObject({ address: NODES[1], port: 10256, healthy: false, result: "timed out" });
    const outNs = out?.atNs ?? 0;
    // The checks come every 100 ms, 10 us after each other, and take 50 ms to fail.
    expect(outNs % 100e6).toBe(50_010_000);
    const failed = played.capture.packets
      .filter(({ device, direction, bytes }) => {
        const { ipv4, tcp } = decodeFrame(bytes);
        return (
          device === "load-balancer/eth1" &&
          direction === "outbound" &&
          ipv4?.destination === NODES[1] &&
          tcp?.flags === "S"
        );
      })
      .map(({ time }) => Number(time - START));
    expect(failed.filter((at) => at > outNs - 260e6 && at < outNs)).toHaveLength(3);
    const connections = begun(played, "node-2/eth0", 80);
    expect(connections.length).toBeGreaterThan(10);
    expect(connections.every(({ time }) => time <= outNs + 100_000)).toBe(true);
    expect(played.result.balancers[0]?.virtualServers[0]?.servers.map(({ healthy }) => healthy)).toEqual([
      true,
      false,
      true,
    ]);
    expect(ended(played, "calls")).toBe("delivered 301");
  });

  test("keeps the connection that it has to its end, while a new one finds no node", async () => {
    // Each node passes its first check and none after it; the first request is under way until long after they are left out.
    const once = CHECKS.replace("unhealthyThreshold: 3", "unhealthyThreshold: 1");
    const played = await play(
      `  duration: 1500ms\n${once}${traffic("2/s", ", stop: 900ms, requestBytes: 900000")}`,
      MANIFESTS,
      (plan) => {
        for (const node of ["node-1", "node-2", "node-3"]) failAfter(node, 400)(plan);
      },
    );
    expect(played.result.balancers[0]?.changes.map(({ healthy }) => healthy)).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(ended(played, "calls")).toBe("delivered 1, refused 1");
    const outNs = played.result.balancers[0]?.changes[5]?.atNs ?? 0;
    const later = played.capture.packets.filter(
      ({ device, time, bytes }) =>
        device === "load-balancer/eth1" && time > START + BigInt(outNs) && decodeFrame(bytes).ipv4?.source === CLIENT,
    );
    expect(later.length).toBeGreaterThan(100);
    expect(new Set(later.map(({ bytes }) => decodeFrame(bytes).ethernet.destination)).size).toBe(1);
  });
});

test("with no endpoint anywhere no node is healthy, and the load balancer refuses with port unreachable", async () => {
  const played = await play(`  duration: 500ms\n${traffic("10/s")}`, [
    serviceOf("web", `type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: nobody}, ${PORTS}`),
  ]);
  expect(ended(played, "calls")).toBe("refused 5");
  const error = played.capture.packets
    .filter(({ device, direction }) => device === "load-balancer/eth0" && direction === "outbound")
    .map(({ bytes }) => decodeFrame(bytes))
    .find(({ icmp }) => icmp !== undefined);
  expect(error).toMatchObject({ ipv4: { source: "192.0.2.1", destination: CLIENT }, icmp: { type: 3, code: 3 } });
});

test("a port of its address that no Service has is closed", async () => {
  const played = await play(
    "  duration: 300ms\n  traffic: [{name: calls, from: internet, to: {host: 192.0.2.1, port: 81}, protocol: tcp, rate: 10/s}]",
    [podOn("node-1", "web", 8080), serviceOf("web", `type: LoadBalancer, selector: {app: web}, ${PORTS}`)],
  );
  expect(ended(played, "calls")).toBe("refused 3");
});

test("a node that the autoscaler is about to delete says 503 on port 10256 and is left out", async () => {
  const played = await play(`  duration: 1s\n${traffic("100/s", ", stop: 500ms")}`, [
    nodeOf("node-1", ""),
    nodeOf("node-2", "taints: [{key: ToBeDeletedByClusterAutoscaler, effect: NoSchedule}]"),
    podOn("node-1", "web", 8080),
    serviceOf("web", `type: LoadBalancer, selector: {app: web}, ${PORTS}`),
  ]);
  expect(ended(played, "calls")).toBe("delivered 50");
  expect(spread(played)).toEqual([50, 0]);
  expect(played.result.balancers[0]?.changes.map(({ port, result }) => `${port} ${result}`)).toEqual([
    "10256 200",
    "10256 503",
  ]);
});

test("a node with the label that excludes it is not asked and gets nothing", async () => {
  const played = await play(`  duration: 500ms\n${traffic("20/s")}`, [
    nodeOf("node-1", ""),
    nodeOf("node-2", "", 'node.kubernetes.io/exclude-from-external-load-balancers: ""'),
    podOn("node-1", "web", 8080),
    serviceOf("web", `type: LoadBalancer, selector: {app: web}, ${PORTS}`),
  ]);
  expect(spread(played)).toEqual([10]);
});

test("with session affinity all connections of a client go to one node", async () => {
  const played = await play(`  duration: 500ms\n${traffic("40/s")}`, [
    podOn("node-1", "web", 8080),
    serviceOf("web", `type: LoadBalancer, sessionAffinity: ClientIP, selector: {app: web}, ${PORTS}`),
  ]);
  expect(spread(played).filter((count) => count > 0)).toEqual([20]);
});

test("UDP is spread and answered like TCP", async () => {
  const udp = "  traffic: [{name: calls, from: internet, to: {loadBalancer: web}, protocol: udp, rate: 20/s}]";
  const played = await play(`  duration: 500ms\n${udp}`, [
    podOn("node-1", "web", 8080),
    serviceOf("web", "type: LoadBalancer, selector: {app: web}, ports: [{port: 53, targetPort: 8080, protocol: UDP}]"),
  ]);
  // One socket of the client is one connection.
  expect(spread(played).filter((count) => count > 0)).toEqual([1]);
  expect(ended(played, "calls")).toBe("delivered 10");
});
