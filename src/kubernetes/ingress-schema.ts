// Ingresses and IngressClasses as far as they are read, with the checks that the API server makes.
import { z } from "zod";
import { apiKind, apiObject } from "./fields.ts";
import { clusterMeta, dnsSubdomain, namespacedMeta, portNumber } from "./meta.ts";

const annotations = z.record(z.string(), z.string()).default({});

const servicePort = apiObject({ number: portNumber.optional(), name: z.string().optional() }).superRefine(
  ({ number, name }, context) => {
    if ((number === undefined) === (name === undefined))
      context.addIssue({ code: "custom", message: "should have either a number or a name" });
  },
);

const backend = apiObject({
  service: apiObject({ name: z.string(), port: servicePort }).optional(),
  resource: z.unknown().optional(),
}).superRefine(({ service, resource }, context) => {
  if ((service === undefined) === (resource === undefined))
    context.addIssue({ code: "custom", message: "should have either a service or a resource" });
});

const path = apiObject({
  path: z.string().startsWith("/", "should begin with a slash").optional(),
  pathType: z.enum(["Exact", "Prefix", "ImplementationSpecific"]),
  backend,
}).superRefine(({ path, pathType }, context) => {
  if (path === undefined && pathType !== "ImplementationSpecific")
    context.addIssue({ code: "custom", path: ["path"], message: `is missing; pathType ${pathType} needs one` });
});

/** A DNS name, whose first label may be a star. */
const host = z.string().refine((text) => dnsSubdomain.safeParse(text.replace(/^\*\./, "")).success, {
  error: (issue) => `${String(issue.input)} should be a DNS name such as shop.example.com or *.example.com`,
});

const rule = apiObject({
  host: z.union([host, z.literal("")]).default(""),
  http: apiObject({ paths: z.array(path).min(1) }).optional(),
});

const spec = apiObject({
  ingressClassName: z.string().optional(),
  defaultBackend: backend.optional(),
  tls: z.array(apiObject({ hosts: z.array(z.string()).default([]), secretName: z.string().optional() })).default([]),
  rules: z.array(rule).default([]),
}).superRefine(({ defaultBackend, rules }, context) => {
  if (defaultBackend !== undefined || rules.length > 0) return;
  context.addIssue({ code: "custom", message: "should have rules or a defaultBackend" });
});

export const ingressSchema = apiKind({ metadata: namespacedMeta(dnsSubdomain).and(z.object({ annotations })), spec });

export type IngressManifest = z.output<typeof ingressSchema>;

export const ingressClassSchema = apiKind({
  metadata: clusterMeta(dnsSubdomain).and(z.object({ annotations })),
  spec: apiObject({ controller: z.string().default("") }, ["parameters"]).prefault({}),
});
