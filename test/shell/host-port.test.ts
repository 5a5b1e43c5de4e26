// A hostPort from its own node: by 127.0.0.1, and with a hostIP (the portmap plugin's rules and route_localnet).
import { describe, expect, test } from "vitest";
import { shellOnManifests } from "./shell.ts";

const pod = (name: string, port: string): string => `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec: {nodeName: node-1, containers: [{name: main, ports: [${port}]}]}`;

const shell = shellOnManifests(
  pod("any", "{containerPort: 8080, hostPort: 9000}"),
  pod("local", "{containerPort: 8080, hostPort: 9001, hostIP: 127.0.0.1}"),
  pod("card", "{containerPort: 8080, hostPort: 9002, hostIP: 192.168.0.11}"),
);

/** The reply tuple of node-1's connection to a hostPort: who the pod believes to talk with. */
async function answered(port: number): Promise<string> {
  const { out: list } = await shell.run("node-1 conntrack -L");
  const line = list.split("\n").find((entry) => entry.includes(` dport=${port} `)) ?? "";
  return /dport=\d+ (src=\S+ dst=\S+)/.exec(line)?.[1] ?? line;
}

describe("a hostPort from its own node", () => {
  test("answers on 127.0.0.1, and the pod sees the bridge's address, as it could not answer 127.0.0.1", async () => {
    expect(await shell.out("node-1 curl http://127.0.0.1:9000/")).toHaveLength(200);
    expect(await answered(9000)).toBe("src=10.244.1.2 dst=10.244.1.1");
  });

  test("with the hostIP 127.0.0.1 it answers there alone", async () => {
    expect(await shell.out("node-1 curl http://127.0.0.1:9001/")).toHaveLength(200);
    expect(await answered(9001)).toBe("src=10.244.1.3 dst=10.244.1.1");
    expect((await shell.run("node-1 curl http://192.168.0.11:9001/")).status).toBe(7);
    expect((await shell.run("node-2 curl http://192.168.0.11:9001/")).status).toBe(7);
  });

  test("with the card's address as hostIP it does not answer on 127.0.0.1", async () => {
    expect(await shell.out("node-1 curl http://192.168.0.11:9002/")).toHaveLength(200);
    expect((await shell.run("node-1 curl http://127.0.0.1:9002/")).status).toBe(7);
  });
});
