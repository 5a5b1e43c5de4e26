// The ingress controller's proxy: where hosts and paths lead, what it hands on, and what it answers itself.
import { describe, expect, test } from "vitest";
import { BUILDS, Lab, type Build } from "../kernel/lab.ts";
import { flow, type MachineWords } from "../kernel/network.ts";
import type { IngressLocation } from "../../src/seam/machine.ts";
import type { FlowConfig } from "../../src/seam/plan.ts";

const two = { address: "10.0.1.2", port: 8080 };
const three = { address: "10.0.2.2", port: 8080 };
const nobody = { address: "10.0.1.2", port: 1 };
const LOCATIONS: IngressLocation[] = [
  { host: "shop.example", path: "/api/v1", exact: true, servers: [three] },
  { host: "shop.example", path: "/api", exact: false, servers: [two, three] },
  { host: "shop.example", path: "/gone", exact: false, servers: [] },
  { host: "shop.example", path: "/refused", exact: false, servers: [nobody] },
  { host: "shop.example", path: "/half", exact: false, servers: [nobody, three] },
  { host: "shop.example", path: "", exact: false, servers: undefined },
  { host: "*.example", path: "/deep", exact: false, servers: [two] },
  { host: "", path: "", exact: false, servers: [three] },
];
const WORDS: MachineWords = {
  namespaces: {
    client: { addresses: { eth0: "10.0.0.1/24" } },
    proxy: {
      addresses: { eth0: "10.0.0.2/24", eth1: "10.0.1.1/24", eth2: "10.0.2.1/24" },
      listen: ["tcp 80 ingress"],
    },
    two: { addresses: { eth0: "10.0.1.2/24" }, listen: ["tcp 8080"] },
    three: { addresses: { eth0: "10.0.2.2/24" }, listen: ["tcp 8080 response 5000"] },
  },
  ingress: LOCATIONS,
  veths: ["client/eth0 proxy/eth0", "proxy/eth1 two/eth0", "proxy/eth2 three/eth0"],
};

/** What became of requests to a host and path: what the client received, and what the servers were sent. */
function call(build: Build, host: string, path: string, more: Partial<FlowConfig> = {}, words = WORDS) {
  const flows = [flow("client", "http", "10.0.0.2:80", { host, path, requestBytes: 0, ...more })];
  const lab = new Lab(build, words, { flows, durationNs: 60e9 }).run(60);
  const texts = (devices: string[], direction: string): string[] =>
    lab
      .seen(...devices)
      .filter((seen) => seen.direction === direction && seen.frame.tcp && seen.frame.payload.length > 0)
      .map(({ frame }) => Buffer.from(frame.payload).toString("latin1"));
  const client = texts(["client/eth0"], "inbound");
  return { lab, client, status: client[0]?.split("\r\n")[0], sent: texts(["proxy/eth1", "proxy/eth2"], "outbound") };
}

/** Who answered: the server's response begins with its name. */
function served(build: Build, host: string, path: string): string | undefined {
  const { client, status } = call(build, host, path);
  return /\r\n\r\n(\w+)\n/.exec(client.join(""))?.[1] ?? status;
}

describe.each(BUILDS)("in the %s build", (build) => {
  test("a request is handed on with nginx' fields, over a connection of the proxy's own, and the answer streamed back", () => {
    const { lab, client, sent } = call(build, "shop.example", "/api/v1?q=1");
    expect(sent).toHaveLength(1);
    expect(sent[0]?.replace(/X-Request-ID: [0-9a-f]{32}/, "X-Request-ID: ID").split("\r\n")).toEqual([
      "GET /api/v1?q=1 HTTP/1.1",
      "Host: shop.example",
      "X-Request-ID: ID",
      "X-Real-IP: 10.0.0.1",
      "X-Forwarded-For: 10.0.0.1",
      "X-Forwarded-Host: shop.example",
      "X-Forwarded-Port: 80",
      "X-Forwarded-Proto: http",
      "X-Forwarded-Scheme: http",
      "X-Scheme: http",
      "User-Agent: podwire",
      "Accept: */*",
      "",
      "",
    ]);
    expect(client.join("")).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nthree\n/);
    expect(client.join("").length).toBeGreaterThan(5000);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
    expect(lab.live).toBe(0);
  });

  test.each([
    ["fd00:0:0:0:0:0:0:1", "fd00::1"],
    ["fd00:1:0:0:2:0:0:3", "fd00:1::2:0:0:3"],
    ["fd00:0:1:0:0:2:3:ffff", "fd00:0:1::2:3:ffff"],
    ["fd00:0:1:20:300:4000:5:0", "fd00:0:1:20:300:4000:5:0"],
    ["fd00:1:2:3:4:5:0:0", "fd00:1:2:3:4:5::"],
  ])("a client of IPv6, %s, is %s in the fields", (address, text) => {
    const words = structuredClone(WORDS);
    words.namespaces["client"] = { addresses: { eth0: `${address}/8` } };
    Object.assign(words.namespaces["proxy"]?.addresses ?? {}, { eth0: "fdff::1/8" });
    const target = { address: "fdff::1", port: 80 };
    const { sent } = call(build, "shop.example", "/api/v1", { target }, words);
    expect(sent.join("")).toContain(`X-Real-IP: ${text}\r\nX-Forwarded-For: ${text}\r\n`);
  });

  test("a body follows the head", () => {
    const { lab, sent } = call(build, "shop.example", "/api", { requestBytes: 20_000 });
    expect(sent.join("").length).toBeGreaterThan(20_000);
    expect(sent.join("")).toContain("Content-Length: 20000\r\n\r\n....");
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
    expect(lab.live).toBe(0);
  });

  test.each([
    ["shop.example", "/api/v1", "three"],
    ["shop.example", "/api/v1/", "two"],
    ["shop.example", "/api", "two"],
    ["SHOP.example:8000", "/api/x?y", "two"],
    ["shop.example", "/apix", "HTTP/1.1 404 Not Found"],
    ["shop.example", "/", "HTTP/1.1 404 Not Found"],
    ["shop.example", "/gone", "HTTP/1.1 503 Service Temporarily Unavailable"],
    ["shop.example", "/refused", "HTTP/1.1 502 Bad Gateway"],
    ["shop.example", "/half", "three"],
    ["www.example", "/deep/er", "two"],
    ["a.b.example", "/deep", "three"],
    ["www.example", "/", "three"],
    ["[fd00::1]:8000", "/x", "three"],
    ["10.0.0.2", "/", "three"],
  ])("%s%s leads to %s", (host, path, to) => {
    expect(served(build, host, path)).toBe(to);
  });

  test("requests take the servers in turn", () => {
    const { lab } = call(build, "shop.example", "/api", { rate: 10, stopNs: 0.4e9 });
    expect(lab.outcome()).toEqual({ sent: 4, delivered: 4 });
    const syns = (device: string) => lab.packets(device).filter((line) => line.endsWith("tcp S")).length;
    expect([syns("two/eth0"), syns("three/eth0")]).toEqual([2, 2]);
  });

  test.each([
    ["/api", "HTTP/1.1 200 OK", 4],
    ["/gone", "HTTP/1.1 503 Service Temporarily Unavailable", 0],
    ["/none", "HTTP/1.1 404 Not Found", 0],
  ])("a client that keeps its connection has one for all requests to %s: %s", (path, status, servers) => {
    const more = { rate: 10, stopNs: 0.4e9, keepAlive: true };
    const { lab, client } = call(build, "shop.example", path, more);
    expect(lab.outcome()).toEqual({ sent: 4, delivered: 4 });
    expect(client.filter((text) => text.startsWith(`${status}\r\n`))).toHaveLength(4);
    const opened = (device: string) => lab.packets(device).filter((line) => line.endsWith("tcp S")).length;
    expect(opened("client/eth0")).toBe(1);
    // Towards the servers each request has one of its own, whatever the client does.
    expect(opened("two/eth0") + opened("three/eth0")).toBe(servers);
    expect(lab.live).toBe(0);
  });

  test("bodies and answers of many segments follow each other over a kept connection, whole", () => {
    const responseSizes = { kind: "constant", a: 20_000, b: 0, least: 1, most: 1e6 } as const;
    const more = { rate: 500, stopNs: 0.02e9, keepAlive: true, connections: 1, requestBytes: 3000, responseSizes };
    const { lab, client, sent } = call(build, "shop.example", "/api", more);
    expect(lab.outcome()).toEqual({ sent: 10, delivered: 10 });
    expect(client.join("").match(/Content-Length: 20000\r\n/g)).toHaveLength(10);
    expect(sent.join("").match(/Content-Length: 3000\r\n/g)).toHaveLength(10);
    expect(sent.join("").match(/\.{3000}/g)).toHaveLength(10);
  });

  test("a server that takes no connection for five seconds is passed over; when none is left the answer is 504", () => {
    const rules = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n";
    const deaf = { ...WORDS, namespaces: { ...WORDS.namespaces, two: { ...WORDS.namespaces.two, rules } } };
    const { lab, client } = call(build, "shop.example", "/api", {}, deaf);
    expect(client.join("")).toContain("\r\n\r\nthree\n");
    expect(lab.seen("three/eth0").find(({ frame }) => frame.tcp)?.ns).toBe(5e9);
    expect(call(build, "www.example", "/deep", {}, deaf).status).toBe("HTTP/1.1 504 Gateway Time-out");
  });
});
