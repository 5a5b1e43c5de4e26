// Rules of ip6tables on the data plane: what each match says of three packets, what each target does, lists and buckets by blocks.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MATCHER_INDEX, MATCHER_LINEAR, MATCHER_PLAIN } from "../../assembly/layout/codes.ts";
import { CT_ORIGINAL, CT_REPLY, NS_RULES6, TUPLE_DST, TUPLE_SRC } from "../../assembly/layout/records.ts";
import { BLOCK_HEADER, BLOCK_RULES } from "../../assembly/layout/rules.ts";
import type { Built } from "../../src/engine/build.ts";
import { PreparedRun } from "../../src/engine/run.ts";
import { NameTable } from "../../src/iptables/names.ts";
import { parseRules } from "../../src/iptables/parse.ts";
import { compileRules } from "../../src/iptables/records.ts";
import { countedBy } from "../../src/kernel/counters.ts";
import { FRAME_DATA, FRAME_LENGTH } from "../../assembly/layout/frame.ts";
import { BATCH_HEADER, BATCH_USED } from "../../assembly/layout/records.ts";
import { STEP_HEADER, STEP_KIND, STEP_SIZE, STEP_TRANSMIT } from "../../assembly/layout/trace.ts";
import { ethernet } from "./craft.ts";
import { bytesOf6, echo6, syn6, udp6 } from "./craft6.ts";
import { BUILDS, modulePath, type Build } from "./lab.ts";
import { machineOf, planOf } from "./network.ts";

const X = "02:aa:00:00:00:01";
const IPV6 = 0x86dd;

/** A router between two links whose hosts are known to it. */
class Router {
  readonly #run: PreparedRun;
  readonly #alone: ReturnType<PreparedRun["alone"]>;
  readonly #rules: string;
  #atSeconds = 0;

  constructor(build: Build, rules: string, sets = "") {
    const words = machineOf("m", {
      namespaces: {
        r: {
          sysctls: { "net.ipv6.conf.all.forwarding": 1 },
          addresses: { left: "fd00:1::fe/64", right: "fd00:2::fe/64" },
          neighbours: [
            ...["1", "2", "5", "6", "7", "8", "9"].map((host) => `right fd00:2::${host} ${X}`),
            `left fd00:1::9 ${X}`,
          ],
        },
        w: {},
      },
      veths: ["w/l r/left", "w/r r/right"],
    });
    const namespaces = words.namespaces.map((one) => (one.name === "r" ? { ...one, ipv6Rules: rules, sets } : one));
    this.#rules = rules;
    this.#run = new PreparedRun(planOf([{ ...words, namespaces }]), { modulePath: modulePath(build) });
    this.#alone = this.#run.alone();
  }

  get kernel() {
    return this.#alone.worker.kernel;
  }

  get #built(): Built {
    return this.#alone.built;
  }

  get ns(): number {
    return this.#built.namespaces.get("r") ?? 0;
  }

  /** Sends a packet into the router by its left link, and gives what leaves it, as network bytes. */
  send(packet: Uint8Array, seconds = 1): Uint8Array[] {
    const { kernel } = this;
    const device = this.#built.devices.get("r/left") ?? 0;
    const first = kernel.calls.setTrace(1, 0) >>> 0;
    const bytes = ethernet("02:00:00:00:00:02", X, IPV6, packet);
    const frame = kernel.calls.newFrame() >>> 0;
    kernel.bytes(kernel.word(frame + FRAME_DATA), bytes.length).set(bytes);
    kernel.setWord(frame + FRAME_LENGTH, bytes.length);
    kernel.calls.inject(device, frame, this.#atSeconds * 1e9);
    this.#atSeconds += seconds;
    kernel.calls.run(this.#atSeconds * 1e9);
    const seen: Uint8Array[] = [];
    const used = kernel.word(first + BATCH_USED);
    for (let at = first + BATCH_HEADER; at < first + BATCH_HEADER + used; at += STEP_SIZE)
      if (kernel.word(at + STEP_KIND) === STEP_TRANSMIT) seen.push(kernel.bytes(at + STEP_HEADER, 128).slice());
    kernel.calls.setTrace(0, 0);
    return seen;
  }

  /** Has runs of rules, short ones too, passed with this matcher. */
  useMatcher(matcher: number): this {
    const { kernel, ns } = this;
    kernel.calls.setMatcher(matcher);
    const block = kernel.word(ns + NS_RULES6);
    kernel.calls.indexRules(block, block + BLOCK_HEADER, kernel.word(block + BLOCK_RULES), 2);
    return this;
  }

  /** Packets that each rule of a chain has counted, in order. */
  counts(table: string, chain: string): number[] {
    const numbers = new NameTable(() => 0);
    const { rules } = compileRules(parseRules(this.#rules, "rules", "ipv6"), numbers, "ipv6");
    const counters = this.kernel.ruleCounters(this.ns, "ipv6");
    return rules.flatMap((rule, i) =>
      rule.table === table && rule.chain === chain && rule.index !== "policy" ? [countedBy(counters, i).packets] : [],
    );
  }

  /** The only connection: source and destination of its replies. */
  get reply(): [source: string, destination: string] {
    const [entry = 0, ...more] = this.kernel.connections(this.ns);
    expect(more).toEqual([]);
    const text = (field: number) => this.kernel.addressText(this.ns, this.kernel.word(entry + field));
    expect(text(CT_ORIGINAL + TUPLE_SRC)).toBe("fd00:1::9");
    return [text(CT_REPLY + TUPLE_SRC), text(CT_REPLY + TUPLE_DST)];
  }
}

const ordinary = { from: "fd00:1::9", to: "fd00:2::1" };
const PACKETS = {
  u: udp6(ordinary, [5000, 53]),
  t: syn6({ from: "fd00:1::8:0:0:1", to: "fd00:2::2", hops: 9, tos: 0x28 }, [5001, 80]),
  e: echo6(ordinary),
};

const SETS = [
  "create ips hash:ip family inet6",
  "add ips fd00:1::9",
  "create nets hash:net family inet6",
  "add nets fd00:1::8:0:0:0/80",
  "add nets fd00::/16",
  "add nets fd00:1::/96 nomatch",
  "create ports hash:ip,port family inet6",
  "add ports fd00:2::1,udp:53",
  "create three hash:ip,port,ip family inet6",
  "add three fd00:2::2,tcp:80,fd00:1::8:0:0:1",
  "create four hash:ip",
  "add four 10.0.0.1",
  "",
].join("\n");

// Each match with the packets that it is true of.
const MATCHES: [rule: string, packets: string][] = [
  ["-s fd00:1::9/128", "ue"],
  ["! -s fd00:1::9/128", "t"],
  ["-s fd00:1::/64", "ute"],
  ["-s fd00:1::/96", "ue"],
  ["! -s fd00:1::/96", "t"],
  ["-s fd00:1::8:0:0:0/79", "t"],
  ["-d fd00:2::2/127", "t"],
  ["-d fd00:2::/127", "ue"],
  ["-s fd00:1::/64 -d fd00:2::1/128 -p udp -m udp --dport 53", "u"],
  ["-s fd00:1::/64 ! -d fd00:2::/127 -p tcp -m tcp --dport 80", "t"],
  ["-s fd00:0:0:8::/ffff:0:0:ffff::", ""],
  ["-s fd00:0:0:0:8::/ffff:0:0:ffff:ffff::", "t"],
  ["-p ipv6-icmp", "e"],
  ["-p ipv6-icmp -m icmp6 --icmpv6-type 128", "e"],
  ["-p ipv6-icmp -m icmp6 --icmpv6-type 129", ""],
  ["-p ipv6-icmp -m icmp6 ! --icmpv6-type 128/1", "e"],
  ["-p ipv6-icmp -m icmp6 --icmpv6-type 255", ""],
  // The router has taken one off.
  ["-m hl --hl-eq 63", "ue"],
  ["-m hl ! --hl-eq 8", "ue"],
  ["-m hl --hl-lt 9", "t"],
  ["-m tos --tos 0x28/0xff", "t"],
  ["-m dscp --dscp 0x0a", "t"],
  ["-m ecn --ecn-ip-ect 0", "ute"],
  ["-m length --length 52", "ue"],
  ["-m length --length 60", "t"],
  ["-m iprange --src-range fd00:1::8-fd00:1::a", "ue"],
  ["-m iprange ! --src-range fd00:1::-fd00:1::9 --dst-range fd00:2::2-fd00:2::ff", "t"],
  ["-p udp -m multiport --dports 50:60", "u"],
  ["-m conntrack --ctstate NEW", "ute"],
  ["-m conntrack --ctorigsrc fd00:1::9", "ue"],
  ["-m conntrack --ctorigsrc fd00:1::/96", "ue"],
  ["-m conntrack ! --ctorigdst fd00:2::/127", "t"],
  ["-m conntrack --ctrepldst fd00:1::8:0:0:0/80", "t"],
  ["-m addrtype --src-type UNICAST", "ute"],
  ["-m addrtype --dst-type LOCAL", ""],
  ["-m set --match-set ips src", "ue"],
  ["-m set ! --match-set ips src", "t"],
  ["-m set --match-set nets src", "t"],
  ["-m set --match-set nets src --return-nomatch", "ue"],
  ["-m set --match-set nets dst", "ute"],
  ["-m set --match-set ports dst,dst", "u"],
  ["-m set --match-set three dst,dst,src", "t"],
  ["-m set --match-set four src", ""],
  ['-m u32 --u32 "4&0xff=64"', ""],
  ['-m u32 --u32 "4&0xff=8"', "t"],
];

describe.each(BUILDS)("%s build", (build) => {
  test("matches", () => {
    const lines = MATCHES.map(([rule]) => `-A FORWARD ${rule}\n`).join("");
    const found = MATCHES.map(() => "");
    for (const [name, packet] of Object.entries(PACKETS)) {
      const router = new Router(build, `*filter\n${lines}COMMIT\n`, SETS);
      expect(router.send(packet)).toHaveLength(1);
      router.counts("filter", "FORWARD").forEach((count, i) => (found[i] += count > 0 ? name : ""));
    }
    expect(MATCHES.map(([rule], i) => [rule, found[i]])).toEqual(MATCHES);
  });

  test("rpfilter lets pass what would go back by the same link", () => {
    const rules = "*mangle\n-A PREROUTING -m rpfilter\n-A PREROUTING -m rpfilter --invert\nCOMMIT\n";
    const router = new Router(build, rules);
    router.send(PACKETS.u);
    expect(router.counts("mangle", "PREROUTING")).toEqual([1, 0]);
    router.send(udp6({ from: "fd00:2::9", to: "fd00:2::1" }, [1, 2]));
    expect(router.counts("mangle", "PREROUTING")).toEqual([1, 1]);
  });

  test("recent, hashlimit and connlimit go by blocks", () => {
    const rules = [
      "-m recent --rcheck --name A --mask ffff:ffff:ffff:ffff:: --rsource",
      "-m recent --set --name A --mask ffff:ffff:ffff:ffff:: --rsource",
      "-m recent --rcheck --name B --rsource",
      "-m recent --set --name B --rsource",
      "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-name h --hashlimit-srcmask 64",
      "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-name g",
      "-m connlimit --connlimit-above 1 --connlimit-mask 64 --connlimit-saddr",
      "-m connlimit --connlimit-above 1 --connlimit-mask 128 --connlimit-saddr",
    ];
    const router = new Router(build, `*filter\n${rules.map((rule) => `-A FORWARD ${rule}\n`).join("")}COMMIT\n`);
    router.send(PACKETS.u);
    router.send(PACKETS.t);
    expect(router.counts("filter", "FORWARD")).toEqual([1, 2, 0, 2, 1, 2, 1, 0]);
  });

  test.each([
    ["DNAT --to-destination [fd00:2::7]:99", "fd00:2::7"],
    ["REDIRECT", "fd00:1::fe"],
  ])("-j %s", (target, server) => {
    const router = new Router(build, `*nat\n-A PREROUTING -p udp -j ${target}\nCOMMIT\n`);
    router.send(PACKETS.u, 0.001);
    expect(router.reply).toEqual([server, "fd00:1::9"]);
  });

  test("NETMAP keeps what is behind the prefix", () => {
    const router = new Router(build, "*nat\n-A PREROUTING -d fd00:9::/64 -j NETMAP --to fd00:2::/64\nCOMMIT\n");
    const [out] = router.send(udp6({ from: "fd00:1::9", to: "fd00:9::5" }, [5000, 53]));
    expect([...(out ?? []).slice(24, 40)]).toEqual(bytesOf6("fd00:2::5"));
    expect(router.reply).toEqual(["fd00:2::5", "fd00:1::9"]);
  });

  test("DNAT to a range takes its addresses, the same one for the same hosts", () => {
    const rules = "*nat\n-A PREROUTING -p udp -j DNAT --to-destination fd00:2::5-fd00:2::8\nCOMMIT\n";
    const chosen = new Set<string>();
    for (let host = 1; host <= 24; host++) {
      const router = new Router(build, rules);
      const packet = (port: number) => udp6({ from: `fd00:1::${host.toString(16)}`, to: "fd00:9::1" }, [port, 53]);
      const to = [5000, 5001].map((port) => router.send(packet(port))[0]?.slice(24, 40).join());
      expect(to[0]).toBe(to[1]);
      chosen.add(to[0] ?? "");
    }
    const range = [5, 6, 7, 8].map((host) => bytesOf6(`fd00:2::${host}`).join());
    expect([...chosen].sort()).toEqual(range);
  });

  test("HL, TOS, DSCP and TCPMSS change the packet", () => {
    const changed = (rule: string, packet: Uint8Array) =>
      new Router(build, `*mangle\n-A FORWARD ${rule}\nCOMMIT\n`).send(packet)[0] ?? new Uint8Array();
    expect(changed("-j HL --hl-set 7", PACKETS.u)[7]).toBe(7);
    expect(changed("-j HL --hl-dec 3", PACKETS.u)[7]).toBe(60);
    expect(changed("-j HL --hl-inc 9", PACKETS.u)[7]).toBe(72);
    expect([...changed("-j TOS --set-tos 0x12", PACKETS.u).slice(0, 4)]).toEqual([0x61, 0x20, 0, 0]);
    expect([...changed("-j DSCP --set-dscp 0x2e", PACKETS.u).slice(0, 2)]).toEqual([0x6b, 0x80]);
    const mss = "-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu";
    const syn = (value?: number) => changed(mss, syn6(ordinary, [5001, 80], value));
    expect([...syn(9000).slice(60, 64)]).toEqual([2, 4, 1440 >> 8, 1440 & 255]);
    expect([...syn().slice(60, 64)]).toEqual([2, 4, 1220 >> 8, 1220 & 255]);
    // Four bytes more, and the checksum is right for them.
    expect([...syn().slice(0, 64)]).toEqual([...syn6({ ...ordinary, hops: 63 }, [5001, 80], 1220)]);
  });

  test("REJECT answers with ICMPv6 or a reset", () => {
    const answer = (rule: string, packet: Uint8Array) =>
      new Router(build, `*filter\n-A FORWARD ${rule}\nCOMMIT\n`).send(packet)[0] ?? new Uint8Array();
    const codes = {
      "no-route": 0,
      "adm-prohibited": 1,
      "addr-unreachable": 3,
      "port-unreachable": 4,
      "policy-fail": 5,
    };
    for (const [name, code] of Object.entries(codes)) {
      const sent = answer(`-j REJECT --reject-with icmp6-${name}`, PACKETS.u);
      expect([...sent.slice(6, 7), ...sent.slice(24, 42)]).toEqual([58, ...bytesOf6("fd00:1::9"), 1, code]);
    }
    const reset = answer("-p tcp -j REJECT --reject-with tcp-reset", syn6(ordinary, [5001, 80]));
    // RST and ACK, from whom the SYN was for.
    expect([reset[6], ...reset.slice(8, 44), reset[53]]).toEqual([
      6,
      ...bytesOf6("fd00:2::1"),
      ...bytesOf6("fd00:1::9"),
      ...[0, 80, 5001 >> 8, 5001 & 255],
      0x14,
    ]);
  });
});

const address = (flag: string, hosts: string[]) =>
  fc.constantFrom(
    "",
    "",
    ...hosts.flatMap((host) => [`${flag} ${host}/128 `, `! ${flag} ${host}/128 `, `${flag} ${host}/64 `]),
  );
const ports = fc.constantFrom(
  "",
  "-p udp -m udp --dport 53 ",
  "-p tcp -m tcp --dport 80 ",
  "-p udp -m udp ! --dport 53 ",
);
const does = fc.constantFrom("", "", "-m mark --mark 0x1/0x1 -j ACCEPT", "-j MARK --set-xmark 0x1/0x1", "-j DROP");
const line = fc
  .tuple(address("-s", ["fd00:1::9", "fd00:3::9"]), address("-d", ["fd00:2::1", "fd00:2::2"]), ports, does)
  .map((parts) => parts.join("").trimEnd());

test(
  "random rules count the same with the index, looked at four at once, and rule by rule",
  { timeout: 60_000 },
  () => {
    const outcome = (rules: string, matcher: number): unknown => {
      const router = new Router("release", rules).useMatcher(matcher);
      const sent = Object.values(PACKETS).map((packet) => router.send(packet).length);
      return [sent, router.counts("mangle", "FORWARD")];
    };
    fc.assert(
      fc.property(fc.array(line, { minLength: 3, maxLength: 24 }), (lines) => {
        const rules = `*mangle\n${lines.map((one) => `-A FORWARD ${one}\n`).join("")}COMMIT\n`;
        const plain = outcome(rules, MATCHER_PLAIN);
        expect(outcome(rules, MATCHER_INDEX)).toEqual(plain);
        expect(outcome(rules, MATCHER_LINEAR)).toEqual(plain);
      }),
      { numRuns: 60, seed: 11 },
    );
  },
);
