// ipset save text: what elements are made of, and what is refused.
import { expect, test } from "vitest";
import { InputError } from "../../src/errors.ts";
import { parseSets } from "../../src/iptables/ipset.ts";

const one = (address: number, prefix = 32): { network: number; prefix: number } => ({ network: address, prefix });
const NONE = one(0);

test.each([
  ["hash:ip family inet", "10.0.0.1", [{ address: one(0x0a000001), port: 0, other: NONE, nomatch: false }]],
  [
    "hash:ip family inet",
    "10.0.0.0/31",
    [
      { address: one(0x0a000000), port: 0, other: NONE, nomatch: false },
      { address: one(0x0a000001), port: 0, other: NONE, nomatch: false },
    ],
  ],
  [
    "hash:net family inet",
    "10.0.1.7/24 nomatch",
    [{ address: one(0x0a000100, 24), port: 0, other: NONE, nomatch: true }],
  ],
  [
    "hash:ip,port",
    "10.0.0.1,udp:53 -exist",
    [{ address: one(0x0a000001), port: 0x110035, other: NONE, nomatch: false }],
  ],
  [
    "hash:ip,port,ip",
    "10.0.0.1,tcp:80,10.0.0.2",
    [{ address: one(0x0a000001), port: 0x060050, other: one(0x0a000002), nomatch: false }],
  ],
  [
    "bitmap:port range 0-65535",
    "80-81",
    [
      { address: NONE, port: 80, other: NONE, nomatch: false },
      { address: NONE, port: 81, other: NONE, nomatch: false },
    ],
  ],
])("a set of type %s holds %s", (type, element, elements) => {
  expect(parseSets(`create s ${type}\nadd s ${element}\n`, "s.ipset")).toMatchObject([{ name: "s", elements }]);
});

const six = (address: bigint | number, prefix = 128) => ({ network: address, prefix });
const FD = 0xfdn << 120n;

test.each([
  ["hash:ip", "fd00::1", { address: six(FD + 1n), port: 0, other: six(0) }],
  ["hash:net", "fd00::9/64", { address: six(FD, 64), port: 0, other: six(0) }],
  ["hash:ip,port", "fd00::1,udp:53", { address: six(FD + 1n), port: 0x110035, other: six(0) }],
  ["hash:ip,port,ip", "fd00::1,tcp:80,fd00::2", { address: six(FD + 1n), port: 0x060050, other: six(FD + 2n) }],
])("a set of type %s and family inet6 holds %s", (type, element, expected) => {
  const text = `create s ${type} family inet6 hashsize 1024\nadd s ${element}\n`;
  expect(parseSets(text, "s.ipset")).toMatchObject([{ family: "ipv6", elements: [{ ...expected, nomatch: false }] }]);
});

test.each([
  ["create s hash:ip family inet6\nadd s fd00::/64", 's.ipset:2: "fd00::/64" should be an IPv6 address'],
  ["create s hash:net family inet6\nadd s 10.0.0.0/8", 's.ipset:2: "10.0.0.0/8" should be an IPv6 address or block'],
  ["create s bitmap:port family inet6", "s.ipset:1: ipset create with family inet6 is not emulated yet"],
  ["create s hash:mac", "s.ipset:1: ipset type hash:mac is not emulated yet"],
  ["create s hash:ip forceadd", "s.ipset:1: ipset create with forceadd is not emulated yet"],
  ["create s hash:ip timeout soon", "s.ipset:1: timeout soon should be a number from 0 to 2147483"],
  [
    "create s hash:ip\nadd s 10.0.0.1 timeout 5",
    "s.ipset:2: add with timeout needs a set that was created with timeout",
  ],
  ["add s 10.0.0.1", "s.ipset:1: there is no set s; a create line must come first"],
  ["create s hash:ip\nadd s 10.0.0.1,tcp:80", 's.ipset:2: "10.0.0.1,tcp:80" should have 1 parts, set apart by commas'],
  ["create s hash:ip\nadd s here", 's.ipset:2: "here" should be an IPv4 address or block; ranges are not emulated yet'],
  [
    "create s hash:ip,port\nadd s 10.0.0.1,tcp:70000",
    's.ipset:2: "tcp:70000" should be a port such as tcp:80, or a range such as tcp:80-90',
  ],
  ["flush s", "s.ipset:1: ipset flush is not emulated yet"],
])("refuses %s", (text, message) => {
  expect(() => parseSets(text, "s.ipset")).toThrow(new InputError({}, message).message);
});

test("a set says what its elements carry", () => {
  const text =
    "create s hash:ip timeout 30 counters skbinfo comment maxelem 5\n" +
    'add s 10.0.0.1 timeout 7 packets 3 bytes 99 skbmark 0x10/0xff skbprio 1:10 comment "a b"\n';
  const carried = { timeout: 7, packets: 3, bytes: 99, mark: { value: 0x10, mask: 0xff } };
  expect(parseSets(text, "s.ipset")).toMatchObject([
    { timeout: 30, counters: true, skbinfo: true, most: 5, elements: [carried] },
  ]);
});
