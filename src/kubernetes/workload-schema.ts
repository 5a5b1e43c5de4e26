// The controllers that make pods, as far as they are read.
import { z } from "zod";
import { apiKind, apiObject } from "./fields.ts";
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

/** A number of pods, or a share of them. */
export const portion = z.union(
  [z.int().min(0), z.string().regex(/^\d+%$/)],
  "should be a number of pods, or a share of them such as 25%",
);

/** How a Deployment's old pods give way to new ones. */
const strategy = apiObject({
  type: z.enum(["", "RollingUpdate", "Recreate"]).default("RollingUpdate"),
  rollingUpdate: apiObject({
    maxSurge: portion.default("25%"),
    maxUnavailable: portion.default("25%"),
  }).prefault({}),
}).prefault({});

export type Strategy = z.output<typeof strategy>;

/** Deployments and ReplicaSets. */
export const replicaSetSchema = apiKind({
  metadata: namespacedMeta(dnsSubdomain),
  spec: apiObject(
    { selector: labelSelector, template, replicas, strategy, minReadySeconds: z.int().min(0).default(0) },
    ["paused", "progressDeadlineSeconds", "revisionHistoryLimit"],
  ).superRefine(selectsTemplate),
});

const updateType = z.enum(["", "RollingUpdate", "OnDelete"]).default("RollingUpdate");
const minReadySeconds = z.int().min(0).default(0);

export const daemonSetSchema = apiKind({
  metadata: namespacedMeta(dnsSubdomain),
  spec: apiObject(
    {
      selector: labelSelector,
      template,
      minReadySeconds,
      updateStrategy: apiObject({
        type: updateType,
        rollingUpdate: apiObject({ maxSurge: portion.default(0), maxUnavailable: portion.default(1) }).prefault({}),
      }).prefault({}),
    },
    ["revisionHistoryLimit"],
  ).superRefine(selectsTemplate),
});

export const statefulSetSchema = apiKind({
  metadata: namespacedMeta(dnsSubdomain),
  spec: apiObject(
    {
      selector: labelSelector,
      template,
      replicas,
      serviceName: z.string().default(""),
      ordinals: apiObject({ start: z.int().min(0).default(0) }).prefault({}),
      minReadySeconds,
      podManagementPolicy: z.enum(["", "OrderedReady", "Parallel"]).default("OrderedReady"),
      updateStrategy: apiObject({
        type: updateType,
        rollingUpdate: apiObject({ partition: z.int().min(0).default(0) }, ["maxUnavailable"]).prefault({}),
      }).prefault({}),
    },
    ["persistentVolumeClaimRetentionPolicy", "revisionHistoryLimit", "volumeClaimTemplates"],
  ).superRefine(selectsTemplate),
});

export const replicationControllerSchema = apiKind({
  metadata: namespacedMeta(dnsSubdomain),
  spec: apiObject({ selector: labels.optional(), template, replicas }, ["minReadySeconds"]).superRefine(
    (spec, context) => {
      // Without a selector it selects the template's labels.
      const { selector: matchLabels = spec.template.metadata.labels } = spec;
      selectsTemplate({ selector: { matchLabels, matchExpressions: [] }, template: spec.template }, context);
    },
  ),
});

export const jobSchema = apiKind({
  metadata: namespacedMeta(dnsSubdomain),
  spec: apiObject(
    {
      parallelism: z.int().min(0).default(1),
      completions: z.int().min(0).optional(),
      completionMode: z.enum(["NonIndexed", "Indexed"]).default("NonIndexed"),
      suspend: z.boolean().default(false),
      template,
    },
    [
      "activeDeadlineSeconds",
      "backoffLimit",
      "backoffLimitPerIndex",
      "managedBy",
      "manualSelector",
      "maxFailedIndexes",
      "podFailurePolicy",
      "podReplacementPolicy",
      "selector",
      "successPolicy",
      "ttlSecondsAfterFinished",
    ],
  ),
});

export const cronJobSchema = apiKind({ metadata: namespacedMeta(dnsSubdomain) });

export const namespaceSchema = apiKind({ metadata: clusterMeta(dnsLabel) });
