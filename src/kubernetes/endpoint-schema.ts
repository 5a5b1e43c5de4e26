// EndpointSlices and Endpoints as far as they are read.
import { z } from "zod";
import { withoutLeadingZeros } from "../address.ts";
import { ipFamily, reachableComplaint, reachableIp } from "./addresses.ts";
import { apiKind, apiObject } from "./fields.ts";
import { dnsLabel, dnsSubdomain, namespacedMeta, portNumber, protocol } from "./meta.ts";

const name = z.union([dnsLabel, z.literal("")]).default("");
const hint = apiObject({ name: z.string() });

const targetRef = apiObject(
  {
    kind: z.string().default(""),
    namespace: z.string().default(""),
    name: z.string().default(""),
  },
  ["apiVersion", "fieldPath", "resourceVersion", "uid"],
);

const endpoint = apiObject(
  {
    addresses: z.array(z.string()).min(1).max(100),
    conditions: apiObject({
      ready: z.boolean().default(true),
      // Nobody has said that it does not serve: kube-proxy takes that for true, whatever ready says.
      serving: z.boolean().default(true),
      terminating: z.boolean().default(false),
    }).prefault({}),
    nodeName: z.string().default(""),
    zone: z.string().default(""),
    hostname: name,
    hints: apiObject({ forZones: z.array(hint).default([]), forNodes: z.array(hint).default([]) }).prefault({}),
    targetRef: targetRef.optional(),
  },
  ["deprecatedTopology"],
);

const slicePort = apiObject({ name, protocol, port: portNumber.optional() }, ["appProtocol"]);

const endpointSlice = apiKind({
  metadata: namespacedMeta(dnsSubdomain),
  addressType: z.enum(["IPv4", "IPv6", "FQDN"]),
  ports: z.array(slicePort).max(100).default([]),
  endpoints: z.array(endpoint).max(1000).default([]),
}).superRefine(({ ports }, context) => {
  const names = new Set<string>();
  ports.forEach(({ name }, i) => {
    const message = `another port is called "${name}" already`;
    if (names.has(name)) context.addIssue({ code: "custom", path: ["ports", i, "name"], message });
    names.add(name);
  });
});

/** The slice with a check of its addresses: `complaint` says what is wrong with one, undefined if nothing is. */
function checked(complaint: (address: string, family: 4 | 6) => string | undefined) {
  return endpointSlice.superRefine(({ addressType, endpoints }, context) => {
    if (addressType === "FQDN") return;
    endpoints.forEach(({ addresses }, i) =>
      addresses.forEach((address, j) => {
        const message = complaint(address, addressType === "IPv4" ? 4 : 6);
        if (message !== undefined)
          context.addIssue({ code: "custom", path: ["endpoints", i, "addresses", j], message });
      }),
    );
  });
}

function familyComplaint(address: string, family: 4 | 6): string | undefined {
  return ipFamily(withoutLeadingZeros(address)) === family ? undefined : `"${address}" is not an IPv${family} address`;
}

export const endpointSliceSchema = checked(
  (address, family) => familyComplaint(address, family) ?? reachableComplaint(address),
);

/** A slice as a kube-proxy is told of it, with addresses as the API had them at any time. */
export const storedEndpointSliceSchema = checked(familyComplaint);

const endpointAddress = apiObject({
  ip: reachableIp,
  hostname: name,
  nodeName: z.string().default(""),
  targetRef: targetRef.optional(),
});

export const endpointsSchema = apiKind({
  metadata: namespacedMeta(dnsSubdomain),
  subsets: z
    .array(
      apiObject({
        addresses: z.array(endpointAddress).default([]),
        notReadyAddresses: z.array(endpointAddress).default([]),
        ports: z.array(apiObject({ name, protocol, port: portNumber }, ["appProtocol"])).default([]),
      }),
    )
    .default([]),
});

export type Endpoints = z.output<typeof endpointsSchema>;
export type EndpointAddress = z.output<typeof endpointAddress>;
