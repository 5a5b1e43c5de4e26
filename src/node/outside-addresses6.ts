// The IPv6 addresses outside the cluster. Nothing is translated there: nodes have addresses that the internet has a way back to.
import { cidr6Contains, formatIpv6, parseCidr6, parseIpv6 } from "../address6.ts";
import { InputError } from "../errors.ts";
import type { SixRanges } from "../kubernetes/families.ts";

/** The network between the gateway and the internet's router, all of the range for documentation (RFC 3849). */
export const EXTERNAL6 = {
  network: "2001:db8:0:1::/64",
  prefix: 64,
  gateway: "2001:db8:0:1::1",
  router: "2001:db8:0:1::fe",
} as const;
/** The outside client and its router. */
export const CLIENT_ADDRESS6 = "2001:db8:0:a::10";
export const CLIENT_GATEWAY6 = "2001:db8:0:a::1";
export const CLIENT_PREFIX6 = 64;
/** The resolver outside. */
export const RESOLVER_ADDRESS6 = "2001:db8:0:53::53";
/** What holds the client's network and the resolver. */
export const CLIENT_NETWORK6 = "2001:db8:0::/52";

/** The gateway's address on the nodes' network. */
export function gatewayAddress6(nodeCIDR: string): string {
  return formatIpv6((parseCidr6(nodeCIDR)?.network ?? 0n) + 1n);
}

/** An outside host of IPv6 is no good inside the cluster's ranges, nor where no host can be. Throws an InputError. */
export function checkHost6(address: string, six: SixRanges | undefined): void {
  const ip = parseIpv6(address);
  if (ip === undefined) throw new InputError({}, `${address} is not the address of an outside host`);
  if (!six)
    throw new InputError(
      {},
      `the outside host ${address} has an IPv6 address, which the cluster has not; write ipFamily: dual`,
    );
  const ranges: [string, string][] = [
    ["podCIDR", six.podCIDR],
    ["serviceCIDR", six.serviceCIDR],
    ["nodeCIDR", six.nodeCIDR],
    ["loadBalancerCIDR", six.loadBalancerCIDR],
    ["external network", EXTERNAL6.network],
    ["unspecified and loopback addresses", "::/127"],
    ["link-local range", "fe80::/10"],
    ["multicast range", "ff00::/8"],
  ];
  for (const [what, range] of ranges) {
    const block = parseCidr6(range);
    if (block && cidr6Contains(block, ip))
      throw new InputError(
        {},
        `the outside host ${address} lies in the ${what} ${range}; choose an address outside the cluster`,
      );
  }
}
