// Routing: the choice of the way, forwarding, and the ICMP errors that say why a packet went no further.
import { describe, expect, test } from "vitest";
import { ethernet, icmp, ipv4, ping, tcp, udp } from "./craft.ts";
import { BUILDS, Lab, type Build } from "./lab.ts";
import { flow, type MachineWords, type NamespaceWords } from "./network.ts";

const X = "02:aa:00:00:00:01";

/** A router between a (10.0.1.1) and b (10.0.2.1), with routes of its own where a test says so. */
function routed(router: NamespaceWords = {}, more: Partial<MachineWords> = {}): MachineWords {
  return {
    namespaces: {
      a: { addresses: { eth0: "10.0.1.1/24" }, routes: ["default via 10.0.1.254"] },
      r: {
        addresses: { left: "10.0.1.254/24", right: "10.0.2.254/24" },
        ...router,
        sysctls: { "net.ipv4.ip_forward": 1, ...router.sysctls },
      },
      b: { addresses: { eth0: "10.0.2.1/24" }, routes: ["default via 10.0.2.254"] },
    },
    veths: ["a/eth0 r/left", "b/eth0 r/right"],
    ...more,
  };
}

/** A packet from a's side of the router, sent by nobody. */
function send(lab: Lab, packet: Uint8Array, seconds = 0, device = "r/left"): void {
  lab.inject(device, ethernet(lab.mac(device), X, 0x0800, packet), seconds);
}

/** What the router answered to one packet from 10.0.1.9, an address that it knows. */
function answers(build: Build, packet: Uint8Array, router: NamespaceWords = {}): { lines: string[]; lab: Lab } {
  const lab = new Lab(build, routed({ ...router, neighbours: [`left 10.0.1.9 ${X}`] }));
  send(lab, packet);
  lab.run(1);
  const lines = lab.seen("r/left").filter(({ direction, frame }) => direction === "outbound" && frame.ipv4);
  const text = lab.lines("r/left").filter((line) => line.startsWith("r/left: 10.0.1.254 "));
  expect(text).toHaveLength(lines.length);
  return { lines: text.map((line) => line.slice("r/left: ".length)), lab };
}

const FROM = { from: "10.0.1.9", to: "10.0.2.1" };

describe.each(BUILDS)("in the %s build", (build) => {
  test("a router sends a packet on with one hop less and new link addresses", () => {
    const lab = new Lab(build, routed(), { flows: [flow("a", "icmp", "10.0.2.1")] });
    lab.run(1);
    const walk = lab.seen("a/eth0", "b/eth0").filter(({ frame }) => frame.icmp);
    expect(walk.map(({ device, frame }) => [device, frame.ipv4?.ttl, frame.ethernet.destination])).toEqual([
      ["a/eth0", 64, lab.mac("r/left")],
      ["b/eth0", 63, lab.mac("b/eth0")],
      ["b/eth0", 64, lab.mac("r/right")],
      ["a/eth0", 63, lab.mac("a/eth0")],
    ]);
    expect(new Set(walk.map(({ id }) => id)).size).toBe(2);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
    expect(lab.live).toBe(0);
  });

  test("the longest prefix decides, then the least metric", () => {
    const lab = new Lab(build, {
      namespaces: {
        r: {
          sysctls: { "net.ipv4.ip_forward": 1 },
          addresses: { in: "10.0.0.1/24", e1: "10.1.0.1/24", e2: "10.2.0.1/24", e3: "10.3.0.1/24" },
          routes: [
            "default via 10.1.0.2",
            "172.16.0.0/12 via 10.2.0.2",
            "172.16.5.0/24 via 10.3.0.2 metric 20",
            "172.16.5.0/24 via 10.1.0.2 metric 10",
            "172.16.5.7/32 via 10.2.0.2",
          ],
          neighbours: [1, 2, 3].map((i) => `e${i} 10.${i}.0.2 ${X}`),
        },
        w: {},
      },
      veths: ["r/in w/in", "r/e1 w/e1", "r/e2 w/e2", "r/e3 w/e3"],
    });
    const targets = ["8.8.8.8", "172.31.0.1", "172.16.5.6", "172.16.5.7", "10.3.0.2"];
    targets.forEach((to, i) => send(lab, udp({ from: "10.0.0.2", to }, [1, 2]), i / 100, "r/in"));
    lab.run(1);
    expect(lab.lines("r/e1", "r/e2", "r/e3")).toEqual([
      "r/e1: 10.0.0.2:1 > 8.8.8.8:2 udp 4",
      "r/e2: 10.0.0.2:1 > 172.31.0.1:2 udp 4",
      "r/e1: 10.0.0.2:1 > 172.16.5.6:2 udp 4",
      "r/e2: 10.0.0.2:1 > 172.16.5.7:2 udp 4",
      "r/e3: 10.0.0.2:1 > 10.3.0.2:2 udp 4",
    ]);
  });

  test("a route's preferred source is what the host's own packets carry", () => {
    const words = routed();
    const a = words.namespaces["a"];
    if (a)
      Object.assign(a, {
        addresses: { eth0: ["10.0.1.1/24", "10.0.1.7/24"] },
        routes: ["default via 10.0.1.254 src 10.0.1.7"],
      });
    const lab = new Lab(build, words, { flows: [flow("a", "icmp", "10.0.2.1")] });
    lab.run(1);
    expect(lab.packets("b/eth0")[0]).toBe("10.0.1.7 > 10.0.2.1 icmp 8/0 32");
  });

  test("a packet on its last hop ends here: time exceeded, with the TTL that it had", () => {
    const { lines, lab } = answers(build, ping({ ...FROM, ttl: 1 }, 5, 1));
    expect(lines).toEqual(["10.0.1.254 > 10.0.1.9 icmp 11/0 (10.0.1.9 > 10.0.2.1 icmp 8/0 8)"]);
    expect(lab.seen("r/left").at(-1)?.frame).toMatchObject({
      ipv4: { tos: 0xc0, ttl: 64, dontFragment: false },
      icmp: { quoted: { ipv4: { ttl: 1 } } },
    });
    expect(lab.drops("r")).toEqual({ TTL_EXPIRED: 1 });
    expect(lab.live).toBe(0);
  });

  test("no route: net unreachable", () => {
    const { lines, lab } = answers(build, udp({ ...FROM, to: "8.8.8.8" }, [1000, 54], ""));
    expect(lines).toEqual(["10.0.1.254 > 10.0.1.9 icmp 3/0 (10.0.1.9:1000 > 8.8.8.8:54 udp)"]);
    expect(lab.drops("r")).toEqual({ IP_INNOROUTES: 1 });
  });

  test("a host that does not forward drops silently", () => {
    const { lines, lab } = answers(build, ping(FROM, 1, 1), { sysctls: { "net.ipv4.ip_forward": 0 } });
    expect(lines).toEqual([]);
    expect(lab.drops("r")).toEqual({ NOT_FORWARDING: 1 });
  });

  test("nobody listens on a UDP port: port unreachable", () => {
    const { lines, lab } = answers(build, udp({ ...FROM, to: "10.0.1.254" }, [1000, 9]));
    expect(lines).toEqual(["10.0.1.254 > 10.0.1.9 icmp 3/3 (10.0.1.9:1000 > 10.0.1.254:9 udp 4)"]);
    expect(lab.drops("r")).toEqual({ NO_SOCKET: 1 });
  });

  test("a protocol that the host does not speak: protocol unreachable", () => {
    const bytes = ipv4({ ...FROM, to: "10.0.1.254" }, 253, new Uint8Array(16));
    const { lines, lab } = answers(build, bytes);
    expect(lines).toEqual(["10.0.1.254 > 10.0.1.9 icmp 3/2 (10.0.1.9 > 10.0.1.254 protocol 253 16)"]);
    expect(lab.drops("r")).toEqual({ IP_NOPROTO: 1 });
  });

  test("too big for the next link and not to be fragmented: fragmentation needed, with the MTU", () => {
    const words = routed({ neighbours: [`left 10.0.1.9 ${X}`] });
    const lab = new Lab(build, { ...words, mtu: 600 });
    // The veth takes it; the next link does not.
    send(lab, udp({ ...FROM, fragment: 0x4000 }, [1, 2], 580));
    lab.run(1);
    const error = lab.seen("r/left").at(-1)?.frame;
    expect(error?.icmp).toMatchObject({ type: 3, code: 4, id: 0, sequence: 600 });
    expect(error?.ipv4?.totalLength).toBe(576);
    expect(lab.drops("r")).toEqual({ FRAG_NEEDED: 1 });
  });

  test.each([
    ["an ICMP error", icmp({ ...FROM, to: "8.8.8.8" }, 3, 1, 0, new Uint8Array(28))],
    ["a later fragment", udp({ ...FROM, to: "8.8.8.8", fragment: 5 }, [1, 2])],
    ["a TTL of 1 in an ICMP error", icmp({ ...FROM, ttl: 1 }, 11, 0, 0, new Uint8Array(28))],
  ])("%s causes no error", (_, packet) => {
    const lab = new Lab(build, routed({ neighbours: [`left 10.0.1.9 ${X}`] }));
    lab.badChecksumsAllowed = true;
    send(lab, packet);
    lab.run(1);
    expect(lab.kernel.transmitted(lab.device("r/left"))).toBe(0);
    expect(lab.live).toBe(0);
  });

  test("a datagram in a broadcast frame causes no error", () => {
    const lab = new Lab(build, routed({ neighbours: [`left 10.0.1.9 ${X}`] }));
    lab.inject("r/left", ethernet("ff:ff:ff:ff:ff:ff", X, 0x0800, udp({ ...FROM, to: "10.0.1.254" }, [1, 9])), 0);
    lab.inject("r/left", ethernet("ff:ff:ff:ff:ff:ff", X, 0x0800, udp({ ...FROM, to: "10.0.1.255" }, [1, 9])), 0);
    lab.inject("r/left", ethernet("ff:ff:ff:ff:ff:ff", X, 0x0800, udp(FROM, [1, 9])), 0);
    lab.run(1);
    expect(lab.kernel.transmitted(lab.device("r/left"))).toBe(0);
    expect(lab.drops("r")).toEqual({ NO_SOCKET: 2, UNICAST_IN_L2_MULTICAST: 1 });
  });

  test("errors to one host: six at once, then one a second; echo replies are not limited", () => {
    const lab = new Lab(build, routed({ neighbours: [`left 10.0.1.9 ${X}`] }));
    for (let i = 0; i < 20; i++) send(lab, udp({ ...FROM, to: "10.0.1.254" }, [1000 + i, 9]), 20 + i / 100);
    for (let i = 0; i < 10; i++) send(lab, ping({ ...FROM, to: "10.0.1.254" }, 1, i), 20.3 + i / 100);
    send(lab, udp({ ...FROM, to: "10.0.1.254" }, [2000, 9]), 21.1);
    send(lab, udp({ ...FROM, to: "10.0.1.254" }, [2001, 9]), 21.2);
    lab.run(30);
    const sent = lab.seen("r/left").filter(({ direction }) => direction === "outbound");
    expect(sent.flatMap(({ frame }) => frame.icmp?.quoted?.udp?.sourcePort ?? [])).toEqual([
      1000, 1001, 1002, 1003, 1004, 1005, 2000,
    ]);
    expect(sent.filter(({ frame }) => frame.icmp?.type === 0)).toHaveLength(10);
  });

  test.each([
    ["its own address", "10.0.1.254", "IP_LOCAL_SOURCE"],
    ["the broadcast address of all", "255.255.255.255", "IP_INVALID_SOURCE"],
    ["a multicast address", "224.0.0.5", "IP_INVALID_SOURCE"],
    ["a loopback address", "127.0.0.1", "IP_LOCALNET"],
  ])("a packet from %s is dropped", (_, from, reason) => {
    const lab = new Lab(build, routed());
    send(lab, udp({ from, to: "10.0.2.1" }, [1, 2]));
    lab.run(1);
    expect(lab.drops("r")).toEqual({ [reason]: 1 });
  });

  test("strict reverse path filtering drops what would not go back the same way", () => {
    const strict = { sysctls: { "net.ipv4.conf.all.rp_filter": 1 } };
    const loose = { sysctls: { "net.ipv4.conf.left.rp_filter": 2 } };
    for (const [router, drops] of [
      [strict, { IP_RPFILTER: 2 }],
      [loose, { IP_RPFILTER: 1 }],
      // b's own error about the packet finds no way back.
      [{}, { IP_INNOROUTES: 1 }],
    ] as const) {
      const lab = new Lab(build, routed(router));
      send(lab, udp({ from: "10.0.2.77", to: "10.0.2.1" }, [1, 2]));
      send(lab, udp({ from: "8.8.8.8", to: "10.0.2.1" }, [1, 2]));
      lab.run(0.5);
      expect(lab.drops("r")).toEqual(drops);
    }
  });

  test("pings keep their data, id and order; a lost one times out", () => {
    const lab = new Lab(build, routed(), {
      flows: [
        flow("a", "icmp", "10.0.2.1", { rate: 10, stopNs: 0.5e9, requestBytes: 56 }),
        flow("a", "icmp", "10.0.2.99", { line: 1, timeoutNs: 1e9 }),
      ],
    });
    lab.run(5);
    const echoes = lab.seen("b/eth0").filter(({ frame }) => frame.icmp);
    expect(echoes.map(({ frame }) => `${frame.icmp?.type} ${frame.icmp?.id} ${frame.icmp?.sequence}`)).toEqual(
      [1, 2, 3, 4, 5].flatMap((i) => [`8 1 ${i}`, `0 1 ${i}`]),
    );
    expect(echoes[1]?.frame.payload).toEqual(echoes[0]?.frame.payload);
    expect([lab.outcome(0), lab.outcome(1)]).toEqual([
      { sent: 5, delivered: 5 },
      { sent: 1, timedOut: 1 },
    ]);
  });

  test("a broadcast ping is ignored unless the host is told otherwise", () => {
    const broadcast = ethernet("ff:ff:ff:ff:ff:ff", X, 0x0800, ping({ from: "10.0.1.9", to: "10.0.1.255" }, 1, 1));
    for (const [ignore, replies] of [
      [1, 0],
      [0, 1],
    ] as const) {
      const sysctls = { "net.ipv4.icmp_echo_ignore_broadcasts": ignore };
      const lab = new Lab(build, routed({ sysctls, neighbours: [`left 10.0.1.9 ${X}`] }));
      lab.inject("r/left", broadcast, 0);
      lab.run(1);
      expect(lab.packets("a/eth0")).toEqual(Array(replies).fill("10.0.1.254 > 10.0.1.9 icmp 0/0 8"));
    }
  });

  test("a device without an address borrows one for what the host sends out of it", () => {
    const lab = new Lab(
      build,
      {
        namespaces: {
          a: { addresses: { eth0: "10.0.1.1/24" }, routes: ["10.5.0.0/16 dev ptp"], neighbours: [`ptp 10.5.0.1 ${X}`] },
          w: {},
        },
        veths: ["a/eth0 w/e0", "a/ptp w/e1"],
      },
      { flows: [flow("a", "icmp", "10.5.0.1")] },
    );
    lab.run(1);
    expect(lab.packets("w/e1")).toEqual(["10.0.1.1 > 10.5.0.1 icmp 8/0 32"]);
  });

  test("a closed TCP port answers with a reset, but not to a reset", () => {
    const syn = tcp({ ...FROM, to: "10.0.1.254" }, [1000, 81], { flags: "S", seq: 700, data: "xyz" });
    const ack = tcp({ ...FROM, to: "10.0.1.254" }, [1001, 81], { flags: ".", seq: 700, ack: 900 });
    const reset = tcp({ ...FROM, to: "10.0.1.254" }, [1002, 81], { flags: "R", seq: 700 });
    const lab = new Lab(build, routed({ neighbours: [`left 10.0.1.9 ${X}`] }));
    for (const packet of [syn, ack, reset]) send(lab, packet);
    lab.run(1);
    const sent = lab.seen("a/eth0").map(({ frame }) => frame);
    expect(sent.map(({ tcp }) => [tcp?.flags, tcp?.sequence, tcp?.acknowledgement])).toEqual([
      ["R.", 0, 704],
      ["R", 900, 0],
    ]);
    expect(sent[0]?.ipv4).toMatchObject({ id: 0, dontFragment: true, ttl: 64 });
  });
});
