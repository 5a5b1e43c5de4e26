// ICMP errors about ip_vs's connections, translated both ways, as literal bytes; and the match -m ipvs.
import { describe, expect, test } from "vitest";
import { judge, testWithTshark } from "../tools/tshark.ts";
import { Director, numberOf, targets, VIRTUAL, type DirectorWords, type ServiceWords } from "./director.ts";
import { BUILDS, type Build } from "./lab.ts";

const SERVER = "10.9.0.1:8080";

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/[0-9a-f]{2}/g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function hex(data: Uint8Array): string {
  const digits = [...data].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.match(/.{1,4}/g)?.join(" ") ?? "";
}

/** The IP packets that the host sent, without their Ethernet headers. */
function packets(sent: readonly { side: string; bytes: Uint8Array }[]): string[] {
  return sent.map(({ side, bytes }) => `${side} ${hex(bytes.subarray(14))}`);
}

function balancing(build: Build, service: ServiceWords = {}, words: DirectorWords = {}): Director {
  const director = new Director(build, words);
  director.server(director.service(service), SERVER);
  return director;
}

/** From router 10.9.0.254: host unreachable, about a segment 10.0.1.1:40000 > 10.9.0.1:8080 of which it quotes eight bytes. */
const UNREACHABLE =
  "4500 0038 0007 0000 3f01 65b7 0a09 00fe 0a00 0101 0301 3d46 0000 0000 " +
  "4500 0028 0001 0000 3e06 67c5 0a00 0101 0a09 0001 9c40 1f90 0000 03e8";
/** From the same: fragmentation needed, MTU 1400, about a whole datagram without checksum. */
const TOO_LONG =
  "4500 003f 0007 0000 3f01 65b0 0a09 00fe 0a00 0101 0304 7e55 0000 0578 " +
  "4500 0023 0001 0000 3e11 67bf 0a00 0101 0a09 0001 9c40 1f90 000f 0000 7265 7175 6573 74";
/** From the client: port unreachable, about the service's datagram 10.96.0.1:80 > 10.0.1.1:40000. */
const NO_PORT =
  "4500 003e 0009 0000 4001 6555 0a00 0101 0a60 0001 0303 2606 0000 0000 " +
  "4500 0022 0001 0000 3c11 6969 0a60 0001 0a00 0101 0050 9c40 000e 0000 616e 7377 6572";
/** The same to the server, about 10.9.0.1:8080 > 10.0.1.1:40000, one hop later. */
const NO_PORT_OF_SERVER =
  "4500 003e 0009 0000 3f01 66ac 0a00 0101 0a09 0001 0303 06c6 0000 0000 " +
  "4500 0022 0001 0000 3c11 69c0 0a09 0001 0a00 0101 1f90 9c40 000e 0000 616e 7377 6572";

describe.each(BUILDS)("in the %s build", (build) => {
  test("an error about a segment to the server reaches the client in the service's name, about one to the service", () => {
    const director = balancing(build);
    director.fromClient("S");
    expect(packets(director.packet("right", bytes(UNREACHABLE)))).toEqual([
      "left 4500 0038 0007 0000 3e01 675d 0a60 0001 0a00 0101 0301 5c86 0000 0000 " +
        "4500 0028 0001 0000 3e06 676e 0a00 0101 0a60 0001 9c40 0050 0000 03e8",
    ]);
  });

  test("fragmentation needed keeps its MTU and what it quotes of the data", () => {
    const director = balancing(build, { protocol: "udp" });
    director.datagram();
    expect(packets(director.packet("right", bytes(TOO_LONG)))).toEqual([
      "left 4500 003f 0007 0000 3e01 6756 0a60 0001 0a00 0101 0304 9d95 0000 0578 " +
        "4500 0023 0001 0000 3e11 6768 0a00 0101 0a60 0001 9c40 0050 000f 0000 7265 7175 6573 74",
    ]);
  });

  test("a client's error about an answer reaches the server, about the server's datagram", () => {
    const director = balancing(build, { protocol: "udp" });
    director.datagram();
    director.datagramBack(SERVER);
    expect(packets(director.packet("left", bytes(NO_PORT)))).toEqual([`right ${NO_PORT_OF_SERVER}`]);
  });

  test("it does so, too, where the host has not the service's address and would forward it", () => {
    const director = balancing(build, { protocol: "udp" }, { routes: ["10.96.0.0/16 via 10.0.2.1"] });
    director.datagram();
    director.datagramBack(SERVER);
    const { kernel } = director.lab;
    kernel.calls.removeAddress(director.lab.namespace("r"), director.lab.device("r/left"), numberOf(VIRTUAL));
    // Forwarding has taken a hop, ip_vs takes another one.
    const lessOne = NO_PORT_OF_SERVER.replace("3f01 66ac", "3e01 67ac");
    expect(packets(director.packet("left", bytes(NO_PORT)))).toEqual([`right ${lessOne}`]);
  });

  test("an error with a wrong checksum reaches neither", () => {
    const director = balancing(build, { protocol: "udp" });
    director.datagram();
    director.datagramBack(SERVER);
    director.lab.badChecksumsAllowed = true;
    const spoilt = (text: string): Uint8Array => {
      const packet = bytes(text);
      packet[packet.length - 1]! ^= 1;
      return packet;
    };
    expect(director.packet("left", spoilt(NO_PORT))).toEqual([]);
    expect(director.packet("right", spoilt(TOO_LONG))).toEqual([]);
  });

  test("an error about a connection that ip_vs does not know goes on as it is", () => {
    const director = balancing(build);
    const [passed] = director.packet("right", bytes(UNREACHABLE));
    expect(passed).toMatchObject({ side: "left", from: "10.9.0.254", to: "10.0.1.1" });
    expect(passed?.frame.icmp?.quoted?.ipv4?.destination).toBe("10.9.0.1");
  });

  testWithTshark("tshark finds every checksum right in what was translated, errors, segments and datagrams", () => {
    const director = balancing(build, { protocol: "udp" });
    director.server(director.service(), SERVER);
    director.datagram();
    director.datagramBack(SERVER);
    director.fromClient("S");
    director.fromServer("S.", SERVER);
    director.fromClient(".");
    for (const error of [UNREACHABLE, TOO_LONG]) director.packet("right", bytes(error));
    director.packet("left", bytes(NO_PORT));
    const { frames, badChecksums, errors } = judge(director.lab.capture);
    expect(frames).toBeGreaterThan(15);
    expect({ badChecksums, errors }).toEqual({ badChecksums: [], errors: [] });
  });

  describe("-m ipvs", () => {
    const matched = (match: string, service: ServiceWords = {}): number => {
      const rules = `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -m ipvs ${match}\nCOMMIT\n`;
      const director = balancing(build, service, { rules });
      director.fromClient("S");
      director.fromClient("R", 40001);
      expect(targets(director.sent())).toEqual([SERVER]);
      return director.lab.counters("r")["filter OUTPUT 0"] ?? 0;
    };

    test.each([
      ["--ipvs", 1],
      ["! --ipvs", 0],
      ["--vproto 6", 1],
      ["--vproto 17", 0],
      ["! --vproto 17", 1],
      ["--vaddr 10.96.0.1", 1],
      ["--vaddr 10.96.0.0/24", 1],
      ["--vaddr 10.96.1.0/24", 0],
      ["! --vaddr 10.96.1.0/24", 1],
      ["--vport 80", 1],
      ["--vport 8080", 0],
      ["! --vport 80", 0],
      ["--vproto 6 --vaddr 10.96.0.1 --vport 80", 1],
      ["--vproto 6 --vaddr 10.96.0.1 --vport 81", 0],
    ])("%s is met by %i of the packets to a server", (match, count) => {
      expect(matched(match)).toBe(count);
    });

    test("asks of a packet of no connection whatever is asked in vain", () => {
      const rules = `*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m ipvs ! --ipvs\n-A INPUT -m ipvs ! --vport 81\nCOMMIT\n`;
      const director = balancing(build, {}, { rules });
      director.fromClient("S");
      expect(director.lab.counters("r")).toMatchObject({ "filter INPUT 0": 1 });
      expect(director.lab.counters("r")["filter INPUT 1"]).toBeUndefined();
    });
  });
});
