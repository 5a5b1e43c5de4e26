// The ingress controller of a cluster whose manifests have Ingresses but none: ingress-nginx, as its own manifests have it.
import { parseDocuments, type Document } from "../documents/document.ts";

export const INGRESS_NAMESPACE = "ingress-nginx";

/** Deployment ingress-nginx/ingress-nginx-controller and the load balancer before it, without HTTPS and the admission webhook, of both families where there are two. */
export function ingressDocuments(): Document[] {
  return parseDocuments(
    `
apiVersion: v1
kind: Service
metadata:
  name: ingress-nginx-controller
  namespace: ${INGRESS_NAMESPACE}
  labels: &labels {app.kubernetes.io/name: ingress-nginx, app.kubernetes.io/component: controller}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  ipFamilyPolicy: PreferDualStack
  selector: *labels
  ports:
    - {name: http, port: 80, targetPort: http}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ingress-nginx-controller, namespace: ${INGRESS_NAMESPACE}}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: ingress-nginx, app.kubernetes.io/component: controller}}
  template:
    metadata: {labels: {app.kubernetes.io/name: ingress-nginx, app.kubernetes.io/component: controller}}
    spec:
      nodeSelector: {kubernetes.io/os: linux}
      containers:
        - name: controller
          ports:
            - {name: http, containerPort: 80}
`,
    "the ingress controller",
  );
}
