// A large cluster's run, a fifth of 200 nodes with 5,000 pods: its page stays small, and what is made for it does not grow with nodes times rules.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SHARED_BREAK } from "../../assembly/layout/records.ts";
import { PreparedRun } from "../../src/engine/run.ts";
import { readSources } from "../../src/scenario/files.ts";
import { prepare } from "../../src/scenario/prepare.ts";
import { walkPlan } from "../../src/scenario/walk-plan.ts";
import type { Picture } from "../../src/report/picture.ts";
import { testWith } from "../tools/needs.ts";
import { Pages } from "../tools/page.ts";
import { podwire, runInto, temporaryFolder } from "../tools/podwire.ts";

const NODES = 40;
const SERVICES = 200;
const PODS_EACH = 5;
const MIB = 2 ** 20;

const pages = new Pages();
afterAll(() => pages.close());

const folder = temporaryFolder();
const SCENARIO = join(folder, "large.yaml");
const PAGE = join(folder, "large.html");
writeFileSync(SCENARIO, scenario());
runInto(join(folder, "out"), SCENARIO, "--capture", "none", "--html", PAGE, "--quiet");
const picture = JSON.parse(readFileSync(join(folder, "out/picture.json"), "utf8")) as Picture;

/** Deployments with a Service each, every tenth of which has a load balancer; thirty lines between them. */
function scenario(): string {
  const apps = Array.from({ length: SERVICES }, (_, i) => `app-${i}`);
  const objects = apps.flatMap((name, i) => [
    `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${PODS_EACH}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: app, image: example/app, ports: [{containerPort: 8080}]}]}
`,
    `apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  type: ${i % 10 === 0 ? "LoadBalancer" : "ClusterIP"}
  selector: {app: ${name}}
  ports: [{port: 80, targetPort: 8080}]
`,
  ]);
  const lines = Array.from({ length: 30 }, (_, i) => {
    const from = i < 20 ? `{deployment: app-${i}}` : "internet";
    const to = i < 20 ? `{service: app-${(i * 7 + 3) % SERVICES}}` : `{loadBalancer: app-${(i - 20) * 10}}`;
    return `    - {name: line ${i}, from: ${from}, to: ${to}, protocol: http, rate: 20/s}\n`;
  });
  return [
    ...objects,
    `apiVersion: podwire.dev/v1alpha1
kind: Scenario
metadata: {name: large}
spec:
  duration: 1s
  cluster: {nodes: ${NODES}}
  traffic:
${lines.join("")}`,
  ].join("---\n");
}

test("the page has every line with a walk, in less than 10 MiB and less than a tenth of the rules", () => {
  const rules = readdirSync(join(folder, "out/rules")).filter((name) => name.startsWith("node-"));
  const bytes = rules.reduce((sum, name) => sum + statSync(join(folder, "out/rules", name)).size, 0);
  expect(rules).toHaveLength(NODES);
  expect(statSync(PAGE).size).toBeLessThan(10 * MIB);
  expect(statSync(PAGE).size).toBeLessThan(bytes / 10);
  expect(picture.lines.map(({ name, delivered, walk }) => [name, delivered > 0, walk?.delivered])).toEqual(
    picture.lines.map(({ name }) => [name, true, true]),
  );
  expect(picture.lines).toHaveLength(30);
});

test("the rules by heat are those of the files: what was hit, and how many were not", () => {
  const packets = new Map<string, number>();
  for (const name of readdirSync(join(folder, "out/rules"))) {
    let table = "";
    for (const line of readFileSync(join(folder, "out/rules", name), "utf8").split("\n")) {
      if (line.startsWith("*")) table = line.slice(1);
      const [, count, rule] = /^\[(\d+):\d+\] -A (.*)$/.exec(line) ?? [];
      if (rule !== undefined) packets.set(`${table} ${rule}`, (packets.get(`${table} ${rule}`) ?? 0) + Number(count));
    }
  }
  const hit = [...packets.values()].filter((count) => count > 0);
  expect(picture.rules.length + picture.otherRules).toBe(hit.length);
  expect(picture.idleRules).toBe(packets.size - hit.length);
  for (const { table, chain, text, packets: count } of picture.rules)
    expect([`${table} ${chain} ${text}`, packets.get(`${table} ${chain} ${text}`)]).toEqual([`${table} ${chain} ${text}`, count]); // prettier-ignore
});

test("packets are followed in a cluster that shares the rules of the one that ran: it takes less memory than one of its own", () => {
  const { plan } = prepare(readSources([SCENARIO]), { outDir: "", capture: [] });
  const ran = new PreparedRun(plan);
  const pagesTaken = (run: PreparedRun): number => run.alone().worker.kernel.word(SHARED_BREAK);
  const second = -pagesTaken(ran) + pagesTaken(new PreparedRun(walkPlan(plan), { like: ran }));
  const apart = pagesTaken(new PreparedRun(walkPlan(plan)));
  expect(second).toBeGreaterThan(0);
  expect(apart - second).toBeGreaterThan(0);
});

test("podwire report makes the same page again", () => {
  expect(podwire("report", join(folder, "out")).status).toBe(0);
  expect(readFileSync(join(folder, "out/report.html")).equals(readFileSync(PAGE))).toBe(true);
});

testWith("chromium", "the page opens, with a tile for each node", async () => {
  const { page, complaints } = await pages.open(PAGE);
  expect(await page.locator(".tile").count()).toBe(NODES);
  await page.click(".flows tbody tr:has-text('line 7')");
  expect(await page.locator("#walk").textContent()).toBe("One request of line 7");
  expect(await page.locator(".steps .rule").count()).toBeGreaterThan(3);
  expect(complaints).toEqual([]);
  await page.close();
});
