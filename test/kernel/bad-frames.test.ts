// Frames that no sound host sends: the kernel drops them with a reason, loses none, and goes on.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FRAME_CAPACITY } from "../../assembly/layout/frame.ts";
import { arp, ethernet, icmp, ipv4, ping, tcp, udp } from "./craft.ts";
import { BUILDS, Lab, type Build } from "./lab.ts";
import type { MachineWords } from "./network.ts";

const X = "02:aa:00:00:00:01";
const RULES = `*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -m u32 --u32 "0x0>>0x16&0x3c@0x4=0x1" -m length --length 0:65535
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d 10.96.0.1/32 -p udp -j DNAT --to-destination 10.0.2.9:53
-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.2.9:80
-A POSTROUTING -o right -j MASQUERADE --random-fully
COMMIT
*mangle
:FORWARD ACCEPT [0:0]
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1000
COMMIT
*filter
:FORWARD ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -p tcp -m multiport --dports 1:9 -j REJECT --reject-with tcp-reset
-A FORWARD -p udp -m multiport --dports 1:9 -j REJECT
-A FORWARD -p tcp -m tcp --tcp-option 8 -m recent --name r --set --rsource
COMMIT
`;

/** A host with services behind a bridge with bridge-nf, and a router with rules: what the three doors lead to. */
const NETWORK: MachineWords = {
  namespaces: {
    s: {
      sysctls: { "net.ipv4.ip_forward": 1, "net.bridge.bridge-nf-call-iptables": 1, "net.ipv4.icmp_ratemask": 0 },
      addresses: { br0: "10.0.0.254/24", left: "10.0.1.254/24", right: "10.0.2.254/24" },
      neighbours: [`right 10.0.2.9 ${X}`, `left 10.0.1.9 ${X}`, `br0 10.0.0.9 ${X}`],
      rules: RULES,
      listen: ["udp 53 dns", "tcp 80", "udp 7"],
    },
    h: {
      addresses: { eth0: "10.0.0.1/24" },
      neighbours: [`eth0 10.0.0.9 ${X}`],
      listen: ["udp 53 dns", "tcp 80", "udp 7"],
    },
    w: {},
  },
  bridges: { "s/br0": "p1 p2+hairpin p3" },
  veths: ["s/p1 w/e1", "s/p2 w/e2", "h/eth0 s/p3", "s/left w/e3", "s/right w/e4"],
};
const DOORS = ["s/p1", "s/left", "h/eth0"] as const;

const address = fc.constantFrom(
  "10.0.0.9",
  "10.0.0.1",
  "10.0.0.254",
  "10.0.1.9",
  "10.0.1.254",
  "10.0.2.9",
  "10.96.0.1",
  "8.8.8.8",
  "127.0.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "0.0.0.0",
  "10.0.1.255",
);
const port = fc.constantFrom(0, 7, 53, 80, 1000, 40000);
const ip = fc.record({
  from: address,
  to: address,
  ttl: fc.constantFrom(0, 1, 2, 64),
  fragment: fc.constantFrom(0, 0, 0, 0x4000, 0x2000, 1, 0x2001, 0x1fff),
  id: fc.nat(65535),
});
const blob = (max: number) => fc.uint8Array({ maxLength: max });

/** Packets as they should be. */
const sound = fc.oneof(
  fc.tuple(ip, port, port, blob(60)).map(([words, a, b, data]) => udp(words, [a, b], data)),
  fc.tuple(ip, port, port, blob(1400)).map(([words, a, b, data]) => udp(words, [a, b], data)),
  fc
    .tuple(
      ip,
      port,
      port,
      fc.constantFrom("S", "S.", ".", "P.", "F.", "R", "R.", "SF", ""),
      fc.nat(),
      fc.nat(),
      blob(60),
      blob(10),
    )
    .map(([words, a, b, flags, seq, ack, data, options]) => {
      const padded = new Uint8Array((options.length + 3) & ~3);
      padded.set(options);
      return tcp(words, [a, b], { flags, seq, ack, data, options: padded });
    }),
  fc.tuple(ip, fc.nat(65535), fc.nat(65535)).map(([words, id, sequence]) => ping(words, id, sequence)),
  fc.tuple(ip, fc.nat(20), fc.nat(15), blob(64)).map(([words, type, code, data]) => icmp(words, type, code, 0, data)),
  fc.tuple(ip, ip, port, port).map(([words, inner, a, b]) => icmp(words, 3, 3, 0, udp(inner, [a, b]))),
  fc.tuple(ip, fc.nat(255), blob(40)).map(([words, protocol, data]) => ipv4(words, protocol, data)),
);

/** The same with bytes changed and the end cut off or made up; a changed header keeps a right checksum now and then. */
const damaged = fc
  .tuple(sound, fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 }), fc.nat(80), fc.boolean())
  .map(([packet, changes, cut, mend]) => {
    const bytes = packet.slice(0, cut < 40 ? packet.length : Math.max(0, packet.length - (cut - 40)));
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    return mend ? mended(bytes) : bytes;
  });

/** With the IPv4 header checksum that fits. */
function mended(bytes: Uint8Array): Uint8Array {
  const length = Math.min(((bytes[0] ?? 0) & 15) * 4, bytes.length);
  if (length < 20) return bytes;
  bytes.set([0, 0], 10);
  let sum = 0;
  for (let i = 0; i < length; i += 2) sum += (bytes[i] ?? 0) * 256 + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  bytes.set([(~sum >>> 8) & 255, ~sum & 255], 10);
  return bytes;
}

const mac = fc.constantFrom(
  "door",
  "door",
  "door",
  "ff:ff:ff:ff:ff:ff",
  "01:80:c2:00:00:0e",
  "01:00:5e:00:00:01",
  "02:99:00:00:00:01",
);
const arpMessage = fc
  .tuple(fc.constantFrom("request" as const, "reply" as const), address, address, fc.nat(28), fc.boolean())
  .map(([operation, sender, target, cut, whole]) => arp(operation, X, sender, X, target).slice(0, whole ? 28 : cut));

interface Shot {
  door: (typeof DOORS)[number];
  build: (own: string) => Uint8Array;
}

const shot: fc.Arbitrary<Shot> = fc
  .tuple(
    fc.constantFrom(...DOORS),
    mac,
    fc.oneof(
      { weight: 6, arbitrary: damaged.map((bytes) => [0x0800, bytes] as const) },
      { weight: 3, arbitrary: sound.map((bytes) => [0x0800, bytes] as const) },
      { weight: 1, arbitrary: arpMessage.map((bytes) => [0x0806, bytes] as const) },
      { weight: 1, arbitrary: fc.tuple(fc.constantFrom(0x0800, 0x0806, 0x86dd, 0x8100, 5), blob(80)) },
    ),
    fc.nat(200),
  )
  .map(([door, to, [type, payload], cut]) => ({
    door,
    build: (own: string) => {
      const frame = ethernet(to === "door" ? own : to, X, type, payload);
      return (cut < 14 ? frame.subarray(0, cut) : frame).subarray(0, FRAME_CAPACITY);
    },
  }));

function dropped(lab: Lab): number {
  return ["s", "h", "w"].reduce(
    (sum, name) => sum + Object.values(lab.drops(name)).reduce((total, n) => total + n, 0),
    0,
  );
}

function survives(build: Build, shots: readonly Shot[]): void {
  const lab = new Lab(build, NETWORK, { captures: [] });
  const own = new Map(DOORS.map((door) => [door, door === "s/p1" ? lab.mac("s/br0") : lab.mac(door)]));
  shots.forEach(({ door, build: make }, i) => lab.inject(door, make(own.get(door) ?? X), i / 1000));
  // Long enough for every SYN-ACK and every ARP request to be given up.
  lab.run(2000);
  expect(lab.live).toBe(0);
  // Every frame ended somewhere: counted as dropped, or taken by a socket, or answered and sent.
  expect(dropped(lab)).toBeGreaterThanOrEqual(0);
  // The kernel still does its work.
  lab.inject("h/eth0", ethernet(lab.mac("h/eth0"), X, 0x0800, ping({ from: "10.0.0.9", to: "10.0.0.1" }, 1, 1)), 2000);
  const before = lab.kernel.transmitted(lab.device("h/eth0"));
  lab.run(2001);
  expect(lab.kernel.transmitted(lab.device("h/eth0"))).toBe(before + 1);
}

describe.each(BUILDS)("in the %s build", (build) => {
  test("random and damaged frames never trap the module, and none is lost", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(fc.array(shot, { minLength: 20, maxLength: 60 }), (shots) => survives(build, shots)),
      { numRuns: 60, seed: 7, endOnFailure: true },
    );
  });

  const HEAD = ipv4({ from: "10.0.1.9", to: "10.0.2.9" }, 17, new Uint8Array(20));
  const change = (...changes: [at: number, value: number][]): Uint8Array => {
    const bytes = HEAD.slice();
    for (const [at, value] of changes) bytes[at] = value;
    return mended(bytes);
  };
  test.each<[string, Uint8Array, Record<string, number>]>([
    ["version 6", change([0, 0x65]), { IP_INHDR: 1 }],
    ["a header of 16 bytes", change([0, 0x44]), { IP_INHDR: 1 }],
    ["a header longer than the packet", change([0, 0x4f]), { IP_INHDR: 1 }],
    ["a total length below the header", change([3, 19]), { IP_INHDR: 1 }],
    ["a total length beyond the frame", change([2, 1]), { PKT_TOO_SMALL: 1 }],
    ["a wrong header checksum", HEAD.with(11, (HEAD[11] ?? 0) ^ 1), { IP_CSUM: 1 }],
    ["no header at all", new Uint8Array(3), { IP_INHDR: 1 }],
  ])("an IPv4 packet with %s is dropped", (_, packet, drops) => {
    const lab = new Lab(build, NETWORK, { captures: [] });
    lab.inject("s/left", ethernet(lab.mac("s/left"), X, 0x0800, packet), 0);
    lab.run(1);
    expect(lab.drops("s")).toEqual(drops);
    expect(lab.live).toBe(0);
  });

  test("bytes that the link padded are cut off before anything looks at the packet", () => {
    const lab = new Lab(build, NETWORK);
    const padded = new Uint8Array(60);
    padded.set(ethernet(lab.mac("h/eth0"), X, 0x0800, udp({ from: "10.0.0.9", to: "10.0.0.1" }, [5000, 7], "x")));
    lab.inject("h/eth0", padded, 0);
    lab.run(1);
    expect(lab.seen("h/eth0").at(-1)?.bytes).toHaveLength(14 + 20 + 8 + 1);
  });

  test("a name of more than 255 bytes is a format error for the DNS server", () => {
    const lab = new Lab(build, NETWORK);
    const label = Uint8Array.of(63, ...new Uint8Array(63).fill(97));
    const name = Array.from({ length: 20 }, () => [...label]).flat();
    const query = Uint8Array.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name, 0, 0, 1, 0, 1]);
    lab.inject(
      "h/eth0",
      ethernet(lab.mac("h/eth0"), X, 0x0800, udp({ from: "10.0.0.9", to: "10.0.0.1" }, [5000, 53], query)),
      0,
    );
    lab.run(1);
    const answer = lab.seen("s/p3").find(({ frame }) => frame.udp?.sourcePort === 53)?.frame.dns;
    expect(answer).toMatchObject({ id: 7, response: true, rcode: 1, questions: [] });
    expect(lab.live).toBe(0);
  });
});
