// One rule of a NetworkPolicy as iptables rules: every peer with every port, as matches on the far end and on the destination port.
import { formatCidr, parseCidr } from "../../address.ts";
import type { NetworkPolicy, NetworkPolicyPort, NetworkPolicyRule } from "../../kubernetes/objects.ts";
import type { RuleText } from "../tables.ts";
import { policyName, type Direction, type PolicySelection } from "./select.ts";
import type { PolicySets } from "./sets.ts";

/** Where sets come from, and where they go to. */
export interface RuleContext {
  selection: PolicySelection;
  sets: PolicySets;
  policy: NetworkPolicy;
  direction: Direction;
}

/** What of a rule says who the peer is, or what the port is. */
type Part = Pick<RuleText, "source" | "destination" | "protocol"> & { matches: string[] };

const ANY: Part = { matches: [] };

/** The conditions under which rule number `index` of a policy lets a packet through: any of them will do. */
export function conditionsOf(rule: NetworkPolicyRule, index: number, context: RuleContext): Part[] {
  const peers = rule.peers.length === 0 ? [ANY] : peerParts(rule, index, context);
  const ports = rule.ports.length === 0 ? [ANY] : rule.ports.map((port) => portPart(port, context));
  return peers.flatMap((peer) =>
    ports.map((port) => ({ ...peer, ...port, matches: [...peer.matches, ...port.matches] })),
  );
}

/** All peers with selectors are one set; each address block stands for itself, as what one excepts another may hold. */
function peerParts({ peers }: NetworkPolicyRule, index: number, context: RuleContext): Part[] {
  const { selection, sets, policy, direction } = context;
  const side = direction === "ingress" ? "src" : "dst";
  const what = `${policyName(policy)} ${direction} ${index}`;
  const selecting = peers.filter(({ ipBlock }) => ipBlock === undefined);
  const selected = selecting.flatMap((peer) => selection.addressesOf(peer, policy));
  const pods: Part[] =
    selecting.length === 0 ? [] : [{ matches: [`-m set --match-set ${sets.add("hash:ip", what, selected)} ${side}`] }];
  const blocks = peers.flatMap(({ ipBlock }, i): Part[] => {
    const block = ipBlock === undefined ? undefined : parseCidr(ipBlock.cidr);
    if (ipBlock === undefined || block === undefined) return [];
    const except = ipBlock.except.flatMap((cidr) => parseCidr(cidr) ?? []).map(formatCidr);
    if (except.length === 0) {
      return [{ [direction === "ingress" ? "source" : "destination"]: formatCidr(block), matches: [] }];
    }
    // A set of networks cannot hold 0.0.0.0/0, but its halves.
    const halves = block.prefix === 0 ? ["0.0.0.0/1", "128.0.0.0/1"] : [formatCidr(block)];
    const elements = [...halves.filter((half) => !except.includes(half)), ...except.map((cidr) => `${cidr} nomatch`)];
    return [{ matches: [`-m set --match-set ${sets.add("hash:net", `${what} ${i}`, elements)} ${side}`] }];
  });
  return [...pods, ...blocks];
}

function portPart({ protocol, port, endPort }: NetworkPolicyPort, { selection, sets }: RuleContext): Part {
  const name = protocol.toLowerCase();
  if (port === undefined) return { protocol: name, matches: [] };
  if (typeof port === "string") {
    const elements = selection.namedPorts(port, protocol).map((found) => `${found.address},${name}:${found.port}`);
    return { matches: [`-m set --match-set ${sets.add("hash:ip,port", `${name} ${port}`, elements)} dst,dst`] };
  }
  const range = endPort === undefined || endPort === port ? `${port}` : `${port}:${endPort}`;
  return { protocol: name, matches: [`-m ${name} --dport ${range}`] };
}
