// flannel's VXLAN back-end: one tunnel device a node, over which the pods of every other node are one hop away, and flanneld's rules.
//
// flanneld programs the device so that it neither asks nor learns: for each other node a route to its pods over that node's own
// device address, the MAC address of that device as a permanent neighbour, and behind which node's address that MAC is. Pods keep their
// addresses inside; what goes between nodes outside is UDP, with the nodes' addresses.
import { formatIpv4, parseCidr } from "../address.ts";
import type { Node } from "../kubernetes/objects.ts";
import type { Machine } from "../seam/machine.ts";
import { podSubnet } from "./cni-bridge.ts";
import { tunnelMac } from "./macs.ts";
import { comment, type RuleTable } from "./tables.ts";

const VNI = 1;
/** Linux' port for VXLAN, older than the 4789 that was assigned later. */
const PORT = 8472;

/** The device: flannel and the network's number. */
export const TUNNEL = `flannel.${VNI}`;

/** What a packet grows by in the tunnel: Ethernet inside, VXLAN, UDP and IPv4 outside (RFC 7348). */
export const TUNNEL_OVERHEAD = 50;

/** The address of a node's tunnel device: that of its pod range itself, `10.244.1.0`. */
export function tunnelAddress(node: Node): string {
  return formatIpv4(parseCidr(podSubnet(node).network)?.network ?? 0);
}

/** Adds the tunnel device and the ways to the pods of the other nodes; `cardMtu` is that of the card that it leaves by. */
export function addFlannel(machine: Machine, node: Node, others: readonly Node[], cardMtu: number): void {
  const namespace = node.name;
  const own = tunnelAddress(node);
  const at = { namespace, device: TUNNEL };
  machine.tunnels = [
    {
      namespace,
      name: TUNNEL,
      mac: tunnelMac(own),
      mtu: cardMtu - TUNNEL_OVERHEAD,
      vni: VNI,
      port: PORT,
      local: node.address,
      remotes: others.map((other) => ({ mac: tunnelMac(tunnelAddress(other)), address: other.address })),
    },
  ];
  machine.addresses.push({ ...at, cidr: `${own}/32` });
  for (const other of others) {
    const via = tunnelAddress(other);
    machine.routes.push({ ...at, destination: podSubnet(other).network, via });
    machine.neighbours.push({ ...at, address: via, mac: tunnelMac(via) });
  }
}

const MASQUERADE = "FLANNEL-POSTRTG";
const FORWARD = "FLANNEL-FWD";

/**
 * flanneld's rules with `--ip-masq`, as kube-flannel.yml has it; the CNI plugin bridge then masquerades nothing itself. `podCIDR` is
 * the whole cluster's.
 */
export function addFlannelRules(tables: { nat: RuleTable; filter: RuleTable }, node: Node, podCIDR: string): void {
  const own = podSubnet(node).network;
  const matches = [comment("flanneld masq")];
  const masquerade = { matches, target: "MASQUERADE --random-fully" };
  const leave = { matches, target: "RETURN" };
  tables.nat.append("POSTROUTING", { matches, target: MASQUERADE });
  // What kube-proxy has marked it masquerades itself.
  tables.nat.append(MASQUERADE, { matches: ["-m mark --mark 0x4000/0x4000", ...matches], target: "RETURN" });
  tables.nat.append(MASQUERADE, { source: own, destination: podCIDR, ...leave });
  tables.nat.append(MASQUERADE, { source: podCIDR, destination: own, ...leave });
  tables.nat.append(MASQUERADE, { source: `! ${podCIDR}`, destination: own, ...leave });
  tables.nat.append(MASQUERADE, { source: podCIDR, destination: "! 224.0.0.0/4", ...masquerade });
  tables.nat.append(MASQUERADE, { source: `! ${podCIDR}`, destination: podCIDR, ...masquerade });

  const forward = [comment("flanneld forward")];
  tables.filter.append("FORWARD", { matches: forward, target: FORWARD });
  tables.filter.append(FORWARD, { source: podCIDR, matches: forward, target: "ACCEPT" });
  tables.filter.append(FORWARD, { destination: podCIDR, matches: forward, target: "ACCEPT" });
}
