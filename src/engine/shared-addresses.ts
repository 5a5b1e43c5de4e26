// Gives the IPv6 addresses of a plan their numbers before its workers start, as they may not all do so at once.
import { parseCidr6 } from "../address6.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { IngressLocation } from "../seam/machine.ts";
import type { Plan } from "../seam/plan.ts";

/** Numbers all addresses and networks that a plan names outside rules and zones. The same plan gives the same numbers. */
export function shareAddresses(kernel: Kernel, plan: Plan): void {
  const share = (text: string | undefined): void => {
    const address = text?.includes(":") === true ? parseCidr6(text)?.address : undefined;
    if (address !== undefined) kernel.addressNumber6(address);
  };
  const shareServers = (locations: readonly IngressLocation[]): void => {
    for (const { servers = [] } of locations) for (const { address } of servers) share(address);
  };
  for (const machine of plan.machines) {
    for (const { cidr } of machine.addresses) share(cidr);
    for (const { destination, via, source } of machine.routes) [destination, via, source].forEach(share);
    for (const { address } of machine.neighbours) share(address);
    for (const { address, servers } of machine.balancer?.virtualServers ?? [])
      for (const one of [address, ...servers.map((server) => server.address)]) share(one);
    for (const { address } of machine.balancer?.checks ?? []) share(address);
    for (const { address, dns, ingress = [] } of machine.listeners) {
      share(address);
      share(dns?.forward);
      shareServers(ingress);
    }
  }
  for (const { target } of plan.flows) {
    if ("address" in target) share(target.address);
    else [target.resolver, ...(target.options?.others ?? [])].forEach(share);
  }
  for (const { address } of plan.names) share(address);
  for (const { action } of plan.changes ?? []) {
    if (action.kind === "answer") share(action.address);
    if (action.kind === "ingress") shareServers(action.locations);
    if (action.kind !== "stale") continue;
    for (const { addresses, servers } of action.served) [...addresses, ...servers].forEach(share);
  }
}
