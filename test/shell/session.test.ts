// The shell itself: where lines run, what stands between commands, statuses, time, and that the same lines say the same.
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { complete } from "../../src/shell/prompt.ts";
import { CLI, podwire, ROOT } from "../tools/podwire.ts";
import { shellOn } from "./shell.ts";

const EXAMPLE = "walks/02-same-node";

describe("a line", () => {
  const shell = shellOn(EXAMPLE);

  test("runs where its first word says, or where the session has entered", async () => {
    const there = await shell.out("default/client ip r");
    expect(await shell.out("client ip r")).toBe(there);
    await shell.run("enter client");
    expect(await shell.out("ip r")).toBe(there);
    expect(shell.session.prompt).toBe("default/client 1.000s# ");
    expect(await shell.out("node-1 ip route get 10.244.1.2")).toContain("dev vbr0");
    await shell.run("exit");
    expect(shell.session.prompt).toBe("podwire 1.000s> ");
  });

  test("with a namespace alone enters it", async () => {
    await shell.run("server");
    expect(shell.session.place?.name).toBe("default/server");
    await shell.run("exit");
  });

  test.each([
    ["foo", "foo: command not found\n", 127],
    ["client foo", "foo: command not found\n", 127],
    ["ip a", 'say where: node-1 ip ..., or enter a namespace first; "namespaces" lists them\n', 2],
    ["client ping 'x", "podwire sh: a quote ' is not closed\n", 2],
    [
      "enter nowhere",
      "there is no namespace nowhere; there are node-1, default/client, default/server, kube-system/coredns-1, node-2, kube-system/coredns-0, gateway, internet and 2 more\n",
      2,
    ],
  ])("%j is refused", async (line, err, status) => {
    expect(await shell.run(line)).toEqual({ out: "", err, status });
  });

  test("goes on behind && after success and behind || after failure", async () => {
    expect((await shell.run("foo && date")).out).toBe("");
    expect((await shell.run("foo || date")).out).not.toBe("");
    expect((await shell.run("date && foo; date")).status).toBe(0);
  });

  test("hands its output to a command of the machine, whose status counts", async () => {
    expect(await shell.out("client ip r | grep -c default")).toBe("1\n");
    expect((await shell.run("client ip r | grep nothing")).status).toBe(1);
    expect(await shell.out("client curl http://10.244.1.3:9 2>&1 | cut -c1-9")).toBe("curl: (7)\n");
  });

  test("lets time pass while a command waits, and with sleep", async () => {
    const before = shell.session.emulation.nowNs;
    await shell.run("client ping -c 3 10.244.1.3");
    expect(shell.session.emulation.nowNs - before).toBe(2e9);
    await shell.run("sleep 1500ms");
    expect(shell.session.emulation.nowNs - before).toBe(3.5e9);
  });
});

test("completes commands, namespaces, and devices of the namespace that a line names", () => {
  const { session } = shellOn(EXAMPLE);
  expect(complete(session, "default/c")).toEqual([["default/client "], "default/c"]);
  expect(complete(session, "default/client pi")).toEqual([["ping "], "pi"]);
  expect(complete(session, "node-1 ip addr show dev vb")).toEqual([["vbr0 "], "vb"]);
  expect(complete(session, "iptables-s")).toEqual([["iptables-save "], "iptables-s"]);
});

describe("podwire sh", () => {
  test("runs the lines of -c and has the status of the last", () => {
    const lines = ["-c", "client ping -c 1 10.244.1.99", "-c", "client ip r"];
    expect(podwire("sh", `examples/${EXAMPLE}`, ...lines).status).toBe(0);
    expect(podwire("sh", `examples/${EXAMPLE}`, ...lines.slice(0, 2)).status).toBe(1);
    expect(podwire("sh", `examples/${EXAMPLE}`, "-c", "client nothing").status).toBe(127);
  });

  test("reads lines from a pipe, until exit, without a prompt", () => {
    const input = "enter client\nip r\nexit\nexit\nclient nothing\n";
    const { stdout, stderr, status } = spawnSync(process.execPath, [CLI, "sh", `examples/${EXAMPLE}`], {
      cwd: ROOT,
      input,
      encoding: "utf8",
    });
    expect({ stdout, stderr, status }).toEqual({
      stdout: "default via 10.244.1.1 dev eth0 \n10.244.1.0/24 dev eth0 proto kernel scope link src 10.244.1.2 \n",
      stderr: "",
      status: 0,
    });
  });

  test("says the same to the same lines", () => {
    const lines = ["client dig @10.96.0.10 server", "client ping -c 2 10.244.1.3", "node-1 iptables-save -c"];
    const run = () => podwire("sh", `examples/${EXAMPLE}`, ...lines.flatMap((line) => ["-c", line]));
    expect(run()).toEqual(run());
  });

  test("refuses bad input as other commands do", () => {
    expect(podwire("sh", "nowhere.yaml", "-c", "date").status).toBe(2);
  });
});
