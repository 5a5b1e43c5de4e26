// `npm run fuzz`: new cases are played by the live Linux kernel and by podwire until a time is over, and what differs is told.
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { tryCase } from "./loop.ts";
import { FAMILIES, hasProgram, refusal, type Family } from "./oracle.ts";
import { differenceText, tallyTable, type Difference, type Tally } from "./report.ts";

const USAGE = `npm run fuzz -- [--seconds 60] [--family ${FAMILIES.join("|")}] [--seed N] [--shrink-runs 60] [--out podwire-out/fuzz]

Makes new cases, records them on the live Linux kernel, plays them in podwire and compares every frame, counter, connection and
forwarding entry. A case that differs twice is made as short as it can be and kept below --out, ready for test/fixtures/kernel.
Ends with 0 if all are equal, 1 if not, 2 without root or the tools for recording.
`;

function fail(sentence: string): never {
  process.stderr.write(`fuzz: ${sentence}\n`);
  process.exit(2);
}

function wholeNumber(name: string, text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : fail(`--${name}: ${text} should be a whole number`);
}

function flags() {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  try {
    const { values } = parseArgs({
      options: {
        seconds: text("60"),
        family: { type: "string" },
        seed: { type: "string" },
        "shrink-runs": text("60"),
        out: text("podwire-out/fuzz"),
        help: { type: "boolean" },
      },
    });
    return values;
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

function familiesOf(name: string | undefined): readonly Family[] {
  if (name === undefined) return FAMILIES;
  const found = FAMILIES.filter((family) => family === name);
  return found.length > 0 ? found : fail(`--family: ${name} should be one of ${FAMILIES.join(", ")}`);
}

function main(): number {
  const { seconds, family, seed, "shrink-runs": shrinkRuns, out, help } = flags();
  if (help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const families = familiesOf(family);
  const first = seed === undefined ? randomInt(10_000, 1_000_000) : wholeNumber("seed", seed);
  const until = performance.now() + wholeNumber("seconds", seconds) * 1000;
  const runs = wholeNumber("shrink-runs", shrinkRuns);
  const sentence = refusal(process.getuid?.(), hasProgram);
  if (sentence !== undefined) return fail(sentence);

  const tallies: Tally[] = families.map((name) => ({ family: name, equal: 0, total: 0 }));
  const found: Difference[] = [];
  const scratch = mkdtempSync(join(tmpdir(), "podwire-fuzz-"));
  process.stderr.write(`seeds from ${first} on\n`);
  try {
    for (let n = 0; n === 0 || performance.now() < until; n++) {
      for (const [i, name] of families.entries()) {
        if (n > 0 && performance.now() >= until) break;
        const difference = tryCase({ scratch, out, shrinkRuns: runs }, name, first + n);
        const tally = tallies[i];
        if (tally) {
          tally.total++;
          if (!difference) tally.equal++;
        }
        if (!difference) continue;
        found.push(difference);
        process.stderr.write(`differs: ${difference.name}\n`);
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  process.stdout.write(tallyTable(tallies));
  for (const difference of found) process.stdout.write(`\n${differenceText(difference)}`);
  return found.length > 0 ? 1 : 0;
}

process.exitCode = main();
