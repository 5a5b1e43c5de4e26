// Makes the picture of the README from a real run of examples/shop: npm run screenshots, after npm run build.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "podwire-screenshots-"));
const html = join(folder, "shop.html");
try {
  const args = [
    "dist/src/cli.js",
    "run",
    "examples/shop",
    "--out",
    folder,
    "--capture",
    "none",
    "--html",
    html,
    "--quiet",
  ];
  execFileSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  const executablePath = execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  for (const colorScheme of ["light", "dark"]) {
    const page = await browser.newPage({
      viewport: { width: 1280, height: 1020 },
      colorScheme,
      reducedMotion: "reduce",
    });
    await page.goto(pathToFileURL(html).href);
    // A visitor's first packet, just after the node has rewritten its destination.
    await page.click(".flows tbody tr:has-text('visitors')");
    await page.click(".steps .nat");
    await page.mouse.move(0, 0);
    await page.screenshot({ path: join(root, `docs/images/report-${colorScheme}.png`) });
  }
  await browser.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
