// Runs a plan: prepares what all workers share, lets piscina's threads go through virtual time, puts the results together.
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { DROP_REASONS, Kernel, type Handle } from "../kernel/kernel.ts";
import { compileKernel, forgetMail, newMemory } from "../kernel/load.ts";
import type { ChangedName } from "../seam/change.ts";
import type { Plan, RunOptions, RunResult } from "../seam/plan.ts";
import type { Step } from "../seam/trace.ts";
import { Barrier } from "./barrier.ts";
import { newFileRecords, wantsNotes } from "./capture-writer.ts";
import type { Built } from "./build.ts";
import { closeCaptures, openCaptures, type CaptureFile } from "./captures.ts";
import { controlOf, newControl, PROGRESS_NOW, STOP_ASKED } from "./control.ts";
import type { Job, WorkerResult } from "./job.ts";
import { RouteLists } from "./common-routes.ts";
import { lookAheadOf, placeFlows, placeMachines } from "./place.ts";
import { combine } from "./results.ts";
import { RuleSets } from "./rules.ts";
import { shareAddresses } from "./shared-addresses.ts";
import { StepReader } from "./steps.ts";
import { Worker } from "./worker.ts";
import { ChangingZone, clusterZone, worldZone } from "./zone.ts";

const PROGRESS_MS = 100;

/** A plan with everything compiled that can be, and nothing written yet. */
export class PreparedRun {
  readonly #plan: Plan;
  readonly #module: WebAssembly.Module;
  readonly #memory: WebAssembly.Memory;
  readonly #kernel: Kernel;
  readonly #rules: RuleSets;
  readonly #routes: RouteLists;
  readonly #zones: Job["zones"];
  #wallMs = 0;

  /**
   * Compiles the rules of a plan. Throws an InputError for those that the parser or the kernel does not know.
   * `modulePath`: another build of the kernel module than the release. `like`: a plan of the same machines, prepared before and not
   * running now: its compiled rules are taken as they lie in memory.
   */
  constructor(plan: Plan, { modulePath, like }: { modulePath?: string | undefined; like?: PreparedRun } = {}) {
    this.#plan = plan;
    this.#module = like ? like.#module : compileKernel(modulePath);
    this.#memory = like ? like.#memory : newMemory();
    if (like) forgetMail(this.#memory);
    this.#kernel = new Kernel(this.#module, this.#memory);
    shareAddresses(this.#kernel, plan);
    this.#rules = like ? like.#rules : new RuleSets(plan, this.#kernel);
    this.#routes = like ? like.#routes : new RouteLists(this.#kernel);
    this.#zones = like
      ? like.#zones
      : {
          zone: this.#kernel.placeWords(clusterZone(plan.zone)),
          outside: this.#kernel.placeWords(worldZone(plan.outside ?? [])),
        };
  }

  /** Runs the plan to its end, or until the signal says stop. Once only. */
  async run(options: RunOptions): Promise<RunResult> {
    const workers = Math.max(1, Math.min(options.workers, this.#plan.machines.length));
    const files = openCaptures(this.#plan);
    try {
      const { job, namespaceNames } = this.#job(workers, files, options);
      job.pace = options.pace === Infinity ? undefined : options.pace;
      const results = await runWorkers(job, options);
      this.#wallMs = Math.max(...results.map(({ wallMs }) => wallMs));
      return combine(this.#plan, results, namespaceNames, this.#rules, files);
    } finally {
      closeCaptures(files);
    }
  }

  /** The wall time that the workers took from `timedFromNs` on, in milliseconds, once run. */
  get wallMs(): number {
    return this.#wallMs;
  }

  /** The whole plan as one worker on this thread, built but not run: for who drives it by hand or looks inside. */
  alone(options: Pick<Partial<RunOptions>, "flowCache" | "matcher"> = {}): {
    worker: Worker;
    built: Built;
    rules: RuleSets;
  } {
    const worker = new Worker(this.#job(1, [], options).job, 0);
    return { worker, built: worker.build(), rules: this.#rules };
  }

  /** Runs the plan on this thread, whatever it captures. Once only. */
  runHere(): RunResult {
    const { job, namespaceNames } = this.#job(1, []);
    const worker = new Worker(job, 0);
    worker.build();
    return combine(this.#plan, [worker.finish()], namespaceNames, this.#rules, []);
  }

  /** Runs the plan on this thread and tells every step of every packet, `misses`: with the rules that did not match. Once only. */
  trace(misses: boolean): { steps: Step[]; result: RunResult } {
    const steps: Step[] = [];
    const result = this.follow(misses, (more) => more.forEach((step) => steps.push(step)));
    return { steps, result };
  }

  /** The same, handing over the steps of each window of virtual time with the moment that it went to: what is done with may be forgotten. */
  follow(misses: boolean, take: (steps: Step[], nowNs: number) => void): RunResult {
    const files = openCaptures(this.#plan);
    try {
      const { job, namespaceNames } = this.#job(1, files);
      const worker = new Worker(job, 0);
      const reader = new StepReader(worker.kernel, worker.build(), this.#rules);
      const noteAnew = (): number => worker.kernel.calls.setTrace(1, misses ? 1 : 0) >>> 0;
      const first = noteAnew();
      const outcome = worker.finish((nowNs) => {
        take(reader.read(first), nowNs);
        noteAnew();
      });
      return combine(this.#plan, [outcome], namespaceNames, this.#rules, files);
    } finally {
      closeCaptures(files);
    }
  }

  /** What places blocks of names that have changed: servers that hear of the same have the same. */
  #namesPlacer(): (names: readonly ChangedName[]) => Handle {
    let zone: ChangingZone | undefined;
    const placed = new Map<readonly ChangedName[], Handle>();
    return (names) => {
      zone ??= new ChangingZone(this.#plan.zone);
      const block = placed.get(names) ?? this.#kernel.placeWords(zone.block(names));
      placed.set(names, block);
      return block;
    };
  }

  #job(
    workers: number,
    files: readonly CaptureFile[],
    { timedFromNs = 0, flowCache = true, matcher = "index" }: Partial<RunOptions> = {},
  ): { job: Job; namespaceNames: string[] } {
    const plan = this.#plan;
    const { machines, ports, namespaceNames } = placeMachines(
      plan,
      workers,
      (name) => this.#rules.of(name),
      (machine) => this.#routes.of(machine),
    );
    const segments = Object.fromEntries(
      plan.segments.map(({ name, latencyNs, rate }) => {
        const count = ports.get(name) ?? 0;
        const handle = this.#kernel.calls.newSegment(latencyNs, rate, count) >>> 0;
        return [name, { handle, ports: count }];
      }),
    );
    const job: Job = {
      module: this.#module,
      memory: this.#memory,
      control: newControl(),
      workers,
      cores: availableParallelism(),
      seed: plan.seed,
      durationNs: plan.durationNs,
      lookAheadNs: lookAheadOf(plan),
      timedFromNs,
      flowCache,
      matcher,
      lines: plan.lines,
      namespaceCount: namespaceNames.length,
      machines,
      flows: placeFlows(plan),
      routes: plan.routes ?? [],
      changes: this.#rules.place(plan, namespaceNames, this.#namesPlacer()),
      events: plan.events ?? [],
      segments,
      zones: this.#zones,
      captures: files.map(({ fd, format, devices, filter, comments }) => ({ fd, format, devices, filter, comments })),
      captureRecords: newFileRecords(this.#kernel, files),
      comments: files.some(wantsNotes)
        ? {
            namespaces: namespaceNames,
            ...this.#rules.texts(namespaceNames),
            owners: plan.names.map(({ address, name, owner = name }) => [address, owner]),
            reasons: DROP_REASONS,
          }
        : undefined,
    };
    return { job, namespaceNames };
  }
}

/** Runs a plan to its end, or until the signal says stop. */
export async function runPlan(plan: Plan, options: RunOptions): Promise<RunResult> {
  return new PreparedRun(plan).run(options);
}

async function runWorkers(job: Job, options: RunOptions): Promise<WorkerResult[]> {
  const control = controlOf(job.control);
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
  const timer =
    onProgress && setInterval(() => onProgress({ nowNs: control.progress[PROGRESS_NOW] ?? 0 }), PROGRESS_MS);
  try {
    const tasks = Array.from({ length: job.workers }, (_, worker) => pool.run({ worker }) as Promise<WorkerResult>);
    // A thread that dies cannot tell the others, which wait for it.
    const barrier = new Barrier(control.words, job.workers, job.cores);
    for (const task of tasks) task.catch(() => barrier.fail());
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
