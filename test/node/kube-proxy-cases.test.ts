// kube-proxy's rules against recorded cases: objects and a node in, the tables that iptables-save printed there out.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseDocuments } from "../../src/documents/document.ts";
import { parseObjects } from "../../src/kubernetes/parse.ts";
import { proxyContext, type ProxyContext } from "../../src/node/kube-proxy/context.ts";
import { kubeProxyRules } from "../../src/node/kube-proxy/proxy.ts";
import { comparable, parseRules } from "./rules-text.ts";

const CASES = new URL("../fixtures/kube-proxy/", import.meta.url);

describe("kube-proxy writes the rules of", () => {
  for (const name of readdirSync(CASES).sort()) {
    const read = (file: string): string => readFileSync(new URL(`${name}/${file}`, CASES), "utf8");
    it(name, () => {
      const context = proxyContext(parse(read("context.yaml")) as Partial<ProxyContext>);
      const objects = parseObjects(parseDocuments(read("manifests.yaml"), "manifests.yaml"), { stored: true });
      const services = objects.services.map(({ service }) => service);
      const actual = parseRules(kubeProxyRules(services, objects.endpointSlices, context));
      const expected = parseRules(read("expected.rules"));
      for (const table of ["nat", "filter"]) {
        expect([...(actual.get(table) ?? new Map()).keys()]).toEqual([...(expected.get(table) ?? new Map()).keys()]);
        expect(comparable(actual.get(table))).toEqual(comparable(expected.get(table)));
      }
    });
  }
});
