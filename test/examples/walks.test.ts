// The eight walks: one packet of each, as every interface on its way saw it, and what else the walk is about.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeFrame } from "../tools/frame.ts";
import { runExample } from "../tools/podwire.ts";
import { summary } from "../tools/summary.ts";
import { judge, testWithTshark } from "../tools/tshark.ts";
import { firstPacket, sighting, walkOf } from "../tools/walk.ts";
import type { Capture } from "../tools/capture.ts";

/** The walk of the first packet on a device that the text fits. */
function walk(capture: Capture, device: string, text: string | RegExp): string[] {
  return walkOf(capture, firstPacket(capture, device, text).id);
}

/** Lines of the frames before the first TCP segment. */
function before(capture: Capture): string[] {
  const end = capture.packets.findIndex(({ bytes }) => decodeFrame(bytes).tcp !== undefined);
  return capture.packets.slice(0, end).map(sighting);
}

function devices(capture: Capture): string[] {
  return [...new Set(capture.packets.map(({ device }) => device))];
}

describe("container to container in one pod", () => {
  const { capture, report } = runExample("walks/01-localhost");

  test("goes over lo, by 127.0.0.1 and by the pod's own address, and leaves every other device alone", () => {
    expect(devices(capture)).toEqual(["default/pair/lo"]);
    expect(walk(capture, "default/pair/lo", "127.0.0.1:8080 tcp S$")).toEqual([
      "default/pair/lo in ttl 64: 127.0.0.1:59965 > 127.0.0.1:8080 tcp S",
    ]);
    expect(walk(capture, "default/pair/lo", "> 10.244.1.2:8080 tcp S$")).toEqual([
      "default/pair/lo in ttl 64: 10.244.1.2:59966 > 10.244.1.2:8080 tcp S",
    ]);
  });

  test("has Ethernet addresses of zeros and no ARP", () => {
    const frames = capture.packets.map(({ bytes }) => decodeFrame(bytes));
    expect(new Set(frames.flatMap(({ ethernet }) => [ethernet.source, ethernet.destination]))).toEqual(
      new Set(["00:00:00:00:00:00"]),
    );
    expect(frames.filter(({ arp }) => arp)).toEqual([]);
  });

  test("is answered by the first container on the port; the second gets address already in use", () => {
    expect(report.traffic.map(({ delivered }) => delivered)).toEqual([5, 5]);
    expect(report.listenErrors).toEqual([
      {
        namespace: "default/pair",
        process: "container shadow",
        protocol: "tcp",
        port: 8080,
        error: "address already in use",
      },
    ]);
  });
});

describe("pod to pod on one node", () => {
  const { capture } = runExample("walks/02-same-node");

  test("asks by ARP first, which the bridge floods, also back to the port in hairpin mode", () => {
    expect(before(capture)).toEqual([
      "default/client/eth0 out: arp who-has 10.244.1.3 tell 10.244.1.2",
      "node-1/veth6844d090 in: arp who-has 10.244.1.3 tell 10.244.1.2",
      "node-1/veth72b86496 out: arp who-has 10.244.1.3 tell 10.244.1.2",
      "node-1/veth3a09ea7f out: arp who-has 10.244.1.3 tell 10.244.1.2",
      "node-1/veth6844d090 out: arp who-has 10.244.1.3 tell 10.244.1.2",
      "node-1/vbr0 in: arp who-has 10.244.1.3 tell 10.244.1.2",
      "default/server/eth0 in: arp who-has 10.244.1.3 tell 10.244.1.2",
      "default/server/eth0 out: arp 10.244.1.3 is-at 0a:58:0a:f4:01:03",
      "default/client/eth0 in: arp who-has 10.244.1.3 tell 10.244.1.2",
      "node-1/veth3a09ea7f in: arp 10.244.1.3 is-at 0a:58:0a:f4:01:03",
      "node-1/veth6844d090 out: arp 10.244.1.3 is-at 0a:58:0a:f4:01:03",
      "default/client/eth0 in: arp 10.244.1.3 is-at 0a:58:0a:f4:01:03",
    ]);
  });

  test("goes from port to port of the bridge, with the same Ethernet and IP addresses and TTL all the way", () => {
    expect(walk(capture, "default/client/eth0", "tcp S$")).toEqual([
      "default/client/eth0 out ttl 64: 10.244.1.2:60050 > 10.244.1.3:8080 tcp S",
      "node-1/veth6844d090 in ttl 64: 10.244.1.2:60050 > 10.244.1.3:8080 tcp S",
      "node-1/veth3a09ea7f out ttl 64: 10.244.1.2:60050 > 10.244.1.3:8080 tcp S",
      "default/server/eth0 in ttl 64: 10.244.1.2:60050 > 10.244.1.3:8080 tcp S",
    ]);
    const tcp = capture.packets.map(({ bytes }) => decodeFrame(bytes)).filter((frame) => frame.tcp);
    expect(new Set(tcp.map(({ ethernet }) => `${ethernet.source} > ${ethernet.destination}`))).toEqual(
      new Set(["0a:58:0a:f4:01:02 > 0a:58:0a:f4:01:03", "0a:58:0a:f4:01:03 > 0a:58:0a:f4:01:02"]),
    );
    expect(capture.packets.filter(({ device, bytes }) => device === "node-1/vbr0" && decodeFrame(bytes).tcp)).toEqual(
      [],
    );
  });

  test("is a whole HTTP conversation in the client's capture", () => {
    const lines = capture.packets.filter(({ device }) => device === "default/client/eth0").map(sighting);
    expect(
      lines
        .filter((line) => line.includes(":60050"))
        .map((line) => line.replace(/^.*10\.244\.1\.(2|3):\d+ > \S+/, "10.244.1.$1")),
    ).toEqual([
      "10.244.1.2 tcp S",
      "10.244.1.3 tcp S.",
      "10.244.1.2 tcp .",
      "10.244.1.2 tcp P. 75",
      "10.244.1.3 tcp .",
      "10.244.1.3 tcp P. 283",
      "10.244.1.2 tcp .",
      "10.244.1.2 tcp F.",
      "10.244.1.3 tcp F.",
      "10.244.1.2 tcp .",
    ]);
  });
});

describe("pod to pod on two nodes", () => {
  const { capture } = runExample("walks/03-two-nodes");

  test("is routed by both nodes, over the wire between them", () => {
    expect(walk(capture, "default/client/eth0", "tcp S$")).toEqual([
      "default/client/eth0 out ttl 64: 10.244.1.2:60050 > 10.244.2.2:8080 tcp S",
      "node-1/veth6844d090 in ttl 64: 10.244.1.2:60050 > 10.244.2.2:8080 tcp S",
      "node-1/vbr0 in ttl 64: 10.244.1.2:60050 > 10.244.2.2:8080 tcp S",
      "node-1/eth0 out ttl 63: 10.244.1.2:60050 > 10.244.2.2:8080 tcp S",
      "node-2/eth0 in ttl 63: 10.244.1.2:60050 > 10.244.2.2:8080 tcp S",
      "node-2/vbr0 out ttl 62: 10.244.1.2:60050 > 10.244.2.2:8080 tcp S",
      "node-2/veth3a09ea7f out ttl 62: 10.244.1.2:60050 > 10.244.2.2:8080 tcp S",
      "default/server/eth0 in ttl 62: 10.244.1.2:60050 > 10.244.2.2:8080 tcp S",
    ]);
  });

  test("has the Ethernet addresses of each link", () => {
    const { id } = firstPacket(capture, "default/client/eth0", "tcp S$");
    const links = capture.packets
      .filter((packet) => packet.id === id)
      .map(({ device, bytes }) => {
        const { source, destination } = decodeFrame(bytes).ethernet;
        return `${device} ${source} > ${destination}`;
      });
    expect(links.filter((line) => /^(default|node-\d\/eth0)/.test(line))).toEqual([
      "default/client/eth0 0a:58:0a:f4:01:02 > 0a:58:0a:f4:01:01",
      "node-1/eth0 02:00:c0:a8:00:0b > 02:00:c0:a8:00:0c",
      "node-2/eth0 02:00:c0:a8:00:0b > 02:00:c0:a8:00:0c",
      "default/server/eth0 0a:58:0a:f4:02:01 > 0a:58:0a:f4:02:02",
    ]);
  });

  test("takes the latency of the wire, and the time that its bits need", () => {
    const { id } = firstPacket(capture, "default/client/eth0", "tcp S$");
    const at = (device: string): bigint =>
      capture.packets.find((packet) => packet.id === id && packet.device === device)?.time ?? 0n;
    // 50 us, and 74 bytes at 10 Gbit/s.
    expect(at("node-2/eth0") - at("node-1/eth0")).toBe(50_059n);
  });

  test("needs three ARP questions: for the gateway, for the other node, for the server", () => {
    const questions = capture.packets
      .map(({ bytes }) => summary(bytes))
      .filter((line) => line.startsWith("arp who-has"));
    expect([...new Set(questions)].slice(0, 3)).toEqual([
      "arp who-has 10.244.1.1 tell 10.244.1.2",
      "arp who-has 192.168.0.12 tell 192.168.0.11",
      "arp who-has 10.244.2.2 tell 10.244.2.1",
    ]);
  });
});

describe("pod to Service", () => {
  const { capture, report } = runExample("walks/04-service");

  test("on the same node is translated on the bridge, there and back", () => {
    expect(walk(capture, "default/client/eth0", "10.96.0.11:80 tcp S$")).toEqual([
      "default/client/eth0 out ttl 64: 10.244.1.2:60050 > 10.96.0.11:80 tcp S",
      "node-1/veth6844d090 in ttl 64: 10.244.1.2:60050 > 10.96.0.11:80 tcp S",
      // Only the packet that had to wait for ARP is seen here, as br_netfilter sends it by the neighbour's way.
      "node-1/vbr0 out ttl 64: 10.244.1.2:60050 > 10.244.1.3:8080 tcp S",
      "node-1/vethf2bf81ec out ttl 64: 10.244.1.2:60050 > 10.244.1.3:8080 tcp S",
      "default/near-0/eth0 in ttl 64: 10.244.1.2:60050 > 10.244.1.3:8080 tcp S",
    ]);
    expect(walk(capture, "default/near-0/eth0", "10.244.1.2:60050 tcp S.$")).toEqual([
      "default/near-0/eth0 out ttl 64: 10.244.1.3:8080 > 10.244.1.2:60050 tcp S.",
      "node-1/vethf2bf81ec in ttl 64: 10.244.1.3:8080 > 10.244.1.2:60050 tcp S.",
      "node-1/veth6844d090 out ttl 64: 10.96.0.11:80 > 10.244.1.2:60050 tcp S.",
      "default/client/eth0 in ttl 64: 10.96.0.11:80 > 10.244.1.2:60050 tcp S.",
    ]);
  });

  test("on another node is translated by the client's node alone", () => {
    expect(walk(capture, "default/client/eth0", "10.96.0.12:80 tcp S$")).toEqual([
      "default/client/eth0 out ttl 64: 10.244.1.2:60052 > 10.96.0.12:80 tcp S",
      "node-1/veth6844d090 in ttl 64: 10.244.1.2:60052 > 10.96.0.12:80 tcp S",
      "node-1/vbr0 in ttl 64: 10.244.1.2:60052 > 10.244.2.2:8080 tcp S",
      "node-1/eth0 out ttl 63: 10.244.1.2:60052 > 10.244.2.2:8080 tcp S",
      "node-2/eth0 in ttl 63: 10.244.1.2:60052 > 10.244.2.2:8080 tcp S",
      "node-2/vbr0 out ttl 62: 10.244.1.2:60052 > 10.244.2.2:8080 tcp S",
      "node-2/veth0fe667ec out ttl 62: 10.244.1.2:60052 > 10.244.2.2:8080 tcp S",
      "default/far-0/eth0 in ttl 62: 10.244.1.2:60052 > 10.244.2.2:8080 tcp S",
    ]);
    expect(walk(capture, "default/far-0/eth0", "10.244.1.2:60052 tcp S.$").slice(-3)).toEqual([
      "node-1/vbr0 out ttl 62: 10.96.0.12:80 > 10.244.1.2:60052 tcp S.",
      "node-1/veth6844d090 out ttl 62: 10.96.0.12:80 > 10.244.1.2:60052 tcp S.",
      "default/client/eth0 in ttl 62: 10.96.0.12:80 > 10.244.1.2:60052 tcp S.",
    ]);
  });

  test("by name asks the cluster's DNS for A and AAAA, on a Service address that is translated too", () => {
    const lines = capture.packets
      .filter(({ device }) => device === "default/client/eth0")
      .map(({ bytes }) => summary(bytes));
    expect(lines.filter((line) => line.includes("60051")).slice(0, 4)).toEqual([
      "10.244.1.2:60051 > 10.96.0.10:53 dns A? near.default.svc.cluster.local",
      "10.244.1.2:60051 > 10.96.0.10:53 dns AAAA? near.default.svc.cluster.local",
      "10.96.0.10:53 > 10.244.1.2:60051 dns A? near.default.svc.cluster.local = 0 A 10.96.0.11",
      "10.96.0.10:53 > 10.244.1.2:60051 dns AAAA? near.default.svc.cluster.local = 0",
    ]);
    expect(walk(capture, "default/client/eth0", "dns A\\? far")).toEqual([
      "default/client/eth0 out ttl 64: 10.244.1.2:60053 > 10.96.0.10:53 dns A? far.default.svc.cluster.local",
      "node-1/veth6844d090 in ttl 64: 10.244.1.2:60053 > 10.96.0.10:53 dns A? far.default.svc.cluster.local",
      "node-1/vbr0 in ttl 64: 10.244.1.2:60053 > 10.244.2.3:53 dns A? far.default.svc.cluster.local",
      "node-1/eth0 out ttl 63: 10.244.1.2:60053 > 10.244.2.3:53 dns A? far.default.svc.cluster.local",
      "node-2/eth0 in ttl 63: 10.244.1.2:60053 > 10.244.2.3:53 dns A? far.default.svc.cluster.local",
      "node-2/vbr0 out ttl 62: 10.244.1.2:60053 > 10.244.2.3:53 dns A? far.default.svc.cluster.local",
      "node-2/vethf6a97584 out ttl 62: 10.244.1.2:60053 > 10.244.2.3:53 dns A? far.default.svc.cluster.local",
      "kube-system/coredns-0/eth0 in ttl 62: 10.244.1.2:60053 > 10.244.2.3:53 dns A? far.default.svc.cluster.local",
    ]);
  });

  test("is delivered every time", () => {
    expect(report.traffic.map(({ name, sent, delivered }) => ({ name, sent, delivered }))).toEqual([
      { name: "near-by-address", sent: 5, delivered: 5 },
      { name: "near-by-name", sent: 5, delivered: 5 },
      { name: "far-by-address", sent: 5, delivered: 5 },
      { name: "far-by-name", sent: 5, delivered: 5 },
    ]);
  });
});

describe("egress", () => {
  const { capture } = runExample("walks/05-egress");

  test("is masqueraded by the node and mapped by the gateway on the way out", () => {
    expect(walk(capture, "default/client/eth0", "tcp S$")).toEqual([
      "default/client/eth0 out ttl 64: 10.244.1.2:60050 > 93.184.216.34:443 tcp S",
      "node-1/veth6844d090 in ttl 64: 10.244.1.2:60050 > 93.184.216.34:443 tcp S",
      "node-1/vbr0 in ttl 64: 10.244.1.2:60050 > 93.184.216.34:443 tcp S",
      "node-1/eth0 out ttl 63: 192.168.0.11:60050 > 93.184.216.34:443 tcp S",
      "gateway/eth0 in ttl 63: 192.168.0.11:60050 > 93.184.216.34:443 tcp S",
      "gateway/eth1 out ttl 62: 203.0.113.11:60050 > 93.184.216.34:443 tcp S",
      "internet/eth0 in ttl 62: 203.0.113.11:60050 > 93.184.216.34:443 tcp S",
      "internet/93.184.216.34/eth0 in ttl 61: 203.0.113.11:60050 > 93.184.216.34:443 tcp S",
    ]);
  });

  test("and each step is undone on the way back", () => {
    expect(walk(capture, "internet/93.184.216.34/eth0", "tcp S.$")).toEqual([
      "internet/93.184.216.34/eth0 out ttl 64: 93.184.216.34:443 > 203.0.113.11:60050 tcp S.",
      "internet/eth0 out ttl 63: 93.184.216.34:443 > 203.0.113.11:60050 tcp S.",
      "gateway/eth1 in ttl 63: 93.184.216.34:443 > 203.0.113.11:60050 tcp S.",
      "gateway/eth0 out ttl 62: 93.184.216.34:443 > 192.168.0.11:60050 tcp S.",
      "node-1/eth0 in ttl 62: 93.184.216.34:443 > 192.168.0.11:60050 tcp S.",
      "node-1/vbr0 out ttl 61: 93.184.216.34:443 > 10.244.1.2:60050 tcp S.",
      "node-1/veth6844d090 out ttl 61: 93.184.216.34:443 > 10.244.1.2:60050 tcp S.",
      "default/client/eth0 in ttl 61: 93.184.216.34:443 > 10.244.1.2:60050 tcp S.",
    ]);
  });
});

describe("ingress by load balancer", () => {
  const { capture } = runExample("walks/06-load-balancer");

  test("is handed to one node by the load balancer and reaches a pod on another, under the first node's address", () => {
    expect(walk(capture, "internet/client/eth0", "tcp S$")).toEqual([
      "internet/client/eth0 out ttl 64: 198.51.100.10:53577 > 192.0.2.1:80 tcp S",
      "internet/eth0 out ttl 63: 198.51.100.10:53577 > 192.0.2.1:80 tcp S",
      "load-balancer/eth0 in ttl 63: 198.51.100.10:53577 > 192.0.2.1:80 tcp S",
      "load-balancer/eth1 out ttl 62: 198.51.100.10:53577 > 192.0.2.1:80 tcp S",
      "node-1/eth0 in ttl 62: 198.51.100.10:53577 > 192.0.2.1:80 tcp S",
      "node-1/eth0 out ttl 61: 192.168.0.11:50930 > 10.244.2.2:8080 tcp S",
      "node-2/eth0 in ttl 61: 192.168.0.11:50930 > 10.244.2.2:8080 tcp S",
      "node-2/vbr0 out ttl 60: 192.168.0.11:50930 > 10.244.2.2:8080 tcp S",
      "node-2/veth53842afe out ttl 60: 192.168.0.11:50930 > 10.244.2.2:8080 tcp S",
      "default/web-0/eth0 in ttl 60: 192.168.0.11:50930 > 10.244.2.2:8080 tcp S",
    ]);
  });

  test("and the answer goes back through the node that it entered by, past the load balancer", () => {
    expect(walk(capture, "default/web-0/eth0", "tcp S.$")).toEqual([
      "default/web-0/eth0 out ttl 64: 10.244.2.2:8080 > 192.168.0.11:50930 tcp S.",
      "node-2/veth53842afe in ttl 64: 10.244.2.2:8080 > 192.168.0.11:50930 tcp S.",
      "node-2/vbr0 in ttl 64: 10.244.2.2:8080 > 192.168.0.11:50930 tcp S.",
      "node-2/eth0 out ttl 63: 10.244.2.2:8080 > 192.168.0.11:50930 tcp S.",
      "node-1/eth0 in ttl 63: 10.244.2.2:8080 > 192.168.0.11:50930 tcp S.",
      "node-1/eth0 out ttl 62: 192.0.2.1:80 > 198.51.100.10:53577 tcp S.",
      "gateway/eth0 in ttl 62: 192.0.2.1:80 > 198.51.100.10:53577 tcp S.",
      "gateway/eth1 out ttl 61: 192.0.2.1:80 > 198.51.100.10:53577 tcp S.",
      "internet/eth0 in ttl 61: 192.0.2.1:80 > 198.51.100.10:53577 tcp S.",
      "internet/client/eth0 in ttl 60: 192.0.2.1:80 > 198.51.100.10:53577 tcp S.",
    ]);
  });
});

describe("ingress by node port", () => {
  const { capture, report } = runExample("walks/07-node-port");

  test("on the node with the pod is masqueraded with the bridge's address", () => {
    expect(walk(capture, "internet/client/eth0", "203.0.113.12:30080 tcp S$")).toEqual([
      "internet/client/eth0 out ttl 64: 198.51.100.10:50642 > 203.0.113.12:30080 tcp S",
      "internet/eth0 out ttl 63: 198.51.100.10:50642 > 203.0.113.12:30080 tcp S",
      "gateway/eth1 in ttl 63: 198.51.100.10:50642 > 203.0.113.12:30080 tcp S",
      "gateway/eth0 out ttl 62: 198.51.100.10:50642 > 192.168.0.12:30080 tcp S",
      "node-2/eth0 in ttl 62: 198.51.100.10:50642 > 192.168.0.12:30080 tcp S",
      "node-2/vbr0 out ttl 61: 10.244.2.1:41451 > 10.244.2.2:8080 tcp S",
      "node-2/veth53842afe out ttl 61: 10.244.2.1:41451 > 10.244.2.2:8080 tcp S",
      "default/web-0/eth0 in ttl 61: 10.244.2.1:41451 > 10.244.2.2:8080 tcp S",
    ]);
  });

  test("on a node without one is sent on to the node that has it", () => {
    expect(walk(capture, "internet/client/eth0", "203.0.113.11:30080 tcp S$").slice(3)).toEqual([
      "gateway/eth0 out ttl 62: 198.51.100.10:50643 > 192.168.0.11:30080 tcp S",
      "node-1/eth0 in ttl 62: 198.51.100.10:50643 > 192.168.0.11:30080 tcp S",
      "node-1/eth0 out ttl 61: 192.168.0.11:43067 > 10.244.2.2:8080 tcp S",
      "node-2/eth0 in ttl 61: 192.168.0.11:43067 > 10.244.2.2:8080 tcp S",
      "node-2/vbr0 out ttl 60: 192.168.0.11:43067 > 10.244.2.2:8080 tcp S",
      "node-2/veth53842afe out ttl 60: 192.168.0.11:43067 > 10.244.2.2:8080 tcp S",
      "default/web-0/eth0 in ttl 60: 192.168.0.11:43067 > 10.244.2.2:8080 tcp S",
    ]);
  });

  test("is delivered on every node", () => {
    expect(report.traffic.map(({ sent, delivered }) => [sent, delivered])).toEqual([
      [5, 5],
      [5, 5],
      [10, 10],
    ]);
  });
});

describe("ingress by host and path", () => {
  const { capture, report, path } = runExample("walks/08-ingress");

  test("begins with the name, asked of the resolver outside", () => {
    expect(walk(capture, "internet/client/eth0", "dns A\\?")).toEqual([
      "internet/client/eth0 out ttl 64: 198.51.100.10:50642 > 198.51.100.53:53 dns A? shop.example.com",
      "internet/resolver/eth0 in ttl 63: 198.51.100.10:50642 > 198.51.100.53:53 dns A? shop.example.com",
    ]);
  });

  test("goes on with a connection that ends at the ingress controller, which sees the client's own address", () => {
    expect(walk(capture, "internet/client/eth0", "80 tcp S$")).toEqual([
      "internet/client/eth0 out ttl 64: 198.51.100.10:50643 > 192.0.2.1:80 tcp S",
      "node-1/eth0 in ttl 62: 198.51.100.10:50643 > 192.0.2.1:80 tcp S",
      "ingress-nginx/ingress-nginx-controller-0/eth0 in ttl 61: 198.51.100.10:50643 > 10.244.1.3:80 tcp S",
    ]);
  });

  test("and ends with one of the controller's own, to the pod's address", () => {
    expect(walk(capture, "ingress-nginx/ingress-nginx-controller-0/eth0", "8080 tcp S$")).toEqual([
      "ingress-nginx/ingress-nginx-controller-0/eth0 out ttl 64: 10.244.1.3:40816 > 10.244.2.2:8080 tcp S",
      "node-1/eth0 out ttl 63: 10.244.1.3:40816 > 10.244.2.2:8080 tcp S",
      "node-2/eth0 in ttl 63: 10.244.1.3:40816 > 10.244.2.2:8080 tcp S",
      "default/web-0/eth0 in ttl 62: 10.244.1.3:40816 > 10.244.2.2:8080 tcp S",
    ]);
  });

  test("is delivered every time, by either path", () => {
    expect(report.traffic.map(({ name, sent, delivered }) => ({ name, sent, delivered }))).toEqual([
      { name: "page", sent: 5, delivered: 5 },
      { name: "api", sent: 5, delivered: 5 },
    ]);
  });

  test("gives the same capture with one worker and with two", () => {
    const [one, two] = ["1", "2"].map((workers) => runExample("walks/08-ingress", "--workers", workers).path);
    expect(readFileSync(one ?? "").equals(readFileSync(two ?? ""))).toBe(true);
    expect(readFileSync(one ?? "").equals(readFileSync(path))).toBe(true);
  });
});

describe("tshark with every checksum check finds nothing wrong in", () => {
  const names = [
    "01-localhost",
    "02-same-node",
    "03-two-nodes",
    "04-service",
    "05-egress",
    "06-load-balancer",
    "07-node-port",
    "08-ingress",
  ];
  for (const name of names) {
    testWithTshark(name, () => {
      const { path, capture } = runExample(`walks/${name}`);
      expect(judge(path)).toEqual({ frames: capture.packets.length, badChecksums: [], errors: [], analysis: [] });
    });
  }
});
