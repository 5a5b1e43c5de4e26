// Node manifests, as far as they are read.
import { z } from "zod";
import { clusterMeta, dnsSubdomain } from "./meta.ts";

const taint = z.object({
  key: z.string(),
  value: z.string().default(""),
  effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
});

export type Taint = z.output<typeof taint>;

export const nodeSchema = z.object({
  metadata: clusterMeta(dnsSubdomain),
  spec: z
    .object({
      podCIDR: z.string().optional(),
      taints: z.array(taint).default([]),
      unschedulable: z.boolean().default(false),
    })
    .prefault({}),
  status: z
    .object({ addresses: z.array(z.object({ type: z.string(), address: z.string() })).default([]) })
    .prefault({}),
});

export type NodeManifest = z.output<typeof nodeSchema>;
