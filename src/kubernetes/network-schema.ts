// Ingresses: checked as far as the API server would refuse them, though nothing is built from them yet.
import { z } from "zod";
import { dnsSubdomain, namespacedMeta, portNumber } from "./meta.ts";

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
