// `tcpdump` in the shell: what it prints beside a command and in the background, and that tcpdump itself reads its files the same.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../tools/podwire.ts";
import { shellOn, type Shell } from "./shell.ts";

let shell: Shell;
beforeAll(() => void (shell = shellOn("walks/04-service")));

const HEAD =
  "tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n" +
  "listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n";

describe("tcpdump", () => {
  test("prints what passes while the command behind -- runs, between its lines", async () => {
    const { out, err, status } = await shell.run("client tcpdump -n icmp -- ping -c 1 10.244.2.2");
    expect(status).toBe(0);
    expect(err).toBe(`${HEAD}2 packets captured\n2 packets received by filter\n0 packets dropped by kernel\n`);
    expect(out).toMatchInlineSnapshot(`
      "PING 10.244.2.2 (10.244.2.2) 56(84) bytes of data.
      00:00:01.000000 IP 10.244.1.2 > 10.244.2.2: ICMP echo request, id 1, seq 1, length 64
      00:00:01.000200 IP 10.244.2.2 > 10.244.1.2: ICMP echo reply, id 1, seq 1, length 64
      64 bytes from 10.244.2.2: icmp_seq=1 ttl=62 time=0.200 ms

      --- 10.244.2.2 ping statistics ---
      1 packets transmitted, 1 received, 0% packet loss, time 0ms
      rtt min/avg/max/mdev = 0.200/0.200/0.200/0.000 ms
      "
    `);
  });

  test("-i any says which device saw a packet, and whether it came or went", async () => {
    const { out, err } = await shell.run("node-1 tcpdump -n -i any icmp -- client ping -q -c 1 10.244.2.2");
    expect(err).toBe(
      "tcpdump: data link type LINUX_SLL2\n" +
        "tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n" +
        "listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 262144 bytes\n" +
        "6 packets captured\n6 packets received by filter\n0 packets dropped by kernel\n",
    );
    // The bridge's port does not have the address that the frame is for; the bridge has.
    const [request, reply] = ["10.244.1.2 > 10.244.2.2: ICMP echo request", "10.244.2.2 > 10.244.1.2: ICMP echo reply"];
    expect(framesIn(out).map((line) => line.slice(16).replace(/, id.*/, ""))).toEqual([
      `veth6844d090 P   IP ${request}`,
      `vbr0  In  IP ${request}`,
      `eth0  Out IP ${request}`,
      `eth0  In  IP ${reply}`,
      `vbr0  Out IP ${reply}`,
      `veth6844d090 Out IP ${reply}`,
    ]);
  });

  test("-i any shows what a host says to itself once, as it comes in", async () => {
    const { out } = await shell.run("client tcpdump -n -i any icmp -- ping -q -c 1 127.0.0.1");
    const lines = out.split("\n").filter((line) => line.includes("ICMP"));
    expect(lines.map((line) => line.slice(16, 52))).toEqual([
      "lo    In  IP 127.0.0.1 > 127.0.0.1: ",
      "lo    In  IP 127.0.0.1 > 127.0.0.1: ",
    ]);
  });

  test("runs in the background until it has enough, or is ended", async () => {
    const { out, err } = await shell.run("client tcpdump -c 1 icmp & client ping -q -c 1 10.244.2.2");
    expect(out.split("\n").filter((line) => line.includes("ICMP"))).toHaveLength(1);
    expect(err).toContain("1 packet captured\n");
    await shell.run("node-1 tcpdump -i vbr0 icmp &");
    expect(await shell.out("jobs")).toBe("[1]  Running                 node-1 tcpdump -i vbr0 icmp &\n");
    expect((await shell.run("kill %1")).err).toContain("0 packets captured\n");
    expect(await shell.out("jobs")).toBe("");
  });

  test("alone gives up after a while in which nothing passes", async () => {
    expect((await shell.run("client tcpdump -c 1 port 9")).err).toContain("0 packets captured\n");
  });

  test.each([
    ["client tcpdump -i eth9", "tcpdump: eth9: No such device exists\n(No such device exists)\n", 1],
    ["client tcpdump port x", "tcpdump: x is not a port from 0 to 65535\n", 1],
    ["client tcpdump -X", "tcpdump: option -X is not emulated\n", 2],
    ["client ping -c 1 10.244.2.2 &", "podwire sh: only a plain tcpdump runs in the background\n", 2],
  ])("%s", async (line, err, status) => {
    expect(await shell.run(line)).toEqual({ out: "", err, status });
  });

  test.skipIf(spawnSync("tcpdump", ["--version"]).status !== 0)(
    "writes files that tcpdump reads as it prints them itself",
    async () => {
      const file = join(temporaryFolder(), "a.pcap");
      const commands = [
        "curl -s -o /dev/null http://far",
        "dig @10.96.0.10 _http._tcp.far.default.svc.cluster.local SRV",
        "dig nosuch.cluster.local",
        "ping -c 1 -s 3000 10.244.2.2",
        "ping -c 1 -t 1 10.244.2.2",
        "ping -c 1 10.244.1.99",
        "traceroute 10.244.2.2",
        "nc -z far 81",
      ];
      await shell.run(`client tcpdump -w ${file} &`);
      await shell.run("client tcpdump -n &");
      const printed: string[] = [];
      for (const command of commands) printed.push((await shell.run(`client ${command}; sleep 5`)).out);
      await shell.run("kill %1; kill %2");
      const { stdout } = spawnSync("tcpdump", ["-n", "-r", file], {
        encoding: "utf8",
        env: { ...process.env, TZ: "UTC" },
      });
      const frames = framesIn(printed.join(""));
      expect(frames.length).toBeGreaterThan(40);
      expect(frames).toEqual(stdout.trimEnd().split("\n"));
    },
  );

  test.skipIf(spawnSync("tcpdump", ["--version"]).status !== 0)(
    "writes what all devices see so that tcpdump reads it, but for the devices' names, which are this machine's",
    async () => {
      const file = join(temporaryFolder(), "any.pcap");
      await shell.run(`node-1 tcpdump -i any -w ${file} &`);
      await shell.run("node-1 tcpdump -n -i any &");
      const { out } = await shell.run("client curl -s -o /dev/null http://far; node-1 ping -q -c 1 127.0.0.1; sleep 5");
      await shell.run("kill %1; kill %2");
      const { stdout } = spawnSync("tcpdump", ["-n", "-r", file], {
        encoding: "utf8",
        env: { ...process.env, TZ: "UTC" },
      });
      const nameless = (line: string): string => line.replace(/^(\S+) \S+ +/, "$1 ");
      expect(framesIn(out).length).toBeGreaterThan(40);
      expect(framesIn(out).map(nameless)).toEqual(stdout.trimEnd().split("\n").map(nameless));
    },
  );
});

/** The lines of frames among what commands print. */
function framesIn(text: string): string[] {
  return text.split("\n").filter((line) => /^\d\d:\d\d:\d\d\.\d{6} /.test(line));
}
