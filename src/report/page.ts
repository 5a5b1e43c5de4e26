// The HTML page of a run: the picture as data, and the program and the style that show it, in one file that needs nothing else.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Picture } from "./picture.ts";

/** Nothing is loaded from anywhere. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/** The whole file. */
export function htmlPage(picture: Picture): string {
  const title = escapeText(`${picture.scenario}: podwire`);
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    '<link rel="icon" href="data:,">',
    `<title>${title}</title>`,
    `<style>${asset("#page.css")}</style>`,
    "</head>",
    "<body>",
    '<div id="page"></div>',
    "<noscript><p>This page is drawn by a program in it, so JavaScript must be on.</p></noscript>",
    // A script ends at the first "</script", wherever that stands.
    `<script type="application/json" id="picture">${JSON.stringify(picture).replaceAll("<", "\\u003c")}</script>`,
    `<script>${asset("#page.js").replaceAll("</script", "<\\/script")}</script>`,
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

function asset(name: string): string {
  return readFileSync(fileURLToPath(import.meta.resolve(name)), "utf8").trimEnd();
}

function escapeText(text: string): string {
  return text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}
