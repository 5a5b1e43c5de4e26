// Pods and pod templates as far as they are read: containers' ports, and what decides on which node a pod runs.
import { z } from "zod";
import { ip } from "./addresses.ts";
import { apiKind, apiObject, oneOf } from "./fields.ts";
import { dnsLabel, dnsSubdomain, labels, namespacedMeta, OTHER_META, portName, portNumber, protocol } from "./meta.ts";
import { OTHER_CONTAINER_FIELDS, OTHER_POD_FIELDS } from "./pod-fields.ts";
import { nodeRequirement } from "./selectors.ts";

const containerPort = apiObject({
  name: portName.optional(),
  containerPort: portNumber,
  protocol,
  hostPort: z.int().min(0).max(65535).default(0),
  hostIP: ip("").default(""),
});

const seconds = z.int().min(0);

/** What a probe asks is taken to succeed as soon as the container listens; when it asks is read. 0 is as good as nothing, as in the API's Go structs. */
const probe = apiObject(
  {
    initialDelaySeconds: seconds.default(0),
    periodSeconds: seconds.default(0).transform((value) => value || 10),
    successThreshold: seconds.default(0).transform((value) => value || 1),
  },
  ["exec", "failureThreshold", "grpc", "httpGet", "tcpSocket", "terminationGracePeriodSeconds", "timeoutSeconds"],
);

export type Probe = z.output<typeof probe>;

/** What is to be done before the container is told to stop: a sleep, or a command in which one is looked for. */
const preStop = apiObject(
  {
    sleep: apiObject({ seconds }).optional(),
    exec: apiObject({ command: z.array(z.string()).default([]) }).optional(),
  },
  ["httpGet", "tcpSocket"],
);

const container = apiObject(
  {
    name: dnsLabel,
    ports: z.array(containerPort).default([]),
    readinessProbe: probe.optional(),
    startupProbe: probe.optional(),
    lifecycle: apiObject({ preStop: preStop.optional() }, ["postStart", "stopSignal"]).optional(),
    /** Of init containers: those with Always are sidecars, which go on running. */
    restartPolicy: z.string().optional(),
  },
  OTHER_CONTAINER_FIELDS,
);

const toleration = apiObject({
  key: z.string().default(""),
  operator: oneOf(["Equal", "Exists", "Gt", "Lt"], "Equal"),
  value: z.string().default(""),
  effect: z.enum(["", "NoSchedule", "PreferNoSchedule", "NoExecute"]).default(""),
  tolerationSeconds: z.int().optional(),
});

export type Toleration = z.output<typeof toleration>;

const nodeSelectorTerm = apiObject({
  matchExpressions: z.array(nodeRequirement).default([]),
  matchFields: z.array(nodeRequirement).default([]),
});

export type NodeSelectorTerm = z.output<typeof nodeSelectorTerm>;

const affinity = apiObject(
  {
    nodeAffinity: apiObject(
      {
        requiredDuringSchedulingIgnoredDuringExecution: apiObject({
          nodeSelectorTerms: z.array(nodeSelectorTerm).min(1),
        }).optional(),
      },
      ["preferredDuringSchedulingIgnoredDuringExecution"],
    ).optional(),
  },
  ["podAffinity", "podAntiAffinity"],
);

const dnsConfig = apiObject({
  nameservers: z.array(ip()).max(3).default([]),
  searches: z.array(z.string()).max(32).default([]),
  options: z.array(apiObject({ name: z.string().min(1), value: z.string().optional() })).default([]),
});

const podSpec = apiObject(
  {
    containers: z.array(container).min(1),
    initContainers: z.array(container).default([]),
    nodeName: z.string().default(""),
    hostNetwork: z.boolean().default(false),
    hostname: z.union([dnsLabel, z.literal("")]).default(""),
    subdomain: z.union([dnsLabel, z.literal("")]).default(""),
    nodeSelector: labels.default({}),
    affinity: affinity.optional(),
    tolerations: z.array(toleration).default([]),
    terminationGracePeriodSeconds: seconds.default(30),
    dnsPolicy: oneOf(["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"], "ClusterFirst"),
    dnsConfig: dnsConfig.default({ nameservers: [], searches: [], options: [] }),
  },
  OTHER_POD_FIELDS,
).superRefine(({ containers, initContainers, hostNetwork, dnsPolicy, dnsConfig }, context) => {
  const complain = (path: (string | number)[], message: string): void =>
    context.addIssue({ code: "custom", path, message });
  if (dnsPolicy === "None" && dnsConfig.nameservers.length === 0)
    complain(["dnsConfig", "nameservers"], "should name a server at least, as dnsPolicy is None");
  const names = new Set<string>();
  const check = (field: string, one: z.output<typeof container>, i: number, hostPorts: Set<string>): void => {
    if (names.has(one.name)) complain([field, i, "name"], `another container is called ${one.name} already`);
    names.add(one.name);
    const portNames = new Set<string>();
    one.ports.forEach(({ name, containerPort, hostPort, hostIP, protocol }, j) => {
      if (name !== undefined && portNames.has(name))
        complain([field, i, "ports", j, "name"], `another port of the container is called ${name} already`);
      if (name !== undefined) portNames.add(name);
      if (hostNetwork && hostPort !== 0 && hostPort !== containerPort)
        complain([field, i, "ports", j, "hostPort"], `should be ${containerPort}, the containerPort, with hostNetwork`);
      const key = `${hostIP}:${hostPort}/${protocol}`;
      if (hostPort !== 0 && hostPorts.has(key))
        complain([field, i, "ports", j, "hostPort"], `the pod has host port ${hostPort}/${protocol} already`);
      if (hostPort !== 0) hostPorts.add(key);
    });
  };
  const together = new Set<string>();
  containers.forEach((one, i) => check("containers", one, i, together));
  // They run one after the other, before the others.
  initContainers.forEach((one, i) => check("initContainers", one, i, new Set()));
});

export type PodSpec = z.output<typeof podSpec>;

const templateMeta = apiObject({ labels: labels.default({}) }, [...OTHER_META, "name", "namespace"]);

export const template = apiObject({ metadata: templateMeta.prefault({}), spec: podSpec });

export type PodTemplate = z.output<typeof template>;

export const podSchema = apiKind({ metadata: namespacedMeta(dnsSubdomain), spec: podSpec });
