// Addresses of pods on one node, as the host-local IPAM plugin hands them out.
import { cidrSize, formatIpv4, parseCidr } from "../address.ts";

/** The addresses of a node's pod range. The first is the bridge's, so the first pod has the second. */
export class PodAddresses {
  #next: number;
  readonly #last: number;

  /** `podCIDR` as in `10.244.1.0/24`. Throws a TypeError if it is not a CIDR. */
  constructor(podCIDR: string) {
    const range = parseCidr(podCIDR);
    if (!range) throw new TypeError(`podCIDR ${podCIDR} is not an IPv4 CIDR`);
    this.#next = range.network + 2;
    this.#last = range.network + cidrSize(range.prefix) - 2;
  }

  get full(): boolean {
    return this.#next > this.#last;
  }

  /** The next address. Throws a RangeError if there is none. */
  allocate(): string {
    if (this.full) throw new RangeError("the pod range has no address left");
    return formatIpv4(this.#next++);
  }
}
