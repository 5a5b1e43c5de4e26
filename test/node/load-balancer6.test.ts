// Load balancers with addresses of IPv6, by the frames that pass them: whom they hand connections to, and what they ask the nodes.
import { beforeAll, describe, expect, test } from "vitest";
import { frame6, type Frame6 } from "../tools/six.ts";
import { ended, play, podOn, serviceOf, type Played } from "./play.ts";
import { judgeSame } from "./same.ts";

const CLIENT = "2001:db8:0:a::10";
const VIRTUAL = "2001:db8:2::1";
const NODES = ["2001:db8:1::b", "2001:db8:1::c", "2001:db8:1::d"];
const PORTS = "ports: [{name: t, port: 80, targetPort: 8080, nodePort: 30080}]";
const BOTH = "ipFamilyPolicy: PreferDualStack, ";
const CLUSTER = "  duration: 1s\n  cluster: {ipFamily: dual}\n";

function calls(more = "", from = "internet", protocol = "tcp"): string {
  const to = "{loadBalancer: web, family: ipv6}";
  return `  traffic: [{name: calls, from: ${from}, to: ${to}, protocol: ${protocol}, rate: 100/s, stop: 800ms${more}}]`;
}

function balanced(spec: string, ports = PORTS): string {
  return serviceOf("web", `type: LoadBalancer, selector: {app: web}, ${spec}${ports}`);
}

/** The frames of IPv6 that came in on a device and fit. */
function arrived({ capture }: Played, device: string, fits: (frame: Frame6) => boolean): Frame6[] {
  return capture.packets
    .filter((packet) => packet.device === device && packet.direction === "inbound")
    .flatMap(({ bytes }) => frame6(bytes) ?? [])
    .filter(fits);
}

function begins(port: number): (frame: Frame6) => boolean {
  return ({ what, destinationPort }) => what === "tcp S" && destinationPort === port;
}

/** Who the pod takes for its clients. */
function seenBy(played: Played, pod: string): string[] {
  return [...new Set(arrived(played, `default/${pod}/eth0`, begins(8080)).map(({ source }) => source))].sort();
}

function spread({ result }: Played, address: string): number[] {
  const found = result.balancers[0]?.virtualServers.find((one) => one.address === address);
  return found?.servers.map(({ connections }) => connections) ?? [];
}

describe("with externalTrafficPolicy Cluster", () => {
  let played: Played;
  beforeAll(async () => {
    played = await play(`${CLUSTER}${calls()}`, [podOn("node-1", "web", 8080), balanced(BOTH)]);
  });

  test("every connection is delivered, every node has some, and the address of IPv4 has none", () => {
    expect(ended(played, "calls")).toBe("delivered 80");
    const counts = spread(played, VIRTUAL);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(80);
    for (const count of counts) expect(count).toBeGreaterThan(12);
    expect(spread(played, "192.0.2.1")).toEqual([0, 0, 0]);
  });

  test("a node gets the client's packet as it was, one hop further, for the address of the load balancer", () => {
    const [first] = arrived(played, "node-3/eth0", begins(80));
    expect(first).toMatchObject({ source: CLIENT, destination: VIRTUAL, hopLimit: 62 });
  });

  test("the answers go past the load balancer", () => {
    const answers = arrived(played, "load-balancer/eth1", ({ source }) => source === VIRTUAL);
    expect(answers).toEqual([]);
    expect(arrived(played, "gateway/eth0", ({ source, what }) => source === VIRTUAL && what === "tcp S.")).toHaveLength(
      80,
    );
  });

  test("the pod sees a node as its client", () => {
    expect(seenBy(played, "web")).toEqual(["2001:db8:1::c", "2001:db8:1::d", "fd00:10:244:1::1"]);
  });

  test("the nodes are asked for their health at the addresses of each family, from the load balancer's own", () => {
    const asked = arrived(played, "node-2/eth0", begins(10256));
    expect(asked.map(({ source, destination }) => [source, destination])).toEqual([["2001:db8:1::2", NODES[1]]]);
    expect(played.result.balancers[0]?.changes.map(({ address }) => address).sort()).toEqual(
      [...NODES, "192.168.0.11", "192.168.0.12", "192.168.0.13"].sort(),
    );
  });
});

test("with externalTrafficPolicy Local the pod sees the client's own address, and only its node is sent anything", async () => {
  const local = "ipFamilies: [IPv6], externalTrafficPolicy: Local, healthCheckNodePort: 32000, ";
  const played = await play(`${CLUSTER}${calls()}`, [podOn("node-3", "web", 8080), balanced(local)]);
  expect(ended(played, "calls")).toBe("delivered 80");
  expect(spread(played, VIRTUAL)).toEqual([0, 0, 80]);
  expect(seenBy(played, "web")).toEqual([CLIENT]);
  expect(
    played.result.balancers[0]?.changes.map(({ address, port, result }) => `${address} ${port} ${result}`),
  ).toEqual([`${NODES[0]} 32000 503`, `${NODES[1]} 32000 503`, `${NODES[2]} 32000 200`]);
});

test("datagrams are handed on, too", async () => {
  const ports = "ports: [{name: u, port: 80, targetPort: 8080, protocol: UDP}]";
  const played = await play(`${CLUSTER}${calls("", "internet", "udp")}`, [
    podOn("node-1", "web", 8080),
    balanced("ipFamilies: [IPv6], externalTrafficPolicy: Local, ", ports),
  ]);
  expect(ended(played, "calls")).toBe("delivered 80");
  // All have one pair of addresses and ports.
  expect(spread(played, VIRTUAL)).toEqual([1, 0, 0]);
});

test("without a healthy node the client is told ICMPv6 port unreachable by the virtual address", async () => {
  const played = await play(`${CLUSTER}${calls(", start: 100ms").replace("100/s", "5/s")}`, [
    balanced("ipFamilies: [IPv6], externalTrafficPolicy: Local, "),
  ]);
  expect(ended(played, "calls")).toBe("refused 4");
  const errors = arrived(played, "internet/client/eth0", ({ what }) => what === "icmp 1/4");
  expect(errors.map(({ source }) => source)).toEqual([VIRTUAL, VIRTUAL, VIRTUAL, VIRTUAL]);
});

test("clientIP affinity holds over IPv6: all connections of a client go to one node", async () => {
  const played = await play(`${CLUSTER}${calls()}`, [
    podOn("node-1", "web", 8080),
    balanced(`${BOTH}sessionAffinity: ClientIP, `),
  ]);
  expect(ended(played, "calls")).toBe("delivered 80");
  expect(spread(played, VIRTUAL).filter((count) => count > 0)).toEqual([80]);
});

describe("of ipMode Proxy", () => {
  const proxy = `${balanced(BOTH)}\nstatus: {loadBalancer: {ingress: [{ip: "2001:db8:2::9", ipMode: Proxy}]}}`;

  test("it talks to node ports from its own address", async () => {
    const played = await play(`${CLUSTER}${calls()}`, [podOn("node-1", "web", 8080), proxy]);
    expect(ended(played, "calls")).toBe("delivered 80");
    const inside = arrived(played, "node-2/eth0", begins(30080));
    expect(inside.length).toBeGreaterThan(10);
    expect(new Set(inside.map(({ source }) => source))).toEqual(new Set(["2001:db8:1::2"]));
  });

  test("a client in the cluster goes out to it by its node's address", async () => {
    const manifests = [podOn("node-1", "web", 8080), podOn("node-2", "client", 9), proxy];
    const played = await play(`${CLUSTER}${calls("", "{pod: client}")}`, manifests);
    expect(ended(played, "calls")).toBe("delivered 80");
    const outside = arrived(played, "load-balancer/eth0", begins(80));
    expect(new Set(outside.map(({ source }) => source))).toEqual(new Set([NODES[1]]));
  });
});

describe("in the cluster", () => {
  const manifests = [
    podOn("node-1", "web", 8080),
    podOn("node-2", "client", 9),
    balanced(`${BOTH}externalIPs: ["2001:db8:9::9"], `),
  ];

  test("a pod that calls the load balancer never leaves its node's rules", async () => {
    const played = await play(`${CLUSTER}${calls("", "{pod: client}")}`, manifests);
    expect(ended(played, "calls")).toBe("delivered 80");
    expect(played.capture.packets.filter(({ device }) => device === "load-balancer/eth0")).toEqual([]);
  });

  test("an external IP of IPv6 leads a pod to the Service", async () => {
    const traffic = `  traffic: [{name: calls, from: {pod: client}, to: {host: "2001:db8:9::9", port: 80}, protocol: tcp, rate: 50/s, stop: 400ms}]`;
    const played = await play(`${CLUSTER}${traffic}`, manifests);
    expect(ended(played, "calls")).toBe("delivered 20");
    expect(seenBy(played, "web")).toEqual([NODES[1]]);
  });
});

test("loadBalancerSourceRanges of IPv6 let in whom they say, and the others' packets are dropped", async () => {
  const from = async (range: string): Promise<string> => {
    const played = await play(`${CLUSTER}${calls(", timeout: 100ms")}`, [
      podOn("node-1", "web", 8080),
      balanced(`${BOTH}loadBalancerSourceRanges: ["${range}"], `),
    ]);
    return ended(played, "calls");
  };
  expect(await from("2001:db8:0:a::/64")).toBe("delivered 80");
  expect(await from("2001:db8:0:b::/64")).toBe("timed out 80");
});

describe("the same scenario", () => {
  const manifests = [podOn("node-1", "web", 8080), podOn("node-3", "two", 8080, "").replace("app: two", "app: web")];
  judgeSame(`${CLUSTER}${calls()}`, [...manifests, balanced(BOTH)], 500);
});
