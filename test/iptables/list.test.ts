// Rules as `iptables -L` lists them, held against what iptables 1.8.9 (legacy) printed for the same rules.
import { describe, expect, test } from "vitest";
import { listTable } from "../../src/iptables/list.ts";
import { parseRules } from "../../src/iptables/parse.ts";

const OPTIONS = { numeric: true, verbose: true, exact: false, lineNumbers: false };

/** What the listing says of a rule: target, protocol, options; then what stands behind the addresses. */
function listed(rule: string, table: string): [head: string, tail: string] {
  const chain = rule.split(" ")[1] ?? "";
  const set = parseRules(`*${table}\n:X - [0:0]\n${rule}\nCOMMIT\n`, "rules");
  const text = listTable(set.tables[0]!, OPTIONS, chain);
  const line = text.trimEnd().split("\n").at(-1) ?? "";
  return [line.slice(12, 30).trim(), line.slice(80).trim()];
}

const FILTER: [rule: string, head: string, tail: string][] = [
  ["-g X", "X          0    --", "[goto]"],
  ["-m mark ! --mark 0x1/0xff", "0    --", "mark match ! 0x1/0xff"],
  ["-m connmark --mark 0x1/0xff", "0    --", "connmark match  0x1/0xff"],
  [
    "-p tcp -m tcp --sport 1:10 ! --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -j DROP",
    "DROP       6    --",
    "tcp spts:1:10 dpt:!80 flags:0x17/0x02",
  ],
  [
    "-p tcp -m tcp --dport 80:90 --tcp-flags SYN,ACK SYN --tcp-option 3",
    "6    --",
    "tcp dpts:80:90 option=3 flags:0x12/0x02",
  ],
  ["-p udp -m udp --sport 53 --dport 53 -j ACCEPT", "ACCEPT     17   --", "udp spt:53 dpt:53"],
  ["-p icmp -m icmp --icmp-type 3/1 -j ACCEPT", "ACCEPT     1    --", "icmptype 3 code 1"],
  ["-m state --state RELATED,ESTABLISHED -j ACCEPT", "ACCEPT     0    --", "state RELATED,ESTABLISHED"],
  [
    "-m conntrack --ctstate NEW --ctproto 6 --ctorigsrc 10.0.0.0/8 --ctorigdstport 80 --ctdir REPLY -j ACCEPT",
    "ACCEPT     0    --",
    "ctstate NEW ctproto 6 ctorigsrc 10.0.0.0/8 ctorigdstport 80 ctdir REPLY",
  ],
  [
    "-m addrtype ! --src-type LOCAL --limit-iface-in -j ACCEPT",
    "ACCEPT     0    --",
    "ADDRTYPE match src-type !LOCAL limit-in",
  ],
  [
    "-p tcp -m multiport --dports 80,443,1000:2000 -j ACCEPT",
    "ACCEPT     6    --",
    "multiport dports 80,443,1000:2000",
  ],
  ["-p tcp -m multiport ! --sports 80 -j ACCEPT", "ACCEPT     6    --", "multiport sports  !80"],
  [
    "-m statistic --mode random --probability 0.33333333349 -j ACCEPT",
    "ACCEPT     0    --",
    "statistic mode random probability 0.33333333349",
  ],
  [
    "-m statistic --mode nth --every 3 --packet 1 -j ACCEPT",
    "ACCEPT     0    --",
    "statistic mode nth every 3 packet 1",
  ],
  [
    '-m limit --limit 3/min --limit-burst 7 -j LOG --log-prefix "hey " --log-level 4',
    "LOG        0    --",
    'limit: avg 3/min burst 7 LOG flags 0 level 4 prefix "hey "',
  ],
  ["-j LOG --log-tcp-options --log-ip-options --log-uid --log-level 7", "LOG        0    --", "LOG flags 14 level 7"],
  ["-p tcp -j REJECT --reject-with tcp-reset", "REJECT     6    --", "reject-with tcp-reset"],
  [
    "-m recent --rcheck --seconds 10800 --reap --name A --mask 255.255.255.255 --rsource -j ACCEPT",
    "ACCEPT     0    --",
    "recent: CHECK seconds: 10800 reap name: A side: source mask: 255.255.255.255",
  ],
  ["-m physdev --physdev-in eth1 -j ACCEPT", "ACCEPT     0    --", "PHYSDEV match --physdev-in eth1"],
  ["-m length --length 10:20 -j ACCEPT", "ACCEPT     0    --", "length 10:20"],
  ["-f -j ACCEPT", "ACCEPT     0    -f", ""],
  ["! -p tcp -j ACCEPT", "ACCEPT    !6    --", ""],
];

describe("iptables -L -n -v of the filter table", () => {
  test.each(FILTER)("%s", (rule, head, tail) => {
    expect(listed(`-A INPUT ${rule}`, "filter")).toEqual([head, tail]);
  });
});

describe("iptables -L -n -v of the other tables", () => {
  test.each([
    ["mangle", "-A PREROUTING -j MARK --set-xmark 0x4000/0x4000", "MARK or 0x4000"],
    ["mangle", "-A PREROUTING -j MARK --set-xmark 0x4000/0x0", "MARK xor 0x4000"],
    ["mangle", "-A PREROUTING -j MARK --set-xmark 0x1/0xff", "MARK xset 0x1/0xff"],
    ["mangle", "-A PREROUTING -j MARK --set-xmark 0x0/0xff", "MARK and 0xffffff00"],
    ["mangle", "-A PREROUTING -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff", "CONNMARK save"],
    ["mangle", "-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff", "CONNMARK restore mask 0xff"],
    [
      "mangle",
      "-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
      "tcp flags:0x06/0x02 TCPMSS clamp to PMTU",
    ],
    ["nat", "-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1:80", "to:10.0.0.1:80"],
    ["nat", "-A PREROUTING -p tcp -j REDIRECT --to-ports 80", "redir ports 80"],
    ["nat", "-A POSTROUTING -j SNAT --to-source 10.0.0.1 --random-fully", "to:10.0.0.1 random-fully"],
    ["raw", "-A PREROUTING -j CT --notrack", "CT notrack"],
    ["raw", "-A PREROUTING -j CT --zone 5", "CT zone 5"],
  ])("%s: %s", (table, rule, tail) => {
    expect(listed(rule, table)[1]).toBe(tail);
  });

  test("counters above five digits lose their last ones, addresses and devices their masks and stars", () => {
    const text =
      "*filter\n:INPUT ACCEPT [145:143000]\n[123456:99999] -A INPUT -s 10.0.0.1/32 ! -d 10.1.0.0/16 -i eth+ -j DROP\nCOMMIT\n";
    const [table] = parseRules(text, "rules").tables;
    expect(listTable(table!, OPTIONS, "INPUT")).toBe(
      "Chain INPUT (policy ACCEPT 145 packets, 143K bytes)\n" +
        " pkts bytes target     prot opt in     out     source               destination         \n" +
        " 123K 99999 DROP       0    --  eth+   *       10.0.0.1            !10.1.0.0/16         \n",
    );
  });
});

describe("ip6tables -L", () => {
  const table = (rules: string[]) => {
    const lines = rules.map((rule) => `-A INPUT ${rule}\n`).join("");
    return parseRules(`*filter\n:C - [0:0]\n${lines}COMMIT\n`, "rules", "ipv6").tables[0]!;
  };
  const body = (rules: string[], numeric: boolean) =>
    listTable(table(rules), { ...OPTIONS, numeric, verbose: numeric, family: "ipv6" }, "INPUT")
      .split("\n")
      .slice(2, -1);

  test("shows addresses, types and what matches ask, with numbers", () => {
    const rules = [
      "-s fd00::1/128 ! -d fd00:2::/64 -i eth0 -p tcp -m tcp --dport 80 -j C",
      "! -s fd00::1/128 -p ipv6-icmp -m icmp6 --icmpv6-type 128 -g C",
      "-p ipv6-icmp -m icmp6 ! --icmpv6-type 1/4",
      "-m hl ! --hl-eq 64",
      "-m hl --hl-lt 5",
      "-j REJECT --reject-with icmp6-port-unreachable",
      "-m recent --set --name A --rsource",
      "-s 2001:db8:1234:5678:9abc:def0:1234:5678/128 -d 2001:db8:1234:5678::/64",
      "-m conntrack --ctorigdst fd00::1",
    ];
    expect(body(rules, true)).toEqual([
      "    0     0 C          6    --  eth0   *       fd00::1             !fd00:2::/64          tcp dpt:80",
      "    0     0 C          58   --  *      *      !fd00::1              ::/0                [goto]  ipv6-icmptype 128",
      "    0     0            58   --  *      *       ::/0                 ::/0                 ipv6-icmp !type 1 code 4",
      "    0     0            0    --  *      *       ::/0                 ::/0                 HL match HL != 64",
      "    0     0            0    --  *      *       ::/0                 ::/0                 HL match HL < 5",
      "    0     0 REJECT     0    --  *      *       ::/0                 ::/0                 reject-with icmp6-port-unreachable",
      "    0     0            0    --  *      *       ::/0                 ::/0                 recent: SET name: A side: source mask: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
      "    0     0            0    --  *      *       2001:db8:1234:5678:9abc:def0:1234:5678  2001:db8:1234:5678::/64 ",
      "    0     0            0    --  *      *       ::/0                 ::/0                 ctorigdst fd00::1",
    ]);
  });

  test("shows names of protocols and ICMPv6 types without -n", () => {
    const rules = [
      "! -s fd00::1/128 -p ipv6-icmp -m icmp6 --icmpv6-type 128 -g C",
      "-p ipv6-icmp -m icmp6 ! --icmpv6-type 1/4",
      "-p ipv6-icmp -m icmp6 --icmpv6-type 200",
      "-p ipv6-icmp -m icmp6 --icmpv6-type 255/3",
    ];
    expect(body(rules, false)).toEqual([
      "C          ipv6-icmp -- !fd00::1              anywhere            [goto]  ipv6-icmp echo-request",
      "           ipv6-icmp --  anywhere             anywhere             ipv6-icmp !port-unreachable",
      "           ipv6-icmp --  anywhere             anywhere             ipv6-icmptype 200",
      "           ipv6-icmp --  anywhere             anywhere             ipv6-icmptype 255 code 3",
    ]);
  });

  test("shows changes of the hop limit and NAT", () => {
    const rules =
      "*mangle\n-A PREROUTING -j HL --hl-inc 7\nCOMMIT\n*nat\n-A PREROUTING -p tcp -j DNAT --to-destination [fd00::1]:80\nCOMMIT\n";
    const tails = parseRules(rules, "rules", "ipv6").tables.map((one) =>
      listTable(one, { ...OPTIONS, family: "ipv6" }, "PREROUTING")
        .trimEnd()
        .split("::/0                 ")
        .at(-1),
    );
    expect(tails).toEqual(["HL increment by 7", "to:[fd00::1]:80"]);
  });
});
