// The objects that every cluster has without anyone having written them: the API server's Service and the cluster's DNS.
import { parseDocuments, type Document } from "../documents/document.ts";
import { nodeAddress } from "./families.ts";
import type { Node } from "./objects.ts";
import { API_PLACE, DNS_PLACE, nthAddress, primaryRange, type ServiceRanges } from "./service-addresses.ts";

/** The DNS Service has the label `k8s-app: kube-dns` for history's sake; its pods are CoreDNS. */
export const DNS_SERVICE = { namespace: "kube-system", name: "kube-dns" };

/**
 * Services default/kubernetes and kube-system/kube-dns and Deployment kube-system/coredns, as kubeadm makes them. The API server would
 * be on port 6443 of the first node, but nothing listens there: calls to it are refused. Both Services are of the primary family alone.
 */
export function systemDocuments(ranges: ServiceRanges, nodes: readonly Node[]): Document[] {
  const [first] = nodes;
  const family = ranges.families?.[0] ?? "IPv4";
  const serviceCIDR = primaryRange(ranges);
  const address = first && nodeAddress(first, family);
  return parseDocuments(
    `
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default, labels: {component: apiserver, provider: kubernetes}}
spec:
  clusterIP: "${nthAddress(serviceCIDR, API_PLACE)}"
  ports: [{name: https, port: 443, targetPort: 6443}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: ${family}
ports: [{name: https, port: 6443}]
endpoints: ${address === undefined ? "[]" : `[{addresses: ["${address}"]}]`}
---
apiVersion: v1
kind: Service
metadata: {name: ${DNS_SERVICE.name}, namespace: ${DNS_SERVICE.namespace}, labels: {k8s-app: kube-dns}}
spec:
  clusterIP: "${nthAddress(serviceCIDR, DNS_PLACE)}"
  selector: {k8s-app: kube-dns}
  ports:
    - {name: dns, port: 53, protocol: UDP}
    - {name: dns-tcp, port: 53}
    - {name: metrics, port: 9153}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  replicas: 2
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      dnsPolicy: Default
      nodeSelector: {kubernetes.io/os: linux}
      tolerations:
        - {key: CriticalAddonsOnly, operator: Exists}
        - {key: node-role.kubernetes.io/control-plane, effect: NoSchedule}
      containers:
        - name: coredns
          ports:
            - {name: dns, containerPort: 53, protocol: UDP}
            - {name: dns-tcp, containerPort: 53}
            - {name: metrics, containerPort: 9153}
`,
    "the cluster's own objects",
  );
}
