// Cases of IPv6 recorded on Linux, played in the emulator: the same frames, counters and connections, byte for byte. Cases that are
// not equal yet stand here by name, with what is missing.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { compileKernel } from "../../src/kernel/load.ts";
import { readCase } from "../../src/lab/case.ts";
import { readRecording } from "../../src/lab/recording.ts";
import { runLab } from "../../src/lab/run.ts";
import { differences } from "./recorded.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FIXTURES = join(ROOT, "test/fixtures/kernel6");

/** Cases that the emulator plays otherwise than Linux, by why. */
const NOT_YET: Readonly<Record<string, string>> = {
  "bridge-nf-dnat":
    "the first bridged frame that was translated, and waited for its neighbour, leaves with its sender's MAC address",
  "ext-fragments-bad": "first fragments without all headers are not told of",
  "ext-fragments-timeout": "net.ipv6.ip6frag_time is not emulated yet",
  "forward-policy": "ip rules for IPv6 are not emulated yet",
  "forward-redirect": "redirects are not sent yet",
  "forward-scope": "redirects are not sent yet",
  "host-own": "packets to an address of one's own are not seen on lo yet",
  "nat-hairpin": "redirects are not sent yet",
};

for (const build of ["release", "debug"]) {
  const module = compileKernel(join(ROOT, `build/${build}.wasm`));
  const counts = new Map<string, { equal: number; all: number }>();
  const found: string[] = [];

  function play(path: string): string[] {
    try {
      return differences(runLab(readCase(path), module, { recording: readRecording(path) }), path);
    } catch (error) {
      return [String(error)];
    }
  }

  describe(`IPv6 in the ${build} build`, () => {
    for (const family of readdirSync(FIXTURES).sort()) {
      const count = { equal: 0, all: 0 };
      counts.set(family, count);
      for (const name of readdirSync(join(FIXTURES, family)).sort()) {
        const path = join(FIXTURES, family, name);
        count.all++;
        const why = NOT_YET[name];
        it(
          why === undefined ? `does what Linux does in ${name}` : `does not yet do what Linux does in ${name}: ${why}`,
          () => {
            const differing = play(path);
            if (why === undefined) expect(differing).toEqual([]);
            else if (differing.length === 0) found.push(name);
            if (differing.length === 0) count.equal++;
          },
        );
      }
    }
  });

  afterAll(() => {
    const parts = [...counts].map(([family, { equal, all }]) => `${family} ${equal}/${all}`);
    console.log(`IPv6, equal to Linux, ${build} build: ${parts.join(", ")}`);
    if (found.length > 0) console.log(`equal by now, to be taken off the list: ${found.join(", ")}`);
  });
}
