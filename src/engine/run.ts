// Runs a plan: prepares what all workers share, lets piscina's threads go through virtual time, puts the results together.
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { Kernel } from "../kernel/kernel.ts";
import { compileKernel, newMemory } from "../kernel/load.ts";
import type { Plan, RunOptions, RunResult } from "../seam/plan.ts";
import { newFileRecords } from "./capture-writer.ts";
import { closeCaptures, openCaptures } from "./captures.ts";
import { controlOf, newControl, PROGRESS_NOW, STOP_ASKED, type Control } from "./control.ts";
import type { Job, WorkerResult } from "./job.ts";
import { placeFlows, placeMachines } from "./place.ts";
import { combine } from "./results.ts";
import { RuleSets } from "./rules.ts";
import { zoneBlock } from "./zone.ts";

const PROGRESS_MS = 100;

/** What can be checked and compiled before any file is touched. */
export interface PreparedRun {
  /** Runs once. */
  run(options: RunOptions): Promise<RunResult>;
}

/** Compiles everything in a plan. Throws an InputError for rules that the parser or the kernel does not know. */
export function prepareRun(plan: Plan): PreparedRun {
  const module = compileKernel();
  const memory = newMemory();
  const kernel = new Kernel(module, memory);
  const rules = new RuleSets(plan, kernel);
  const zone = kernel.placeWords(zoneBlock(plan.zone));
  return { run: (options) => runPrepared(plan, options, { module, memory, kernel, rules, zone }) };
}

/** Runs a plan to its end, or until the signal says stop. */
export async function runPlan(plan: Plan, options: RunOptions): Promise<RunResult> {
  return prepareRun(plan).run(options);
}

interface Prepared {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  kernel: Kernel;
  rules: RuleSets;
  zone: number;
}

async function runPrepared(plan: Plan, options: RunOptions, prepared: Prepared): Promise<RunResult> {
  const { module, memory, kernel, rules, zone } = prepared;
  const workers = Math.max(1, Math.min(options.workers, plan.machines.length));
  const { machines, ports, namespaceNames } = placeMachines(plan, workers, (name) => rules.blockOf(name));
  const segments = Object.fromEntries(
    plan.segments.map(({ name, latencyNs, rate }) => {
      const count = ports.get(name) ?? 0;
      return [name, { handle: kernel.calls.newSegment(latencyNs, rate, count) >>> 0, ports: count }];
    }),
  );
  const files = openCaptures(plan);
  const control = newControl();
  const job: Job = {
    module,
    memory,
    control,
    workers,
    cores: availableParallelism(),
    seed: plan.seed,
    durationNs: plan.durationNs,
    lookAheadNs: Math.min(...plan.segments.map(({ latencyNs }) => latencyNs), plan.durationNs),
    lines: plan.lines,
    namespaceCount: namespaceNames.length,
    machines,
    flows: placeFlows(plan),
    segments,
    zone,
    captures: files.map(({ fd, format, devices }) => ({ fd, format, devices })),
    captureRecords: newFileRecords(kernel, files),
  };
  try {
    const results = await runWorkers(job, controlOf(control), options);
    return combine(plan, results, namespaceNames, rules, files);
  } finally {
    closeCaptures(files);
  }
}

async function runWorkers(job: Job, control: Control, options: RunOptions): Promise<WorkerResult[]> {
  const pool = new Piscina({
    filename: fileURLToPath(import.meta.resolve("#worker")),
    minThreads: job.workers,
    maxThreads: job.workers,
    concurrentTasksPerWorker: 1,
    // Each thread has one task for the whole run, so there is nothing to be woken for.
    atomics: "disabled",
    workerData: job,
    // Everything that a run needs lies in the shared memory; the heap of a worker stays small.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
  const stop = (): void => void Atomics.store(control.words, STOP_ASKED, 1);
  options.signal?.addEventListener("abort", stop);
  if (options.signal?.aborted) stop();
  const { onProgress } = options;
  const timer = onProgress && setInterval(() => onProgress({ nowNs: control.progress[PROGRESS_NOW] ?? 0 }), PROGRESS_MS);
  try {
    const tasks = Array.from({ length: job.workers }, (_, worker) => pool.run({ worker }) as Promise<WorkerResult>);
    const outcomes = await Promise.allSettled(tasks);
    const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as Error] : []));
    // The worker that failed first, not those that gave up waiting for it.
    const failure = failures.find(({ message }) => message !== "another worker has failed") ?? failures[0];
    if (failure) throw failure;
    return await Promise.all(tasks);
  } finally {
    clearInterval(timer);
    options.signal?.removeEventListener("abort", stop);
    await pool.destroy();
  }
}
