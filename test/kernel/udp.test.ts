// UDP: datagrams to listeners and back, ports nobody listens on, and who may bind what.
import { describe, expect, test } from "vitest";
import { ethernet, udp } from "./craft.ts";
import { BUILDS, Lab } from "./lab.ts";
import { flow, type MachineWords } from "./network.ts";

const PAIR: MachineWords = {
  namespaces: {
    a: { addresses: { eth0: "10.0.0.1/24" } },
    b: { addresses: { eth0: ["10.0.0.2/24", "10.0.0.3/24"] }, listen: ["udp 7"] },
  },
  veths: ["a/eth0 b/eth0"],
};

describe.each(BUILDS)("in the %s build", (build) => {
  test("a datagram comes back from the address that it was sent to", () => {
    const lab = new Lab(build, PAIR, { flows: [flow("a", "udp", "10.0.0.3:7", { rate: 10, stopNs: 0.2e9 })] });
    lab.run(1);
    const seen = lab.seen("a/eth0").filter(({ frame }) => frame.udp);
    const port = seen[0]?.frame.udp?.sourcePort;
    const there = `10.0.0.1:${port} > 10.0.0.3:7 udp 32`;
    const back = `10.0.0.3:7 > 10.0.0.1:${port} udp 32`;
    expect(lab.packets("a/eth0")).toEqual([there, back, there, back]);
    expect(seen[1]?.frame.payload).toEqual(seen[0]?.frame.payload);
    expect(seen.every(({ frame }) => frame.ipv4?.dontFragment)).toBe(true);
    expect(lab.outcome()).toEqual({ sent: 2, delivered: 2 });
    expect(lab.live).toBe(0);
  });

  test("each socket counts the identifications of its packets", () => {
    const lab = new Lab(build, PAIR, { flows: [flow("a", "udp", "10.0.0.2:7", { rate: 10, stopNs: 0.3e9 })] });
    lab.run(1);
    const of = (source: string) =>
      lab.seen("a/eth0").flatMap(({ frame }) => (frame.ipv4?.source === source ? [frame.ipv4.id] : []));
    for (const ids of [of("10.0.0.1"), of("10.0.0.2")]) {
      const [first = 0] = ids;
      expect(ids).toEqual([first, (first + 1) & 0xffff, (first + 2) & 0xffff]);
    }
  });

  test("a port that nobody listens on refuses, with the datagram quoted", () => {
    const lab = new Lab(build, PAIR, { flows: [flow("a", "udp", "10.0.0.2:8", { requestBytes: 100 })] });
    lab.run(1);
    const [request, error] = lab.seen("a/eth0").filter(({ frame }) => frame.ipv4);
    expect(error?.frame.icmp).toMatchObject({ type: 3, code: 3 });
    // The whole datagram, from its IPv4 header on.
    expect(error?.bytes.subarray(14 + 28)).toEqual(request?.bytes.subarray(14));
    expect(lab.outcome()).toEqual({ sent: 1, refused: 1 });
    expect(lab.drops("b")).toEqual({ NO_SOCKET: 1 });
  });

  test("a long datagram is quoted only so far that the error has 576 bytes", () => {
    const lab = new Lab(build, PAIR, { flows: [flow("a", "udp", "10.0.0.2:8", { requestBytes: 1400 })] });
    lab.run(1);
    const error = lab.seen("a/eth0").at(-1)?.frame;
    expect(error?.ipv4?.totalLength).toBe(576);
    expect(error?.icmp?.quoted?.ipv4?.totalLength).toBe(1428);
    expect(lab.outcome()).toEqual({ sent: 1, refused: 1 });
  });

  test("a datagram with a wrong checksum or length is dropped, one without a checksum taken", () => {
    const lab = new Lab(build, PAIR);
    lab.badChecksumsAllowed = true;
    const words = { from: "10.0.0.1", to: "10.0.0.2" };
    const send = (change: (packet: Uint8Array) => void) => {
      const packet = udp(words, [5000, 7]);
      change(packet);
      lab.inject("b/eth0", ethernet(lab.mac("b/eth0"), lab.mac("a/eth0"), 0x0800, packet), 0);
    };
    send((packet) => (packet[26] = (packet[26] ?? 0) ^ 1));
    send((packet) => packet.set([0, 200], 24));
    send((packet) => packet.set([0, 7], 24));
    send((packet) => packet.set([0, 0], 26));
    lab.run(1);
    expect(lab.drops("b")).toEqual({ UDP_CSUM: 1, PKT_TOO_SMALL: 2 });
    expect(lab.packets("a/eth0")[0]).toBe("10.0.0.2:7 > 10.0.0.1:5000 udp 4");
  });

  test("a listener on one address leaves the others alone; a second one on its port is refused", () => {
    const lab = new Lab(
      build,
      {
        ...PAIR,
        namespaces: {
          ...PAIR.namespaces,
          b: {
            addresses: { eth0: ["10.0.0.2/24", "10.0.0.3/24"] },
            listen: ["udp 10.0.0.2:7", "udp 10.0.0.2:7", "udp 7"],
          },
        },
      },
      { flows: [flow("a", "udp", "10.0.0.2:7"), flow("a", "udp", "10.0.0.3:7", { line: 1 })] },
    );
    lab.run(1);
    expect([lab.outcome(0), lab.outcome(1)]).toEqual([
      { sent: 1, delivered: 1 },
      { sent: 1, refused: 1 },
    ]);
    expect(lab.listenErrors).toEqual(["address already in use", "address already in use"]);
  });

  test("answers to a client that has gone are refused by its host", () => {
    const lab = new Lab(build, PAIR);
    const packet = udp({ from: "10.0.0.2", to: "10.0.0.1" }, [7, 40000]);
    lab.inject("a/eth0", ethernet(lab.mac("a/eth0"), lab.mac("b/eth0"), 0x0800, packet), 0);
    lab.run(1);
    expect(lab.packets("b/eth0")).toEqual(["10.0.0.1 > 10.0.0.2 icmp 3/3 (10.0.0.2:7 > 10.0.0.1:40000 udp 4)"]);
  });
});
