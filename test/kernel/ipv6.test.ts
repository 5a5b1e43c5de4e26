// IPv6 between hosts over a router: what arrives, what is refused and why, and that Wireshark's dissectors find every frame right.
import { describe, expect, test } from "vitest";
import type { FlowConfig, FlowProtocol } from "../../src/seam/plan.ts";
import { judge, testWithTshark } from "../tools/tshark.ts";
import { ethernet, ipv4 } from "./craft.ts";
import { BUILDS, Lab, type Build } from "./lab.ts";
import { flow, type MachineWords } from "./network.ts";

const NETWORK: MachineWords = {
  namespaces: {
    a: { addresses: { eth0: "fd00:1::1/64" }, routes: ["::/0 via fd00:1::ff"] },
    r: {
      addresses: { p1: "fd00:1::ff/64", p2: "fd00:2::ff/64" },
      sysctls: { "net.ipv6.conf.all.forwarding": 1 },
    },
    b: { addresses: { eth0: "fd00:2::2/64" }, routes: ["::/0 via fd00:2::ff"], listen: ["udp 7", "tcp 80"] },
  },
  veths: ["a/eth0 r/p1", "r/p2 b/eth0"],
};

function to(protocol: FlowProtocol, address: string, port: number, more: Partial<FlowConfig> = {}): FlowConfig {
  return flow("a", protocol, "10.0.0.1", { target: { address, port }, ...more });
}

function lab(build: Build, flows: FlowConfig[], words = NETWORK): Lab {
  return new Lab(build, words, { flows }).run(5);
}

describe.each(BUILDS)("in the %s build", (build) => {
  test.each([
    ["an echo request", to("icmp", "fd00:2::2", 0)],
    ["a datagram", to("udp", "fd00:2::2", 7)],
    ["a datagram in two fragments", to("udp", "fd00:2::2", 7, { requestBytes: 1800 })],
    ["a connection", to("http", "fd00:2::2", 80)],
  ])("%s comes back over a router", (_, request) => {
    const it = lab(build, [request]);
    expect(it.outcome()).toEqual({ sent: 1, delivered: 1 });
    expect(["a", "r", "b"].map((ns) => it.drops(ns))).toEqual([{}, {}, {}]);
    expect(it.live).toBe(0);
  });

  test.each([
    ["a port that nobody listens on", to("udp", "fd00:2::2", 8), "b", { NO_SOCKET: 1 }],
    ["an address without a route", to("udp", "fd00:3::2", 7), "r", { IP_INNOROUTES: 1 }],
    ["an address that nobody has, after three solicitations", to("udp", "fd00:2::3", 7), "r", { NEIGH_FAILED: 1 }],
  ])("%s refuses", (_, request, where, drops) => {
    const it = lab(build, [request]);
    expect(it.outcome()).toEqual({ sent: 1, refused: 1 });
    expect(it.drops(where)).toEqual(drops);
    expect(it.live).toBe(0);
  });

  test("a router that does not forward is silent about what is for others", () => {
    const still = structuredClone(NETWORK);
    delete still.namespaces["r"]?.sysctls;
    const it = lab(build, [to("udp", "fd00:2::2", 7)], still);
    expect(it.drops("r")).toEqual({ NOT_FORWARDING: 1 });
    expect(it.outcome()).toMatchObject({ sent: 1 });
  });

  test("packets of IPv4 with an address that stands for one of IPv6 are dropped", () => {
    const it = new Lab(build, {
      namespaces: { a: { addresses: { eth0: "10.0.0.1/24" } }, b: {} },
      veths: ["a/eth0 b/eth0"],
    });
    const packet = ipv4({ from: "0.128.0.1", to: "10.0.0.1" }, 17, new Uint8Array(8));
    it.inject("a/eth0", ethernet(it.mac("a/eth0"), "02:00:00:00:00:99", 0x0800, packet), 0);
    it.run(1);
    expect(it.drops("a")).toEqual({ IP_INVALID_SOURCE: 1 });
  });

  testWithTshark("tshark finds nothing wrong with any frame", () => {
    const it = lab(build, [
      to("icmp", "fd00:2::2", 0, { rate: 10, stopNs: 0.2e9 }),
      to("udp", "fd00:2::2", 7, { requestBytes: 1800 }),
      to("udp", "fd00:2::2", 8),
      to("udp", "fd00:2::3", 7),
      to("http", "fd00:2::2", 80, { rate: 10, stopNs: 0.3e9 }),
    ]);
    const verdict = judge(it.capture);
    expect(verdict.frames).toBeGreaterThan(80);
    expect(verdict).toMatchObject({ badChecksums: [], errors: [], analysis: [] });
  });
});
