// Address translation: DNAT, SNAT, MASQUERADE and REDIRECT, replies, errors, and ports that are taken.
import { describe, expect, test } from "vitest";
import { ethernet, icmp, udp } from "./craft.ts";
import { BUILDS, Lab, type Build } from "./lab.ts";
import { flow, type MachineWords } from "./network.ts";
import type { FlowConfig } from "../../src/seam/plan.ts";

/** A client and a server, both with the router as their only way, and the router's nat rules (`PREROUTING -j ...`). */
function words(rules: string[], router: Record<string, number> = {}, more = ""): MachineWords {
  const chains = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].map((chain) => `:${chain} ACCEPT [0:0]\n`).join("");
  return {
    namespaces: {
      a: { addresses: { eth0: "10.0.1.1/24" }, routes: ["default via 10.0.1.254"], listen: ["udp 7"] },
      r: {
        sysctls: { "net.ipv4.ip_forward": 1, ...router },
        addresses: { left: "10.0.1.254/24", right: ["10.0.2.254/24", "10.0.2.253/24"] },
        rules: `*nat\n${chains}${rules.map((rule) => `-A ${rule}\n`).join("")}COMMIT\n${more}`,
        listen: ["udp 9", "tcp 9"],
      },
      b: { addresses: { eth0: "10.0.2.1/24" }, routes: ["default via 10.0.2.254"], listen: ["udp 7", "tcp 80"] },
    },
    veths: ["a/eth0 r/left", "b/eth0 r/right"],
  };
}

function lab(build: Build, rules: string[], flows: FlowConfig[], more?: string, router?: Record<string, number>): Lab {
  return new Lab(build, words(rules, router, more), { flows }).run(1);
}

/** Lines with the client's ephemeral port called P. */
function anonymous(lines: string[]): string[] {
  return lines.map((line) => line.replaceAll(/:(3[3-9]|[45]\d|60)\d{3}\b/g, ":P"));
}

const SERVICE = "PREROUTING -d 10.96.0.1/32 -p udp -m udp --dport 54 -j DNAT --to-destination 10.0.2.1:7";

describe.each(BUILDS)("in the %s build", (build) => {
  test("DNAT sends a service's packets to a backend, and the answers come from the service", () => {
    const result = lab(build, [SERVICE], [flow("a", "udp", "10.96.0.1:54", { requestBytes: 20 })]);
    expect(anonymous(result.packets("a/eth0"))).toEqual([
      "10.0.1.1:P > 10.96.0.1:54 udp 20",
      "10.96.0.1:54 > 10.0.1.1:P udp 20",
    ]);
    expect(anonymous(result.packets("b/eth0"))).toEqual([
      "10.0.1.1:P > 10.0.2.1:7 udp 20",
      "10.0.2.1:7 > 10.0.1.1:P udp 20",
    ]);
    expect(result.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("only the first packet of a connection asks the nat table", () => {
    const flows = [flow("a", "udp", "10.96.0.1:54", { rate: 10, stopNs: 0.5e9 })];
    const result = lab(build, [SERVICE], flows);
    expect(result.outcome()).toEqual({ sent: 5, delivered: 5 });
    expect(result.counters("r")).toMatchObject({ "nat PREROUTING 0": 1, "nat POSTROUTING policy": 1 });
  });

  test("a TCP connection to a service: every segment is translated, checksums and all", () => {
    const rule = "PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.2.1:80";
    const result = lab(build, [rule], [flow("a", "tcp", "10.96.0.1:8080", { requestBytes: 3000 })]);
    expect(result.outcome()).toEqual({ sent: 1, delivered: 1 });
    const ends = new Set(result.seen("b/eth0").flatMap(({ frame }) => (frame.tcp ? [`${frame.ipv4?.source}`] : [])));
    expect([...ends]).toEqual(["10.0.1.1", "10.0.2.1"]);
    expect(result.packets("a/eth0").every((line) => line.includes("10.96.0.1:8080"))).toBe(true);
  });

  test("DNAT of the host's own packets in OUTPUT sends them another way", () => {
    const rule = "OUTPUT -d 10.96.0.1/32 -p udp -m udp --dport 54 -j DNAT --to-destination 10.0.2.1:7";
    const network = words([rule]);
    Object.assign(network.namespaces["r"] ?? {}, { routes: ["default via 10.0.1.1"] });
    const result = new Lab(build, network, { flows: [flow("r", "udp", "10.96.0.1:54")] }).run(1);
    // The source was chosen before the destination changed.
    expect(anonymous(result.packets("b/eth0"))[0]).toBe("10.0.1.254:P > 10.0.2.1:7 udp 32");
    expect(result.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("SNAT keeps the port if it can; MASQUERADE takes the address of the way out", () => {
    for (const target of ["SNAT --to-source 10.0.2.253", "MASQUERADE"]) {
      const result = lab(build, [`POSTROUTING -o right -j ${target}`], [flow("a", "udp", "10.0.2.1:7")]);
      const [out] = result.seen("a/eth0").flatMap(({ frame }) => frame.udp ?? []);
      const address = target.startsWith("SNAT") ? "10.0.2.253" : "10.0.2.254";
      expect(result.packets("b/eth0")).toEqual([
        `${address}:${out?.sourcePort} > 10.0.2.1:7 udp 32`,
        `10.0.2.1:7 > ${address}:${out?.sourcePort} udp 32`,
      ]);
      expect(result.outcome()).toEqual({ sent: 1, delivered: 1 });
    }
  });

  test("MASQUERADE --random-fully does not keep the port, and repeats with the seed", () => {
    const run = (seed: number) =>
      new Lab(build, words(["POSTROUTING -o right -j MASQUERADE --random-fully"]), {
        flows: [flow("a", "udp", "10.0.2.1:7")],
        seed,
      }).run(1);
    const ports = [run(1), run(1), run(2)].map((result) => {
      expect(result.outcome()).toEqual({ sent: 1, delivered: 1 });
      const of = (device: string) => result.seen(device).flatMap(({ frame }) => frame.udp?.sourcePort ?? [])[0];
      expect(of("b/eth0")).not.toBe(of("a/eth0"));
      expect(of("b/eth0")).toBeGreaterThanOrEqual(1024);
      return of("b/eth0");
    });
    expect(ports[0]).toBe(ports[1]);
    expect(ports[0]).not.toBe(ports[2]);
  });

  test("two clients with the same port behind one address: the second gets another", () => {
    const result = new Lab(build, words(["POSTROUTING -o right -j SNAT --to-source 10.0.2.253"]));
    const X = "02:aa:00:00:00:09";
    for (const [i, from] of ["10.0.1.8", "10.0.1.9"].entries()) {
      const packet = udp({ from, to: "10.0.2.1" }, [5000, 7]);
      result.inject("r/left", ethernet(result.mac("r/left"), X, 0x0800, packet), i / 100);
    }
    result.run(0.5);
    const ports = result
      .seen("b/eth0")
      .flatMap(({ frame }) => (frame.udp && frame.ipv4?.destination === "10.0.2.1" ? [frame.udp.sourcePort] : []));
    expect(ports[0]).toBe(5000);
    expect(ports[1]).not.toBe(5000);
    expect(ports[1]).toBeGreaterThanOrEqual(1024);
    const back = result
      .seen("r/left")
      .flatMap(({ direction, frame }) => (direction === "outbound" ? (frame.arp?.target ?? []) : []));
    expect(new Set(back)).toEqual(new Set(["10.0.1.8", "10.0.1.9"]));
  });

  test("a port below 512 stays below 512 when it has to change", () => {
    const result = new Lab(build, words(["POSTROUTING -o right -j SNAT --to-source 10.0.2.253"]));
    for (const [i, from] of ["10.0.1.8", "10.0.1.9"].entries()) {
      const packet = udp({ from, to: "10.0.2.1" }, [123, 7]);
      result.inject("r/left", ethernet(result.mac("r/left"), "02:aa:00:00:00:09", 0x0800, packet), i / 100);
    }
    result.run(0.5);
    const sent = result.seen("r/right").filter(({ direction, frame }) => direction === "outbound" && frame.udp);
    const [, second] = sent.flatMap(({ frame }) => frame.udp?.sourcePort ?? []);
    expect(second).toBeLessThan(512);
  });

  test("a range of ports that is used up drops the packet and leaves nothing behind", () => {
    const result = new Lab(build, words(["POSTROUTING -o right -p udp -j SNAT --to-source 10.0.2.253:6000-6001"]));
    for (let i = 0; i < 3; i++) {
      const packet = udp({ from: `10.0.1.${7 + i}`, to: "10.0.2.1" }, [5000, 7]);
      result.inject("r/left", ethernet(result.mac("r/left"), "02:aa:00:00:00:09", 0x0800, packet), i / 100);
    }
    result.run(0.5);
    const sent = result.seen("b/eth0").filter(({ frame }) => frame.udp && frame.ipv4?.destination === "10.0.2.1");
    expect(sent.map(({ frame }) => frame.udp?.sourcePort).sort()).toEqual([6000, 6001]);
    expect(result.connections("r")).toBe(2);
    expect(Object.values(result.drops("r")).reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  test("REDIRECT turns a packet to this host: the address that it came in by, or loopback for its own", () => {
    const rules = [
      "PREROUTING -p udp -m udp --dport 54 -j REDIRECT --to-ports 9",
      "OUTPUT -p udp -m udp --dport 54 -j REDIRECT --to-ports 9",
    ];
    const result = lab(build, rules, [flow("a", "udp", "8.8.8.8:54"), flow("r", "udp", "10.0.2.1:54", { line: 1 })]);
    expect([result.outcome(0), result.outcome(1)]).toEqual([
      { sent: 1, delivered: 1 },
      { sent: 1, delivered: 1 },
    ]);
    expect(anonymous(result.packets("a/eth0"))[1]).toBe("8.8.8.8:54 > 10.0.1.1:P udp 32");
    expect(result.packets("b/eth0")).toEqual([]);
  });

  test("a client that is its own backend sees the router, and both directions are translated", () => {
    const rules = [
      "PREROUTING -d 10.96.0.1/32 -p udp -m udp --dport 54 -j DNAT --to-destination 10.0.1.1:7",
      "POSTROUTING -s 10.0.1.1/32 -d 10.0.1.1/32 -j MASQUERADE",
    ];
    const result = lab(build, rules, [flow("a", "udp", "10.96.0.1:54")]);
    expect(anonymous(result.packets("a/eth0"))).toEqual([
      "10.0.1.1:P > 10.96.0.1:54 udp 32",
      "10.0.1.254:P > 10.0.1.1:7 udp 32",
      "10.0.1.1:7 > 10.0.1.254:P udp 32",
      "10.96.0.1:54 > 10.0.1.1:P udp 32",
    ]);
    expect(result.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("an ICMP error about a translated packet is translated outside and inside", () => {
    const rules = [
      "PREROUTING -d 10.96.0.1/32 -p udp -m udp --dport 54 -j DNAT --to-destination 10.0.2.1:8",
      "POSTROUTING -o right -p udp -j SNAT --to-source 10.0.2.253:7000",
    ];
    const result = lab(build, rules, [flow("a", "udp", "10.96.0.1:54", { requestBytes: 50 })]);
    expect(result.packets("b/eth0")).toEqual([
      "10.0.2.253:7000 > 10.0.2.1:8 udp 50",
      "10.0.2.1 > 10.0.2.253 icmp 3/3 (10.0.2.253:7000 > 10.0.2.1:8 udp 50)",
    ]);
    expect(anonymous(result.packets("a/eth0"))).toEqual([
      "10.0.1.1:P > 10.96.0.1:54 udp 50",
      "10.96.0.1 > 10.0.1.1 icmp 3/3 (10.0.1.1:P > 10.96.0.1:54 udp 50)",
    ]);
    expect(result.outcome()).toEqual({ sent: 1, refused: 1 });
  });

  test("an error about a translated packet seems to come from the service, whichever router sent it", () => {
    const result = lab(build, [SERVICE], [flow("a", "udp", "10.96.0.1:54")]);
    const [request] = result.seen("b/eth0").filter(({ frame }) => frame.udp);
    const quote = request?.bytes.subarray(14, 14 + 28) ?? new Uint8Array();
    const error = icmp({ from: "10.0.2.77", to: "10.0.1.1" }, 11, 0, 0, quote);
    result.inject("r/right", ethernet(result.mac("r/right"), "02:bb:00:00:00:09", 0x0800, error), 2);
    result.run(3);
    expect(anonymous(result.packets("a/eth0")).at(-1)).toMatch(
      /^10\.96\.0\.1 > 10\.0\.1\.1 icmp 11\/0 \(10\.0\.1\.1:P > 10\.96\.0\.1:54 udp/,
    );
  });

  test("an error about a TCP segment quotes ports and checksum as the client sent them", () => {
    const rule = "PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.2.9:80";
    const result = lab(build, [rule], [flow("a", "tcp", "10.96.0.1:8080", { timeoutNs: 20e9 })]).run(4);
    expect(anonymous(result.packets("a/eth0")).at(-1)).toBe(
      "10.96.0.1 > 10.0.1.1 icmp 3/1 (10.0.1.1:P > 10.96.0.1:8080 tcp S)",
    );
  });

  test("pings are translated by their id", () => {
    const result = lab(
      build,
      ["POSTROUTING -o right -j MASQUERADE"],
      [flow("a", "icmp", "10.0.2.1", { rate: 10, stopNs: 0.2e9 })],
    );
    expect(result.packets("b/eth0").slice(0, 2)).toEqual([
      "10.0.2.254 > 10.0.2.1 icmp 8/0 32",
      "10.0.2.1 > 10.0.2.254 icmp 0/0 32",
    ]);
    expect(result.outcome()).toEqual({ sent: 2, delivered: 2 });
  });

  test("a reset by REJECT comes from the address that the client called", () => {
    const rule = "PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.2.1:80";
    const filter = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n";
    const result = lab(build, [rule], [flow("a", "tcp", "10.96.0.1:8080")], filter);
    expect(anonymous(result.packets("a/eth0"))).toEqual([
      "10.0.1.1:P > 10.96.0.1:8080 tcp S",
      "10.96.0.1:8080 > 10.0.1.1:P tcp R.",
    ]);
    expect(result.outcome()).toEqual({ sent: 1, refused: 1 });
  });

  test("a refusal by REJECT quotes the packet as the client sent it", () => {
    const filter = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p udp -j REJECT\nCOMMIT\n";
    const result = lab(build, [SERVICE], [flow("a", "udp", "10.96.0.1:54")], filter);
    expect(anonymous(result.packets("a/eth0")).at(-1)).toBe(
      "10.96.0.1 > 10.0.1.1 icmp 3/3 (10.0.1.1:P > 10.96.0.1:54 udp 32)",
    );
  });

  test("MASQUERADE out of loopback takes an address of another device", () => {
    const rules = [
      "OUTPUT -d 127.0.0.1/32 -p udp -m udp --dport 54 -j DNAT --to-destination 10.0.1.254:9",
      "POSTROUTING -o lo -j MASQUERADE",
    ];
    const result = lab(build, rules, [flow("r", "udp", "127.0.0.1:54")], "", { "net.ipv4.conf.all.route_localnet": 1 });
    expect(anonymous(result.packets("r/lo"))[0]).toBe("10.0.1.254:P > 10.0.1.254:9 udp 32");
    expect(result.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("with bridge-nf a service and its backend on one bridge work; without, the answer is not translated back", () => {
    const bridged = (on: number): MachineWords => ({
      namespaces: {
        s: {
          sysctls: { "net.ipv4.ip_forward": 1, "net.bridge.bridge-nf-call-iptables": on },
          addresses: { br0: "10.0.0.254/24" },
          rules:
            "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.1/32 -p udp -j DNAT --to-destination 10.0.0.2:7\nCOMMIT\n",
        },
        a: { addresses: { eth0: "10.0.0.1/24" }, routes: ["default via 10.0.0.254"] },
        b: { addresses: { eth0: "10.0.0.2/24" }, routes: ["default via 10.0.0.254"], listen: ["udp 7"] },
      },
      bridges: { "s/br0": "pa pb" },
      veths: ["a/eth0 s/pa", "b/eth0 s/pb"],
    });
    for (const [on, outcome, ttl] of [
      [1, { sent: 1, delivered: 1 }, 64],
      [0, { sent: 1 }, 63],
    ] as const) {
      const result = new Lab(build, bridged(on), { flows: [flow("a", "udp", "10.96.0.1:54")] }).run(1);
      expect(result.outcome()).toEqual(outcome);
      const [request] = result.seen("b/eth0").filter(({ frame }) => frame.udp);
      expect(request?.frame.ipv4?.ttl).toBe(ttl);
      // Either way the bridge's own interface saw the first packet for a neighbour go out.
      const out = result.seen("s/br0").filter(({ direction, frame }) => direction === "outbound" && frame.udp);
      expect(out.map(({ frame }) => frame.ipv4?.destination)).toEqual(["10.0.0.2"]);
      // Bridged, the frame keeps the client's link address; routed, it has the bridge's.
      expect(request?.frame.ethernet.source).toBe(result.mac(on ? "a/eth0" : "s/br0"));
    }
  });
});
