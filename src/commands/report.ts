// `podwire report`: the HTML page of a run that has been, from the picture that it left in its folder.
import { readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Command } from "commander";
import { InputError } from "../errors.ts";
import { htmlPage } from "../report/page.ts";
import type { Picture } from "../report/picture.ts";
import { writeOutput } from "./output.ts";

/** What a run leaves for the page. */
export const PICTURE_FILE = "picture.json";
const PAGE_FILE = "report.html";

export function addReportCommand(program: Command): void {
  program
    .command("report")
    .summary("show a run as one HTML page")
    .description(
      "Makes one self-contained HTML page of a run: the cluster with its traffic, tables, charts, and the rules by heat. The walks of " +
        "packets are in it if the run was told --html.",
    )
    .argument("<DIR>", "the folder of the run, or the report.json in it")
    .option("--html <FILE>", `where to write the page (default: ${PAGE_FILE} in the folder)`)
    .action((path: string, flags: { html?: string }) => {
      const folder = folderOf(path);
      const file = flags.html ?? join(folder, PAGE_FILE);
      writeOutput(file, htmlPage(readPicture(join(folder, PICTURE_FILE))), "--html");
      process.stdout.write(`${file}\n`);
    });
}

function folderOf(path: string): string {
  const there = statSync(path, { throwIfNoEntry: false });
  if (!there) throw new InputError({ file: path }, "there is no such folder; podwire run --out DIR makes one");
  if (there.isDirectory()) return path;
  if (basename(path) === "report.json" || basename(path) === PICTURE_FILE) return dirname(path);
  throw new InputError({ file: path }, "should be the folder of a run, or the report.json in it");
}

function readPicture(path: string): Picture {
  try {
    const picture = JSON.parse(readFileSync(path, "utf8")) as Picture;
    if (Array.isArray(picture.machines) && Array.isArray(picture.lines)) return picture;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new InputError({ file: path }, "there is no such file; podwire run leaves it in its output folder");
  }
  throw new InputError({ file: path }, "is not what podwire run left there; run it again");
}
