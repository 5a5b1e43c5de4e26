// Capture filters keep exactly what tcpdump keeps; expressions that cannot be are refused in one sentence.
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { describe, expect, test } from "vitest";
import { compileFilter, FilterError } from "../../src/pcap/filter.ts";
import { ROOT, runInto, temporaryFolder } from "../tools/podwire.ts";
import { testWith } from "../tools/needs.ts";

const EXPRESSIONS = [
  "host 10.244.1.2",
  "src host 10.244.1.2",
  "dst 10.244.1.3",
  "net 10.244.0.0/16",
  "net 10.96",
  "src net 10.244.1.0/24 and dst net 10.96.0.0/12",
  "port 53",
  "udp port 53",
  "tcp port 53",
  "dst port 80 or 8080",
  "src or dst port 80",
  "portrange 50-100",
  "tcp src portrange 8000-9000",
  "tcp",
  "icmp",
  "arp",
  "arp host 10.244.1.2",
  "ip host 10.244.1.2",
  "ip",
  "not arp",
  "not tcp and not udp",
  "tcp or udp and host 10.244.1.2",
  "udp and host 10.244.1.2 or arp",
  "not (tcp or arp) and not port 53",
  "host 10.244.1.2 && !port 53",
  "ip proto 17",
  "ip proto \\icmp",
  "less 60",
  "greater 100 and udp",
  "ether host 0a:58:0a:f4:01:02",
  "ether src 0a:58:0a:f4:01:02",
];

testWith("tcpdump", "every filter keeps the frames that tcpdump keeps", () => {
  const folder = temporaryFolder();
  copyFileSync(join(ROOT, "test/pcap/filter/manifests.yaml"), join(folder, "manifests.yaml"));
  const devices = ["node-*/eth0", "node-1/vbr0", "default/*/eth0"];
  const to = { service: "server" };
  const spec = {
    duration: "1s",
    cluster: { nodes: 2 },
    manifests: ["manifests.yaml"],
    traffic: [
      { name: "calls", from: { pod: "client" }, to, protocol: "http", rate: "5/s" },
      { name: "pings", from: { pod: "client" }, to: { pod: "server" }, protocol: "icmp", rate: "5/s" },
    ],
    capture: [
      { devices, file: "all.pcapng" },
      ...EXPRESSIONS.map((filter, i) => ({ devices, file: `${i}.pcapng`, filter })),
    ],
  };
  const scenario = { apiVersion: "podwire.dev/v1alpha1", kind: "Scenario", metadata: { name: "filters" }, spec };
  writeFileSync(join(folder, "scenario.yaml"), stringify(scenario));
  const { report } = runInto(join(folder, "out"), join(folder, "scenario.yaml"));
  const kept = Object.fromEntries(
    EXPRESSIONS.map((filter, i) => [filter, report.captures.find(({ file }) => file === `${i}.pcapng`)?.packets]),
  );
  const all = join(folder, "out", "all.pcapng");
  const wanted = Object.fromEntries(
    EXPRESSIONS.map((filter) => {
      const words = filter.split(" ");
      const lines = execFileSync("tcpdump", ["-n", "-t", "-r", all, ...words], { stdio: ["ignore", "pipe", "ignore"] });
      return [
        filter,
        lines
          .toString()
          .split("\n")
          .filter((line) => /^\S/.test(line)).length,
      ];
    }),
  );
  expect(kept).toEqual(wanted);
  expect(Object.values(wanted).every((count) => count < (report.captures[0]?.packets ?? 0))).toBe(true);
});

testWith("tcpdump", "what is refused, tcpdump refuses, too", () => {
  for (const filter of [
    "tcp host 10.0.0.1",
    "icmp port 80",
    "port 70000",
    "host 10.0.0.1 port 80",
    "(tcp",
    "tcp and",
  ]) {
    expect(() => compileFilter(filter), filter).toThrow(FilterError);
    expect(spawnSync("tcpdump", ["-y", "EN10MB", "-d", filter]).status, filter).not.toBe(0);
  }
});

describe("an expression that cannot be is told in one sentence:", () => {
  test.each([
    ["", "the filter is empty; write one such as tcp port 80"],
    [
      "hots 10.0.0.1",
      "hots is not known; a condition begins with host, net, port, tcp, udp, icmp, arp, ip, src, dst or not",
    ],
    ["host web", "web is not an IPv4 address such as 10.0.0.1"],
    ["net 10.0.0.0/33", "10.0.0.0/33 is not a network such as 10.0.0.0/8"],
    ["port 70000", "70000 is not a port from 0 to 65535"],
    ["icmp port 80", "icmp has no ports; write tcp, udp or sctp before port"],
    ["tcp host 10.0.0.1", "tcp does not go with host; write tcp and host ..."],
    ["(tcp", "a parenthesis is not closed"],
    ["tcp and", "the filter ends too early; a condition such as host 10.0.0.1 is missing"],
    ["host 10.0.0.1 port 80", "port should not come here; join conditions by and or or"],
  ])("%s", (filter, sentence) => {
    expect(() => compileFilter(filter)).toThrow(new FilterError(sentence));
  });
});
