// What the HTML page of a run, in headless Chromium, says of a timeline's events and of the nodes' processors.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect } from "vitest";
import { testWith } from "../tools/needs.ts";
import { Pages } from "../tools/page.ts";
import { runInto, temporaryFolder } from "../tools/podwire.ts";

const pages = new Pages();
afterAll(() => pages.close());

const SERVERS = `apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: node-1, containers: [{ name: client, image: example/client:1 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { nodeName: node-2, containers: [{ name: web, image: example/web:1, ports: [{ containerPort: 80 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80 }] }
`;

/** The page of a run of those, a client calling 100 times a second for 4 s. */
function pageOf(more: string): string {
  const folder = temporaryFolder();
  const html = join(folder, "page.html");
  writeFileSync(
    join(folder, "all.yaml"),
    `${SERVERS}---
apiVersion: podwire.dev/v1alpha1
kind: Scenario
metadata: { name: events }
spec:
  duration: 5s
  traffic:
    - { name: visits, from: { pod: client }, to: { service: web, by: clusterIP }, protocol: http, rate: 100/s, stop: 4s, timeout: 500ms }
${more}`,
  );
  runInto(folder, join(folder, "all.yaml"), "--capture", "none", "--html", html);
  return html;
}

describe("What happened", () => {
  testWith("chromium", "tells each event and below it what failed because of it", async () => {
    const { page, complaints } = await pages.open(
      pageOf(`  timeline:
    - { at: 1s, delete: svc/web }
    - { at: 4500ms, cordon: node/node-1 }
`),
    );
    const section = page.locator("section[aria-labelledby='events']");
    expect(await section.locator("h2").textContent()).toBe("What happened");
    const events = await section.locator("> ul > li").all();
    expect(events).toHaveLength(2);
    expect(await events[0]?.locator("ul.failed li").allTextContents()).toEqual([
      "requests of visits that failed: 2 refused, 288 timed out before they were connected",
    ]);
    expect(await events[0]?.textContent()).toMatch(/^at 1 s deletion of Service default\/web; new rules at 1\.1 s/);
    expect(await events[1]?.textContent()).toBe("at 4.5 s cordon of node node-1");
    expect(complaints).toEqual([]);
    await page.close();
  });

  testWith("chromium", "is not there where nothing did, nor are processors where work takes no time", async () => {
    const { page } = await pages.open(pageOf(""));
    expect(await page.locator("#events, #processors").count()).toBe(0);
    await page.close();
  });
});

testWith("chromium", "Processors: a row for each node with the share of its time and of each core's", async () => {
  const { page, complaints } = await pages.open(
    pageOf("  cluster: { nodes: 3, cpu: { cores: 2, costs: { hop: 200us } } }\n"),
  );
  const section = page.locator("section[aria-labelledby='processors']");
  expect(await section.locator("h2").textContent()).toBe("Processors");
  expect((await section.locator("th[scope=row]").allTextContents()).sort()).toEqual(["node-1", "node-2", "node-3"]);
  const rows = await section.locator("tbody tr").all();
  const cells = await Promise.all(rows.map((row) => row.locator("td").allTextContents()));
  for (const [busy = "", cores = ""] of cells) {
    const each = cores.split(" ").map(Number);
    expect(each).toHaveLength(2);
    // The share of the whole is the mean of the cores'.
    expect(Math.abs(Number(busy.replace("%", "")) - (each[0] ?? 0) / 2 - (each[1] ?? 0) / 2)).toBeLessThanOrEqual(1);
  }
  // The busiest comes first, and has worked.
  expect(Number.parseInt(cells[0]?.[0] ?? "0")).toBeGreaterThan(10);
  expect(complaints).toEqual([]);
  await page.close();
});
