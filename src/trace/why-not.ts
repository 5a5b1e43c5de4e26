// Why NetworkPolicies denied a packet, in their own words. That they did, and which packet it was, is the walk's to say; here stands
// what each policy that isolates the pod would have let through, and which of its conditions the packet did not meet.
import { familyOfText, podIPs, type Family } from "../kubernetes/families.ts";
import type {
  Cluster,
  Labels,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicyRule,
  Pod,
} from "../kubernetes/objects.ts";
import { selectorMatches, selectorText } from "../kubernetes/selectors.ts";
import { blockContains } from "../node/kube-proxy/ip.ts";
import { isolations } from "../node/network-policy/enforcer.ts";
import { policyName, PolicySelection, rulesOf, type Direction } from "../node/network-policy/select.ts";
import type { IpView } from "../seam/trace.ts";
import { PROTOCOL_NAMES } from "./packet.ts";
import type { Walk } from "./walks.ts";

/** A peer or port of a rule, and whether the packet is of that kind. */
export interface Condition {
  /** `pods with app=cart`, `TCP 7070`. */
  text: string;
  holds: boolean;
  /** What the packet has instead. */
  instead?: string;
}

export interface RuleVerdict {
  /** `ingress[0]`. */
  name: string;
  /** Any of them would do; none: everybody. */
  peers: Condition[];
  ports: Condition[];
}

export interface PolicyVerdict {
  policy: string;
  /** `every pod of shop`, `pods of shop with app=cart`. */
  selects: string;
  rules: RuleVerdict[];
}

export interface WhyNot {
  /** The isolated pod. */
  pod: string;
  direction: Direction;
  /** The other end. */
  peer: string;
  address: string;
  protocol: string;
  /** Where the packet went to; absent for protocols without ports. */
  port?: number;
  policies: PolicyVerdict[];
}

/** Why policies denied the first of these packets that they denied; undefined if they denied none. */
export function whyNot(cluster: Cluster, walks: readonly Walk[]): WhyNot | undefined {
  const chains = new Map(isolations(cluster).map((isolation) => [isolation.chain, isolation]));
  for (const { steps, end } of walks) {
    const isolation = end.kind === "dropped" && end.rule ? chains.get(end.rule.chain) : undefined;
    const network = steps.findLast((step) => step.kind === "rule" && step.rule.chain === isolation?.chain)?.view
      .network;
    if (!isolation || (network?.kind !== "ipv4" && network?.kind !== "ipv6")) continue;
    const { pod, direction } = isolation;
    const address = direction === "ingress" ? network.source : network.destination;
    const packet = new Packet(cluster, network, direction, address);
    const port = network.destinationPort;
    return {
      pod,
      direction,
      peer: packet.peerName,
      address,
      protocol: packet.protocol,
      ...(port === undefined ? {} : { port }),
      policies: cluster.networkPolicies
        .filter((policy) => isolation.policies.includes(policyName(policy)))
        .map((policy) => packet.judge(policy)),
    };
  }
  return undefined;
}

/** The packet that was denied, as a policy sees it. */
class Packet {
  readonly protocol: string;
  readonly peerName: string;
  readonly #network: IpView;
  readonly #direction: Direction;
  readonly #address: string;
  readonly #family: Family;
  readonly #peer: Pod | undefined;
  readonly #selection: PolicySelection;
  readonly #labels: Map<string, Labels>;

  constructor(cluster: Cluster, network: IpView, direction: Direction, address: string) {
    this.#network = network;
    this.#direction = direction;
    this.#address = address;
    this.#family = familyOfText(address);
    this.#selection = new PolicySelection(cluster);
    this.#labels = new Map(cluster.namespaces.map(({ name, labels }) => [name, labels]));
    this.#peer = cluster.pods.find((pod) => podIPs(pod).includes(address) && !pod.hostNetwork);
    const node = cluster.nodes.find((one) => one.address === address || one.address6 === address);
    this.peerName = this.#peer ? pathOf(this.#peer) : node ? `node ${node.name}` : address;
    this.protocol = PROTOCOL_NAMES[network.protocol] ?? `protocol ${network.protocol}`;
  }

  judge(policy: NetworkPolicy): PolicyVerdict {
    return {
      policy: policyName(policy),
      selects: podsText(selectorText(policy.podSelector), policy.namespace),
      rules: (rulesOf(policy, this.#direction) ?? []).map((rule, i) => this.#rule(rule, i, policy)),
    };
  }

  #rule({ peers, ports }: NetworkPolicyRule, index: number, policy: NetworkPolicy): RuleVerdict {
    return {
      name: `${this.#direction}[${index}]`,
      peers: peers.map((peer) => this.#peerCondition(peer, policy)),
      ports: ports.map((port) => this.#portCondition(port)),
    };
  }

  #peerCondition(peer: NetworkPolicyPeer, policy: NetworkPolicy): Condition {
    if (peer.ipBlock) return this.#block(peer.ipBlock);
    const { podSelector, namespaceSelector } = peer;
    const pods = podSelector && selectorText(podSelector);
    const namespaces = namespaceSelector && selectorText(namespaceSelector);
    const where =
      namespaces === undefined
        ? policy.namespace
        : namespaces === ""
          ? "any namespace"
          : `namespaces with ${namespaces}`;
    const text = podsText(pods ?? "", where);
    if (this.#selection.addressesOf(peer, policy, this.#family).includes(this.#address)) return { text, holds: true };
    return { text, holds: false, instead: this.#otherPod(peer, policy) };
  }

  /** What about the pod is otherwise than a peer's selectors say. */
  #otherPod({ podSelector, namespaceSelector }: NetworkPolicyPeer, policy: NetworkPolicy): string {
    const pod = this.#peer;
    if (!pod) return `${this.peerName} is no pod`;
    const labels = this.#labels.get(pod.namespace) ?? {};
    if (namespaceSelector === undefined && pod.namespace !== policy.namespace)
      return `${this.peerName} is in namespace ${pod.namespace}`;
    if (namespaceSelector && !selectorMatches(namespaceSelector, labels))
      return `namespace ${pod.namespace} has ${labelsText(labels)}`;
    if (podSelector && !selectorMatches(podSelector, pod.labels))
      return `${this.peerName} has ${labelsText(pod.labels)}`;
    return `${this.peerName} has no address of its own`;
  }

  #block({ cidr, except }: NonNullable<NetworkPolicyPeer["ipBlock"]>): Condition {
    const text = `addresses in ${cidr}${except.length === 0 ? "" : ` except ${except.join(", ")}`}`;
    const contains = (range: string): boolean => blockContains(range, this.#address);
    if (!contains(cidr)) return { text, holds: false, instead: `${this.#address} is not in ${cidr}` };
    const excepted = except.find(contains);
    if (excepted === undefined) return { text, holds: true };
    return { text, holds: false, instead: `${this.#address} is in ${excepted}` };
  }

  #portCondition({ protocol, port, endPort }: NetworkPolicyPort): Condition {
    const { destination, destinationPort } = this.#network;
    const number = endPort === undefined || port === undefined ? `${port ?? "any port"}` : `${port} to ${endPort}`;
    const text = `${protocol} ${number}`;
    const called = `${this.protocol}${destinationPort === undefined ? "" : ` ${destinationPort}`}`;
    if (protocol !== this.protocol) return { text, holds: false, instead: `the packet is ${called}` };
    if (port === undefined) return { text, holds: true };
    if (typeof port === "number") {
      const to = destinationPort ?? 0;
      if (to >= port && to <= (endPort ?? port)) return { text, holds: true };
      return { text, holds: false, instead: `the packet goes to ${called}` };
    }
    const named = this.#selection
      .namedPorts(port, protocol, this.#family)
      .filter(({ address }) => address === destination);
    if (named.some((one) => one.port === destinationPort)) return { text, holds: true };
    const instead =
      named.length === 0
        ? `${destination} has no port with that name`
        : `${port} is ${named.map((one) => one.port).join(", ")} there, and the packet goes to ${called}`;
    return { text, holds: false, instead };
  }
}

function pathOf({ namespace, name }: Pod): string {
  return `${namespace}/${name}`;
}

function podsText(selector: string, where: string): string {
  const place = where.startsWith("namespaces") ? `in ${where}` : `of ${where}`;
  return selector === "" ? `every pod ${place}` : `pods ${place} with ${selector}`;
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? "no labels" : pairs.join(",");
}

const WORDS = {
  ingress: { lets: "lets in", from: "from", in: "in" },
  egress: { lets: "lets out", from: "to", in: "out" },
} as const;

/** The answer as text that ends with a line feed. */
export function whyNotText(why: WhyNot | undefined): string {
  if (!why) return "Why not: no NetworkPolicy denied it.\n";
  const { pod, direction, peer, address, protocol, port, policies } = why;
  const words = WORDS[direction];
  const other = peer === address ? address : `${peer} (${address})`;
  const kind = `${protocol}${port === undefined ? "" : ` ${port}`}`;
  const subject = policies.length === 1 ? "A NetworkPolicy isolates" : `${policies.length} NetworkPolicies isolate`;
  return [
    `Why not: ${subject} ${pod} for ${direction}, and no rule lets ${kind} ${words.in} ${words.from} ${other}.`,
    ...policies.flatMap((policy) => ["", ...policyLines(policy, words)]),
    "",
  ].join("\n");
}

function policyLines({ policy, selects, rules }: PolicyVerdict, words: (typeof WORDS)[Direction]): string[] {
  const head = `NetworkPolicy ${policy} selects ${selects}, and ${words.lets}`;
  if (rules.length === 0) return [`${head} nothing.`];
  return [
    `${head}:`,
    ...rules.flatMap(({ name, peers, ports }) => [
      `  ${name}`,
      ...conditionLines(words.from, peers, "everybody"),
      ...conditionLines("on", ports, "every port"),
    ]),
  ];
}

function conditionLines(word: string, conditions: readonly Condition[], all: string): string[] {
  const shown = conditions.length === 0 ? [{ text: all, holds: true }] : conditions;
  return shown.map(({ text, holds, instead }: Condition, i) => {
    const why = instead === undefined ? "" : `: ${instead}`;
    return `    ${holds ? "yes" : "no "}  ${i === 0 ? word : "or"} ${text}${why}`;
  });
}
