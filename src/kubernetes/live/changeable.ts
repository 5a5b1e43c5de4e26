// Which objects may come and change while a cluster runs; the others are refused, by the API server or because it is not emulated.
import { isDeepStrictEqual } from "node:util";
import type { Kind, Manifest } from "../manifest.ts";

interface Written {
  metadata?: { namespace?: string; labels?: unknown };
  spec?: { template?: Template; hostNetwork?: unknown } & Record<string, unknown>;
}

interface Template {
  metadata?: { labels?: unknown };
  spec?: { hostNetwork?: unknown; containers?: { ports?: unknown }[] };
}

/** Fields that the API server keeps as they are. */
const IMMUTABLE: Partial<Record<Kind, readonly string[]>> = {
  Deployment: ["selector"],
  ReplicaSet: ["selector"],
  DaemonSet: ["selector"],
  StatefulSet: ["selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"],
};

export interface Surroundings {
  /** Whether there is an ingress controller. */
  takesIngresses: boolean;
  /** Namespaces that objects are in. */
  namespaces: ReadonlySet<string>;
  /** How an object of that name was written that was deleted. */
  removed: Manifest | undefined;
}

/** Throws the InputError for an object, `before` being how it was written before, that cannot come or change while the cluster runs. */
export function checkChange(
  object: string,
  manifest: Manifest,
  before: Manifest | undefined,
  { takesIngresses, namespaces, removed }: Surroundings,
): void {
  const is = manifest.value as Written;
  const was = before?.value as Written | undefined;
  for (const field of IMMUTABLE[manifest.kind] ?? [])
    if (was && !isDeepStrictEqual(was.spec?.[field], is.spec?.[field]))
      manifest.fail(["spec", field], `this field of ${object} is immutable; delete it, and apply another one`);
  if (is.spec?.hostNetwork === true || is.spec?.template?.spec?.hostNetwork === true)
    manifest.fail(
      ["spec"],
      `pods of ${object} are on their nodes' network; they cannot come or go while the cluster runs`,
    );
  switch (manifest.kind) {
    case "Node":
      return manifest.fail([], `${object} cannot ${before ? "change" : "join"} while the cluster runs`);
    case "StatefulSet": {
      // Its pods keep their places, and what was made there for them.
      const known = was ?? (removed?.value as Written | undefined);
      if (known && !isDeepStrictEqual(placesOf(known), placesOf(is)))
        manifest.fail(
          ["spec", "template"],
          `labels and ports of the pods of ${object} cannot change while the cluster runs: that is not emulated yet`,
        );
      return;
    }
    case "Pod":
    case "Job":
      if (before) manifest.fail(["spec"], `${object} cannot change; delete it, and apply one of another name`);
      return;
    case "Ingress":
      if (!takesIngresses)
        manifest.fail([], `nobody serves ${object}; have an Ingress, or an ingress controller, from the start`);
      return;
    case "Namespace": {
      const [, name = ""] = object.split(" ");
      const known = was || namespaces.has(name) ? (was?.metadata?.labels ?? {}) : undefined;
      if (known && !isDeepStrictEqual(known, is.metadata?.labels ?? {}))
        manifest.fail(["metadata", "labels"], `the labels of ${object} cannot change while the cluster runs`);
      return;
    }
    default:
  }
}

function placesOf({ spec }: Written): unknown {
  const { metadata, spec: pod } = spec?.template ?? {};
  return { labels: metadata?.labels, ports: pod?.containers?.map(({ ports }) => ports) };
}
