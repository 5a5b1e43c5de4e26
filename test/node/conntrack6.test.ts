// kube-proxy's clean-up of UDP entries in a cluster of two families: what led to a pod that is gone goes, what is served stays.
import { describe, expect, test } from "vitest";
import { play, podOn, serviceOf, type Played } from "./play.ts";

const CLIENTS = ["a", "b", "c", "d"].map((name) => podOn("node-2", name, 9));
const PORTS = "ports: [{port: 80, targetPort: 8080, protocol: UDP, nodePort: 30080}]";
const DUAL = serviceOf("web", `type: NodePort, ipFamilyPolicy: RequireDualStack, selector: {app: web}, ${PORTS}`);
const PODS = [podOn("node-1", "one", 8080), podOn("node-3", "two", 8080)].map((pod) =>
  pod.replace(/app: (one|two)/, "app: web"),
);
const FAMILIES = ["ipv4", "ipv6"] as const;

/** A line for each client and family, which begins before the pod goes and lasts until long after it. */
function lines(to: string): string {
  const all = ["a", "b", "c", "d"].flatMap((pod) =>
    FAMILIES.map(
      (family) =>
        `    - {name: ${pod} ${family}, from: {pod: ${pod}}, to: {${to}, family: ${family}}, protocol: udp, rate: 20/s, stop: 3500ms, timeout: 200ms}`,
    ),
  );
  return `  traffic:\n${all.join("\n")}\n`;
}

function scenario(to: string, event: string, cleanup: boolean): string {
  const kubeProxy = `kubeProxy: {minSyncPeriod: 10ms, conntrackCleanup: ${cleanup}}`;
  const timeline = `  timeline: [{at: 500ms, delete: ${event}}]\n`;
  return `  duration: 4s\n  cluster: {ipFamily: dual, ${kubeProxy}}\n${timeline}${lines(to)}`;
}

function timedOut({ line }: Played, family: string): number[] {
  return ["a", "b", "c", "d"].map((pod) => line(`${pod} ${family}`).timedOut);
}

function removed({ result }: Played): number {
  return result.countedConnections.reduce((sum, count) => sum + count, 0);
}

describe.each([
  ["a cluster IP", "service: web, by: clusterIP"],
  ["a node port", "nodePort: web, node: node-2"],
])("through %s", (_, to) => {
  test("who was led to a pod that is gone is led to another one, over either family", async () => {
    const played = await play(scenario(to, "pod/two", true), [...PODS, ...CLIENTS, DUAL]);
    for (const family of FAMILIES) expect(Math.max(...timedOut(played, family))).toBeLessThan(10);
  });

  test("without the clean-up it calls nobody to the end", async () => {
    const played = await play(scenario(to, "pod/two", false), [...PODS, ...CLIENTS, DUAL]);
    for (const family of FAMILIES) expect(Math.max(...timedOut(played, family))).toBeGreaterThan(40);
  });

  test("the entries of a Service whose pods stay are left alone when another pod goes", async () => {
    const other = podOn("node-3", "other", 8080);
    const others = serviceOf("other", "ipFamilyPolicy: RequireDualStack, selector: {app: other}, ports: [{port: 81}]");
    const played = await play(scenario(to, "pod/other", true), [...PODS, ...CLIENTS, DUAL, other, others]);
    for (const family of FAMILIES) expect(timedOut(played, family)).toEqual([0, 0, 0, 0]);
    expect(removed(played)).toBe(0);
  });
});
