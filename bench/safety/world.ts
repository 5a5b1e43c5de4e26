// A random small network: a router or bridge with rules, NAT, sysctls and listeners, and stubs around it.
import { parseMac } from "../../src/address.ts";
import type { Case } from "../../src/lab/case.ts";
import { injectSchema, topologySchema } from "../../src/lab/schema.ts";
import type { Random } from "./random.ts";

export interface World {
  lab: Case;
  /** The interfaces that frames are sent out of, `wire:w0`, with the address that takes them at the other end. */
  wires: { at: string; to: Uint8Array }[];
}

const SYSCTLS: readonly [key: string, values: readonly number[]][] = [
  ["net.ipv4.ip_forward", [1, 1, 1, 0]],
  ["net.bridge.bridge-nf-call-iptables", [0, 1]],
  ["net.ipv4.conf.all.rp_filter", [0, 0, 1, 2]],
  ["net.ipv4.conf.all.accept_source_route", [0, 1]],
  ["net.ipv4.conf.all.route_localnet", [0, 1]],
  ["net.ipv4.conf.all.accept_local", [0, 1]],
  ["net.ipv4.conf.all.proxy_arp", [0, 1]],
  ["net.ipv4.conf.all.arp_ignore", [0, 1, 2]],
  ["net.ipv4.conf.all.arp_accept", [0, 1]],
  ["net.ipv4.conf.all.arp_filter", [0, 1]],
  ["net.ipv4.icmp_echo_ignore_broadcasts", [0, 1]],
  ["net.netfilter.nf_conntrack_max", [262144, 100]],
  ["net.netfilter.nf_conntrack_checksum", [0, 1]],
];

/** Makes the network that a random source says, with `six` of both families. Every rule and setting is one that iptables and sysctl take. */
export function newWorld(random: Random, six: boolean): World {
  const ports = 2 + random.below(3);
  const bridged = random.oneIn(2) ? 1 + random.below(ports) : 0;
  const links = Array.from({ length: ports }, (_, i) => ({
    a: { ns: "node", if: `e${i}`, mac: mac(0, i), mtu: random.pick([1500, 1500, 1500, 1400, 600, 1600]) },
    b: { ns: "wire", if: `w${i}`, mac: mac(1, i), mtu: random.pick([1500, 1600]) },
  }));
  const inBridge = Array.from({ length: bridged }, (_, i) => `e${i}`);
  const bridges =
    bridged === 0
      ? []
      : [
          {
            ns: "node",
            name: "br0",
            mac: mac(2, 0),
            ports: inBridge.map((name) => ({ if: name, hairpin: random.oneIn(3), isolated: random.oneIn(6) })),
            group_fwd_mask: random.oneIn(4) ? 0x4000 : 0,
          },
        ];
  const devices = [...(bridged > 0 ? ["br0"] : []), ...links.slice(bridged).map(({ a }) => a.if)];
  const addresses = devices.map((dev, i) => ({ ns: "node", dev, cidr: `10.0.${i}.1/24` }));
  const neigh = devices.flatMap((dev, i) =>
    random.some([2, 3, 9]).map((host) => ({ ns: "node", dev, ip: `10.0.${i}.${host}`, mac: mac(1, host % ports) })),
  );
  const routes = [
    { ns: "node", dst: "default", via: "10.0.0.2" },
    { ns: "node", dst: "172.16.0.0/16", via: `10.0.${devices.length - 1}.3`, mtu: random.oneIn(2) ? 700 : undefined },
    { ns: "node", dst: "192.168.0.0/16", type: random.pick(["blackhole", "unreachable", "prohibit"]) },
  ];
  const sysctl = Object.fromEntries(random.some(SYSCTLS).map(([key, values]) => [key, random.pick(values)]));
  const listen = [
    { proto: "udp", port: 53, echo: true },
    { proto: "tcp", port: 80, echo: random.oneIn(2) },
  ];
  const rules = new Map(random.oneIn(6) ? [] : [["node.v4", newRules(random)]]);
  const more = six ? newSix(random, devices) : undefined;
  if (more && !random.oneIn(6)) rules.set("node.v6", more.rules);
  const topology = topologySchema.parse({
    namespaces: [
      { name: "node", ipv6: six, sysctl: { "net.ipv4.ip_forward": 1, ...sysctl, ...more?.sysctl }, listen },
      { name: "wire", kind: "stub" },
    ],
    links,
    bridges,
    addresses: [...addresses, ...(more?.addresses ?? [])],
    neigh: [...neigh, ...(more?.neigh ?? [])],
    routes: [...routes, ...(more?.routes ?? [])],
    ip_rules: more?.ip_rules,
  });
  const lab = { name: "safety", path: "safety", topology, script: injectSchema.parse([]), rules, frames: [] };
  const wires = links.map(({ a, b }, i) => {
    const taker = i < bridged ? mac(2, 0) : a.mac;
    return { at: `wire:${b.if}`, to: parseMac(taker) ?? new Uint8Array(6) };
  });
  return { lab, wires };
}

/** What a network of IPv6 has besides. */
function newSix(random: Random, devices: readonly string[]) {
  const last = devices.length - 1;
  const block = (i: number): string => (i === 0 ? "fd00" : `fd00:${i}`);
  return {
    sysctl: {
      "net.ipv6.conf.all.forwarding": random.oneIn(4) ? 0 : 1,
      "net.bridge.bridge-nf-call-ip6tables": random.below(2),
      "net.ipv6.ip6frag_time": random.pick([1, 60]),
    },
    addresses: devices.map((dev, i) => ({ ns: "node", dev, cidr: `${block(i)}::1/64` })),
    neigh: devices.flatMap((dev, i) =>
      random.some([2, 3, 9]).map((host) => ({ ns: "node", dev, ip: `${block(i)}::${host}`, mac: mac(1, host % 2) })),
    ),
    routes: [
      { ns: "node", dst: "default", via: random.pick(["fd00::2", "fd00::9"]) },
      { ns: "node", dst: "2001:db8::/32", via: `${block(last)}::3`, mtu: random.oneIn(2) ? 1300 : undefined },
      { ns: "node", dst: "default", via: "fd00::3", table: 100 },
    ],
    ip_rules: [{ ns: "node", rule: "from fd00::2/127 lookup 100 priority 100" }],
    rules: newRules6(random),
  };
}

/** ip6tables-save text. */
function newRules6(random: Random): string {
  const matches = [
    "-p tcp -m tcp --dport 80",
    "-p udp -m udp --dport 53",
    "-p ipv6-icmp -m icmp6 --icmpv6-type 128",
    "-m conntrack --ctstate INVALID",
    "-m conntrack --ctstate RELATED,ESTABLISHED",
    "-s fd00::/64",
    "-m addrtype --dst-type LOCAL",
    "-m hl --hl-lt 5",
    "",
  ];
  const targets = ["-j ACCEPT", "-j DROP", "-j REJECT --reject-with icmp6-port-unreachable"];
  const filter = ["INPUT", "FORWARD", "OUTPUT"].flatMap((chain) =>
    Array.from({ length: random.below(4) }, () => `-A ${chain} ${random.pick(matches)} ${random.pick(targets)}`),
  );
  const nat = [
    "-A PREROUTING -p udp -m udp --dport 53 -j DNAT --to-destination [fd00:1::3]:53",
    "-A PREROUTING -p tcp -m tcp --dport 4000 -j REDIRECT --to-ports 80",
    "-A POSTROUTING -s fd00::/64 -j MASQUERADE",
  ];
  const text = [
    "*filter",
    ...["INPUT", "FORWARD", "OUTPUT"].map((chain) => `:${chain} ACCEPT [0:0]`),
    ...filter,
    "COMMIT",
    "*nat",
    ...["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].map((chain) => `:${chain} ACCEPT [0:0]`),
    ...random.some(nat),
    "COMMIT",
  ];
  return `${text.join("\n").replace(/ {2,}/g, " ")}\n`;
}

function mac(kind: number, number: number): string {
  return `02:00:00:00:0${kind}:0${number}`;
}

const MATCHES = [
  "-p tcp",
  "-p udp",
  "-p icmp",
  "-p tcp -m tcp --dport 80",
  "-p udp -m udp --dport 53",
  "-p tcp -m tcp --tcp-flags SYN,RST SYN",
  "-p icmp -m icmp --icmp-type 8",
  "-p udp -m multiport --dports 1:100,4000",
  "-s 10.0.0.0/24",
  "! -s 10.0.1.0/24",
  "-d 10.0.0.0/16",
  "-m conntrack --ctstate NEW",
  "-m conntrack --ctstate RELATED,ESTABLISHED",
  "-m conntrack --ctstate INVALID",
  "-m mark --mark 0x1/0x3",
  "-m addrtype --dst-type LOCAL",
  "-m length --length 0:200",
  "-m ttl --ttl-lt 5",
  "-m statistic --mode random --probability 0.50000000000",
  "-m statistic --mode nth --every 3 --packet 0",
  "-m limit --limit 5/sec",
  "-f",
  "",
];
const VERDICTS = ["-j ACCEPT", "-j ACCEPT", "-j DROP", "-j RETURN", "-j U1", "-j U2"];

/** iptables-save text: filter, often nat, mangle and raw. */
function newRules(random: Random): string {
  const rule = (chain: string, targets: readonly string[]): string =>
    ["-A", chain, ...random.some([random.pick(MATCHES)]), random.pick(targets)].join(" ").replace(/ +/g, " ");
  const rules = (chain: string, targets: readonly string[]): string[] =>
    Array.from({ length: random.below(5) }, () => rule(chain, targets));
  const nat = (chain: string, targets: readonly string[]): string[] =>
    Array.from(
      { length: random.below(4) },
      () => `-A ${chain} -p ${random.pick(["tcp", "udp"])} ${random.pick(targets)}`,
    );
  const reject = ["-j REJECT --reject-with icmp-port-unreachable", "-j REJECT --reject-with icmp-host-prohibited"];
  const filter = [...VERDICTS, ...reject];
  const users = ["-j ACCEPT", "-j DROP", "-j RETURN", "-j MARK --set-xmark 0x1/0xffffffff"];
  const text = [
    "*filter",
    `:INPUT ${random.pick(["ACCEPT", "ACCEPT", "DROP"])} [0:0]`,
    `:FORWARD ${random.pick(["ACCEPT", "ACCEPT", "DROP"])} [0:0]`,
    ":OUTPUT ACCEPT [0:0]",
    ":U1 - [0:0]",
    ":U2 - [0:0]",
    ...["INPUT", "FORWARD", "OUTPUT"].flatMap((chain) => rules(chain, filter)),
    ...rules("U1", ["-j ACCEPT", "-j DROP", "-j RETURN", "-j U2"]),
    ...rules("U2", ["-j ACCEPT", "-j DROP", "-j RETURN"]),
    "COMMIT",
  ];
  if (random.below(3) > 0)
    text.push(
      "*nat",
      ":PREROUTING ACCEPT [0:0]",
      ":INPUT ACCEPT [0:0]",
      ":OUTPUT ACCEPT [0:0]",
      ":POSTROUTING ACCEPT [0:0]",
      ...nat("PREROUTING", [
        "-j DNAT --to-destination 10.0.1.3:8080",
        "-j DNAT --to-destination 10.0.0.9",
        "-j REDIRECT --to-ports 80",
      ]),
      ...nat("OUTPUT", ["-j DNAT --to-destination 10.0.1.3:8080"]),
      ...nat("POSTROUTING", [
        "-j MASQUERADE",
        "-j SNAT --to-source 10.0.0.1:5000-5003",
        "-j MASQUERADE --random-fully",
      ]),
      "COMMIT",
    );
  if (random.oneIn(2))
    text.push(
      "*mangle",
      ...["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"].map((chain) => `:${chain} ACCEPT [0:0]`),
      ...["PREROUTING", "FORWARD", "POSTROUTING"].flatMap((chain) =>
        rules(chain, [...users, "-j TTL --ttl-set 9", "-j TOS --set-tos 0x10/0xff"]),
      ),
      "COMMIT",
    );
  if (random.oneIn(3))
    text.push(
      "*raw",
      ":PREROUTING ACCEPT [0:0]",
      ":OUTPUT ACCEPT [0:0]",
      ...rules("PREROUTING", ["-j CT --notrack", "-j ACCEPT", "-j DROP"]),
      "COMMIT",
    );
  return `${text.join("\n")}\n`;
}
