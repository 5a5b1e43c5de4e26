// Which source address a pod sees behind each kind of Service, by the frames that reach it.
import { beforeAll, describe, expect, test } from "vitest";
import { ended, play, podOn, serviceOf, sourcesSeen, type Played } from "./play.ts";

// Each line calls a pod of its own on node-1, so that what the pod saw is what the line sent.
const CALLS: [line: string, from: string, to: string, service: string, seen: string][] = [
  ["a pod of the same node", "{pod: near}", "{service: S}", "", "10.244.1.2"],
  ["a pod of another node", "{pod: far}", "{service: S}", "", "10.244.2.2"],
  ["the node of the pod itself", "{node: node-1}", "{service: S, by: clusterIP}", "", "10.244.1.1"],
  ["another node", "{node: node-2}", "{service: S, by: clusterIP}", "", "192.168.0.12"],
  ["outside, by the pod's node", "internet", "{nodePort: S, node: node-1}", "type: NodePort", "10.244.1.1"],
  ["outside, by another node", "internet", "{nodePort: S, node: node-2}", "type: NodePort", "192.168.0.12"],
  [
    "outside, policy Local",
    "internet",
    "{nodePort: S, node: node-1}",
    "type: NodePort, externalTrafficPolicy: Local",
    "198.51.100.10",
  ],
  [
    "outside, by load balancer and policy Local",
    "internet",
    "{loadBalancer: S}",
    "type: LoadBalancer, externalTrafficPolicy: Local",
    "198.51.100.10",
  ],
  [
    "a pod by the load balancer's address, policy Local",
    "{pod: far}",
    "{loadBalancer: S}",
    "type: LoadBalancer, externalTrafficPolicy: Local",
    "10.244.2.2",
  ],
  [
    "a pod by the load balancer's address, policy Cluster",
    "{pod: far}",
    "{loadBalancer: S}",
    "type: LoadBalancer",
    "192.168.0.12",
  ],
  [
    "a node by its own node port, policy Local",
    "{node: node-2}",
    "{nodePort: S, node: node-2}",
    "type: NodePort, externalTrafficPolicy: Local",
    "192.168.0.12",
  ],
  [
    "a pod by an external IP",
    "{pod: far}",
    "{host: 203.0.113.200, port: 80}",
    "externalIPs: [203.0.113.200]",
    "192.168.0.12",
  ],
  ["the pod itself by its Service", "{pod: p12}", "{service: S}", "", "10.244.1.1"],
  ["a hostPort, from outside", "internet", "{node: node-1, port: 9013}", "", "198.51.100.10"],
  ["a hostPort, from a pod of the node", "{pod: near}", "{node: node-1, port: 9014}", "", "10.244.1.1"],
  ["a hostPort, from another node", "{node: node-2}", "{node: node-1, port: 9015}", "", "192.168.0.12"],
  ["a hostPort, from the pod that has it", "{pod: p16}", "{node: node-1, port: 9016}", "", "10.244.1.1"],
  ["a hostPort, from its own node", "{node: node-1}", "{node: node-1, port: 9017}", "", "192.168.0.11"],
  ["a hostPort, from a pod of another node", "{pod: far}", "{node: node-1, port: 9018}", "", "192.168.0.12"],
];

describe("what a pod sees as its client's address", () => {
  let played: Played;
  beforeAll(async () => {
    const traffic = CALLS.map(
      ([line, from, to], i) =>
        `    - {name: "${line}", from: ${from}, to: ${to.replace("S", `s${i}`)}, protocol: tcp, rate: 5/s, timeout: 500ms}`,
    );
    played = await play(`  duration: 1s\n  traffic:\n${traffic.join("\n")}`, [
      podOn("node-1", "near", 1),
      podOn("node-2", "far", 1),
      ...CALLS.flatMap(([, , , service], i) => [
        podOn("node-1", `p${i}`, 8080).replace("{containerPort: 8080}", `{containerPort: 8080, hostPort: ${9000 + i}}`),
        serviceOf(`s${i}`, `selector: {app: p${i}}, ports: [{port: 80, targetPort: 8080}]${service && `, ${service}`}`),
      ]),
    ]);
  });

  test.each(CALLS.map(([line, , , , seen], i) => ({ line, seen, i })))(
    "from $line it is $seen",
    ({ line, seen, i }) => {
      expect(sourcesSeen(played, `default/p${i}/eth0`, 8080)).toEqual([seen]);
      expect(ended(played, line)).toBe("delivered 5");
    },
  );
});
