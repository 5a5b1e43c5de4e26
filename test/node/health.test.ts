// The health check node port: what kube-proxy answers there, on a node with an endpoint and on one without.
import { expect, test } from "vitest";
import type { Service } from "../../src/kubernetes/objects.ts";
import { proxyContext } from "../../src/node/kube-proxy/context.ts";
import { healthCheckListeners } from "../../src/node/kube-proxy/health.ts";
import { decodeFrame } from "../tools/frame.ts";
import { endpoint, port, service, slice } from "./objects.ts";
import { ended, play, podOn, serviceOf } from "./play.ts";

const WEB: Service = service("shop/web", "10.96.0.20", [port("http", 80), port("https", 443)], {
  type: "LoadBalancer",
  externalTrafficPolicy: "Local",
  healthCheckNodePort: 32000,
});
const here = (address: string, more = {}) => endpoint(address, "node-1", more);
const context = proxyContext({ nodeName: "node-1", nodeIP: "192.168.0.11" });

/** The status line and the number of local endpoints of each listener. */
function answers(of: Service, ...endpoints: ReturnType<typeof endpoint>[]): string[] {
  return healthCheckListeners([of], [slice(of, endpoints)], context).map(
    ({ port: number, response = "" }) =>
      `${number} ${response.slice(0, response.indexOf("\r"))} ${/"localEndpoints": (\d+)/.exec(response)?.[1]}`,
  );
}

test("one for a Service, whatever its ports; ready local addresses count once each, terminating ones not", () => {
  expect(answers(WEB, here("10.244.1.2"), here("10.244.1.3"), endpoint("10.244.2.2", "node-2"))).toEqual([
    "32000 HTTP/1.1 200 OK 2",
  ]);
  const ending = here("10.244.1.4", { ready: false, terminating: true });
  expect(answers(WEB, ending, endpoint("10.244.2.2", "node-2"))).toEqual(["32000 HTTP/1.1 503 Service Unavailable 0"]);
  expect(answers({ ...WEB, externalTrafficPolicy: "Cluster" }, here("10.244.1.2"))).toEqual([]);
});

test("on the addresses of --nodeport-addresses", () => {
  const some = {
    ...context,
    nodePortAddresses: ["192.168.0.0/24"],
    interfaceAddresses: ["192.168.0.11", "10.244.1.1"],
  };
  expect(healthCheckListeners([WEB], [], some).map(({ address }) => address)).toEqual(["192.168.0.11"]);
});

test("over the wire it is kube-proxy's JSON", async () => {
  const call = (node: string) =>
    `    - {name: ${node}, from: internet, to: {node: ${node}, port: 32000}, protocol: http, rate: 5/s, stop: 100ms}`;
  const played = await play(`  duration: 1s\n  traffic:\n${["node-1", "node-2"].map(call).join("\n")}`, [
    podOn("node-1", "web", 8080),
    serviceOf(
      "web",
      "type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 32000, selector: {app: web}, ports: [{port: 80}]",
    ),
  ]);
  expect([ended(played, "node-1"), ended(played, "node-2")]).toEqual(["delivered 1", "delivered 1"]);
  const sent = (node: string): string | undefined =>
    played.capture.packets
      .filter(({ device, direction }) => device === `${node}/eth0` && direction === "outbound")
      .map(({ bytes }) => Buffer.from(decodeFrame(bytes).payload).toString())
      .find((text) => text.startsWith("HTTP/1.1"));
  expect(sent("node-1")).toBe(
    [
      "HTTP/1.1 200 OK",
      "Content-Type: application/json",
      "X-Content-Type-Options: nosniff",
      "X-Load-Balancing-Endpoint-Weight: 1",
      "Content-Length: 114",
      "",
      '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n\t"localEndpoints": 1,\n\t"serviceProxyHealthy": true\n}',
    ].join("\r\n"),
  );
  expect(sent("node-2")).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n.*"localEndpoints": 0,/s);
});
