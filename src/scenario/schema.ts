// What a Scenario may say, field by field, with its defaults; docs/scenario.md is the same for readers.
import { z } from "zod";
import { TO_BE_DELETED } from "../kubernetes/nodes.ts";
import { HEALTH_CHECKS } from "../node/load-balancer.ts";
import { PROXY_MODES } from "../node/machine.ts";
import { SCHEDULER_SENTENCE, SCHEDULERS } from "../seam/ipvs.ts";
import { DISTRIBUTIONS } from "../seam/netem.ts";
import { LINUX_COSTS, LINUX_RESTORE_COSTS } from "../seam/processor.ts";
import { IP_FAMILIES, rangesComplaint } from "./family-words.ts";
import { chance, jitter, limit, linkMtu, loss, reorder } from "./netem-words.ts";
import { calls, client, target, traffic } from "./traffic-schema.ts";
import { bitRate, cost, duration, moment } from "./units.ts";

export const API_VERSION = "podwire.dev/v1alpha1";

const labels = z.record(z.string(), z.string());
const name = z.string().min(1);
/** A range, or one of each family with a comma between, the primary one first, as kubeadm's podSubnet has them. */
const ranges = z.string().superRefine((text, context) => {
  const message = rangesComplaint(text);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});

const comparison = z.union([z.string(), z.number()]);

export const expectationSchema = z.strictObject({
  traffic: name,
  sent: comparison.optional(),
  delivered: comparison.optional(),
  refused: comparison.optional(),
  timedOut: comparison.optional(),
  unresolved: comparison.optional(),
  open: comparison.optional(),
  errors: comparison.optional(),
  dropped: comparison.optional(),
  lost: comparison.optional(),
  reordered: comparison.optional(),
  p50: comparison.optional(),
  p99: comparison.optional(),
  max: comparison.optional(),
});

/** Who reaches whom: a probe, apart from all traffic. */
export const reachSchema = z.strictObject({
  from: z.union(
    [name, client],
    "should be an end such as deployment/frontend, or a map such as {deployment: frontend}",
  ),
  to: z.union([name, target], "should be an end such as svc/cart:7070, or a map such as {service: cart, port: 7070}"),
  protocol: z.enum(["tcp", "udp", "icmp"]).default("tcp"),
  is: z.enum(["allowed", "refused", "dropped"]),
});

/** What names a source is about reach; so an entry is told what is wrong with it as what it was meant to be. */
const expected = z
  .unknown()
  .transform((value, context): z.output<typeof expectationSchema> | z.output<typeof reachSchema> => {
    const isReach = typeof value === "object" && value !== null && ("from" in value || "is" in value);
    const result = isReach ? reachSchema.safeParse(value) : expectationSchema.safeParse(value);
    if (result.success) return result.data;
    for (const issue of result.error.issues) context.issues.push({ ...issue, input: value } as z.core.$ZodRawIssue);
    return z.NEVER;
  });

const EVENTS = [
  "apply",
  "delete",
  "scale",
  "rollout",
  "kill",
  "cordon",
  "uncordon",
  "drain",
  "taint",
  "flush",
  "link",
  "partition",
  "heal",
] as const;

const nodeName = z.string().startsWith("node/", "should be a node such as node/node-2");

/** What happens at a moment: one of EVENTS. */
const event = z
  .strictObject({
    at: moment,
    apply: name.optional(),
    delete: z
      .string()
      .regex(
        /^[^\s/]+\/[^\s/]+( +[^\s/]+\/[^\s/]+)*$/,
        "should be kinds and names such as pod/web-0, svc/web or deployment/web, with a space between two",
      )
      .optional(),
    scale: z.string().includes("/", "should be a workload such as deployment/web").optional(),
    replicas: z.int().min(0).optional(),
    rollout: z
      .string()
      .regex(
        /^(deployment|statefulset|daemonset)\/./,
        "should be a Deployment, a StatefulSet or a DaemonSet such as deployment/web",
      )
      .optional(),
    kill: z
      .string()
      .regex(/^(pod|node)\/./, "should be a pod or a node such as pod/web-0 or node/node-2")
      .optional(),
    cordon: nodeName.optional(),
    uncordon: nodeName.optional(),
    drain: nodeName.optional(),
    taint: z.literal(TO_BE_DELETED, `should be ${TO_BE_DELETED}; no other taint changes the network`).optional(),
    flush: z.literal("conntrack", "should be conntrack").optional(),
    link: name.optional(),
    state: z.enum(["up", "down"], "should be up or down").optional(),
    partition: z.array(z.array(name).min(1)).min(2, "should be at least two sets of nodes").optional(),
    heal: z.literal("partition", "should be partition").optional(),
    node: name.optional(),
    namespace: name.default("default"),
    grace: moment.optional(),
    timeout: duration.optional(),
  })
  .refine((one) => EVENTS.filter((what) => one[what] !== undefined).length === 1, {
    error: `should have one of ${EVENTS.join(", ")}`,
  })
  .refine((one) => (one.link === undefined) === (one.state === undefined), {
    error: "should have link and state together",
  })
  .refine((one) => one.timeout === undefined || one.drain !== undefined, {
    error: "should have timeout with drain only",
  })
  .refine((one) => one.taint === undefined || one.node !== undefined, { error: "should say which node has the taint" })
  .refine((one) => (one.scale === undefined) === (one.replicas === undefined), {
    error: "should have scale and replicas together",
  });

const node = z.strictObject({
  name: z.string().regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, "should be a DNS name in lower case, such as node-1"),
  labels: labels.optional(),
  zone: z.string().optional(),
});

/** What the CNI plugin is configured with, in its own words. */
const network = z.strictObject({
  mode: z.enum(["routes", "vxlan"], "should be routes or vxlan").default("routes"),
  hairpinMode: z.boolean().default(true),
  mtu: z.int().min(576).max(9000).optional(),
});

/** How the nodes' kernel differs from today's. */
const kernel = z.strictObject({
  delayedSegments: z.enum(["accept", "invalid"], "should be accept or invalid").default("accept"),
  conntrackClash: z.enum(["keep", "drop"], "should be keep or drop").default("keep"),
});

const sysctls = z.record(name, z.union([z.string(), z.int()], "should be a number or a word"));

const threshold = z.int().min(1).max(100);

/** How the load balancer asks for the nodes' health. */
const loadBalancer = z
  .strictObject({
    interval: duration.default(HEALTH_CHECKS.intervalNs),
    timeout: duration.default(HEALTH_CHECKS.timeoutNs),
    healthyThreshold: threshold.default(HEALTH_CHECKS.healthyThreshold),
    unhealthyThreshold: threshold.default(HEALTH_CHECKS.unhealthyThreshold),
  })
  .refine(({ interval, timeout }) => timeout <= interval, {
    path: ["timeout"],
    error: "should not be longer than the interval",
  });

/** What the nodes' work costs in virtual time. */
const cpu = z.strictObject({
  cores: z.int().min(1).max(256).default(4),
  backlog: z.int().min(1).max(1_000_000).default(1000),
  costs: z
    .strictObject({
      hop: cost.default(LINUX_COSTS.hop),
      socket: cost.default(LINUX_COSTS.socket),
      table: cost.default(LINUX_COSTS.table),
      rule: cost.default(LINUX_COSTS.rule),
      conntrackLookup: cost.default(LINUX_COSTS.conntrackLookup),
      conntrackInsert: cost.default(LINUX_COSTS.conntrackInsert),
      nat: cost.default(LINUX_COSTS.nat),
      byte: cost.default(LINUX_COSTS.byte),
      restore: moment.default(LINUX_RESTORE_COSTS.restore),
      restoreRule: cost.default(LINUX_RESTORE_COSTS.restoreRule),
      restoreLine: cost.default(LINUX_RESTORE_COSTS.restoreLine),
    })
    .prefault({}),
});

const cluster = z.strictObject({
  nodes: z
    .union(
      [z.int().min(1).max(5000), z.array(node).min(1)],
      "should be a number from 1 to 5000, or a list of nodes such as {name: node-1}",
    )
    .optional(),
  ipFamily: z.enum(IP_FAMILIES, `should be ${IP_FAMILIES.join(", ")}`).optional(),
  podCIDR: ranges.optional(),
  serviceCIDR: ranges.optional(),
  nodeCIDR: ranges.optional(),
  loadBalancerCIDR: ranges.optional(),
  loadBalancer: loadBalancer.prefault({}),
  proxyMode: z
    .enum(PROXY_MODES, `should be one of ${PROXY_MODES.join(", ")}; other modes are not emulated yet`)
    .default("iptables"),
  network: network.prefault({}),
  kubeProxy: z
    .strictObject({
      minSyncPeriod: duration.default(1e9),
      conntrackCleanup: z.boolean().default(true),
      dropInvalid: z.boolean().default(true),
      ipvsScheduler: z.enum(SCHEDULERS, SCHEDULER_SENTENCE).default("rr"),
      strictARP: z.boolean().default(false),
    })
    .prefault({}),
  kernel: kernel.prefault({}),
  cpu: cpu.optional(),
  syntheticServices: z.int().min(0).max(100_000).default(0),
  sysctls: sysctls.default({}),
  responseBytes: z.int().min(1).max(10_000_000).optional(),
  nodeMonitorGracePeriod: moment.default(50e9),
  containers: z
    .strictObject({
      create: moment.default(1e9),
      startup: moment.default(0),
      shutdown: moment.default(1e9),
    })
    .prefault({}),
});

/** What a link does besides having a latency and a rate. */
const impairments = {
  jitter: jitter.optional(),
  distribution: z.enum(DISTRIBUTIONS, `should be one of ${DISTRIBUTIONS.join(", ")}`).optional(),
  limit: limit.optional(),
  loss: loss.optional(),
  duplicate: chance("duplicate").optional(),
  duplicateDelay: moment.optional(),
  corrupt: chance("corrupt").optional(),
  reorder: reorder.optional(),
  mtu: linkMtu.optional(),
};

/** A link whose words fit together; tc refuses the others too. */
function sound<
  T extends z.ZodType<{ distribution?: unknown; jitter?: unknown; duplicateDelay?: unknown; duplicate?: unknown }>,
>(link: T) {
  return link
    .refine(({ distribution, jitter }) => distribution === undefined || jitter !== undefined, {
      path: ["distribution"],
      error: "should come with jitter, whose distribution it is",
    })
    .refine(({ duplicateDelay, duplicate }) => duplicateDelay === undefined || duplicate !== undefined, {
      path: ["duplicateDelay"],
      error: "should come with duplicate",
    });
}

const wireLatency = duration.refine((ns) => ns >= 1000, "should be at least 1us");

const link = (latencyNs: number, bits: number) =>
  sound(
    z.strictObject({ latency: wireLatency.default(latencyNs), rate: bitRate.default(bits), ...impairments }),
  ).prefault({});

/** Links of chosen devices, wires and veths. */
const deviceLink = sound(
  z.strictObject({
    devices: z.array(name).min(1),
    direction: z.enum(["egress", "ingress", "both"], "should be egress, ingress or both").default("egress"),
    latency: moment.optional(),
    rate: bitRate.optional(),
    ...impairments,
  }),
);

const spec = z.strictObject({
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(1),
  duration: duration.default(5e9),
  cluster: cluster.prefault({}),
  links: z
    .strictObject({
      nodes: link(50_000, 10e9),
      internet: link(10_000_000, 1e9),
      devices: z.array(deviceLink).default([]),
    })
    .prefault({}),
  manifests: z.array(name).default([]),
  hosts: z.record(name, z.string()).default({}),
  traffic: z.array(traffic).optional(),
  calls: z.array(calls).default([]),
  capture: z.array(z.strictObject({ devices: z.array(name).min(1), file: name, filter: name.optional() })).optional(),
  expect: z.array(expected).default([]),
  rules: z.array(z.strictObject({ file: name, node: name.optional() })).default([]),
  timeline: z.array(event).default([]),
});

export const scenarioSchema = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal("Scenario"),
  metadata: z.strictObject({ name, labels: labels.optional(), annotations: labels.optional() }),
  spec: spec.prefault({}),
});

export type Scenario = z.output<typeof scenarioSchema>;
export type ExpectationSpec = z.output<typeof expectationSchema>;
export type ReachSpec = z.output<typeof reachSchema>;
export type TimelineSpec = z.output<typeof event>;
export type LinksSpec = z.output<typeof spec>["links"];
/** The cluster as a scenario writes it. */
export type WrittenCluster = z.output<typeof cluster>;

/** The scenario that says nothing: every default. */
export function defaultScenario(): Scenario {
  return scenarioSchema.parse({ apiVersion: API_VERSION, kind: "Scenario", metadata: { name: "default" }, spec: {} });
}
