// The Kubernetes objects that podwire acts on, in their API's words, reduced to the fields that have a network meaning and with defaults filled in.

import type { Family } from "./families.ts";
import type { LabelSelector } from "./selectors.ts";

export type Labels = Record<string, string>;
export type Protocol = "TCP" | "UDP" | "SCTP";

export interface Node {
  name: string;
  labels: Labels;
  /** The IPv4 address of its network card; its InternalIP but in a cluster of IPv6 alone. */
  address: string;
  /** The IPv6 address of its network card, in a cluster that has IPv6. */
  address6?: string;
  /** `10.244.1.0/24`; empty in a cluster of IPv6 alone. */
  podCIDR: string;
  /** `fd00:10:244:1::/64`, in a cluster that has IPv6. */
  podCIDR6?: string;
  /** Cordoned: keeps pods off that do not tolerate the taint `node.kubernetes.io/unschedulable`. */
  unschedulable: boolean;
  /** The cluster autoscaler has chosen it to be deleted (its taint ToBeDeletedByClusterAutoscaler). */
  toBeDeleted?: boolean;
}

export interface ContainerPort {
  name: string;
  containerPort: number;
  protocol: Protocol;
  hostPort: number;
  hostIP: string;
}

export interface Container {
  name: string;
  ports: ContainerPort[];
}

/** How a pod resolves names; a pod without it has the policy ClusterFirst. */
export interface PodDns {
  policy: "ClusterFirst" | "ClusterFirstWithHostNet" | "Default" | "None";
  nameservers: string[];
  searches: string[];
  options: { name: string; value?: string | undefined }[];
}

/** A pod that a controller made or a manifest wrote; placed (nodeName) and addressed (podIP) by scheduler and IPAM, or pending (both empty). */
export interface Pod {
  namespace: string;
  name: string;
  labels: Labels;
  /** The object that made it, for traffic selectors: `{kind: "Deployment", name: "frontend"}`; the pod itself if it stands alone. */
  owner: { kind: string; name: string };
  nodeName: string;
  podIP: string;
  /** In a cluster with two families: both addresses, the first of which is podIP. */
  podIPs?: string[];
  hostNetwork: boolean;
  /** `spec.hostname`, empty if it is not set: the pod then calls itself by its own name, but has no name of its own in DNS. */
  hostname: string;
  /** `spec.subdomain`: the headless Service under which the hostname is found. */
  subdomain: string;
  dns?: PodDns;
  containers: Container[];
}

export interface ServicePort {
  /** Empty for the only, unnamed port. */
  name: string;
  protocol: Protocol;
  port: number;
  targetPort: number | string;
  /** 0 if it has none. */
  nodePort: number;
}

export interface LoadBalancerIngress {
  ip: string;
  hostname: string;
  ipMode: "VIP" | "Proxy";
}

export interface Service {
  namespace: string;
  name: string;
  labels: Labels;
  type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** In the order of ipFamilies; ["None"] for a headless Service, [] for ExternalName. */
  clusterIPs: string[];
  /** Absent: IPv4 alone. */
  ipFamilies?: Family[];
  externalIPs: string[];
  externalName: string;
  ports: ServicePort[];
  /** Absent: no selector, the endpoints are somebody else's. */
  selector?: Labels;
  sessionAffinity: "None" | "ClientIP";
  sessionAffinityTimeoutSeconds: number;
  externalTrafficPolicy: "Cluster" | "Local";
  internalTrafficPolicy: "Cluster" | "Local";
  loadBalancerSourceRanges: string[];
  loadBalancerIngress: LoadBalancerIngress[];
  healthCheckNodePort: number;
  publishNotReadyAddresses: boolean;
}

export interface Endpoint {
  addresses: string[];
  ready: boolean;
  serving: boolean;
  terminating: boolean;
  nodeName: string;
  zone: string;
  hostname: string;
  /** `hints.forZones[].name` and `hints.forNodes[].name`. */
  forZones: string[];
  forNodes: string[];
  targetRef?: { kind: string; namespace: string; name: string };
}

export interface EndpointSlice {
  namespace: string;
  name: string;
  labels: Labels;
  addressType: "IPv4" | "IPv6" | "FQDN";
  ports: { name: string; protocol: Protocol; port: number }[];
  endpoints: Endpoint[];
}

export interface Namespace {
  name: string;
  labels: Labels;
}

/** Whom a rule of a NetworkPolicy lets through: pods by selectors, all of which must match, or a block of addresses. */
export interface NetworkPolicyPeer {
  podSelector?: LabelSelector | undefined;
  /** Absent: the policy's own namespace. */
  namespaceSelector?: LabelSelector | undefined;
  ipBlock?: { cidr: string; except: string[] } | undefined;
}

export interface NetworkPolicyPort {
  protocol: Protocol;
  /** The name is that of a container port of the pod that is called. Absent: every port. */
  port?: number | string | undefined;
  endPort?: number | undefined;
}

export interface NetworkPolicyRule {
  /** `from` or `to`; none: everybody. */
  peers: NetworkPolicyPeer[];
  /** None: every port of every protocol. */
  ports: NetworkPolicyPort[];
}

export interface NetworkPolicy {
  namespace: string;
  name: string;
  /** How often it was written while the cluster ran: its sets are others each time. Absent: never. */
  revision?: number;
  podSelector: LabelSelector;
  /** What it lets in; absent: it does not isolate in this direction. */
  ingress?: NetworkPolicyRule[];
  egress?: NetworkPolicyRule[];
}

/** A Service's port, by number or name; without a service a resource, which is nobody's port. */
export interface IngressBackend {
  service: string;
  port: number | string;
}

export interface Ingress {
  namespace: string;
  name: string;
  /** For what no rule fits. */
  defaultBackend?: IngressBackend;
  /** `host` is empty for every host, `*.example.com` for one label more. `exact`: the path as a whole, otherwise its elements. */
  rules: { host: string; paths: { path: string; exact: boolean; backend: IngressBackend }[] }[];
}

/** The state of a cluster: what the API server would hold once every controller has settled. */
export interface Cluster {
  /** Those of pods and Services, the primary one first. Absent: IPv4 alone. */
  families?: readonly Family[];
  nodes: Node[];
  pods: Pod[];
  services: Service[];
  endpointSlices: EndpointSlice[];
  /** Every namespace that an object is in, with its labels. */
  namespaces: Namespace[];
  networkPolicies: NetworkPolicy[];
  /** Those that the ingress controller takes. */
  ingresses?: Ingress[];
  /** Pods that run on no node, as `shop/web-0`, and why. */
  pending: { pod: string; reason: string }[];
  /** What is odd in the manifests, but no error: one sentence for each. */
  remarks?: string[];
  /** Kinds without a network meaning, once each with their number, in order of first appearance. */
  ignored: { kind: string; count: number }[];
  /** Objects that have a network meaning which is not emulated yet, such as `TLS of Ingress shop/web`. */
  notEmulated: string[];
}
