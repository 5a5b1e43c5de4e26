// The short form of podwire lab: rules and a capture in; what became of each frame, the counters and a capture out.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readCaptureFile } from "../tools/capture.ts";
import { podwire, temporaryFolder } from "../tools/podwire.ts";

const RULES = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -o eth1 -p tcp -m tcp --dport 80 -j ACCEPT
-A FORWARD -p udp -j REJECT --reject-with icmp-port-unreachable
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth1 -j SNAT --to-source 203.0.113.7
COMMIT
`;

/** Frames to the router 02:00:00:00:00:01 from 10.0.0.2, checksums and all: SYN to port 80, SYN to port 22, a datagram. */
const LINK = "02000000000102000000000a0800";
const FRAMES = [
  "4500002800010000400646930a000002c6336407" + "9c400050000000010000000050022000bf140000",
  "4500002800020000400646920a000002c6336407" + "9c400016000000010000000050022000bf4e0000",
  "4500001d00030000401146910a000002c6336407" + "9c4000350009b72978",
];

/** A classic pcap with microseconds, big-endian; a frame each millisecond. */
function capture(frames: readonly string[]): Buffer {
  const head = Buffer.from("a1b2c3d4" + "00020004" + "00000000" + "00000000" + "00040000" + "00000001", "hex");
  const records = frames.map((hex, i) => {
    const bytes = Buffer.from(LINK + hex, "hex");
    const header = Buffer.alloc(16);
    header.writeUInt32BE(1_700_000_000, 0);
    header.writeUInt32BE(i * 1000, 4);
    header.writeUInt32BE(bytes.length, 8);
    header.writeUInt32BE(bytes.length, 12);
    return Buffer.concat([header, bytes]);
  });
  return Buffer.concat([head, ...records]);
}

function lab(...args: string[]): { status: number | null; stdout: string; stderr: string; folder: string } {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "rules.v4"), RULES);
  writeFileSync(join(folder, "frames.pcap"), capture(FRAMES));
  const files = ["--rules", join(folder, "rules.v4"), "--in", join(folder, "frames.pcap")];
  return { ...podwire("lab", ...files, "--out", join(folder, "out"), ...args), folder };
}

test("tells what became of the frames, and counts them by rule", () => {
  const { status, stdout, stderr, folder } = lab();
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const [fates = "", rules = ""] = stdout.split("\n\n");
  expect(fates.split("\n")).toEqual([
    "1 frame in by eth0: sent by eth1",
    "1 frame in by eth0: dropped by the policy of filter FORWARD",
    "1 frame in by eth0: refused by filter FORWARD 3 (-A FORWARD -p udp -j REJECT --reject-with icmp-port-unreachable)",
  ]);
  expect(rules).toContain(":FORWARD DROP [1:40]");
  expect(rules).toContain("[1:40] -A FORWARD -i eth0 -o eth1 -p tcp -m tcp --dport 80 -j ACCEPT");
  expect(rules).toContain("[1:29] -A FORWARD -p udp -j REJECT");
  expect(rules).toContain("[1:40] -A POSTROUTING -o eth1 -j SNAT --to-source 203.0.113.7");
  expect(readFileSync(join(folder, "out", "rules.v4"), "utf8").trim()).toBe(rules.trim());
});

test("the capture shows the frames at their own times, what was sent on translated, and the answer to what was refused", () => {
  const { folder } = lab();
  const { packets } = readCaptureFile(join(folder, "out", "frames.pcapng"));
  const syn = packets.filter(({ bytes }) => bytes.length === 54 && bytes[23] === 6);
  const source = (bytes: Uint8Array): string => bytes.subarray(26, 30).join(".");
  expect(syn.map(({ bytes }) => source(bytes))).toEqual(["10.0.0.2", "203.0.113.7", "10.0.0.2"]);
  const times = syn.map(({ time }) => time);
  expect((times.at(-1) ?? 0n) - (times[0] ?? 0n)).toBe(1_000_000n);
  const error = packets.find(({ bytes }) => bytes[23] === 1)?.bytes ?? new Uint8Array();
  expect([...error.subarray(34, 36)]).toEqual([3, 3]);
});

test("addresses, routes and the way in can be said", () => {
  const { stdout } = lab("--address", "eth0=10.0.0.1/24", "--route", "198.51.0.0/16=eth0", "--json");
  const { frames } = JSON.parse(stdout) as { frames: { in: string; kind: string; rule?: string }[] };
  expect(frames.map(({ in: name, kind }) => `${name} ${kind}`)).toEqual([
    "eth0 dropped",
    "eth0 dropped",
    "eth0 dropped",
  ]);
  expect(frames[0]?.rule).toBe("the policy of filter FORWARD");
});

test.each([
  [["--route", "nowhere=eth0"], "--route: nowhere should be a network such as 10.1.0.0/16, or default"],
  [["--route", "default=eth9"], "--route: eth9 is neither a gateway's address nor one of eth0, eth1"],
  [["--in", "nothing.pcap"], "--in: nothing.pcap cannot be read: ENOENT"],
  [["--in", "package.json"], "package.json: it is no capture file; it should begin as pcap or pcapng does"],
])("%j is told in one sentence", (args, sentence) => {
  const { status, stderr } = lab(...args);
  expect({ status, stderr }).toEqual({ status: 2, stderr: `podwire: ${sentence}\n` });
});
