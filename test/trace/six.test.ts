// Walks of IPv6 packets: the rules of ip6tables that they met, in words and as the lines of -j TRACE.
import { expect, test } from "vitest";
import { PreparedRun } from "../../src/engine/run.ts";
import { traceLines } from "../../src/trace/iptables-trace.ts";
import { renderWalk } from "../../src/trace/render.ts";
import { walksOf, type Walk } from "../../src/trace/walks.ts";
import { flow, machineOf, planOf } from "../kernel/network.ts";

const RULES = `*nat
-A PREROUTING -d fd00:9::/64 -p udp -m udp --dport 53 -j DNAT --to-destination [fd00:2::1]:5353
COMMIT
*filter
-A FORWARD -s fd00:7::/64 -j DROP
-A FORWARD -s fd00:8::1/128 -j DROP
-A FORWARD -d fd00:2::1/128 -p tcp -j REJECT --reject-with icmp6-adm-prohibited
COMMIT
`;

function walks(protocol: "udp" | "tcp", to: string, misses: boolean): Walk[] {
  const words = machineOf("m", {
    namespaces: {
      a: { addresses: { eth0: "fd00:1::1/64" }, routes: ["::/0 via fd00:1::fe"] },
      r: {
        sysctls: { "net.ipv6.conf.all.forwarding": 1 },
        addresses: { left: "fd00:1::fe/64", right: "fd00:2::fe/64" },
      },
      b: { addresses: { eth0: "fd00:2::1/64" }, routes: ["::/0 via fd00:2::fe"], listen: ["udp 5353"] },
    },
    veths: ["a/eth0 r/left", "r/right b/eth0"],
  });
  const namespaces = words.namespaces.map((one) => (one.name === "r" ? { ...one, ipv6Rules: RULES } : one));
  const [address = "", port] = to.split(" ");
  const one = { ...flow("a", protocol, "0.0.0.0:0"), target: { address, port: Number(port) } };
  const { steps } = new PreparedRun(planOf([{ ...words, namespaces }], { flows: [one] })).trace(misses);
  return walksOf(steps);
}

const render = (walk: Walk | undefined) => (walk ? renderWalk(walk, { color: false, verbose: false }) : "");

test("a walk tells rules of ip6tables, NAT and connections with addresses of IPv6", () => {
  const request = walks("udp", "fd00:9::9 53", false).find(({ summary }) => summary.startsWith("UDP"));
  const text = render(request);
  expect(request?.summary).toMatch(/^UDP \[fd00:1::1\]:\d+ > \[fd00:9::9\]:53$/);
  expect(text).toContain(
    "nat PREROUTING 1 -d fd00:9::/64 -p udp -m udp --dport 53 -j DNAT --to-destination [fd00:2::1]:5353",
  );
  expect(text).toContain("destination rewritten [fd00:9::9]:53 -> [fd00:2::1]:5353");
  expect(text).toMatch(/NEW: udp \[fd00:1::1\]:\d+ > \[fd00:9::9\]:53, reply \[fd00:9::9\]:53 > \[fd00:1::1\]/);
  expect(text).toContain("fd00:2::1 directly, out right");
  expect(text).toContain("hop limit 64");
  expect(text).toContain("Delivered in b");
});

test("asking for a neighbour is told as such", () => {
  const [asked] = walks("udp", "fd00:9::9 53", false).filter(({ summary }) =>
    summary.startsWith("ICMPv6 neighbour sol"),
  );
  expect(asked?.summary).toMatch(/^ICMPv6 neighbour solicitation fd00:1::1 > ff02::1:ff00:fe$/);
});

test("rules that did not match say which condition failed, a block or an address", () => {
  const [syn] = walks("tcp", "fd00:2::1 80", true).filter(({ summary }) => summary.startsWith("TCP SYN "));
  const text = render(syn);
  expect(text).toContain("filter FORWARD 3 -d fd00:2::1/128 -p tcp -j REJECT --reject-with icmp6-adm-prohibited");
  const missed = (syn?.steps ?? []).flatMap((step) =>
    step.kind === "miss" ? [`${step.rule.index} ${step.failed}`] : [],
  );
  expect(missed).toEqual(["1 -p udp", "1 -s fd00:7::/64", "2 -s fd00:8::1/128"]);
  expect(text).toContain("ICMPv6 admin prohibited to its sender");
});

test("-j TRACE writes addresses in full", () => {
  const [syn] = walks("tcp", "fd00:2::1 80", false).filter(({ summary }) => summary.startsWith("TCP SYN "));
  expect(traceLines(syn?.steps ?? []).at(-1)).toMatch(
    /^TRACE: filter:FORWARD:rule:3 IN=left OUT=right MAC=02:00:00:00:00:02:02:00:00:00:00:01:86:dd SRC=fd00:0001:0000:0000:0000:0000:0000:0001 DST=fd00:0002:0000:0000:0000:0000:0000:0001 LEN=80 TC=0 HOPLIMIT=63 FLOWLBL=\d+ PROTO=TCP SPT=\d+ DPT=80 SEQ=\d+ ACK=0 WINDOW=\d+ RES=0x00 SYN URGP=0 OPT \([0-9A-F]+\) $/,
  );
});
