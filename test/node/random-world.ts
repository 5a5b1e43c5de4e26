// Random Services, endpoints and nodes, for what must hold whatever they are.
import fc from "fast-check";
import type { EndpointSlice, Service } from "../../src/kubernetes/objects.ts";
import { proxyContext, type DetectLocal, type ProxyContext } from "../../src/node/kube-proxy/context.ts";
import { endpoint, port, service, slice } from "./objects.ts";

const policy = fc.constantFrom<("Cluster" | "Local")[]>("Cluster", "Local");
const name = fc.stringMatching(/^[a-z]([-a-z0-9]{0,14}[a-z0-9])?$/);
const anyEndpoint = fc.record({
  host: fc.integer({ min: 2, max: 250 }),
  node: fc.constantFrom("node-1", "node-2", ""),
  zone: fc.constantFrom("", "a", "b"),
  forZones: fc.subarray(["a", "b"]),
  ready: fc.boolean(),
  serving: fc.boolean(),
  terminating: fc.boolean(),
});
const anyService = fc.record({
  name,
  type: fc.constantFrom<Service["type"][]>("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
  headless: fc.constantFrom(false, false, false, true),
  ports: fc.uniqueArray(
    fc.record({
      name,
      protocol: fc.constantFrom<("TCP" | "UDP" | "SCTP")[]>("TCP", "UDP", "SCTP"),
      port: fc.integer({ min: 1, max: 65535 }),
      targetPort: fc.integer({ min: 1, max: 65535 }),
      nodePort: fc.integer({ min: 30000, max: 32767 }),
    }),
    { selector: (one) => one.name, minLength: 1, maxLength: 3 },
  ),
  externalTrafficPolicy: policy,
  internalTrafficPolicy: policy,
  sessionAffinity: fc.constantFrom<Service["sessionAffinity"][]>("None", "ClientIP"),
  sessionAffinityTimeoutSeconds: fc.integer({ min: 1, max: 86400 }),
  externalIPs: fc.subarray(["198.51.100.7", "203.0.113.9", "2001:db8::7"]),
  ingress: fc.array(
    fc.record({
      ip: fc.constantFrom("192.0.2.1", "192.0.2.2", "2001:db8:1::1", ""),
      hostname: fc.constantFrom("", "lb.example.com"),
      ipMode: fc.constantFrom<("VIP" | "Proxy")[]>("VIP", "Proxy"),
    }),
    { maxLength: 2 },
  ),
  loadBalancerSourceRanges: fc.subarray(["192.168.0.0/16", "0.0.0.0/0", "2001:db8:2::/48", " 10.0.0.0/8 "]),
  endpoints: fc.uniqueArray(anyEndpoint, { selector: ({ host }) => host, maxLength: 4 }),
});

const detectLocal: fc.Arbitrary<DetectLocal> = fc.constantFrom<DetectLocal[]>(
  { mode: "None" },
  { mode: "ClusterCIDR", value: ["10.244.0.0/16", "fd00:244::/48"] },
  { mode: "NodeCIDR", value: ["10.244.1.0/24", "fd00:244:1::/64"] },
  { mode: "BridgeInterface", value: "vbr0" },
  { mode: "InterfaceNamePrefix", value: "veth" },
);
const anyContext: fc.Arbitrary<Partial<ProxyContext>> = fc.record({
  nodeName: fc.constantFrom("node-1", "node-2"),
  topologyLabels: fc.constantFrom<Record<string, string>[]>({}, { "topology.kubernetes.io/zone": "a" }),
  detectLocal,
  masqueradeAll: fc.boolean(),
  masqueradeBit: fc.integer({ min: 0, max: 31 }),
  localhostNodePorts: fc.boolean(),
  nodePortAddresses: fc.subarray(["192.168.0.0/24", "127.0.0.0/8", "fd00::/64"]),
  conntrackTCPBeLiberal: fc.boolean(),
  nfacct: fc.boolean(),
  randomFully: fc.boolean(),
  kubelet: fc.boolean(),
});

/** Large-cluster mode begins at a thousand endpoints: one more Service has them. */
const LARGE = 1001;

/** Objects as they are drawn. */
export const world = fc.record({
  services: fc.uniqueArray(anyService, { selector: (one) => one.name, maxLength: 6 }),
  context: anyContext,
  isLarge: fc.constantFrom(false, false, false, false, true),
});
export type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** What one family's kube-proxy gets of a world. */
export function inputsOf(
  { services, context, isLarge }: World,
  ipFamily: "IPv4" | "IPv6",
): [services: Service[], slices: EndpointSlice[], context: ProxyContext] {
  const six = ipFamily === "IPv6";
  const made = services.map(({ name, headless, ports, ingress, endpoints, ...rest }, i) => {
    const of = service(
      `mix/${name}`,
      "None",
      ports.map(({ name, port: number, ...more }) => port(name, number, more)),
      {
        ...rest,
        clusterIPs: headless ? ["None"] : [`10.96.1.${i + 1}`, `fd00:96::${i + 1}`],
        externalName: rest.type === "ExternalName" ? "example.com" : "",
        loadBalancerIngress: ingress,
        healthCheckNodePort: rest.externalTrafficPolicy === "Local" ? 32000 + i : 0,
      },
    );
    const found = endpoints.map(({ host, node, ...more }) =>
      endpoint(six ? `fd00:244::${host}` : `10.244.1.${host}`, node, more),
    );
    return { of, slices: [slice(of, found, { addressType: ipFamily })] };
  });
  if (isLarge) {
    const of = service("mix/0-large", "10.96.2.1", [port("", 80)], { clusterIPs: ["10.96.2.1", "fd00:96::2:1"] });
    const many = Array.from({ length: LARGE }, (_, i) =>
      endpoint(six ? `fd00:245::${i + 1}` : `10.245.${i >> 8}.${i & 255}`, "node-2"),
    );
    made.push({ of, slices: [slice(of, many, { addressType: ipFamily })] });
  }
  return [
    made.map(({ of }) => of),
    made.flatMap(({ slices }) => slices),
    proxyContext({
      nodeIP: six ? "fd00::11" : "192.168.0.11",
      interfaceAddresses: ["127.0.0.1/8", "192.168.0.11/24", "::1/128", "fd00::11/64"],
      ipFamily,
      ...context,
    }),
  ];
}
