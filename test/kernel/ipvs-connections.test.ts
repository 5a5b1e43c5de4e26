// The life of ip_vs's connections: states of TCP, times, servers that go and come back, affinity, and the entries of conntrack.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tcp } from "./craft.ts";
import { CLIENT, Director, targets, VIRTUAL } from "./director.ts";
import { BUILDS } from "./lab.ts";

const [A, B] = ["10.9.0.1:8080", "10.9.0.2:8080"] as const;

/** Seconds that a connection lives in a state after a packet (ip_vs_proto_tcp.c). */
const SECONDS: Record<string, number> = {
  ESTABLISHED: 900,
  SYN_SENT: 120,
  SYN_RECV: 60,
  FIN_WAIT: 120,
  TIME_WAIT: 120,
  CLOSE: 10,
  CLOSE_WAIT: 60,
};

/** What follows on a segment in a state: by sender and flag; `=` stays. */
const AFTER: Record<string, Record<string, string>> = {
  "client S": { ESTABLISHED: "=", SYN_SENT: "ESTABLISHED", else: "SYN_RECV" },
  "client F": {
    ESTABLISHED: "CLOSE_WAIT",
    SYN_RECV: "TIME_WAIT",
    FIN_WAIT: "TIME_WAIT",
    else: "=",
  },
  "client .": { SYN_RECV: "ESTABLISHED", else: "=" },
  "client R": { SYN_RECV: "=", else: "CLOSE" },
  "server S": { ESTABLISHED: "=", SYN_RECV: "=", else: "SYN_SENT" },
  "server F": { ESTABLISHED: "FIN_WAIT", SYN_RECV: "TIME_WAIT", CLOSE_WAIT: "TIME_WAIT", else: "=" },
  "server .": { SYN_RECV: "ESTABLISHED", else: "=" },
  "server R": { SYN_SENT: "=", TIME_WAIT: "=", else: "CLOSE" },
};

/** A segment with several flags counts by the first of these; one with none of them closes. */
function after(state: string, sender: string, flags: string): string {
  const flag = ["R", "S", "F", "."].find((one) => flags.includes(one));
  if (flag === undefined) return "CLOSE";
  const row = AFTER[`${sender} ${flag}`] ?? {};
  const next = row[state] ?? row["else"] ?? "=";
  return next === "=" ? state : next;
}

function resetOutOfWindow(): Uint8Array {
  return tcp({ from: CLIENT, to: VIRTUAL }, [40000, 80], { flags: "R", seq: 0x40000000 });
}

function lastHop(): Uint8Array {
  return tcp({ from: CLIENT, to: VIRTUAL, ttl: 1 }, [40001, 80], { flags: "S", seq: 1 });
}

const SEGMENTS = ["S", "S.", "F.", ".", "P.", "R", "R.", "P", "FS", "F"];

describe.each(BUILDS)("in the %s build", (build) => {
  const balancing = (
    words: ConstructorParameters<typeof Director>[1] = {},
    service = {},
    servers: readonly string[] = [A, B],
  ) => {
    const director = new Director(build, words);
    const handle = director.service(service);
    for (const place of servers) director.server(handle, place);
    return { director, handle };
  };

  test("a connection's state, its time and what it counts for its server follow every segment", () => {
    const director = new Director(build);
    const service = director.service();
    director.server(service, A);
    let port = 1000;
    const segment = fc.record({ sender: fc.constantFrom("client", "server"), flags: fc.constantFrom(...SEGMENTS) });
    const run = (script: { sender: string; flags: string }[]): void => {
      port += 1;
      director.giveClient("S", port);
      let state = "SYN_RECV";
      for (const { sender, flags } of script) {
        // A SYN that comes when it is over begins a connection anew; that has tests of its own.
        if (sender === "client" && flags.includes("S") && ["TIME_WAIT", "CLOSE"].includes(state)) return;
        if (sender === "client") director.giveClient(flags, port);
        else director.giveServer(flags, A, port);
        state = after(state, sender, flags);
        const known = director.connections().find((one) => one.port === port);
        expect(known).toMatchObject({ state, seconds: SECONDS[state] });
      }
    };
    fc.assert(fc.property(fc.array(segment, { maxLength: 6 }), run), { numRuns: 60, seed: 3 });
    const all = director.connections();
    const established = all.filter(({ state }) => state === "ESTABLISHED").length;
    expect(all[0]).toMatchObject({ active: established, inactive: all.length - established });
  });

  test.each([
    ["SYN_RECV", 60, []],
    ["ESTABLISHED", 900, ["server S.", "client ."]],
    ["CLOSE_WAIT", 60, ["server S.", "client .", "client F."]],
    ["FIN_WAIT", 120, ["server S.", "client .", "server F."]],
    ["TIME_WAIT", 120, ["server S.", "client .", "client F.", "server F."]],
    ["CLOSE", 10, ["server S.", "client .", "server R"]],
  ])("in %s it lasts %i s, and takes its entry of conntrack with it", (state, seconds, script) => {
    const { director } = balancing();
    director.fromClient("S");
    for (const step of script) {
      const [sender, flags = ""] = step.split(" ");
      if (sender === "client") director.fromClient(flags);
      else director.fromServer(flags, B);
    }
    expect(director.connections()).toMatchObject([{ state }]);
    director.wait(seconds - 0.01);
    expect(director.connections()).toHaveLength(1);
    director.wait(0.02);
    expect(director.connections()).toEqual([]);
    expect(director.lab.connections("r")).toBe(0);
  });

  test("an old connection, too, is over so long after the segment that ended it", () => {
    const { director } = balancing();
    director.fromClient("S");
    director.fromServer("S.", B);
    director.fromClient(".");
    director.wait(500);
    director.fromServer("F.", B);
    director.fromClient("F.");
    director.wait(119);
    expect(director.connections()).toMatchObject([{ state: "TIME_WAIT" }]);
    director.wait(2);
    expect(director.connections()).toEqual([]);
  });

  test("an idle connection is forgotten after 15 minutes, and the host resets what comes then", () => {
    const { director } = balancing();
    director.fromClient("S");
    director.fromServer("S.", B);
    director.fromClient(".");
    director.wait(899);
    expect(targets(director.fromClient("P."))).toEqual([B]);
    director.wait(901);
    const [reset] = director.fromClient("P.");
    expect(reset).toMatchObject({ from: `${VIRTUAL}:80`, to: `${CLIENT}:40000`, frame: { tcp: { flags: "R" } } });
  });

  test("datagrams keep a connection for 300 s, either side's", () => {
    const { director } = balancing({}, { protocol: "udp" });
    expect(targets(director.datagram())).toEqual([B]);
    director.wait(299);
    expect(director.datagramBack(B)).toMatchObject([{ from: `${VIRTUAL}:80`, to: `${CLIENT}:40000` }]);
    director.wait(299);
    expect(director.connections()).toMatchObject([{ seconds: 300, inactive: 1, active: 0 }]);
    expect(targets(director.datagram())).toEqual([B]);
    director.wait(300.01);
    expect(director.connections()).toEqual([]);
  });

  test("a server's datagram after its entry of conntrack is over still goes out as the service's, and the client's answer finds it", () => {
    const { director } = balancing({}, { protocol: "udp" });
    director.datagram();
    director.wait(200);
    expect(director.datagramBack(B)).toMatchObject([{ from: `${VIRTUAL}:80`, to: `${CLIENT}:40000` }]);
    expect(targets(director.datagram())).toEqual([B]);
    expect(director.lab.connections("r")).toBe(1);
  });

  test("a server without weight keeps its connections, and gets no new one", () => {
    const { director, handle } = balancing();
    director.fromClient("S", 1);
    director.fromClient(".", 1);
    director.server(handle, B, 0);
    expect(targets(director.fromClient("P.", 1))).toEqual([B]);
    expect([2, 3, 4].flatMap((port) => targets(director.fromClient("S", port)))).toEqual([A, A, A]);
    director.server(handle, B, 1);
    expect([5, 6].flatMap((port) => targets(director.fromClient("S", port)))).toEqual([B, A]);
  });

  test("a SYN of a connection whose server has no weight is lost with it, and the next one finds another server", () => {
    const { director, handle } = balancing();
    director.fromClient("S");
    director.server(handle, B, 0);
    expect(director.fromClient("S")).toEqual([]);
    expect(director.connections()).toEqual([]);
    expect(director.lab.connections("r")).toBe(0);
    expect(targets(director.fromClient("S"))).toEqual([A]);
  });

  test("no server with weight: ICMP port unreachable in the service's name", () => {
    const { director, handle } = balancing();
    for (const place of [A, B]) director.server(handle, place, 0);
    const told = director.fromClient("S");
    expect(told).toMatchObject([{ to: CLIENT, frame: { icmp: { type: 3, code: 3 } } }]);
    expect(told[0]?.frame.icmp?.quoted?.ipv4?.destination).toBe(VIRTUAL);
    expect(director.connections()).toEqual([]);
  });

  describe("a server that leaves", () => {
    test("goes at once without connections, else when a look finds the last one over", () => {
      const { director, handle } = balancing();
      director.fromClient("S", 1);
      director.fromClient(".", 1);
      director.leave(handle, A);
      director.leave(handle, B);
      expect(director.reap()).toBe(1);
      expect(director.fromClient("S", 2)).toMatchObject([{ frame: { icmp: { type: 3, code: 3 } } }]);
      expect(targets(director.fromClient("P.", 1))).toEqual([B]);
      director.fromClient("R", 1);
      expect(director.reap()).toBe(1);
      director.wait(10.1);
      expect(director.reap()).toBe(0);
    });

    test("and comes back has its connections still, and stands first again", () => {
      const { director, handle } = balancing();
      director.fromClient("S", 1);
      expect(targets(director.fromClient("S", 2))).toEqual([A]);
      director.leave(handle, A);
      director.server(handle, A);
      director.wait(1);
      expect(director.connections()).toMatchObject([{ server: B }, { server: A, inactive: 1 }]);
      expect(targets(director.fromClient(".", 2))).toEqual([A]);
      // rr's turn was A's; without it the list begins anew, and A is at its head.
      expect([3, 4].flatMap((port) => targets(director.fromClient("S", port)))).toEqual([A, B]);
      expect(director.reap()).toBe(0);
    });
  });

  describe("a server that is deleted", () => {
    test("has its connections forgotten within 4 ms, with their entries of conntrack", () => {
      const { director, handle } = balancing({}, { protocol: "udp" });
      expect(targets(director.datagram(1))).toEqual([B]);
      expect(targets(director.datagram(2))).toEqual([A]);
      director.leave(handle, B);
      director.wait(0.0041);
      expect(director.connections()).toMatchObject([{ port: 2 }]);
      expect(director.lab.connections("r")).toBe(1);
      expect(targets(director.datagram(1))).toEqual([A]);
    });

    test("loses a datagram that comes before, as conntrack still leads to it; the next one finds another", () => {
      const { director, handle } = balancing({}, { protocol: "udp" });
      expect(targets(director.datagram())).toEqual([B]);
      director.leave(handle, B);
      expect(director.datagram()).toEqual([]);
      expect(targets(director.datagram())).toEqual([A]);
    });

    test("and added again before that keeps them", () => {
      const { director, handle } = balancing({}, { protocol: "udp" });
      expect(targets(director.datagram())).toEqual([B]);
      director.leave(handle, B);
      director.server(handle, B);
      director.wait(1);
      expect(targets(director.datagram())).toEqual([B]);
    });

    test("with its service: connections are over, and the host answers itself", () => {
      const { director, handle } = balancing();
      director.fromClient("S");
      director.fromClient(".");
      director.remove(handle);
      director.wait(0.0041);
      expect(director.connections()).toEqual([]);
      expect(director.fromClient("P.")).toMatchObject([{ from: `${VIRTUAL}:80`, frame: { tcp: { flags: "R" } } }]);
    });
  });

  describe("a SYN where a connection was", () => {
    const over = (words = {}): Director => {
      const { director } = balancing(words);
      director.fromClient("S");
      director.fromServer("S.", B);
      director.fromClient(".");
      return director;
    };

    test("goes to its server while that is established", () => {
      const director = over();
      expect(targets(director.fromClient("S"))).toEqual([B]);
    });

    test("begins a new one when it is over for conntrack, too", () => {
      const director = over();
      director.fromServer("F.", B);
      director.fromClient("F.");
      director.fromServer(".", B);
      expect(director.connections()).toMatchObject([{ state: "TIME_WAIT" }]);
      expect(targets(director.fromClient("S"))).toEqual([A]);
      expect(director.connections()).toMatchObject([{ state: "SYN_RECV", server: A }]);
    });

    test("is lost once when conntrack still has it as open", () => {
      const director = over();
      // ip_vs believes a reset from anywhere; to conntrack this one is out of the window.
      director.packet("left", resetOutOfWindow());
      expect(director.connections()).toMatchObject([{ state: "CLOSE" }]);
      expect(director.fromClient("S")).toEqual([]);
      expect(director.connections()).toEqual([]);
      expect(targets(director.fromClient("S"))).toEqual([A]);
    });
  });

  describe("with affinity", () => {
    test("a client keeps its server for all its connections, another client gets the next", () => {
      const { director } = balancing({}, { persistent: 30 });
      expect([1, 2, 3].flatMap((port) => targets(director.fromClient("S", port)))).toEqual([B, B, B]);
      const other = { from: "10.1.0.7" };
      expect([1, 2].flatMap((port) => targets(director.fromClient("S", port, other)))).toEqual([A, A]);
      expect(director.connections().filter(({ isTemplate }) => isTemplate)).toMatchObject([
        { server: expect.any(String), seconds: 30, port: 0 },
        { seconds: 30, port: 0 },
      ]);
    });

    test("it is over so long after the last new connection", () => {
      const { director } = balancing({}, { persistent: 100 });
      director.fromClient("S", 1);
      director.fromClient("R", 1);
      director.wait(60);
      expect(targets(director.fromClient("S", 2))).toEqual([B]);
      director.wait(99);
      expect(director.connections()).toMatchObject([{ isTemplate: true }]);
      director.wait(1.1);
      expect(director.connections()).toEqual([]);
      expect(targets(director.fromClient("S", 3))).toEqual([A]);
    });

    test("it lasts as long as a connection, looked for each minute, and from then on a minute", () => {
      const { director } = balancing({}, { persistent: 5 });
      director.fromClient("S", 1);
      director.fromClient(".", 1);
      director.wait(64);
      const templates = () => director.connections().filter(({ isTemplate }) => isTemplate);
      expect(templates()).toMatchObject([{ seconds: 60 }]);
      expect(targets(director.fromClient("S", 2))).toEqual([B]);
      for (const port of [1, 2]) director.fromServer("R.", B, port);
      director.wait(59);
      expect(templates()).toHaveLength(1);
      director.wait(2);
      expect(templates()).toEqual([]);
    });

    test("a server without weight, or deleted, loses its clients to another", () => {
      const { director, handle } = balancing({}, { persistent: 30 });
      expect(targets(director.fromClient("S", 1))).toEqual([B]);
      director.server(handle, B, 0);
      expect(targets(director.fromClient("S", 2))).toEqual([A]);
      director.server(handle, B, 1);
      expect(targets(director.fromClient("S", 3))).toEqual([A]);
      director.leave(handle, A);
      expect(targets(director.fromClient("S", 4))).toEqual([B]);
    });

    test("a SYN where a connection was goes to the same server, over or not", () => {
      const { director } = balancing({}, { persistent: 30 });
      director.fromClient("S");
      director.fromServer("R.", B);
      expect(targets(director.fromClient("S"))).toEqual([B]);
    });

    test("the last connection of a deleted server takes its template along", () => {
      const { director, handle } = balancing({}, { persistent: 30, protocol: "udp" });
      director.datagram();
      expect(director.connections()).toHaveLength(2);
      director.leave(handle, B);
      director.wait(0.0041);
      expect(director.connections()).toEqual([]);
    });
  });

  test("who calls from FTP's data port is given to no server", () => {
    const { director } = balancing();
    expect(director.fromClient("S", 20)).toMatchObject([{ from: `${VIRTUAL}:80`, frame: { tcp: { flags: "R." } } }]);
    expect(targets(director.fromClient("S", 21))).toEqual([B]);
  });

  test("a segment without a connection is none for a server, unless it is a SYN", () => {
    const { director } = balancing();
    for (const flags of [".", "P.", "F."])
      expect(director.fromClient(flags)).toMatchObject([{ frame: { tcp: { flags: "R" } } }]);
    expect(director.fromClient("R")).toEqual([]);
    expect(director.connections()).toEqual([]);
    expect(targets(director.fromClient("S."))).toEqual([B]);
  });

  test("a packet loses one hop on its way to a server, and one with none left is told so", () => {
    const { director } = balancing();
    expect(director.fromClient("S").map(({ ttl }) => ttl)).toEqual([63]);
    expect(director.packet("left", lastHop())).toMatchObject([{ frame: { icmp: { type: 11, code: 0 } } }]);
  });
});
