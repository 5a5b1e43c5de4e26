// NetworkPolicies (networking.k8s.io/v1) as the API server checks them and fills in what they leave out.
import { z } from "zod";
import { familyOfText, IPV4_ALONE, type Family } from "./families.ts";
import { cidrContains, parseCidr } from "../address.ts";
import { cidr } from "./addresses.ts";
import { apiKind, apiObject } from "./fields.ts";
import type { Manifest } from "./manifest.ts";
import { dnsSubdomain, namespacedMeta, portNumber, portReference, protocol } from "./meta.ts";
import type { NetworkPolicy } from "./objects.ts";
import { labelSelector } from "./selectors.ts";

const ipBlock = apiObject({ cidr, except: z.array(cidr).default([]) }).superRefine((block, context) => {
  block.except.forEach((except, i) => {
    if (liesInside(except, block.cidr)) return;
    const message = `${except} should be a part of ${block.cidr} and smaller than it`;
    context.addIssue({ code: "custom", path: ["except", i], message });
  });
});

/** Whether one block is a true part of another; of IPv6, which no rule here is made of, only that both are that. */
function liesInside(inner: string, outer: string): boolean {
  const [a, b] = [parseCidr(inner), parseCidr(outer)];
  if (a && b) return a.prefix > b.prefix && cidrContains(b, a.network);
  return !a && !b;
}

const peer = apiObject({
  podSelector: labelSelector.optional(),
  namespaceSelector: labelSelector.optional(),
  ipBlock: ipBlock.optional(),
}).superRefine(({ podSelector, namespaceSelector, ipBlock }, context) => {
  const selects = podSelector !== undefined || namespaceSelector !== undefined;
  if (selects !== (ipBlock !== undefined)) return;
  context.addIssue({ code: "custom", message: "should have either an ipBlock, or selectors of pods and namespaces" });
});

const policyPort = apiObject({
  protocol,
  port: portReference.optional(),
  endPort: portNumber.optional(),
}).superRefine(({ port, endPort }, context) => {
  if (endPort === undefined || (typeof port === "number" && port <= endPort)) return;
  context.addIssue({
    code: "custom",
    path: ["endPort"],
    message: "should be at least port, which should be a number",
  });
});

const ports = z.array(policyPort).default([]);
const peers = z.array(peer).default([]);

const networkPolicySchema = apiKind({
  metadata: namespacedMeta(dnsSubdomain),
  spec: apiObject({
    // Left out it selects all pods, as an empty one does.
    podSelector: labelSelector.prefault({}),
    policyTypes: z
      .array(z.enum(["Ingress", "Egress"]))
      .max(2)
      .default([]),
    ingress: z.array(apiObject({ from: peers, ports })).default([]),
    egress: z.array(apiObject({ to: peers, ports })).default([]),
  }).prefault({}),
});

/**
 * A policy isolates in the directions of its policyTypes; without any for ingress, and for egress if it has rules for that.
 * Throws an InputError at the first field that the API server would refuse.
 */
export function parseNetworkPolicy(manifest: Manifest): NetworkPolicy {
  const { metadata, spec } = manifest.validate(networkPolicySchema);
  const { policyTypes: written, podSelector, ingress, egress } = spec;
  const types = written.length > 0 ? written : ["Ingress", ...(egress.length > 0 ? ["Egress"] : [])];
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    podSelector,
    ...(types.includes("Ingress") ? { ingress: ingress.map(({ from, ports }) => ({ peers: from, ports })) } : {}),
    ...(types.includes("Egress") ? { egress: egress.map(({ to, ports }) => ({ peers: to, ports })) } : {}),
  };
}

/** A sentence for every address block of a policy that no rule is made of, as pods have no addresses of its family. */
export function unusedBlocks(
  { namespace, name, ingress = [], egress = [] }: NetworkPolicy,
  families: readonly Family[] = IPV4_ALONE,
): string[] {
  return [...ingress, ...egress]
    .flatMap(({ peers }) => peers.flatMap(({ ipBlock }) => ipBlock?.cidr ?? []))
    .filter((block) => !families.includes(familyOfText(block)))
    .map(
      (block) =>
        `NetworkPolicy ${namespace}/${name} lets nothing through for ${block}: pods have no ${familyOfText(block)} here`,
    );
}
