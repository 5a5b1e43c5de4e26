// What tshark says of packets that were translated, refused, quoted, clamped and repeated on their way.
import { expect } from "vitest";
import { judge, testWithTshark } from "../tools/tshark.ts";
import { Lab } from "./lab.ts";
import { flow } from "./network.ts";

const RULES = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d 10.96.0.1/32 -p tcp -j DNAT --to-destination 10.0.2.1:80
-A PREROUTING -d 10.96.0.1/32 -p udp -m udp --dport 54 -j DNAT --to-destination 10.0.2.1:8
-A PREROUTING -d 10.96.0.2/32 -p tcp -j DNAT --to-destination 10.0.2.99:80
-A POSTROUTING -o right -j MASQUERADE --random-fully
COMMIT
*mangle
:FORWARD ACCEPT [0:0]
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1001
-A FORWARD -o right -j TOS --set-tos 0x08/0x3f
-A FORWARD -i right -j TTL --ttl-inc 3
COMMIT
*filter
:FORWARD ACCEPT [0:0]
-A FORWARD -p udp -m udp --dport 66 -j REJECT --reject-with icmp-admin-prohibited
-A FORWARD -p tcp -m tcp --dport 67 -j REJECT --reject-with tcp-reset
-A FORWARD -p tcp -m length --length 500:1500 -m statistic --mode nth --every 7 --packet 2 -j DROP
COMMIT
`;

testWithTshark("tshark finds every checksum right", () => {
  const lab = new Lab(
    "release",
    {
      namespaces: {
        a: { addresses: { eth0: "10.0.1.1/24" }, routes: ["default via 10.0.1.254"] },
        r: {
          sysctls: { "net.ipv4.ip_forward": 1, "net.ipv4.icmp_ratemask": 0 },
          addresses: { left: "10.0.1.254/24", right: "10.0.2.254/24" },
          rules: RULES,
        },
        b: {
          addresses: { eth0: "10.0.2.1/24" },
          routes: ["default via 10.0.2.254"],
          listen: ["tcp 80 response 9000", "udp 7"],
        },
      },
      veths: ["a/eth0 r/left", "b/eth0 r/right"],
    },
    {
      flows: [
        flow("a", "http", "10.96.0.1:80", { requestBytes: 3001, rate: 2, stopNs: 1e9 }),
        ...["10.96.0.1:54", "10.0.2.1:7", "10.0.2.1:66", "8.8.8.8:5"].flatMap((to) =>
          [8, 33, 1400].map((requestBytes) => flow("a", "udp", to, { requestBytes })),
        ),
        ...["10.96.0.2:80", "10.0.2.1:67", "10.0.2.1:81"].map((to) => flow("a", "tcp", to)),
        ...["10.0.2.1", "10.0.2.98"].map((to) => flow("a", "icmp", to, { requestBytes: 57 })),
      ],
    },
  ).run(10);
  const { frames, badChecksums, errors } = judge(lab.capture);
  expect(frames).toBeGreaterThan(200);
  expect(badChecksums).toEqual([]);
  // Both ends of every link are in the file, which upsets the reassembly of streams, and nothing else.
  expect(errors.filter(({ text }) => !/overlaps|malformed/.test(text))).toEqual([]);
});
