// What a node's settings are for: what breaks without br_netfilter, without hairpin on the bridge's ports, without route_localnet.
import { describe, expect, test } from "vitest";
import type { Plan } from "../../src/seam/plan.ts";
import { ended, framesOn, play, podOn, serviceOf, sourcesSeen, type Played } from "./play.ts";

function withSysctl(key: string, value: string): (plan: Plan) => void {
  return (plan) => {
    for (const root of plan.machines.flatMap(({ namespaces }) => namespaces).filter(({ role }) => role === "node"))
      root.sysctls = [...root.sysctls.filter(([name]) => name !== key), [key, value]];
  };
}

function withoutHairpin(plan: Plan): void {
  for (const { a } of plan.machines.flatMap(({ veths }) => veths)) a.hairpin = false;
}

function calling(from: string, to: string, change?: (plan: Plan) => void): Promise<Played> {
  return play(
    `  duration: 2s
  traffic: [{name: call, from: ${from}, to: ${to}, protocol: tcp, rate: 2/s, timeout: 500ms, stop: 1s}]`,
    [
      podOn("node-1", "near", 1),
      podOn("node-2", "far", 1),
      podOn("node-1", "web", 8080),
      serviceOf("web", "type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]"),
    ],
    change,
  );
}

describe("without br_netfilter", () => {
  const off = withSysctl("net.bridge.bridge-nf-call-iptables", "0");

  test("a pod of the same node gets its answer from the pod's own address, and resets it", async () => {
    const played = await calling("{pod: near}", "{service: web, by: clusterIP}", off);
    expect(ended(played, "call")).toBe("timed out 2");
    const frames = framesOn(played, "default/near/eth0").filter((line) => line.includes("tcp"));
    const shape = (line: string): string => line.replace(/:(?!80\b|8080\b)\d+/g, "");
    expect(frames.slice(0, 3).map(shape)).toEqual([
      expect.stringMatching(/^10\.244\.1\.2 > 10\.96\.0\.\d+:80 tcp S$/),
      "10.244.1.3:8080 > 10.244.1.2 tcp S.",
      "10.244.1.2 > 10.244.1.3:8080 tcp R",
    ]);
  });

  test("a pod of another node is served, and with br_netfilter both are", async () => {
    expect(ended(await calling("{pod: far}", "{service: web, by: clusterIP}", off), "call")).toBe("delivered 2");
    expect(ended(await calling("{pod: near}", "{service: web, by: clusterIP}"), "call")).toBe("delivered 2");
  });
});

test("without hairpin on its port a pod does not reach itself by its Service, though others do", async () => {
  expect(ended(await calling("{pod: web}", "{service: web, by: clusterIP}"), "call")).toBe("delivered 2");
  expect(ended(await calling("{pod: web}", "{service: web, by: clusterIP}", withoutHairpin), "call")).toBe(
    "timed out 2",
  );
  expect(ended(await calling("{pod: near}", "{service: web, by: clusterIP}", withoutHairpin), "call")).toBe(
    "delivered 2",
  );
});

test("a node port answers on localhost, masqueraded, but only with route_localnet", async () => {
  const local = await calling("{node: node-1}", "{host: 127.0.0.1, port: 30080}");
  expect(ended(local, "call")).toBe("delivered 2");
  expect(sourcesSeen(local, "default/web/eth0", 8080)).toEqual(["10.244.1.1"]);
  const off = await calling(
    "{node: node-1}",
    "{host: 127.0.0.1, port: 30080}",
    withSysctl("net.ipv4.conf.all.route_localnet", "0"),
  );
  expect(off.line("call").delivered).toBe(0);
  expect(sourcesSeen(off, "default/web/eth0", 8080)).toEqual([]);
});
