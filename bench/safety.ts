// `npm run fuzz:safety -- --frames 10000000 [--seed 1] [--build debug]`: millions of random frames in thousands of random networks.
// The kernel must not trap, hang or lose a frame; the first network in which it does is told by its seed, with exit status 1.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compileKernel } from "../src/kernel/load.ts";
import { playSafely, Unsafe } from "./safety/play.ts";

const PER_NETWORK = 5_000;
const POISONED = 16; // every so many networks are played again with other bytes behind the frames

const { values } = parseArgs({
  options: {
    frames: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
    build: { type: "string", default: "release" },
  },
});
const module = compileKernel(fileURLToPath(new URL(`../../build/${values.build}.wasm`, import.meta.url)));
const frames = Number(values.frames);
const first = Number(values.seed);
const totals = { networks: 0, injected: 0, taken: 0, queued: 0 };
const consumed = new Map<string, number>();
const dropped = new Map<string, number>();
const failures: string[] = [];

for (let seed = first; totals.injected < frames && failures.length < 10; seed++) {
  try {
    const books = playSafely(module, seed, PER_NETWORK);
    if (seed % POISONED === 0) {
      const again = playSafely(module, seed, PER_NETWORK, 0xff);
      if (JSON.stringify(again) !== JSON.stringify(books))
        failures.push(`seed ${seed}: what lies behind a frame matters`);
    }
    totals.taken += books.taken;
    totals.queued += books.queued;
    addTo(dropped, books.dropped);
    addTo(consumed, books.consumed);
  } catch (error) {
    if (!(error instanceof Unsafe)) throw error;
    failures.push(error.message);
    process.stderr.write(`${error.message}\n`);
  }
  totals.networks++;
  totals.injected += PER_NETWORK;
  if (totals.networks % 100 === 0) process.stderr.write(`${totals.injected} frames, seed ${seed}\n`);
}

function addTo(total: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) total.set(name, (total.get(name) ?? 0) + count);
}

function list(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => `  ${name} ${count}`).join("\n");
}

process.stdout.write(
  `${values.build} build, seeds from ${first}: ${JSON.stringify(totals)}\nused by:\n${list(consumed)}\ndropped by reason:\n${list(dropped)}\n` +
    (failures.length === 0 ? "the books balance\n" : `${failures.join("\n")}\n`),
);
process.exitCode = failures.length === 0 ? 0 : 1;
