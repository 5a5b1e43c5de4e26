// Captures while they are made: to standard output, at a pace, and through the plug-in by which Wireshark captures itself.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { configAnswer } from "../../src/extcap/protocol.ts";
import { CLI, podwire, ROOT, temporaryFolder } from "../tools/podwire.ts";
import { testWithTshark } from "../tools/tshark.ts";

const EXAMPLE = join(ROOT, "examples/walks/02-same-node");

test("-w - writes the bytes that -w FILE writes, at any pace, and the summary to standard error", () => {
  const folder = temporaryFolder();
  const run = (...args: string[]): { status: number | null; stdout: Buffer; stderr: string } => {
    const ended = spawnSync(process.execPath, [CLI, "run", EXAMPLE, "--out", join(folder, "out"), ...args]);
    return { status: ended.status, stdout: ended.stdout, stderr: ended.stderr.toString() };
  };
  expect(run("-w", join(folder, "run.pcapng")).status).toBe(0);
  const file = readFileSync(join(folder, "run.pcapng"));
  const live = run("-w", "-");
  expect(live.status).toBe(0);
  expect(live.stdout.equals(file)).toBe(true);
  expect(live.stderr).toMatch(/^same-node: 2 nodes/);
  expect(run("-w", "-", "--pace", "20x").stdout.equals(file)).toBe(true);
});

testWithTshark("a reader that has seen enough ends the run in good order", () => {
  const line = `"${process.execPath}" "${CLI}" run "${EXAMPLE}" --duration 1h --quiet --out "${temporaryFolder()}" -w - | tshark -r - -c 3 2>/dev/null`;
  const { stdout, status } = spawnSync("sh", ["-c", line], { encoding: "utf8" });
  expect(stdout.trimEnd().split("\n")).toHaveLength(3);
  expect(status).toBe(0);
});

testWithTshark(
  "Wireshark lists the plug-in that extcap --install has put there, and captures from it with a filter",
  () => {
    const home = temporaryFolder();
    const env = { ...process.env, HOME: home };
    const installed = spawnSync(process.execPath, [CLI, "extcap", "--install"], { env, encoding: "utf8" });
    expect(installed.status).toBe(0);
    const { stdout: listed } = spawnSync("tshark", ["-D"], { env, encoding: "utf8" });
    expect(listed).toMatch(/^\d+\. podwire \(Emulated Kubernetes network\)$/m);
    const options = Object.entries({ file: join(EXAMPLE, "scenario.yaml"), devices: "default/*/eth0", pace: "max" });
    const preferences = options.flatMap(([name, value]) => ["-o", `extcap.podwire.${name}:${value}`]);
    const captured = spawnSync("tshark", ["-i", "podwire", ...preferences, "-f", "arp", "-a", "duration:60"], {
      env,
      encoding: "utf8",
    });
    expect(captured.stdout).toMatch(/ARP.*Who has 10\.244\.1\.3\? Tell 10\.244\.1\.2/);
    expect(captured.stdout).not.toMatch(/TCP|UDP/);
  },
);

test("the plug-in answers what Wireshark asks", () => {
  expect(podwire("extcap", "--extcap-interfaces", "--extcap-version=4.0").stdout).toBe(
    "extcap {version=0.1.0}\ninterface {value=podwire}{display=Emulated Kubernetes network}\n",
  );
  expect(podwire("extcap", "--extcap-interface", "podwire", "--extcap-dlts").stdout).toBe(
    "dlt {number=1}{name=EN10MB}{display=Ethernet}\n",
  );
  expect(configAnswer()).toContain(
    "arg {number=0}{call=--file}{display=Scenario or manifests}{tooltip=A YAML file with Kubernetes manifests, a Scenario, or both}{type=fileselect}{required=true}",
  );
  expect(podwire("extcap")).toEqual({
    status: 2,
    stdout: "",
    stderr: "podwire: say --install, or let Wireshark call this command; podwire extcap --help has the options\n",
  });
  expect(podwire("extcap", "--capture", "--extcap-interface", "podwire").stderr).toBe(
    "podwire: --fifo: is missing; it says where the capture goes\n",
  );
});
