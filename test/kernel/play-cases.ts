// Plays the recorded cases of a folder in both builds of the kernel, each as a test of its own.
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

/** The cases of all families in `test/fixtures/FOLDER`. `title` says what they are, before `the release build`. */
export function playCases(folder: string, title = ""): void {
  const fixtures = join(ROOT, "test/fixtures", folder);
  for (const build of ["release", "debug"]) {
    const module = compileKernel(join(ROOT, `build/${build}.wasm`));
    const counts = new Map<string, { equal: number; all: number }>();
    describe(`${title}the ${build} build`, () => {
      for (const family of readdirSync(fixtures).sort()) {
        const names = readdirSync(join(fixtures, family)).sort();
        const count = { equal: 0, all: names.length };
        counts.set(family, count);
        for (const name of names) {
          const path = join(fixtures, family, name);
          const linux = `Linux ${readHead(path).kernel.split("-")[0]}`;
          it(`does what ${linux} does in ${name}`, () => {
            const options = { recording: readRecording(path) };
            const result = runLab(readCase(path), module, options);
            expect(differences(result, path)).toEqual([]);
            // One build is enough for what does not depend on the build.
            if (build === "release")
              expect(runLab(readCase(path), module, { ...options, flowCache: false, matcher: "linear" })).toEqual(
                result,
              );
            count.equal++;
          });
        }
      }
    });

    afterAll(() => {
      const parts = [...counts].map(([family, { equal, all }]) => `${family} ${equal}/${all}`);
      console.log(`${title}the ${build} build, equal to Linux: ${parts.join(", ")}`);
    });
  }
}
