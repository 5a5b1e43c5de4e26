// Session affinity: a client stays with its endpoint, on each node for itself, as long as the node remembers it.
import { describe, expect, test } from "vitest";
import { decodeFrame } from "../tools/frame.ts";
import { play, podOn, serviceOf, type Played } from "./play.ts";

const BACKENDS = [podOn("node-2", "b-0", 8080), podOn("node-3", "b-1", 8080)].map((pod) =>
  pod.replace(/app: b-\d/, "app: b"),
);

/** Pods of a Deployment, all on node-1. */
function clients(replicas: number): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata: {name: clients}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: clients}}
  template:
    metadata: {labels: {app: clients}}
    spec: {nodeSelector: {kubernetes.io/hostname: node-1}, containers: [{name: main}]}`;
}

/** How many clients were served by both backends. */
function changed({ capture }: Played): number {
  const servedBy = new Map<string, Set<string>>();
  for (const { device, direction, bytes } of capture.packets) {
    const { ipv4, tcp } = decodeFrame(bytes);
    if (!device.startsWith("default/b-") || direction !== "inbound" || tcp?.flags !== "S") continue;
    const client = ipv4?.source ?? "";
    servedBy.set(client, (servedBy.get(client) ?? new Set()).add(device));
  }
  return [...servedBy.values()].filter((backends) => backends.size > 1).length;
}

/** `rounds` requests of each client through a Service with that affinity. */
async function rounds(number: number, affinity: string, count: number, seconds: number): Promise<Played> {
  return play(
    `  duration: ${count * seconds}s
  traffic: [{name: call, from: {deployment: clients}, to: {service: b, by: clusterIP}, protocol: tcp, rate: ${number / seconds}/s}]`,
    [
      ...BACKENDS,
      clients(number),
      serviceOf("b", `selector: {app: b}, ports: [{port: 80, targetPort: 8080}], ${affinity}`),
    ],
    (plan) => {
      plan.captures = plan.captures.map((one) => ({ ...one, devices: ["default/b-*/eth0"] }));
    },
  );
}

const CLIENT_IP = "sessionAffinity: ClientIP";

describe("with sessionAffinity ClientIP", () => {
  test("a client stays with its endpoint; without, it does not", async () => {
    const sticky = await rounds(40, CLIENT_IP, 5, 1);
    expect(sticky.line("call")).toMatchObject({ sent: 200, delivered: 200 });
    expect(changed(sticky)).toBe(0);
    expect(changed(await rounds(40, "sessionAffinity: None", 5, 1))).toBeGreaterThan(30);
  });

  test("it may go elsewhere once it has been away for longer than the timeout", async () => {
    const timeout = (seconds: number): string =>
      `${CLIENT_IP}, sessionAffinityConfig: {clientIP: {timeoutSeconds: ${seconds}}}`;
    expect(changed(await rounds(20, timeout(5), 4, 3))).toBe(0);
    expect(changed(await rounds(20, timeout(2), 4, 3))).toBeGreaterThan(10);
  });

  test("a node remembers 100 clients of an endpoint; of more, the ones that were away longest are forgotten", async () => {
    expect(changed(await rounds(180, CLIENT_IP, 2, 10))).toBe(0);
    expect(changed(await rounds(230, CLIENT_IP, 2, 10))).toBeGreaterThan(20);
  });

  test("each node has a memory of its own", async () => {
    const services = ["s0", "s1", "s2", "s3", "s4", "s5"];
    const lines = services.flatMap((name) =>
      ["node-1", "node-2"].map(
        (node) =>
          `    - {name: ${name} ${node}, from: internet, to: {nodePort: ${name}, node: ${node}}, protocol: tcp, rate: 5/s}`,
      ),
    );
    const played = await play(`  duration: 2s\n  traffic:\n${lines.join("\n")}`, [
      ...BACKENDS,
      ...services.map((name) =>
        serviceOf(name, `type: NodePort, selector: {app: b}, ports: [{port: 80, targetPort: 8080}], ${CLIENT_IP}`),
      ),
    ]);
    const backends = (name: string, node: string): string[] => Object.keys(played.line(`${name} ${node}`).backends);
    for (const name of services)
      for (const node of ["node-1", "node-2"]) expect(backends(name, node), `${name} ${node}`).toHaveLength(1);
    expect(services.some((name) => backends(name, "node-1")[0] !== backends(name, "node-2")[0])).toBe(true);
  });
});
