// The names of kube-proxy's and the CNI plugins' chains against names seen in real clusters and in the upstream tests.
import { describe, expect, it } from "vitest";
import { cniChain } from "../../src/node/cni-bridge.ts";
import { endpointChain, serviceChains, servicePortName } from "../../src/node/kube-proxy/names.ts";

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

  it("has a colon only before a port's name", () => {
    expect(servicePortName("default", "web", "")).toBe("default/web");
    expect(servicePortName("default", "web", "http")).toBe("default/web:http");
  });
});
