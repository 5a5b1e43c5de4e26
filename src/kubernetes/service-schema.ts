// Services as far as they are read, with the checks that the API server makes on one Service by itself.
import { z } from "zod";
import { addressComplaint, ip, paddedCidr, reachableIp, storedIp, storedPaddedCidr } from "./addresses.ts";
import { apiKind, apiObject, oneOf } from "./fields.ts";
import {
  dnsLabel,
  dnsLabel1035,
  dnsSubdomain,
  labels,
  namespacedMeta,
  portNumber,
  portReference,
  protocol,
} from "./meta.ts";

const nodePort = z.int().min(0).max(65535);

const servicePort = apiObject(
  {
    name: z.union([dnsLabel, z.literal("")]).default(""),
    protocol,
    port: portNumber,
    // An empty targetPort is as good as none.
    targetPort: z.preprocess((value) => (value === 0 || value === "" ? undefined : value), portReference.optional()),
    nodePort: nodePort.default(0),
  },
  ["appProtocol"],
);

const fields = {
  type: oneOf(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"], "ClusterIP"),
  clusterIP: z.string().default(""),
  clusterIPs: z.array(z.string()).default([]),
  ipFamilies: z.array(z.enum(["IPv4", "IPv6"])).default([]),
  ipFamilyPolicy: z.enum(["SingleStack", "PreferDualStack", "RequireDualStack"]).optional(),
  externalIPs: z.array(reachableIp).default([]),
  externalName: z.string().default(""),
  ports: z.array(servicePort).default([]),
  selector: labels.default({}),
  sessionAffinity: oneOf(["None", "ClientIP"], "None"),
  sessionAffinityConfig: apiObject({
    clientIP: apiObject({ timeoutSeconds: z.int().min(1).max(86400).default(10800) }).prefault({}),
  }).prefault({}),
  externalTrafficPolicy: oneOf(["Cluster", "Local"], "Cluster"),
  internalTrafficPolicy: z.enum(["Cluster", "Local"]).default("Cluster"),
  trafficDistribution: z.enum(["PreferClose", "PreferSameZone", "PreferSameNode"]).optional(),
  loadBalancerIP: ip("").default(""),
  loadBalancerSourceRanges: z.array(paddedCidr).default([]),
  allocateLoadBalancerNodePorts: z.boolean().default(true),
  healthCheckNodePort: nodePort.default(0),
  publishNotReadyAddresses: z.boolean().default(false),
};

const OTHERS = ["loadBalancerClass"];

const spec = apiObject(fields, OTHERS).superRefine((value, context) => {
  for (const [path, message] of [...addressComplaints(value), ...portComplaints(value), ...policyComplaints(value)])
    context.addIssue({ code: "custom", path, message });
});

export type ServiceSpec = z.output<typeof spec>;

type Complaint = [path: (string | number)[], message: string];

function* addressComplaints(spec: ServiceSpec): Generator<Complaint> {
  const { type, clusterIP, clusterIPs, externalName } = spec;
  const given = clusterIPs.length > 0 ? clusterIPs : clusterIP === "" ? [] : [clusterIP];
  const path = (i: number) => (clusterIPs.length > 0 ? ["clusterIPs", i] : ["clusterIP"]);
  if (type === "ExternalName") {
    if (!dnsSubdomain.safeParse(externalName.replace(/\.$/, "")).success)
      yield [["externalName"], "should be the DNS name that a Service of type ExternalName stands for"];
    if (given.length > 0) yield [path(0), "has no place in a Service of type ExternalName"];
  }
  if (clusterIP !== "" && clusterIPs.length > 0 && clusterIPs[0] !== clusterIP)
    yield [["clusterIP"], `should be the first of clusterIPs, ${clusterIPs[0]}`];
  if (given[0] === "None") {
    if (type === "NodePort" || type === "LoadBalancer")
      yield [path(0), `should be an address in a Service of type ${type}: it cannot be headless`];
    return;
  }
  for (const [i, address] of given.entries()) {
    const message = addressComplaint(address, "is neither an IP address nor None");
    if (message !== undefined) yield [path(i), message];
  }
}

function* portComplaints({ type, clusterIP, clusterIPs, ports }: ServiceSpec): Generator<Complaint> {
  const headless = clusterIP === "None" || clusterIPs[0] === "None";
  if (ports.length === 0 && type !== "ExternalName" && !headless) yield [["ports"], "should have at least one port"];
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  for (const [i, { name, protocol, port, nodePort }] of ports.entries()) {
    if (name === "" && ports.length > 1)
      yield [["ports", i, "name"], "is missing; in a Service with several ports each has a name"];
    if (name !== "" && names.has(name)) yield [["ports", i, "name"], `another port is called ${name} already`];
    if (numbers.has(`${protocol} ${port}`))
      yield [["ports", i, "port"], `the Service has port ${port}/${protocol} already`];
    if (nodePort !== 0 && type !== "NodePort" && type !== "LoadBalancer")
      yield [["ports", i, "nodePort"], `is for Services of type NodePort or LoadBalancer, not ${type}`];
    if (nodePort !== 0 && nodePorts.has(`${protocol} ${nodePort}`))
      yield [["ports", i, "nodePort"], `the Service has node port ${nodePort}/${protocol} already`];
    names.add(name);
    numbers.add(`${protocol} ${port}`);
    nodePorts.add(`${protocol} ${nodePort}`);
  }
}

function* policyComplaints(spec: ServiceSpec): Generator<Complaint> {
  const { type, externalTrafficPolicy, externalIPs, loadBalancerSourceRanges, healthCheckNodePort } = spec;
  const external = type === "NodePort" || type === "LoadBalancer" || (type === "ClusterIP" && externalIPs.length > 0);
  if (externalTrafficPolicy === "Local" && !external)
    yield [["externalTrafficPolicy"], `is for Services that are reached from outside, not for type ${type}`];
  if (loadBalancerSourceRanges.length > 0 && type !== "LoadBalancer")
    yield [["loadBalancerSourceRanges"], `is for Services of type LoadBalancer, not ${type}`];
  if (healthCheckNodePort !== 0 && (type !== "LoadBalancer" || externalTrafficPolicy !== "Local"))
    yield [["healthCheckNodePort"], "is for Services of type LoadBalancer with externalTrafficPolicy Local"];
}

/** `address`: what an ingress address may be. */
function status(address: z.ZodString) {
  const ingress = apiObject(
    {
      ip: address.default(""),
      hostname: z.string().default(""),
      ipMode: z.enum(["VIP", "Proxy"]).default("VIP"),
    },
    ["ports"],
  );
  const loadBalancer = apiObject({ ingress: z.array(ingress).default([]) }).prefault({});
  return apiObject({ loadBalancer }, ["conditions"]).prefault({});
}

export const serviceSchema = apiKind({ metadata: namespacedMeta(dnsLabel1035), spec, status: status(ip("")) });

/**
 * A Service as a kube-proxy is told of it: each field by itself is as the API has it, addresses as it had them at any time, what they
 * say together is not looked at.
 */
export const storedServiceSchema = apiKind({
  metadata: namespacedMeta(dnsLabel1035),
  spec: apiObject(
    {
      ...fields,
      clusterIP: storedIp("", "None").default(""),
      clusterIPs: z.array(storedIp("", "None")).default([]),
      externalIPs: z.array(storedIp("")).default([]),
      loadBalancerSourceRanges: z.array(storedPaddedCidr).default([]),
    },
    OTHERS,
  ),
  status: status(storedIp("")),
});
