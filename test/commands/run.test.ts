// podwire run: what it prints, writes and returns.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readCaptureFile, type CapturePacket } from "../tools/capture.ts";
import { CLI, podwire, ROOT, runInto, temporaryFolder } from "../tools/podwire.ts";
import { judge, testWithTshark } from "../tools/tshark.ts";

/** The files below a folder with a hash of each; report.json without the keys that begin with `wall`. */
function hashes(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => {
        const text = readFileSync(path);
        const stable = path.endsWith("report.json") ? text.toString().replace(/^ {2}"wall.*\n/gm, "") : text;
        return [path.slice(folder.length + 1), createHash("sha256").update(stable).digest("hex")];
      }),
  );
}

describe("the same input and seed give the same bytes", () => {
  const run = (...args: string[]): Record<string, string> => {
    const { folder } = runInto(temporaryFolder(), "examples/shop", "--duration", "1s", ...args);
    return hashes(folder);
  };

  test("with 1, 2 and 4 workers, in every capture, report and rule counter", () => {
    const one = run("--workers", "1");
    expect(Object.keys(one)).toEqual([
      "picture.json",
      "report.json",
      ...["gateway", "node-1", "node-2", "node-3"].map((n) => `rules/${n}.v4`),
      "shop.pcapng",
    ]);
    expect(run("--workers", "2")).toEqual(one);
    expect(run("--workers", "4")).toEqual(one);
  });

  test("and another seed others", () => {
    const [one, other] = [run("--seed", "1"), run("--seed", "2")];
    expect(one["shop.pcapng"]).not.toBe(other["shop.pcapng"]);
  });
});

test("--pcap writes one classic file for each device, with the frames that the pcapng file has", () => {
  const ng = runInto(temporaryFolder(), "examples/walks/03-two-nodes");
  const classic = runInto(temporaryFolder(), "examples/walks/03-two-nodes", "--pcap");
  const { packets } = readCaptureFile(join(ng.folder, "two-nodes.pcapng"));
  for (const { file } of classic.report.captures) {
    const device = file.replace("two-nodes/", "").replace(".pcap", "");
    const expected = packets.filter((packet) => packet.device.replaceAll("/", ".") === device);
    const read = readCaptureFile(join(classic.folder, file)).packets;
    const line = ({ time, bytes }: CapturePacket): string => `${time} ${Buffer.from(bytes).toString("hex")}`;
    expect(read.map(line)).toEqual(expected.map(line));
  }
  expect(classic.report.captures.length).toBe(10);
});

test("--capture takes the place of the scenario's captures, and none captures nothing", () => {
  const chosen = runInto(temporaryFolder(), "examples/walks/02-same-node", "--capture", "node-1/vbr0,default/*/eth0");
  expect(readCaptureFile(join(chosen.folder, "capture.pcapng")).interfaces.map(({ name }) => name)).toEqual([
    "node-1/vbr0",
    "default/client/eth0",
    "default/server/eth0",
  ]);
  const none = runInto(temporaryFolder(), "examples/walks/02-same-node", "--capture", "none");
  expect(none.report.captures).toEqual([]);
});

test("--json prints the report that is in report.json", () => {
  const folder = temporaryFolder();
  const { stdout } = podwire("run", "examples/walks/02-same-node", "--json", "--out", folder);
  expect(JSON.parse(stdout)).toEqual(JSON.parse(readFileSync(join(folder, "report.json"), "utf8")));
});

test("an expectation that fails is told, and ends the run with status 1", () => {
  const folder = temporaryFolder();
  const text = readFileSync(join(ROOT, "examples/walks/02-same-node/scenario.yaml"), "utf8");
  writeFileSync(join(folder, "manifests.yaml"), readFileSync(join(ROOT, "examples/walks/02-same-node/manifests.yaml")));
  writeFileSync(join(folder, "scenario.yaml"), text.replace('delivered: "== 100%"', 'refused: ">= 3"'));
  const { status, stdout } = podwire("run", folder, "--out", join(folder, "out"));
  expect(status).toBe(1);
  expect(stdout).toContain("0 of 1 expectation hold\nFAILED request: expected refused >= 3, got 0\n");
});

test("a rule of one's own changes what the traffic meets", () => {
  const folder = temporaryFolder();
  const from = join(ROOT, "examples/walks/02-same-node");
  const scenario = readFileSync(join(from, "scenario.yaml"), "utf8");
  writeFileSync(join(folder, "manifests.yaml"), readFileSync(join(from, "manifests.yaml")));
  writeFileSync(
    join(folder, "scenario.yaml"),
    scenario.replace("  traffic:", "  rules: [{file: deny.v4, node: node-1}]\n  traffic:"),
  );
  writeFileSync(
    join(folder, "deny.v4"),
    "*filter\n-I FORWARD -p tcp --dport 8080 -j REJECT --reject-with tcp-reset\nCOMMIT\n",
  );
  const { report } = runInto(join(folder, "out"), folder);
  expect(report.traffic[0]).toMatchObject({
    delivered: 0,
    refused: report.traffic[0]?.sent,
    drops: { NETFILTER_DROP: report.traffic[0]?.sent },
  });
  expect(readFileSync(join(folder, "out/rules/node-1.v4"), "utf8")).toContain(
    "-A FORWARD -p tcp -m tcp --dport 8080 -j REJECT --reject-with tcp-reset",
  );
});

testWithTshark("Ctrl-C ends a run with status 130 and valid captures of what came so far", async () => {
  const folder = temporaryFolder();
  // One interface: a run writes as fast as it can until the signal comes, and all of it is read below.
  const run = ["examples/walks/06-load-balancer", "--capture", "internet/client/eth0"];
  const args = [CLI, "run", ...run, "--duration", "2400h", "--out", folder];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const path = join(folder, "capture.pcapng");
  const head = headSize(run);
  // The first captured packets are on disk.
  while ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) <= head)
    await new Promise((resolve) => setTimeout(resolve, 20));
  let stdout = "";
  child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
  child.kill("SIGINT");
  const status = await new Promise((resolve) => child.on("close", resolve));
  expect(status).toBe(130);
  expect(stdout).toContain("(interrupted)");
  const capture = readCaptureFile(path);
  const report = JSON.parse(readFileSync(join(folder, "report.json"), "utf8")) as {
    interrupted: boolean;
    captures: { packets: number }[];
  };
  expect(report).toMatchObject({ interrupted: true, captures: [{ packets: capture.packets.length }] });
  expect(capture.statistics.length).toBe(capture.interfaces.length);
  expect(judge(path)).toMatchObject({ frames: capture.packets.length, badChecksums: [], errors: [] });
});

/** The bytes that stand before the first packet in the capture of such a run. */
function headSize(run: readonly string[]): number {
  const { folder } = runInto(temporaryFolder(), ...run, "--duration", "1us");
  return statSync(join(folder, "capture.pcapng")).size;
}
