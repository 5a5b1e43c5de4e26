// Path MTU discovery, held against recordings of Linux: what goes again in smaller parts, what is believed, what new connections offer;
// and what a host with a router before it does by itself.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compileKernel } from "../../src/kernel/load.ts";
import { readCase } from "../../src/lab/case.ts";
import { readRecording, type Row } from "../../src/lab/recording.ts";
import { runLab } from "../../src/lab/run.ts";
import { decodeFrame } from "../tools/frame.ts";
import { ROOT } from "../tools/podwire.ts";
import { BUILDS, Lab, modulePath } from "./lab.ts";
import { flow } from "./network.ts";

/**
 * What the host sent besides acknowledgements: step, sizes and the DF bit, sequence numbers from the start of a connection's data. Of
 * windows, which grow otherwise in Linux, only those of handshakes.
 */
function sizes(rows: readonly Row[]): string[] {
  const starts = new Map<number, number>();
  return rows.flatMap(({ step, at, dir, inj, hex }) => {
    if (inj || at !== "host:eth0" || dir !== "out") return [];
    const { ipv4, tcp, payload } = decodeFrame(Buffer.from(hex, "hex"));
    const df = ipv4?.dontFragment ? "DF" : "may be fragmented";
    if (!tcp) return [`${step}: ${ipv4?.totalLength} bytes from ${ipv4?.fragmentOffset}, ${df}`];
    if (tcp.flags === "S.") {
      starts.set(tcp.destinationPort, tcp.sequence + 1);
      return [
        `${step}: to ${tcp.destinationPort} MSS 0x${Buffer.from(mss(tcp.options)).toString("hex")}, window ${tcp.window}`,
      ];
    }
    if (payload.length === 0) return [];
    const from = (tcp.sequence - (starts.get(tcp.destinationPort) ?? 0)) >>> 0;
    return [`${step}: to ${tcp.destinationPort} ${payload.length} bytes from ${from}, ${tcp.flags}, ${df}`];
  });
}

/** The value of the option MSS. */
const mss = (options: { kind: number; value: Uint8Array }[]): Uint8Array =>
  options.find(({ kind }) => kind === 2)?.value ?? new Uint8Array();

describe.each(BUILDS)("in the %s build", (build) => {
  const module = compileKernel(modulePath(build));

  test.each([
    ["a segment that a router could not send on goes again in parts, and what comes later is no larger", "tcp", 14],
    ["timestamps take room in every part", "timestamps", 14],
    ["what says nothing about a segment under way is not believed; no MTU at all stands for a small one", "stale", 5],
    ["less than 552 bytes is not believed, and packets may be fragmented", "least", 14],
  ])("%s", (_, name, count) => {
    const path = join(ROOT, "test/fixtures/path-mtu", name);
    const recording = readRecording(path);
    const linux = sizes(recording.rows);
    expect(linux).toHaveLength(count);
    expect(sizes(runLab(readCase(path), module, { recording }).rows)).toEqual(linux);
  });

  /** A client and a server with 1500 bytes a packet, and routers with 1400 between them. */
  const narrow = (rules: string[], requestBytes: number, protocol: "tcp" | "udp" | "icmp" = "tcp"): Lab =>
    new Lab(
      build,
      {
        namespaces: {
          a: { addresses: { eth0: "10.0.1.1/24" }, routes: ["default via 10.0.1.254"] },
          r: {
            sysctls: { "net.ipv4.ip_forward": 1 },
            addresses: { left: "10.0.1.254/24", middle: "10.0.3.1/24" },
            routes: ["10.0.2.0/24 via 10.0.3.2"],
            rules: `*filter\n:OUTPUT ACCEPT [0:0]\n${rules.map((rule) => `-A OUTPUT ${rule}\n`).join("")}COMMIT\n`,
          },
          s: {
            sysctls: { "net.ipv4.ip_forward": 1 },
            addresses: { right: "10.0.2.254/24", middle: "10.0.3.2/24" },
            routes: ["10.0.1.0/24 via 10.0.3.1"],
          },
          b: {
            addresses: { eth0: "10.0.2.1/24" },
            routes: ["default via 10.0.2.254"],
            listen: ["tcp 80", "udp 80"],
          },
        },
        veths: ["a/eth0 r/left", "r/middle s/middle mtu 1400", "b/eth0 s/right"],
      },
      { flows: [flow("a", protocol, "10.0.2.1:80", { requestBytes })] },
    );
  const lengths = (lab: Lab, device: string, source: string): number[] =>
    lab
      .seen(device)
      .flatMap(({ frame: { ipv4, payload } }) =>
        ipv4?.source === source && payload.length > 0 && ipv4.protocol === 6 ? [ipv4.totalLength] : [],
      );

  test("a connection finds what fits in both directions, and loses no more than a round trip", () => {
    const lab = narrow([], 20_000);
    lab.run(5);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
    const sent = lengths(lab, "a/eth0", "10.0.1.1");
    // What the congestion window lets out at first is too large; everything after the router's word fits.
    expect(sent.lastIndexOf(1500)).toBe(sent.indexOf(1400) - 1);
    expect(sent.slice(sent.indexOf(1400)).every((length) => length <= 1400)).toBe(true);
    expect(Math.max(...lengths(lab, "b/eth0", "10.0.1.1"))).toBe(1400);
    expect(Math.max(...lengths(lab, "a/eth0", "10.0.2.1"))).toBe(1400);
    const last = lab.seen("a/eth0").at(-1);
    expect((last?.ns ?? 0) / 1e9).toBeLessThan(0.1);
  });

  test("a router that may not say so makes a black hole: the same segment again and again", () => {
    const lab = narrow(["-p icmp -m icmp --icmp-type fragmentation-needed -j DROP"], 20_000);
    lab.run(5);
    expect(lab.outcome()).toEqual({ sent: 1 });
    expect(new Set(lengths(lab, "a/eth0", "10.0.1.1"))).toEqual(new Set([1500]));
    expect(lengths(lab, "b/eth0", "10.0.1.1")).toEqual([]);
    const small = narrow(["-p icmp -m icmp --icmp-type fragmentation-needed -j DROP"], 1000);
    small.run(5);
    expect(small.outcome()).toEqual({ sent: 1, delivered: 1 });
  });
});
