// A node of a cluster with flannel's VXLAN: the tunnel device, what flanneld programs it with, and flanneld's rules.
import { describe, expect, it } from "vitest";
import type { Node } from "../../src/kubernetes/objects.ts";
import { nodeMachine, nodeRules } from "../../src/node/machine.ts";
import { addressNames } from "../../src/node/names.ts";
import { parseRules } from "./rules-text.ts";
import { RANGES, SHOP } from "./shop.ts";

const [, TWO] = SHOP.nodes as [Node, Node];
const VXLAN = { ...RANGES, network: { mode: "vxlan" } } as const;

describe("a node with VXLAN", () => {
  const { tunnels, addresses, routes, neighbours, bridges, veths, wires } = nodeMachine(SHOP, TWO, VXLAN);
  const at = { namespace: "node-2", device: "flannel.1" };

  it("reaches the pods of another node over that node's device address, whose MAC and host are written down", () => {
    expect(tunnels).toEqual([
      {
        namespace: "node-2",
        name: "flannel.1",
        mac: "02:02:0a:f4:02:00",
        mtu: 1450,
        vni: 1,
        port: 8472,
        local: "192.168.0.12",
        remotes: [{ mac: "02:02:0a:f4:01:00", address: "192.168.0.11" }],
      },
    ]);
    expect(addresses).toContainEqual({ ...at, cidr: "10.244.2.0/32" });
    expect(routes.filter(({ namespace }) => namespace === "node-2")).toEqual([
      { namespace: "node-2", destination: "0.0.0.0/0", via: "192.168.0.1", device: "eth0" },
      { ...at, destination: "10.244.1.0/24", via: "10.244.1.0" },
    ]);
    expect(neighbours).toEqual([{ ...at, address: "10.244.1.0", mac: "02:02:0a:f4:01:00" }]);
  });

  it("has pods and a bridge with the MTU that fits through the tunnel, on a card with 1500", () => {
    expect([...bridges, ...veths].map(({ mtu }) => mtu)).toEqual([1450, 1450, 1450]);
    expect(wires.map(({ mtu }) => mtu)).toEqual([1500]);
  });

  it("has pods with the MTU of the plugin's configuration, whatever fits through the tunnel", () => {
    const machine = nodeMachine(SHOP, TWO, { ...RANGES, network: { mode: "vxlan", mtu: 1500 } });
    expect(machine.veths.map(({ mtu }) => mtu)).toEqual([1500, 1500]);
    expect(machine.tunnels?.[0]?.mtu).toBe(1450);
  });

  it("has flanneld's rules in place of the CNI plugin's", () => {
    const tables = parseRules(nodeRules(SHOP, TWO, VXLAN));
    expect(tables.get("nat")?.get("POSTROUTING")?.slice(0, 2)).toEqual([
      '-m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
      '-m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
    ]);
    const note = '-m comment --comment "flanneld masq"';
    expect(tables.get("nat")?.get("FLANNEL-POSTRTG")).toEqual([
      `-m mark --mark 0x4000/0x4000 ${note} -j RETURN`,
      `-s 10.244.2.0/24 -d 10.244.0.0/16 ${note} -j RETURN`,
      `-s 10.244.0.0/16 -d 10.244.2.0/24 ${note} -j RETURN`,
      `! -s 10.244.0.0/16 -d 10.244.2.0/24 ${note} -j RETURN`,
      `-s 10.244.0.0/16 ! -d 224.0.0.0/4 ${note} -j MASQUERADE --random-fully`,
      `! -s 10.244.0.0/16 -d 10.244.0.0/16 ${note} -j MASQUERADE --random-fully`,
    ]);
    expect(tables.get("filter")?.get("FLANNEL-FWD")).toEqual([
      '-s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
      '-d 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
    ]);
    expect([...(tables.get("nat")?.keys() ?? [])].filter((chain) => /^CNI-[0-9a-f]/.test(chain))).toEqual([]);
  });

  it("has a name for its end of the tunnels", () => {
    expect(addressNames(SHOP, VXLAN)).toContainEqual({
      address: "10.244.2.0",
      name: "flannel.1.node-2",
      owner: "node node-2",
    });
  });
});
