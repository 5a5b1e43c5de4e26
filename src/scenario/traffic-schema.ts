// What a line of traffic may say, field by field, with its defaults.
import { z } from "zod";
import { isHostName } from "./targets.ts";
import { LARGEST_REQUEST, LARGEST_RESPONSE } from "./sizes.ts";
import { distribution } from "./distribution.ts";
import { bitRate, duration, moment, parseShare, rate } from "./units.ts";

const DNS_TYPES = ["A", "AAAA", "SRV", "PTR", "CNAME", "NS"] as const;

const name = z.string().min(1);
const port = z.union([z.int().min(1).max(65535), name], "should be a port number from 1 to 65535 or a port's name");

/** One of the keys says what; the rest says where. */
export const client = z.strictObject({
  deployment: name.optional(),
  statefulSet: name.optional(),
  daemonSet: name.optional(),
  replicaSet: name.optional(),
  replicationController: name.optional(),
  job: name.optional(),
  pod: name.optional(),
  node: name.optional(),
  namespace: name.default("default"),
});

export const target = z.strictObject({
  service: name.optional(),
  loadBalancer: name.optional(),
  nodePort: name.optional(),
  pod: name.optional(),
  node: name.optional(),
  host: z.string().optional(),
  namespace: name.default("default"),
  port: port.optional(),
  by: z.enum(["dns", "clusterIP"]).optional(),
  family: z.enum(["ipv4", "ipv6"], "should be ipv4 or ipv6").optional(),
});

/** An arrival that is more than a word. */
const arrivals = z
  .strictObject({
    onOff: z
      .strictObject({
        onTime: distribution(duration),
        offTime: distribution(duration),
        gaps: z.enum(["constant", "poisson"], "should be constant or poisson").default("constant"),
      })
      .optional(),
    trace: name.optional(),
  })
  .refine(({ onOff, trace }) => (onOff === undefined) !== (trace === undefined), {
    error: "should be one of onOff and trace",
  });

const arrival = z.unknown().transform((written, context): "constant" | "poisson" | Arrival => {
  if (written === "constant" || written === "poisson") return written;
  const isMap = typeof written === "object" && written !== null;
  const sentence = "should be constant, poisson, {onOff: {onTime: 1s, offTime: 1s}} or {trace: FILE}";
  const result = isMap ? arrivals.safeParse(written) : z.never(sentence).safeParse(written);
  if (result.success) return result.data as Arrival;
  for (const issue of result.error.issues) context.issues.push({ ...issue, input: written } as z.core.$ZodRawIssue);
  return z.NEVER;
});
type OnOff = NonNullable<z.output<typeof arrivals>["onOff"]>;
type Arrival = { onOff: OnOff } | { trace: string };

/** In the words of Envoy and Istio. */
const retries = z
  .strictObject({
    attempts: z.int().min(1).max(100),
    perTryTimeout: duration.optional(),
    retryOn: z
      .array(
        z.enum(
          ["connect-failure", "reset", "gateway-error", "5xx"],
          "should be one of connect-failure, reset, gateway-error, 5xx",
        ),
      )
      .min(1)
      .default(["connect-failure", "reset"]),
    backoff: moment.default(25e6),
    maxBackoff: moment.optional(),
  })
  .refine(({ backoff, maxBackoff }) => maxBackoff === undefined || maxBackoff >= backoff, {
    path: ["maxBackoff"],
    error: "should not be less than backoff",
  });

export const traffic = z.strictObject({
  name,
  from: z.union([z.literal("internet"), client], "should be internet, or a map such as {deployment: frontend}"),
  to: target,
  protocol: z.enum(["tcp", "udp", "http", "icmp", "dns"]),
  query: z
    .strictObject({
      name: name.refine(isHostName, "should be a DNS name"),
      type: z.enum(DNS_TYPES, `should be one of ${DNS_TYPES.join(", ")}`).default("A"),
    })
    .optional(),
  stream: z.strictObject({ answers: z.boolean().default(false), bandwidth: bitRate.optional() }).optional(),
  rate: rate.optional(),
  arrival: arrival.optional(),
  clients: z.int().min(1).max(1_000_000).optional(),
  thinkTime: distribution(moment).optional(),
  start: moment.default(0),
  stop: duration.optional(),
  requestBytes: distribution(z.int().min(1).max(LARGEST_REQUEST)).optional(),
  responseBytes: distribution(z.int().min(1).max(LARGEST_RESPONSE)).optional(),
  keepAlive: z.boolean().default(false),
  connections: z.int().min(1).max(60_000).optional(),
  retries: retries.optional(),
  timeout: duration.default(2e9),
  host: z.string().optional(),
  path: z.string().startsWith("/", "should begin with a slash").optional(),
});

const probability = z.string("should be a percentage such as 20%").transform((text, context) => {
  const share = parseShare(text);
  if (share !== undefined && share > 0) return share;
  context.addIssue({ code: "custom", message: "should be a percentage above 0% and up to 100%, such as 20%" });
  return z.NEVER;
});

/** A call that a service makes before it answers: a target, and what traffic says of requests. */
const call = z.strictObject({
  ...target.shape,
  ...traffic.pick({
    requestBytes: true,
    responseBytes: true,
    connections: true,
    timeout: true,
    retries: true,
    host: true,
    path: true,
  }).shape,
  protocol: z.enum(["tcp", "http", "udp"]).default("http"),
  keepAlive: z.boolean().default(true),
  times: z.int().min(1).max(10_000).default(1),
  probability: probability.optional(),
});

const work = z.strictObject({ work: distribution(moment), probability: probability.optional() });

/** One of either, told apart by the key that only the second has. */
const one = z.unknown().transform((written, context): Call | Work => {
  const isWork = typeof written === "object" && written !== null && "work" in written;
  const result = isWork ? work.safeParse(written) : call.safeParse(written);
  if (result.success) return result.data;
  for (const issue of result.error.issues) context.issues.push({ ...issue, input: written } as z.core.$ZodRawIssue);
  return z.NEVER;
});

/** What the pods of a workload call before they answer. */
export const calls = z.strictObject({
  from: client,
  port: z.int().min(1).max(65535).optional(),
  path: z.string().startsWith("/", "should begin with a slash").default("/"),
  to: z
    .array(
      z.unknown().transform((written, context): (Call | Work)[] => {
        const list = Array.isArray(written) ? written : [written];
        const result = z.array(one).min(1).safeParse(list);
        if (result.success) return result.data;
        for (const issue of result.error.issues)
          context.issues.push({
            ...issue,
            path: Array.isArray(written) ? issue.path : issue.path.slice(1),
            input: written,
          } as z.core.$ZodRawIssue);
        return z.NEVER;
      }),
    )
    .min(1),
});

export type Call = z.output<typeof call>;
export type Work = z.output<typeof work>;
export type CallsSpec = z.output<typeof calls>;
export type Traffic = z.output<typeof traffic>;
