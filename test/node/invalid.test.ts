// The INVALID drop of KUBE-FORWARD: what a segment out of its connection's window does without it, and that it does nothing with it.
import { describe, expect, test } from "vitest";
import { proxyContext } from "../../src/node/kube-proxy/context.ts";
import { kubeProxyRules } from "../../src/node/kube-proxy/proxy.ts";
import { ethernet, tcp, type TcpWords } from "../kernel/craft.ts";
import { BUILDS, Lab, type Build } from "../kernel/lab.ts";
import { flow } from "../kernel/network.ts";
import { summarize } from "../tools/summary.ts";
import { endpoint, port, service, slice } from "./objects.ts";

const CLIENT = "10.244.1.2";
const POD = "10.244.2.2";
const CLUSTER_IP = "10.96.0.20";
const WEB = service("shop/web", CLUSTER_IP, [port("", 80, { targetPort: 8080 })]);

/** The pod's side is played by the test, which has opened the client's connection by the cluster IP. */
class Connection {
  readonly lab: Lab;
  readonly #port: number;
  readonly #next: number;

  constructor(build: Build, conntrackTCPBeLiberal: boolean) {
    const context = proxyContext({
      nodeName: "node-1",
      detectLocal: { mode: "ClusterCIDR", value: "10.244.0.0/16" },
      conntrackTCPBeLiberal,
    });
    const words = {
      namespaces: {
        client: { addresses: { eth0: `${CLIENT}/24` }, routes: ["0.0.0.0/0 via 10.244.1.1"] },
        pod: {},
        node: {
          addresses: { left: "10.244.1.1/24", right: "10.244.2.1/24" },
          neighbours: [`right ${POD} 02:00:00:00:00:99`],
          sysctls: { "net.ipv4.ip_forward": 1 },
          rules: kubeProxyRules([WEB], [slice(WEB, [endpoint(POD, "node-1")])], context),
        },
      },
      veths: ["client/eth0 node/left", "pod/eth0 node/right"],
    };
    this.lab = new Lab(build, words, { lines: ["call"], flows: [flow("client", "tcp", `${CLUSTER_IP}:80`)] });
    this.lab.run(0.1);
    const syn = this.lab.seen("pod/eth0").find(({ frame }) => frame.tcp?.flags === "S")?.frame.tcp;
    if (!syn) throw new Error("no SYN came to the pod");
    this.#port = syn.sourcePort;
    this.#next = syn.sequence + 1;
    this.fromPod({ flags: "S.", seq: 900 }, 0.2);
  }

  fromPod(words: TcpWords, at: number): void {
    const packet = tcp({ from: POD, to: CLIENT }, [8080, this.#port], { ack: this.#next, ...words });
    const mac = this.lab.mac("node/right");
    this.lab.inject("node/right", ethernet(mac, "02:00:00:00:00:99", 0x0800, packet), at);
    this.lab.run(at + 0.05);
  }

  /** What the client saw, and what came to the pod, after that time. */
  seenAfter(seconds: number): { client: string[]; pod: string[] } {
    const on = (device: string): string[] =>
      this.lab
        .seen(device)
        .filter(({ ns, direction }) => ns > seconds * 1e9 && direction === "inbound")
        .map(({ frame }) => summarize(frame).replaceAll(`:${this.#port}`, ""));
    return { client: on("client/eth0"), pod: on("pod/eth0") };
  }
}

describe.each(BUILDS)("in the %s build a segment far out of the window", (build) => {
  const LATE: TcpWords = { flags: ".", seq: 900 + 10_000_000, data: "late" };

  test("is dropped, and the connection goes on", () => {
    const connection = new Connection(build, false);
    connection.fromPod(LATE, 0.3);
    expect(connection.seenAfter(0.29)).toEqual({ client: [], pod: [] });
    connection.fromPod({ flags: "P.", seq: 901, data: "good" }, 0.4);
    expect(connection.seenAfter(0.39).client).toEqual([`${CLUSTER_IP}:80 > ${CLIENT} tcp P. 4`]);
  });

  test("without the rule comes with the pod's own address, and the client resets what it does not know", () => {
    const connection = new Connection(build, true);
    connection.fromPod(LATE, 0.3);
    expect(connection.seenAfter(0.29)).toEqual({
      client: [`${POD}:8080 > ${CLIENT} tcp . 4`],
      pod: [`${CLIENT} > ${POD}:8080 tcp R`],
    });
  });
});
