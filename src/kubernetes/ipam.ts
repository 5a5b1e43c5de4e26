// Addresses of pods on one node, as the host-local IPAM plugin hands them out.
import { formatAddress, lastHost, parseBlock } from "./blocks.ts";
import { nodeRange, type Family } from "./families.ts";
import type { Node, Pod } from "./objects.ts";

/** The addresses of a node's pod range. The first is the bridge's, so the first pod has the second; of IPv4 the last is the broadcast one. */
class RangeAddresses {
  #next: bigint;
  readonly #last: bigint;
  readonly #family: Family;

  /** `podCIDR` as in `10.244.1.0/24` or `fd00:10:244:1::/64`. Throws a TypeError if it is not a CIDR. */
  constructor(podCIDR: string) {
    const block = parseBlock(podCIDR);
    if (!block) throw new TypeError(`podCIDR ${podCIDR} is not a CIDR`);
    this.#next = block.network + 2n;
    this.#last = lastHost(block);
    this.#family = block.family;
  }

  get full(): boolean {
    return this.#next > this.#last;
  }

  allocate(): string {
    if (this.full) throw new RangeError("the pod range has no address left");
    return formatAddress(this.#next++, this.#family);
  }
}

/** The addresses of a node's pods, one of each family for a pod. */
export class PodAddresses {
  readonly #ranges: RangeAddresses[];

  constructor(node: Pick<Node, "podCIDR" | "podCIDR6">, families: readonly Family[]) {
    this.#ranges = families.map((family) => new RangeAddresses(nodeRange(node, family) ?? ""));
  }

  get full(): boolean {
    return this.#ranges.some(({ full }) => full);
  }

  /** The next ones. Throws a RangeError if there are none. */
  allocate(): Pick<Pod, "podIP" | "podIPs"> {
    return asPodIPs(this.#ranges.map((range) => range.allocate()));
  }
}

/** What a pod's status says of its addresses, the primary one first. */
export function asPodIPs(addresses: string[]): Pick<Pod, "podIP" | "podIPs"> {
  const [podIP = ""] = addresses;
  return addresses.length > 1 ? { podIP, podIPs: addresses } : { podIP };
}
