// Where an Ingress leads, by the answers that reach the client: Exact and Prefix, the longest path, default backends, 404 and 503.
import { beforeAll, describe, expect, test } from "vitest";
import { decodeFrame } from "../tools/frame.ts";
import { play, podOn, serviceOf, type Played } from "./play.ts";

const PODS = ["root", "api", "exact", "fallback", "wild"];
const INGRESSES = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  rules:
    - host: shop.example
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: root, port: {number: 80}}}}
          - {path: /api, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}
          - {path: /api, pathType: Exact, backend: {service: {name: exact, port: {name: http}}}}
          - {path: /none, pathType: Prefix, backend: {service: {name: empty, port: {number: 80}}}}
          - {path: /wrong, pathType: Prefix, backend: {service: {name: missing, port: {number: 80}}}}
    - host: "*.example"
      http:
        paths: [{path: /wild, pathType: Prefix, backend: {service: {name: wild, port: {number: 80}}}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: blog}
spec:
  defaultBackend: {service: {name: fallback, port: {number: 80}}}
  rules:
    - host: blog.test
      http: {paths: [{path: /api, pathType: Exact, backend: {service: {name: api, port: {number: 80}}}}]}`;

const CALLS: [host: string, path: string, answer: string][] = [
  ["shop.example", "/", "root"],
  ["shop.example", "/apis", "root"],
  ["shop.example", "/api", "exact"],
  ["shop.example", "/api/", "api"],
  ["shop.example", "/api/v1?q=/none", "api"],
  ["shop.example", "/none/at/all", "503"],
  ["shop.example", "/wrong", "503"],
  ["a.example", "/wild/x", "wild"],
  ["a.example", "/other", "404"],
  ["a.b.example", "/wild", "404"],
  ["blog.test", "/api", "api"],
  ["blog.test", "/api/v1", "fallback"],
  ["nobody.test", "/", "404"],
];

describe("a request for", () => {
  let played: Played;
  beforeAll(async () => {
    const lines = CALLS.map(
      ([host, path], i) =>
        `    - {name: c${i}, from: internet, to: {loadBalancer: ingress-nginx-controller, namespace: ingress-nginx, port: http}, protocol: http, rate: 1/s, start: ${i * 200}ms, stop: ${i * 200 + 1}ms, host: ${host}, path: "${path}"}`,
    );
    played = await play(`  duration: 4s\n  traffic:\n${lines.join("\n")}`, [
      INGRESSES,
      serviceOf("empty", "selector: {app: nobody}, ports: [{port: 80}]"),
      ...PODS.flatMap((name) => [
        podOn("node-2", name, 8080),
        serviceOf(name, `selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 8080}]`),
      ]),
    ]);
  });

  /** The client's answers in the order of their requests: the status if it is an error, else who sent it. */
  function answers(): string[] {
    return played.capture.packets
      .filter(({ device, direction }) => device === "internet/client/eth0" && direction === "inbound")
      .map(({ bytes }) => Buffer.from(decodeFrame(bytes).payload).toString("latin1"))
      .flatMap((text) => {
        const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1];
        if (status === undefined) return [];
        return status === "200" ? (/\r\n\r\ndefault\/(\w+)\n/.exec(text)?.[1] ?? text) : status;
      });
  }

  test.each(CALLS.map(([host, path, answer], i) => ({ host, path, answer, i })))(
    "$host$path is answered by $answer",
    ({ answer, i }) => {
      expect(answers()[i]).toBe(answer);
    },
  );

  test("any of them tells the pod who asked, whose own address it no longer sees", () => {
    const request = played.capture.packets
      .filter(({ device, direction }) => device === "default/exact/eth0" && direction === "inbound")
      .map(({ bytes }) => decodeFrame(bytes))
      .find(({ payload }) => payload.length > 0);
    const text = Buffer.from(request?.payload ?? []).toString("latin1");
    expect(text).toContain("\r\nHost: shop.example\r\n");
    expect(text).toContain("\r\nX-Forwarded-For: 198.51.100.10\r\n");
    expect(request?.ipv4?.source).not.toBe("198.51.100.10");
  });
});
