// The CNI plugin `portmap` with its iptables back-end: a container's hostPort on the node leads to the container.
import { familyOfText, podAddress, type Family } from "../kubernetes/families.ts";
import type { Node, Pod } from "../kubernetes/objects.ts";
import { cniChain, containerComment, containerId, NETWORK_NAME, podSubnet } from "./cni-bridge.ts";
import { joinHostPort } from "./kube-proxy/ip.ts";
import { comment, hostBlock, type RuleTable, type RuleText } from "./tables.ts";

/** The most ports that one `-m multiport` takes. */
const MULTIPORT = 15;
const MARK = "0x2000/0x2000";

interface PortMapping {
  hostPort: number;
  hostIP: string;
  containerPort: number;
  protocol: string;
}

/** The hostPorts of a pod; a pod in the node's own namespace needs none mapped. */
export function portMappings(pod: Pod): PortMapping[] {
  if (pod.hostNetwork) return [];
  return pod.containers
    .flatMap(({ ports }) => ports)
    .filter(({ hostPort }) => hostPort !== 0)
    .map(({ hostPort, hostIP, containerPort, protocol }) => ({
      hostPort,
      hostIP,
      containerPort,
      protocol: protocol.toLowerCase(),
    }));
}

/** Adds a pod's hostPort rules to the node's nat table of a family; the first pod that has any makes the shared chains. */
export function addHostPorts(nat: RuleTable, node: Node, pod: Pod, family: Family = "IPv4"): void {
  const address = podAddress(pod, family);
  const mappings = portMappings(pod);
  if (mappings.length === 0 || address === undefined) return;
  if (!nat.has("CNI-HOSTPORT-DNAT")) addSharedChains(nat);
  const chain = cniChain(NETWORK_NAME, containerId(pod), "CNI-DN-");
  for (const protocol of [...new Set(mappings.map((mapping) => mapping.protocol))].sort()) {
    const ports = mappings.filter((mapping) => mapping.protocol === protocol).map(({ hostPort }) => hostPort);
    for (let at = 0; at < ports.length; at += MULTIPORT) {
      const list = `-m multiport --dports ${ports.slice(at, at + MULTIPORT).join(",")}`;
      const matches = [containerComment(pod, "dnat "), list];
      nat.append("CNI-HOSTPORT-DNAT", { protocol, matches, target: chain });
    }
  }
  for (const mapping of mappings) addMapping(nat, chain, node, address, mapping, family);
}

function addMapping(
  nat: RuleTable,
  chain: string,
  node: Node,
  address: string,
  mapping: PortMapping,
  family: Family,
): void {
  const { hostPort, hostIP, containerPort, protocol } = mapping;
  if (hostIP !== "" && familyOfText(hostIP) !== family) return;
  const rule: RuleText = {
    ...(["", "0.0.0.0", "::"].includes(hostIP) ? {} : { destination: hostBlock(hostIP) }),
    protocol,
    matches: [`-m ${protocol} --dport ${hostPort}`],
  };
  // The plugin hands iptables the pod's address with its prefix, so the whole subnet counts as hairpin. There is no route_localnet for IPv6.
  for (const source of [podSubnet(node, family).network, ...(family === "IPv4" ? ["127.0.0.1/32"] : [])])
    nat.append(chain, { ...rule, source, target: "CNI-HOSTPORT-SETMARK" });
  nat.append(chain, { ...rule, target: `DNAT --to-destination ${joinHostPort(address, containerPort)}` });
}

/** The DNAT jumps are appended, so a node port wins over the same hostPort; the one for masquerading is prepended. */
function addSharedChains(nat: RuleTable): void {
  for (const hook of ["PREROUTING", "OUTPUT"])
    nat.append(hook, { matches: ["-m addrtype --dst-type LOCAL"], target: "CNI-HOSTPORT-DNAT" });
  nat.declare("CNI-HOSTPORT-DNAT");
  const portfwd = comment("CNI portfwd masquerade mark");
  nat.append("CNI-HOSTPORT-SETMARK", { matches: [portfwd], target: `MARK --set-xmark ${MARK}` });
  nat.append("CNI-HOSTPORT-MASQ", { matches: [`-m mark --mark ${MARK}`], target: "MASQUERADE" });
  const requiring = comment("CNI portfwd requiring masquerade");
  nat.prepend("POSTROUTING", { matches: [requiring], target: "CNI-HOSTPORT-MASQ" });
}
