// What the schemas of several kinds share: names, labels and ports as the API server checks them.
import { z } from "zod";
import { apiObject, oneOf } from "./fields.ts";

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

function matching(pattern: RegExp, longest: number, shape: string): z.ZodString {
  return z.string().refine((text) => text.length <= longest && pattern.test(text), {
    error: (issue) => `"${String(issue.input)}" should be ${shape}, of at most ${longest} characters`,
  });
}

/** RFC 1123: one label of a DNS name. */
export const dnsLabel = matching(LABEL, 63, "lower-case letters, digits and - between them, such as web-1");
/** RFC 1123: labels joined by dots. */
export const dnsSubdomain = matching(SUBDOMAIN, 253, "a DNS name in lower case, such as web-1 or web.example");
/** RFC 1035: a label that begins with a letter, as Services' names must. */
export const dnsLabel1035 = matching(LABEL_1035, 63, "a lower-case letter, then letters, digits and - between them");

/** The name of a container port: an IANA service name. */
export const portName = z.string().refine(isPortName, {
  error: (issue) =>
    `"${String(issue.input)}" should be a port's name: at most 15 lower-case letters, digits and single - between them, one a letter`,
});

function isPortName(text: string): boolean {
  return text.length <= 15 && LABEL.test(text) && /[a-z]/.test(text) && !text.includes("--");
}

export const portNumber = z.int().min(1).max(65535);
/** TCP if it is left out. */
export const protocol = oneOf(["TCP", "UDP", "SCTP"], "TCP");

/** A port as a number or as the name of a container port. */
export const portReference = z.union([portNumber, portName], {
  error: (issue) => `${String(issue.input)} should be a port from 1 to 65535 or a container port's name`,
});

export const labels = z.record(z.string(), z.string()).superRefine((map, context) => {
  for (const [key, value] of Object.entries(map)) {
    const sentence = labelComplaint(key, value);
    if (sentence !== undefined) context.addIssue({ code: "custom", path: [key], message: sentence });
  }
});

function labelComplaint(key: string, value: string): string | undefined {
  const [name = "", prefix, ...rest] = key.split("/").reverse();
  const prefixed = prefix === undefined || (SUBDOMAIN.test(prefix) && prefix.length <= 253);
  if (rest.length > 0 || !prefixed || name.length > 63 || !LABEL_NAME.test(name))
    return "is not the key of a label; it should be like app or example.com/app";
  if (value === "" || (value.length <= 63 && LABEL_NAME.test(value))) return undefined;
  return `"${value}" is not the value of a label: letters, digits, and - _ . between them, at most 63`;
}

/** The fields of `metadata` that say nothing about the network. */
export const OTHER_META = [
  "annotations",
  "creationTimestamp",
  "deletionGracePeriodSeconds",
  "deletionTimestamp",
  "finalizers",
  "generateName",
  "generation",
  "managedFields",
  "ownerReferences",
  "resourceVersion",
  "selfLink",
  "uid",
];

/** `metadata` of an object in a namespace. */
export function namespacedMeta(name: z.ZodString) {
  const namespace = z.preprocess((value) => (value === "" ? undefined : value), dnsLabel.default("default"));
  return apiObject({ name, namespace, labels: labels.default({}) }, OTHER_META);
}

/** `metadata` of an object that belongs to the whole cluster. */
export function clusterMeta(name: z.ZodString) {
  return apiObject({ name, labels: labels.default({}) }, [...OTHER_META, "namespace"]);
}
