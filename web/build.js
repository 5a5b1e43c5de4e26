// Builds the program and the style of the HTML page: one file each, with the libraries in them and their licences above.
import { readFileSync } from "node:fs";
import { build } from "esbuild";

const LIBRARIES = ["preact", "uplot"];

const licences = LIBRARIES.map((name) => {
  const text = readFileSync(new URL(`../node_modules/${name}/LICENSE`, import.meta.url), "utf8").trim();
  return `/*! ${name}\n\n${text} */`;
});

await build({
  entryPoints: { page: "web/main.tsx" },
  outdir: "dist/web",
  bundle: true,
  minify: true,
  charset: "utf8",
  format: "iife",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  banner: { js: licences.join("\n") },
  logLevel: "warning",
});
