// Runs over flannel's VXLAN: the same connectivity as with routes, frames that Wireshark agrees with, traces and pages.
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { MatrixReport } from "../../src/report/matrix.ts";
import { decodeFrame } from "../tools/frame.ts";
import { readCaptureFile } from "../tools/capture.ts";
import { podwire, ROOT, runInto, temporaryFolder } from "../tools/podwire.ts";
import { fields, judge, testWithTshark } from "../tools/tshark.ts";
import { sighting, walkOf } from "../tools/walk.ts";

/** A copy of an example whose cluster has VXLAN. */
function overVxlan(example: string): string {
  const folder = join(temporaryFolder(), "example");
  cpSync(join(ROOT, "examples", example), folder, { recursive: true });
  const path = join(folder, "scenario.yaml");
  const text = readFileSync(path, "utf8");
  const changed = text.replace(/^( +)nodes: \d+$/m, "$&\n$1network: { mode: vxlan }");
  if (changed === text) throw new Error(`${example} does not say how many nodes it has`);
  writeFileSync(path, changed);
  return folder;
}

test("who reaches whom is the same as with routes, also behind NetworkPolicies", () => {
  const verdicts = (path: string): string[] => {
    const { stdout } = podwire("run", "--matrix", "--json", path, "--out", temporaryFolder());
    return (JSON.parse(stdout) as MatrixReport).probes.map(({ from, to, verdict }) => `${from} > ${to}: ${verdict}`);
  };
  const routed = verdicts("examples/policies");
  expect(new Set(routed.map((line) => line.replace(/.* /, "")))).toEqual(
    new Set(["allowed", "refused", "dropped", "mixed"]),
  );
  expect(verdicts(overVxlan("policies"))).toEqual(routed);
});

describe("a Service on another node", () => {
  const folder = temporaryFolder();
  const { report } = runInto(
    folder,
    overVxlan("walks/04-service"),
    "--capture",
    "default/*/eth0,node-*/flannel.1,node-*/eth0",
    "--html",
    join(folder, "page.html"),
  );
  const path = join(folder, "capture.pcapng");
  const capture = readCaptureFile(path);

  test("answers every request", () => {
    expect(report.traffic.map(({ sent, delivered, drops }) => ({ sent, delivered, drops }))).toEqual(
      report.traffic.map(() => ({ sent: 5, delivered: 5, drops: {} })),
    );
  });

  test("gets a packet with one id, in a UDP datagram between the nodes", () => {
    const syn = capture.packets.find(
      (packet) => packet.device === "node-1/flannel.1" && decodeFrame(packet.bytes).tcp?.flags === "S",
    );
    if (!syn) throw new Error("no SYN went by flannel.1");
    const { tcp } = decodeFrame(syn.bytes);
    const port = tcp?.sourcePort;
    const walk = walkOf(capture, syn.id).map((line) =>
      line.replace(/:\d+ > 192\.168\.0\.12:8472/, ":* > 192.168.0.12:8472"),
    );
    expect(walk).toEqual([
      `default/client/eth0 out ttl 64: 10.244.1.2:${port} > 10.96.0.12:80 tcp S`,
      `node-1/flannel.1 out ttl 63: 10.244.1.2:${port} > 10.244.2.2:8080 tcp S`,
      "node-1/eth0 out ttl 64: 192.168.0.11:* > 192.168.0.12:8472 udp 82",
      "node-2/eth0 in ttl 64: 192.168.0.11:* > 192.168.0.12:8472 udp 82",
      `node-2/flannel.1 in ttl 63: 10.244.1.2:${port} > 10.244.2.2:8080 tcp S`,
      `default/far-0/eth0 in ttl 62: 10.244.1.2:${port} > 10.244.2.2:8080 tcp S`,
    ]);
    expect(sighting(syn)).toBe(walk.find((line) => line.startsWith("node-1/flannel.1")));
  });

  test("is drawn in a page", () => {
    expect(existsSync(join(folder, "page.html"))).toBe(true);
    expect(readFileSync(join(folder, "page.html"), "utf8")).toContain("flannel.1");
  });

  testWithTshark("sends frames in which tshark finds the inner ones and nothing wrong", () => {
    const { frames, badChecksums, errors } = judge(path);
    expect({ badChecksums, errors }).toEqual({ badChecksums: [], errors: [] });
    expect(frames).toBe(capture.packets.length);
    const filter = "vxlan.vni == 1 && tcp.flags.syn == 1 && tcp.flags.ack == 0";
    const [first] = fields(path, ["ip.src", "ip.dst", "udp.dstport", "tcp.dstport"], filter);
    expect(first).toEqual(["192.168.0.11|10.244.1.2", "192.168.0.12|10.244.2.2", "8472", "8080"]);
  });
});

test("a trace goes into the tunnel and out of it", () => {
  const folder = overVxlan("walks/04-service");
  const { stdout, status } = podwire("trace", folder, "--from", "pod/client", "--to", "svc/far:80");
  expect(status).toBe(0);
  const steps = stdout
    .split("\n\npacket")[1]
    ?.split("\n")
    .map((line) => line.trim().replace(/^\d+ +/, ""))
    .filter((line) => /^(node-|default\/|flannel|socket|Delivered)|FLANNEL/.test(line));
  expect(steps).toEqual([
    "default/client",
    "node-1",
    'filter FORWARD 5 -m comment --comment "flanneld forward" -j FLANNEL-FWD',
    'filter FLANNEL-FWD 1 -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
    'nat POSTROUTING 2 -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
    'nat FLANNEL-POSTRTG 2 -s 10.244.1.0/24 -d 10.244.0.0/16 -m comment --comment "flanneld masq" -j RETURN   (after 1 that did not match)',
    "flannel.1    sends 74 bytes, TTL 63 to 02:02:0a:f4:02:00",
    'nat POSTROUTING 2 -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
    "node-2",
    "socket       taken by the tunnel, which unpacks it",
    "flannel.1    receives 74 bytes, TTL 63",
    'filter FORWARD 5 -m comment --comment "flanneld forward" -j FLANNEL-FWD',
    'filter FLANNEL-FWD 1 -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
    'nat POSTROUTING 2 -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
    'nat FLANNEL-POSTRTG 3 -s 10.244.0.0/16 -d 10.244.2.0/24 -m comment --comment "flanneld masq" -j RETURN   (after 2 that did not match)',
    "default/far-0",
    "socket       taken by the server that listens there",
    "Delivered in default/far-0: taken by the server that listens there.",
  ]);
});

test("a mode that is not there is a sentence", () => {
  const folder = overVxlan("walks/04-service");
  const path = join(folder, "scenario.yaml");
  writeFileSync(path, readFileSync(path, "utf8").replace("mode: vxlan", "mode: geneve"));
  const { status, stderr } = podwire("run", folder, "--out", join(folder, "out"));
  expect({ status, stderr: stderr.replace(folder, "") }).toEqual({
    status: 2,
    stderr: "podwire: /scenario.yaml:14: spec.cluster.network.mode: should be routes or vxlan\n",
  });
});
