// Kubernetes objects in documents: lists unpacked, kinds and versions recognized, what is not for podwire counted.
import { z } from "zod";
import type { Document, FieldPath } from "../documents/document.ts";
import { formatPath } from "../documents/document.ts";

/** The API versions of the kinds that are read. */
const VERSIONS = {
  Namespace: "v1",
  Node: "v1",
  Pod: "v1",
  ReplicationController: "v1",
  Service: "v1",
  Endpoints: "v1",
  Deployment: "apps/v1",
  ReplicaSet: "apps/v1",
  StatefulSet: "apps/v1",
  DaemonSet: "apps/v1",
  Job: "batch/v1",
  CronJob: "batch/v1",
  EndpointSlice: "discovery.k8s.io/v1",
  Ingress: "networking.k8s.io/v1",
  IngressClass: "networking.k8s.io/v1",
  NetworkPolicy: "networking.k8s.io/v1",
  PodDisruptionBudget: "policy/v1",
} as const;

export type Kind = keyof typeof VERSIONS;

/** Groups of other projects whose objects steer traffic: told by name rather than counted. */
const NETWORK_GROUPS = ["gateway.networking.k8s.io", "networking.istio.io", "crd.projectcalico.org", "cilium.io"];

/** One object of a manifest. Fields that are null are absent, as the API server has it. */
export class Manifest {
  readonly kind: Kind;
  readonly value: unknown;
  readonly #document: Document;
  readonly #path: FieldPath;

  constructor(kind: Kind, document: Document, path: FieldPath, value: unknown) {
    this.kind = kind;
    this.value = value;
    this.#document = document;
    this.#path = path;
  }

  /** The object as `schema` reads it. Throws an InputError at the first field that is wrong. */
  validate<T>(schema: z.ZodType<T>): T {
    return this.#document.validateAt(this.#path, this.value, schema);
  }

  /** Throws the InputError that a field of the object is wrong. */
  fail(path: FieldPath, sentence: string): never {
    return this.#document.fail([...this.#path, ...path], sentence);
  }

  /** `shop.yaml:12`, and the place in a list. */
  get where(): string {
    const { file, line } = this.#document.place(this.#path);
    return [`${file}:${line}`, formatPath(this.#path)].filter(Boolean).join(" ");
  }
}

export interface Manifests {
  objects: Manifest[];
  /** The objects of other kinds, as `ConfigMap shop/settings` or without a namespace, with what they say. */
  others: Map<string, unknown>;
  ignored: { kind: string; count: number }[];
  notEmulated: string[];
}

const header = z.object({ apiVersion: z.string(), kind: z.string() });
const list = z.object({ items: z.array(z.unknown()).default([]) });
const items = z.object({ items: z.array(z.unknown()) });
const named = z.object({ metadata: z.object({ name: z.string().default(""), namespace: z.string().optional() }) });

/** The objects of all documents, in order. Throws an InputError for a document that is none, or of a version that there is not. */
export function readManifests(documents: readonly Document[]): Manifests {
  const manifests: Manifests = { objects: [], others: new Map(), ignored: [], notEmulated: [] };
  for (const document of documents) readObject(manifests, document, [], withoutNulls(document.value));
  return manifests;
}

function readObject(manifests: Manifests, document: Document, path: FieldPath, value: unknown): void {
  const { apiVersion, kind } = document.validateAt(path, value, header);
  if (apiVersion.startsWith("podwire.dev/")) return;
  if (kind === "List" && apiVersion === "v1") {
    const { items } = document.validateAt(path, value, list);
    items.forEach((item, i) => readObject(manifests, document, [...path, "items", i], item));
    return;
  }
  const members = kind.endsWith("List") ? items.safeParse(value).data?.items : undefined;
  if (members) {
    // A list of one kind, as the API server answers with: its members need not say what they are.
    const of = { apiVersion, kind: kind.slice(0, -"List".length) };
    members.forEach((item, i) =>
      readObject(manifests, document, [...path, "items", i], isMap(item) ? { ...of, ...item } : item),
    );
    return;
  }
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  if (isKind(kind) && isOwnGroup(group)) {
    if (apiVersion !== VERSIONS[kind])
      document.fail([...path, "apiVersion"], `there is no ${kind} in ${apiVersion}; write ${VERSIONS[kind]}`);
    if (kind === "CronJob" || kind === "PodDisruptionBudget") countIgnored(manifests, kind);
    manifests.objects.push(new Manifest(kind, document, path, withName(value, manifests.objects.length)));
  } else {
    const { name = "", namespace } = named.safeParse(value).data?.metadata ?? {};
    manifests.others.set(`${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`, value);
    if (NETWORK_GROUPS.includes(group)) {
      document.validateAt(path, value, named);
      manifests.notEmulated.push(`${kind} ${namespace ?? "default"}/${name}`);
    } else countIgnored(manifests, isKind(kind) ? `${kind}.${group}` : kind);
  }
}

function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isKind(kind: string): kind is Kind {
  return Object.hasOwn(VERSIONS, kind);
}

/** Whether a group is one of those in which the kinds above have ever been. Others, such as serving.knative.dev, have their own. */
function isOwnGroup(group: string): boolean {
  return !group.includes(".") || ["networking.k8s.io", "discovery.k8s.io"].includes(group);
}

function countIgnored({ ignored }: Manifests, kind: string): void {
  const found = ignored.find((entry) => entry.kind === kind);
  if (found) found.count++;
  else ignored.push({ kind, count: 1 });
}

const unnamed = z.object({
  metadata: z.object({ name: z.undefined().optional(), generateName: z.string().min(1) }).loose(),
});
/** Those of names that the API server makes up; no words can be spelt with them. */
const LETTERS = "bcdfghjklmnpqrstvwxz2456789";
const MADE_UP = 5;

/** With a name, if only the beginning of one is given: here its end counts the objects, where the API server draws it. */
function withName(value: unknown, count: number): unknown {
  const found = unnamed.safeParse(value);
  if (!found.success) return value;
  const { metadata } = found.data;
  const letters = Array.from(
    { length: MADE_UP },
    (_, i) => LETTERS[Math.floor(count / LETTERS.length ** (MADE_UP - 1 - i)) % LETTERS.length],
  );
  return { ...(value as object), metadata: { ...metadata, name: metadata.generateName + letters.join("") } };
}

/** Without the fields of maps that are null. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(kept.map(([key, field]) => [key, withoutNulls(field)]));
}
