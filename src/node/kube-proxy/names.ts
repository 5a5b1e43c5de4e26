// The names of kube-proxy's chains: a prefix and a hash of the service port, or of the service port and an endpoint.
import { createHash } from "node:crypto";

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** The first 16 characters of the base32 (RFC 4648) of the SHA-256 of `text`. */
export function chainHash(text: string): string {
  const digest = createHash("sha256").update(text).digest();
  let characters = "";
  // 16 characters of 5 bits are the first 10 bytes.
  for (let bit = 0; bit < 80; bit += 5) {
    const pair = digest.readUInt16BE(bit >> 3);
    characters += BASE32.charAt((pair >> (11 - (bit & 7))) & 31);
  }
  return characters;
}

/** `<namespace>/<service>`, and `:<port name>` if the port has a name. */
export function servicePortName(namespace: string, service: string, port: string): string {
  return port === "" ? `${namespace}/${service}` : `${namespace}/${service}:${port}`;
}

/** The chains of one service port: they differ by their prefix only. */
export interface ServiceChains {
  /** KUBE-SVC-: spreads over the cluster's endpoints. */
  svc: string;
  /** KUBE-SVL-: spreads over this node's endpoints. */
  svl: string;
  /** KUBE-EXT-: where traffic to external addresses and node ports enters. */
  ext: string;
  /** KUBE-FW-: lets the load balancer's source ranges pass. */
  fw: string;
}

/** `protocol` in lower case: `tcp`, `udp`, `sctp`. */
export function serviceChains(portName: string, protocol: string): ServiceChains {
  const hash = chainHash(portName + protocol);
  return { svc: `KUBE-SVC-${hash}`, svl: `KUBE-SVL-${hash}`, ext: `KUBE-EXT-${hash}`, fw: `KUBE-FW-${hash}` };
}

/** `endpoint` is `<ip>:<port>`, an IPv6 address in brackets. */
export function endpointChain(portName: string, protocol: string, endpoint: string): string {
  return `KUBE-SEP-${chainHash(portName + protocol + endpoint)}`;
}
