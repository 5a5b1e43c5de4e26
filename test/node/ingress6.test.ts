// Ingress controllers over IPv6: outside clients of it, pods of it behind them, and what they are told about who called.
import { expect, test } from "vitest";
import type { Capture } from "../tools/capture.ts";
import { frame6 } from "../tools/six.ts";
import { ended, play, podOn, serviceOf } from "./play.ts";

const HTTP = "ports: [{name: http, port: 80, targetPort: 8080}]";
const INGRESS = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  rules:
    - host: shop.example
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
          - {path: /old, pathType: Prefix, backend: {service: {name: old, port: {number: 80}}}}`;

function scenario(ipFamily: string, lines: string): string {
  return `  duration: 1s\n  cluster: {ipFamily: ${ipFamily}}\n  traffic: [${lines}]`;
}

function line(more = "", path = "/"): string {
  const to = `{host: shop.example, port: 80${more}}`;
  return `{name: calls, from: internet, to: ${to}, protocol: http, path: ${path}, rate: 50/s, stop: 800ms}`;
}

/** The fields that tell a pod who called, as its first request over IPv6 has them. */
function told({ packets }: Capture, pod: string): string[] {
  const texts = packets
    .filter(({ device, direction }) => device === `default/${pod}/eth0` && direction === "inbound")
    .filter(({ bytes }) => frame6(bytes)?.what.startsWith("tcp P") === true)
    .map(({ bytes }) => Buffer.from(bytes).toString("latin1"));
  return (texts[0] ?? "").split("\r\n").filter((field) => /^X-(Real-IP|Forwarded-For)/.test(field));
}

test("in a cluster of IPv6 alone the controller and its load balancer have addresses of it, and pods see their client's", async () => {
  const played = await play(scenario("ipv6", line()), [
    INGRESS,
    podOn("node-2", "web", 8080),
    serviceOf("web", `selector: {app: web}, ${HTTP}`),
  ]);
  expect(ended(played, "calls")).toBe("delivered 40");
  expect(told(played.capture, "web")).toEqual(["X-Real-IP: 2001:db8:0:a::10", "X-Forwarded-For: 2001:db8:0:a::10"]);
});

test("where there are two, a host has addresses of both, and the controller calls pods by those of each", async () => {
  const manifests = [
    INGRESS,
    podOn("node-2", "web", 8080),
    podOn("node-3", "old", 8080),
    serviceOf("web", `selector: {app: web}, ipFamilyPolicy: PreferDualStack, ${HTTP}`),
    serviceOf("old", `selector: {app: old}, ipFamilies: [IPv4], ${HTTP}`),
  ];
  const families = async (more: string, path: string): Promise<string[]> => {
    const played = await play(scenario("dual", line(more, path)), manifests);
    expect(ended(played, "calls")).toBe("delivered 40");
    const arrived = (device: string): string =>
      [4, 6]
        .map((version) => {
          const type = version === 6 ? 0x86dd : 0x0800;
          return played.capture.packets.filter(
            ({ device: on, direction, bytes }) =>
              on === device &&
              direction === "inbound" &&
              Buffer.from(bytes).readUInt16BE(12) === type &&
              bytes[version === 6 ? 20 : 23] === 6,
          ).length;
        })
        .map((count, i) => (count > 0 ? `IPv${[4, 6][i]}` : ""))
        .join(" ")
        .trim();
    return [arrived("internet/client/eth0"), arrived(path === "/" ? "default/web/eth0" : "default/old/eth0")];
  };
  expect(await families("", "/")).toEqual(["IPv6", "IPv4 IPv6"]);
  expect(await families(", family: ipv4", "/")).toEqual(["IPv4", "IPv4 IPv6"]);
  // A pod of IPv4 alone is behind the same name.
  expect(await families(", family: ipv6", "/old")).toEqual(["IPv6", "IPv4"]);
});
