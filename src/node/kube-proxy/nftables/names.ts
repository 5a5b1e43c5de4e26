// The names of kube-proxy's chains and sets in nftables mode: a prefix, a hash, and the service port, or service port and endpoint, in clear.
import { chainHash } from "../names.ts";
import type { ProxyEndpoint } from "../select.ts";
import type { ProxyServicePort } from "../service-port.ts";

/** What a name may have in all, less the longest prefix. */
const LONGEST = 256 - 16;

/** The chains of one service port: they differ by their prefix only. */
export interface NftServiceChains {
  /** Spreads over the cluster's endpoints. */
  service: string;
  /** Spreads over this node's endpoints. */
  local: string;
  /** Where traffic to external addresses and node ports enters. */
  external: string;
  /** Drops what does not come from the load balancer's source ranges. */
  firewall: string;
}

export function nftServiceChains(port: ProxyServicePort): NftServiceChains {
  const name = hashed(portText(port));
  return {
    service: `service-${name}`,
    local: `local-${name}`,
    external: `external-${name}`,
    firewall: `firewall-${name}`,
  };
}

/** The chain of an endpoint of a service port, and the set of the clients that it has served. */
export function nftEndpointNames(port: ProxyServicePort, endpoint: ProxyEndpoint): { chain: string; affinity: string } {
  const name = hashed(`${portText(port)}__${endpoint.ip.replaceAll(":", ".")}/${endpoint.port}`);
  return { chain: `endpoint-${name}`, affinity: `affinity-${name}` };
}

/** A port without a name ends in a slash. */
function portText({ namespace, service, protocol, port }: ProxyServicePort): string {
  return `${namespace}/${service}/${protocol}/${port}`;
}

function hashed(text: string): string {
  const name = `${chainHash(text).slice(0, 8)}-${text}`;
  return name.length > LONGEST ? `${name.slice(0, LONGEST - 3)}...` : name;
}
