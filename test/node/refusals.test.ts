// Who is refused with an ICMP error, who waits in vain, and who is served after all.
import { beforeAll, describe, expect, test } from "vitest";
import { ended, framesOn, play, podOn, serviceOf, type Played } from "./play.ts";

const SLICE = (service: string, endpoints: string): string => `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${service}-1, labels: {kubernetes.io/service-name: ${service}}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [${endpoints}]`;

const PORT = "ports: [{port: 80, targetPort: 8080}]";
const REFUSED = "refused 1";
const IN_VAIN = "timed out 1";
const SERVED = "delivered 1";

const CALLS: [line: string, from: string, to: string, service: string, how: string][] = [
  ["a Service without endpoints", "{pod: near}", "{service: S}", "selector: {app: nobody}", REFUSED],
  [
    "its node port, from outside",
    "internet",
    "{nodePort: S, node: node-2}",
    "type: NodePort, selector: {app: nobody}",
    REFUSED,
  ],
  ["its load balancer", "internet", "{loadBalancer: S}", "type: LoadBalancer, selector: {app: nobody}", REFUSED],
  [
    "its load balancer, policy Local",
    "internet",
    "{loadBalancer: S}",
    "type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: nobody}",
    REFUSED,
  ],
  [
    "its external IP",
    "{pod: near}",
    "{host: 203.0.113.201, port: 80}",
    "externalIPs: [203.0.113.201], selector: {app: nobody}",
    REFUSED,
  ],
  [
    "internal policy Local where an endpoint is",
    "{pod: near}",
    "{service: S}",
    "internalTrafficPolicy: Local, selector: {app: web}",
    SERVED,
  ],
  [
    "internal policy Local where none is",
    "{pod: far}",
    "{service: S}",
    "internalTrafficPolicy: Local, selector: {app: web}",
    IN_VAIN,
  ],
  [
    "external policy Local where none is",
    "internet",
    "{nodePort: S, node: node-2}",
    "type: NodePort, externalTrafficPolicy: Local, selector: {app: web}",
    IN_VAIN,
  ],
  [
    "the same, from a pod there",
    "{pod: far}",
    "{nodePort: S, node: node-2}",
    "type: NodePort, externalTrafficPolicy: Local, selector: {app: web}",
    SERVED,
  ],
  [
    "the same, from a pod of another node, whose node masquerades it",
    "{pod: near}",
    "{nodePort: S, node: node-2}",
    "type: NodePort, externalTrafficPolicy: Local, selector: {app: web}",
    IN_VAIN,
  ],
  [
    "a load balancer out of its source ranges",
    "internet",
    "{loadBalancer: S}",
    "type: LoadBalancer, loadBalancerSourceRanges: [192.0.2.0/24], selector: {app: web}",
    IN_VAIN,
  ],
  [
    "a load balancer within its source ranges",
    "internet",
    "{loadBalancer: S}",
    "type: LoadBalancer, loadBalancerSourceRanges: [198.51.100.0/24], selector: {app: web}",
    SERVED,
  ],
  [
    "a node port, which source ranges do not guard",
    "internet",
    "{nodePort: S, node: node-1}",
    "type: LoadBalancer, loadBalancerSourceRanges: [192.0.2.0/24], selector: {app: web}",
    SERVED,
  ],
  [
    "a Service whose only endpoint is not ready",
    "{pod: near}",
    "{service: S}",
    "SLICE {addresses: [10.244.1.3], conditions: {ready: false}}",
    REFUSED,
  ],
  [
    "a Service whose only endpoint terminates",
    "{pod: near}",
    "{service: S}",
    "SLICE {addresses: [10.244.1.3], conditions: {ready: false, serving: true, terminating: true}}",
    SERVED,
  ],
  ["a Service whose pod does not listen", "{pod: near}", "{service: S}", "selector: {app: deaf}", REFUSED],
];

describe("over TCP,", () => {
  let played: Played;
  // One after the other: a host gets few ICMP errors in a second (icmp_ratelimit).
  beforeAll(async () => {
    const traffic = CALLS.map(
      ([line, from, to], i) =>
        `    - {name: "${line}", from: ${from}, to: ${to.replace("S", `s${i}`)}, protocol: tcp, rate: 1/s, timeout: 500ms, start: ${i}s, stop: ${i * 1000 + 100}ms}`,
    );
    played = await play(`  duration: ${CALLS.length + 1}s\n  traffic:\n${traffic.join("\n")}`, [
      podOn("node-1", "near", 1),
      podOn("node-2", "far", 1),
      podOn("node-1", "web", 8080),
      podOn("node-1", "deaf", 1),
      ...CALLS.map(([, , , service], i) =>
        serviceOf(`s${i}`, service.startsWith("SLICE") ? PORT : `${PORT}, ${service}`),
      ),
      ...CALLS.flatMap(([, , , service], i) =>
        service.startsWith("SLICE") ? [SLICE(`s${i}`, service.replace("SLICE ", ""))] : [],
      ),
    ]);
  });

  test.each(CALLS.map(([line, , , , how]) => ({ line, how })))("a call to $line: $how", ({ line, how }) => {
    expect(ended(played, line)).toBe(how);
  });

  test("the refusal is an ICMP port unreachable that quotes the SYN as it was sent", () => {
    expect(framesOn(played, "default/near/eth0").find((line) => line.includes("icmp"))).toMatch(
      /^10\.244\.1\.1 > 10\.244\.1\.2 icmp 3\/3 \(10\.244\.1\.2:\d+ > 10\.96\.0\.\d+:80 tcp S\)$/,
    );
  });
});

test("a cluster IP answers no ping, and a port that its Service has not goes where any unknown address goes", async () => {
  const played = await play(
    `  duration: 1s
  traffic:
    - {name: ping, from: {pod: near}, to: {host: 10.96.0.50}, protocol: icmp, rate: 5/s, timeout: 500ms, stop: 150ms}
    - {name: port, from: {pod: near}, to: {host: 10.96.0.50, port: 81}, protocol: tcp, rate: 5/s, timeout: 500ms, stop: 150ms}`,
    [
      podOn("node-1", "near", 1),
      podOn("node-1", "web", 8080),
      serviceOf("web", `clusterIP: 10.96.0.50, selector: {app: web}, ${PORT}`),
    ],
  );
  // Masqueraded as it leaves the node, and refused by a router far away.
  const left = framesOn(played, "node-1/eth0").filter((line) => line.includes("> 10.96.0.50") && !line.includes("("));
  expect(left.map((line) => line.replace(/:\d+ >/, " >"))).toEqual(
    expect.arrayContaining(["192.168.0.11 > 10.96.0.50 icmp 8/0 64", "192.168.0.11 > 10.96.0.50:81 tcp S"]),
  );
  expect(framesOn(played, "default/web/eth0").filter((line) => line.includes("tcp"))).toEqual([]);
  expect([ended(played, "ping"), ended(played, "port")]).toEqual(["refused 1", "refused 1"]);
});

test("a host that calls a Service without endpoints too often gets few refusals, and many time-outs", async () => {
  const played = await play(
    `  duration: 2s
  traffic: [{name: call, from: {pod: near}, to: {service: none}, protocol: udp, rate: 100/s, timeout: 500ms, stop: 1s}]`,
    [podOn("node-1", "near", 1), serviceOf("none", "selector: {app: nobody}, ports: [{port: 80, protocol: UDP}]")],
  );
  const errors = framesOn(played, "default/near/eth0").filter((line) => line.includes("icmp 3/3")).length;
  // A burst of six, then one in a second (icmp_ratelimit).
  expect(errors).toBeGreaterThanOrEqual(6);
  expect(errors).toBeLessThanOrEqual(8);
  expect(played.line("call")).toMatchObject({ sent: 100, refused: errors, timedOut: 100 - errors });
});
