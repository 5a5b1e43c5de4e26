// `podwire lab`: a case in, what every interface saw out; bad cases are told in one sentence.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { addLabCommand } from "../../src/commands/lab.ts";
import { InputError } from "../../src/errors.ts";
import { readCaptureFile } from "../tools/capture.ts";
import { ROOT, temporaryFolder } from "../tools/podwire.ts";

/** `podwire lab ARGUMENTS`; returns what it printed. */
function lab(...args: string[]): string {
  let printed = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += text.toString();
    return true;
  });
  onTestFinished(() => write.mockRestore());
  const program = new Command();
  addLabCommand(program);
  program.parse(["lab", ...args], { from: "user" });
  write.mockRestore();
  return printed;
}

/** A host with one address, and what asks it. */
const TOPOLOGY = {
  namespaces: [{ name: "host" }, { name: "wire", kind: "stub" }],
  links: [
    { a: { ns: "host", if: "eth0", mac: "02:00:00:00:00:01" }, b: { ns: "wire", if: "w0", mac: "02:00:00:00:00:02" } },
  ],
  addresses: [{ ns: "host", dev: "eth0", cidr: "10.0.0.1/24" }],
};
const WHO_HAS = "ffffffffffff02000000000208060001080006040001" + "0200000000020a000002" + "0000000000000a000001";
const IS_AT = "02000000000202000000000108060001080006040002" + "0200000000010a000001" + "0200000000020a000002";

function writeCase(topology: unknown, steps: unknown, rules: Record<string, string> = {}): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "topology.json"), JSON.stringify(topology, undefined, 1));
  writeFileSync(join(folder, "inject.json"), JSON.stringify(steps));
  mkdirSync(join(folder, "rules"));
  for (const [name, text] of Object.entries(rules)) writeFileSync(join(folder, "rules", name), text);
  return folder;
}

test("writes every frame at every interface in order, in lines and as a capture", () => {
  const out = temporaryFolder();
  const printed = lab(writeCase(TOPOLOGY, [{ at: "wire:w0", hex: WHO_HAS }]), "--out", out);
  expect(printed).toMatch(/: 4 frames at 2 interfaces in 1 steps; see .*observed\.jsonl, .*frames\.pcapng\n$/);
  const [, ...rows] = readFileSync(join(out, "observed.jsonl"), "utf8").trimEnd().split("\n");
  expect(rows.map((row) => JSON.parse(row) as unknown)).toEqual([
    { step: 0, n: 0, at: "wire:w0", dir: "out", inj: true, us: 0, hex: WHO_HAS },
    { step: 0, n: 1, at: "host:eth0", dir: "in", us: 0, hex: WHO_HAS },
    { step: 0, n: 2, at: "host:eth0", dir: "out", us: 0, hex: IS_AT },
    { step: 0, n: 3, at: "wire:w0", dir: "in", us: 0, hex: IS_AT },
  ]);
  const capture = readCaptureFile(join(out, "frames.pcapng"));
  expect(capture.interfaces.map(({ name }) => name)).toEqual(["host/eth0", "wire/w0"]);
  expect(capture.packets).toHaveLength(4);
});

test("prints the results as JSON: rule counters, connections, forwarding entries", () => {
  const rules = { "host.v4": "*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n" };
  const ping = "0200000000010200000000020800" + "4500001c00010000400166de0a0000020a000001" + "0800f7fd00010001";
  const folder = writeCase(TOPOLOGY, [{ at: "wire:w0", hex: ping }], rules);
  const result = JSON.parse(lab(folder, "--out", temporaryFolder(), "--json")) as Record<string, unknown>;
  expect(result).toMatchObject({
    counters: {
      host: {
        filter: {
          INPUT: {
            policy: "DROP",
            pkts: 0,
            bytes: 0,
            rules: [{ rule: "-A INPUT -m conntrack --ctstate NEW -j ACCEPT", pkts: 1, bytes: 28 }],
          },
        },
      },
    },
    conntrack: {
      host: [
        "ipv4     2 icmp     1 29 src=10.0.0.2 dst=10.0.0.1 type=8 code=0 id=1 src=10.0.0.1 dst=10.0.0.2 type=0 code=0 id=1 mark=0 zone=0 use=2",
      ],
    },
    fdb: {},
  });
});

test("follows a recording: its answers, and what its kernel chose at random", () => {
  const family = join(ROOT, "test/fixtures/kernel/kube");
  const path = join(family, readdirSync(family).sort()[0] ?? "");
  const out = temporaryFolder();
  lab(path, "--replay", path, "--out", out);
  const injected = (folder: string): string[] =>
    readFileSync(join(folder, "observed.jsonl"), "utf8")
      .split("\n")
      .filter((row) => row.includes('"inj":true'))
      .map((row) => (JSON.parse(row) as { hex: string }).hex);
  expect(injected(out)).toEqual(injected(path));
});

describe("says in one sentence", () => {
  function complaint(topology: unknown, steps: unknown, rules: Record<string, string> = {}): string {
    const folder = writeCase(topology, steps, rules);
    const out = join(folder, "out");
    try {
      lab(folder, "--out", out);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      expect(existsSync(out)).toBe(false);
      return error.message.replaceAll(folder, "CASE");
    }
    throw new Error("nothing was wrong");
  }

  test("that a field is none", () => {
    expect(complaint({ ...TOPOLOGY, links: [{ ...TOPOLOGY.links[0], speed: 1 }] }, [])).toBe(
      "CASE/topology.json:23: links[0].speed: there is no such field",
    );
  });

  test("that an address is none", () => {
    const addresses = [{ ns: "host", dev: "eth0", cidr: "10.0.0.256/24" }];
    expect(complaint({ ...TOPOLOGY, addresses }, [])).toBe(
      "CASE/topology.json:29: addresses[0].cidr: should be a block: 10.0.0.0/24 or fd00::/64",
    );
  });

  test("that an interface is not there", () => {
    expect(complaint(TOPOLOGY, [{ at: "wire:w1", hex: "" }])).toBe("CASE/topology.json: there is no interface wire:w1");
  });

  const BRIDGE = { ns: "host", name: "br0", mac: "02:00:00:00:00:09", mcast_snooping: true };

  test.each([
    ["multicast snooping is not emulated yet", { bridges: [BRIDGE] }],
    ["sysctl net.ipv4.conf.all.log_martians is not emulated yet", {}, "net.ipv4.conf.all.log_martians"],
  ])("that %s", (sentence, more, key?: string) => {
    const [host, wire] = TOPOLOGY.namespaces;
    const namespaces = [{ ...host, sysctl: key === undefined ? {} : { [key]: 1 } }, wire];
    expect(complaint({ ...TOPOLOGY, namespaces, ...more }, [])).toBe(`CASE/topology.json: ${sentence}`);
  });

  test("that a command is not emulated yet", () => {
    expect(complaint(TOPOLOGY, [{ op: "bridge", ns: "host", args: "vlan add vid 7 dev eth0" }])).toBe(
      "CASE/topology.json: host: bridge vlan add is not emulated yet; there are ip link set, ip address add, ip route add, " +
        "ip rule add, ip neighbour add, ip neighbour replace, bridge fdb add, bridge fdb replace, bridge link set",
    );
  });

  test("that an ipset is not there", () => {
    const rules = { "host.v4": "*filter\n-A INPUT -m set --match-set denied src -j DROP\nCOMMIT\n" };
    expect(complaint(TOPOLOGY, [], rules)).toBe(
      "CASE/rules/host.v4: there is no ipset denied; the namespace's .ipset file should create it",
    );
  });
});
