// Fields that the API does not have are errors where fields are read; those that it has are let through, wherever they have no part.
import { expect, test } from "vitest";
import { complaint, deployment, pod, service } from "./build.ts";

const SLICE =
  "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\naddressType: IPv4\nendpoints: [{addresses: [10.1.1.1], FIELD}]";

test.each([
  [
    service("a", "ports: [{port: 80, tagetPort: 8080}]"),
    "spec.ports[0].tagetPort: there is no such field; targetPort would be one",
  ],
  [
    service("a", "sesionAffinity: ClientIP, ports: [{port: 80}]"),
    "spec.sesionAffinity: there is no such field; sessionAffinity would be one",
  ],
  [service("a", "topologyKeys: ['*'], ports: [{port: 80}]"), "spec.topologyKeys: there is no such field"],
  [
    service("a", "ports: [{port: 80}]").replace("{name: a}", "{name: a, label: {a: b}}"),
    "metadata.label: there is no such field; labels would be one",
  ],
  [service("a", "ports: [{port: 80}]").replace("spec:", "specs:"), "specs: there is no such field; spec would be one"],
  [pod("a", "hostnetwork: true"), "spec.hostnetwork: there is no such field; hostNetwork would be one"],
  [
    pod("a", "", "{containerPort: 80, hostport: 80}"),
    "spec.containers[0].ports[0].hostport: there is no such field; hostPort would be one",
  ],
  [
    deployment("a", 1, "nodeSelectors: {a: b}"),
    "spec.template.spec.nodeSelectors: there is no such field; nodeSelector would be one",
  ],
  [deployment("a", 1).replace("replicas", "replica"), "spec.replica: there is no such field; replicas would be one"],
  [SLICE.replace("FIELD", "nodename: node-1"), "endpoints[0].nodename: there is no such field; nodeName would be one"],
  [
    SLICE.replace("FIELD", "conditions: {readdy: false}"),
    "endpoints[0].conditions.readdy: there is no such field; ready would be one",
  ],
])("%#", (text, sentence) => {
  expect(complaint(text).replace(/^a\.yaml:\d+: /, "")).toBe(sentence);
});

test.each([
  service(
    "a",
    "ports: [{port: 80, appProtocol: http}], ipFamilyPolicy: SingleStack, loadBalancerClass: example.com/lb, type: LoadBalancer",
  ),
  service("a", "ports: [{port: 80}]").replace(
    "{name: a}",
    "{name: a, annotations: {anything: goes}, uid: x, managedFields: [{manager: kubectl}]}",
  ),
  pod("a", "dnsPolicy: Default, volumes: [{name: v, unheardOf: {of: it}}], terminationGracePeriodSeconds: 5"),
  deployment("a", 1, "securityContext: {runAsUserr: 1000}"),
  SLICE.replace("FIELD", "deprecatedTopology: {a: b}"),
])("a field of the API that has no part in the network is let through, whatever is in it: %#", (text) => {
  expect(complaint(text)).toBe("");
});
