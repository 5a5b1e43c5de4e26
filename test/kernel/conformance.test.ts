// Cases recorded on Linux, played in the emulator: the same frames at every interface, byte for byte, except for what a kernel
// picks at random; the same rule counters, connections and forwarding entries.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { compileKernel } from "../../src/kernel/load.ts";
import { readCase } from "../../src/lab/case.ts";
import { readRecording } from "../../src/lab/recording.ts";
import { runLab } from "../../src/lab/run.ts";
import { differences, readHead } from "./recorded.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FIXTURES = join(ROOT, "test/fixtures/kernel");
const FAMILIES = readdirSync(FIXTURES).sort();

for (const build of ["release", "debug"]) {
  const module = compileKernel(join(ROOT, `build/${build}.wasm`));
  const equal = new Map<string, number>();

  describe(`the ${build} build`, () => {
    for (const family of FAMILIES) {
      for (const name of readdirSync(join(FIXTURES, family)).sort()) {
        const path = join(FIXTURES, family, name);
        it(`does what Linux ${readHead(path).kernel.split("-")[0]} does in ${name}`, () => {
          const options = { recording: readRecording(path) };
          const result = runLab(readCase(path), module, options);
          expect(differences(result, path)).toEqual([]);
          // One build is enough for what does not depend on the build.
          if (build === "release")
            expect(runLab(readCase(path), module, { ...options, flowCache: false, matcher: "linear" })).toEqual(result);
          equal.set(family, (equal.get(family) ?? 0) + 1);
        });
      }
    }
  });

  afterAll(() => {
    const parts = FAMILIES.map((family) => {
      const total = readdirSync(join(FIXTURES, family)).length;
      return `${family} ${equal.get(family) ?? 0}/${total}`;
    });
    console.log(`equal to Linux, ${build} build: ${parts.join(", ")}`);
  });
}
