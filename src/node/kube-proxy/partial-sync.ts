// What kube-proxy writes when little has changed: iptables-restore text of some chains, for `--noflush`.
import { differenceOf, wholeChains, type RulesText } from "../../iptables/rules-text.ts";

/** Chains that kube-proxy writes whole at every sync. */
const ALWAYS = new Set([
  "nat KUBE-SERVICES",
  "nat KUBE-NODEPORTS",
  "nat KUBE-POSTROUTING",
  "nat KUBE-MARK-MASQ",
  "filter KUBE-SERVICES",
  "filter KUBE-EXTERNAL-SERVICES",
  "filter KUBE-FORWARD",
  "filter KUBE-NODEPORTS",
  "filter KUBE-PROXY-FIREWALL",
  // In ipvs mode there are no others.
  "nat KUBE-NODE-PORT",
  "nat KUBE-LOAD-BALANCER",
  "filter KUBE-NODE-PORT",
  "filter KUBE-SOURCE-RANGES-FIREWALL",
  "filter KUBE-IPVS-FILTER",
  "filter KUBE-IPVS-OUT-FILTER",
]);

/**
 * The text of a partial sync that makes rules `before` into `after`, both iptables-save text: the chains that are always
 * written, and those that have changed. Chains that are gone are deleted, or with `keepStale` stay, as in a large cluster, where
 * kube-proxy deletes them once in a while. Built-in chains come in it only where they have changed.
 */
export function partialSync(before: RulesText, after: RulesText, keepStale = false): string {
  return differenceOf(wholeChains(before), wholeChains(after), { always: ALWAYS, keepsGone: keepStale });
}
