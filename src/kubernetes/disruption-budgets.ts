// PodDisruptionBudgets: how many pods may be evicted at a time.
import { z } from "zod";
import { apiKind, apiObject } from "./fields.ts";
import type { Manifest } from "./manifest.ts";
import { dnsSubdomain, namespacedMeta } from "./meta.ts";
import { labelSelector, type LabelSelector } from "./selectors.ts";
import { portion } from "./workload-schema.ts";

export interface DisruptionBudget {
  namespace: string;
  name: string;
  /** Absent: no pod. */
  selector: LabelSelector | undefined;
  /** Pods, or a share of those that are wanted. At most one of the two. */
  minAvailable: number | string | undefined;
  maxUnavailable: number | string | undefined;
  /** Whether pods that are not ready may always be evicted. */
  alwaysAllow: boolean;
}

const schema = apiKind({
  metadata: namespacedMeta(dnsSubdomain),
  spec: apiObject({
    selector: labelSelector.optional(),
    minAvailable: portion.optional(),
    maxUnavailable: portion.optional(),
    unhealthyPodEvictionPolicy: z.enum(["", "IfHealthyBudget", "AlwaysAllow"]).default("IfHealthyBudget"),
  }).refine(({ minAvailable, maxUnavailable }) => minAvailable === undefined || maxUnavailable === undefined, {
    error: "should have minAvailable or maxUnavailable, not both",
  }),
});

/** Throws an InputError at the first field that the API server would refuse. */
export function parseDisruptionBudget(manifest: Manifest): DisruptionBudget {
  const { metadata, spec } = manifest.validate(schema);
  const { namespace, name } = metadata;
  const { selector, minAvailable, maxUnavailable, unhealthyPodEvictionPolicy: policy } = spec;
  return { namespace, name, selector, minAvailable, maxUnavailable, alwaysAllow: policy === "AlwaysAllow" };
}
