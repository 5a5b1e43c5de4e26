// The ipsets that kube-proxy keeps in ipvs mode: what each is for, their elements in the making, and their `ipset save` text.
import type { FullSet } from "../../../seam/ipvs.ts";
import type { Family } from "../ip.ts";

/** What iptables rules ask of a set, and the comment that they have (pkg/proxy/ipvs/ipset.go). */
interface SetKind {
  type: "hash:ip" | "hash:ip,port" | "hash:ip,port,ip" | "hash:ip,port,net" | "bitmap:port";
  comment: string;
}

const KINDS = {
  "LOOP-BACK": {
    type: "hash:ip,port,ip",
    comment: "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose",
  },
  "CLUSTER-IP": { type: "hash:ip,port", comment: "Kubernetes service cluster ip + port for masquerade purpose" },
  "EXTERNAL-IP": {
    type: "hash:ip,port",
    comment: "Kubernetes service external ip + port for masquerade and filter purpose",
  },
  "EXTERNAL-IP-LOCAL": {
    type: "hash:ip,port",
    comment: "Kubernetes service external ip + port with externalTrafficPolicy=local",
  },
  "LOAD-BALANCER": { type: "hash:ip,port", comment: "Kubernetes service lb portal" },
  "LOAD-BALANCER-FW": {
    type: "hash:ip,port",
    comment: "Kubernetes service load balancer ip + port for load balancer with sourceRange",
  },
  "LOAD-BALANCER-LOCAL": {
    type: "hash:ip,port",
    comment: "Kubernetes service load balancer ip + port with externalTrafficPolicy=local",
  },
  "LOAD-BALANCER-SOURCE-IP": {
    type: "hash:ip,port,ip",
    comment: "Kubernetes service load balancer ip + port + source IP for packet filter purpose",
  },
  "LOAD-BALANCER-SOURCE-CIDR": {
    type: "hash:ip,port,net",
    comment: "Kubernetes service load balancer ip + port + source cidr for packet filter purpose",
  },
  "NODE-PORT-TCP": { type: "bitmap:port", comment: "Kubernetes nodeport TCP port for masquerade purpose" },
  "NODE-PORT-LOCAL-TCP": {
    type: "bitmap:port",
    comment: "Kubernetes nodeport TCP port with externalTrafficPolicy=local",
  },
  "NODE-PORT-UDP": { type: "bitmap:port", comment: "Kubernetes nodeport UDP port for masquerade purpose" },
  "NODE-PORT-LOCAL-UDP": {
    type: "bitmap:port",
    comment: "Kubernetes nodeport UDP port with externalTrafficPolicy=local",
  },
  "NODE-PORT-SCTP-HASH": {
    type: "hash:ip,port",
    comment: "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'",
  },
  "NODE-PORT-LOCAL-SCTP-HASH": {
    type: "hash:ip,port",
    comment: "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'",
  },
  "HEALTH-CHECK-NODE-PORT": { type: "bitmap:port", comment: "Kubernetes health check node port" },
  "IPVS-IPS": { type: "hash:ip", comment: "Addresses on the ipvs interface" },
} as const satisfies Record<string, SetKind>;

/** A set's name without its prefix. */
export type SetName = keyof typeof KINDS;

const NAMES = Object.keys(KINDS) as SetName[];
/** The longest name that ipset takes. */
const LONGEST_NAME = 31;
/** kube-proxy asks for room for so many elements, and adds no more when a set is full. */
const MOST = 65536;

/** The sets of one kube-proxy. All exist from the beginning on, empty or not. */
export class ProxySets {
  readonly #family: Family;
  readonly #elements = new Map<SetName, Set<string>>(NAMES.map((name) => [name, new Set()]));

  constructor(family: Family) {
    this.#family = family;
  }

  /** Adds an element as ipset writes it: `10.96.0.1,tcp:443`. */
  add(name: SetName, element: string): void {
    this.#elements.get(name)?.add(element);
  }

  isEmpty(name: SetName): boolean {
    return this.#elements.get(name)?.size === 0;
  }

  /** The name in rules: `KUBE-CLUSTER-IP`, `KUBE-6-CLUSTER-IP`. */
  nameOf(name: SetName): string {
    return `${this.#family === "IPv6" ? "KUBE-6-" : "KUBE-"}${name}`.slice(0, LONGEST_NAME);
  }

  commentOf(name: SetName): string {
    return KINDS[name].comment;
  }

  /** Those that cannot hold all that they should. */
  get full(): FullSet[] {
    return NAMES.map((name) => ({ set: this.nameOf(name), elements: this.#elements.get(name)?.size ?? 0 })).filter(
      ({ elements }) => elements > MOST,
    );
  }

  /** `ipset save` text. Elements are in the order in which kube-proxy adds them; a hash in the kernel has another one. */
  print(): string {
    return NAMES.map((name) => this.#printSet(name)).join("");
  }

  #printSet(name: SetName): string {
    const { type } = KINDS[name];
    const isPorts = type === "bitmap:port";
    const elements = [...(this.#elements.get(name) ?? [])];
    const sorted = isPorts ? elements.sort((a, b) => Number(a) - Number(b)) : elements.sort();
    const family = this.#family === "IPv6" ? "inet6" : "inet";
    const size = isPorts ? "range 0-65535" : `family ${family} hashsize 1024 maxelem ${MOST}`;
    const full = this.nameOf(name);
    const added = sorted.slice(0, MOST).map((element) => `add ${full} ${element}\n`);
    return `create ${full} ${type} ${size}\n${added.join("")}`;
  }
}

/** What is said to who has more Services than a set of kube-proxy holds. */
export function fullSetSentence({ set, elements }: FullSet): string {
  const [all, most] = [elements, MOST].map((count) => count.toLocaleString("en-US"));
  return (
    `the ipset ${set} is full: it holds ${most} of ${all} elements, as kube-proxy makes it, whose log has ` +
    `"Hash is full, cannot add more elements" for each of the others; their Services do not work as they should`
  );
}
