// The cluster's DNS server, asked over the network: what is there, what is not, and what a client makes of it.
import { describe, expect, test } from "vitest";
import { ethernet, udp } from "../kernel/craft.ts";
import { BUILDS, Lab, type Build } from "../kernel/lab.ts";
import { flow } from "../kernel/network.ts";
import { wireName } from "../../src/engine/zone.ts";
import type { Dns } from "../tools/dns.ts";
import { ZONE } from "./plans.ts";

const TYPES = { A: 1, CNAME: 5, PTR: 12, AAAA: 28, SRV: 33 };
const PAIR = {
  namespaces: {
    a: { addresses: { eth0: "10.0.0.1/24" }, neighbours: ["eth0 10.0.0.2 02:00:00:00:00:02"] },
    b: {
      addresses: { eth0: "10.0.0.2/24" },
      neighbours: ["eth0 10.0.0.1 02:00:00:00:00:01"],
      listen: ["udp 53 dns", "udp 7"],
    },
  },
  veths: ["a/eth0 b/eth0"],
};

/** The server's answer to one question. */
function ask(build: Build, name: string, type: keyof typeof TYPES, zone = ZONE): Dns | undefined {
  const lab = new Lab(build, PAIR, { zone });
  const query = Uint8Array.from([0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...wireName(name), 0, TYPES[type], 0, 1]);
  const packet = udp({ from: "10.0.0.1", to: "10.0.0.2" }, [5000, 53], query);
  lab.inject("b/eth0", ethernet(lab.mac("b/eth0"), lab.mac("a/eth0"), 0x0800, packet), 0);
  lab.run(1);
  return lab.seen("b/eth0").find(({ direction }) => direction === "outbound")?.frame.dns;
}

const WEB = "web.shop.svc.cluster.local";
const FOUND = {
  id: 9,
  response: true,
  authoritative: true,
  recursionDesired: true,
  recursionAvailable: true,
  truncated: false,
  rcode: 0,
  authorities: [],
  additional: [],
};
const SOA = [{ name: "cluster.local", type: "SOA", ttl: 30 }];

describe.each(BUILDS)("in the %s build", (build) => {
  test("an address, whatever the case of the question, which is repeated as it came", () => {
    expect(ask(build, "WEB.shop.SVC.cluster.local", "A")).toEqual({
      ...FOUND,
      questions: [{ name: "WEB.shop.SVC.cluster.local", type: "A" }],
      answers: [{ name: "WEB.shop.SVC.cluster.local", type: "A", ttl: 30, value: "10.96.0.1" }],
    });
  });

  test("a name without records of the type asked for: no error and no answer, but the zone's SOA", () => {
    expect(ask(build, WEB, "AAAA")).toMatchObject({ rcode: 0, authoritative: true, answers: [], authorities: SOA });
    expect(ask(build, "shop.svc.cluster.local", "A")).toMatchObject({ rcode: 0, answers: [], authorities: SOA });
  });

  test("a name that is not in the zone: NXDOMAIN with the SOA; outside the zone: SERVFAIL", () => {
    expect(ask(build, "nobody.shop.svc.cluster.local", "A")).toMatchObject({
      rcode: 3,
      authoritative: true,
      answers: [],
      authorities: SOA,
    });
    expect(ask(build, "example.com", "A")).toMatchObject({
      rcode: 2,
      authoritative: false,
      answers: [],
      authorities: [],
    });
  });

  test("SRV, PTR and CNAME", () => {
    const answer = (name: string, type: keyof typeof TYPES) =>
      ask(build, name, type)?.answers.map(({ type: is, value }) => `${is} ${value}`);
    expect(answer("_http._tcp.web.shop.svc.cluster.local", "SRV")).toEqual([`SRV 0 100 80 ${WEB}`]);
    expect(answer("1.0.96.10.in-addr.arpa", "PTR")).toEqual([`PTR ${WEB}`]);
    expect(answer("www.shop.svc.cluster.local", "CNAME")).toEqual([`CNAME ${WEB}`]);
    expect(answer("www.shop.svc.cluster.local", "A")).toEqual([`CNAME ${WEB}`, "A 10.96.0.1"]);
  });

  test("several addresses come in the zone's order; more than 512 bytes hold are cut off and said so", () => {
    const zone = Array.from({ length: 50 }, (_, i) => ({
      name: WEB,
      type: "A" as const,
      ttl: 5,
      value: `10.0.1.${i}`,
    }));
    const few = ask(build, WEB, "A", zone.slice(0, 3));
    expect(few?.answers.map(({ value }) => value)).toEqual(["10.0.1.0", "10.0.1.1", "10.0.1.2"]);
    const many = ask(build, WEB, "A", zone);
    expect(many?.truncated).toBe(true);
    expect(many?.answers).toHaveLength(Math.floor((512 - 12 - (WEB.length + 2) - 4) / 16));
  });

  test("a client asks for A and AAAA from one socket, name after name, and then calls the address", () => {
    const zone = [{ name: WEB, type: "A" as const, ttl: 30, value: "10.0.0.2" }];
    const names = [`${WEB}.shop.svc.cluster.local`, WEB];
    const flows = [flow("a", "udp", "10.0.0.2:7", { target: { names, resolver: "10.0.0.2", port: 7 } })];
    const lab = new Lab(build, PAIR, { zone, flows }).run(1);
    const lines = lab.packets("a/eth0").map((line) => line.replace(/.*(dns|udp)/, "$1"));
    expect(lines).toEqual([
      `dns A? ${names[0]}`,
      `dns AAAA? ${names[0]}`,
      `dns A? ${names[0]} = 3`,
      `dns AAAA? ${names[0]} = 3`,
      `dns A? ${WEB}`,
      `dns AAAA? ${WEB}`,
      `dns A? ${WEB} = 0 A 10.0.0.2`,
      `dns AAAA? ${WEB} = 0`,
      "udp 32",
      "udp 32",
    ]);
    const ports = new Set(
      lab.seen("a/eth0").flatMap(({ frame }) => (frame.dns && !frame.dns.response ? [frame.udp?.sourcePort] : [])),
    );
    expect(ports.size).toBe(1);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
    expect(lab.live).toBe(0);
  });

  test("a name that nobody has is unresolved, and so is one whose server refuses", () => {
    const target = { names: ["nobody.cluster.local"], resolver: "10.0.0.2", port: 7 };
    const flows = [
      flow("a", "udp", "10.0.0.2:7", { target }),
      flow("b", "udp", "10.0.0.2:7", { line: 1, target: { ...target, resolver: "10.0.0.1" } }),
    ];
    const lab = new Lab(build, PAIR, { zone: ZONE, flows }).run(1);
    expect([lab.outcome(0), lab.outcome(1)]).toEqual([
      { sent: 1, unresolved: 1 },
      { sent: 1, unresolved: 1 },
    ]);
  });
});
