// The iptables chains that a kubelet keeps on its node: hint and canaries, and the guard against martian loopback packets.
import { comment, type NodeTables } from "./tables.ts";

/** The rule of KUBE-FIREWALL, which route_localnet makes necessary: only this host may talk to 127.0.0.0/8. */
export const MARTIAN_GUARD = {
  source: "! 127.0.0.0/8",
  destination: "127.0.0.0/8",
  matches: [comment("block incoming localnet connections"), "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT"],
  target: "DROP",
};

/** Adds the chains that kubelets of 1.28 and later make. KUBE-FIREWALL with its jumps is for IPv4 only. */
export function addKubeletChains(tables: NodeTables, family: "IPv4" | "IPv6"): void {
  tables.mangle.declare("KUBE-IPTABLES-HINT");
  for (const table of [tables.mangle, tables.nat, tables.filter]) table.declare("KUBE-KUBELET-CANARY");
  if (family === "IPv6") return;
  for (const chain of ["INPUT", "OUTPUT"]) tables.filter.append(chain, { target: "KUBE-FIREWALL" });
  tables.filter.append("KUBE-FIREWALL", MARTIAN_GUARD);
}
