// Bad input: one sentence with file, line and field, status 2, and nothing written.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { podwire, temporaryFolder } from "../tools/podwire.ts";

const POD = `\
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
    - {name: web, image: example/web:1, ports: [{name: http, containerPort: 8080}]}
`;

function scenario(spec: string): string {
  return `apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: {name: bad}\nspec:\n${spec}`;
}

/** Runs with one file of that text; returns what was said, with FILE and OUT in place of the paths. */
function complaint(text: string, ...args: string[]): string {
  return complaintWith({}, text, ...args);
}

/** The same with other files beside it. */
function complaintWith(files: Record<string, string>, text: string, ...args: string[]): string {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const file = join(folder, "input.yaml");
  const out = join(folder, "out");
  writeFileSync(file, text);
  const { status, stdout, stderr } = podwire("run", file, "--out", out, ...args);
  expect({ status, stdout, written: existsSync(out) }).toEqual({ status: 2, stdout: "", written: false });
  return stderr.replaceAll(file, "FILE").replaceAll(folder, "FOLDER");
}

describe("podwire run says in one sentence", () => {
  test("that a file is not YAML", () => {
    expect(complaint("kind: Service\nspec: [\n")).toMatch(/^podwire: FILE:3: this is not YAML: .*\n$/);
  });

  test("that a Scenario has no such field", () => {
    expect(complaint(scenario("  durration: 5s\n"))).toBe("podwire: FILE:5: spec.durration: there is no such field\n");
  });

  test("that a Service port is out of range", () => {
    const service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports:\n    - port: 70000\n";
    expect(complaint(service)).toBe("podwire: FILE:6: spec.ports[0].port: should be at most 65535\n");
  });

  test("that address ranges overlap", () => {
    expect(complaint(scenario("  cluster:\n    podCIDR: 10.96.0.0/16\n    serviceCIDR: 10.96.0.0/12\n"))).toBe(
      "podwire: FILE:7: spec.cluster.serviceCIDR: 10.96.0.0/12 overlaps podCIDR 10.96.0.0/16; choose ranges that share no address\n",
    );
  });

  test("that a range holds a network outside the cluster", () => {
    expect(complaint(scenario("  cluster:\n    podCIDR: 198.51.0.0/16\n"))).toBe(
      "podwire: FILE:6: spec.cluster.podCIDR: 198.51.0.0/16 overlaps the outside client's network 198.51.100.10/24; choose ranges that share no address\n",
    );
  });

  test("that no node has a sysctl", () => {
    expect(complaint(scenario("  cluster:\n    sysctls: { net.ipv4.tcp_loose: 1 }\n"))).toBe(
      'podwire: FILE:6: spec.cluster.sysctls."net.ipv4.tcp_loose": there is no sysctl net.ipv4.tcp_loose, or it is not emulated yet\n',
    );
    expect(complaint(scenario("  cluster:\n    sysctls: { net.ipv4.conf.eth1.rp_filter: 1 }\n"))).toMatch(
      /: not every node has a device eth1; there are lo, eth0, vbr0\n$/,
    );
    expect(complaint(scenario("  cluster:\n    sysctls: { net.ipv4.ip_forward: yes }\n"))).toMatch(
      /should be a number/,
    );
  });

  test("that a line of traffic calls what does not exist", () => {
    const traffic =
      "  traffic:\n    - {name: a, from: {pod: web}, to: {service: wbe, port: 80}, protocol: http, rate: 1/s}\n";
    expect(complaint(`${scenario(traffic)}---\n${POD}`)).toBe(
      "podwire: FILE:6: spec.traffic[0].to.service: there is no Service wbe in namespace default; there is kubernetes\n",
    );
  });

  test("that a line of traffic comes from nobody", () => {
    const traffic =
      "  traffic:\n    - name: a\n      from: {deployment: web}\n      to: {pod: web}\n      protocol: http\n      rate: 1/s\n";
    expect(complaint(`${scenario(traffic)}---\n${POD}`)).toBe(
      "podwire: FILE:7: spec.traffic[0].from.deployment: there is no Deployment web with pods in namespace default\n",
    );
  });

  test("that a capture chooses no device", () => {
    expect(complaint(POD, "--capture", "node-1/cni0")).toBe(
      "podwire: --capture: node-1/cni0 is no device's name; they are like node-1/vbr0 or default/frontend-0/eth0\n",
    );
  });

  test("that a capture would be written outside the output folder", () => {
    expect(complaint(scenario("  capture:\n    - devices: ['node-*/eth0']\n      file: ../run.pcapng\n"))).toBe(
      "podwire: FILE:7: spec.capture[0].file: should be a path inside the output folder, such as run.pcapng\n",
    );
  });

  test.each([
    ["-A FORWARD -m foo -j DROP", 'podwire: FOLDER/extra.v4:2: -m: match "foo" is not supported\n'],
    ["-A FORWARD -j SET --add-set seen src", "podwire: rules of node-1: there is no ipset seen on this machine\n"],
    [
      "-A FORWARD -m set --match-set denied src -j DROP",
      "podwire: rules of node-1: there is no ipset denied on this machine\n",
    ],
    [
      "-A NOWHERE -j DROP",
      'podwire: FOLDER/extra.v4:2: table filter has no chain "NOWHERE"; a line ":NOWHERE - [0:0]" must stand before its rules\n',
    ],
  ])("that an own rule cannot be: %s", (rule, sentence) => {
    const files = { "extra.v4": `*filter\n${rule}\nCOMMIT\n` };
    expect(complaintWith(files, `${scenario("  rules: [{file: extra.v4}]\n")}---\n${POD}`)).toBe(sentence);
  });

  test("that a file of rules is not there", () => {
    expect(complaint(scenario("  rules: [{file: extra.v4}]\n"))).toBe(
      "podwire: FILE:5: spec.rules[0].file: there is no file FOLDER/extra.v4\n",
    );
  });

  test.each([
    ["--duration", "5", "It should be a number and ns, us, ms, s, m or h, such as 500ms."],
    ["--nodes", "0", "It should be a whole number from 1 to 5000."],
    ["--workers", "many", "It should be a whole number from 1 to 64."],
  ])("that %s cannot be %s", (option, value, sentence) => {
    expect(complaint(POD, option, value)).toContain(sentence);
  });
});

describe("files and folders", () => {
  test("a file that is not there is named", () => {
    const { status, stderr } = podwire("run", "nowhere/deploy.yaml");
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: "podwire: nowhere/deploy.yaml: there is no such file or folder\n",
    });
  });

  test("a manifest that a scenario names and that is not there is named, with the line", () => {
    expect(complaint(scenario("  manifests: [gone.yaml]\n"))).toBe(
      "podwire: FILE:5: spec.manifests[0]: there is no file FOLDER/gone.yaml\n",
    );
  });

  test("a folder without YAML files is refused", () => {
    const folder = temporaryFolder();
    expect(podwire("run", folder)).toMatchObject({
      status: 2,
      stderr: `podwire: ${folder}: there is no .yaml, .yml or .json file in this folder\n`,
    });
  });

  test("a folder's JSON files are read too, and what is wrong in one is told with its line", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "a.yaml"), POD);
    writeFileSync(join(folder, "b.json"), '{"apiVersion": "v1",\n "kind": "Service"}\n');
    expect(podwire("run", folder)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/b\.json:1: metadata: is missing; it should be a map\n$/) as string,
    });
  });

  test("an output folder that is a file is refused", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "pod.yaml"), POD);
    writeFileSync(join(folder, "out"), "precious");
    const { status, stderr } = podwire("run", join(folder, "pod.yaml"), "--out", join(folder, "out"));
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: `podwire: --out: ${join(folder, "out")} cannot be the output folder: it is a file; choose another\n`,
    });
  });

  test("an output folder that cannot be made is refused, and nothing of its path is left behind", () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "in"));
    writeFileSync(join(folder, "in", "pod.yaml"), POD);
    const long = join(folder, "new", "x".repeat(300));
    const { status, stderr } = podwire("run", join(folder, "in"), "--out", long);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: `podwire: --out: ${long} cannot be the output folder: ENAMETOOLONG; choose another\n`,
    });
    expect(existsSync(join(folder, "new"))).toBe(false);
  });

  test("no command, an unknown command and an unknown option end with status 2", () => {
    expect([podwire(), podwire("walk"), podwire("run", "x.yaml", "--fast")].map(({ status }) => status)).toEqual([
      2, 2, 2,
    ]);
  });
});
