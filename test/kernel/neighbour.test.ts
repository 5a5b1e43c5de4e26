// ARP: asking, answering, waiting for the answer, giving up, and looking again at what is known.
import { describe, expect, test } from "vitest";
import { arp, ethernet, ping, udp } from "./craft.ts";
import { BUILDS, Lab, type Build } from "./lab.ts";
import { flow, type MachineWords } from "./network.ts";

const B = "02:bb:00:00:00:02";
const OTHER = "02:bb:00:00:00:03";
const ZERO = "00:00:00:00:00:00";
const BROADCAST = "ff:ff:ff:ff:ff:ff";

/** One host; the other end of its link is silent, the test answers for it. */
const ALONE: MachineWords = {
  namespaces: { a: { addresses: { eth0: "10.0.0.1/24" } }, wire: {} },
  veths: ["a/eth0 wire/w0"],
};

/** The host with echo requests to 10.0.0.2 at the given seconds. */
function pinging(build: Build, ...seconds: number[]): Lab {
  const flows = seconds.map((at) => flow("a", "icmp", "10.0.0.2", { startNs: at * 1e9, stopNs: at * 1e9 + 1 }));
  return new Lab(build, ALONE, { flows });
}

function answer(lab: Lab, seconds: number, mac = B): void {
  const reply = arp("reply", mac, "10.0.0.2", lab.mac("a/eth0"), "10.0.0.1");
  lab.inject("a/eth0", ethernet(lab.mac("a/eth0"), mac, 0x0806, reply), seconds);
}

const ASK = "arp who-has 10.0.0.2 tell 10.0.0.1";
const PING = "10.0.0.1 > 10.0.0.2 icmp 8/0 32";

describe.each(BUILDS)("in the %s build", (build) => {
  test("a host asks everybody, and what it wanted to send follows the answer", () => {
    const lab = pinging(build, 1);
    answer(lab, 1.5);
    lab.run(2);
    expect(lab.timed("a/eth0")).toEqual([`1.000 ${ASK}`, `1.500 arp 10.0.0.2 is-at ${B}`, `1.500 ${PING}`]);
    const [request, , packet] = lab.seen("a/eth0");
    expect(request?.frame).toMatchObject({
      ethernet: { destination: BROADCAST, source: lab.mac("a/eth0") },
      arp: { senderMac: lab.mac("a/eth0"), targetMac: ZERO },
    });
    expect(packet?.frame.ethernet.destination).toBe(B);
  });

  test("a host answers for each of its addresses, to the one who asked", () => {
    const lab = new Lab(build, ALONE);
    const ask = (target: string) => ethernet(BROADCAST, B, 0x0806, arp("request", B, "10.0.0.2", ZERO, target));
    lab.inject("a/eth0", ask("10.0.0.1"), 0);
    lab.inject("a/eth0", ask("10.0.0.9"), 1);
    lab.run(2);
    expect(lab.timed("a/eth0")).toEqual([
      "0.000 arp who-has 10.0.0.1 tell 10.0.0.2",
      `0.000 arp 10.0.0.1 is-at ${lab.mac("a/eth0")}`,
      "1.000 arp who-has 10.0.0.9 tell 10.0.0.2",
    ]);
    expect(lab.seen("a/eth0")[1]?.frame).toMatchObject({ ethernet: { destination: B }, arp: { targetMac: B } });
  });

  test("it answers a probe without sender address, and hardware type IEEE 802", () => {
    const lab = new Lab(build, ALONE);
    const probe = arp("request", B, "0.0.0.0", ZERO, "10.0.0.1");
    const ieee = arp("request", B, "10.0.0.2", ZERO, "10.0.0.1");
    ieee[1] = 6;
    lab.inject("a/eth0", ethernet(BROADCAST, B, 0x0806, probe), 0);
    lab.inject("a/eth0", ethernet(BROADCAST, B, 0x0806, ieee), 1);
    lab.run(2);
    const replies = lab.seen("wire/w0");
    expect(replies.map(({ frame }) => frame.arp?.target)).toEqual(["0.0.0.0", "10.0.0.2"]);
  });

  test("who asks for a host is known to it, and an answer goes back without asking", () => {
    const lab = pinging(build, 1);
    lab.inject("a/eth0", ethernet(BROADCAST, B, 0x0806, arp("request", B, "10.0.0.2", ZERO, "10.0.0.1")), 0);
    lab.run(2);
    expect(lab.timed("a/eth0").at(-1)).toBe(`1.000 ${PING}`);
  });

  test("who asks for a host again from another card is believed at once", () => {
    const lab = pinging(build, 1);
    const ask = (mac: string) => ethernet(BROADCAST, mac, 0x0806, arp("request", mac, "10.0.0.2", ZERO, "10.0.0.1"));
    lab.inject("a/eth0", ask(B), 0.5);
    lab.inject("a/eth0", ask(OTHER), 0.6);
    lab.run(2);
    expect(lab.seen("a/eth0").at(-1)?.frame.ethernet.destination).toBe(OTHER);
  });

  test("a second answer within a second of the first is not believed, later it is", () => {
    const lab = pinging(build, 1, 2, 4);
    answer(lab, 1.1);
    answer(lab, 1.2, OTHER);
    answer(lab, 3, OTHER);
    lab.run(5);
    const sent = lab.seen("a/eth0").filter(({ frame }) => frame.icmp);
    expect(sent.map(({ frame }) => frame.ethernet.destination)).toEqual([B, B, OTHER]);
  });

  test("somebody else's traffic teaches a host nothing new", () => {
    const lab = pinging(build, 1);
    lab.inject("a/eth0", ethernet(BROADCAST, B, 0x0806, arp("request", B, "10.0.0.2", ZERO, "10.0.0.3")), 0);
    lab.inject("a/eth0", ethernet(BROADCAST, B, 0x0806, arp("reply", B, "10.0.0.2", B, "10.0.0.2")), 0.5);
    lab.run(1.1);
    expect(lab.timed("a/eth0").at(-1)).toBe(`1.000 ${ASK}`);
  });

  test("packets that wait leave in their order", () => {
    const lab = pinging(build, 0.1, 0.2, 0.3);
    answer(lab, 0.5);
    lab.run(1);
    const sequence = lab.seen("a/eth0").flatMap(({ frame }) => (frame.icmp ? [frame.icmp.id] : []));
    expect(sequence).toEqual([1, 2, 3]);
  });

  test("101 packets wait at most; the next one pushes out the oldest", () => {
    const lab = new Lab(build, {
      namespaces: {
        r: { sysctls: { "net.ipv4.ip_forward": 1 }, addresses: { in: "10.1.0.1/24", out: "10.0.0.1/24" } },
        w: {},
      },
      veths: ["r/in w/in", "r/out w/out"],
    });
    for (let i = 0; i < 103; i++) {
      const packet = udp({ from: "10.1.0.2", to: "10.0.0.2", id: i }, [5000, 5001]);
      lab.inject("r/in", ethernet(lab.mac("r/in"), B, 0x0800, packet), i / 1000);
    }
    const reply = arp("reply", B, "10.0.0.2", lab.mac("r/out"), "10.0.0.1");
    lab.inject("r/out", ethernet(lab.mac("r/out"), B, 0x0806, reply), 0.5);
    lab.run(1);
    const ids = lab.seen("r/out").flatMap(({ frame }) => (frame.ipv4 ? [frame.ipv4.id] : []));
    expect(ids).toEqual(Array.from({ length: 101 }, (_, i) => i + 2));
    expect(lab.drops("r")).toEqual({ NEIGH_QUEUEFULL: 2 });
    expect(lab.live).toBe(0);
  });

  test("nobody answers three requests a second apart: the senders of what waited are told", () => {
    const lab = new Lab(build, {
      namespaces: {
        r: { sysctls: { "net.ipv4.ip_forward": 1 }, addresses: { in: "10.1.0.1/24", out: "10.0.0.1/24" } },
        w: {},
      },
      veths: ["r/in w/in", "r/out w/out"],
    });
    const asks = arp("request", B, "10.1.0.2", ZERO, "10.1.0.1");
    lab.inject("r/in", ethernet(BROADCAST, B, 0x0806, asks), 0);
    const packet = ping({ from: "10.1.0.2", to: "10.0.0.2", ttl: 9 }, 7, 1);
    lab.inject("r/in", ethernet(lab.mac("r/in"), B, 0x0800, packet), 1);
    lab.run(5);
    expect(lab.timed("r/out")).toEqual([`1.000 ${ASK}`, `2.000 ${ASK}`, `3.000 ${ASK}`]);
    expect(lab.timed("r/in").at(-1)).toBe("4.000 10.1.0.1 > 10.1.0.2 icmp 3/1 (10.1.0.2 > 10.0.0.2 icmp 8/0 8)");
    // What failed had been routed: the quoted packet has lost a hop.
    expect(lab.seen("r/in").at(-1)?.frame.icmp?.quoted?.ipv4?.ttl).toBe(8);
    expect(lab.drops("r")).toEqual({ NEIGH_FAILED: 1 });
    expect(lab.live).toBe(0);
  });

  test("the host's own requests fail the same way, and the next packet asks anew", () => {
    const lab = pinging(build, 0, 5);
    lab.run(5.5);
    expect(lab.outcome()).toEqual({ sent: 2, refused: 1 });
    expect(lab.timed("a/eth0")).toEqual(["0.000", "1.000", "2.000", "5.000"].map((time) => `${time} ${ASK}`));
    expect(lab.lines("a/lo")).toEqual([`a/lo: 10.0.0.1 > 10.0.0.1 icmp 3/1 (${PING})`]);
  });

  test("every request asks in the name of the packet that waits", () => {
    const lab = new Lab(
      build,
      {
        namespaces: {
          a: { addresses: { eth0: "10.0.0.1/24", eth1: "10.9.0.1/24" }, routes: ["10.0.0.2/32 dev eth0 src 10.9.0.1"] },
          wire: {},
        },
        veths: ["a/eth0 wire/w0", "a/eth1 wire/w1"],
      },
      { flows: [flow("a", "icmp", "10.0.0.2")] },
    );
    lab.run(3);
    expect(lab.timed("a/eth0")).toEqual(
      ["0.000", "1.000", "2.000"].map((time) => `${time} arp who-has 10.0.0.2 tell 10.9.0.1`),
    );
  });

  test("after 30 s an address is used on, and its owner asked directly 5 s later", () => {
    const lab = pinging(build, 0, 40);
    answer(lab, 0.1);
    answer(lab, 45.2);
    lab.run(60);
    expect(lab.timed("a/eth0").slice(2)).toEqual([
      `0.100 ${PING}`,
      `40.000 ${PING}`,
      `45.000 ${ASK}`,
      `45.200 arp 10.0.0.2 is-at ${B}`,
    ]);
    expect(lab.seen("a/eth0")[4]?.frame.ethernet.destination).toBe(B);
  });

  test("an owner that does not confirm in three direct requests has gone", () => {
    const lab = pinging(build, 0, 40, 50);
    answer(lab, 0.1);
    lab.run(50.5);
    expect(lab.timed("a/eth0").slice(3)).toEqual([
      `40.000 ${PING}`,
      `45.000 ${ASK}`,
      `46.000 ${ASK}`,
      `47.000 ${ASK}`,
      `50.000 ${ASK}`,
    ]);
    expect(lab.seen("a/eth0").at(-1)?.frame.ethernet.destination).toBe(BROADCAST);
  });

  test("an address that only asked is stale: it is confirmed 5 s after its first use", () => {
    const lab = pinging(build, 1);
    lab.inject("a/eth0", ethernet(BROADCAST, B, 0x0806, arp("request", B, "10.0.0.2", ZERO, "10.0.0.1")), 0);
    answer(lab, 6.1);
    lab.run(60);
    expect(lab.timed("a/eth0").slice(2)).toEqual([`1.000 ${PING}`, `6.000 ${ASK}`, `6.100 arp 10.0.0.2 is-at ${B}`]);
  });

  test("a permanent entry is never asked for and never changed", () => {
    const lab = new Lab(
      build,
      {
        ...ALONE,
        namespaces: { a: { addresses: { eth0: "10.0.0.1/24" }, neighbours: [`eth0 10.0.0.2 ${B}`] }, wire: {} },
      },
      { flows: [flow("a", "icmp", "10.0.0.2", { startNs: 100e9, stopNs: 100e9 + 1 })] },
    );
    answer(lab, 1, OTHER);
    lab.run(200);
    expect(lab.timed("a/eth0").at(-1)).toBe(`100.000 ${PING}`);
    expect(lab.seen("a/eth0").at(-1)?.frame.ethernet.destination).toBe(B);
  });

  test("arp_ignore 1 keeps a host from answering for addresses of its other devices", () => {
    const lab = new Lab(build, {
      namespaces: {
        a: {
          addresses: { eth0: "10.0.0.1/24", eth1: "10.9.0.1/24" },
          sysctls: { "net.ipv4.conf.eth0.arp_ignore": 1 },
        },
        wire: {},
      },
      veths: ["a/eth0 wire/w0", "a/eth1 wire/w1"],
    });
    const ask = (target: string) => ethernet(BROADCAST, B, 0x0806, arp("request", B, "10.0.0.2", ZERO, target));
    lab.inject("a/eth0", ask("10.9.0.1"), 0);
    lab.inject("a/eth0", ask("10.0.0.1"), 1);
    lab.run(2);
    expect(lab.timed("a/eth0").at(-1)).toBe(`1.000 arp 10.0.0.1 is-at ${lab.mac("a/eth0")}`);
    expect(lab.seen("a/eth0")).toHaveLength(3);
  });
});
