// The HTML page of a run, in headless Chromium: it loads alone and without complaints, and what is clicked shows what it should.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseDocuments } from "../../src/documents/document.ts";
import { drawPicture } from "../../src/report/draw.ts";
import { htmlPage } from "../../src/report/page.ts";
import type { Picture } from "../../src/report/picture.ts";
import { makeReport } from "../../src/report/report.ts";
import { prepare } from "../../src/scenario/prepare.ts";
import { defaultScenario } from "../../src/scenario/schema.ts";
import type { RuleHits, RunResult } from "../../src/seam/plan.ts";
import { testWith } from "../tools/needs.ts";
import { namesOf, Pages } from "../tools/page.ts";
import { podwire, runInto, temporaryFolder } from "../tools/podwire.ts";

const pages = new Pages();
afterAll(() => pages.close());

const folder = temporaryFolder();
const PAGE = join(folder, "policies.html");
runInto(folder, "examples/policies", "--capture", "none", "--html", PAGE, "--workers", "1");
const picture = JSON.parse(readFileSync(join(folder, "picture.json"), "utf8")) as Picture;

describe("the page of examples/policies", () => {
  testWith(
    "chromium",
    "loads without a complaint and without loading anything else, in light and in dark",
    async () => {
      for (const scheme of ["light", "dark"] as const) {
        const { page, complaints } = await pages.open(PAGE, scheme);
        expect(await page.locator("h1").textContent()).toBe("policies");
        expect(complaints).toEqual([]);
        const ground = await page.evaluate("getComputedStyle(document.body).backgroundColor");
        expect(ground).toBe(scheme === "light" ? "rgb(246, 247, 249)" : "rgb(15, 20, 27)");
        await page.close();
      }
    },
  );

  testWith("chromium", "shows every machine and every pod, and a wire for each", async () => {
    const { page } = await pages.open(PAGE);
    const names = await namesOf(page.locator(".machine.node .place"));
    expect(names).toEqual(
      picture.machines.filter(({ role }) => role === "node").flatMap(({ places }) => places.map(({ name }) => name)),
    );
    expect(await page.locator(".machine.node .wire").count()).toBe(names.length);
    expect(await page.locator(".tiles .lost dd").textContent()).toBe("8");
    expect(await page.locator(".arc.lost").count()).toBeGreaterThan(0);
    await page.close();
  });

  testWith("chromium", "shows the gateway and the load balancer between the outside and the nodes", async () => {
    const { page } = await pages.open(PAGE);
    for (const name of ["gateway", "load-balancer"])
      expect(await page.locator(`.machine[data-name='${name}'] .name`).textContent()).toBe(name.replace("-", " "));
    await page.close();
  });

  testWith("chromium", "marks the pods of an ingress controller", async () => {
    const html = join(temporaryFolder(), "ingress.html");
    runInto(temporaryFolder(), "examples/walks/08-ingress", "--capture", "none", "--html", html);
    const { page } = await pages.open(html);
    expect(await page.locator(".place.proxy").count()).toBeGreaterThan(0);
    expect(await page.locator(".place.proxy title").first().textContent()).toMatch(/, an ingress controller: /);
    await page.close();
  });

  testWith("chromium", "a click on a line shows the walk of its packet, up to the rule that dropped it", async () => {
    const { page } = await pages.open(PAGE);
    await page.click(".flows tbody tr:has-text('intruder to API')");
    expect(await page.locator("#walk").textContent()).toBe("One request of intruder to API");
    expect(await page.locator(".outcome").textContent()).toMatch(
      /^no answer\. Dropped in node-\d by filter NETPOL-POD-IN-/,
    );
    const rules = page.locator(".steps .rule");
    expect(await rules.last().textContent()).toMatch(
      /^filter NETPOL-POD-IN-\w+ 6 .* denied by NetworkPolicy tiers\/deny-all, tiers\/api" -j DROP/,
    );
    await page.close();
  });

  testWith("chromium", "arrow keys choose the next line, and walk from step to step", async () => {
    const { page, complaints } = await pages.open(PAGE);
    await page.click(".flows tbody tr:has-text('visitors')");
    await page.keyboard.press("ArrowDown");
    expect(await page.locator("tr[aria-selected=true] th").textContent()).toBe("page to API");
    const walk = picture.lines.find(({ name }) => name === "page to API")?.walk?.packets[0];
    await page.focus(".walk");
    await page.keyboard.press("ArrowRight");
    expect(await page.locator("[aria-current] span").textContent()).toBe(walk?.steps[1]?.text);
    await page.keyboard.press("End");
    expect(await page.locator("[aria-current] span").textContent()).toBe(walk?.steps.at(-1)?.text);
    expect(await page.locator(".strip .now").textContent()).toMatch(/^api-\d$/);
    // The picture has lit up every place on the way.
    const seen = await namesOf(page.locator(".place.seen"));
    expect(seen.every((name) => walk?.places.includes(name ?? ""))).toBe(true);
    expect(seen).toHaveLength(2);
    expect(complaints).toEqual([]);
    await page.close();
  });

  testWith("chromium", "where motion is welcome, a chosen walk plays by itself", async () => {
    const { page } = await pages.open(PAGE, "light", true);
    await page.click(".flows tbody tr:has-text('visitors')");
    await page.waitForSelector(".strip li:nth-child(2).now");
    expect(await page.locator(".controls .play").textContent()).toBe("pause");
    await page.close();
  });

  testWith("chromium", "the rules are found by what is typed", async () => {
    const { page } = await pages.open(PAGE);
    await page.fill("input[aria-label='find a rule']", "tiers/db-0 denied");
    expect(await page.locator(".rules tbody tr").count()).toBe(1);
    expect(await page.locator(".rules tbody tr td").first().textContent()).toBe("4");
    await page.close();
  });

  test("its walks are those that podwire trace tells", () => {
    const line = picture.lines.find(({ name }) => name === "API to database");
    const { stdout } = podwire(
      "trace",
      "examples/policies",
      "-n",
      "tiers",
      "--from",
      "deployment/api",
      "--to",
      "svc/db",
    );
    const rules = (text: string): string[] =>
      [...text.matchAll(/(?:nat|filter|mangle) [A-Z][^\n]*/g)].map(([rule]) => rule.replace(/ +\(after.*/, ""));
    const told = line?.walk?.packets[0]?.steps.map(({ text }) => text).join("\n") ?? "";
    expect(rules(told).length).toBeGreaterThan(10);
    expect(rules(told)).toEqual(rules(stdout.slice(0, stdout.indexOf("What followed"))));
  });

  test("its bytes do not depend on the number of workers, and podwire report makes them again", () => {
    const other = temporaryFolder();
    const html = join(other, "other.html");
    runInto(other, "examples/policies", "--capture", "none", "--html", html, "--workers", "3");
    expect(readFileSync(html).equals(readFileSync(PAGE))).toBe(true);
    expect(podwire("report", other)).toEqual({ status: 0, stdout: `${join(other, "report.html")}\n`, stderr: "" });
    expect(readFileSync(join(other, "report.html")).equals(readFileSync(PAGE))).toBe(true);
  });
});

test("podwire report says what is wrong with a folder", () => {
  const empty = temporaryFolder();
  expect(podwire("report", empty)).toEqual({
    status: 2,
    stdout: "",
    stderr: `podwire: ${join(empty, "picture.json")}: there is no such file; podwire run leaves it in its output folder\n`,
  });
  expect(existsSync(join(empty, "report.html"))).toBe(false);
});

describe("with 5,000 pods", () => {
  const html = join(temporaryFolder(), "large.html");
  const text = JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: {
      replicas: 5000,
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: { containers: [{ name: "web", image: "example/web:1", ports: [{ containerPort: 80 }] }] },
      },
    },
  });
  const manifests = parseDocuments(text, "a.yaml");
  const prepared = prepare({ scenario: defaultScenario(), document: undefined, manifests }, { nodes: 100, outDir: "" });
  const { plan } = prepared;
  const atNs = Array.from({ length: 120 }, (_, i) => i * 1e7);
  const namespaces = plan.machines.flatMap((machine) => machine.namespaces.map(({ name }) => name));
  const line = {
    sent: 1000,
    begun: 1000,
    retries: 0,
    statuses: {},
    delivered: 990,
    refused: 0,
    timedOut: 10,
    unresolved: 0,
    open: 0,
    denied: null,
  };
  const totals = { sent: atNs.map((_, i) => i * 8), delivered: atNs.map((_, i) => i * 8), failed: atNs.map(() => 0) };
  const rule = (i: number): RuleHits => ({
    table: "nat",
    chain: "KUBE-SERVICES",
    text: `-d 10.96.${i >> 8}.${i & 255}/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-${i}`,
    packets: (2000 - i) * 100,
    bytes: (2000 - i) * 6000,
    namespaces: 100,
  });
  const result: RunResult = {
    // As many lines as a large cluster's Services make.
    lines: Array.from({ length: 2000 }, (_, i) => ({
      ...line,
      name: `line ${i}`,
      latency: { mean: 1e5, p50: 1e5, p75: 1e5, p90: 1e6, p95: 1e6, p99: 1e6, p999: 1e6, p9999: 1e6, max: 2e6 },
      latencies: Array.from({ length: 500 }, (_, k): [number, number] => [1000 * 1.02 ** k, k]),
      drops: {},
      backends: Object.fromEntries(namespaces.slice(0, 1000).map((name) => [name, 1])),
    })),
    drops: Object.fromEntries(namespaces.map((name) => [name, { NETFILTER_DROP: 1 }])),
    balancers: [],
    processors: [],
    ipv6Rules: {},
    nftTables: {},
    captures: [],
    listenErrors: [],
    countedConnections: [],
    failures: [],
    frames: 1,
    sentBy: Object.fromEntries(namespaces.map((name, i) => [`${name}/eth0`, i])),
    series: { atNs, lines: Array.from({ length: 2000 }, () => totals) },
    endNs: plan.durationNs,
    interrupted: false,
    rules: {},
    heat: { hit: Array.from({ length: 1999 }, (_, i) => rule(i)), idle: 1 },
  };
  const report = makeReport(prepared, result, "", "0", { seconds: 1, workers: 1 });
  const drawn = drawPicture(plan, result, report, new Map());
  writeFileSync(html, htmlPage(drawn));

  test("the page is smaller than 10 MiB, as it cuts what is much and counts what it cuts", () => {
    expect(readFileSync(html).length).toBeLessThan(10 * 2 ** 20);
    expect(drawn.lines).toHaveLength(1000);
    expect(drawn.otherLines).toBe(1000);
    expect(drawn.lines[0]).toMatchObject({ backendCount: 1000, sent: 1000 });
    expect(drawn.lines[0]?.backends).toHaveLength(60);
    expect(drawn.rules).toHaveLength(300);
    expect(drawn.rules[0]).toMatchObject({ packets: 2000 * 100, namespaces: 100 });
    expect(drawn.otherRules).toBe(1699);
    expect(drawn.idleRules).toBe(1);
  });

  const pods = drawn.machines.filter(({ role }) => role === "node").flatMap(({ places }) => places);

  testWith("chromium", "shows nodes, and the pods of one that is clicked; a line can be found and chosen", async () => {
    const { page, complaints } = await pages.open(html);
    expect(await page.locator(".tile").count()).toBe(100);
    expect(await page.locator(".place:not(.machine.internet *)").count()).toBe(0);
    expect(await page.locator(".cluster svg *").count()).toBeLessThan(1500);
    await page.click(".tile[data-name='node-7']");
    const own = drawn.machines.find(({ name }) => name === "node-7")?.places.map(({ name }) => name);
    expect(await namesOf(page.locator(".machine.node .place"))).toEqual(own);
    await page.click(".zoom button:has-text('nodes')");
    await page.fill("input[aria-label='find a line']", "line 77");
    await page.click(".flows tbody tr:nth-child(2)");
    expect(await page.locator("#walk").textContent()).toBe("One request of line 770");
    expect(complaints).toEqual([]);
    await page.close();
  });

  testWith("chromium", "shows namespaces, their workloads, and the pods of one", async () => {
    const { page, complaints } = await pages.open(html);
    await page.click(".zoom button:has-text('namespaces')");
    const namespaces = new Set(pods.map(({ name }) => name.slice(0, name.indexOf("/"))));
    expect(new Set(await namesOf(page.locator(".tile")))).toEqual(namespaces);
    await page.click(".tile[data-name='kube-system']");
    await page.click(".tile[data-name='coredns']");
    const shown = await namesOf(page.locator(".machine.node .place"));
    expect(shown).toEqual(pods.map(({ name }) => name).filter((name) => name.startsWith("kube-system/coredns-")));
    await page.click(".zoom .crumb:has-text('kube-system')");
    expect(await page.locator(".tile[data-name='coredns']").count()).toBe(1);
    expect(complaints).toEqual([]);
    await page.close();
  });
});
