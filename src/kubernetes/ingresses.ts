// Ingresses as the API has them, and which of them the cluster's ingress controller takes.
import { ingressClassSchema, ingressSchema, type IngressManifest } from "./ingress-schema.ts";
import type { Manifest } from "./manifest.ts";
import type { Ingress, IngressBackend, Labels } from "./objects.ts";

/** An Ingress with what decides who takes it. */
export interface ParsedIngress {
  ingress: Ingress;
  /** By its spec or by the annotation of old; undefined: by neither. */
  className: string | undefined;
  /** What of it is not emulated. */
  notEmulated: string[];
}

export interface IngressClass {
  name: string;
  controller: string;
  isDefault: boolean;
}

const NGINX = "k8s.io/ingress-nginx";
const CLASS_ANNOTATION = "kubernetes.io/ingress.class";
const DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class";

/** Throws an InputError at the first field that the API server would refuse. */
export function parseIngress(manifest: Manifest): ParsedIngress {
  const { metadata, spec } = manifest.validate(ingressSchema);
  const { namespace, name, annotations } = metadata;
  const backends = [
    spec.defaultBackend,
    ...spec.rules.flatMap(({ http }) => http?.paths.map(({ backend }) => backend) ?? []),
  ];
  const path = `Ingress ${namespace}/${name}`;
  return {
    ingress: {
      namespace,
      name,
      ...(spec.defaultBackend ? { defaultBackend: backendOf(spec.defaultBackend) } : {}),
      rules: spec.rules.map(({ host, http }) => ({
        host: host.toLowerCase(),
        paths: (http?.paths ?? []).map(({ path = "/", pathType, backend }) => ({
          path,
          exact: pathType === "Exact",
          backend: backendOf(backend),
        })),
      })),
    },
    className: spec.ingressClassName ?? annotations[CLASS_ANNOTATION],
    notEmulated: [
      ...(spec.tls.length > 0 ? [`TLS of ${path}`] : []),
      ...(backends.some((backend) => backend?.resource !== undefined) ? [`the resource behind ${path}`] : []),
    ],
  };
}

function backendOf({ service }: NonNullable<IngressManifest["spec"]["defaultBackend"]>): IngressBackend {
  return { service: service?.name ?? "", port: service?.port.number ?? service?.port.name ?? "" };
}

export function parseIngressClass(manifest: Manifest): IngressClass {
  const { metadata, spec } = manifest.validate(ingressClassSchema);
  return {
    name: metadata.name,
    controller: spec.controller,
    isDefault: metadata.annotations[DEFAULT_ANNOTATION] === "true",
  };
}

/**
 * The Ingresses that ingress-nginx takes: those whose class is its own, and those whose class nobody has, as here no other controller
 * would. The others are named.
 */
export function takenIngresses(
  ingresses: readonly ParsedIngress[],
  classes: readonly IngressClass[],
): { taken: Ingress[]; notEmulated: string[] } {
  const fallback = classes.find(({ isDefault }) => isDefault);
  const taken: Ingress[] = [];
  const notEmulated: string[] = [];
  for (const { ingress, className, notEmulated: parts } of ingresses) {
    const found = className === undefined ? fallback : classes.find(({ name }) => name === className);
    if (found !== undefined && found.controller !== NGINX)
      notEmulated.push(
        `Ingress ${ingress.namespace}/${ingress.name} (of class ${found.name}, for ${found.controller})`,
      );
    else {
      taken.push(ingress);
      notEmulated.push(...parts);
    }
  }
  return { taken, notEmulated };
}

/** Whether labels are those of ingress-nginx' controller pods. */
export function isIngressController(labels: Labels): boolean {
  return labels["app.kubernetes.io/name"] === "ingress-nginx" && labels["app.kubernetes.io/component"] === "controller";
}
