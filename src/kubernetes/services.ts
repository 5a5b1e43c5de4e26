// Services as their manifests have them: defaults filled in, nothing allocated.
import { isIPv6 } from "node:net";
import { familyOfText, IPV4_ALONE, type Family } from "./families.ts";
import type { Manifest } from "./manifest.ts";
import type { Service } from "./objects.ts";
import { serviceSchema, storedServiceSchema, type ServiceSpec } from "./service-schema.ts";

export interface ParsedService {
  manifest: Manifest;
  service: Service;
  /** What the allocators need besides. */
  spec: ServiceSpec;
}

/** Throws an InputError at the first field that the API server would refuse; of a `stored` Service only for its own sake. */
export function parseService(manifest: Manifest, stored = false): ParsedService {
  const { metadata, spec, status } = manifest.validate(stored ? storedServiceSchema : serviceSchema);
  const { clusterIP } = spec;
  const clusterIPs = spec.clusterIPs.filter((address) => address !== "");
  const service: Service = {
    ...metadata,
    type: spec.type,
    clusterIPs: clusterIPs.length > 0 ? clusterIPs : clusterIP === "" ? [] : [clusterIP],
    externalIPs: spec.externalIPs,
    externalName: spec.externalName.replace(/\.$/, ""),
    ports: spec.ports.map(({ targetPort, ...port }) => ({ ...port, targetPort: targetPort ?? port.port })),
    // An empty selector is none: such a Service's endpoints are written by hand.
    ...(Object.keys(spec.selector).length > 0 ? { selector: spec.selector } : {}),
    sessionAffinity: spec.sessionAffinity,
    sessionAffinityTimeoutSeconds: spec.sessionAffinityConfig.clientIP.timeoutSeconds,
    externalTrafficPolicy: spec.externalTrafficPolicy,
    internalTrafficPolicy: spec.internalTrafficPolicy,
    loadBalancerSourceRanges: spec.loadBalancerSourceRanges,
    loadBalancerIngress: status.loadBalancer.ingress,
    healthCheckNodePort: spec.healthCheckNodePort,
    publishNotReadyAddresses: spec.publishNotReadyAddresses,
  };
  return { manifest, service, spec };
}

export function isHeadless(service: Service): boolean {
  return service.clusterIPs[0] === "None";
}

/** Whether a Service wants an IPv6 address too, which it gets in no cluster of IPv4 alone. */
export function wantsIpv6({ service, spec }: ParsedService): boolean {
  return (
    spec.ipFamilies.includes("IPv6") ||
    spec.ipFamilyPolicy === "RequireDualStack" ||
    service.clusterIPs.some((ip) => isIPv6(ip))
  );
}

/** Whether a Service has addresses of families alone that the cluster has not, so that nothing leads to it. */
export function isUnreachable({ type, clusterIPs }: Service, families: readonly Family[] = IPV4_ALONE): boolean {
  return type !== "ExternalName" && !clusterIPs.some((ip) => ip === "None" || families.includes(familyOfText(ip)));
}

/** `Service shop/web` */
export function serviceLabel({ namespace, name }: Service): string {
  return `Service ${namespace}/${name}`;
}
