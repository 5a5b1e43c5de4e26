// ip_vs's schedulers, each held against a plain one: which real server a new connection is given to.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SCHEDULERS, type Scheduler } from "../../src/seam/ipvs.ts";
import { clientSegment, CLIENT, Director, numberOf, targets, VIRTUALS } from "./director.ts";
import { REFERENCES, sipHash13, type Server } from "./ipvs-reference.ts";
import { BUILDS } from "./lab.ts";

/** A new connection, the establishing of one, or its reset. */
type Step = "new" | { establish: number } | { reset: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constant("new" as const) },
    { weight: 2, arbitrary: fc.record({ establish: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ reset: fc.nat() }) },
  ),
  { minLength: 1, maxLength: 40 },
);

/** With those that deal buckets a server without weight is a matter of its own. */
const BY_BUCKETS: Scheduler[] = ["sh", "dh", "mh"];

/** The servers of the reference in the kernel's order: the last one that was added is first. */
function serversOf(weights: readonly number[]): Server[] {
  return weights
    .map((weight, i) => ({
      name: `10.9.0.${i + 1}:8080`,
      address: numberOf(`10.9.0.${i + 1}`),
      port: 8080,
      weight,
      active: 0,
      inactive: 0,
    }))
    .reverse();
}

interface Connection {
  from: string;
  port: number;
  server: Server;
  state: "new" | "established" | "reset";
}

function move({ server, state }: Connection, to: Connection["state"]): void {
  server[state === "established" ? "active" : "inactive"] -= 1;
  server[to === "established" ? "active" : "inactive"] += 1;
}

describe.each(BUILDS)("in the %s build", (build) => {
  test.each(Object.keys(REFERENCES) as Scheduler[])(
    "%s gives connections to the servers that the plain one does",
    (scheduler) => {
      const director = new Director(build);
      let ports = 0;
      const run = (weights: number[], clients: number[], script: Step[]): void => {
        ports += 1;
        const virtual = VIRTUALS[ports % VIRTUALS.length] ?? "";
        // A service that gets its scheduler when it has its servers, so that none has a past.
        const words = { address: virtual, port: ports };
        const service = director.service({ ...words, scheduler: scheduler === "rr" ? "lc" : "rr" });
        const servers = serversOf(weights);
        for (const { name, weight } of [...servers].reverse()) director.server(service, name, weight);
        director.service({ ...words, scheduler });
        const choose = REFERENCES[scheduler]?.() ?? (() => undefined);
        const connections: Connection[] = [];
        const expected: string[] = [];
        const before = director.sent().length;
        const send = (flags: string, { from, port }: Pick<Connection, "from" | "port">): void => {
          director.give("left", clientSegment(flags, [port, ports], { from, to: virtual }));
        };
        script.forEach((step, i) => {
          if (step === "new") {
            const from = `10.1.0.${clients[i % clients.length] ?? 0}`;
            const at = { from, port: 1024 + i };
            const client = { address: numberOf(from), port: at.port, virtual: numberOf(virtual) };
            const server = choose(servers, client);
            send("S", at);
            expected.push(server?.name ?? from);
            if (!server) return;
            server.inactive += 1;
            connections.push({ ...at, server, state: "new" });
            return;
          }
          const establishes = "establish" in step;
          const wanted = connections.filter(({ state }) => state === (establishes ? "new" : "established"));
          const connection = wanted[(establishes ? step.establish : step.reset) % wanted.length];
          if (!connection) return;
          send(establishes ? "." : "R", connection);
          expected.push(connection.server.name);
          const state = establishes ? "established" : "reset";
          move(connection, state);
          connection.state = state;
        });
        // Who is not given to a server is told so by ICMP.
        const went = targets(director.sent().slice(before)).map((to) => to.replace(/^(10\.1\..*?)(:.*)?$/, "$1"));
        expect(went).toEqual(expected);
      };
      const weight = fc.integer({ min: BY_BUCKETS.includes(scheduler) ? 1 : 0, max: 4 });
      const clients = fc.array(fc.integer({ min: 1, max: 254 }), { minLength: 1, maxLength: 8 });
      const runs = { numRuns: scheduler === "mh" ? 8 : 25, seed: 7 };
      fc.assert(fc.property(fc.array(weight, { minLength: 1, maxLength: 5 }), clients, steps, run), runs);
    },
  );

  test("every scheduler that is not random stands in the reference", () => {
    expect([...Object.keys(REFERENCES), "twos"].sort()).toEqual([...SCHEDULERS].sort());
  });

  test("twos gives more to the server with less to do, and draws again for each connection", () => {
    const director = new Director(build);
    const service = director.service({ scheduler: "twos" });
    director.server(service, "10.9.0.1:80", 1);
    director.server(service, "10.9.0.2:80", 3);
    director.server(service, "10.9.0.3:80", 0);
    for (let i = 0; i < 200; i++)
      director.give("left", clientSegment("S", [1024 + i, 80], { from: CLIENT, to: "10.96.0.1" }));
    const counts = [1, 2, 3].map((i) => targets(director.sent()).filter((to) => to === `10.9.0.${i}:80`).length);
    expect(counts[0]! + counts[1]!).toBe(200);
    // In the end each has as much to do as its weight says.
    expect(counts[0]).toBeGreaterThan(45);
    expect(counts[0]).toBeLessThan(55);
    expect(counts[2]).toBe(0);
  });

  test("rr goes on behind the server that was removed", () => {
    const director = new Director(build);
    const service = director.service({ protocol: "udp" });
    for (const i of [1, 2, 3, 4]) director.server(service, `10.9.0.${i}:80`);
    const next = (port: number): string => targets(director.datagram(port))[0] ?? "";
    expect([next(1), next(2)]).toEqual(["10.9.0.4:80", "10.9.0.3:80"]);
    director.leave(service, "10.9.0.3:80");
    expect([next(3), next(4), next(5), next(6)]).toEqual(["10.9.0.2:80", "10.9.0.1:80", "10.9.0.4:80", "10.9.0.2:80"]);
  });

  test("a service that is changed keeps rr's turn, unless it gets another scheduler", () => {
    const director = new Director(build);
    const service = director.service();
    for (const i of [1, 2, 3]) director.server(service, `10.9.0.${i}:80`);
    const next = (port: number): string => targets(director.fromClient("S", port))[0] ?? "";
    expect([next(1), next(2)]).toEqual(["10.9.0.3:80", "10.9.0.2:80"]);
    director.service({ scheduler: "rr" });
    expect(next(3)).toBe("10.9.0.1:80");
    director.service({ scheduler: "wrr" });
    expect(next(4)).toBe("10.9.0.3:80");
  });

  test("wrr goes on with the weight that it asked for when a heavier server comes", () => {
    const director = new Director(build);
    const service = director.service({ scheduler: "wrr" });
    director.server(service, "10.9.0.1:80", 1);
    director.server(service, "10.9.0.2:80", 2);
    const next = (port: number): string => targets(director.fromClient("S", port))[0] ?? "";
    const places = Array.from({ length: 8 }, (_, i) => next(i + 1).slice(7, 8)).join("");
    expect(places).toBe("21221221");
  });

  test.each(["sh", "mh"] as const)(
    "%s leaves clients of a server without weight without one, as its buckets stay its own",
    (scheduler) => {
      const director = new Director(build);
      const service = director.service({ scheduler });
      for (const i of [1, 2]) director.server(service, `10.9.0.${i}:80`);
      const place = (port: number, from: string): string => targets(director.fromClient("S", port, { from }))[0] ?? "";
      const clients = Array.from({ length: 12 }, (_, i) => `10.1.0.${i + 1}`);
      const before = clients.map((from) => place(1000, from));
      expect(new Set(before)).toEqual(new Set(["10.9.0.1:80", "10.9.0.2:80"]));
      director.server(service, "10.9.0.1:80", 0);
      // The first SYN finds the connection whose server has no weight any more, and is lost with it.
      for (const from of clients) director.fromClient("S", 1000, { from });
      const after = clients.map((from) => place(1000, from));
      expect(after).toEqual(before.map((to, i) => (to === "10.9.0.1:80" ? clients[i] : to)));
    },
  );

  test("mh moves few clients when a server goes: those of the others stay", () => {
    const director = new Director(build);
    const service = director.service({ scheduler: "mh", protocol: "udp" });
    for (const i of [1, 2, 3, 4]) director.server(service, `10.9.0.${i}:80`);
    const placesOf = (): string[] =>
      Array.from({ length: 60 }, (_, i) => targets(director.datagram(2000 + i))[0] ?? "");
    const before = placesOf();
    director.wait(400);
    director.leave(service, "10.9.0.4:80");
    const after = placesOf();
    const stayed = before.filter((to, i) => to === after[i] && to !== "10.9.0.4:80").length;
    expect(after).not.toContain("10.9.0.4:80");
    const others = before.filter((to) => to !== "10.9.0.4:80").length;
    expect(stayed).toBeGreaterThan(others * 0.8);
  });
});

test("the reference's SipHash-1-3 is that of its published vectors, whose key is a counter", () => {
  const key = [0x0706050403020100n, 0x0f0e0d0c0b0a0908n] as const;
  expect(sipHash13([], key)).toBe(0x050fc4dc);
  expect(sipHash13([0, 1, 2, 3], key)).toBe(0x88d38328);
});
