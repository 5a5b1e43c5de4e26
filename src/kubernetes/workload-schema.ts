// The controllers that make pods, as far as they are read.
import { z } from "zod";
import { clusterMeta, dnsLabel, dnsSubdomain, labels, namespacedMeta } from "./meta.ts";
import { template, type PodTemplate } from "./pod-schema.ts";
import { labelSelector, selectorMatches, type LabelSelector } from "./selectors.ts";

const replicas = z.int().min(0).default(1);

/** The selector of a controller of apps/v1 must match its own template. */
function selectsTemplate(
  { selector, template: made }: { selector: LabelSelector; template: PodTemplate },
  context: z.RefinementCtx,
): void {
  const empty = Object.keys(selector.matchLabels).length + selector.matchExpressions.length === 0;
  if (!empty && selectorMatches(selector, made.metadata.labels)) return;
  const message = empty
    ? "should name at least one label"
    : "does not match the labels of the template; they should be the same";
  context.addIssue({ code: "custom", path: ["selector"], message });
}

/** Deployments and ReplicaSets. */
export const replicaSetSchema = z.object({
  metadata: namespacedMeta(dnsSubdomain),
  spec: z.object({ selector: labelSelector, template, replicas }).superRefine(selectsTemplate),
});

export const daemonSetSchema = z.object({
  metadata: namespacedMeta(dnsSubdomain),
  spec: z.object({ selector: labelSelector, template }).superRefine(selectsTemplate),
});

export const statefulSetSchema = z.object({
  metadata: namespacedMeta(dnsSubdomain),
  spec: z
    .object({
      selector: labelSelector,
      template,
      replicas,
      serviceName: z.string().default(""),
      ordinals: z.object({ start: z.int().min(0).default(0) }).prefault({}),
    })
    .superRefine(selectsTemplate),
});

export const replicationControllerSchema = z.object({
  metadata: namespacedMeta(dnsSubdomain),
  spec: z.object({ selector: labels.optional(), template, replicas }).superRefine((spec, context) => {
    // Without a selector it selects the template's labels.
    const { selector: matchLabels = spec.template.metadata.labels } = spec;
    selectsTemplate({ selector: { matchLabels, matchExpressions: [] }, template: spec.template }, context);
  }),
});

export const jobSchema = z.object({
  metadata: namespacedMeta(dnsSubdomain),
  spec: z.object({
    parallelism: z.int().min(0).default(1),
    completions: z.int().min(0).optional(),
    completionMode: z.enum(["NonIndexed", "Indexed"]).default("NonIndexed"),
    suspend: z.boolean().default(false),
    template,
  }),
});

export const cronJobSchema = z.object({ metadata: namespacedMeta(dnsSubdomain) });

export const namespaceSchema = z.object({ metadata: clusterMeta(dnsLabel) });
