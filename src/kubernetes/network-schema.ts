// Ingresses and NetworkPolicies: checked as far as the API server would refuse them, though nothing is built from them yet.
import { z } from "zod";
import { cidr, dnsSubdomain, namespacedMeta, portNumber, portReference, protocol } from "./meta.ts";
import { labelSelector } from "./selectors.ts";

const peer = z
  .object({
    podSelector: labelSelector.optional(),
    namespaceSelector: labelSelector.optional(),
    ipBlock: z.object({ cidr, except: z.array(cidr).default([]) }).optional(),
  })
  .superRefine(({ podSelector, namespaceSelector, ipBlock }, context) => {
    const selects = podSelector !== undefined || namespaceSelector !== undefined;
    if (selects !== (ipBlock !== undefined)) return;
    context.addIssue({ code: "custom", message: "should have either an ipBlock, or selectors of pods and namespaces" });
  });

const policyPort = z
  .object({
    protocol: protocol.default("TCP"),
    port: portReference.optional(),
    endPort: portNumber.optional(),
  })
  .superRefine(({ port, endPort }, context) => {
    if (endPort === undefined || (typeof port === "number" && port <= endPort)) return;
    context.addIssue({
      code: "custom",
      path: ["endPort"],
      message: "should be at least port, which should be a number",
    });
  });

const ports = z.array(policyPort).default([]);
const peers = z.array(peer).default([]);

export const networkPolicySchema = z.object({
  metadata: namespacedMeta(dnsSubdomain),
  spec: z.object({
    // Left out it selects all pods, as an empty one does.
    podSelector: labelSelector.optional(),
    policyTypes: z.array(z.enum(["Ingress", "Egress"])).default([]),
    ingress: z.array(z.object({ from: peers, ports })).default([]),
    egress: z.array(z.object({ to: peers, ports })).default([]),
  }),
});

const backend = z.object({
  service: z
    .object({
      name: z.string(),
      port: z.object({ number: portNumber.optional(), name: z.string().optional() }).prefault({}),
    })
    .optional(),
});

export const ingressSchema = z.object({
  metadata: namespacedMeta(dnsSubdomain),
  spec: z
    .object({
      defaultBackend: backend.optional(),
      rules: z
        .array(
          z.object({
            host: z.string().optional(),
            http: z
              .object({
                paths: z
                  .array(
                    z.object({
                      path: z.string().optional(),
                      pathType: z.enum(["Exact", "Prefix", "ImplementationSpecific"]),
                      backend,
                    }),
                  )
                  .min(1),
              })
              .optional(),
          }),
        )
        .default([]),
    })
    .superRefine(({ defaultBackend, rules }, context) => {
      if (defaultBackend !== undefined || rules.length > 0) return;
      context.addIssue({ code: "custom", message: "should have rules or a defaultBackend" });
    }),
});
