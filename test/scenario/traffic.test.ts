// Lines of traffic as a scenario writes them: what becomes of each field, and the sentence about one that cannot be.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSources } from "../../src/scenario/files.ts";
import { prepare } from "../../src/scenario/prepare.ts";
import type { FlowConfig } from "../../src/seam/plan.ts";

const MANIFEST = `apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80 }, { name: log, port: 514, protocol: UDP }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: web, ports: [{ containerPort: 80 }, { containerPort: 514, protocol: UDP }] }] }
`;

const folder = mkdtempSync(join(tmpdir(), "podwire-lines-"));
writeFileSync(join(folder, "trace.txt"), "# seconds, or with a unit\n0.5\n250ms 100\n1.5, 200, 3000\n");
writeFileSync(join(folder, "bad.txt"), "0.5\nsoon\n");

/** The flows of a line with these fields, from the two pods of web to its Service. */
function flowsOf(fields: string, to = "to: { service: web }"): FlowConfig[] {
  const file = join(folder, "scenario.yaml");
  const line = `{ name: line, from: { deployment: web }, ${to}, ${fields} }`;
  const head = "apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: { name: x }\n";
  writeFileSync(file, `${head}spec:\n  duration: 2s\n  traffic:\n    - ${line}\n---\n${MANIFEST}`);
  return prepare(readSources([file]), { outDir: folder }).plan.flows;
}

describe("a line", () => {
  test("of a stream has a rate, or as many datagrams as its bandwidth is", () => {
    const to = "to: { service: web, port: log }";
    const plain = flowsOf("protocol: udp, stream: {}, rate: 100/s", to);
    expect(plain.map(({ protocol, stream, rate }) => [protocol, stream, rate])).toEqual([
      ["stream", "one-way", 50],
      ["stream", "one-way", 50],
    ]);
    const wide = flowsOf("protocol: udp, stream: { bandwidth: 16Mbit, answers: true }, requestBytes: 1000", to);
    expect(wide.map(({ stream, rate, requestBytes }) => [stream, rate, requestBytes])).toEqual([
      ["echoed", 1000, 1000],
      ["echoed", 1000, 1000],
    ]);
  });

  test("with a rate shares it between its pairs", () => {
    const flows = flowsOf("protocol: http, rate: 100/s, keepAlive: true, connections: 4");
    expect(flows.map(({ rate, arrival, startNs }) => [rate, arrival, startNs])).toEqual([
      [50, "constant", 0],
      [50, "constant", 10e6],
    ]);
    expect(flows[0]).toMatchObject({ keepAlive: true, connections: 4, requestBytes: 0 });
  });

  test("with clients deals them out", () => {
    const flows = flowsOf("protocol: tcp, clients: 5, thinkTime: { exponential: { mean: 100ms, max: 1s } }");
    const think = { kind: "exponential", a: 100e6, b: 0, least: 0, most: 1e9 };
    expect(flows.map(({ arrival }) => arrival)).toEqual([
      { kind: "closed", clients: 3, think },
      { kind: "closed", clients: 2, think },
    ]);
  });

  test("with a trace deals out its moments, in their order", () => {
    const flows = flowsOf("protocol: http, start: 100ms, arrival: { trace: trace.txt }");
    expect(flows.map(({ arrival }) => arrival)).toEqual([
      {
        kind: "trace",
        moments: [
          { atNs: 350e6, requestBytes: 100, responseBytes: undefined },
          { atNs: 1600e6, requestBytes: 200, responseBytes: 3000 },
        ],
      },
      { kind: "trace", moments: [{ atNs: 600e6, requestBytes: undefined, responseBytes: undefined }] },
    ]);
    expect(flows[0]?.responseSizes).toMatchObject({ kind: "constant", a: 200 });
  });

  test("with an on-off source has one for each pair", () => {
    const [one] = flowsOf(
      "protocol: udp, rate: 10/s, arrival: { onOff: { onTime: 1s, offTime: { uniform: { min: 1s, max: 2s } } } }",
    );
    expect(one?.arrival).toMatchObject({
      kind: "onOff",
      gaps: "constant",
      on: { kind: "constant", a: 1e9 },
      off: { kind: "uniform", a: 1e9, b: 2e9 },
    });
  });

  test("with retries waits as Envoy does unless it says how", () => {
    const [one] = flowsOf("protocol: http, rate: 1/s, retries: { attempts: 2, perTryTimeout: 300ms }");
    expect(one?.retries).toEqual({
      attempts: 2,
      on: ["connect-failure", "reset"],
      perTryTimeoutNs: 300e6,
      backoffNs: 25e6,
      maxBackoffNs: 250e6,
    });
  });

  test("has sizes that its protocol can carry", () => {
    expect(
      flowsOf("protocol: udp, rate: 1/s, requestBytes: { pareto: { min: 10, shape: 1.1 } }")[0]?.requestSizes,
    ).toEqual({
      ...{ kind: "pareto", a: 10, b: 1.1 },
      ...{ least: 8, most: 1472 },
    });
    // Over TCP a request that says how long its answer should be has room for that.
    expect(flowsOf("protocol: tcp, rate: 1/s, responseBytes: 5000")[0]).toMatchObject({
      requestSizes: { kind: "constant", a: 64, least: 32 },
      responseSizes: { kind: "constant", a: 5000 },
    });
  });
});

test.each([
  ["protocol: tcp, rate: 1/s, stream: {}", "stream", "is for udp, not for tcp"],
  ["protocol: udp, stream: {}", "traffic[0]", "should have a rate, or stream.bandwidth"],
  ["protocol: udp, clients: 2, stream: {}", "clients", "is not for a stream"],
  ["protocol: udp, rate: 1/s, stream: {}, retries: { attempts: 1 }", "retries", "is not for a stream"],
  ["protocol: udp, rate: 1/s, stream: {}, requestBytes: 19", "requestBytes", "should be at least 20 for a stream"],
  ["protocol: udp, rate: 1/s, stream: { bandwidth: 1Mbit }", "rate", "should not come with stream.bandwidth"],
  ["protocol: udp, stream: {}, arrival: { trace: trace.txt }", "arrival.trace", "is not for a stream"],
  [
    "protocol: udp, stream: { bandwidth: 1Mbit }, requestBytes: { uniform: { min: 20, max: 80 } }",
    "stream.bandwidth",
    "should be a rate instead",
  ],
  ["protocol: tcp", "traffic[0]", "should have a rate, or clients for a closed loop"],
  ["protocol: tcp, rate: 1/s, clients: 2", "rate", "is for an open loop"],
  ["protocol: tcp, clients: 1", "clients", "should be at least 2"],
  ["protocol: tcp, rate: 1/s, thinkTime: 1s", "thinkTime", "should come with clients"],
  [
    "protocol: tcp, rate: 1/s, arrival: often",
    "arrival",
    "should be constant, poisson, {onOff: {onTime: 1s, offTime: 1s}} or",
  ],
  ["protocol: tcp, rate: 1/s, arrival: { trace: trace.txt }", "rate", "is not for a trace"],
  ["protocol: tcp, arrival: { trace: none.txt }", "arrival.trace", "there is no file"],
  ["protocol: udp, arrival: { trace: trace.txt }", "arrival.trace", "has bytes of answers, which are for tcp and http"],
  ["protocol: udp, rate: 1/s, keepAlive: true", "keepAlive", "is for tcp and http, not for udp"],
  [
    "protocol: icmp, rate: 1/s, responseBytes: 9",
    "responseBytes",
    "is for tcp and http; icmp is answered with what came",
  ],
  [
    "protocol: tcp, rate: 1/s, requestBytes: { uniform: { min: 9, max: 8 } }",
    "requestBytes.uniform.max",
    "should not be less than min",
  ],
  ["protocol: tcp, rate: 1/s, requestBytes: { normal: 9 }", "requestBytes", "normal"],
  [
    "protocol: tcp, rate: 1/s, requestBytes: { constant: 9, uniform: { min: 9, max: 10 } }",
    "requestBytes",
    "should have one of constant,",
  ],
  [
    "protocol: tcp, rate: 1/s, retries: { attempts: 1, retryOn: [always] }",
    "retryOn",
    "should be one of connect-failure, reset,",
  ],
])("%s: %s %s", (fields, field, sentence) => {
  expect(() => flowsOf(fields)).toThrow(sentence);
  expect(() => flowsOf(fields)).toThrow(field);
});

test("a DNS line asks its question of the server that is named", () => {
  const to = "to: { service: kube-dns, namespace: kube-system, port: dns, by: clusterIP }";
  const [one] = flowsOf("protocol: dns, rate: 10/s, query: { name: Web.default.svc.cluster.local., type: SRV }", to);
  expect(one).toMatchObject({
    protocol: "query",
    target: { address: "10.96.0.10", port: 53 },
    question: { name: "Web.default.svc.cluster.local", type: 33 },
  });
  expect(() => flowsOf("protocol: dns, rate: 10/s", to)).toThrow("should have a query");
});

test("a trace's bad line is named", () => {
  expect(() => flowsOf("protocol: tcp, arrival: { trace: bad.txt }")).toThrow(
    /bad\.txt.*2.*soon should be a time such as 0\.25/s,
  );
});
