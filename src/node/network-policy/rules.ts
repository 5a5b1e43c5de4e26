// One rule of a NetworkPolicy as iptables rules: every peer with every port, as matches on the far end and on the destination port.
import { formatCidr, parseCidr } from "../../address.ts";
import { formatIpv6, parseCidr6 } from "../../address6.ts";
import type { Family } from "../../kubernetes/families.ts";
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
  family: Family;
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
  const { selection, sets, policy, direction, family } = context;
  const side = direction === "ingress" ? "src" : "dst";
  const written = policy.revision === undefined ? "" : ` ${policy.revision}`;
  const what = `${policyName(policy)} ${direction} ${index}${written}`;
  const selecting = peers.filter(({ ipBlock }) => ipBlock === undefined);
  const selected = selecting.flatMap((peer) => selection.addressesOf(peer, policy, family));
  const pods: Part[] =
    selecting.length === 0 ? [] : [{ matches: [`-m set --match-set ${sets.add("hash:ip", what, selected)} ${side}`] }];
  const blocks = peers.flatMap(({ ipBlock }, i): Part[] => {
    const block = ipBlock === undefined ? undefined : networkOf(ipBlock.cidr, family);
    if (ipBlock === undefined || block === undefined) return [];
    const except = ipBlock.except.flatMap((cidr) => networkOf(cidr, family) ?? []);
    if (except.length === 0) return [{ [direction === "ingress" ? "source" : "destination"]: block, matches: [] }];
    const halves = HALVES[block] ?? [block];
    const elements = [...halves.filter((half) => !except.includes(half)), ...except.map((cidr) => `${cidr} nomatch`)];
    return [{ matches: [`-m set --match-set ${sets.add("hash:net", `${what} ${i}`, elements)} ${side}`] }];
  });
  return [...pods, ...blocks];
}

/** A set of networks cannot hold all addresses, but either half of them. */
const HALVES: Readonly<Record<string, string[]>> = {
  "0.0.0.0/0": ["0.0.0.0/1", "128.0.0.0/1"],
  "::/0": ["::/1", "8000::/1"],
};

/** A block without the bits behind its prefix; undefined if it is of the other family. */
function networkOf(text: string, family: Family): string | undefined {
  const [four, six] = [parseCidr(text), parseCidr6(text)];
  if (family === "IPv4") return four && formatCidr(four);
  return six && `${formatIpv6(six.network)}/${six.prefix}`;
}

function portPart({ protocol, port, endPort }: NetworkPolicyPort, { selection, sets, family }: RuleContext): Part {
  const name = protocol.toLowerCase();
  if (port === undefined) return { protocol: name, matches: [] };
  if (typeof port === "string") {
    const elements = selection
      .namedPorts(port, protocol, family)
      .map((found) => `${found.address},${name}:${found.port}`);
    return { matches: [`-m set --match-set ${sets.add("hash:ip,port", `${name} ${port}`, elements)} dst,dst`] };
  }
  const range = endPort === undefined || endPort === port ? `${port}` : `${port}:${endPort}`;
  return { protocol: name, matches: [`-m ${name} --dport ${range}`] };
}
