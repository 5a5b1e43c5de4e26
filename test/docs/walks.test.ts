// The traces that pages show: each is run, ends as stated here, takes the steps that decide it, and prints what its page shows.
import { describe, expect, test } from "vitest";
import { podwire } from "../tools/podwire.ts";
import { shownTraces } from "./shown-traces.ts";

interface Expected {
  /** The end of its first line, after the protocol. */
  said: string;
  /** Where the walk of its first packet ends. */
  end: string;
  /** Lines, or parts of lines, in the order in which they come. */
  steps: string[];
}

const EXPECTED: Record<string, Expected> = {
  "trace examples/walks/01-localhost --from pod/pair --to 127.0.0.1:8080": {
    said: "answered by default/pair after 0 ns",
    end: "Delivered in default/pair",
    steps: ["1 route        127.0.0.1 directly, out lo", "3 lo           receives", "5 socket"],
  },
  "trace examples/walks/02-same-node --from pod/client --to pod/server:8080": {
    said: "answered by default/server after 0 ns",
    end: "Delivered in default/server",
    steps: [
      "PREROUTING   in vbr0 (port veth",
      "is behind veth",
      "FORWARD      in vbr0 (port veth",
      "receives 74 bytes, TTL 64",
    ],
  },
  "trace examples/walks/03-two-nodes --from pod/client --to pod/server:8080": {
    said: "answered by default/server after 300 us",
    end: "Delivered in default/server",
    steps: [
      "for the bridge's own interface",
      "route        10.244.2.2 by 192.168.0.12, out eth0",
      "pods keep their address inside the cluster",
      "sends 74 bytes, TTL 63",
      "route        10.244.2.2 directly, out vbr0",
      "receives 74 bytes, TTL 62",
    ],
  },
  "trace examples/walks/04-service --from pod/client --to svc/far:80": {
    said: "answered by default/far-0 after 300 us",
    end: "Delivered in default/far-0",
    steps: [
      "PREROUTING   in vbr0",
      "nat KUBE-SERVICES 2 -d 10.96.0.12/32",
      "-j DNAT --to-destination 10.244.2.2:8080",
      "destination rewritten 10.96.0.12:80 -> 10.244.2.2:8080",
      "conntrack confirmed: tcp SYN_SENT 10.244.1.2:60050 > 10.96.0.12:80, reply 10.244.2.2:8080 > 10.244.1.2:60050",
    ],
  },
  "trace examples/walks/04-service --from pod/client --to far:80": {
    said: "answered by default/far-0 after 401 us",
    end: "Delivered in default/far-0",
    steps: [
      "UDP 10.244.1.2:60050 > 10.96.0.10:53. Delivered in kube-system/coredns-1",
      "UDP 10.244.1.2:60050 > 10.96.0.10:53. Delivered in kube-system/coredns-0",
      "TCP SYN 10.244.1.2:60051 > 10.96.0.12:80",
    ],
  },
  "trace examples/walks/05-egress --from pod/client --to 93.184.216.34:443": {
    said: "answered by internet/93.184.216.34 after 60.3 ms",
    end: "Delivered in internet/93.184.216.34",
    steps: [
      "-j MASQUERADE",
      "source rewritten 10.244.1.2:60050 -> 192.168.0.11:60050",
      "-j SNAT --to-source 203.0.113.11",
      "source rewritten 192.168.0.11:60050 -> 203.0.113.11:60050",
    ],
  },
  "trace examples/walks/06-load-balancer --from internet --to lb/web:80": {
    said: "answered by default/web-0 after 60.6 ms",
    end: "Delivered in default/web-0",
    steps: [
      "balance      to 192.168.0.11, as it is",
      "-j KUBE-MARK-MASQ",
      "destination rewritten 192.0.2.1:80 -> 10.244.2.2:8080",
      "-j MASQUERADE --random-fully",
      "source rewritten 198.51.100.10:53577 -> 192.168.0.11:",
    ],
  },
  "trace examples/walks/07-node-port --from internet --to nodeport/web:80": {
    said: "answered by default/web-0 after 60.6 ms",
    end: "Delivered in default/web-0",
    steps: [
      "destination rewritten 203.0.113.11:30080 -> 192.168.0.11:30080",
      "--dst-type LOCAL -j KUBE-NODEPORTS",
      "-j KUBE-MARK-MASQ",
      "destination rewritten 192.168.0.11:30080 -> 10.244.2.2:8080",
      "source rewritten 198.51.100.10:50642 -> 192.168.0.11:",
    ],
  },
  "trace examples/walks/08-ingress --from internet --to lb/ingress-nginx/ingress-nginx-controller:80": {
    said: "no answer. Delivered in ingress-nginx/ingress-nginx-controller-0: taken by the ingress controller.",
    end: "Delivered in ingress-nginx/ingress-nginx-controller-0",
    steps: ["-j KUBE-SVL-", "destination rewritten 192.0.2.1:80 -> 10.244.1.3:80", "taken by the ingress controller"],
  },
  "trace examples/mysteries/br-netfilter/broken.yaml --from pod/client --to svc/web": {
    said: "no answer. Delivered in default/web-near: taken by the server that listens there. Then ICMP redirect 10.244.1.1 > 10.244.1.2: Dropped in node-1 (NETFILTER_DROP).",
    end: "Delivered in default/web-near",
    steps: [
      "for the bridge's own interface",
      "destination rewritten 10.96.0.11:80 -> 10.244.1.3:8080",
      "TCP SYN, ACK 10.244.1.3:8080 > 10.244.1.2:60050. Refused with TCP reset in default/client (NO_SOCKET).",
    ],
  },
  "trace examples/mysteries/br-netfilter/fixed.yaml --from pod/client --to svc/web": {
    said: "answered by default/web-near after 0 ns",
    end: "Delivered in default/web-near",
    steps: [
      "PREROUTING   in vbr0 (port veth",
      "is behind veth",
      "TCP SYN, ACK 10.244.1.3:8080 > 10.244.1.2:60050. Delivered",
    ],
  },
  "trace examples/mysteries/hairpin/broken.yaml --from pod/web-0 --to svc/web": {
    said: "answered by default/web-1 after 1 s",
    end: "Dropped in node-1 (BRIDGE_NO_EGRESS_PORT)",
    steps: ["--to-destination 10.244.1.2:8080", "it came from there, and hairpin is off", "+1 s: TCP SYN"],
  },
  "trace examples/mysteries/hairpin/fixed.yaml --from pod/web-0 --to svc/web": {
    said: "answered by default/web-0 after 0 ns",
    end: "Delivered in default/web-0",
    steps: ["--to-destination 10.244.1.2:8080", "is behind veth", "source rewritten 10.244.1.2:33732 -> 10.244.1.1:"],
  },
  "trace examples/mysteries/source-address/broken.yaml --from internet --to lb/web": {
    said: "answered by default/web-0 after 60.3 ms",
    end: "Delivered in default/web-0",
    steps: ["-j KUBE-MARK-MASQ", "destination rewritten", "source rewritten 198.51.100.10:50642 -> 10.244.3.1:"],
  },
  "trace examples/mysteries/source-address/fixed.yaml --from internet --to lb/web": {
    said: "answered by default/web-0 after 60.3 ms",
    end: "Delivered in default/web-0",
    steps: ["-j KUBE-SVL-", "destination rewritten", "TCP SYN, ACK 10.244.3.2:8080 > 198.51.100.10:50642."],
  },
  "trace examples/mysteries/policy-and-or/broken.yaml --from shop/page --to pod/shop/db:5432": {
    said: "answered by shop/db after 300 us",
    end: "Delivered in shop/db",
    steps: ["ingress to shop/db", "NetworkPolicy shop/database ingress[0]", "-m mark --mark 0x10000/0x10000 -j RETURN"],
  },
  "trace examples/mysteries/policy-and-or/fixed.yaml --from shop/page --to pod/shop/db:5432": {
    said: 'no answer. Dropped in node-2 by filter NETPOL-POD-IN-TANWNMBZ4A4K 5 (-A NETPOL-POD-IN-TANWNMBZ4A4K -m comment --comment "ingress to shop/db denied by NetworkPolicy shop/database" -j DROP).',
    end: "Dropped in node-2 by filter NETPOL-POD-IN-TANWNMBZ4A4K 5",
    steps: ["NETPOL-POD-IN-TANWNMBZ4A4K 5", "drop         NETFILTER_DROP"],
  },
  "trace examples/mysteries/ndots/broken.yaml --from pod/client --to example.com:443": {
    said: "answered by internet/93.184.216.34 after 101 ms",
    end: "Delivered in internet/93.184.216.34",
    steps: Array<string>(8).fill("UDP 10.244.1.2:60050 > 10.96.0.10:53."),
  },
  "trace examples/mysteries/ndots/fixed.yaml --from pod/client --to example.com:443": {
    said: "answered by internet/93.184.216.34 after 100 ms",
    end: "Delivered in internet/93.184.216.34",
    steps: Array<string>(2).fill("UDP 10.244.1.2:60050 > 10.96.0.10:53."),
  },
};

const traces = shownTraces();

test("every trace that a page shows is stated here, and each of these is shown", () => {
  expect(Object.keys(EXPECTED).sort()).toEqual(traces.map(({ line }) => line).sort());
});

describe.each(traces)("podwire $line, in $path,", ({ line, shown }) => {
  const expected = EXPECTED[line];
  const { status, stdout, stderr } = podwire(...line.split(" "));

  test("ends as stated, by the steps that decide it", () => {
    const [first = "", ...walk] = stdout.split("\n");
    expect({ status, stderr, said: first.replace(/^.*?, tcp: /, "") }).toEqual({
      status: expected?.said.startsWith("answered") ? 0 : 1,
      stderr: "",
      said: expected?.said,
    });
    expect(walk.find((each) => /^(Delivered|Dropped|Refused)/.test(each))).toContain(expected?.end);
    expect(missing(walk, expected?.steps ?? [], (each, step) => each.includes(step))).toEqual([]);
  });

  test("prints the lines that the page shows, in their order", () => {
    expect(shown.length).toBeGreaterThan(2);
    expect(missing(stdout.split("\n"), shown, (each, step) => each === step)).toEqual([]);
  });
});

/** The first of the wanted lines that does not come after those before it, if any. */
function missing(lines: string[], wanted: string[], fits: (line: string, wanted: string) => boolean): string[] {
  let from = 0;
  for (const want of wanted) {
    const at = lines.findIndex((line, i) => i >= from && fits(line, want));
    if (at < 0) return [want];
    from = at + 1;
  }
  return [];
}
