// The file of --context: its defaults, and the sentence for each thing that can be wrong in it.
import { describe, expect, it } from "vitest";
import { parseDocuments } from "../../src/documents/document.ts";
import { contextSchema } from "../../src/node/kube-proxy/context-schema.ts";
import { proxyContext, type ProxyContext } from "../../src/node/kube-proxy/context.ts";

function read(text: string): ProxyContext {
  const [document] = parseDocuments(text, "context.yaml");
  if (!document) throw new Error("no document");
  return document.validate(contextSchema);
}

describe("a context", () => {
  it("of nothing has kube-proxy's defaults", () => {
    expect(read("{}")).toEqual(proxyContext({}));
    expect(read("note: for readers\nmasqueradeBit: 20")).toEqual(proxyContext({ masqueradeBit: 20 }));
  });

  it("may have [primary] node port addresses: the node's own, or all if it has none", () => {
    expect(read("{nodeIP: 192.168.0.11, nodePortAddresses: [primary]}").nodePortAddresses).toEqual(["192.168.0.11/32"]);
    expect(read("{nodeIP: fd00::11, nodePortAddresses: [primary]}").nodePortAddresses).toEqual(["fd00::11/128"]);
    expect(read("{nodePortAddresses: [primary]}").nodePortAddresses).toEqual([]);
  });

  it.each<[string, string]>([
    ["nodename: a", "1: nodename: there is no such field"],
    ["masqueradeBit: 32", "1: masqueradeBit: should be at most 31"],
    ["nodeIP: 10.0.0", '1: nodeIP: "10.0.0" is not an IP address'],
    [
      "nodePortAddresses: [10.0.0.1]",
      '1: nodePortAddresses[0]: "10.0.0.1" is not an address block such as 192.0.2.0/24',
    ],
    [
      "detectLocal:\n  mode: ClusterCIDR\n  value: cni0",
      '3: detectLocal.value: "cni0" is not an address block such as 10.244.0.0/16',
    ],
    [
      "detectLocal: {mode: BridgeInterface}",
      "1: detectLocal.value: should be one name of at most 15 characters, such as cni0, with mode BridgeInterface",
    ],
    [
      "interfaceAddresses: [eth0]",
      '1: interfaceAddresses[0]: "eth0" is not an address, with or without a prefix length',
    ],
  ])("%s is refused", (text, sentence) => {
    expect(() => read(text)).toThrow(`context.yaml:${sentence}`);
  });
});
