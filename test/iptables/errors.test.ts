// Bad rules are refused in one sentence, with file, line and option.
import { expect, test } from "vitest";
import { InputError } from "../../src/errors.ts";
import type { Family } from "../../src/iptables/addresses.ts";
import { parseRules } from "../../src/iptables/parse.ts";

function messageOf(text: string, family: Family = "ipv4"): string {
  try {
    parseRules(text, "rules.v4", family);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return "accepted";
}

const filterRule = (rule: string) => `*filter\n:INPUT ACCEPT [0:0]\n:MINE - [0:0]\n${rule}\nCOMMIT\n`;
const natRule = (rule: string) => `*nat\n:POSTROUTING ACCEPT [0:0]\n:MINE - [0:0]\n${rule}\nCOMMIT\n`;

test.each([
  ["-A INPUT -m foo", '-m: match "foo" is not supported'],
  ["-A INPUT -j TEE", '-j: target "TEE" is not supported'],
  ["-A INPUT -j BAR", '-j: "BAR" is neither a chain of table filter nor a supported target'],
  ["-A INPUT -g ACCEPT", '-g: -g needs a chain, and "ACCEPT" is a target; use -j'],
  ["-A INPUT -j OUTPUT", '-j: "OUTPUT" is a built-in chain; rules can jump to user chains only'],
  ["-A INPUT -j ACCEPT -j DROP", "-j: -j is given twice; once is right"],
  ["-A INPUT -j ACCEPT -g MINE", "-g: a rule has one target at most: one -j or one -g"],
  ["-A NOPE -j ACCEPT", 'table filter has no chain "NOPE"; a line ":NOPE - [0:0]" must stand before its rules'],
  ["-A", "the name of a chain is missing"],
  ["-A INPUT extra", 'extra: "extra" stands where an option should'],
  ["-A INPUT --foo", "--foo: --foo is not an option of iptables, nor of the matches and the target before it"],
  ["-A INPUT --dport 80", "--dport: --dport is not an option of iptables, nor of the matches and the target before it"],
  ["-A INPUT -m tcp --dport 80", '-m: match "tcp" needs -p tcp'],
  ["-A INPUT ! -p tcp -m tcp --dport 80", '-m: match "tcp" needs -p tcp'],
  ["-A INPUT -p tcp --dport 70000", '--dport: "70000" is not a port or a range of ports from 0 to 65535'],
  ["-A INPUT -p tcp --dport 9:8", "--dport: the port range 9:8 runs backwards; the smaller port comes first"],
  ["-A INPUT -p tcp --dport", "--dport: --dport needs a value after it"],
  ["-A INPUT -p tcp --dport ! 80", '--dport: the ! stands before the option, as in "! --dport VALUE"'],
  ["-A INPUT -s 300.1.1.1", '-s: "300.1.1.1" is not an IPv4 address or block, such as 10.0.0.0/8'],
  ["-A INPUT -s fd00::1/64", '-s: "fd00::1/64" is not an IPv4 address or block, such as 10.0.0.0/8'],
  ["-A INPUT ! -s 1.1.1.1,2.2.2.2", "-s: a list of addresses cannot be inverted by !"],
  ["-A INPUT -s 1.1.1.1 -s 2.2.2.2", "-s: -s is given twice; once is right"],
  ["-A INPUT -i abcdefghijklmnop", '-i: "abcdefghijklmnop" is not a device name of 1 to 15 characters'],
  ["-A INPUT -o eth0", "-o: chain INPUT has no outgoing device; use -i or delete -o"],
  ["-A INPUT -p nosuch", '-p: "nosuch" is not a protocol name or a number from 0 to 255'],
  ["-A INPUT ! -j ACCEPT", "-j: -j cannot be inverted by !"],
  ["-A INPUT -m mark", "-m mark: -m mark needs --mark"],
  ["-A INPUT -m mark --mark zz", '--mark: "zz" is not a number, or number/mask, up to 0xffffffff'],
  ["-A INPUT -m mark --mark 1 --mark 2", "--mark: --mark is given twice; once is right"],
  ["-A INPUT -m statistic --mode nth --every 3 --packet 3", '--packet: "3" is not a number from 0 to 2'],
  ["-A INPUT -m statistic --mode random --probability 2", '--probability: "2" is not a number from 0 to 1'],
  [
    "-A INPUT -m recent --set --seconds 4",
    "--seconds: --seconds does not go with --set; it goes with --rcheck or --update",
  ],
  ["-A INPUT -m hashlimit --hashlimit-upto 5/s", "-m hashlimit: -m hashlimit needs --hashlimit-name"],
  [
    "-A INPUT -m hashlimit --hashlimit-upto 2000000/s --hashlimit-name x",
    '--hashlimit-upto: "2000000/s" is not a rate up to 1000000/second, such as 5/second, 3/hour or 512kb/s',
  ],
  [
    "-A INPUT -m hashlimit --hashlimit-upto 5/s --hashlimit-name x --hashlimit-mode port",
    '--hashlimit-mode: "port" is not one or more of srcip, srcport, dstip, dstport',
  ],
  ["-A INPUT -m limit --limit 0/s", '--limit: "0/s" is not a rate up to 10000/second, such as 5/second or 3/hour'],
  [
    "-A INPUT -m multiport --dports 1",
    "-m multiport: -m multiport needs -p tcp, udp, udplite, sctp or dccp, not inverted",
  ],
  [
    "-A INPUT -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
    "--dports: there are too many ports; a list holds 15, and a range counts as two",
  ],
  ["-A INPUT -j REJECT --reject-with tcp-reset", "--reject-with: tcp-reset needs -p tcp"],
  ["-A INPUT -j DNAT --to-destination 1.2.3.4", '-j: target "DNAT" is not allowed in table filter, only in nat'],
  ["-A INPUT -j MASQUERADE", '-j: target "MASQUERADE" is not allowed in table filter, only in nat'],
  ["-A INPUT -m rpfilter", '-m: match "rpfilter" is not allowed in table filter, only in raw, mangle'],
  ['-A INPUT -m comment --comment "open', 'a double quote is not closed; text in quotes ends with "'],
  ["-Q INPUT", '"-Q" is not a command; rules begin with -A CHAIN'],
  ["[1:x] -A INPUT", "counters read [packets:bytes]"],
  ["-D INPUT -j DROP", 'chain "INPUT" has no such rule'],
  ["-D INPUT 1", "there is no rule number 1; the last is 0"],
  ["-X INPUT", 'chain "INPUT" is built in and cannot be deleted'],
  ["-P MINE DROP", 'chain "MINE" is not built in, so it has no policy; write "- [0:0]" after its name'],
  ["-P INPUT REJECT", '"REJECT" is not a policy; a built-in chain has ACCEPT or DROP'],
])("%s", (rule, message) => {
  expect(messageOf(filterRule(rule))).toBe(`rules.v4:4: ${message}`);
});

test.each([
  [
    "-A POSTROUTING -j DNAT --to-destination 1.2.3.4",
    '-j: target "DNAT" is not allowed in POSTROUTING or in a chain reached from it, only in PREROUTING, OUTPUT',
  ],
  [
    "-A POSTROUTING -j REDIRECT",
    '-j: target "REDIRECT" is not allowed in POSTROUTING or in a chain reached from it, only in PREROUTING, OUTPUT',
  ],
  [
    "-A PREROUTING -j SNAT --to-source 1.2.3.4",
    '-j: target "SNAT" is not allowed in PREROUTING or in a chain reached from it, only in INPUT, POSTROUTING',
  ],
  [
    "-A OUTPUT -j MASQUERADE",
    '-j: target "MASQUERADE" is not allowed in OUTPUT or in a chain reached from it, only in POSTROUTING',
  ],
  ["-A PREROUTING -j DROP", '-j: target "DROP" is not allowed in table nat, only in raw, mangle, filter'],
  [
    "-A PREROUTING -j DNAT --to-destination 1.2.3.4:80",
    "--to-destination: a port needs -p tcp, udp, udplite, sctp or dccp, not inverted",
  ],
  ["-A PREROUTING -j DNAT", "-j DNAT: -j DNAT needs --to-destination"],
])("%s", (rule, message) => {
  expect(messageOf(natRule(rule))).toBe(`rules.v4:4: ${message}`);
});

test("a target in a user chain is held to the hooks that the chain is reached from", () => {
  const rules = "-A PREROUTING -j MINE\n-A MINE -g OTHER\n-A OTHER -j MASQUERADE";
  expect(messageOf(`*nat\n:MINE - [0:0]\n:OTHER - [0:0]\n${rules}\nCOMMIT`)).toBe(
    'rules.v4:6: -j: target "MASQUERADE" is not allowed in PREROUTING or in a chain reached from it, only in POSTROUTING',
  );
  expect(messageOf(`*nat\n:MINE - [0:0]\n-A MINE -j MASQUERADE\nCOMMIT`)).toBe("accepted");
});

test("a jump that leads back is a loop, unless no packet can come to it", () => {
  const loop = "*filter\n:A - [0:0]\n:B - [0:0]\n-A A -j B\n-A B -j A\n";
  expect(messageOf(`${loop}-A INPUT -j A\nCOMMIT`)).toBe(
    'rules.v4:5: -j: the jump from chain "B" to "A" closes a loop; a packet may not come to a chain twice',
  );
  expect(messageOf(`${loop}COMMIT`)).toBe("accepted");
});

test.each([
  ["*filter\n:INPUT ACCEPT [0:0]\n-A INPUT\n", "rules.v4:4: table filter has no COMMIT line at its end"],
  ["*filter\n*nat\nCOMMIT", "rules.v4:2: table filter is not finished; a COMMIT line is missing before this one"],
  ["-A INPUT -j DROP", 'rules.v4:1: "-A INPUT -j DROP" stands outside a table; a line such as *filter must come first'],
  ["*security\nCOMMIT", 'rules.v4:1: table "security" is not supported; the tables are raw, mangle, nat, filter'],
  ["*foo\nCOMMIT", 'rules.v4:1: there is no table "foo"; the tables are raw, mangle, nat, filter'],
  [
    "*filter\n:INPUT\nCOMMIT",
    'rules.v4:2: ":INPUT" is not a chain line such as ":INPUT ACCEPT [0:0]" or ":MY-CHAIN - [0:0]"',
  ],
  ["*filter\n:A - [0:0]\n:A - [0:0]\nCOMMIT", 'rules.v4:3: chain "A" is declared twice'],
  [
    "*nat\n:FORWARD ACCEPT [0:0]\nCOMMIT",
    'rules.v4:2: chain "FORWARD" is not built in, so it has no policy; write "- [0:0]" after its name',
  ],
  [
    `*filter\n:${"A".repeat(29)} - [0:0]\nCOMMIT`,
    `rules.v4:2: "${"A".repeat(29)}" is not a chain name: 1 to 28 characters, not beginning with - or !`,
  ],
])("%j", (text, message) => {
  expect(messageOf(text)).toBe(message);
});

test.each([
  ["-A INPUT -s 10.0.0.1", '-s: "10.0.0.1" is not an IPv6 address or block, such as fd00::/8'],
  ["-A INPUT -s fd00::/129", '-s: "fd00::/129" is not an IPv6 address or block, such as fd00::/8'],
  ["-A INPUT -f", "-f: -f is an option of iptables; IPv6 packets are not fragmented on their way"],
  ["-A INPUT -m ttl --ttl-eq 3", '-m: match "ttl" is not supported in ip6tables'],
  ["-A INPUT -p icmpv6 -m icmp --icmp-type 8", '-m: match "icmp" is not supported in ip6tables'],
  ["-A INPUT -m frag --fragfirst", '-m: match "frag" is not supported'],
  ["-A INPUT -m rt --rt-type 0", '-m: match "rt" is not supported'],
  ["-A INPUT -j TTL --ttl-set 3", '-j: target "TTL" is not supported in ip6tables'],
  ["-A INPUT -j SNPT", '-j: target "SNPT" is not supported'],
  ["-A INPUT -m icmp6 --icmpv6-type 1", '-m: match "icmp6" needs -p ipv6-icmp'],
  [
    "-A INPUT -j REJECT --reject-with icmp-port-unreachable",
    '--reject-with: "icmp-port-unreachable" is not one of icmp6-no-route, icmp6-adm-prohibited, icmp6-addr-unreachable, icmp6-port-unreachable, tcp-reset, icmp6-policy-fail, icmp6-reject-route',
  ],
])("of IPv6, %s", (rule, message) => {
  expect(messageOf(filterRule(rule), "ipv6")).toBe(`rules.v4:4: ${message}`);
});

test.each([
  [
    "-A INPUT -p icmpv6 --icmpv6-type 1",
    "--icmpv6-type: --icmpv6-type is not an option of iptables, nor of the matches and the target before it",
  ],
  ["-A INPUT -m hl --hl-eq 1", '-m: match "hl" is not supported in iptables'],
])("of IPv4, %s", (rule, message) => {
  expect(messageOf(filterRule(rule))).toBe(`rules.v4:4: ${message}`);
});

test.each([
  ["fd00::1:80", "accepted"],
  ["[fd00::1", '--to-destination: "[fd00::1" is not address[-address] or [address[-address]][:port[-port[/base]]]'],
  [
    "10.0.0.1:80",
    '--to-destination: "10.0.0.1:80" is not address[-address] or [address[-address]][:port[-port[/base]]]',
  ],
])("-j DNAT of IPv6 to %s", (to, message) => {
  const text = `*nat\n:PREROUTING ACCEPT [0:0]\n:MINE - [0:0]\n-A PREROUTING -p tcp -j DNAT --to-destination ${to}\nCOMMIT\n`;
  expect(messageOf(text, "ipv6")).toBe(message === "accepted" ? message : `rules.v4:4: ${message}`);
});
