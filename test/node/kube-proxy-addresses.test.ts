// Addresses as objects of any age have them: kube-proxy reads leading zeros and IPv4 in the notation of IPv6, and writes neither.
import { expect, it } from "vitest";
import { parseDocuments } from "../../src/documents/document.ts";
import { parseObjects } from "../../src/kubernetes/parse.ts";
import { proxyContext, type ProxyContext } from "../../src/node/kube-proxy/context.ts";
import { addressForm, blockContains, familyOf, networkForm } from "../../src/node/kube-proxy/ip.ts";
import { kubeProxyRules } from "../../src/node/kube-proxy/proxy.ts";

const CONTEXT: Partial<ProxyContext> = {
  nodeName: "here",
  nodeIP: "192.168.0.2",
  detectLocal: { mode: "ClusterCIDR", value: "10.0.0.0/8" },
};

/** The manifests of one Service of every kind of address, and its endpoint. */
function manifests(cluster: string, vip: string, external: string, range: string, endpoint: string): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: svc1, namespace: ns1}
spec:
  type: LoadBalancer
  clusterIP: "${cluster}"
  externalIPs: ["${external}", ""]
  loadBalancerSourceRanges: ["${range}"]
  ports: [{name: p80, port: 80, nodePort: 30001}]
status: {loadBalancer: {ingress: [{ip: "${vip}"}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: svc1-1, namespace: ns1, labels: {kubernetes.io/service-name: svc1}}
addressType: IPv4
ports: [{name: p80, port: 80}]
endpoints: [{addresses: ["${endpoint}"]}]
`;
}

function rules(text: string, more: Partial<ProxyContext> = {}): string {
  const { services, endpointSlices } = parseObjects(parseDocuments(text, "stored.yaml"), { stored: true });
  return kubeProxyRules(
    services.map(({ service }) => service),
    endpointSlices,
    proxyContext({ ...CONTEXT, ...more }),
  );
}

const PLAIN = manifests("172.30.0.41", "1.2.3.4", "192.168.99.22", "203.0.113.0/25", "10.180.0.1");

it.each([
  [
    "leading zeros",
    manifests("172.30.0.041", "1.2.3.004", "192.168.099.022", "203.0.113.000/025", "10.180.00.001"),
    { detectLocal: { mode: "ClusterCIDR" as const, value: "010.0.0.0/08" }, nodeIP: "192.168.00.002" },
  ],
  [
    "IPv4 in the notation of IPv6",
    manifests(
      "::ffff:172.30.0.41",
      "::ffff:1.2.3.4",
      "::FFFF:192.168.099.022",
      "::ffff:203.0.113.9/121",
      "::ffff:10.180.0.1",
    ),
    { detectLocal: { mode: "ClusterCIDR" as const, value: "::ffff:10.0.0.0/104" }, nodeIP: "::ffff:c0a8:2" },
  ],
])("%s give the rules of plain addresses", (_, text, more) => {
  expect(rules(PLAIN)).toContain("-A KUBE-SEP-SXIVWICOYRO3J4NJ -s 10.180.0.1/32 ");
  expect(rules(PLAIN)).toContain("-A KUBE-FW-XPGD46QRK7WJZT7O -s 203.0.113.0/25 ");
  expect(rules(text, more)).toBe(rules(PLAIN));
});

it("what is no address at all is named", () => {
  expect(() => rules(PLAIN.replace("10.180.0.1", "10.180.0"))).toThrow(
    'endpoints[0].addresses[0]: "10.180.0" is not an IPv4 address',
  );
  expect(() => rules(PLAIN.replace("203.0.113.0/25", "203.0.113.0"))).toThrow(
    'spec.loadBalancerSourceRanges[0]: "203.0.113.0" is not an address block such as 192.0.2.0/24',
  );
});

it.each([
  ["010.1.2.3", "IPv4", "10.1.2.3/32"],
  ["000.00.0.0/00", "IPv4", "0.0.0.0/0"],
  ["::ffff:192.0.2.7/120", "IPv4", "192.0.2.0/24"],
  // The network is no IPv4 address any more.
  ["::ffff:192.0.2.7/90", "IPv6", "::ffc0:0:0/90"],
  ["fd00::/064", "IPv6", "fd00::/64"],
])("%s is of %s, as %s", (text, family, network) => {
  expect([familyOf(text), networkForm(text)]).toEqual([family, network]);
});

it("a block holds an address however the two are written", () => {
  expect(blockContains("192.0.2.0/24", "::ffff:192.0.2.7")).toBe(true);
  expect(blockContains("::ffff:192.0.2.0/120", "192.0.002.007")).toBe(true);
  expect(blockContains("::/0", "::ffff:192.0.2.7")).toBe(false);
  expect([addressForm("::ffff:010.0.0.1"), familyOf("fe80::1%eth0")]).toEqual(["10.0.0.1", undefined]);
});
