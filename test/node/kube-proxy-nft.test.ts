// kube-proxy in nftables mode: what each feature of a Service puts into the table.
import { describe, expect, it } from "vitest";
import type { EndpointSlice, Service } from "../../src/kubernetes/objects.ts";
import { proxyContext, type ProxyContext } from "../../src/node/kube-proxy/context.ts";
import { kubeProxyTable } from "../../src/node/kube-proxy/nftables/proxy.ts";
import { endpoint, port, service, slice } from "./objects.ts";

const CONTEXT: Partial<ProxyContext> = {
  nodeName: "node-1",
  nodeIP: "192.168.0.11",
  detectLocal: { mode: "ClusterCIDR", value: "10.244.0.0/16" },
  serviceCIDRs: ["10.96.0.0/12"],
  interfaceAddresses: ["127.0.0.1/8", "192.168.0.11/24", "10.244.1.1/24"],
};

function tableOf(objects: [Service, EndpointSlice[]][], more: Partial<ProxyContext> = {}): string {
  const services = objects.map(([one]) => one);
  const slices = objects.flatMap(([, own]) => own);
  return kubeProxyTable(services, slices, proxyContext({ ...CONTEXT, ...more }));
}

/** The lines between the braces of a set, map or chain; undefined if there is none. */
function partOf(table: string, head: string): string[] | undefined {
  const [, rest] = table.split(`\t${head} {\n`);
  return rest
    ?.slice(0, rest.indexOf("\t}\n"))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.trim());
}

function elementsOf(table: string, head: string): string[] {
  const text = (partOf(table, head) ?? []).join(" ");
  const [, elements = ""] = /elements = \{ (.*) \}/.exec(text) ?? [];
  return elements === "" ? [] : elements.split(", ");
}

const web = (more: Partial<Service> = {}, ports = [port("http", 80)]): Service =>
  service("shop/web", "10.96.0.5", ports, more);
const NAME = "KHN6ECMT-shop/web/tcp/http";

it("a table without Services is the same on every node of kube-proxy 1.35, as nft lists it", () => {
  expect(tableOf([])).toBe(
    `table ip kube-proxy {
	comment "rules for kube-proxy"
	set cluster-ips {
		type ipv4_addr
		comment "Active ClusterIPs"
	}

	set nodeport-ips {
		type ipv4_addr
		comment "IPs that accept NodePort traffic"
		elements = { 192.168.0.11 }
	}

	map no-endpoint-services {
		type ipv4_addr . inet_proto . inet_service : verdict
		comment "vmap to drop or reject packets to services with no endpoints"
	}

	map no-endpoint-nodeports {
		type inet_proto . inet_service : verdict
		comment "vmap to drop or reject packets to service nodeports with no endpoints"
	}

	map firewall-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		comment "destinations that are subject to LoadBalancerSourceRanges"
	}

	map service-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		comment "ClusterIP, ExternalIP and LoadBalancer IP traffic"
	}

	map service-nodeports {
		type inet_proto . inet_service : verdict
		comment "NodePort traffic"
	}

	chain filter-prerouting-pre-dnat {
		type filter hook prerouting priority dstnat - 10; policy accept;
		ct state new jump firewall-check
	}

	chain filter-output-pre-dnat {
		type filter hook output priority -110; policy accept;
		ct state new jump firewall-check
	}

	chain filter-input {
		type filter hook input priority filter; policy accept;
		ct state new jump nodeport-endpoints-check
		ct state new jump service-endpoints-check
	}

	chain filter-forward {
		type filter hook forward priority filter; policy accept;
		ct state new jump service-endpoints-check
		ct state new jump cluster-ips-check
	}

	chain filter-output {
		type filter hook output priority filter; policy accept;
		ct state new jump service-endpoints-check
		ct state new jump cluster-ips-check
	}

	chain nat-prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		jump services
	}

	chain nat-output {
		type nat hook output priority -100; policy accept;
		jump services
	}

	chain nat-postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		jump masquerading
	}

	chain nodeport-endpoints-check {
		ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
	}

	chain service-endpoints-check {
		ip daddr . meta l4proto . th dport vmap @no-endpoint-services
	}

	chain firewall-check {
		ip daddr . meta l4proto . th dport vmap @firewall-ips
	}

	chain services {
		ip daddr . meta l4proto . th dport vmap @service-ips
		ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
	}

	chain masquerading {
		meta mark & 0x00004000 == 0x00000000 return
		meta mark set meta mark ^ 0x00004000
		masquerade fully-random
	}

	chain cluster-ips-check {
		ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
		ip daddr 10.96.0.0/12 drop comment "Drop traffic to unallocated ClusterIPs"
	}

	chain mark-for-masquerade {
		meta mark set meta mark | 0x00004000
	}

	chain reject-chain {
		comment "helper for @no-endpoint-services / @no-endpoint-nodeports"
		reject
	}
}
`,
  );
});

describe("a Service", () => {
  it("of type ClusterIP has an element, a chain, and a chain for each endpoint", () => {
    const one = web();
    const table = tableOf([[one, [slice(one, [endpoint("10.244.2.3", "node-2"), endpoint("10.244.1.3", "node-1")])]]]);
    expect(elementsOf(table, "set cluster-ips")).toEqual(["10.96.0.5"]);
    expect(elementsOf(table, "map service-ips")).toEqual([`10.96.0.5 . tcp . 80 : goto service-${NAME}`]);
    expect(partOf(table, `chain service-${NAME}`)).toEqual([
      "ip daddr 10.96.0.5 ip saddr != 10.244.0.0/16 jump mark-for-masquerade",
      `numgen random mod 2 vmap { 0 : goto endpoint-CXT63GGL-shop/web/tcp/http__10.244.1.3/80, 1 : goto endpoint-AWOX5R2E-shop/web/tcp/http__10.244.2.3/80 }`,
    ]);
    expect(partOf(table, "chain endpoint-CXT63GGL-shop/web/tcp/http__10.244.1.3/80")).toEqual([
      "ip saddr 10.244.1.3 jump mark-for-masquerade",
      "meta l4proto tcp dnat to 10.244.1.3:80",
    ]);
  });

  it("without endpoints is rejected: by its address, its node port and its load balancer's address", () => {
    const one = web({ type: "LoadBalancer", loadBalancerIngress: [{ ip: "192.0.2.1", hostname: "", ipMode: "VIP" }] }, [
      port("http", 80, { nodePort: 30080 }),
    ]);
    const table = tableOf([[one, []]]);
    expect(elementsOf(table, "map no-endpoint-services")).toEqual([
      '192.0.2.1 . tcp . 80 comment "shop/web:http" : goto reject-chain',
      '10.96.0.5 . tcp . 80 comment "shop/web:http" : goto reject-chain',
    ]);
    expect(elementsOf(table, "map no-endpoint-nodeports")).toEqual([
      'tcp . 30080 comment "shop/web:http" : goto reject-chain',
    ]);
    expect(elementsOf(table, "map service-ips")).toEqual([]);
    expect(table).not.toContain(NAME);
  });

  it("with policy Local and no endpoint here still serves pods and the node, and drops others", () => {
    const one = web({ type: "NodePort", externalTrafficPolicy: "Local" }, [port("http", 80, { nodePort: 30080 })]);
    const table = tableOf([[one, [slice(one, [endpoint("10.244.2.3", "node-2")])]]]);
    expect(partOf(table, `chain external-${NAME}`)).toEqual([
      `ip saddr 10.244.0.0/16 goto service-${NAME} comment "short-circuit pod traffic"`,
      'fib saddr type local jump mark-for-masquerade comment "masquerade local traffic"',
      `fib saddr type local goto service-${NAME} comment "short-circuit local traffic"`,
    ]);
    expect(elementsOf(table, "map service-nodeports")).toEqual([`tcp . 30080 : goto external-${NAME}`]);
    expect(elementsOf(table, "map no-endpoint-nodeports")).toEqual(['tcp . 30080 comment "shop/web:http" : drop']);
  });

  it("with source ranges that hold the node lets the load balancer's own address in", () => {
    const one = web({
      type: "LoadBalancer",
      loadBalancerIngress: [{ ip: "192.0.2.1", hostname: "", ipMode: "VIP" }],
      loadBalancerSourceRanges: ["203.0.113.0/24", "192.168.0.0/24"],
    });
    const table = tableOf([[one, [slice(one, [endpoint("10.244.2.3", "node-2")])]]]);
    expect(elementsOf(table, "map firewall-ips")).toEqual([`192.0.2.1 . tcp . 80 : goto firewall-${NAME}`]);
    expect(partOf(table, `chain firewall-${NAME}`)).toEqual([
      "ip saddr != { 192.0.2.1, 192.168.0.0/24, 203.0.113.0/24 } drop",
    ]);
  });

  it("with affinity has a set for each endpoint, asked first and renewed by each connection", () => {
    const one = web({ sessionAffinity: "ClientIP", sessionAffinityTimeoutSeconds: 10800 });
    const table = tableOf([[one, [slice(one, [endpoint("10.244.1.3", "node-1")])]]]);
    const name = "CXT63GGL-shop/web/tcp/http__10.244.1.3/80";
    expect(partOf(table, `set affinity-${name}`)).toEqual([
      "type ipv4_addr",
      "size 65535",
      "flags dynamic,timeout",
      "timeout 3h",
    ]);
    expect(partOf(table, `chain service-${NAME}`)?.slice(1)).toEqual([
      `ip saddr @affinity-${name} goto endpoint-${name}`,
      `numgen random mod 1 vmap { 0 : goto endpoint-${name} }`,
    ]);
    expect(partOf(table, `chain endpoint-${name}`)?.[1]).toBe(`update @affinity-${name} { ip saddr }`);
  });
});

describe("node ports answer", () => {
  it("on every local address but loopback, if a range of --nodeport-addresses holds all", () => {
    const table = tableOf([], { nodePortAddresses: ["0.0.0.0/0"] });
    expect(partOf(table, "set nodeport-ips")).toBeUndefined();
    expect(partOf(table, "chain services")?.[1]).toBe(
      "fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports",
    );
    expect(partOf(table, "chain nodeport-endpoints-check")).toEqual([
      "ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @no-endpoint-nodeports",
    ]);
  });

  it("on the addresses in --nodeport-addresses, never on loopback", () => {
    const table = tableOf([], { nodePortAddresses: ["10.0.0.0/8", "127.0.0.0/8"] });
    expect(elementsOf(table, "set nodeport-ips")).toEqual(["10.244.1.1"]);
  });
});

it("with --masquerade-all nobody's address is kept on the way to a cluster IP", () => {
  const one = web();
  const table = tableOf([[one, [slice(one, [endpoint("10.244.1.3", "node-1")])]]], { masqueradeAll: true });
  expect(partOf(table, `chain service-${NAME}`)?.[0]).toBe("ip daddr 10.96.0.5 jump mark-for-masquerade");
});
