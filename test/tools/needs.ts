// Tests that compare with a program: skipped with a warning where it is not installed, but failed in CI.
import { spawnSync } from "node:child_process";
import { test } from "vitest";

/** A test that needs a program, which must answer to `--version`. */
export function testWith(program: string, name: string, body: () => void | Promise<void>): void {
  if (spawnSync(program, ["--version"]).status === 0) test(name, body);
  else if (process.env["CI"] === "true") {
    test(name, () => {
      throw new Error(`${program} is not installed; CI must not pass without it`);
    });
  } else {
    console.warn(`SKIPPED, since ${program} is not installed: ${name}`);
    test.skip(name, body);
  }
}
