// What a line of traffic may say, field by field, with its defaults.
import { z } from "zod";
import { LARGEST_REQUEST, LARGEST_RESPONSE } from "./sizes.ts";
import { distribution } from "./distribution.ts";
import { duration, moment, rate } from "./units.ts";

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
  protocol: z.enum(["tcp", "udp", "http", "icmp"]),
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

export type Traffic = z.output<typeof traffic>;
