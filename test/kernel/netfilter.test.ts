// Netfilter: hooks and tables in their order, chains, and every match and target that kube-proxy and the CNI plugins use.
import { describe, expect, test } from "vitest";
import { countedBy } from "../../src/kernel/counters.ts";
import { ethernet, icmp, ping, tcp, udp } from "./craft.ts";
import { BUILDS, Lab, type Build } from "./lab.ts";
import { flow, type MachineWords } from "./network.ts";

const X = "02:aa:00:00:00:01";

/** A client 10.0.1.1, a router with rules, a server 10.0.2.1. `in`: rules in iptables-save form. */
function routed(rules: string, server: string[] = ["udp 7", "tcp 80"]): MachineWords {
  return {
    namespaces: {
      a: { addresses: { eth0: "10.0.1.1/24" }, routes: ["default via 10.0.1.254"] },
      r: {
        sysctls: { "net.ipv4.ip_forward": 1 },
        addresses: { left: "10.0.1.254/24", right: "10.0.2.254/24" },
        neighbours: [`left 10.0.1.9 ${X}`],
        listen: ["udp 7", "tcp 80"],
        rules,
      },
      b: { addresses: { eth0: "10.0.2.1/24" }, routes: ["default via 10.0.2.254"], listen: server },
    },
    veths: ["a/eth0 r/left", "b/eth0 r/right"],
  };
}

/** The router alone, between two neighbours that take everything and answer nothing. */
function silent(rules: string): MachineWords {
  return {
    namespaces: {
      r: {
        sysctls: { "net.ipv4.ip_forward": 1 },
        addresses: { left: "10.0.1.254/24", right: "10.0.2.254/24" },
        neighbours: [`left 10.0.1.9 ${X}`, `right 10.0.2.1 ${X}`],
        rules,
      },
      w: {},
    },
    veths: ["w/l r/left", "w/r r/right"],
  };
}

function table(name: string, ...lines: string[]): string {
  return `*${name}\n${lines.join("\n")}\nCOMMIT\n`;
}

const FROM = { from: "10.0.1.9", to: "10.0.2.1" };

/** Sends packets from 10.0.1.9 through the router, a second apart, and gives back the rule counters. */
function counted(build: Build, rules: string, ...packets: Uint8Array[]): Record<string, number> {
  const lab = sent(build, rules, packets);
  return lab.counters("r");
}

function sent(build: Build, rules: string, packets: Uint8Array[], gap = 1): Lab {
  const lab = new Lab(build, silent(rules));
  lab.badChecksumsAllowed = true;
  packets.forEach((packet, i) => lab.inject("r/left", ethernet(lab.mac("r/left"), X, 0x0800, packet), i * gap));
  lab.run(packets.length * gap + 1);
  expect(lab.live).toBe(0);
  return lab;
}

/** How many of the packets a FORWARD rule with this match counts. */
function matched(build: Build, match: string, ...packets: Uint8Array[]): number {
  const rules = table("filter", ":FORWARD ACCEPT [0:0]", `-A FORWARD -i left ${match}`);
  return counted(build, rules, ...packets)["filter FORWARD 0"] ?? 0;
}

const UDP = udp(FROM, [5000, 53535]);
const SYN = tcp(FROM, [5000, 80], { flags: "S" });

describe.each(BUILDS)("in the %s build", (build) => {
  test("a forwarded packet passes PREROUTING, FORWARD and POSTROUTING, each table in its order", () => {
    const mark = (chain: string, from: number, to: number) =>
      `-A ${chain} -m mark --mark ${from} -j MARK --set-xmark ${to}`;
    const rules =
      table("raw", ":PREROUTING ACCEPT [0:0]", mark("PREROUTING", 0, 1)) +
      table(
        "mangle",
        ":PREROUTING ACCEPT [0:0]",
        ":FORWARD ACCEPT [0:0]",
        ":POSTROUTING ACCEPT [0:0]",
        mark("PREROUTING", 1, 2),
        mark("FORWARD", 3, 4),
        mark("POSTROUTING", 5, 6),
      ) +
      table(
        "nat",
        ":PREROUTING ACCEPT [0:0]",
        ":POSTROUTING ACCEPT [0:0]",
        mark("PREROUTING", 2, 3),
        mark("POSTROUTING", 6, 7),
      ) +
      table("filter", ":FORWARD ACCEPT [0:0]", mark("FORWARD", 4, 5));
    const counters = counted(build, rules, UDP);
    expect(Object.keys(counters).filter((name) => !name.endsWith("policy"))).toEqual([
      "raw PREROUTING 0",
      "mangle PREROUTING 0",
      "mangle FORWARD 0",
      "mangle POSTROUTING 0",
      "nat PREROUTING 0",
      "nat POSTROUTING 0",
      "filter FORWARD 0",
    ]);
  });

  test("what the host takes passes INPUT, what it sends OUTPUT and POSTROUTING", () => {
    const mark = (chain: string, from: number, to: number) =>
      `-A ${chain} -m mark --mark ${from} -j MARK --set-xmark ${to}`;
    const rules =
      table("raw", ":OUTPUT ACCEPT [0:0]", mark("OUTPUT", 0, 1)) +
      table(
        "mangle",
        ":INPUT ACCEPT [0:0]",
        ":OUTPUT ACCEPT [0:0]",
        ":POSTROUTING ACCEPT [0:0]",
        mark("INPUT", 0, 1),
        mark("OUTPUT", 1, 2),
        mark("POSTROUTING", 4, 5),
      ) +
      table(
        "nat",
        ":INPUT ACCEPT [0:0]",
        ":OUTPUT ACCEPT [0:0]",
        ":POSTROUTING ACCEPT [0:0]",
        mark("INPUT", 2, 3),
        mark("OUTPUT", 2, 3),
        mark("POSTROUTING", 5, 6),
      ) +
      table("filter", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", mark("INPUT", 1, 2), mark("OUTPUT", 3, 4));
    const lab = new Lab(build, routed(rules), {
      flows: [flow("a", "udp", "10.0.1.254:7"), flow("r", "udp", "10.0.2.1:7", { line: 1 })],
    });
    lab.run(1);
    const hits = Object.entries(lab.counters("r")).filter(([name]) => !name.endsWith("policy"));
    // One request taken and one sent; the reply of the first is sent too, but walks no nat table.
    expect(Object.fromEntries(hits)).toEqual({
      "raw OUTPUT 0": 2,
      "mangle INPUT 0": 2,
      "mangle OUTPUT 0": 2,
      "mangle POSTROUTING 0": 1,
      "nat INPUT 0": 1,
      "nat OUTPUT 0": 1,
      "nat POSTROUTING 0": 1,
      "filter INPUT 0": 2,
      "filter OUTPUT 0": 1,
    });
  });

  test("user chains: jump and come back, RETURN early, goto does not come back, policies count", () => {
    const rules = table(
      "filter",
      ":INPUT ACCEPT [0:0]",
      ":FORWARD DROP [0:0]",
      ":ONE - [0:0]",
      ":TWO - [0:0]",
      ":THREE - [0:0]",
      "-A FORWARD -p udp -j ONE",
      "-A FORWARD -p udp -m udp --dport 9",
      "-A FORWARD -p udp -m udp --dport 7 -j ACCEPT",
      "-A ONE -p udp -m udp --dport 7 -j RETURN",
      "-A ONE -p udp -m udp --dport 8 -g TWO",
      "-A ONE -p udp -m udp --dport 9 -j TWO",
      "-A ONE",
      "-A TWO -j THREE",
      "-A TWO",
      "-A THREE",
    );
    const packets = [7, 8, 9, 10].map((port) => udp(FROM, [5000, port]));
    const lab = sent(build, rules, packets);
    expect(lab.counters("r")).toEqual({
      "filter FORWARD 0": 4,
      "filter FORWARD 1": 1,
      "filter FORWARD 2": 1,
      "filter FORWARD policy": 3,
      "filter ONE 0": 1,
      "filter ONE 1": 1,
      "filter ONE 2": 1,
      // 9 comes back from TWO, 10 walks on; 8 went for good and returned to FORWARD.
      "filter ONE 3": 2,
      "filter ONE policy": 2,
      "filter TWO 0": 2,
      "filter TWO 1": 2,
      "filter TWO policy": 2,
      "filter THREE 0": 2,
      "filter THREE policy": 2,
    });
    expect(lab.drops("r")).toMatchObject({ NETFILTER_DROP: 3 });
  });

  test("counters count packets and bytes, and verdicts of ACCEPT and DROP end the walk", () => {
    const rules = table(
      "filter",
      ":FORWARD ACCEPT [0:0]",
      "-A FORWARD -p tcp -j DROP",
      "-A FORWARD -p udp -j ACCEPT",
      "-A FORWARD -p udp -j DROP",
    );
    const lab = sent(build, rules, [SYN, udp(FROM, [1, 2], 100)]);
    expect(lab.counters("r")).toEqual({ "filter FORWARD 0": 1, "filter FORWARD 1": 1 });
    const counters = lab.kernel.ruleCounters(lab.namespace("r"));
    expect([1, 2].map((index) => countedBy(counters, index))).toEqual([
      { packets: 1, bytes: 40 },
      { packets: 1, bytes: 128 },
    ]);
  });

  test.each([
    ["-s 10.0.1.0/24", 2],
    ["! -s 10.0.1.0/24", 0],
    ["-d 10.0.2.1/32 -p udp", 1],
    ["-p tcp -m tcp --dport 80", 1],
    ["-p tcp -m tcp ! --dport 80", 0],
    ["-p udp -m udp --sport 4000:5000", 1],
    ["-p udp -m udp --dport 53535", 1],
    ["-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", 1],
    ["-p udp -m multiport --dports 53,53000:54000", 1],
    ["-p tcp -m multiport ! --dports 53,80", 0],
    ["-p tcp -m multiport --sports 80,5000", 1],
    ['-p tcp -m comment --comment "kube: a service"', 1],
    ["-o right", 2],
    ["-o left", 0],
    ["-o ri+", 2],
    ["-m addrtype --src-type LOCAL", 0],
    ["-m addrtype ! --src-type LOCAL", 2],
    ["-m addrtype --dst-type UNICAST", 2],
    ["-m nfacct --nfacct-name ct_state_invalid_dropped_pkts", 2],
    ["-m conntrack --ctstate NEW", 2],
    ["-m conntrack --ctstate INVALID", 0],
    ["-m conntrack ! --ctstate NEW,ESTABLISHED", 0],
    ["-m mark --mark 0x0/0x4000", 2],
    ["-m length --length 32", 1],
  ])("%s matches %i of a SYN and a datagram", (match, count) => {
    expect(matched(build, match, SYN, UDP)).toBe(count);
  });

  test("addrtype LOCAL is every address of the host and the loopback network", () => {
    const rules = table(
      "mangle",
      ":PREROUTING ACCEPT [0:0]",
      "-A PREROUTING -m addrtype --dst-type LOCAL",
      "-A PREROUTING -m addrtype --dst-type BROADCAST",
    );
    const packets = ["10.0.1.254", "10.0.2.254", "127.0.0.5", "10.0.2.1", "10.0.1.255"].map((to) =>
      udp({ ...FROM, to }, [5, 6]),
    );
    expect(counted(build, rules, ...packets)).toMatchObject({ "mangle PREROUTING 0": 3, "mangle PREROUTING 1": 1 });
  });

  test("marks: set-xmark clears its mask and toggles its value, and the mark is gone at the next host", () => {
    const rules = table(
      "mangle",
      ":PREROUTING ACCEPT [0:0]",
      "-A PREROUTING -j MARK --set-xmark 0x4001/0x0",
      "-A PREROUTING -m mark --mark 0x4001 -j MARK --set-xmark 0x4000/0x0",
      "-A PREROUTING -m mark --mark 0x1 -j MARK --set-xmark 0x8000/0xffffffff",
      "-A PREROUTING -m mark --mark 0x8000",
    );
    expect(counted(build, rules, UDP)).toMatchObject({ "mangle PREROUTING 2": 1, "mangle PREROUTING 3": 1 });
  });

  test("statistic nth takes every third from the first on; random takes about its share, never or always at the ends", () => {
    const rules = table(
      "filter",
      ":FORWARD ACCEPT [0:0]",
      "-A FORWARD -i left -m statistic --mode nth --every 3 --packet 0",
      "-A FORWARD -i left -m statistic --mode random --probability 0.3333333333",
      "-A FORWARD -i left -m statistic --mode random --probability 1",
      "-A FORWARD -i left -m statistic --mode random --probability 0",
    );
    const lab = sent(
      build,
      rules,
      Array.from({ length: 300 }, (_, i) => udp(FROM, [i + 1, 7])),
      0.001,
    );
    const { "filter FORWARD 0": nth, "filter FORWARD 1": third = 0, ...rest } = lab.counters("r");
    expect(nth).toBe(100);
    expect(third).toBeGreaterThan(70);
    expect(third).toBeLessThan(130);
    expect(rest).toMatchObject({ "filter FORWARD 2": 300 });
    expect(rest).not.toHaveProperty("filter FORWARD 3");
  });

  test("recent: set notes the source, rcheck finds it for its seconds, reap forgets the old", () => {
    const rules = table(
      "filter",
      ":FORWARD ACCEPT [0:0]",
      "-A FORWARD -i left -m recent --rcheck --seconds 10 --reap --name KUBE-SEP-A --mask 255.255.255.255 --rsource",
      "-A FORWARD -i left -p udp -m udp --dport 7 -m recent --set --name KUBE-SEP-A --mask 255.255.255.255 --rsource",
    );
    const lab = new Lab(build, silent(rules));
    const send = (from: string, port: number, at: number) =>
      lab.inject("r/left", ethernet(lab.mac("r/left"), X, 0x0800, udp({ ...FROM, from }, [5, port])), at);
    send("10.0.1.9", 9, 0); // not in the list
    send("10.0.1.9", 7, 1); // set
    send("10.0.1.9", 9, 10); // found
    send("10.0.1.8", 9, 10.5); // another
    send("10.0.1.9", 9, 11.5); // too old
    lab.run(20);
    expect(lab.counters("r")).toMatchObject({ "filter FORWARD 0": 1, "filter FORWARD 1": 1 });
  });

  test("a list of recent keeps 100 addresses: the 101st pushes out the one not seen for longest", () => {
    const rules = table(
      "filter",
      ":FORWARD ACCEPT [0:0]",
      "-A FORWARD -i left -p udp -m udp --dport 9 -m recent --rcheck --name L --mask 255.255.255.255 --rsource",
      "-A FORWARD -i left -p udp -m udp --dport 7 -m recent --set --name L --mask 255.255.255.255 --rsource",
    );
    const packet = (i: number, port: number) => udp({ ...FROM, from: `10.0.1.${i}` }, [5, port]);
    const fill = Array.from({ length: 101 }, (_, i) => packet(i + 1, 7));
    const lab = sent(build, rules, [...fill, packet(1, 9), packet(2, 9)], 0.01);
    expect(lab.counters("r")).toMatchObject({ "filter FORWARD 0": 1, "filter FORWARD 1": 101 });
  });

  test("REJECT tells the sender port unreachable, or resets a TCP connection", () => {
    const rules = table(
      "filter",
      ":FORWARD ACCEPT [0:0]",
      "-A FORWARD -p udp -j REJECT --reject-with icmp-port-unreachable",
      "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset",
    );
    const lab = new Lab(build, routed(rules), {
      flows: [flow("a", "udp", "10.0.2.1:7"), flow("a", "tcp", "10.0.2.1:80", { line: 1 })],
    });
    lab.run(1);
    const answers = lab.seen("a/eth0").filter(({ direction, frame }) => direction === "inbound" && frame.ipv4);
    expect(answers.map(({ frame }) => [frame.ipv4?.source, frame.icmp?.code ?? frame.tcp?.flags])).toEqual([
      ["10.0.1.254", 3],
      ["10.0.2.1", "R."],
    ]);
    expect([lab.outcome(0), lab.outcome(1)]).toEqual([
      { sent: 1, refused: 1 },
      { sent: 1, refused: 1 },
    ]);
    expect(lab.drops("r")).toEqual({ NETFILTER_DROP: 2 });
  });

  test("REJECT in OUTPUT refuses the host's own packets; about a packet with a wrong checksum it is silent", () => {
    const rules = table(
      "filter",
      ":OUTPUT ACCEPT [0:0]",
      ":FORWARD ACCEPT [0:0]",
      "-A OUTPUT -p udp -j REJECT",
      "-A FORWARD -p udp -j REJECT",
    );
    const lab = new Lab(build, routed(rules), { flows: [flow("r", "udp", "10.0.2.1:7")] });
    lab.badChecksumsAllowed = true;
    const broken = udp(FROM, [5, 6]);
    broken[26] = (broken[26] ?? 0) ^ 1;
    lab.inject("r/left", ethernet(lab.mac("r/left"), X, 0x0800, broken), 0.5);
    lab.run(1);
    expect(lab.outcome()).toEqual({ sent: 1, refused: 1 });
    expect(lab.packets("a/eth0")).toEqual([]);
  });

  test("a rule for TCP ports drops a packet whose header is cut off, and leaves later fragments alone", () => {
    const rules = table("filter", ":FORWARD ACCEPT [0:0]", "-A FORWARD -p tcp -m tcp --dport 80");
    const short = tcp(FROM, [5, 80], { flags: "S" }).slice(0, 30);
    short[3] = 30;
    short.set([0, 0], 10);
    const sum = short.subarray(0, 20).reduce((total, byte, i) => total + (i % 2 ? byte : byte * 256), 0);
    const folded = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
    short.set([folded >> 8, folded & 255], 10);
    const fragment = tcp({ ...FROM, fragment: 20 }, [5, 80], { flags: "S" });
    const lab = new Lab(build, silent(rules));
    lab.badChecksumsAllowed = true;
    lab.inject("r/left", ethernet(lab.mac("r/left"), X, 0x0800, short), 0);
    lab.inject("r/left", ethernet(lab.mac("r/left"), X, 0x0800, fragment), 1);
    lab.run(2);
    expect(lab.counters("r")).toEqual({ "filter FORWARD policy": 1 });
    expect(lab.drops("r")).toEqual({ NETFILTER_DROP: 1 });
  });

  test("with bridge-nf bridged packets pass the rules, and REJECT answers them", () => {
    const words = (on: number): MachineWords => ({
      namespaces: {
        s: {
          sysctls: { "net.bridge.bridge-nf-call-iptables": on },
          addresses: { br0: "10.0.0.254/24" },
          rules: table("filter", ":FORWARD ACCEPT [0:0]", "-A FORWARD -i br0 -o br0 -p udp -j REJECT"),
        },
        a: { addresses: { eth0: "10.0.0.1/24" } },
        b: { addresses: { eth0: "10.0.0.2/24" }, listen: ["udp 7"] },
      },
      bridges: { "s/br0": "pa pb" },
      veths: ["a/eth0 s/pa", "b/eth0 s/pb"],
    });
    for (const [on, outcome] of [
      [0, { sent: 1, delivered: 1 }],
      [1, { sent: 1, refused: 1 }],
    ] as const) {
      const lab = new Lab(build, words(on), { flows: [flow("a", "udp", "10.0.0.2:7")] });
      lab.run(1);
      expect(lab.outcome()).toEqual(outcome);
      expect(lab.live).toBe(0);
    }
  });

  test("ICMP is matched by type and code", () => {
    const echo = ping(FROM, 1, 1);
    const error = icmp(FROM, 3, 4, 0, new Uint8Array(28));
    const of = (type: string) => matched(build, `-p icmp -m icmp --icmp-type ${type}`, echo, error);
    expect([of("8"), of("3"), of("3/4"), of("3/3"), of("any")]).toEqual([1, 1, 1, 0, 2]);
  });
});
