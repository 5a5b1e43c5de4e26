// The table of rules in docs/scaling.md: counted in what podwire rules prints for Services of each type.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { projectFiles } from "../structure/tree.ts";
import { podwire, temporaryFolder } from "../tools/podwire.ts";

const page = projectFiles("docs", ".md").find(({ path }) => path === "docs/scaling.md")?.text ?? "";
const rows = [...page.matchAll(/^\| (\w+)(.*?) +\| (\d+) \+ (\d+)e +\| (\d+) +\|/gm)].map(
  ([, type = "", more = "", fixed, each, none]) => ({
    type,
    more: /`(.*)`/.exec(more)?.[1] ?? "",
    fixed: Number(fixed),
    each: Number(each),
    none: Number(none),
  }),
);

/** kube-proxy's rules of a node in a cluster with that many Services, each with that many endpoints. */
function rulesWith(type: string, more: string, services: number, endpoints: number): number {
  const objects = Array.from({ length: services }, (_, i) => [
    `apiVersion: apps/v1
kind: Deployment
metadata: {name: web-${i}}
spec:
  replicas: ${endpoints}
  selector: {matchLabels: {app: web-${i}}}
  template:
    metadata: {labels: {app: web-${i}}}
    spec: {containers: [{name: web, image: example/web, ports: [{containerPort: 8080}]}]}
`,
    `apiVersion: v1
kind: Service
metadata: {name: web-${i}}
spec:
  type: ${type}
  ${more === "" ? "" : `${more}\n  `}selector: {app: web-${i}}
  ports: [{port: 80, targetPort: 8080}]
`,
  ]);
  const file = join(temporaryFolder(), "services.yaml");
  writeFileSync(file, objects.flat().join("---\n"));
  const { stdout } = podwire("rules", file);
  return stdout.split("\n").filter((line) => line.startsWith("-A") && line.includes("KUBE-")).length;
}

test("the table has rows", () => {
  expect(rows.map(({ type }) => type)).toEqual(["ClusterIP", "NodePort", "LoadBalancer", "ClusterIP"]);
});

test.each(rows)("a Service of type $type $more has $fixed + $each rules for each endpoint", (row) => {
  const { type, more, fixed, each, none } = row;
  const oneMore = (endpoints: number): number =>
    (rulesWith(type, more, 3, endpoints) - rulesWith(type, more, 1, endpoints)) / 2;
  expect([0, 1, 4].map(oneMore)).toEqual([none, fixed + each, fixed + 4 * each]);
});
