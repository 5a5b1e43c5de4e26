// A node as a machine: devices, addresses, routes, listeners and the rules that kubelet, kube-proxy and the CNI plugins leave on it.
import { describe, expect, it } from "vitest";
import { proxyHealthListener } from "../../src/node/kube-proxy/health.ts";
import type { Node } from "../../src/kubernetes/objects.ts";
import { vethName } from "../../src/node/cni-bridge.ts";
import { unservedPorts } from "../../src/node/kubelet.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";
import { nodeMachine, nodeRules } from "../../src/node/machine.ts";
import { LINUX_COSTS } from "../../src/seam/processor.ts";
import { cluster, container, pod } from "./objects.ts";
import { parseRules } from "./rules-text.ts";
import { RANGES, SHOP } from "./shop.ts";

const [ONE, TWO] = SHOP.nodes as [Node, Node];

describe("a node's machine", () => {
  it("is silent about addresses of kube-ipvs0 with strictARP, in ipvs mode only", () => {
    const arpOf = (options: Partial<Parameters<typeof nodeMachine>[2]>): [string, string][] =>
      (nodeMachine(SHOP, ONE, { ...RANGES, ...options }).namespaces[0]?.sysctls ?? []).filter(([key]) =>
        key.includes("arp"),
      );
    expect(arpOf({ proxyMode: "ipvs", kubeProxy: { strictARP: true } })).toEqual([
      ["net.ipv4.conf.all.arp_ignore", "1"],
      ["net.ipv4.conf.all.arp_announce", "2"],
    ]);
    expect(arpOf({ proxyMode: "ipvs" })).toEqual([]);
    expect(arpOf({ kubeProxy: { strictARP: true } })).toEqual([]);
  });

  it("has the node's card, bridge and routes, and a namespace for each pod that is not on the host's network", () => {
    const machine = nodeMachine(SHOP, TWO, RANGES);
    expect({
      ...machine,
      namespaces: machine.namespaces.map(({ rules, ...rest }) => ({
        ...rest,
        rules: rules && wholeText(rules).startsWith("*mangle"),
      })),
    }).toEqual({
      name: "node-2",
      namespaces: [
        {
          name: "node-2",
          role: "node",
          sysctls: [
            ["net.ipv4.ip_forward", "1"],
            ["net.bridge.bridge-nf-call-iptables", "1"],
            ["net.ipv4.conf.all.route_localnet", "1"],
            ["net.netfilter.nf_conntrack_max", "131072"],
            ["net.netfilter.nf_conntrack_tcp_timeout_established", "86400"],
            ["net.netfilter.nf_conntrack_tcp_timeout_close_wait", "3600"],
          ],
          rules: true,
        },
        { name: "shop/web-1", role: "pod", sysctls: [], rules: undefined },
        { name: "kube-system/coredns-0", role: "pod", sysctls: [], rules: undefined },
      ],
      bridges: [{ namespace: "node-2", name: "vbr0", mac: "0a:58:0a:f4:02:01", mtu: 1500 }],
      veths: [
        {
          a: { namespace: "node-2", name: "veth0bc001f3", mac: "02:01:0a:f4:02:02", bridge: "vbr0", hairpin: true },
          b: { namespace: "shop/web-1", name: "eth0", mac: "0a:58:0a:f4:02:02" },
          mtu: 1500,
        },
        {
          a: { namespace: "node-2", name: "vethf6a97584", mac: "02:01:0a:f4:02:03", bridge: "vbr0", hairpin: true },
          b: { namespace: "kube-system/coredns-0", name: "eth0", mac: "0a:58:0a:f4:02:03" },
          mtu: 1500,
        },
      ],
      wires: [{ namespace: "node-2", name: "eth0", mac: "02:00:c0:a8:00:0c", mtu: 1500, segment: "nodes" }],
      addresses: [
        { namespace: "node-2", device: "eth0", cidr: "192.168.0.12/24" },
        { namespace: "node-2", device: "vbr0", cidr: "10.244.2.1/24" },
        { namespace: "shop/web-1", device: "eth0", cidr: "10.244.2.2/24" },
        { namespace: "kube-system/coredns-0", device: "eth0", cidr: "10.244.2.3/24" },
      ],
      routes: [
        { namespace: "node-2", destination: "0.0.0.0/0", via: "192.168.0.1", device: "eth0" },
        { namespace: "shop/web-1", destination: "0.0.0.0/0", via: "10.244.2.1", device: "eth0" },
        { namespace: "kube-system/coredns-0", destination: "0.0.0.0/0", via: "10.244.2.1", device: "eth0" },
      ],
      commonRoutes: {
        namespace: "node-2",
        device: "eth0",
        routes: [
          { destination: "10.244.1.0/24", via: "192.168.0.11" },
          { destination: "10.244.2.0/24", via: "192.168.0.12" },
        ],
        except: 1,
      },
      neighbours: [],
      listeners: [
        proxyHealthListener({ name: "node-2" }),
        {
          namespace: "shop/web-1",
          protocol: "tcp",
          address: "0.0.0.0",
          port: 8080,
          application: "service",
          process: "container web",
        },
        {
          namespace: "kube-system/coredns-0",
          protocol: "udp",
          address: "0.0.0.0",
          port: 53,
          application: "dns",
          process: "container coredns",
          dns: { names: "zone", forward: "198.51.100.53" },
        },
        {
          namespace: "kube-system/coredns-0",
          protocol: "tcp",
          address: "0.0.0.0",
          port: 9153,
          application: "service",
          process: "container coredns",
        },
      ],
    });
  });

  it("has a listener for both of two containers with the same port, and a hostNetwork pod's in the root namespace", () => {
    const { listeners } = nodeMachine(SHOP, ONE, RANGES);
    expect(
      listeners.map(({ namespace, protocol, port, process }) => `${namespace} ${port}/${protocol} ${process}`),
    ).toEqual([
      "node-1 10256/tcp kube-proxy, its own health check",
      "shop/web-0 8080/tcp container web",
      "shop/web-0 8080/tcp container log",
      "shop/web-0 514/udp container log",
      "node-1 9100/tcp container agent of ops/agent-0",
      "shop/edge 8443/tcp container edge",
      "shop/edge 8000/tcp container edge",
      "shop/edge 5353/udp container edge",
    ]);
  });

  it("names the ports that nothing listens on", () => {
    expect(unservedPorts(SHOP)).toEqual([
      "nothing listens on SCTP port 7 of container coredns in pod kube-system/coredns-0: SCTP sockets are not emulated",
    ]);
  });

  it("has a larger connection table on more cores, up to a million", () => {
    const max = (cores: number) => {
      const processor = { cores, backlog: 1000, costs: LINUX_COSTS };
      return nodeMachine(SHOP, ONE, { ...RANGES, processor }).namespaces[0]?.sysctls[3]?.[1];
    };
    expect([1, 4, 8, 64].map(max)).toEqual(["131072", "131072", "262144", "1048576"]);
  });

  it("has its own name for every veth, and a name and a MAC only once on the bridge", () => {
    const pods = Array.from({ length: 200 }, (_, i) => pod(`load/p-${i}`, "node-1", `10.244.1.${i + 2}`, []));
    const { veths } = nodeMachine(cluster({ nodes: [ONE], pods }), ONE, RANGES);
    expect(new Set(veths.map(({ a }) => a.name)).size).toBe(200);
    expect(veths.every(({ a }) => /^veth[0-9a-f]{8}$/.test(a.name))).toBe(true);
    expect(new Set(veths.flatMap(({ a, b }) => [a.mac, b.mac])).size).toBe(400);
    const [first] = pods as [(typeof pods)[0]];
    expect(vethName(first, new Set([vethName(first)]))).not.toBe(vethName(first));
  });
});

describe("a node's rules", () => {
  const nat = parseRules(nodeRules(SHOP, ONE, RANGES)).get("nat");
  // sha256sum of "shop/web-0".
  const WEB_ID = "ad0f4c262fc8383ab097b8bf781b44947fbc49250fe960e6a085d52fce72364f";

  it("masquerade what a pod sends out of the pod range, and nothing else", () => {
    const web = parseRules(nodeRules({ ...SHOP, pods: SHOP.pods.slice(0, 1) }, ONE, RANGES)).get("nat");
    const name = [...(web?.keys() ?? [])].find((chain) => chain.startsWith("CNI-"));
    const note = `-m comment --comment "name: \\"podwire\\" id: \\"${WEB_ID}\\""`;
    // sha512sum of "podwire" and that id.
    expect(name).toBe("CNI-457838f55bc1210e6c5046b8");
    expect(web?.get("POSTROUTING")).toEqual([
      `-m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING`,
      `-s 10.244.0.0/16 -d 10.244.0.0/16 -m comment --comment "pods keep their address inside the cluster" -j ACCEPT`,
      `-s 10.244.1.2/32 ${note} -j ${name}`,
    ]);
    expect(web?.get(name ?? "")).toEqual([
      `-d 10.244.1.0/24 ${note} -j ACCEPT`,
      `! -d 224.0.0.0/4 ${note} -j MASQUERADE`,
    ]);
  });

  it("lead a hostPort to its container, after the node ports", () => {
    const dn = [...(nat?.keys() ?? [])].find((chain) => chain.startsWith("CNI-DN-"));
    expect(dn).toMatch(/^CNI-DN-[0-9a-f]{21}$/);
    expect(nat?.get("PREROUTING")).toEqual([
      `-m comment --comment "kubernetes service portals" -j KUBE-SERVICES`,
      `-m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT`,
    ]);
    expect(nat?.get("OUTPUT")).toEqual(nat?.get("PREROUTING"));
    expect(nat?.get("POSTROUTING")?.map((rule) => rule.replace(/ -m comment .* -j/, " -j"))).toEqual([
      `-m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ`,
      `-m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING`,
      expect.stringMatching(/^-s 10.244.0.0\/16 -d 10.244.0.0\/16 -j ACCEPT$/),
      expect.stringMatching(/^-s 10.244.1.2\/32 -j CNI-[0-9a-f]{24}$/),
      expect.stringMatching(/^-s 10.244.1.3\/32 -j CNI-[0-9a-f]{24}$/),
    ]);
    expect(nat?.get("CNI-HOSTPORT-DNAT")?.map((rule) => rule.replace(/--comment ".*" -m/, "--comment X -m"))).toEqual([
      `-p tcp -m comment --comment X -m multiport --dports 443,80 -j ${dn}`,
      `-p udp -m comment --comment X -m multiport --dports 53 -j ${dn}`,
    ]);
    expect(nat?.get(dn ?? "")?.slice(0, 4)).toEqual([
      `-s 10.244.1.0/24 -p tcp -m tcp --dport 443 -j CNI-HOSTPORT-SETMARK`,
      `-s 127.0.0.1/32 -p tcp -m tcp --dport 443 -j CNI-HOSTPORT-SETMARK`,
      `-p tcp -m tcp --dport 443 -j DNAT --to-destination 10.244.1.3:8443`,
      `-s 10.244.1.0/24 -p tcp -m tcp --dport 80 -j CNI-HOSTPORT-SETMARK`,
    ]);
    expect(nat?.get("CNI-HOSTPORT-SETMARK")).toEqual([
      `-m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000`,
    ]);
    expect(nat?.get("CNI-HOSTPORT-MASQ")).toEqual([`-m mark --mark 0x2000/0x2000 -j MASQUERADE`]);
  });

  it("take at most 15 hostPorts in one rule, and a hostIP as destination", () => {
    const many = container("many", ...Array.from({ length: 16 }, (_, i) => `${5000 + i}:${6000 + i}/TCP`));
    const [first] = many.ports;
    if (first) first.hostIP = "192.168.0.11";
    const rules = parseRules(
      nodeRules(cluster({ pods: [pod("a/b", "node-1", "10.244.1.2", [many])] }), ONE, RANGES),
    ).get("nat");
    expect(rules?.get("CNI-HOSTPORT-DNAT")?.map((rule) => /--dports (\S+)/.exec(rule)?.[1]?.split(",").length)).toEqual(
      [15, 1],
    );
    const dn = [...(rules?.keys() ?? [])].find((chain) => chain.startsWith("CNI-DN-")) ?? "";
    expect(rules?.get(dn)?.[2]).toBe(
      `-d 192.168.0.11/32 -p tcp -m tcp --dport 5000 -j DNAT --to-destination 10.244.1.2:6000`,
    );
  });
});
