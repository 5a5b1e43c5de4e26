// The names of kube-proxy's and the CNI plugins' chains against names seen in real clusters and in the upstream tests.
import { describe, expect, it } from "vitest";
import { cniChain } from "../../src/node/cni-bridge.ts";
import { endpointChain, serviceChains, servicePortName } from "../../src/node/kube-proxy/names.ts";
import { nftEndpointNames, nftServiceChains } from "../../src/node/kube-proxy/nftables/names.ts";
import { EndpointIndex } from "../../src/node/kube-proxy/select.ts";
import { proxyContext } from "../../src/node/kube-proxy/context.ts";
import { proxyServicePorts, type ProxyServicePort } from "../../src/node/kube-proxy/service-port.ts";
import { endpoint, port, service, slice } from "./objects.ts";

describe("a chain's name is the known one", () => {
  it.each([
    ["ns1/svc1:p80", "tcp", "XPGD46QRK7WJZT7O"],
    ["ns2/svc2:p80", "tcp", "GNZBNJ2PO5MGZ6GT"],
    ["ns3/svc3:p80", "tcp", "X27LE4BHSL4DOUIK"],
    ["ns4/svc4:p80", "tcp", "4SW47YFZTEDKD3PK"],
    ["ns5/svc5:p80", "tcp", "NUKIZ6OKUXPJNT4C"],
    ["ns2/svc2:p8080", "tcp", "2VJB64SDSIJUP5T6"],
    ["default/kubernetes:https", "tcp", "NPX46M4PTMTKRN6Y"],
    ["kube-system/kube-dns:dns", "udp", "TCOU7JCQXEZGVUNU"],
    ["kube-system/kube-dns:dns-tcp", "tcp", "ERIFXISQEP7F7OF4"],
    ["kube-system/kube-dns:metrics", "tcp", "JD5MR3NA4I4DYORP"],
    ["default/nodeport-service", "tcp", "QATUYZLPU4I4HE4S"],
  ])("for service port %s, %s", (name, protocol, hash) => {
    expect(serviceChains(name, protocol)).toEqual({
      svc: `KUBE-SVC-${hash}`,
      svl: `KUBE-SVL-${hash}`,
      ext: `KUBE-EXT-${hash}`,
      fw: `KUBE-FW-${hash}`,
    });
  });

  it.each([
    ["ns1/svc1:p80", "tcp", "10.180.0.1:80", "KUBE-SEP-SXIVWICOYRO3J4NJ"],
    ["ns2/svc2:p80", "tcp", "10.180.0.2:80", "KUBE-SEP-RS4RBKLTHTF2IUXJ"],
    ["ns3/svc3:p80", "tcp", "10.180.0.3:80", "KUBE-SEP-OYPFS5VJICHGATKP"],
    ["ns4/svc4:p80", "tcp", "10.180.0.4:80", "KUBE-SEP-UKSFD7AGPMPPLUHC"],
    ["ns4/svc4:p80", "tcp", "10.180.0.5:80", "KUBE-SEP-C6EBXVWJJZMIWKLZ"],
    ["ns5/svc5:p80", "tcp", "10.180.0.3:80", "KUBE-SEP-I77PXRDZVX7PMWMN"],
    ["ns2/svc2:p8080", "tcp", "10.0.2.1:8080", "KUBE-SEP-UHEGFW77JX3KXTOV"],
    ["ns3/svc3:p80", "tcp", "10.0.3.2:80", "KUBE-SEP-DKCFIS26GWF2WLWC"],
    ["kube-system/kube-dns:dns", "udp", "10.244.0.3:53", "KUBE-SEP-6E7XQMQ4RAYOWTTM"],
  ])("for endpoint %s, %s, %s", (name, protocol, endpoint, chain) => {
    expect(endpointChain(name, protocol, endpoint)).toBe(chain);
  });

  it.each([
    ["test", "1234", "CNI-2bbe0c48b91a7d1b8a6753a8"],
    ["testalongnamethatdoesnotmakesense", "1234", "CNI-374f33fe84ab0ed84dcdebe3"],
  ])("for CNI network %s, container %s", (network, container, chain) => {
    expect(cniChain(network, container)).toBe(chain);
  });

  it.each([
    ["ns1/svc1", "p80", "ULMVA6XW-ns1/svc1/tcp/p80"],
    ["ns2/svc2", "p80", "42NFTM6N-ns2/svc2/tcp/p80"],
    ["ns3/svc3", "p80", "4AT6LBPK-ns3/svc3/tcp/p80"],
    ["ns4/svc4", "p80", "LAUZTJTB-ns4/svc4/tcp/p80"],
    ["ns5/svc5", "p80", "HVFWP5L3-ns5/svc5/tcp/p80"],
    ["default/kubernetes", "https", "2QRHZV4L-default/kubernetes/tcp/https"],
    ["kproxy-lab/backend-api", "http", "YVSKLJHA-kproxy-lab/backend-api/tcp/http"],
  ])("in nftables mode for service port %s %s", (path, name, expected) => {
    const [found] = proxyServicePorts([service(path, "10.96.0.1", [port(name, 80)])], "IPv4");
    expect(nftServiceChains(found as ProxyServicePort)).toEqual({
      service: `service-${expected}`,
      local: `local-${expected}`,
      external: `external-${expected}`,
      firewall: `firewall-${expected}`,
    });
  });

  it.each([
    ["ns1/svc1", "10.180.0.1", "5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80"],
    ["ns2/svc2", "10.180.0.2", "SGOXE6O3-ns2/svc2/tcp/p80__10.180.0.2/80"],
    ["ns3/svc3", "10.180.0.3", "UEIP74TE-ns3/svc3/tcp/p80__10.180.0.3/80"],
    ["ns4/svc4", "10.180.0.4", "UNZV3OEC-ns4/svc4/tcp/p80__10.180.0.4/80"],
    ["ns4/svc4", "10.180.0.5", "5RFCDDV7-ns4/svc4/tcp/p80__10.180.0.5/80"],
    ["ns5/svc5", "10.180.0.3", "GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80"],
  ])("in nftables mode for endpoint %s %s", (path, address, expected) => {
    const of = service(path, "10.96.0.1", [port("p80", 80)]);
    const [found] = proxyServicePorts([of], "IPv4");
    const index = new EndpointIndex([slice(of, [endpoint(address, "node-1")])], proxyContext({}));
    const names = index
      .endpoints(found as ProxyServicePort)
      .map((one) => nftEndpointNames(found as ProxyServicePort, one));
    expect(names).toEqual([{ chain: `endpoint-${expected}`, affinity: `affinity-${expected}` }]);
  });

  it("has a colon only before a port's name", () => {
    expect(servicePortName("default", "web", "")).toBe("default/web");
    expect(servicePortName("default", "web", "http")).toBe("default/web:http");
  });
});
