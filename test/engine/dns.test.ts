// The cluster's DNS server, asked over the network: what is there, what is not, and what a client makes of it.
import { describe, expect, test } from "vitest";
import { ethernet, udp } from "../kernel/craft.ts";
import { BUILDS, Lab, type Build } from "../kernel/lab.ts";
import type { MachineWords } from "../kernel/network.ts";
import type { DnsRecord } from "../../src/seam/plan.ts";
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

/** The server's answer to one question; `edns`: the size of datagrams that the question says its sender takes. */
function ask(build: Build, name: string, type: keyof typeof TYPES, zone = ZONE, edns = 0): Dns | undefined {
  const lab = new Lab(build, PAIR, { zone });
  const opt = edns === 0 ? [] : [0, 0, 41, edns >> 8, edns & 255, 0, 0, 0, 0, 0, 0];
  const counts = [0, 1, 0, 0, 0, 0, 0, edns === 0 ? 0 : 1];
  const query = Uint8Array.from([0, 9, 1, 0, ...counts, ...wireName(name), 0, TYPES[type], 0, 1, ...opt]);
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
  recursionAvailable: false,
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
    expect(ask(build, "_http._tcp.web.shop.svc.cluster.local", "SRV")?.additional).toEqual([
      { name: WEB, type: "A", ttl: 30, value: "10.96.0.1" },
    ]);
    expect(answer("1.0.96.10.in-addr.arpa", "PTR")).toEqual([`PTR ${WEB}`]);
    expect(answer("www.shop.svc.cluster.local", "CNAME")).toEqual([`CNAME ${WEB}`]);
    expect(answer("www.shop.svc.cluster.local", "A")).toEqual([`CNAME ${WEB}`, "A 10.96.0.1"]);
  });

  test("several addresses come in random order; more than 512 bytes hold are cut off and said so, unless the client takes more", () => {
    const zone = Array.from({ length: 50 }, (_, i) => ({
      name: WEB,
      type: "A" as const,
      ttl: 5,
      value: `10.0.1.${i}`,
    }));
    const few = ask(build, WEB, "A", zone.slice(0, 3));
    expect(few?.answers.map(({ value }) => value)).toEqual(["10.0.1.2", "10.0.1.1", "10.0.1.0"]);
    const many = ask(build, WEB, "A", zone);
    expect(many?.truncated).toBe(true);
    expect(many?.answers).toHaveLength(Math.floor((512 - 12 - (WEB.length + 2) - 4) / 16));
    const more = ask(build, WEB, "A", zone, 1232);
    expect(more?.truncated).toBe(false);
    expect(more?.answers).toHaveLength(50);
    expect(more?.additional).toEqual([{ name: "", type: "OPT", ttl: 0, value: "" }]);
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

  test("a pod's address with dashes is a name where there is such a namespace; what is no address is none", () => {
    const zone: DnsRecord[] = [{ name: "shop.pod.cluster.local", type: "PODS", ttl: 30, value: "" }];
    const answer = (name: string, type: "A" | "AAAA" = "A") => {
      const found = ask(build, `${name}.cluster.local`, type, zone);
      return [found?.rcode, ...(found?.answers ?? []).map(({ value }) => value)];
    };
    expect(answer("10-244-1-2.shop.pod")).toEqual([0, "10.244.1.2"]);
    expect(answer("10-244-1-2.shop.pod", "AAAA")).toEqual([0]);
    expect(answer("shop.pod")).toEqual([0]);
    expect(answer("10-244-1.shop.pod")).toEqual([3]);
    expect(answer("10-244-1-256.shop.pod")).toEqual([3]);
    expect(answer("web.shop.pod")).toEqual([3]);
    expect(answer("10-244-1-2.other.pod")).toEqual([3]);
    expect(answer("fd00-10-244-1--2.shop.pod", "AAAA")).toEqual([0, "fd00:10:244:1::2"]);
    expect(answer("FD00-10-244-1--2.shop.pod")).toEqual([0]);
    expect(answer("--1.shop.pod", "AAAA")).toEqual([0, "::1"]);
    expect(answer("2001-db8--.shop.pod", "AAAA")).toEqual([0, "2001:db8::"]);
    expect(answer("1-2-3-4-5-6-7-8.shop.pod", "AAAA")).toEqual([0, "1:2:3:4:5:6:7:8"]);
    for (const wrong of ["1-2-3-4-5-6-7", "1--2--3", "fd00--12345", "fd00--g", "-1", "fd00--1-", "1-2-3-4-5-6-7-8-9"])
      expect(answer(`${wrong}.shop.pod`, "AAAA")).toEqual([3]);
  });

  test("IPv6 addresses are AAAA records, and come with what SRV records name", () => {
    const both: DnsRecord[] = [
      { name: WEB, type: "A", ttl: 30, value: "10.96.0.1" },
      { name: WEB, type: "AAAA", ttl: 30, value: "fd00:10:96::b" },
      { name: `_http._tcp.${WEB}`, type: "SRV", ttl: 30, value: `0 100 80 ${WEB}` },
    ];
    expect(ask(build, WEB, "AAAA", both)).toEqual({
      ...FOUND,
      questions: [{ name: WEB, type: "AAAA" }],
      answers: [{ name: WEB, type: "AAAA", ttl: 30, value: "fd00:10:96::b" }],
    });
    expect(ask(build, WEB, "A", both)?.answers.map(({ value }) => value)).toEqual(["10.96.0.1"]);
    expect(
      ask(build, `_http._tcp.${WEB}`, "SRV", both)
        ?.additional.map(({ type, value }) => `${type} ${value}`)
        .sort(),
    ).toEqual(["A 10.96.0.1", "AAAA fd00:10:96::b"]);
  });
});

// The pod a asks the cluster's server b, which asks the world's server c.
const TRIO: MachineWords = {
  namespaces: {
    a: { addresses: { eth0: "10.0.0.1/24" }, routes: ["default via 10.0.0.2"] },
    b: {
      sysctls: { "net.ipv4.ip_forward": 1 },
      addresses: { eth0: "10.0.0.2/24", eth1: "198.51.100.1/24" },
      listen: ["udp 53 dns forward 198.51.100.53", "tcp 53 dns forward 198.51.100.53"],
    },
    c: {
      addresses: { eth0: "198.51.100.53/24" },
      routes: ["default via 198.51.100.1"],
      listen: ["udp 53 dns outside", "tcp 53 dns outside", "udp 7"],
    },
  },
  veths: ["a/eth0 b/eth0", "b/eth1 c/eth0"],
};
const OUTSIDE: DnsRecord[] = [{ name: "example.com", type: "A", ttl: 300, value: "198.51.100.53" }];

describe.each(BUILDS)("names outside the cluster in the %s build", (build) => {
  const names = ["example.com.shop.svc.cluster.local", "example.com"];
  const target = { names, resolver: "10.0.0.2", port: 7 };

  test("are asked of the server outside, and what it says is kept for at most 30 seconds", () => {
    const flows = [flow("a", "udp", "10.0.0.2:7", { target, rate: 0.1, stopNs: 31e9 })];
    const lab = new Lab(build, TRIO, { outside: OUTSIDE, flows, durationNs: 40e9 }).run(40);
    const asked = lab.seen("c/eth0").filter(({ frame, direction }) => frame.dns && direction === "inbound");
    expect(asked.map(({ ns, frame }) => `${Math.floor(ns / 1e9)} ${frame.dns?.questions[0]?.type}`)).toEqual([
      "0 A",
      "0 AAAA",
      "30 A",
      "30 AAAA",
    ]);
    const said = lab.seen("a/eth0").flatMap(({ ns, frame: { dns } }) => {
      if (!dns?.response || dns.questions[0]?.name !== "example.com") return [];
      const { authoritative, recursionAvailable, answers, authorities } = dns;
      const records = [...answers, ...authorities].map(({ name, type, ttl }) => `${name} ${type} ${ttl}`);
      return [`${Math.floor(ns / 1e9)} ${authoritative} ${recursionAvailable} ${records.join()}`];
    });
    expect(said).toEqual([
      "0 false true example.com A 30",
      "0 false true example.com SOA 30",
      "10 true true example.com A 20",
      "10 true true example.com SOA 20",
      "20 true true example.com A 10",
      "20 true true example.com SOA 10",
      "30 false true example.com A 30",
      "30 false true example.com SOA 30",
    ]);
    expect(lab.outcome()).toEqual({ sent: 4, delivered: 4 });
    expect(lab.live).toBe(0);
  });

  test("that nobody has are denied with the SOA of their domain, or the root's", () => {
    const denied = (name: string) => {
      const flows = [flow("a", "udp", "10.0.0.2:7", { target: { ...target, names: [name] } })];
      const lab = new Lab(build, TRIO, { outside: OUTSIDE, flows }).run(1);
      const [first] = lab.seen("a/eth0").flatMap(({ frame: { dns } }) => (dns?.response ? [dns] : []));
      return [first?.rcode, ...(first?.authorities ?? []).map(({ name, type }) => `${type} ${name}`)];
    };
    expect(denied("www.example.com")).toEqual([3, "SOA example.com"]);
    expect(denied("example.net")).toEqual([3, "SOA "]);
  });

  test("behind an alias of the cluster follow it in the answer", () => {
    const zone: DnsRecord[] = [{ name: "db.shop.svc.cluster.local", type: "CNAME", ttl: 30, value: "example.com" }];
    const flows = [flow("a", "udp", "10.0.0.2:7", { target: { ...target, names: ["db.shop.svc.cluster.local"] } })];
    const lab = new Lab(build, TRIO, { zone, outside: OUTSIDE, flows }).run(1);
    const said = lab.seen("a/eth0").flatMap(({ frame: { dns } }) => (dns?.response ? [dns] : []));
    expect(said.map(({ answers }) => answers.map(({ name, type, value }) => `${name} ${type} ${value}`))).toEqual([
      ["db.shop.svc.cluster.local CNAME example.com", "example.com A 198.51.100.53"],
      ["db.shop.svc.cluster.local CNAME example.com"],
    ]);
    expect(lab.outcome()).toEqual({ sent: 1, delivered: 1 });
  });

  test("cannot be resolved when the server outside does not answer: SERVFAIL after it was asked twice", () => {
    const rules = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n";
    const silent = { ...TRIO, namespaces: { ...TRIO.namespaces, c: { ...TRIO.namespaces.c, rules } } };
    const flows = [flow("a", "udp", "10.0.0.2:7", { target: { ...target, names: ["example.com"] } })];
    const lab = new Lab(build, silent, { outside: OUTSIDE, flows, durationNs: 60e9 }).run(60);
    const said = lab.seen("a/eth0").flatMap(({ ns, frame: { dns } }) => {
      return dns?.response ? [`${(ns / 1e9).toFixed(0)} ${dns.rcode} ${dns.questions[0]?.type}`] : [];
    });
    expect(said).toEqual(["4 2 A", "4 2 AAAA"]);
    expect(lab.outcome()).toEqual({ sent: 1, unresolved: 1 });
  });
});

describe.each(BUILDS)("a resolver in the %s build", (build) => {
  const many: DnsRecord[] = Array.from({ length: 60 }, (_, i) => ({
    name: WEB,
    type: "A",
    ttl: 30,
    value: `10.0.0.${i + 2}`,
  }));
  const target = { names: [WEB], resolver: "10.0.0.2", port: 9 };

  test("asks both questions again over TCP when an answer is cut off", () => {
    const words: MachineWords = {
      ...PAIR,
      namespaces: {
        ...PAIR.namespaces,
        b: { ...PAIR.namespaces.b, listen: ["udp 53 dns", "tcp 53 dns"] },
      },
    };
    const flows = [flow("a", "tcp", "10.0.0.2:9", { target })];
    const lab = new Lab(build, words, { zone: many, flows }).run(0.5);
    const lines = lab.packets("a/eth0").map((line) => line.replace(/^10\.0\.0\.(.)(?::\d+)? > \S+/, "$1"));
    expect(lines.map((line) => line.replace(/ = .*/, " ..."))).toEqual([
      `1 dns A? ${WEB}`,
      `1 dns AAAA? ${WEB}`,
      `2 dns A? ${WEB} ...`,
      `2 dns AAAA? ${WEB} ...`,
      "1 tcp S",
      // The socket is closed by now.
      `1 icmp 3/3 (10.0.0.2:53 > 10.0.0.1:45334 dns AAAA? ${WEB} ...`,
      "2 tcp S.",
      "1 tcp .",
      "1 tcp P. 92",
      "2 tcp .",
      "2 tcp . 1448",
      "2 tcp P. 1118",
      "2 tcp P. 139",
      "1 tcp .",
      "1 tcp .",
      "1 tcp .",
      "1 tcp F.",
      "2 tcp F.",
      "1 tcp .",
    ]);
  });

  test("asks again after five seconds, and one by one if one answer has come", () => {
    const flows = [flow("a", "udp", "10.0.0.2:7", { target })];
    const lost = { ...PAIR, namespaces: { ...PAIR.namespaces, b: { addresses: { eth0: "10.0.0.3/24" } } } };
    const lab = new Lab(build, lost, { zone: many, flows, durationNs: 30e9 }).run(30);
    expect(lab.timed("a/eth0").filter((line) => line.includes("dns"))).toEqual([
      expect.stringMatching(/^0\.000 .* dns A\?/),
      expect.stringMatching(/^0\.000 .* dns AAAA\?/),
      expect.stringMatching(/^5\.000 .* dns A\?/),
      expect.stringMatching(/^5\.000 .* dns AAAA\?/),
    ]);
    expect(lab.outcome()).toEqual({ sent: 1, unresolved: 1 });
  });
});
