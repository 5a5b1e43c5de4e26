// Programs of the host: what their sockets hear, at the moment at which it happens.
import { describe, expect, test } from "vitest";
import { Programs, type Mail } from "../../src/kernel/programs.ts";
import { BUILDS, Lab } from "./lab.ts";
import type { MachineWords } from "./network.ts";

const PAIR: MachineWords = {
  namespaces: {
    a: { addresses: { eth0: "10.0.0.1/24" } },
    b: { addresses: { eth0: "10.0.0.2/24" }, listen: ["udp 7", "tcp 80 response 20000"] },
  },
  veths: ["a/eth0 b/eth0"],
};
const B = 0x0a000002;
const NOBODY = 0x0a000063;

describe.each(BUILDS)("in the %s build", (build) => {
  const open = () => {
    const lab = new Lab(build, PAIR);
    const programs = new Programs(lab.kernel);
    return { lab, programs, a: lab.namespace("a") };
  };
  const kinds = (mails: Mail[]) => mails.map(({ kind, number }) => `${kind} ${number}`);

  test("a datagram's answer is mail with the whole packet, and the clock stands at its moment", () => {
    const { programs, a } = open();
    const socket = programs.open(a, B, 7, 5) ?? 0;
    expect(programs.send(socket, B, 7, Buffer.from("hello"))).toBe(true);
    const [mail] = programs.run(1e9);
    expect(mail).toMatchObject({ kind: "packet", number: 5, atNs: 0, length: 33 });
    expect(Buffer.from(mail?.bytes.subarray(28) ?? []).toString()).toBe("hello");
    expect(programs.run(2e9)).toEqual([]);
  });

  test("a port that nobody listens on is an ICMP error to the socket that asked", () => {
    const { programs, a } = open();
    programs.send(programs.open(a, B, 9, 6) ?? 0, B, 9, Buffer.from("x"));
    const [mail] = programs.run(1e9);
    expect(mail?.kind).toBe("error");
    expect([...(mail?.bytes.subarray(20, 22) ?? [])]).toEqual([3, 3]);
  });

  test("a connection tells that it is open, what comes, and that the other side is done", () => {
    const { programs, a } = open();
    const connection = programs.connect(a, B, 80, 7);
    if (!connection) throw new Error("no connection");
    expect(kinds(programs.run(1e9))).toEqual(["connected 7"]);
    programs.write(connection, Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    let bytes = 0;
    for (let mails = programs.run(2e9); mails.length > 0; mails = programs.run(2e9))
      for (const mail of mails) bytes += mail.kind === "data" ? mail.length : 0;
    expect(bytes).toBeGreaterThanOrEqual(20000);
    programs.close(connection);
    expect(programs.run(200e9)).toEqual([]);
    // Its record may be another's by now: closing once more touches nothing.
    programs.close(connection);
  });

  test("a connection that is refused, or that nobody answers, says so", () => {
    const { programs, a } = open();
    programs.connect(a, B, 81, 8);
    expect(kinds(programs.run(1e9))).toEqual(["refused 8"]);
    programs.connect(a, NOBODY, 80, 9);
    // Nobody answers ARP: the host tells itself.
    expect(kinds(programs.run(200e9))).toEqual(["error 9", "refused 9"]);
  });

  test("the way to an address has device, next hop, source and MTU; there may be none", () => {
    const { lab, programs, a } = open();
    expect(programs.way(a, B)).toEqual({
      local: false,
      device: lab.device("a/eth0"),
      nextHop: B,
      source: 0x0a000001,
      mtu: 1500,
    });
    expect(programs.way(a, 0x0a000001)).toMatchObject({ local: true, source: 0x0a000001 });
    expect(programs.way(a, 0x01020304)).toBeUndefined();
  });
});
