// Comments on packets in captures, and captures of dropped packets, as tshark reads them.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readCaptureFile } from "../tools/capture.ts";
import { runInto, temporaryFolder } from "../tools/podwire.ts";
import { judge, testWithTshark } from "../tools/tshark.ts";

const folder = temporaryFolder();
const DROPS = join(folder, "drops.pcapng");
const ALL = join(folder, "policies.pcapng");
const { report } = runInto(folder, "examples/policies", "--comments", "--capture-drops", DROPS, "--workers", "1");

/** What tshark shows of a file, row by row. */
function rows(path: string, fields: string[], filter = "frame"): string[][] {
  const args = ["-r", path, "-Y", filter, "-T", "fields", ...fields.flatMap((field) => ["-e", field])];
  const text = execFileSync("tshark", [...args, "-E", "aggregator=|"], { encoding: "utf8", stdio: "pipe" });
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\t"));
}

const DENIED =
  /^dropped in node-[12]: NETFILTER_DROP by filter NETPOL-POD-IN-\w+ 6 -m comment --comment "ingress to tiers\/(db|api)-\d denied by NetworkPolicy tiers\/deny-all, tiers\/(db|api)" -j DROP$/;

describe("with --comments", () => {
  testWithTshark("every IPv4 packet says whose it is", () => {
    const ends = rows(ALL, ["ip.src", "ip.dst", "frame.comment"], "ip").map(([from, to, comment = ""]) => [
      from,
      to,
      comment.split("|")[0],
    ]);
    const of = (from: string, to: string): string[] => [
      ...new Set(ends.filter(([a, b]) => a === from && b === to).map(([, , comment = ""]) => comment)),
    ];
    expect(ends.filter(([, , comment = ""]) => !/^\S.* > \S/.test(comment))).toEqual([]);
    expect(of("10.244.1.2", "10.96.0.12")).toEqual(["pod tiers/web-0 > Service tiers/api"]);
    expect(of("192.168.0.11", "10.244.2.2")).toEqual(["node node-1 > pod tiers/web-1"]);
  });

  testWithTshark("the first packet to a Service says after the rewrite which rule chose its pod", () => {
    const chosen = rows(ALL, ["ip.dst", "tcp.dstport", "frame.comment"], 'frame.comment contains "DNAT" && tcp');
    expect(chosen.length).toBeGreaterThan(100);
    for (const [address = "", port = "", comments = ""] of chosen) {
      const [, comment = ""] = comments.split("|");
      expect(comment).toMatch(/^node-[12]: nat KUBE-SEP-\w{16} \d /);
      expect(comment).toContain(` -j DNAT --to-destination ${address}:${port}`);
    }
  });

  testWithTshark("the last sighting of a packet that a policy drops says which rule did it", () => {
    const dropped = rows(ALL, ["frame.packet_id", "frame.number", "frame.comment"], 'frame.comment contains "dropped"');
    // Captured are pods and cards of nodes: on one of them every one of the dropped was seen at the moment of its death.
    expect(dropped).toHaveLength(report.traffic.reduce((sum, line) => sum + line.dropped, 0));
    for (const [id = "", number = "", comments = ""] of dropped) {
      expect(comments.split("|").at(-1)).toMatch(DENIED);
      expect(rows(ALL, ["frame.number"], `frame.packet_id == ${id}`).at(-1)).toEqual([number]);
    }
  });

  testWithTshark("the file is as sound as without", () => {
    expect(judge(ALL)).toMatchObject({ badChecksums: [], errors: [] });
  });

  test("the bytes are the same with three workers", () => {
    const other = temporaryFolder();
    const drops = join(other, "drops.pcapng");
    runInto(other, "examples/policies", "--comments", "--capture-drops", drops, "--workers", "3");
    expect(readFileSync(join(other, "policies.pcapng")).equals(readFileSync(ALL))).toBe(true);
    expect(readFileSync(drops)).toEqual(readFileSync(DROPS));
  });

  test("the packets are the same as without", () => {
    const plain = temporaryFolder();
    runInto(plain, "examples/policies", "--workers", "1");
    const packets = (path: string): unknown =>
      readCaptureFile(path).packets.map(({ interfaceId, bytes }) => ({ interfaceId, bytes }));
    expect(packets(join(plain, "policies.pcapng"))).toEqual(packets(ALL));
  });
});

describe("with --capture-drops", () => {
  testWithTshark("the file holds the dropped packets and no others, each with where and why", () => {
    const packets = rows(DROPS, ["frame.interface_name", "ip.src", "ip.dst", "tcp.flags.str", "frame.comment"]);
    expect(packets).toHaveLength(report.traffic.reduce((sum, line) => sum + line.dropped, 0));
    for (const [device = "", , , flags = "", comments = ""] of packets) {
      expect(device).toMatch(/^node-[12]\/(eth0|veth[0-9a-f]{8})$/);
      expect(flags).toMatch(/S·$/);
      expect(comments.split("|")[1]).toMatch(DENIED);
    }
    const toDatabase = packets.find(([, src, dst]) => src === "10.244.1.2" && dst === "10.244.1.4");
    expect(toDatabase?.[4]).toContain("pod tiers/web-0 > pod tiers/db-0|");
  });

  testWithTshark("a packet that its own host drops before it is sent has a link header of zeros", () => {
    const out = temporaryFolder();
    const file = join(out, "drops.pcapng");
    runInto(out, "test/pcap/drops", "--capture", "none", "--capture-drops", file);
    expect(rows(file, ["frame.interface_name", "eth.src", "eth.dst", "ip.dst", "frame.comment"])[0]).toEqual([
      "node-1/vbr0",
      "00:00:00:00:00:00",
      "00:00:00:00:00:00",
      "10.244.1.2",
      "node node-1 > pod default/web|dropped in node-1: NETFILTER_DROP by filter OUTPUT 4 -p tcp -m tcp --dport 80 -j DROP",
    ]);
  });

  test("a filter holds for dropped packets too", () => {
    const out = temporaryFolder();
    const file = join(out, "drops.pcapng");
    runInto(out, "examples/policies", "--capture-drops", file, "--filter", "dst port 5432");
    expect(readCaptureFile(file).packets).toHaveLength(4);
  });
});
