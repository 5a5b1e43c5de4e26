// Health answers and the load balancer while pods end and come back and a node is to go: what kube-proxy says from which moment on.
import { beforeAll, describe, expect, test } from "vitest";
import { CAPTURE_EPOCH } from "../../assembly/layout/pcap.ts";
import { decodeFrame } from "../tools/frame.ts";
import { ended, play, podOn, prepared, serviceOf, type Played } from "./play.ts";

const START = BigInt(CAPTURE_EPOCH) * 1_000_000_000n;
const CHECKS = "loadBalancer: {interval: 500ms, timeout: 100ms, healthyThreshold: 1, unhealthyThreshold: 3}";
const WEB = [
  podOn("node-1", "one", 8080).replace("app: one", "app: web"),
  podOn("node-2", "two", 8080).replace("app: two", "app: web"),
];
const LOCAL = serviceOf(
  "web",
  "type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 32000, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]",
);

function scenario(duration: string, timeline: string, traffic: string): string {
  return `  duration: ${duration}
  cluster: {nodes: 2, ${CHECKS}}
  timeline: [${timeline}]
  traffic:
    - {name: calls, from: internet, to: {loadBalancer: web}, protocol: tcp, timeout: 500ms, ${traffic}}`;
}

/** What a node answered to the checks: the moment in milliseconds, and the response without its first words. */
function answers({ capture }: Played, node: string): { ms: number; text: string }[] {
  return capture.packets
    .filter(({ device, direction }) => device === `${node}/eth0` && direction === "outbound")
    .map(({ bytes, time }) => ({
      ms: Math.round(Number(time - START) / 1e6),
      text: Buffer.from(decodeFrame(bytes).payload).toString(),
    }))
    .filter(({ text }) => text.startsWith("HTTP/1.1"));
}

/** The moments in milliseconds at which connections begin on a node's card. */
function begun({ capture }: Played, node: string): number[] {
  return capture.packets
    .filter(({ device, direction }) => device === `${node}/eth0` && direction === "inbound")
    .map(({ bytes, time }) => ({ ...decodeFrame(bytes), ms: Number(time - START) / 1e6 }))
    .filter(({ tcp }) => tcp?.flags === "S" && tcp.destinationPort === 80)
    .map(({ ms }) => ms);
}

function changes({ result }: Played): string[] {
  return (result.balancers[0]?.changes ?? []).map(
    ({ atNs, address, result: answer }) => `${Math.round(atNs / 1e6)} ${address} ${answer}`,
  );
}

function body(localEndpoints: number): string {
  return `{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n\t"localEndpoints": ${localEndpoints},\n\t"serviceProxyHealthy": true\n}`;
}

describe("the last pod of a node that is deleted at 1200 ms", () => {
  let played: Played;
  beforeAll(async () => {
    played = await play(scenario("5s", "{at: 1200ms, delete: pod/two}", "rate: 50/s, stop: 4s"), [...WEB, LOCAL]);
  });

  test("has its node answer 503 from kube-proxy's sync on, as its health check server writes it", () => {
    expect(answers(played, "node-2").map(({ ms, text }) => `${ms} ${text.split(" ")[1]}`)).toEqual([
      ...["0 200", "500 200", "1000 200"],
      ...["1500 503", "2000 503", "2500 503", "3000 503", "3500 503", "4000 503", "4500 503"],
    ]);
    expect(answers(played, "node-2")[3]?.text).toBe(
      [
        "HTTP/1.1 503 Service Unavailable",
        "Content-Type: application/json",
        "X-Content-Type-Options: nosniff",
        "X-Load-Balancing-Endpoint-Weight: 0",
        "Content-Length: 114",
        "",
        body(0),
      ].join("\r\n"),
    );
    expect(answers(played, "node-1").every(({ text }) => text.startsWith("HTTP/1.1 200 OK\r\n"))).toBe(true);
  });

  test("loses what the load balancer sends there until the third answer, and nothing after it", () => {
    expect(changes(played)).toEqual(["0 192.168.0.11 200", "0 192.168.0.12 200", "2500 192.168.0.12 503"]);
    const there = begun(played, "node-2");
    // A segment that is sent again by a client goes where its connection went.
    const lost = new Set(there.filter((ms) => ms > 1190 && ms < 2501).map((ms) => Math.floor(ms / 20)));
    const { timedOut, delivered } = played.line("calls");
    expect(timedOut).toBeGreaterThan(20);
    expect(timedOut).toBeLessThanOrEqual(lost.size);
    expect(delivered + timedOut).toBe(200);
    expect(played.result.balancers[0]?.virtualServers[0]?.servers.map(({ healthy }) => healthy)).toEqual([true, false]);
  });
});

describe("a pod that comes back", () => {
  test("has its node answer 200 again from the sync on that finds it ready, and one answer is enough", async () => {
    const web = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {nodeName: node-2, containers: [{name: main, ports: [{containerPort: 8080}]}]}`;
    const played = await play(
      scenario(
        "6s",
        "{at: 700ms, scale: deployment/web, replicas: 0}, {at: 3s, scale: deployment/web, replicas: 1}",
        "rate: 50/s, stop: 5s",
      ),
      [WEB[0] ?? "", web, LOCAL],
    );
    // Ready a second after its start, and known 100 ms after that.
    expect(changes(played).slice(2)).toEqual(["2000 192.168.0.12 503", "4500 192.168.0.12 200"]);
    const there = begun(played, "node-2");
    expect(there.filter((ms) => ms > 2510 && ms < 4500)).toEqual([]);
    expect(there.filter((ms) => ms > 4500).length).toBeGreaterThan(5);
    const after = answers(played, "node-2").find(({ ms }) => ms === 4500);
    expect(after?.text).toContain("X-Load-Balancing-Endpoint-Weight: 1\r\n");
    expect(after?.text.endsWith(body(1))).toBe(true);
  });
});

describe("a pod that terminates for 7 s", () => {
  let played: Played;
  beforeAll(async () => {
    // Of 20 Mbit/s an upload has a share, and takes its time.
    played = await play(
      scenario("9s", "{at: 1s, delete: pod/two, grace: 7s}", "rate: 4/s, stop: 6s, requestBytes: 150000").replace(
        "timeout: 500ms",
        "timeout: 6s",
      ) + "\n  links: {internet: {rate: 20Mbit}}",
      [...WEB, LOCAL],
    );
  });

  test("is no ready endpoint: its node says 503 while it serves on", () => {
    expect(changes(played).slice(2)).toEqual(["2500 192.168.0.12 503"]);
    expect(answers(played, "node-2")[3]?.text).toContain("X-Load-Balancing-Endpoint-Weight: 0\r\n");
  });

  test("still gets the connections that the load balancer sends to its node, and ends those under way: none is lost", () => {
    const there = begun(played, "node-2");
    expect(there.filter((ms) => ms > 1100 && ms < 2510).length).toBeGreaterThan(0);
    expect(there.filter((ms) => ms > 2510)).toEqual([]);
    expect(ended(played, "calls")).toBe("delivered 24");
  });
});

test("with policy Cluster a terminating pod is passed over as long as another is ready, and serves when it is the last", async () => {
  const played = await play(
    `  duration: 5s
  cluster: {nodes: 2}
  timeline: [{at: 1s, delete: pod/two, grace: 3s}, {at: 2s, delete: pod/one, grace: 2500ms}]
  traffic: [{name: calls, from: {node: node-1}, to: {service: web, by: clusterIP}, protocol: tcp, rate: 50/s, stop: 3800ms}]`,
    [...WEB, serviceOf("web", "selector: {app: web}, ports: [{port: 80, targetPort: 8080}]")],
  );
  expect(ended(played, "calls")).toBe("delivered 190");
  const toTwo = played.capture.packets
    .filter(({ device, direction }) => device === "default/two/eth0" && direction === "inbound")
    .map(({ bytes, time }) => ({ ...decodeFrame(bytes), ms: Number(time - START) / 1e6 }))
    .filter(({ tcp }) => tcp?.flags === "S")
    .map(({ ms }) => ms);
  expect(toTwo.filter((ms) => ms < 1100).length).toBeGreaterThan(10);
  expect(toTwo.filter((ms) => ms > 1101 && ms < 2100)).toEqual([]);
  expect(toTwo.filter((ms) => ms > 2101).length).toBeGreaterThan(10);
});

test("publishNotReadyAddresses keeps a terminating endpoint ready", async () => {
  const played = await play(scenario("3s", "{at: 700ms, delete: pod/two, grace: 2s}", "rate: 20/s, stop: 2s"), [
    ...WEB,
    LOCAL.replace("spec: {", "spec: {publishNotReadyAddresses: true, "),
  ]);
  expect(answers(played, "node-2").map(({ text }) => text.split(" ")[1])).toEqual([
    "200",
    "200",
    "200",
    "200",
    "200",
    "200",
  ]);
});

describe("a node that the autoscaler taints while it runs", () => {
  const run = (service: string): Promise<Played> =>
    play(scenario("4s", "{at: 700ms, taint: ToBeDeletedByClusterAutoscaler, node: node-2}", "rate: 50/s, stop: 3s"), [
      ...WEB,
      service,
    ]);

  test("says 503 on port 10256, is left out after three answers, and serves all that it is still sent", async () => {
    const played = await run(LOCAL.replace("externalTrafficPolicy: Local, healthCheckNodePort: 32000, ", ""));
    expect(ended(played, "calls")).toBe("delivered 150");
    expect(changes(played).slice(2)).toEqual(["2000 192.168.0.12 503"]);
    expect(answers(played, "node-2")[2]?.text).toMatch(
      /^HTTP\/1\.1 503 Service Unavailable\r\n.*"nodeEligible": false\}$/s,
    );
    expect(begun(played, "node-2").filter((ms) => ms > 2010)).toEqual([]);
  });

  test("is asked about its endpoints alone with policy Local, and stays", async () => {
    const played = await run(LOCAL);
    expect(changes(played)).toHaveLength(2);
    expect(begun(played, "node-2").filter((ms) => ms > 2500).length).toBeGreaterThan(5);
  });
});

test("a taint needs a node that is there", () => {
  const taint =
    (more: string): (() => unknown) =>
    () =>
      prepared(scenario("1s", `{at: 100ms, taint: ToBeDeletedByClusterAutoscaler${more}}`, "rate: 1/s"), [
        ...WEB,
        LOCAL,
      ]);
  expect(taint("")).toThrow("should say which node has the taint");
  expect(taint(", node: node-9")).toThrow("there is no node node-9; there are node-1, node-2");
});
