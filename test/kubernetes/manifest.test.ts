// What is read of manifests: kinds, versions, lists, doubles, and what is left out.
import { describe, expect, test } from "vitest";
import { build, complaint, places, pod, service } from "./build.ts";

test("kinds without a network meaning are counted in order of first appearance", () => {
  const { ignored } = build(`
apiVersion: v1
kind: Secret
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
---
apiVersion: v1
kind: Secret
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: function}
`);
  expect(ignored).toEqual([
    { kind: "Secret", count: 2 },
    { kind: "CronJob", count: 1 },
    { kind: "Service.serving.knative.dev", count: 1 },
  ]);
});

test("what has a network meaning but is not emulated is named", () => {
  const { notEmulated } = build(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
`);
  expect([...notEmulated].sort()).toEqual(["HTTPRoute shop/web"]);
});

test("a List is its items, and fields that are null are absent", () => {
  const cluster = build(`
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
  - apiVersion: v1
    kind: Pod
    metadata: {name: one, labels: null, creationTimestamp: null}
    spec: {containers: [{name: main, ports: null}], nodeSelector: null}
  - {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
`);
  expect(places(cluster)).toEqual(["default/one node-1 10.244.1.2"]);
  expect(cluster.ignored).toEqual([]);
});

test("podwire's own documents are somebody else's", () => {
  const cluster = build("apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: {name: a}\n");
  expect(cluster.ignored).toEqual([]);
});

test("one name may be had in two namespaces and by two kinds", () => {
  const cluster = build(`
${pod("web")}
${service("web", "selector: {app: web}, ports: [{port: 80}]")}
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: main}]}
`);
  expect(places(cluster)).toEqual(["default/web node-1 10.244.1.2", "shop/web node-2 10.244.2.2"]);
});

describe("one sentence says that", () => {
  test.each([
    ["a document is no object", "- 1\n", "a.yaml:1: should be a map"],
    ["a kind is missing", "apiVersion: v1\n", "a.yaml:1: kind: is missing; it should be a string"],
    [
      "there is no such version",
      "apiVersion: apps/v9\nkind: Deployment\n",
      "a.yaml:1: apiVersion: there is no Deployment in apps/v9; write apps/v1",
    ],
    [
      "a version is gone",
      "apiVersion: extensions/v1beta1\nkind: Ingress\n",
      "a.yaml:1: apiVersion: there is no Ingress in extensions/v1beta1; write networking.k8s.io/v1",
    ],
    [
      "a name is not one",
      "kind: Namespace\napiVersion: v1\nmetadata: {name: My_Shop}\n",
      'a.yaml:3: metadata.name: "My_Shop" should be lower-case letters, digits and - between them, such as web-1, of at most 63 characters',
    ],
    [
      "a label is no string",
      "kind: Namespace\napiVersion: v1\nmetadata:\n  name: a\n  labels:\n    version: 1\n",
      "a.yaml:6: metadata.labels.version: should be a string",
    ],
    [
      "a label's key is none",
      "kind: Namespace\napiVersion: v1\nmetadata: {name: a, labels: {a/b/c: d}}\n",
      "a.yaml:3: metadata.labels.a/b/c: is not the key of a label; it should be like app or example.com/app",
    ],
    [
      "a label's value is none",
      "kind: Namespace\napiVersion: v1\nmetadata: {name: a, labels: {app: two words}}\n",
      'a.yaml:3: metadata.labels.app: "two words" is not the value of a label: letters, digits, and - _ . between them, at most 63',
    ],
    [
      "a policy's peer is nobody",
      "kind: NetworkPolicy\napiVersion: networking.k8s.io/v1\nmetadata: {name: a}\nspec: {ingress: [{from: [{}]}]}\n",
      "a.yaml:4: spec.ingress[0].from[0]: should have either an ipBlock, or selectors of pods and namespaces",
    ],
    [
      "an Ingress leads nowhere",
      "kind: Ingress\napiVersion: networking.k8s.io/v1\nmetadata: {name: a}\nspec: {}\n",
      "a.yaml:4: spec: should have rules or a defaultBackend",
    ],
  ])("%s", (_, text, expected) => {
    expect(complaint(text)).toBe(expected);
  });
});

test("of an object that is written twice the last counts, as with kubectl apply, and one sentence says so", () => {
  const web = (selector: string): string => service("web", `selector: {app: ${selector}}, ports: [{port: 80}]`);
  const cluster = build(web("one") + pod("a") + web("two") + pod("a"));
  expect(cluster.services.find(({ name }) => name === "web")?.selector).toEqual({ app: "two" });
  expect(places(cluster)).toEqual(["default/a node-1 10.244.1.2"]);
  expect(cluster.remarks).toEqual([
    expect.stringMatching(
      /^Service default\/web is written twice, at a\.yaml:\d+ and at a\.yaml:\d+; the last counts, as with kubectl apply$/,
    ),
  ]);
});

test("a list of one kind is unpacked; its members need not say what they are", () => {
  const cluster = build(`apiVersion: v1
kind: PodList
metadata: {resourceVersion: "1"}
items:
- {metadata: {name: a}, spec: {containers: [{name: main}]}}
- {apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {containers: [{name: main}]}}
---
apiVersion: apps/v1
kind: DeploymentList
items: []
---
apiVersion: v1
kind: ConfigMapList
items: [{metadata: {name: c}}, {metadata: {name: d}}]
---
apiVersion: example.com/v1
kind: AllowList
spec: {}
`);
  expect(places(cluster)).toEqual(["default/a node-1 10.244.1.2", "default/b node-2 10.244.2.2"]);
  expect(cluster.ignored).toEqual([
    { kind: "ConfigMap", count: 2 },
    { kind: "AllowList", count: 1 },
  ]);
});

test("an empty text is as good as none where the API has a default", () => {
  const cluster = build(`apiVersion: v1
kind: Service
metadata: {name: web, namespace: ""}
spec: {type: "", sessionAffinity: "", externalTrafficPolicy: "", ports: [{port: 80, protocol: "", name: ""}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  dnsPolicy: ""
  tolerations: [{key: a, operator: "", value: b}]
  containers: [{name: main, ports: [{containerPort: 80, protocol: ""}]}]
`);
  expect(cluster.services.find(({ name }) => name === "web")).toMatchObject({
    type: "ClusterIP",
    sessionAffinity: "None",
    ports: [{ protocol: "TCP" }],
  });
});

test("an object with generateName in place of a name gets one, another for each", () => {
  const one = `apiVersion: v1
kind: Pod
metadata: {generateName: job-}
spec: {containers: [{name: main}]}`;
  expect(places(build(`${one}\n---\n${one}`)).filter((place) => place.includes("job-"))).toEqual([
    expect.stringContaining("job-bbbbb"),
    expect.stringContaining("job-bbbbc"),
  ]);
});

describe("an unknown field is an error that says what would be one:", () => {
  const POLICY = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\nspec: ";
  const INGRESS = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec: ";
  test.each([
    [`${POLICY}{podSelector: {}, ingres: []}`, "spec.ingres: there is no such field; ingress would be one"],
    [
      `${POLICY}{podSelector: {matchLabel: {}}}`,
      "spec.podSelector.matchLabel: there is no such field; matchLabels would be one",
    ],
    [`${POLICY}{ingress: [{form: []}]}`, "spec.ingress[0].form: there is no such field; from would be one"],
    [`${POLICY}{ingress: [{to: []}]}`, "spec.ingress[0].to: there is no such field"],
    [
      `${POLICY}{ingress: [{ports: [{portt: 80}]}]}`,
      "spec.ingress[0].ports[0].portt: there is no such field; port would be one",
    ],
    [
      `${POLICY}{egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, exept: []}}]}]}`,
      "spec.egress[0].to[0].ipBlock.exept: there is no such field; except would be one",
    ],
    [`${INGRESS}{rule: []}`, "spec.rule: there is no such field; rules would be one"],
    [
      `${INGRESS}{rules: [{http: {paths: [{path: /, pathtype: Exact, backend: {service: {name: a, port: {number: 80}}}}]}}]}`,
      "spec.rules[0].http.paths[0].pathtype: there is no such field; pathType would be one",
    ],
    [
      `${INGRESS}{defaultBackend: {serviceName: a, servicePort: 80}}`,
      "spec.defaultBackend.serviceName: there is no such field",
    ],
    [
      "apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {podCidr: 10.244.1.0/24}",
      "spec.podCidr: there is no such field; podCIDR would be one",
    ],
    [
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, label: {}}",
      "metadata.label: there is no such field; labels would be one",
    ],
    [
      "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: a}\nspec: {controler: x}",
      "spec.controler: there is no such field; controller would be one",
    ],
    [
      "apiVersion: v1\nkind: Endpoints\nmetadata: {name: a}\nsubset: []",
      "subset: there is no such field; subsets would be one",
    ],
  ])("%s", (text, sentence) => {
    expect(complaint(text)).toContain(sentence);
  });
});
