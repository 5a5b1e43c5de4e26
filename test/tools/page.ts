// Opens pages of runs in headless Chromium.
import { spawnSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import { chromium, type Browser, type Locator, type Page } from "playwright-core";

/** Where the browser is; undefined if there is none. */
export const CHROMIUM = spawnSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).stdout.trim() || undefined;

export interface OpenPage {
  page: Page;
  /** What went wrong on the page, and what it tried to load from elsewhere. */
  complaints: string[];
}

export class Pages {
  #browser: Browser | undefined;

  /** Opens a file; without animations unless `motion`. */
  async open(path: string, scheme: "light" | "dark" = "light", motion = false): Promise<OpenPage> {
    this.#browser ??= await chromium.launch({ executablePath: CHROMIUM ?? "", args: ["--no-sandbox"] });
    const page = await this.#browser.newPage({
      viewport: { width: 1280, height: 900 },
      colorScheme: scheme,
      reducedMotion: motion ? "no-preference" : "reduce",
    });
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => {
      if (!/^(file|data):/.test(request.url())) complaints.push(`loads ${request.url()}`);
    });
    await page.goto(pathToFileURL(path).href);
    return { page, complaints };
  }

  async close(): Promise<void> {
    await this.#browser?.close();
  }
}

/** The data-name of each element, in the order of the page. */
export async function namesOf(elements: Locator): Promise<(string | null)[]> {
  return Promise.all((await elements.all()).map((one) => one.getAttribute("data-name")));
}
