// Clusters out of YAML text, and the complaint about text that makes none.
import { parseDocuments } from "../../src/documents/document.ts";
import { InputError } from "../../src/errors.ts";
import { buildCluster, type ClusterOptions } from "../../src/kubernetes/cluster.ts";
import type { Cluster, Service } from "../../src/kubernetes/objects.ts";

export const OPTIONS: ClusterOptions = {
  nodes: 3,
  podCIDR: "10.244.0.0/16",
  serviceCIDR: "10.96.0.0/12",
  nodeCIDR: "192.168.0.0/24",
  loadBalancerCIDR: "192.0.2.0/24",
};

export function build(text: string, options: Partial<ClusterOptions> = {}): Cluster {
  return buildCluster(parseDocuments(text, "a.yaml"), { ...OPTIONS, ...options });
}

/** The message of the InputError; empty if there is none. */
export function complaint(text: string, options: Partial<ClusterOptions> = {}): string {
  try {
    build(text, options);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return "";
}

/** `shop/web-0 node-1 10.244.1.2` for each pod that is not the cluster's own. */
export function places(cluster: Cluster): string[] {
  return cluster.pods
    .filter(({ namespace }) => namespace !== "kube-system")
    .map(({ namespace, name, nodeName, podIP }) => `${namespace}/${name} ${nodeName} ${podIP}`.trimEnd());
}

/** The Services that are not the cluster's own. */
export function ownServices(cluster: Cluster): Service[] {
  return cluster.services.filter(({ name }) => name !== "kubernetes" && name !== "kube-dns");
}

/** The Service called `name`. */
export function serviceOf(cluster: Cluster, name: string): Service {
  const found = cluster.services.find((service) => service.name === name);
  if (!found) throw new Error(`there is no Service ${name}`);
  return found;
}

/** A Deployment of one container, in flow style. */
export function deployment(name: string, replicas: number, podSpec = "", ports = "{containerPort: 8080}"): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: main, ports: [${ports}]}]${podSpec === "" ? "" : `, ${podSpec}`}}
---`;
}

/** A Pod of one container, in flow style. */
export function pod(name: string, podSpec = "", ports = ""): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec: {containers: [{name: main, ports: [${ports}]}]${podSpec === "" ? "" : `, ${podSpec}`}}
---`;
}

/** A Service in flow style. */
export function service(name: string, spec: string): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {${spec}}
---`;
}
