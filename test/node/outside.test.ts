// The world outside the cluster as machines: the gateway's one-to-one mapping, the internet's router, hosts and the client.
import { describe, expect, it, test } from "vitest";
import type { Service } from "../../src/kubernetes/objects.ts";
import { InputError } from "../../src/errors.ts";
import { addressNames } from "../../src/node/names.ts";
import { outsideMachines } from "../../src/node/outside.ts";
import { externalAddress, type OutsideHost } from "../../src/node/outside-addresses.ts";
import { cluster, node, port, service } from "./objects.ts";
import { RANGES, SHOP } from "./shop.ts";

const HOST: OutsideHost = { address: "93.184.216.34", ports: [{ protocol: "tcp", port: 443 }] };

function build(hosts: OutsideHost[], of = SHOP) {
  const [gateway, internet] = outsideMachines(of, { ...RANGES, hosts });
  if (!gateway || !internet) throw new Error("there are two machines outside");
  return { gateway, internet };
}

function lb(name: string, ip: string, more: Partial<Service> = {}): Service {
  return service(`shop/${name}`, "10.96.0.30", [port("", 80)], {
    type: "LoadBalancer",
    loadBalancerIngress: [{ ip, hostname: "", ipMode: "VIP" }],
    ...more,
  });
}

describe("the gateway", () => {
  it("maps each node's address to an external one and back", () => {
    expect(build([]).gateway).toEqual({
      name: "gateway",
      namespaces: [
        {
          name: "gateway",
          role: "gateway",
          sysctls: [["net.ipv4.ip_forward", "1"]],
          rules: `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d 203.0.113.11/32 -i eth1 -j DNAT --to-destination 192.168.0.11
-A PREROUTING -d 203.0.113.12/32 -i eth1 -j DNAT --to-destination 192.168.0.12
-A POSTROUTING -s 192.168.0.11/32 -o eth1 -j SNAT --to-source 203.0.113.11
-A POSTROUTING -s 192.168.0.12/32 -o eth1 -j SNAT --to-source 203.0.113.12
COMMIT
`,
        },
      ],
      bridges: [],
      veths: [],
      wires: [
        { namespace: "gateway", name: "eth0", mac: "02:00:c0:a8:00:01", mtu: 1500, segment: "nodes" },
        { namespace: "gateway", name: "eth1", mac: "02:00:cb:00:71:01", mtu: 1500, segment: "internet" },
      ],
      addresses: [
        { namespace: "gateway", device: "eth0", cidr: "192.168.0.1/24" },
        { namespace: "gateway", device: "eth1", cidr: "203.0.113.1/24" },
        { namespace: "gateway", device: "eth1", cidr: "203.0.113.11/24" },
        { namespace: "gateway", device: "eth1", cidr: "203.0.113.12/24" },
      ],
      routes: [{ namespace: "gateway", destination: "0.0.0.0/0", via: "203.0.113.254", device: "eth1" }],
      neighbours: [],
      listeners: [],
    });
  });

  it("has room for more nodes than a /24 in the benchmarking range", () => {
    const far = { ...node(1), address: "172.16.200.7" };
    expect(externalAddress(far, "172.16.0.0/16")).toBe("198.18.200.7");
    expect(() => externalAddress(node(1), "172.16.0.0/16")).toThrow(
      new InputError({}, "the address 192.168.0.11 of node node-1 is not in the nodes' network 172.16.0.0/16"),
    );
  });
});

test("the load balancer owns its addresses on the internet's side, and has one of its own among the nodes", () => {
  const [, , balancer] = outsideMachines(SHOP, { ...RANGES, hosts: [] });
  expect(balancer).toMatchObject({
    name: "load-balancer",
    wires: [
      { name: "eth0", mac: "02:00:c0:00:02:01", segment: "internet" },
      { name: "eth1", mac: "02:00:c0:a8:00:fe", segment: "nodes" },
    ],
    addresses: [
      { device: "eth0", cidr: "192.0.2.1/32" },
      { device: "eth1", cidr: "192.168.0.254/24" },
    ],
    balancer: {
      virtualServers: [
        {
          name: "shop/web",
          address: "192.0.2.1",
          protocol: "tcp",
          port: 80,
          bySource: false,
          servers: [
            { address: "192.168.0.11", check: 0 },
            { address: "192.168.0.12", check: 1 },
          ],
        },
      ],
      checks: [
        { address: "192.168.0.11", port: 10256, path: "/healthz", intervalNs: 8e9, timeoutNs: 1e9, rise: 1, fall: 3 },
        { address: "192.168.0.12", port: 10256, path: "/healthz", intervalNs: 8e9, timeoutNs: 1e9, rise: 1, fall: 3 },
      ],
    },
  });
});

test("without an address of a Service there is no load balancer", () => {
  const machines = outsideMachines({ ...SHOP, services: [] }, { ...RANGES, hosts: [] });
  expect(machines.map(({ name }) => name)).toEqual(["gateway", "internet"]);
});

describe("the internet", () => {
  it("joins the client and each outside host to its router by a veth pair", () => {
    const { internet } = build([
      HOST,
      { address: "93.184.216.34", ports: [{ protocol: "udp", port: 53 }, ...HOST.ports] },
    ]);
    expect(internet).toEqual({
      name: "internet",
      namespaces: [
        { name: "internet", role: "internet", sysctls: [["net.ipv4.ip_forward", "1"]] },
        { name: "internet/client", role: "host", sysctls: [] },
        { name: "internet/resolver", role: "host", sysctls: [] },
        { name: "internet/93.184.216.34", role: "host", sysctls: [] },
      ],
      bridges: [],
      veths: [
        {
          a: { namespace: "internet", name: "vethc633640a", mac: "02:01:c6:33:64:0a" },
          b: { namespace: "internet/client", name: "eth0", mac: "02:00:c6:33:64:0a" },
          mtu: 1500,
        },
        {
          a: { namespace: "internet", name: "vethc6336435", mac: "02:01:c6:33:64:35" },
          b: { namespace: "internet/resolver", name: "eth0", mac: "02:00:c6:33:64:35" },
          mtu: 1500,
        },
        {
          a: { namespace: "internet", name: "veth5db8d822", mac: "02:01:5d:b8:d8:22" },
          b: { namespace: "internet/93.184.216.34", name: "eth0", mac: "02:00:5d:b8:d8:22" },
          mtu: 1500,
        },
      ],
      wires: [{ namespace: "internet", name: "eth0", mac: "02:00:cb:00:71:fe", mtu: 1500, segment: "internet" }],
      addresses: [
        { namespace: "internet", device: "eth0", cidr: "203.0.113.254/24" },
        { namespace: "internet", device: "vethc633640a", cidr: "198.51.100.1/27" },
        { namespace: "internet/client", device: "eth0", cidr: "198.51.100.10/27" },
        { namespace: "internet/resolver", device: "eth0", cidr: "198.51.100.53/32" },
        { namespace: "internet/93.184.216.34", device: "eth0", cidr: "93.184.216.34/32" },
      ],
      routes: [
        { namespace: "internet", destination: "192.0.2.1/32", device: "eth0" },
        { namespace: "internet/client", destination: "0.0.0.0/0", via: "198.51.100.1", device: "eth0" },
        { namespace: "internet", destination: "198.51.100.53/32", device: "vethc6336435" },
        { namespace: "internet/resolver", destination: "203.0.113.254/32", device: "eth0" },
        { namespace: "internet/resolver", destination: "0.0.0.0/0", via: "203.0.113.254", device: "eth0" },
        { namespace: "internet", destination: "93.184.216.34/32", device: "veth5db8d822" },
        { namespace: "internet/93.184.216.34", destination: "203.0.113.254/32", device: "eth0" },
        { namespace: "internet/93.184.216.34", destination: "0.0.0.0/0", via: "203.0.113.254", device: "eth0" },
      ],
      neighbours: [{ namespace: "internet", device: "eth0", address: "192.0.2.1", mac: "02:00:c0:00:02:01" }],
      listeners: [
        ...(["udp", "tcp"] as const).map((protocol) => ({
          namespace: "internet/resolver",
          protocol,
          address: "0.0.0.0",
          port: 53,
          application: "dns",
          process: "resolver",
          dns: { names: "outside" },
        })),
        {
          namespace: "internet/93.184.216.34",
          protocol: "tcp",
          address: "0.0.0.0",
          port: 443,
          application: "service",
          process: "host 93.184.216.34",
        },
        {
          namespace: "internet/93.184.216.34",
          protocol: "udp",
          address: "0.0.0.0",
          port: 53,
          application: "service",
          process: "host 93.184.216.34",
        },
      ],
    });
  });

  it.each([
    [
      "10.244.7.7",
      "the outside host 10.244.7.7 lies in the podCIDR 10.244.0.0/16; choose an address outside the cluster",
    ],
    [
      "10.96.0.10",
      "the outside host 10.96.0.10 lies in the serviceCIDR 10.96.0.0/12; choose an address outside the cluster",
    ],
    [
      "192.168.0.11",
      "the outside host 192.168.0.11 lies in the nodeCIDR 192.168.0.0/24; choose an address outside the cluster",
    ],
    [
      "192.0.2.9",
      "the outside host 192.0.2.9 lies in the loadBalancerCIDR 192.0.2.0/24; choose an address outside the cluster",
    ],
    [
      "203.0.113.80",
      "the outside host 203.0.113.80 lies in the external network 203.0.113.0/24; choose an address outside the cluster",
    ],
    [
      "198.51.100.10",
      "the outside host 198.51.100.10 cannot have the address 198.51.100.10, which is that of the outside client",
    ],
    ["example.com", "example.com is not the IPv4 address of an outside host"],
  ])("has no host %s", (address, sentence) => {
    expect(() => build([{ address, ports: [] }])).toThrow(new InputError({}, sentence));
  });

  it("has no load balancer at an address that is taken", () => {
    const taken = cluster({ nodes: [node(1)], services: [lb("a", "203.0.113.11")] });
    expect(() => build([], taken)).toThrow(
      "the load balancer of Service shop/a cannot have the address 203.0.113.11, which is that of the outside of node node-1",
    );
  });
});

it("every address of a run has a name", () => {
  expect(addressNames(SHOP, RANGES).map(({ address, name }) => `${address} ${name}`)).toEqual([
    "192.168.0.11 node-1",
    "203.0.113.11 node-1.external",
    "10.244.1.1 vbr0.node-1",
    "192.168.0.12 node-2",
    "203.0.113.12 node-2.external",
    "10.244.2.1 vbr0.node-2",
    "10.244.1.2 web-0.shop",
    "10.244.2.2 web-1.shop",
    "10.244.1.3 edge.shop",
    "10.244.2.3 coredns-0.kube-system",
    "10.96.0.20 web.shop.svc",
    "192.0.2.1 web.shop.lb",
    "192.168.0.254 load-balancer",
    "192.168.0.1 gateway",
    "203.0.113.1 gateway.external",
    "203.0.113.254 internet",
    "198.51.100.1 gateway.client",
    "198.51.100.10 client",
    "198.51.100.53 resolver",
  ]);
});
