// First packets of connections that take the way of others like them: whatever is sent, all that can be seen is as if each had asked
// every rule.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as R from "../../assembly/layout/records.ts";
import { ethernet, tcp, udp } from "./craft.ts";
import { BUILDS, Lab, type Build } from "./lab.ts";
import type { MachineWords } from "./network.ts";

const A = "02:aa:00:00:00:01";
const B = "02:bb:00:00:00:01";
const CLIENT = "10.0.1.9";
const SERVER = "10.0.2.9";

// 10.96.0.1 and .2 have the same endpoint, so that their connections may meet; the others ask for the source port or leave a choice.
const NAT = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d 10.96.0.1/32 -p udp -m udp --dport 80 -j DNAT --to-destination 10.0.2.9:8080
-A PREROUTING -d 10.96.0.2/32 -p udp -m udp --dport 80 -j DNAT --to-destination 10.0.2.9:8080
-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.2.9:8080
-A PREROUTING -d 10.96.0.2/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.2.9
-A PREROUTING -d 10.96.0.3/32 -p udp -m udp --sport 45001 -j DNAT --to-destination 10.0.2.9:9001
-A PREROUTING -d 10.96.0.3/32 -p udp -j DNAT --to-destination 10.0.2.9:9002
-A PREROUTING -d 10.96.0.4/32 -m statistic --mode nth --every 2 --packet 0 -j DNAT --to-destination 10.0.2.8
-A PREROUTING -d 10.96.0.4/32 -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.0.2.7
-A PREROUTING -d 10.96.0.5/32 -p udp -j DNAT --to-destination 10.0.2.9:8000-8010 --random
-A PREROUTING -d 10.96.0.6/32 -p tcp -j DNAT --to-destination 10.0.2.7-10.0.2.9
-A POSTROUTING -p udp -m udp --dport 7000 -j MASQUERADE
COMMIT
`;
const FILTER = `*mangle
:FORWARD ACCEPT [0:0]
-A FORWARD -p udp -m udp --dport 7001 -j MARK --set-xmark 0x4000/0x4000
-A FORWARD -p udp -m udp --dport 7002 -j CONNMARK --set-xmark 0x7/0x7
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN --dport 7003 -j TCPMSS --set-mss 500
COMMIT
*filter
:FORWARD ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -p udp -m udp --dport 7004 -m conntrack --ctorigsrcport 45002 -j DROP
-A FORWARD -p udp -m udp --dport 7005 -m multiport --sports 45003 -j DROP
-A FORWARD -d 10.0.2.8/32 -p tcp -m tcp ! --sport 45000:45002 --dport 7006 -j DROP
-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT
COMMIT
`;

const WORDS: MachineWords = {
  namespaces: {
    r: {
      sysctls: {
        "net.ipv4.ip_forward": 1,
        "net.netfilter.nf_conntrack_udp_timeout": 2,
        "net.netfilter.nf_conntrack_max": 12,
      },
      addresses: { left: "10.0.1.254/24", right: "10.0.2.254/24" },
      neighbours: [`left ${CLIENT} ${A}`, ...[7, 8, 9].map((i) => `right 10.0.2.${i} ${B}`)],
      rules: NAT + FILTER,
    },
    w: {},
  },
  veths: ["w/l r/left", "w/r r/right"],
};

interface Sent {
  protocol: "udp" | "syn" | "ack";
  from: number;
  to: [address: string, port: number];
  /** An answer to what it would have been at the server. */
  isAnswer: boolean;
  ttl: number;
  /** Milliseconds after the last one. */
  after: number;
}

const SERVICES: [string, number][] = [
  ["10.96.0.1", 80],
  ["10.96.0.2", 80],
  ["10.96.0.3", 80],
  ["10.96.0.4", 80],
  ["10.96.0.5", 80],
  ["10.96.0.6", 80],
  [SERVER, 8080],
  ...[0, 1, 2, 3, 4, 5].map((i): [string, number] => [SERVER, 7000 + i]),
  ["10.0.2.8", 7006],
];

const sent: fc.Arbitrary<Sent> = fc.record({
  protocol: fc.constantFrom("udp", "udp", "udp", "syn", "syn", "ack"),
  from: fc.integer({ min: 45000, max: 45005 }),
  to: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...SERVICES.slice(0, 2)) }, fc.constantFrom(...SERVICES)),
  isAnswer: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.boolean()),
  ttl: fc.constantFrom(64, 64, 64, 64, 1),
  after: fc.constantFrom(1, 1, 1, 10, 300, 2500),
});

function packetOf({ protocol, from, to: [address, port], isAnswer, ttl }: Sent): Uint8Array {
  const words = isAnswer ? { from: SERVER, to: CLIENT, ttl } : { from: CLIENT, to: address, ttl };
  const ports: [number, number] = isAnswer ? [port === 80 ? 8080 : port, from] : [from, port];
  if (protocol === "udp") return udp(words, ports, "hello");
  if (protocol === "ack") return tcp(words, ports, { flags: ".", seq: 101, ack: 901 });
  return tcp(words, ports, isAnswer ? { flags: "S.", seq: 900, ack: 101 } : { flags: "S", seq: 100 });
}

/** The connections in the order of the table: tuples, status, mark, when they end. */
function connectionsOf({ kernel }: Lab, ns: number): string[] {
  return kernel.connections(ns).map((entry) => {
    const words = [R.CT_ORIGINAL, R.CT_REPLY].flatMap((tuple) =>
      [R.TUPLE_SRC, R.TUPLE_DST, R.TUPLE_PORTS, R.TUPLE_PROTO].map((field) => kernel.word(entry + tuple + field)),
    );
    const rest = [R.CT_STATUS, R.CT_MARK, R.CT_TIMEOUT, R.CT_TIMEOUT + 4, R.CT_TCP_STATE, R.CT_STREAM_FROM];
    return [...words, ...rest.map((field) => kernel.word(entry + field))]
      .map((word) => (word >>> 0).toString(16))
      .join(" ");
  });
}

function outcome(build: Build, list: readonly Sent[], flowCache: boolean) {
  const lab = new Lab(build, WORDS);
  lab.kernel.calls.setFlowCache(flowCache ? 1 : 0);
  let now = 0;
  const connections = list.map((one) => {
    now += one.after / 1000;
    const [device, mac] = one.isAnswer ? ["r/right", B] : ["r/left", A];
    lab.inject(device, ethernet(lab.mac(device), mac, 0x0800, packetOf(one)), now);
    lab.run(now + 0.0005);
    return connectionsOf(lab, lab.namespace("r"));
  });
  return {
    frames: lab
      .seen()
      .map(({ device, ns, direction, bytes }) => `${device} ${ns} ${direction} ${Buffer.from(bytes).toString("hex")}`),
    counters: lab.counters("r"),
    drops: lab.drops("r"),
    connections,
    live: lab.live,
  };
}

const udpTo = (to: [string, number], from: number, after = 1): Sent => ({
  ...{ protocol: "udp", from, to, isAnswer: false, ttl: 64, after },
});

describe.each(BUILDS)("in the %s build", (build) => {
  test("random first packets, answers and packets of known connections leave the same frames, counters and connections", () => {
    fc.assert(
      fc.property(fc.array(sent, { minLength: 20, maxLength: 60 }), (list) => {
        expect(outcome(build, list, true)).toEqual(outcome(build, list, false));
      }),
      { numRuns: build === "debug" ? 15 : 60, seed: 20261127 },
    );
  }, 120_000);

  test.each(SERVICES.map(([address, port]) => `${address}:${port}`))(
    "connections from different ports to %s leave what they leave when each asks every rule",
    (name) => {
      const to = SERVICES.find(([address, port]) => `${address}:${port}` === name) ?? [SERVER, 8080];
      for (const protocol of ["udp", "syn"] as const) {
        const list = [45004, 45005, 45000, 45001, 45002, 45003].map((from) => ({ ...udpTo(to, from), protocol }));
        expect(outcome(build, list, true)).toEqual(outcome(build, list, false));
      }
    },
  );

  test("the third connection to a Service is opened as the second was, but for its port", () => {
    const list = [45000, 45001, 45002, 45003].map((from) => udpTo(["10.96.0.1", 80], from));
    const { connections, frames, counters } = outcome(build, list, true);
    expect(connections.map(({ length }) => length)).toEqual([1, 2, 3, 4]);
    expect(frames.filter((line) => line.startsWith("r/right")).length).toBe(4);
    expect(counters["nat PREROUTING 0"]).toBe(4);
    expect(connections).toEqual(outcome(build, list, false).connections);
  });

  test("a connection whose answers another one would get is translated to another port, though others like it were not", () => {
    const list = [
      ...[45000, 45001, 45002].map((from) => udpTo(["10.96.0.1", 80], from)),
      ...[45003, 45004, 45002].map((from) => udpTo(["10.96.0.2", 80], from)),
    ];
    const { frames } = outcome(build, list, true);
    const left = frames.filter((line) => line.startsWith("r/right"));
    const port = parseInt(left.at(-1)?.split(" ")[3]?.slice(68, 72) ?? "", 16);
    expect(port).not.toBe(45002);
    expect(frames).toEqual(outcome(build, list, false).frames);
  });

  test("a full connection table drops first packets that would open as others did", () => {
    const list = Array.from({ length: 14 }, (_, i) => udpTo(["10.96.0.1", 80], 6000 + i));
    const { drops } = outcome(build, list, true);
    expect(drops).toEqual({ CONNTRACK_TABLE_FULL: 2 });
  });
});
