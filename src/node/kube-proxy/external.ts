// The chains behind a service port's external addresses: KUBE-EXT decides about masquerading, KUBE-FW about who may come in.
import { comment, type RuleTable, type RuleText } from "../tables.ts";
import type { LocalDetector } from "./context.ts";
import { blockContains, networkForm } from "./ip.ts";
import type { ServiceChains } from "./names.ts";
import type { ProxyServicePort } from "./service-port.ts";

/**
 * KUBE-EXT. Policy Cluster masquerades everything; policy Local keeps the client's address, but serves pods and the node itself
 * from the whole cluster. `served`: whether the policy leaves an endpoint.
 */
export function addExternalChain(
  nat: RuleTable,
  port: ProxyServicePort,
  { ext, svc, svl }: ServiceChains,
  detector: LocalDetector | undefined,
  served: boolean,
): void {
  const add = (what: string, target: string, who: RuleText, ...matches: string[]): void =>
    nat.append(ext, {
      ...who,
      matches: [comment(`${what} traffic for ${port.name} external destinations`), ...matches],
      target,
    });
  if (port.externalLocal) {
    const fromNode = "-m addrtype --src-type LOCAL";
    if (detector) add("pod", svc, detector.local);
    add("masquerade LOCAL", "KUBE-MARK-MASQ", {}, fromNode);
    add("route LOCAL", svc, {}, fromNode);
  } else {
    add("masquerade", "KUBE-MARK-MASQ", {});
  }
  if (served) nat.append(ext, { target: port.externalLocal ? svl : svc });
}

/** KUBE-FW: only the source ranges go on to KUBE-EXT. A node inside a range may also come from the load balancer address. */
export function addFirewallChain(
  nat: RuleTable,
  port: ProxyServicePort,
  { fw, ext }: ServiceChains,
  nodeIP: string,
): void {
  const matches = [comment(`${port.name} loadbalancer IP`)];
  const nodeAllowed = port.sourceRanges.some((range) => blockContains(range, nodeIP));
  const sources = [...port.sourceRanges, ...(nodeAllowed ? port.vips.map(networkForm) : [])];
  for (const source of sources) nat.append(fw, { source, matches, target: ext });
  nat.append(fw, { matches: [comment(`other traffic to ${port.name} will be dropped by KUBE-PROXY-FIREWALL`)] });
}
