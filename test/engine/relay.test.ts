// A load balancer that ends connections: what it says to the client and to the server, and what it passes on.
import { describe, expect, test } from "vitest";
import { ethernet, tcp, type TcpWords } from "../kernel/craft.ts";
import { BUILDS, Lab, type Build } from "../kernel/lab.ts";

const CLIENT = "02:bb:00:00:00:09";
const CHECK = {
  address: "10.0.1.9",
  port: 10256,
  path: "/healthz",
  intervalNs: 60e9,
  timeoutNs: 1e9,
  rise: 1,
  fall: 1,
};

/** The load balancer between the test, which is the client 10.0.0.9, and a server that listens. Its check is over. */
function relay(build: Build, listen: string[]): Lab {
  const lab = new Lab(build, {
    namespaces: {
      lb: {
        addresses: { eth0: "10.0.0.1/24", eth1: "10.0.1.1/24" },
        neighbours: [`eth0 10.0.0.9 ${CLIENT}`],
      },
      wire: {},
      server: { addresses: { eth0: "10.0.1.9/24" }, listen },
    },
    veths: ["lb/eth0 wire/w0", "lb/eth1 server/eth0"],
    balancer: {
      namespace: "lb",
      checks: [CHECK],
      virtualServers: [
        {
          name: "default/web",
          address: "10.0.0.1",
          protocol: "tcp",
          port: 80,
          relayPort: 30080,
          bySource: false,
          servers: [{ address: "10.0.1.9", check: 0 }],
        },
      ],
    },
  });
  return lab.run(0.1);
}

/** The client says something. */
function say(lab: Lab, segment: TcpWords, seconds: number): void {
  const packet = tcp({ from: "10.0.0.9", to: "10.0.0.1" }, [5000, 80], segment);
  lab.inject("lb/eth0", ethernet(lab.mac("lb/eth0"), CLIENT, 0x0800, packet), seconds);
}

/** The sequence number of the load balancer's last segment to the client, and of what comes after it. */
function heard(lab: Lab): { seq: number; next: number } {
  const last = lab.seen("wire/w0").at(-1)?.frame;
  const seq = last?.tcp?.sequence ?? 0;
  return { seq, next: seq + (last?.payload.length ?? 0) + (/[SF]/.test(last?.tcp?.flags ?? "") ? 1 : 0) };
}

/** All that was said on a side: `1 S`, with the last number of the address of who said it. */
function said(lab: Lab, device: string, port: number): string[] {
  return lab
    .packets(device)
    .filter((line) => line.includes(`:${port}`))
    .map((line) => line.replace(/^10\.0\.\d\.(\d):\S+ > .* tcp /, "$1 ").trim());
}

/** Opens the client's connection; the last segment of the handshake may carry more. */
function open(lab: Lab, more: Partial<TcpWords> = {}): number {
  say(lab, { flags: "S", seq: 100 }, 0.1);
  lab.run(0.2);
  const { next } = heard(lab);
  say(lab, { flags: ".", seq: 101, ack: next, ...more }, 0.2);
  lab.run(0.3);
  return next;
}

describe.each(BUILDS)("in the %s build", (build) => {
  test("it accepts the connection itself, and opens its own from its own address only then", () => {
    const lab = relay(build, ["tcp 30080", "tcp 10256"]);
    say(lab, { flags: "S", seq: 100 }, 0.1);
    lab.run(0.2);
    expect(said(lab, "lb/eth0", 80)).toEqual(["9 S", "1 S."]);
    expect(said(lab, "lb/eth1", 30080)).toEqual([]);
    say(lab, { flags: ".", seq: 101, ack: heard(lab).next }, 0.2);
    lab.run(0.3);
    expect(said(lab, "lb/eth1", 30080)).toEqual(["1 S", "9 S.", "1 ."]);
    expect(lab.packets("lb/eth1").filter((line) => line.includes(":30080"))[0]).toMatch(
      /^10\.0\.1\.1:\d+ > 10\.0\.1\.9:30080 tcp S$/,
    );
  });

  test("bytes and the end of one side, come with the last of the handshake, wait for the server; the other side goes on", () => {
    const lab = relay(build, ["tcp 30080", "tcp 10256"]);
    open(lab, { flags: "PF.", data: "hello" });
    expect(said(lab, "lb/eth1", 30080)).toEqual([
      ...["1 S", "9 S.", "1 .", "1 P. 5", "1 F.", "9 .", "9 P. 5", "9 F.", "1 .", "1 ."],
    ]);
    expect(said(lab, "lb/eth0", 80)).toEqual(["9 S", "1 S.", "9 FP. 5", "1 P. 5", "1 F."]);
  });

  test("a reset of the client goes to the server, and nothing is left", () => {
    const lab = relay(build, ["tcp 30080", "tcp 10256"]);
    open(lab, { flags: "P.", data: "hello" });
    const { seq } = heard(lab);
    say(lab, { flags: "R", seq: 106, ack: seq }, 0.3);
    lab.run(0.4);
    expect(said(lab, "lb/eth1", 30080).at(-1)).toBe("1 R.");
    say(lab, { flags: ".", seq: 106, ack: seq }, 0.4);
    lab.run(0.5);
    expect(said(lab, "lb/eth0", 80).at(-1)).toBe("1 R");
  });

  test("a server that refuses, and no healthy server, are told by a reset", () => {
    for (const listen of [["tcp 10256"], ["tcp 30080"]]) {
      const lab = relay(build, listen);
      open(lab);
      expect(said(lab, "lb/eth0", 80)).toEqual(["9 S", "1 S.", "9 .", "1 R."]);
    }
  });

  test("many bytes come through whole both ways", () => {
    const lab = relay(build, ["tcp 30080", "tcp 10256"]);
    const start = open(lab);
    const text = "0123456789".repeat(100);
    let at = 0.3;
    for (let i = 0; i < 20; i++) {
      say(lab, { flags: "P.", seq: 101 + 1000 * i, ack: start + 1000 * i, data: text }, at);
      lab.run((at += 0.01));
    }
    say(lab, { flags: ".", seq: 20101, ack: start + 20000 }, at);
    lab.run(at + 0.1);
    const back = lab
      .seen("wire/w0")
      .filter(({ direction, frame }) => direction === "inbound" && frame.payload.length > 0);
    expect(back.map(({ frame }) => Buffer.from(frame.payload).toString()).join("")).toBe(text.repeat(20));
  });
});
