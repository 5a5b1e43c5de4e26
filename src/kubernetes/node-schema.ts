// Node manifests, as far as they are read.
import { z } from "zod";
import { apiKind, apiObject } from "./fields.ts";
import { clusterMeta, dnsSubdomain } from "./meta.ts";

const taint = apiObject(
  {
    key: z.string(),
    value: z.string().default(""),
    effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
  },
  ["timeAdded"],
);

export type Taint = z.output<typeof taint>;

export const nodeSchema = apiKind({
  metadata: clusterMeta(dnsSubdomain),
  spec: apiObject(
    {
      podCIDR: z.string().optional(),
      podCIDRs: z.array(z.string()).default([]),
      taints: z.array(taint).default([]),
      unschedulable: z.boolean().default(false),
    },
    ["configSource", "externalID", "providerID"],
  ).prefault({}),
  status: z
    .object({ addresses: z.array(z.object({ type: z.string(), address: z.string() })).default([]) })
    .prefault({}),
});

export type NodeManifest = z.output<typeof nodeSchema>;
