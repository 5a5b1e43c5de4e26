// EndpointSlices and Endpoints as far as they are read.
import { isIP } from "node:net";
import { z } from "zod";
import { apiKind, apiObject } from "./fields.ts";
import { dnsLabel, dnsSubdomain, ip, namespacedMeta, portNumber, protocol } from "./meta.ts";

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

export const endpointSliceSchema = apiKind({
  metadata: namespacedMeta(dnsSubdomain),
  addressType: z.enum(["IPv4", "IPv6", "FQDN"]),
  ports: z.array(slicePort).max(100).default([]),
  endpoints: z.array(endpoint).max(1000).default([]),
}).superRefine(({ addressType, ports, endpoints }, context) => {
  const complain = (path: (string | number)[], message: string): void =>
    context.addIssue({ code: "custom", path, message });
  const names = new Set<string>();
  ports.forEach(({ name }, i) => {
    if (names.has(name)) complain(["ports", i, "name"], `another port is called "${name}" already`);
    names.add(name);
  });
  endpoints.forEach(({ addresses }, i) =>
    addresses.forEach((address, j) => {
      if (addressType !== "FQDN" && `IPv${isIP(address)}` !== addressType)
        complain(["endpoints", i, "addresses", j], `"${address}" is not an ${addressType} address`);
    }),
  );
});

const endpointAddress = apiObject({
  ip,
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
