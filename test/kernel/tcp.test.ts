// TCP: opening, data both ways, closing, resets, and what happens when nobody answers.
import { describe, expect, test } from "vitest";
import { tcpExt } from "../../src/kernel/netstat.ts";
import { ethernet, tcp, type TcpWords } from "./craft.ts";
import { BUILDS, Lab, type Build } from "./lab.ts";
import { flow, type MachineWords } from "./network.ts";

const PAIR: MachineWords = {
  namespaces: {
    a: { addresses: { eth0: "10.0.0.1/24" } },
    b: { addresses: { eth0: "10.0.0.2/24" }, listen: ["tcp 80 response 5000"] },
  },
  veths: ["a/eth0 b/eth0"],
};

const WIRE = "02:bb:00:00:00:09";

/** A host a with one device; the test is everybody else, and known as 10.0.0.9. */
function faced(
  build: Build,
  listen: string[],
  more: ConstructorParameters<typeof Lab>[2] = {},
  sysctls: Record<string, number> = {},
): Lab {
  return new Lab(
    build,
    {
      namespaces: {
        a: { addresses: { eth0: "10.0.0.1/24" }, neighbours: [`eth0 10.0.0.9 ${WIRE}`], listen, sysctls },
        wire: {},
      },
      veths: ["a/eth0 wire/w0"],
    },
    more,
  );
}

/** Sends a segment to the host. */
function say(lab: Lab, ports: [number, number], segment: TcpWords, seconds: number): void {
  const packet = tcp({ from: "10.0.0.9", to: "10.0.0.1" }, ports, segment);
  lab.inject("a/eth0", ethernet(lab.mac("a/eth0"), WIRE, 0x0800, packet), seconds);
}

/** The last segment that the host sent. */
function heard(lab: Lab): { flags: string; seq: number; ack: number; port: number } {
  const segment = lab.seen("wire/w0").at(-1)?.frame.tcp;
  if (!segment) throw new Error("the host sent nothing");
  const { flags, sequence, acknowledgement, sourcePort } = segment;
  return { flags, seq: sequence, ack: acknowledgement, port: sourcePort };
}

function short(lines: string[]): string[] {
  return lines.map((line) => line.replace(/10\.0\.0\.(\d):(\d+) > .* tcp /, "$1 ").trim());
}

describe.each(BUILDS)("in the %s build", (build) => {
  test("a request and its echo: handshake, data, and the client closes", () => {
    const lab = new Lab(build, PAIR, { flows: [flow("a", "tcp", "10.0.0.2:80", { requestBytes: 100 })] });
    lab.run(1);
    expect(short(lab.packets("a/eth0"))).toEqual([
      "1 S",
      "2 S.",
      "1 .",
      "1 P. 100",
      "2 .",
      "2 P. 100",
      "1 .",
      "1 F.",
      "2 F.",
      "1 .",
    ]);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("a SYN offers what Linux offers, and the answer what both can", () => {
    const lab = new Lab(build, PAIR, { flows: [flow("a", "tcp", "10.0.0.2:80")] });
    lab.run(1);
    const [syn, synAck, ack] = lab.seen("a/eth0").flatMap(({ frame }) => frame.tcp ?? []);
    expect(syn?.options.map(({ kind }) => kind)).toEqual([2, 4, 8, 1, 3]);
    expect(synAck?.options.map(({ kind }) => kind)).toEqual([2, 4, 8, 1, 3]);
    expect(syn?.options[0]?.value).toEqual(Uint8Array.of(1460 >> 8, 1460 & 255));
    expect([syn?.window, synAck?.window, ack?.window]).toEqual([64240, 65160, 63]);
    expect(synAck?.acknowledgement).toBe(((syn?.sequence ?? 0) + 1) >>> 0);
  });

  describe("SYN cookies", () => {
    const cookies = (value: number): MachineWords => ({
      ...PAIR,
      namespaces: { ...PAIR.namespaces, b: { ...PAIR.namespaces["b"], sysctls: { "net.ipv4.tcp_syncookies": value } } },
    });
    const options = (lab: Lab) =>
      lab.seen("a/eth0").map(({ frame }) => {
        const { flags, window, options = [] } = frame.tcp ?? {};
        return [flags, window, frame.payload.length, options.map(({ kind }) => kind).join(" ")].join(" ");
      });
    const play = (value: number) => {
      const lab = new Lab(build, cookies(value), { flows: [flow("a", "http", "10.0.0.2:80", { requestBytes: 3000 })] });
      lab.run(1);
      return lab;
    };

    test("with tcp_syncookies 2 every handshake is one, and a timestamp brings scale and SACK back: all goes as without", () => {
      const [lab, plain] = [play(2), play(1)];
      expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
      expect(options(lab)).toEqual(options(plain));
      const counted = (one: Lab) =>
        Object.fromEntries([...tcpExt(one.kernel, one.namespace("b"))].filter(([, n]) => n));
      expect(counted(lab)).toEqual({ SyncookiesSent: 1, SyncookiesRecv: 1, TCPReqQFullDoCookies: 1 });
      expect(counted(plain)).toEqual({});
    });

    test.each([
      ["the same minute", 10, ""],
      ["the next one, for 120 s after the last cookie", 100, ""],
      ["the one after that", 121, "R"],
    ])("an ACK brings its cookie in %s", (_, seconds, flags) => {
      const lab = faced(build, ["tcp 80"], {}, { "net.ipv4.tcp_syncookies": 2 });
      say(lab, [5000, 80], { flags: "S", seq: 100 }, 0);
      lab.run(1);
      const { seq } = heard(lab);
      const before = lab.seen("wire/w0").length;
      say(lab, [5000, 80], { flags: ".", seq: 101, ack: (seq + 1) >>> 0 }, seconds);
      lab.run(seconds + 1);
      expect(lab.seen("wire/w0").length - before).toBe(flags ? 1 : 0);
      expect(tcpExt(lab.kernel, lab.namespace("a")).get("SyncookiesRecv")).toBe(flags ? 0 : 1);
      if (flags) expect(heard(lab)).toMatchObject({ flags, seq: (seq + 1) >>> 0 });
    });

    test("without them a full queue drops the SYN, and what gives up makes room", () => {
      const lab = faced(build, ["tcp 80"], {}, { "net.ipv4.tcp_syncookies": 0, "net.core.somaxconn": 1 });
      const answers = (at: number, ports: number[]) => {
        const before = lab.seen("wire/w0").length;
        ports.forEach((port, i) => say(lab, [port, 80], { flags: "S", seq: 100 }, at + i / 1000));
        lab.run(at + 0.1);
        return lab
          .seen("wire/w0")
          .slice(before)
          .map(({ frame }) => frame.tcp?.destinationPort);
      };
      expect(answers(0, [5000, 5001, 5002, 5003])).toEqual([5000, 5001]);
      expect(lab.drops("a")).toEqual({ TCP_LISTEN_OVERFLOW: 2 });
      expect(Object.fromEntries(tcpExt(lab.kernel, lab.namespace("a")))).toMatchObject({
        TCPReqQFullDrop: 2,
        ListenDrops: 2,
      });
      say(lab, [5000, 80], { flags: "R", seq: 101 }, 0.2);
      expect(answers(0.3, [5004, 5005])).toEqual([5004]);
    });
  });

  test("a peer without options gets none back but the MSS", () => {
    const lab = faced(build, ["tcp 80"]);
    say(lab, [5000, 80], { flags: "S", seq: 100 }, 0);
    lab.run(0.1);
    const answer = lab.seen("wire/w0").at(-1)?.frame.tcp;
    expect(answer?.options.map(({ kind }) => kind)).toEqual([2]);
    expect(answer?.window).toBe(64240);
  });

  test("more than a segment goes in whole segments both ways", () => {
    const lab = new Lab(build, PAIR, { flows: [flow("a", "tcp", "10.0.0.2:80", { requestBytes: 4000 })] });
    lab.run(1);
    const data = lab.seen("a/eth0").filter(({ frame }) => frame.tcp && frame.payload.length > 0);
    expect(data.map(({ frame }) => `${frame.ipv4?.source} ${frame.tcp?.flags} ${frame.payload.length}`)).toEqual([
      ...["10.0.0.1 . 1448", "10.0.0.1 . 1448", "10.0.0.1 P. 1104"],
      ...["10.0.0.2 P. 1448", "10.0.0.2 P. 1448", "10.0.0.2 P. 1104"],
    ]);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("segments fit into the MTU of the link", () => {
    const lab = new Lab(
      build,
      { ...PAIR, mtu: 1400 },
      { flows: [flow("a", "http", "10.0.0.2:80", { requestBytes: 3000 })] },
    );
    lab.run(1);
    const sizes = lab.seen("a/eth0").map(({ frame }) => frame.ipv4?.totalLength ?? 0);
    expect(Math.max(...sizes)).toBe(1400);
    expect(lab.seen("a/eth0").find(({ frame }) => frame.tcp)?.frame.tcp?.options[0]?.value).toEqual(
      Uint8Array.of(1360 >> 8, 1360 & 255),
    );
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("an HTTP request gets a response of the service's size", () => {
    const lab = new Lab(build, PAIR, { flows: [flow("a", "http", "10.0.0.2:80", { requestBytes: 0, path: "/x" })] });
    lab.run(1);
    const text = lab
      .seen("a/eth0")
      .filter(({ direction, frame }) => direction === "inbound" && frame.tcp)
      .map(({ frame }) => Buffer.from(frame.payload).toString("latin1"))
      .join("");
    const [head = "", body = ""] = text.split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(head).toContain("Content-Length: 5000");
    expect(body).toHaveLength(5000);
    expect(body.startsWith("b\n")).toBe(true);
  });

  test.each(["4294967295", "99999999999999999999"])(
    "a request that announces %s bytes is waited for, no more",
    (size) => {
      const lab = faced(build, ["tcp 80"]);
      say(lab, [5000, 80], { flags: "S", seq: 100 }, 0);
      lab.run(0.1);
      const { seq } = heard(lab);
      say(lab, [5000, 80], { flags: ".", seq: 101, ack: seq + 1 }, 0.2);
      const head = `POST / HTTP/1.1\r\nContent-Length: ${size}\r\n\r\nabc`;
      say(lab, [5000, 80], { flags: "P.", seq: 101, ack: seq + 1, data: head }, 0.3);
      lab.run(1);
      expect(heard(lab)).toMatchObject({ flags: ".", ack: 101 + head.length });
    },
  );

  test("a closed port refuses", () => {
    const lab = new Lab(build, PAIR, { flows: [flow("a", "tcp", "10.0.0.2:81")] });
    lab.run(1);
    expect(short(lab.packets("a/eth0"))).toEqual(["1 S", "2 R."]);
    expect(lab.outcome()).toEqual({ sent: 1, refused: 1 });
    expect(lab.live).toBe(0);
  });

  test("a SYN without answer is repeated each second, from the fifth time on less often; after 11 s the client gives up", () => {
    const lab = faced(build, [], { flows: [flow("a", "tcp", "10.0.0.9:80")] });
    lab.run(10.9);
    expect(lab.timed("wire/w0").map((line) => line.split(" ")[0])).toEqual([
      "0.000",
      "1.000",
      "2.000",
      "3.000",
      "4.000",
      "5.000",
      "7.000",
    ]);
    expect(lab.outcome()).toEqual({ sent: 1 });
    lab.run(11.1);
    expect(lab.outcome()).toEqual({ sent: 1, timedOut: 1 });
    expect(lab.live).toBe(0);
  });

  test("a SYN-ACK without answer is repeated five times, then the connection is gone", () => {
    const lab = faced(build, ["tcp 80"]);
    say(lab, [5000, 80], { flags: "S", seq: 100 }, 0);
    say(lab, [5000, 80], { flags: ".", seq: 101, ack: 1 }, 100);
    lab.run(110);
    expect(lab.timed("wire/w0").map((line) => line.replace(/10\..* tcp/, "tcp"))).toEqual([
      ...["0.000", "1.000", "3.000", "7.000", "15.000", "31.000"].map((time) => `${time} tcp S.`),
      "100.000 tcp R",
    ]);
    expect(lab.live).toBe(0);
  });

  test("the peer closes first: the FIN that answers its FIN acknowledges it", () => {
    const lab = faced(build, ["tcp 80"]);
    say(lab, [5000, 80], { flags: "S", seq: 100 }, 0);
    lab.run(0.1);
    const { seq } = heard(lab);
    say(lab, [5000, 80], { flags: ".", seq: 101, ack: seq + 1 }, 0.2);
    say(lab, [5000, 80], { flags: "F.", seq: 101, ack: seq + 1 }, 0.3);
    say(lab, [5000, 80], { flags: ".", seq: 102, ack: seq + 2 }, 0.4);
    say(lab, [5000, 80], { flags: ".", seq: 102, ack: seq + 2 }, 0.5);
    lab.run(1);
    const flags = lab.seen("wire/w0").map(({ frame }) => frame.tcp?.flags);
    // The last segment is for nobody: the connection has ended.
    expect(flags).toEqual(["S.", "F.", "R"]);
    expect(lab.live).toBe(0);
  });

  test("a server that closes before it has answered: the client closes too, and counts a refusal", () => {
    const lab = faced(build, [], { flows: [flow("a", "tcp", "10.0.0.9:80")] });
    lab.run(0.1);
    const { seq, port } = heard(lab);
    say(lab, [80, port], { flags: "S.", seq: 500, ack: seq + 1 }, 0.2);
    say(lab, [80, port], { flags: "F.", seq: 501, ack: seq + 1 + 32 }, 0.3);
    lab.run(0.4);
    expect(lab.seen("wire/w0").map(({ frame }) => frame.tcp?.flags)).toEqual(["S", ".", "P.", "F."]);
    say(lab, [80, port], { flags: ".", seq: 502, ack: seq + 1 + 33 }, 0.5);
    lab.run(1);
    expect(lab.outcome()).toEqual({ sent: 1, refused: 1 });
    expect(lab.live).toBe(0);
  });

  test("both close at once: each FIN is acknowledged, and the host waits", () => {
    const lab = faced(build, [], { flows: [flow("a", "tcp", "10.0.0.9:80")] });
    lab.run(0.1);
    const { seq, port } = heard(lab);
    say(lab, [80, port], { flags: "S.", seq: 500, ack: seq + 1 }, 0.2);
    say(lab, [80, port], { flags: "P.", seq: 501, ack: seq + 33, data: 32 }, 0.3);
    lab.run(0.4);
    expect(heard(lab)).toMatchObject({ flags: "F.", seq: (seq + 33) >>> 0 });
    say(lab, [80, port], { flags: "F.", seq: 533, ack: seq + 33 }, 0.5);
    lab.run(0.6);
    expect(heard(lab)).toMatchObject({ flags: ".", ack: 534 });
    say(lab, [80, port], { flags: ".", seq: 534, ack: seq + 34 }, 0.7);
    // The same FIN again within 60 s is acknowledged again; much later nobody knows of it.
    say(lab, [80, port], { flags: "F.", seq: 533, ack: seq + 34 }, 30);
    say(lab, [80, port], { flags: "F.", seq: 533, ack: seq + 34 }, 91);
    lab.run(100);
    expect(
      lab
        .timed("wire/w0")
        .slice(-2)
        .map((line) => line.replace(/10\..* tcp/, "tcp")),
    ).toEqual(["30.000 tcp .", "91.000 tcp R"]);
    expect(lab.live).toBe(0);
  });

  test("in TIME-WAIT a new SYN opens a new connection", () => {
    const lab = faced(build, ["tcp 80"]);
    const open = (seq: number, at: number) => {
      say(lab, [5000, 80], { flags: "S", seq }, at);
      lab.run(at + 0.01);
      return heard(lab);
    };
    const first = open(100, 0);
    say(lab, [5000, 80], { flags: ".", seq: 101, ack: first.seq + 1 }, 0.1);
    say(lab, [5000, 80], { flags: "F.", seq: 101, ack: first.seq + 1 }, 0.2);
    say(lab, [5000, 80], { flags: ".", seq: 102, ack: first.seq + 2 }, 0.3);
    expect(open(9000, 1)).toMatchObject({ flags: "S.", ack: 9001 });
  });

  test("a reset ends a connection at once; one out of its place only asks for confirmation", () => {
    const lab = faced(build, [], { flows: [flow("a", "tcp", "10.0.0.9:80")] });
    lab.run(0.1);
    const { seq, port } = heard(lab);
    say(lab, [80, port], { flags: "S.", seq: 500, ack: seq + 1 }, 0.2);
    say(lab, [80, port], { flags: "R", seq: 600 }, 0.3);
    lab.run(0.35);
    expect(heard(lab)).toMatchObject({ flags: ".", ack: 501 });
    expect(lab.outcome()).toEqual({ sent: 1 });
    say(lab, [80, port], { flags: "R", seq: 501 }, 0.4);
    lab.run(1);
    expect(lab.outcome()).toEqual({ sent: 1, refused: 1 });
    expect(lab.live).toBe(0);
  });

  test("a segment that comes too early waits for the one before it", () => {
    const lab = faced(build, ["tcp 80"]);
    say(lab, [5000, 80], { flags: "S", seq: 100 }, 0);
    lab.run(0.1);
    const { seq } = heard(lab);
    const part = (from: number, text: string, at: number) =>
      say(lab, [5000, 80], { flags: "P.", seq: from, ack: seq + 1, data: text }, at);
    part(107, "third", 0.2);
    part(104, "sec", 0.3);
    part(104, "sec", 0.4);
    part(101, "one", 0.5);
    lab.run(1);
    const answers = lab
      .seen("wire/w0")
      .flatMap(({ frame }) => (frame.tcp?.flags === "." ? [frame.tcp.acknowledgement] : []));
    expect(answers).toEqual([101, 101, 101, 112]);
    const echoed = lab.seen("wire/w0").filter(({ ns, frame }) => ns === 0.5e9 && frame.payload.length > 0);
    expect(echoed.map(({ frame }) => Buffer.from(frame.payload).toString()).join("")).toBe("onesecthird");
  });

  test("data that came before is acknowledged and not taken twice", () => {
    const lab = faced(build, ["tcp 80"]);
    say(lab, [5000, 80], { flags: "S", seq: 100 }, 0);
    lab.run(0.1);
    const { seq } = heard(lab);
    say(lab, [5000, 80], { flags: "P.", seq: 101, ack: seq + 1, data: "hello" }, 0.2);
    say(lab, [5000, 80], { flags: "P.", seq: 101, ack: seq + 1, data: "hello" }, 0.21);
    say(lab, [5000, 80], { flags: "P.", seq: 104, ack: seq + 6, data: "lo world" }, 0.22);
    lab.run(0.3);
    const echoed = lab.seen("wire/w0").filter(({ frame }) => frame.payload.length > 0);
    expect(echoed.map(({ frame }) => Buffer.from(frame.payload).toString())).toEqual(["hello", " world"]);
    expect(lab.drops("a")).toEqual({ TCP_OLD_DATA: 1 });
  });

  test("a server asks after 15 s of silence whether its client is still there, nine times, then resets", () => {
    const lab = faced(build, ["tcp 80"]);
    say(lab, [5000, 80], { flags: "S", seq: 100 }, 0);
    lab.run(0.1);
    const { seq } = heard(lab);
    say(lab, [5000, 80], { flags: ".", seq: 101, ack: seq + 1 }, 0.9);
    // One answer, and the silence begins anew.
    say(lab, [5000, 80], { flags: ".", seq: 101, ack: seq + 1 }, 17);
    lab.run(200);
    const sent = lab.seen("wire/w0").flatMap(({ ns, frame }) => {
      return frame.tcp ? [`${Math.round(ns / 1e9)} ${frame.tcp.flags} ${(frame.tcp.sequence - seq) | 0}`] : [];
    });
    const probes = [16, 32, 47, 62, 77, 92, 107, 122, 137, 152].map((at) => `${at} . 0`);
    expect(sent).toEqual(["0 S. 0", ...probes, "167 R. 1"]);
    expect(lab.live).toBe(0);
  });

  test("a flow's time-out ends the request, not the connection's own rules", () => {
    const lab = faced(build, [], { flows: [flow("a", "tcp", "10.0.0.9:80", { timeoutNs: 2.5e9 })] });
    lab.run(60);
    expect(lab.timed("wire/w0").map((line) => line.split(" ")[0])).toEqual(["0.000", "1.000", "2.000"]);
    expect(lab.outcome()).toEqual({ sent: 1, timedOut: 1 });
    expect(lab.live).toBe(0);
  });
});
