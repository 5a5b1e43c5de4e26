// Pods and the controllers that make them, brought to one form: a template and how many pods it stands for.
import type { Manifest } from "./manifest.ts";
import type { Labels } from "./objects.ts";
import { podSchema, type PodTemplate } from "./pod-schema.ts";
import {
  daemonSetSchema,
  jobSchema,
  replicaSetSchema,
  replicationControllerSchema,
  statefulSetSchema,
  type Strategy,
} from "./workload-schema.ts";

export type WorkloadKind =
  "Pod" | "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" | "DaemonSet" | "Job";

/** How a StatefulSet's pods come, go and are replaced. */
export interface StatefulUpdates {
  /** Not one after the other. */
  parallel: boolean;
  /** Pods of lower numbers stay as they are. */
  partition: number;
  /** Pods are replaced when somebody deletes them. */
  onDelete: boolean;
}

/** How a DaemonSet's pods are replaced. */
export interface DaemonUpdates {
  maxSurge: number | string;
  maxUnavailable: number | string;
  onDelete: boolean;
}

export interface Workload {
  kind: WorkloadKind;
  namespace: string;
  name: string;
  template: PodTemplate;
  /** One pod for each; undefined: one for each node that it fits, as a DaemonSet has. */
  ordinals: number[] | undefined;
  /** Labels besides the template's of the pod with an ordinal, which is called `podName`. */
  ownLabels: (podName: string, ordinal: number) => Labels;
  /** Pods are called by their hostname in this headless Service; undefined if the controller gives them no hostname. */
  hostnames?: { subdomain: string };
  /** Of a Deployment: how its pods are replaced. */
  strategy?: Strategy;
  stateful?: StatefulUpdates;
  daemon?: DaemonUpdates;
  /** So many seconds a pod must have been ready to count. Default: 0. */
  minReadySeconds?: number;
  manifest: Manifest;
}

function count(from: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => from + i);
}

function noLabels(): Labels {
  return {};
}

/** A Pod, or a controller's pods. Throws an InputError at the first field that the API server would refuse. */
export function parseWorkload(manifest: Manifest, kind: WorkloadKind): Workload {
  const common = { kind, manifest, ownLabels: noLabels };
  switch (kind) {
    case "Pod": {
      const { metadata, spec } = manifest.validate(podSchema);
      const template = { metadata: { labels: metadata.labels }, spec };
      return { ...common, ...metadata, template, ordinals: [0] };
    }
    case "Deployment":
    case "ReplicaSet": {
      const { metadata, spec } = manifest.validate(replicaSetSchema);
      const { template, replicas, strategy, minReadySeconds } = spec;
      const updates = kind === "Deployment" ? { strategy, minReadySeconds } : {};
      return { ...common, ...metadata, template, ordinals: count(0, replicas), ...updates };
    }
    case "ReplicationController": {
      const { metadata, spec } = manifest.validate(replicationControllerSchema);
      return { ...common, ...metadata, template: spec.template, ordinals: count(0, spec.replicas) };
    }
    case "StatefulSet": {
      const { metadata, spec } = manifest.validate(statefulSetSchema);
      return {
        ...common,
        ...metadata,
        template: spec.template,
        ordinals: count(spec.ordinals.start, spec.replicas),
        ownLabels: (podName, ordinal) => ({
          "statefulset.kubernetes.io/pod-name": podName,
          "apps.kubernetes.io/pod-index": String(ordinal),
        }),
        hostnames: { subdomain: spec.serviceName },
        minReadySeconds: spec.minReadySeconds,
        stateful: {
          parallel: spec.podManagementPolicy === "Parallel",
          partition: spec.updateStrategy.rollingUpdate.partition,
          onDelete: spec.updateStrategy.type === "OnDelete",
        },
      };
    }
    case "DaemonSet": {
      const { metadata, spec } = manifest.validate(daemonSetSchema);
      const { type, rollingUpdate } = spec.updateStrategy;
      const daemon = { ...rollingUpdate, onDelete: type === "OnDelete" };
      const { template, minReadySeconds } = spec;
      return { ...common, ...metadata, template, ordinals: undefined, minReadySeconds, daemon };
    }
    case "Job":
      return parseJob(manifest);
  }
}

/** A Job's pods run all the time here: nothing ends. */
function parseJob(manifest: Manifest): Workload {
  const { metadata, spec } = manifest.validate(jobSchema);
  const { parallelism, completions = parallelism, completionMode, suspend, template } = spec;
  const indexed = completionMode === "Indexed";
  return {
    kind: "Job",
    ...metadata,
    template,
    ordinals: count(0, suspend ? 0 : Math.min(parallelism, completions)),
    ownLabels: (_, ordinal) => ({
      "batch.kubernetes.io/job-name": metadata.name,
      "job-name": metadata.name,
      ...(indexed ? { "batch.kubernetes.io/job-completion-index": String(ordinal) } : {}),
    }),
    ...(indexed ? { hostnames: { subdomain: template.spec.subdomain } } : {}),
    manifest,
  };
}
