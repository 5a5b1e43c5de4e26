// The mysteries: what comes of each in both positions of its switch, and the frames that show why.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Report } from "../../src/report/report.ts";
import type { Capture } from "../tools/capture.ts";
import { decodeFrame } from "../tools/frame.ts";
import { ROOT, runExample, runInto, temporaryFolder } from "../tools/podwire.ts";
import { summary } from "../tools/summary.ts";
import { firstPacket, walkOf } from "../tools/walk.ts";

function both(name: string): Record<"broken" | "fixed", ReturnType<typeof runExample>> {
  return { broken: runExample(`mysteries/${name}/broken.yaml`), fixed: runExample(`mysteries/${name}/fixed.yaml`) };
}

/** What comes of the broken position of a mystery with its scenario edited. */
function reportOf(name: string, edit: (scenario: string) => string): Report {
  const folder = temporaryFolder();
  cpSync(join(ROOT, "examples/mysteries", name), folder, { recursive: true });
  const scenario = join(folder, "edited.yaml");
  writeFileSync(scenario, edit(readFileSync(join(folder, "broken.yaml"), "utf8")));
  return runInto(join(folder, "out"), scenario).report;
}

/** Lines of the frames on a device that fit, in order. */
function seen(capture: Capture, device: string, fits: RegExp): string[] {
  return capture.packets
    .filter((packet) => packet.device === device)
    .map(({ bytes }) => summary(bytes))
    .filter((line) => fits.test(line));
}

/** The source addresses of the first segments of connections to a port on a device. */
function callers(capture: Capture, device: RegExp, port: number): string[] {
  const frames = capture.packets
    .filter((packet) => device.test(packet.device) && packet.direction === "inbound")
    .map(({ bytes }) => decodeFrame(bytes))
    .filter(({ tcp }) => tcp?.flags === "S" && tcp.destinationPort === port);
  return [...new Set(frames.map(({ ipv4 }) => ipv4?.source ?? ""))].sort();
}

describe("br_netfilter off", () => {
  const { broken, fixed } = both("br-netfilter");

  test("answers come from the near pod's own address, and the client resets them", () => {
    expect(broken.report.traffic[0]).toMatchObject({ sent: 40, delivered: 21, timedOut: 19 });
    expect(broken.report.traffic[0]?.backends).toEqual({ "default/web-far": 21 });
    const [answer] = seen(broken.capture, "default/client/eth0", /^10\.244\.1\.3:8080 > \S+ tcp S\.$/);
    const port = /10\.244\.1\.2:(\d+)/.exec(answer ?? "")?.[1] ?? "";
    expect(seen(broken.capture, "default/client/eth0", new RegExp(`:${port} `)).slice(0, 3)).toEqual([
      `10.244.1.2:${port} > 10.96.0.11:80 tcp S`,
      `10.244.1.3:8080 > 10.244.1.2:${port} tcp S.`,
      `10.244.1.2:${port} > 10.244.1.3:8080 tcp R`,
    ]);
  });

  test("on: all is answered, by the cluster IP", () => {
    expect(fixed.report.traffic[0]).toMatchObject({ sent: 40, delivered: 40 });
    expect(seen(fixed.capture, "default/client/eth0", /:8080/)).toEqual([]);
  });
});

describe("hairpin mode off", () => {
  const { broken, fixed } = both("hairpin");
  const returned = /^10\.244\.1\.1:\d+ > 10\.244\.1\.2:8080 tcp S$/;

  test("no request comes back to its own pod", () => {
    expect(broken.report.traffic[0]?.backends).toEqual({ "default/web-1": 33 });
    expect(broken.report.traffic[0]).toMatchObject({ sent: 40, timedOut: 7 });
    expect(broken.report.traffic[0]?.drops).toEqual({ BRIDGE_NO_EGRESS_PORT: 25 });
    expect(seen(broken.capture, "default/web-0/eth0", returned)).toEqual([]);
  });

  test("on: they come back, from the bridge's address", () => {
    expect(fixed.report.traffic[0]?.backends).toEqual({ "default/web-0": 16, "default/web-1": 24 });
    expect(seen(fixed.capture, "default/web-0/eth0", returned)).toHaveLength(16);
  });
});

describe("externalTrafficPolicy", () => {
  const { broken, fixed } = both("source-address");

  test("Cluster: the server sees addresses of nodes", () => {
    expect(broken.report.traffic[0]).toMatchObject({ sent: 10, delivered: 10 });
    for (const address of callers(broken.capture, /^default\/web-0\/eth0$/, 8080))
      expect(address).toMatch(/^(192\.168\.0\.1[123]|10\.244\.3\.1)$/);
  });

  test("Local: the server sees the visitor", () => {
    expect(fixed.report.traffic[0]).toMatchObject({ sent: 10, delivered: 10 });
    expect(callers(fixed.capture, /^default\/web-0\/eth0$/, 8080)).toEqual(["198.51.100.10"]);
    // The frame is the same from end to end, but for its destination.
    const { id } = firstPacket(fixed.capture, "internet/client/eth0", "tcp S$");
    const walk = walkOf(fixed.capture, id);
    expect(walk.at(0)).toMatch(/ 198\.51\.100\.10:\d+ > 192\.0\.2\.1:80 tcp S$/);
    expect(walk.at(-1)).toMatch(/^default\/web-0\/eth0 in ttl \d+: 198\.51\.100\.10:\d+ > 10\.244\.3\.2:8080 tcp S$/);
  });
});

describe("a connection table", () => {
  const { broken, fixed } = both("table-full");
  const first = /> 10\.96\.0\.11:80 tcp S$/;

  test("of 40 is full after 40 connections, and the first packet of others is dropped on the client's node", () => {
    expect(broken.report.traffic[0]).toMatchObject({ sent: 120, delivered: 40, timedOut: 80 });
    expect(Object.keys(broken.report.traffic[0]?.drops ?? {})).toEqual(["CONNTRACK_TABLE_FULL"]);
    expect(seen(broken.capture, "default/client/eth0", first).length).toBeGreaterThan(120);
    expect(seen(broken.capture, "node-1/eth0", /> 10\.244\.2\.2:8080 tcp S$/)).toHaveLength(40);
  });

  test("of kube-proxy's size has room for all", () => {
    expect(fixed.report.traffic[0]).toMatchObject({ sent: 120, delivered: 120, drops: {} });
    expect(seen(fixed.capture, "node-1/eth0", /> 10\.244\.2\.2:8080 tcp S$/)).toHaveLength(120);
  });
});

describe("session affinity", () => {
  const { broken, fixed } = both("affinity-snat");

  test("sees one client behind a node's masquerade, and sends all to one pod", () => {
    expect(callers(broken.capture, /^node-2\/eth0$/, 30000)).toEqual(["192.168.0.11"]);
    expect(Object.values(broken.report.traffic[0]?.backends ?? {})).toEqual([80]);
  });

  test("sees eight by the cluster IP", () => {
    expect(callers(fixed.capture, /^node-2\/eth0$/, 8080)).toHaveLength(8);
    expect(Object.keys(fixed.report.traffic[0]?.backends ?? {})).toHaveLength(4);
  });
});

describe("a NetworkPolicy with namespaceSelector and podSelector", () => {
  const { broken, fixed } = both("policy-and-or");
  const delivered = ({ report }: typeof broken): number[] => report.traffic.map((line) => line.delivered);

  test("as two items: either is enough", () => {
    expect(delivered(broken)).toEqual([10, 10, 0]);
    expect(callers(broken.capture, /^shop\/db\/eth0$/, 5432)).toEqual(["10.244.1.2", "10.244.1.3"]);
  });

  test("as one item: both must fit, and the SYN of others never reaches the pod", () => {
    expect(delivered(fixed)).toEqual([10, 0, 0]);
    expect(callers(fixed.capture, /^shop\/db\/eth0$/, 5432)).toEqual(["10.244.1.2"]);
    expect(seen(fixed.capture, "shop/page/eth0", /:5432 tcp S$/).length).toBeGreaterThan(10);
  });
});

describe("ndots", () => {
  const { broken, fixed } = both("ndots");
  const asked = ({ capture }: typeof broken): string[] => {
    const questions = seen(capture, "default/client/eth0", /^10\.244\.1\.2:\d+ > 10\.96\.0\.10:53 dns/);
    return questions.map((line) => line.replace(/^.* dns /, ""));
  };

  test("5: each request asks for three names that do not exist first", () => {
    expect(asked(broken)).toHaveLength(5 * 8);
    expect(asked(broken).slice(0, 8)).toEqual([
      "A? example.com.default.svc.cluster.local",
      "AAAA? example.com.default.svc.cluster.local",
      "A? example.com.svc.cluster.local",
      "AAAA? example.com.svc.cluster.local",
      "A? example.com.cluster.local",
      "AAAA? example.com.cluster.local",
      "A? example.com",
      "AAAA? example.com",
    ]);
  });

  test("1: each asks for its name alone", () => {
    expect(asked(fixed)).toHaveLength(5 * 2);
    expect(asked(fixed).slice(0, 2)).toEqual(["A? example.com", "AAAA? example.com"]);
  });
});

describe("stale UDP", () => {
  const { broken, fixed } = both("stale-udp");
  const translated = ({ capture }: typeof broken): string[] => {
    const sent = seen(capture, "node-1/eth0", /^10\.244\.1\.2:\d+ > 10\.244\.2\.\d+:5140 /);
    return sent.map((line) => / > (\S+):/.exec(line)?.[1] ?? "");
  };

  test("left in the table: everything goes to the pod that is gone", () => {
    expect(broken.report.traffic[0]).toMatchObject({ sent: 80, delivered: 40, timedOut: 40 });
    expect(new Set(translated(broken))).toEqual(new Set(["10.244.2.2"]));
    expect(broken.report.events).toEqual([
      {
        atNs: 2e9,
        what: "deletion of pod default/log-0",
        rulesAtNs: 2.1e9,
        connectionsRemoved: 0,
        // Until the sync: what an entry that was left in the table does later is no event's.
        failed: [{ traffic: "client", unanswered: 3 }],
      },
    ]);
  });

  test("removed by kube-proxy: the next packet after its sync goes to the other pod", () => {
    expect(fixed.report.traffic[0]).toMatchObject({ sent: 80, delivered: 78, timedOut: 2 });
    expect(translated(fixed)).toEqual([
      ...Array.from({ length: 42 }, () => "10.244.2.2"),
      ...Array.from({ length: 38 }, () => "10.244.2.3"),
    ]);
    expect(fixed.report.events[0]?.connectionsRemoved).toBe(1);
  });
});

describe("local drain", () => {
  const { broken, fixed } = both("local-drain");
  /** First segments that node-2 got from the load balancer. */
  const begun = ({ capture }: typeof broken): string[] =>
    capture.packets
      .filter(({ device, direction }) => device === "node-2/eth0" && direction === "inbound")
      .map(({ bytes }) => summary(bytes))
      .filter((line) => /^198\.51\.100\.10:\d+ > 192\.0\.2\.1:80 tcp S$/.test(line));

  test("a server that ends in two seconds: the node is sent connections for 17 s more, and drops them", () => {
    const [line] = broken.report.traffic;
    expect(line).toMatchObject({ sent: 380, delivered: 297, timedOut: 83 });
    expect(Object.keys(line?.drops ?? {})).toEqual(["NETFILTER_DROP"]);
    expect(broken.report.healthChanges.at(-1)).toMatchObject({ node: "node-2", healthy: false, result: "503" });
    expect(Math.round((broken.report.healthChanges.at(-1)?.atNs ?? 0) / 1e7)).toBe(2400);
    expect(broken.report.events[0]).toMatchObject({ rulesAtNs: 7.1e9 });
    expect(seen(broken.capture, "node-2/eth0", /^192\.0\.2\.1:80 > 198\.51\.100\.10:\d+ tcp S\.$/)).toHaveLength(30);
    expect(seen(broken.capture, "node-2/eth0", /^192\.0\.2\.1.* tcp R/)).toEqual([]);
    expect(new Set(begun(broken)).size).toBe(113);
  });

  test("one that serves on for 25 s: none is lost, and none comes after three bad answers", () => {
    expect(fixed.report.traffic[0]).toMatchObject({ sent: 380, delivered: 380, timedOut: 0 });
    expect(fixed.report.traffic[0]?.backends["default/web-1"]).toBe(113);
    expect(fixed.report.healthChanges.at(-1)).toMatchObject({ node: "node-2", healthy: false, result: "503" });
    expect(begun(fixed)).toHaveLength(113);
    expect(callers(fixed.capture, /^default\/web-1\/eth0$/, 8080)).toEqual(["198.51.100.10"]);
  });
});

describe("an MTU that does not fit through the tunnel", () => {
  const { broken, fixed } = both("mtu-black-hole");
  const full = /^10\.244\.1\.2:\d+ > 10\.96\.0\.12:80 tcp P?\. 1\d\d\d$/;

  test("and nodes that drop ICMP: what is large is repeated until it times out, what is small or stays on the node is answered", () => {
    const [small, large, near] = broken.report.traffic;
    expect(small).toMatchObject({ sent: 20, delivered: 20, drops: {} });
    expect(near).toMatchObject({ sent: 20, delivered: 20, drops: {} });
    expect(large).toMatchObject({ sent: 20, delivered: 0, timedOut: 20 });
    // The segment that does not fit, and the error about it.
    expect(Object.keys(large?.drops ?? {}).sort()).toEqual(["FRAG_NEEDED", "NETFILTER_DROP"]);
    expect(large?.denied?.rule).toContain("hardening: no ICMP");
    expect(seen(broken.capture, "node-1/flannel.1", / tcp P?\. 1448$/)).toEqual([]);
    expect(seen(broken.capture, "default/client/eth0", / icmp 3/)).toEqual([]);

    // One of the large requests, from its own port: the first full segment goes again at once, as what is small after it has arrived, then
    // after 200 ms, 400 ms and so on; the FIN of a client that has given up arrives, too, and makes it go again at 2 s.
    const segments = broken.capture.packets.flatMap(({ device, time, bytes }) => {
      const { ipv4, tcp, payload } = decodeFrame(bytes);
      if (device !== "default/client/eth0" || ipv4?.destination !== "10.96.0.12" || payload.length !== 1448) return [];
      return [{ time, which: `${tcp?.sourcePort} ${tcp?.sequence}` }];
    });
    const [begin] = segments;
    const first = segments
      .filter(({ which }) => which === begin?.which)
      .map(({ time }) => Math.round(Number(time - (begin?.time ?? 0n)) / 1e7) * 10);
    expect(first).toEqual([0, 0, 200, 600, 1400, 2000, 3600]);
  });

  test("the MTU of the tunnel: all is answered, in segments that fit", () => {
    expect(fixed.report.traffic.map(({ sent, delivered, drops }) => ({ sent, delivered, drops }))).toEqual(
      [20, 20, 20].map((count) => ({ sent: count, delivered: count, drops: {} })),
    );
    const sizes = new Set(seen(fixed.capture, "default/client/eth0", full).map((line) => line.replace(/^.* /, "")));
    expect(sizes).toEqual(new Set(["1398", "1323"]));
  });

  test("the wrong MTU alone: pods are told what fits, and all is answered", () => {
    const report = reportOf("mtu-black-hole", (scenario) => scenario.replace(/^ {2}rules:\n.*\n/m, ""));
    expect(report.traffic[1]).toMatchObject({ sent: 20, delivered: 20, drops: { FRAG_NEEDED: 2 } });
  });
});

describe("INVALID packets and the reset", () => {
  const { broken, fixed } = both("invalid-reset");
  const own = /10\.244\.2\.2/;

  test("without kube-proxy's rule the late copy of a segment reaches the client from the pod's own address, and both ends reset", () => {
    expect(broken.report.traffic[0]).toMatchObject({ sent: 20, delivered: 7, refused: 13, timedOut: 0 });
    const [copy, reset, ...others] = seen(broken.capture, "default/client/eth0", own);
    const port = /10\.244\.1\.2:(\d+)/.exec(copy ?? "")?.[1] ?? "";
    expect(copy).toBe(`10.244.2.2:9000 > 10.244.1.2:${port} tcp . 1448`);
    expect(reset).toBe(`10.244.1.2:${port} > 10.244.2.2:9000 tcp R`);
    // The server, which has dropped the connection by then, resets what the client still acknowledges.
    expect(others.some((line) => line.startsWith("10.244.2.2:9000 > ") && line.endsWith(" tcp R"))).toBe(true);
  });

  test("with it the copies end at the client's node, and every download arrives", () => {
    expect(fixed.report.traffic[0]).toMatchObject({ sent: 20, delivered: 20, refused: 0, timedOut: 0 });
    expect(fixed.report.traffic[0]?.drops["NETFILTER_DROP"]).toBeGreaterThan(0);
    expect(seen(fixed.capture, "default/client/eth0", own)).toEqual([]);
  });

  test("a copy is the same bytes, 10 ms after the frame", () => {
    // Resets that answer two late copies are the same bytes, too.
    const resets = ({ bytes }: { bytes: Uint8Array }): boolean => ((bytes[47] ?? 0) & 4) !== 0;
    const came = fixed.capture.packets.filter(
      (packet) => packet.device === "node-1/eth0" && packet.direction === "inbound" && !resets(packet),
    );
    const times = new Map<string, bigint[]>();
    for (const { bytes, time } of came) {
      const key = Buffer.from(bytes).toString("latin1");
      times.set(key, [...(times.get(key) ?? []), time]);
    }
    const pairs = [...times.values()].filter(({ length }) => length > 1);
    expect(pairs.length).toBeGreaterThan(20);
    expect(pairs.length).toBeLessThan(came.length / 50);
    expect(new Set(pairs.map(([first = 0n, second = 0n]) => second - first))).toEqual(new Set([10_000_000n]));
  });

  test("a kernel of today takes the copy for what it is, and nothing is reset", () => {
    const report = reportOf("invalid-reset", (scenario) => scenario.replace("delayedSegments: invalid", ""));
    expect(report.traffic[0]).toMatchObject({ sent: 20, delivered: 20, refused: 0 });
  });

  test("two workers draw the same copies as one", () => {
    const two = runExample("mysteries/invalid-reset/fixed.yaml", "--workers", "2");
    expect(readFileSync(two.path).equals(readFileSync(fixed.path))).toBe(true);
  });
});

describe("A and AAAA at once", () => {
  const { broken, fixed } = both("dns-race");
  const first = /^10\.244\.1\.2:\d+ > \S+ dns A{1,4}\? example\.com\.default\.svc/;
  /** Questions for the first name on any DNS pod's eth0 before the second request, 200 ms in. */
  const arrived = ({ capture }: typeof broken): string[] => {
    const begin = capture.packets[0]?.time ?? 0n;
    return capture.packets
      .filter(({ device, time }) => device.startsWith("kube-system/") && time - begin < 200_000_000n)
      .map(({ bytes }) => summary(bytes))
      .filter((line) => first.test(line));
  };

  test("translated to two DNS pods: the later is dropped, and the lookup waits for the resolver's five seconds", () => {
    expect(broken.report.traffic[0]).toMatchObject({ sent: 5, delivered: 5, drops: { CONNTRACK_INSERT_FAILED: 1 } });
    expect(broken.report.traffic[0]?.latencyNs?.max).toBeGreaterThan(5e9);
    expect(broken.report.traffic[0]?.latencyNs?.p50).toBeLessThan(1e8);
    expect(seen(broken.capture, "default/client/eth0", first).slice(0, 2)).toEqual([
      "10.244.1.2:60050 > 10.96.0.10:53 dns A? example.com.default.svc.cluster.local",
      "10.244.1.2:60050 > 10.96.0.10:53 dns AAAA? example.com.default.svc.cluster.local",
    ]);
    expect(arrived(broken)).toEqual(["10.244.1.2:60050 > 10.244.1.3:53 dns A? example.com.default.svc.cluster.local"]);
  });

  test("one after the other, each from its own port: both arrive, and nothing waits", () => {
    expect(fixed.report.traffic[0]).toMatchObject({ sent: 5, delivered: 5, drops: {} });
    expect(fixed.report.traffic[0]?.latencyNs?.max).toBeLessThan(5e8);
    expect(arrived(fixed)).toEqual([
      "10.244.1.2:60050 > 10.244.1.3:53 dns A? example.com.default.svc.cluster.local",
      "10.244.1.2:60051 > 10.244.1.4:53 dns AAAA? example.com.default.svc.cluster.local",
    ]);
  });

  test("a kernel of today keeps both connections, and nothing waits", () => {
    const report = reportOf("dns-race", (scenario) =>
      scenario.replace("conntrackClash: drop", "conntrackClash: keep").replace(">= 5s", "<= 500ms"),
    );
    expect(report.traffic[0]).toMatchObject({ sent: 5, delivered: 5, drops: {} });
  });
});
