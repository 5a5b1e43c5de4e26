// `podwire trace`: the walk of one request as the kernel noted it, its end, and what is said of bad ends.
import { describe, expect, test } from "vitest";
import { podwire } from "../tools/podwire.ts";

/** What is printed, without what names a packet, a port or a veth. */
function trace(...args: string[]): { status: number | null; text: string } {
  const { status, stdout, stderr } = podwire("trace", ...args);
  const text = (stdout + stderr)
    .replaceAll(/packet \d+/g, "packet N")
    .replaceAll(/:3\d{4}\b/g, ":PORT")
    .replaceAll(/veth[0-9a-f]{8}/g, "vethN")
    .replaceAll(/[ \t]+$/gm, "");
  return { status, text };
}

const SAME_NODE = "examples/walks/02-same-node";

test("tells the walk of a first packet over the bridge, device by device and hook by hook", () => {
  const { status, text } = trace(SAME_NODE, "--from", "client", "--to", "pod/server:8080");
  expect(status).toBe(0);
  expect(text).toMatchInlineSnapshot(`
    "client > pod/server:8080, tcp: answered by default/server after 0 ns

    packet N: TCP SYN 10.244.1.2:60050 > 10.244.1.3:8080

    default/client
       1 route        10.244.1.3 directly, out eth0
       2 neighbour    10.244.1.3 on eth0: asked by ARP, and the packet waits
       3 eth0         sends 74 bytes, TTL 64 to 0a:58:0a:f4:01:03

    node-1
       4 vethN receives 74 bytes, TTL 64
       5 PREROUTING   in vbr0 (port vethN)
           conntrack NEW: tcp SYN_SENT 10.244.1.2:60050 > 10.244.1.3:8080, reply 10.244.1.3:8080 > 10.244.1.2:60050
           mangle PREROUTING policy ACCEPT
           nat PREROUTING 1 -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
           nat PREROUTING policy ACCEPT
       6 bridge       from vethN: 0a:58:0a:f4:01:03 is behind vethN
       7 FORWARD      in vbr0 (port vethN), out vbr0 (port vethN)
           mangle FORWARD policy ACCEPT
           filter FORWARD 1 -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
           filter FORWARD 2 -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
           filter FORWARD 3 -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
           filter FORWARD 4 -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
           filter FORWARD policy ACCEPT
       8 POSTROUTING  out vbr0 (port vethN)
           mangle POSTROUTING policy ACCEPT
           nat POSTROUTING 1 -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
           nat KUBE-POSTROUTING 1 -m mark ! --mark 0x4000/0x4000 -j RETURN
           nat POSTROUTING 2 -s 10.244.0.0/16 -d 10.244.0.0/16 -m comment --comment "pods keep their address inside the cluster" -j ACCEPT
           conntrack confirmed: tcp SYN_SENT 10.244.1.2:60050 > 10.244.1.3:8080, reply 10.244.1.3:8080 > 10.244.1.2:60050
       9 vethN sends 74 bytes, TTL 64 to 0a:58:0a:f4:01:03

    default/server
      10 eth0         receives 74 bytes, TTL 64
      11 route        10.244.1.3 is an address of this host
      12 socket       taken by the server that listens there

    Delivered in default/server: taken by the server that listens there.

    What followed:
      packet N, +0 ns: TCP SYN, ACK 10.244.1.3:8080 > 10.244.1.2:60050. Delivered in default/client: taken by the client that waits for it.
      packet N, +0 ns: TCP ACK 10.244.1.2:60050 > 10.244.1.3:8080. Delivered in default/server: taken by the server that listens there.
      packet N, +0 ns: TCP PSH, ACK 10.244.1.2:60050 > 10.244.1.3:8080. Delivered in default/server: taken by the server that listens there.
      packet N, +0 ns: TCP ACK 10.244.1.3:8080 > 10.244.1.2:60050. Delivered in default/client: taken by the client that waits for it.
      packet N, +0 ns: TCP PSH, ACK 10.244.1.3:8080 > 10.244.1.2:60050. Delivered in default/client: taken by the client that waits for it.
      packet N, +0 ns: TCP ACK 10.244.1.2:60050 > 10.244.1.3:8080. Delivered in default/server: taken by the server that listens there.
      packet N, +0 ns: TCP FIN, ACK 10.244.1.2:60050 > 10.244.1.3:8080. Delivered in default/server: taken by the server that listens there.
      packet N, +0 ns: TCP FIN, ACK 10.244.1.3:8080 > 10.244.1.2:60050. Delivered in default/client: taken by the kernel itself.
      packet N, +0 ns: TCP ACK 10.244.1.2:60050 > 10.244.1.3:8080. Delivered in default/server: taken by the server that listens there.
    "
  `);
});

describe("says how the request ended:", () => {
  test("refused by the rule of a Service without endpoints", () => {
    const { status, text } = trace("test/commands/trace", "--from", "web-0", "--to", "svc/empty:80");
    expect(text.split("\n")[0]).toBe(
      'web-0 > svc/empty:80, tcp: refused. Refused with ICMP in node-1 by filter KUBE-SERVICES 1 (-A KUBE-SERVICES -d 10.96.0.12/32 -p tcp -m comment --comment "default/empty has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable).',
    );
    expect(status).toBe(1);
  });

  test("refused by the host where nothing listens", () => {
    const { text } = trace("test/commands/trace", "--from", "web-0", "--to", "pod/web-1:81");
    expect(text.split("\n")[0]).toBe(
      "web-0 > pod/web-1:81, tcp: refused. Refused with TCP reset in default/web-1 (NO_SOCKET).",
    );
  });

  test("no answer, as a rule dropped it", () => {
    const { text } = trace("test/commands/trace", "--from", "web-0", "--to", "pod/web-1:9999", "--protocol", "udp");
    expect(text.split("\n")[0]).toBe(
      "web-0 > pod/web-1:9999, udp: no answer. Dropped in node-1 by filter FORWARD 5 (-A FORWARD -p udp -m udp --dport 9999 -j DROP).",
    );
  });

  test("answered, after the name was asked for", () => {
    const { status, text } = trace("test/commands/trace", "--from", "deployment/web", "--to", "web:80");
    expect(status).toBe(0);
    expect(text).toMatch(/^deployment\/web > web:80, tcp: answered by default\/web-\d after /);
    expect(text).toMatch(/^Before it:\n {2}packet N, .*: UDP 10\.244\.\d\.\d:PORT > 10\.96\.0\.10:53\. Delivered/m);
  });

  test("echoed, for ICMP", () => {
    const { text } = trace("test/commands/trace", "--from", "web-0", "--to", "node/node-2", "--protocol", "icmp");
    expect(text).toMatch(/^web-0 > node\/node-2, icmp: answered by node-2 after /);
  });
});

test("with --verbose tells which condition each rule failed that did not match", () => {
  const { text } = trace("test/commands/trace", "--from", "web-0", "--to", "svc/web:80", "--verbose", "--seed", "2");
  expect(text).toMatch(/nat KUBE-SVC-\w+ 1 no: ! -s 10\.244\.0\.0\/16 does not hold/);
  expect(text).toMatch(/nat KUBE-SVC-\w+ 2 no: -m statistic --mode random --probability 0\.50000000000 does not hold/);
});

test("with --format iptables prints the lines of -j TRACE", () => {
  const { text } = trace("test/commands/trace", "--from", "web-0", "--to", "svc/empty:80", "--format", "iptables");
  const lines = text.trimEnd().split("\n");
  expect(lines.map((line) => line.split(" ", 2)[1])).toEqual([
    "mangle:PREROUTING:policy:1",
    "nat:PREROUTING:rule:1",
    "nat:KUBE-SERVICES:return:7",
    "nat:PREROUTING:policy:2",
    "mangle:FORWARD:policy:1",
    "filter:FORWARD:rule:1",
    "filter:KUBE-PROXY-FIREWALL:return:1",
    "filter:FORWARD:rule:2",
    "filter:KUBE-FORWARD:return:4",
    "filter:FORWARD:rule:3",
    "filter:KUBE-SERVICES:rule:1",
  ]);
});

test("with --json gives outcome and steps", () => {
  const { text } = trace("test/commands/trace", "--from", "web-0", "--to", "pod/web-1:80", "--json");
  const { outcome, answeredBy, packets } = JSON.parse(text) as {
    outcome: string;
    answeredBy: string;
    packets: { steps: { kind: string }[] }[];
  };
  expect({ outcome, answeredBy }).toEqual({ outcome: "delivered", answeredBy: "default/web-1" });
  expect(packets[0]?.steps.map(({ kind }) => kind).slice(0, 3)).toEqual(["route", "neighbour", "transmit"]);
});

describe("bad ends are told in one sentence:", () => {
  test.each([
    [
      ["--from", "nobody", "--to", "svc/web:80"],
      "--from: there is no pod nobody with pods in namespace default; there are",
    ],
    [["--from", "a/b/c", "--to", "svc/web:80"], "--from: a/b/c should be NAMESPACE/POD"],
    [["--from", "web-0", "--to", "svc/none:80"], "--to: there is no Service none in namespace default; there are"],
    [["--from", "web-0", "--to", "svc/web:81"], "--to: Service default/web has no TCP port 81; there is"],
    [["--from", "web-0", "--to", "what/ever:1"], "--to: what/ever:1 should be svc/NAME:PORT"],
    [["--from", "web-0", "--to", "pod/web-1"], "--to: port is missing; write its number"],
  ])("%j", (args, sentence) => {
    const { status, text } = trace("test/commands/trace", ...args);
    expect(text.startsWith(`podwire: ${sentence}`), text).toBe(true);
    expect(status).toBe(2);
  });
});
