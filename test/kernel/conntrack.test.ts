// Connection tracking: the states of packets, what is NEW, RELATED or INVALID, and how long a connection is remembered.
import { describe, expect, test } from "vitest";
import { arp, ethernet, icmp, ping, tcp, udp, type TcpWords } from "./craft.ts";
import { BUILDS, Lab, type Build } from "./lab.ts";
import type { MachineWords } from "./network.ts";

const A = "02:aa:00:00:00:01";
const B = "02:bb:00:00:00:01";
const STATES = ["NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"];

/** A router between a (10.0.1.9) and b (10.0.2.9), both played by the test, that counts the states of what it forwards. */
function words(sysctls: Record<string, number> = {}, raw = ""): MachineWords {
  const rules = STATES.map((state) => `-A FORWARD -m conntrack --ctstate ${state}\n`).join("");
  return {
    namespaces: {
      r: {
        sysctls: { "net.ipv4.ip_forward": 1, ...sysctls },
        addresses: { left: "10.0.1.254/24", right: "10.0.2.254/24" },
        neighbours: [`left 10.0.1.9 ${A}`, `right 10.0.2.9 ${B}`],
        rules: `${raw}*filter\n:FORWARD ACCEPT [0:0]\n${rules}COMMIT\n`,
      },
      w: {},
    },
    veths: ["w/l r/left", "w/r r/right"],
  };
}

const THERE = { from: "10.0.1.9", to: "10.0.2.9" };
const BACK = { from: "10.0.2.9", to: "10.0.1.9" };

class Wire {
  readonly lab: Lab;
  #now = 0;
  #before: Record<string, number> = {};

  constructor(build: Build, sysctls?: Record<string, number>, raw?: string) {
    this.lab = new Lab(build, words(sysctls, raw));
    this.lab.badChecksumsAllowed = true;
  }

  /** Sends a packet from the side that its source says, `after` seconds later; gives back the state that the rules saw. */
  state(packet: Uint8Array, after = 0.01): string {
    this.#now += after;
    const device = packet[14] === 1 ? "r/left" : "r/right";
    this.lab.inject(device, ethernet(this.lab.mac(device), A, 0x0800, packet), this.#now);
    this.lab.run(this.#now + 0.001);
    const counters = this.lab.counters("r");
    const seen = STATES.filter((_, i) => counters[`filter FORWARD ${i}`] !== this.#before[`filter FORWARD ${i}`]);
    this.#before = counters;
    return seen.join() || "none";
  }
}

const there = (segment: TcpWords) => tcp(THERE, [5000, 80], segment);
const back = (segment: TcpWords) => tcp(BACK, [80, 5000], segment);

/** Opens a connection through the router: client 100, server 900. */
function open(wire: Wire): void {
  expect([
    wire.state(there({ flags: "S", seq: 100 })),
    wire.state(back({ flags: "S.", seq: 900, ack: 101 })),
    wire.state(there({ flags: ".", seq: 101, ack: 901 })),
  ]).toEqual(["NEW", "ESTABLISHED", "ESTABLISHED"]);
}

describe.each(BUILDS)("in the %s build", (build) => {
  test("UDP: new until somebody answers, then established both ways", () => {
    const wire = new Wire(build);
    expect([
      wire.state(udp(THERE, [5, 6])),
      wire.state(udp(THERE, [5, 6])),
      wire.state(udp(BACK, [6, 5])),
      wire.state(udp(THERE, [5, 6])),
      wire.state(udp(THERE, [5, 7])),
    ]).toEqual(["NEW", "NEW", "ESTABLISHED", "ESTABLISHED", "NEW"]);
    expect(wire.lab.connections("r")).toBe(2);
  });

  describe("two first datagrams of one socket wait for the same address, so neither finds a connection", () => {
    /** A bridge with br_netfilter; a Service of one or two endpoints, whose addresses nobody has asked for yet. */
    const questions = (rules: string) => {
      const lab = new Lab(build, {
        namespaces: {
          n: {
            sysctls: { "net.ipv4.ip_forward": 1, "net.bridge.bridge-nf-call-iptables": 1 },
            addresses: { br0: "10.0.0.1/24" },
            rules: `*nat\n:PREROUTING ACCEPT [0:0]\n${rules}COMMIT\n`,
          },
          client: {},
          d1: {},
          d2: {},
        },
        veths: ["client/eth0 n/c", "d1/eth0 n/d", "d2/eth0 n/e"],
        bridges: { "n/br0": "c d e" },
      });
      const send = (data: string) =>
        lab.inject(
          "n/c",
          ethernet(lab.mac("n/br0"), A, 0x0800, udp({ from: "10.0.0.9", to: "10.96.0.10" }, [5000, 54], data)),
        );
      send("A");
      send("AAAA");
      for (const [port, address] of [
        ["n/d", "10.0.0.21"],
        ["n/e", "10.0.0.22"],
      ] as const) {
        const reply = arp("reply", B, address, lab.mac("n/br0"), "10.0.0.1");
        lab.inject(port, ethernet(lab.mac("n/br0"), B, 0x0806, reply), 0.1);
      }
      lab.run(0.5);
      return lab;
    };
    const sent = (lab: Lab, name: string) => lab.packets(`${name}/eth0`).filter((line) => line.includes(" > 10.0.0.2"));

    test("translated alike, the second joins the connection of the first", () => {
      const lab = questions("-A PREROUTING -d 10.96.0.10/32 -p udp -j DNAT --to-destination 10.0.0.21\n");
      expect(sent(lab, "d1")).toEqual(["10.0.0.9:5000 > 10.0.0.21:54 udp 1", "10.0.0.9:5000 > 10.0.0.21:54 udp 4"]);
      expect(lab.connections("n")).toBe(1);
    });

    test("translated differently, the second has a connection of its own for the answer, for a second", () => {
      const lab = questions(
        "-A PREROUTING -d 10.96.0.10/32 -p udp -m statistic --mode nth --every 2 --packet 0 -j DNAT --to-destination 10.0.0.21\n" +
          "-A PREROUTING -d 10.96.0.10/32 -p udp -j DNAT --to-destination 10.0.0.22\n",
      );
      expect([sent(lab, "d1"), sent(lab, "d2")].flat().sort()).toEqual([
        "10.0.0.9:5000 > 10.0.0.21:54 udp 1",
        "10.0.0.9:5000 > 10.0.0.22:54 udp 4",
      ]);
      expect(lab.connections("n")).toBe(2);
      // Something must happen for time to pass.
      lab.inject("n/d", ethernet(lab.mac("n/br0"), B, 0x88b5, new Uint8Array(46)), 3);
      lab.run(4);
      expect(lab.connections("n")).toBe(1);
    });
  });

  test("UDP is forgotten after 30 s, and after 120 s once it has gone both ways for two seconds", () => {
    const wire = new Wire(build);
    wire.state(udp(THERE, [5, 6]), 0);
    expect(wire.state(udp(BACK, [6, 5]), 29.9)).toBe("ESTABLISHED");
    expect(wire.state(udp(BACK, [6, 5]), 29.9)).toBe("ESTABLISHED");
    expect(wire.state(udp(THERE, [5, 6]), 119.9)).toBe("ESTABLISHED");
    expect(wire.state(udp(THERE, [5, 6]), 120)).toBe("NEW");
    expect(wire.state(udp(THERE, [5, 6]), 30)).toBe("NEW");
    expect(wire.state(udp(BACK, [6, 5]), 31)).toBe("NEW");
  });

  test("the time-outs are sysctls", () => {
    const wire = new Wire(build, { "net.netfilter.nf_conntrack_udp_timeout": 5 });
    wire.state(udp(THERE, [5, 6]), 0);
    expect(wire.state(udp(BACK, [6, 5]), 4.9)).toBe("ESTABLISHED");
    expect(wire.state(udp(BACK, [6, 5]), 5)).toBe("NEW");
  });

  test("TCP from the handshake to the last acknowledgement, then a new connection", () => {
    const wire = new Wire(build);
    open(wire);
    const states = [
      wire.state(there({ flags: "P.", seq: 101, ack: 901, data: "hello" })),
      wire.state(back({ flags: "P.", seq: 901, ack: 106, data: "world" })),
      wire.state(there({ flags: "F.", seq: 106, ack: 906 })),
      wire.state(back({ flags: "F.", seq: 906, ack: 107 })),
      wire.state(there({ flags: ".", seq: 107, ack: 907 })),
    ];
    expect(new Set(states)).toEqual(new Set(["ESTABLISHED"]));
    // TIME_WAIT for 120 s; a SYN opens a connection of its own at once.
    expect(wire.state(there({ flags: "S", seq: 70_000 }), 100)).toBe("NEW");
    expect(wire.lab.connections("r")).toBe(1);
  });

  test("an open connection is remembered for five days", () => {
    const wire = new Wire(build);
    open(wire);
    expect(wire.state(there({ flags: ".", seq: 101, ack: 901 }), 431_999)).toBe("ESTABLISHED");
    expect(wire.state(udp(THERE, [5, 6]), 432_001)).toBe("NEW");
    expect(wire.lab.connections("r")).toBe(1);
  });

  test("a SYN without answer is forgotten after 120 s, a connection that was reset after 10", () => {
    const wire = new Wire(build);
    wire.state(there({ flags: "S", seq: 100 }), 0);
    expect(wire.state(back({ flags: "S.", seq: 900, ack: 101 }), 119.9)).toBe("ESTABLISHED");
    wire.state(there({ flags: ".", seq: 101, ack: 901 }));
    expect(wire.state(back({ flags: "R", seq: 901 }))).toBe("ESTABLISHED");
    wire.state(udp(THERE, [5, 6]), 9.9);
    expect(wire.lab.connections("r")).toBe(2);
    wire.state(udp(THERE, [5, 6]), 0.2);
    expect(wire.lab.connections("r")).toBe(1);
  });

  test("segments out of the window, with impossible flags or a stale reset are INVALID", () => {
    const wire = new Wire(build);
    open(wire);
    expect([
      wire.state(there({ flags: ".", seq: 101 + 500_000, ack: 901, data: "x" })),
      wire.state(back({ flags: ".", seq: 901, ack: 101 + 500_000 })),
      wire.state(there({ flags: "SF", seq: 101 })),
      wire.state(back({ flags: "R", seq: 500 })),
      wire.state(there({ flags: "P.", seq: 101, ack: 901, data: "fine" })),
    ]).toEqual(["INVALID", "INVALID", "INVALID", "INVALID", "ESTABLISHED"]);
  });

  test("nf_conntrack_tcp_be_liberal lets segments out of the window pass", () => {
    const wire = new Wire(build, { "net.netfilter.nf_conntrack_tcp_be_liberal": 1 });
    open(wire);
    expect(wire.state(there({ flags: ".", seq: 101 + 500_000, ack: 901, data: "x" }))).toBe("ESTABLISHED");
  });

  test("a connection is picked up in the middle, unless nf_conntrack_tcp_loose is 0", () => {
    const loose = new Wire(build);
    expect(loose.state(there({ flags: ".", seq: 5, ack: 6 }))).toBe("NEW");
    expect(loose.state(back({ flags: ".", seq: 6, ack: 5 }))).toBe("ESTABLISHED");
    const strict = new Wire(build, { "net.netfilter.nf_conntrack_tcp_loose": 0 });
    expect(strict.state(there({ flags: ".", seq: 5, ack: 6 }))).toBe("INVALID");
  });

  test("a bad checksum is INVALID, unless nf_conntrack_checksum is 0", () => {
    const broken = udp(THERE, [5, 6]);
    broken[26] = (broken[26] ?? 0) ^ 1;
    expect(new Wire(build).state(broken)).toBe("INVALID");
    expect(new Wire(build, { "net.netfilter.nf_conntrack_checksum": 0 }).state(broken)).toBe("NEW");
  });

  test("an echo reply belongs to its request, one without request is INVALID", () => {
    const wire = new Wire(build);
    expect([
      wire.state(icmp(BACK, 0, 0, 0x70001, new Uint8Array(8))),
      wire.state(ping(THERE, 7, 1)),
      wire.state(icmp(BACK, 0, 0, 0x70001, new Uint8Array(8))),
      wire.state(icmp(BACK, 0, 0, 0x80001, new Uint8Array(8))),
    ]).toEqual(["INVALID", "NEW", "ESTABLISHED", "INVALID"]);
  });

  test("an ICMP error about a known packet is RELATED, about an unknown one or for somebody else INVALID", () => {
    const wire = new Wire(build);
    const packet = udp(THERE, [5, 6]);
    wire.state(packet);
    const other = { from: "10.0.2.9", to: "10.0.1.8" };
    expect([
      wire.state(icmp(BACK, 3, 3, 0, packet)),
      wire.state(icmp({ from: "10.0.2.77", to: "10.0.1.9" }, 11, 0, 0, packet.subarray(0, 28))),
      wire.state(icmp(BACK, 3, 3, 0, udp(THERE, [5, 7]))),
      wire.state(icmp(other, 3, 3, 0, packet)),
    ]).toEqual(["RELATED", "RELATED", "INVALID", "INVALID"]);
  });

  test("a full table drops what is new and lets the known pass; what has expired makes room", () => {
    const wire = new Wire(build, { "net.netfilter.nf_conntrack_max": 2 });
    wire.state(udp(THERE, [1, 6]), 0);
    wire.state(udp(THERE, [2, 6]), 10);
    expect(wire.state(udp(THERE, [3, 6]), 1)).toBe("none");
    expect(wire.lab.drops("r")).toEqual({ CONNTRACK_TABLE_FULL: 1 });
    expect(wire.state(udp(BACK, [6, 2]), 1)).toBe("ESTABLISHED");
    expect(wire.state(udp(THERE, [3, 6]), 20)).toBe("NEW");
    expect(wire.lab.live).toBe(0);
  });

  test("CT --notrack leaves a packet untracked", () => {
    const raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -j CT --notrack\nCOMMIT\n";
    const wire = new Wire(build, {}, raw);
    expect(wire.state(udp(THERE, [5, 6]))).toBe("UNTRACKED");
    expect(wire.state(there({ flags: "S" }))).toBe("NEW");
    expect(wire.lab.connections("r")).toBe(1);
  });

  test("without rules nothing is tracked", () => {
    const lab = new Lab(build, {
      ...words(),
      namespaces: { r: { sysctls: { "net.ipv4.ip_forward": 1 }, addresses: { left: "10.0.1.254/24" } }, w: {} },
    });
    lab.inject("r/left", ethernet(lab.mac("r/left"), A, 0x0800, udp({ ...THERE, to: "10.0.1.254" }, [5, 6])), 0);
    lab.run(1);
    expect(lab.connections("r")).toBe(0);
  });
});
