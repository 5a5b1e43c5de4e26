// A cluster of two nodes for the tests of machines: pods, a hostNetwork pod, a hostPort, a load balancer, DNS.
import type { Cluster } from "../../src/kubernetes/objects.ts";
import { cluster, container, endpoint, node, pod, port, service, slice } from "./objects.ts";

const web = service("shop/web", "10.96.0.20", [port("http", 80, { targetPort: 8080, nodePort: 30080 })], {
  type: "LoadBalancer",
  loadBalancerIngress: [{ ip: "192.0.2.1", hostname: "", ipMode: "VIP" }],
});

export const SHOP: Cluster = cluster({
  nodes: [node(1), node(2)],
  pods: [
    pod("shop/web-0", "node-1", "10.244.1.2", [container("web", "8080/TCP"), container("log", "8080/TCP", "514/UDP")]),
    pod("shop/web-1", "node-2", "10.244.2.2", [container("web", "8080/TCP")]),
    pod("ops/agent-0", "node-1", "192.168.0.11", [container("agent", "9100/TCP")], { hostNetwork: true }),
    pod("shop/edge", "node-1", "10.244.1.3", [container("edge", "443:8443/TCP", "80:8000/TCP", "53:5353/UDP")]),
    pod("kube-system/coredns-0", "node-2", "10.244.2.3", [container("coredns", "53/UDP", "9153/TCP", "7/SCTP")], {
      labels: { "k8s-app": "kube-dns" },
    }),
    pod("shop/waiting", "", "", [container("web", "8080/TCP")]),
  ],
  services: [web],
  endpointSlices: [slice(web, [endpoint("10.244.1.2", "node-1"), endpoint("10.244.2.2", "node-2")])],
});

export const RANGES = {
  podCIDR: "10.244.0.0/16",
  serviceCIDR: "10.96.0.0/12",
  nodeCIDR: "192.168.0.0/24",
  loadBalancerCIDR: "192.0.2.0/24",
};
