// A worker: one long task that builds its machines and takes them through the windows of virtual time, with the others.
import { performance } from "node:perf_hooks";
import { workerData } from "node:worker_threads";
import { Kernel, type Handle, MATCHERS } from "../kernel/kernel.ts";
import { newFlow, setRequest } from "../kernel/flows.ts";
import { setRoutes } from "../kernel/graph.ts";
import { balancerResult } from "./balancer.ts";
import { Barrier } from "./barrier.ts";
import { buildMachine, type Built } from "./build.ts";
import { attachCaptures, CaptureWriter } from "./capture-writer.ts";
import { controlOf, PROGRESS_NOW, slot, STOP_AGREED, STOP_ASKED, type Control } from "./control.ts";
import { applyChange, applyPartition, isPartition } from "./changes.ts";
import type { FlowConfig } from "../seam/plan.ts";
import type { Job, NamespaceResult, WorkerResult } from "./job.ts";
import { Pacer } from "./pacer.ts";
import { namesBlock } from "./names.ts";
import { counted, failureOf, requestOf } from "./payload.ts";
import { processorResult } from "./processor.ts";
import { seedOf } from "./random.ts";
import { Sampler } from "./sampler.ts";

// A worker alone needs no windows, but comes back now and then to write captures and to see whether to stop.
const SLICE_NS = 1_000_000;
const MERGE_BYTES = 1 << 19;

/** What tells flows of one line apart that go the same way. */
function callOf({ arrival }: FlowConfig): string {
  return typeof arrival === "object" && arrival.kind === "called" ? ` call ${arrival.call}` : "";
}

/** The share of a run that one worker has. */
export class Worker {
  readonly #job: Job;
  readonly #self: number;
  readonly kernel: Kernel;
  readonly #control: Control;
  readonly #barrier: Barrier;
  readonly #built: Built = {
    namespaces: new Map(),
    devices: new Map(),
    balancers: [],
    ipvs: new Map(),
    processors: [],
    listenErrors: [],
    servers: new Map(),
    answers: new Map(),
    nameServers: new Map(),
    ingresses: new Map(),
  };
  readonly #writer: CaptureWriter;
  readonly #sampler: Sampler;
  readonly #counted: WorkerResult["counted"] = [];
  #timedFrom = 0;
  #changesMade = 0;

  constructor(job: Job, self: number) {
    this.#job = job;
    this.#self = self;
    this.kernel = new Kernel(job.module, job.memory);
    this.#sampler = new Sampler(this.kernel, job.lines.length, job.durationNs);
    this.#control = controlOf(job.control);
    this.#barrier = new Barrier(this.#control.words, job.workers, job.cores);
    this.#writer = new CaptureWriter(
      this.kernel,
      job.captures,
      job.captureRecords,
      () => Atomics.store(this.#control.words, STOP_ASKED, 1),
      job.comments,
    );
  }

  /** Builds, runs to the end, counts up. */
  run(): WorkerResult {
    try {
      this.build();
      return this.finish();
    } catch (error) {
      this.#barrier.fail();
      throw error;
    }
  }

  /** Runs what has been built to the end, and counts up; `afterWindow` is told how far each window went. */
  finish(afterWindow?: (nowNs: number) => void): WorkerResult {
    const end = this.#loop(afterWindow);
    return this.#result(end, performance.now() - this.#timedFrom);
  }

  /** Builds this worker's machines and starts their flows; returns when all workers have. */
  build(): Built {
    const { calls } = this.kernel;
    const job = this.#job;
    calls.start(this.#self, job.lines.length, job.namespaceCount);
    calls.makeEvents(job.lines.length, job.events.length);
    job.events.forEach(({ atNs, untilNs }, i) => calls.setEvent(i, atNs, untilNs));
    // What takes the short way meets no rule that could be noted.
    calls.setFlowCache(job.flowCache && job.comments === undefined ? 1 : 0);
    calls.setMatcher(MATCHERS[job.matcher]);
    for (const placed of job.machines) {
      if (placed.worker === this.#self) buildMachine(this.kernel, job, placed, this.#built);
    }
    attachCaptures(this.kernel, job.captures, job.captureRecords, this.#built);
    this.#startFlows();
    this.#barrier.meet();
    if (this.#self === 0) {
      for (const { handle, ports } of Object.values(job.segments)) calls.indexPorts(handle, ports);
    }
    this.#barrier.meet();
    return this.#built;
  }

  #startFlows(): void {
    const blocks = new Map<string, Handle>();
    const place = (bytes: Uint8Array): Handle => {
      const key = Buffer.from(bytes).toString("latin1");
      const known = blocks.get(key) ?? this.kernel.place(bytes);
      blocks.set(key, known);
      return known;
    };
    const called = new Map<string, Handle>();
    for (const { id, machine, flow } of this.#job.flows) {
      if (this.#job.machines[machine]?.worker !== this.#self) continue;
      const ns = this.#built.namespaces.get(flow.namespace);
      if (ns === undefined) throw new Error(`there is no namespace ${flow.namespace}`);
      const names = "names" in flow.target ? place(namesBlock(flow.target.names)) : 0;
      const request = requestOf(flow, this.#job.lines[flow.line] ?? "");
      const seed = seedOf(
        this.#job.seed,
        `flow ${flow.line} ${flow.namespace} ${JSON.stringify(flow.target)}${callOf(flow)}`,
      );
      const record = newFlow(this.kernel, flow, id, ns, names, seed);
      setRequest(this.kernel, record, place(counted(request.bytes)), request);
      this.kernel.calls.startFlow(record, flow.startNs);
      const { arrival } = flow;
      if (typeof arrival === "object" && arrival.kind === "called")
        called.set(`${flow.namespace} ${arrival.call}`, record);
    }
    this.#setRoutes((bytes) => place(counted(bytes)), called);
  }

  #setRoutes(place: (bytes: Uint8Array) => Handle, called: ReadonlyMap<string, Handle>): void {
    const encoder = new TextEncoder();
    const text = (words: string): Handle => place(encoder.encode(words));
    const { routes } = this.#job;
    for (const namespace of new Set(routes.map((route) => route.namespace))) {
      const ns = this.#built.namespaces.get(namespace);
      if (ns === undefined) continue;
      const flowOf = (call: number): Handle => {
        const flow = called.get(`${namespace} ${call}`);
        if (flow === undefined) throw new Error(`${namespace} has no flow for its call ${call}`);
        return flow;
      };
      const own = routes.filter((route) => route.namespace === namespace);
      const answers = {
        badGateway: text(failureOf("502 Bad Gateway")),
        timeout: text(failureOf("504 Gateway Timeout")),
      };
      setRoutes(this.kernel, ns, own, flowOf, text, answers);
    }
  }

  /** Window after window until nothing is left to do in time. Returns the time reached. */
  #loop(afterWindow?: (nowNs: number) => void): number {
    const { calls } = this.kernel;
    const { workers, durationNs, lookAheadNs } = this.#job;
    const { times, captured, words } = this.#control;
    const length = workers === 1 ? Math.max(SLICE_NS, lookAheadNs) : lookAheadNs;
    const pacer = this.#job.pace !== undefined && this.#self === 0 ? new Pacer(this.#job.pace, words) : undefined;
    // At a pace somebody looks on, and wants to see what there is.
    const mergeBytes = this.#job.pace === undefined ? MERGE_BYTES : 1;
    const sampler = this.#sampler;
    let side = 0;
    let start = 0;
    for (;;) {
      sampler.reached(start);
      if (this.#timedFrom === 0 && start >= this.#job.timedFromNs) this.#timedFrom = performance.now();
      if (start >= this.#nextChange()) this.#change(start);
      const end = Math.min(start + length, sampler.next, durationNs, this.#nextChange());
      const next = start < durationNs ? calls.run(end) : Infinity;
      afterWindow?.(end);
      times[slot(side, this.#self)] = Math.min(next, calls.earliestSent());
      captured[slot(side, this.#self)] = this.#job.captures.length > 0 ? calls.capturedBytes(this.#self) >>> 0 : 0;
      if (this.#self === 0) {
        Atomics.store(words, STOP_AGREED + side, Atomics.load(words, STOP_ASKED));
        this.#control.progress[PROGRESS_NOW] = Math.min(start, durationNs);
      }
      this.#barrier.meet();
      calls.collect(workers);
      let earliest = Infinity;
      let bytes = 0;
      for (let i = 0; i < workers; i++) {
        earliest = Math.min(earliest, times[slot(side, i)] ?? Infinity);
        bytes += captured[slot(side, i)] ?? 0;
      }
      const stopped = Atomics.load(words, STOP_AGREED + side) !== 0;
      earliest = Math.min(earliest, this.#nextChange());
      const over = stopped || earliest >= durationNs;
      if (over ? bytes > 0 : bytes >= mergeBytes) this.#writeCaptures();
      if (over) {
        const last = stopped ? Math.min(start + length, sampler.next, durationNs, this.#nextChange() - 1) : durationNs;
        sampler.reached(last);
        return last;
      }
      start = earliest;
      pacer?.wait(start);
      side ^= 1;
    }
  }

  /** The moment of the next change, Infinity if there is none. */
  #nextChange(): number {
    return this.#job.changes[this.#changesMade]?.atNs ?? Infinity;
  }

  /** Makes the changes of a moment. All workers come here at the same one, before anything that happens at it. */
  #change(now: number): void {
    const { changes, captures, comments } = this.#job;
    // Notes about rules are to be read with the rules that they were made under.
    if (captures.length > 0) this.#writeCaptures();
    this.kernel.calls.setTime(now);
    for (; this.#nextChange() <= now; this.#changesMade++) {
      const change = changes[this.#changesMade];
      if (!change) return;
      const { action, index, namespace, namespaceId } = change;
      if (comments && action.kind === "rules") comments.ruleSets[action.family][namespaceId] = action.ruleSet;
      if (isPartition(action)) applyPartition(this.kernel, action, this.#job);
      if (isPartition(action) || !this.#built.namespaces.has(namespace)) continue;
      const connections = applyChange(this.kernel, namespace, action, this.#built);
      if (connections > 0) this.#counted.push({ change: index, connections });
    }
  }

  #writeCaptures(): void {
    this.#barrier.meet();
    if (this.#self === 0) {
      this.#writer.merge(this.#job.workers);
      if (this.#job.pace !== undefined) this.#writer.flush();
    }
    this.#barrier.meet();
    this.kernel.calls.resetStream(this.#self);
  }

  #result(endNs: number, wallMs: number): WorkerResult {
    const sent = new Map([...this.#built.namespaces.keys()].map((name) => [name, new Map<string, number>()]));
    const frames = this.kernel.transmittedBy([...this.#built.devices.values()]);
    [...this.#built.devices.keys()].forEach((path, i) => {
      const slash = path.lastIndexOf("/");
      sent.get(path.slice(0, slash))?.set(path.slice(slash + 1), frames[i] ?? 0);
    });
    const namespaces = [...this.#built.namespaces].map(([name, ns]): NamespaceResult => ({
      name,
      drops: this.kernel.drops(ns),
      counters: this.kernel.ruleCounters(ns),
      counters6: this.kernel.ruleCounters(ns, "ipv6"),
      frames: sent.get(name) ?? new Map<string, number>(),
    }));
    return {
      endNs,
      wallMs,
      interrupted: Atomics.load(this.#control.words, STOP_ASKED) !== 0 && endNs < this.#job.durationNs,
      lines: this.#job.lines.map((_, i) => this.kernel.lineCounters(i, this.#job.namespaceCount)),
      namespaces,
      balancers: this.#built.balancers.map((built) => balancerResult(this.kernel, built)),
      processors: this.#built.processors.map((built) => processorResult(this.kernel, built, endNs)),
      series: { atNs: this.#sampler.atNs, totals: this.#sampler.totals },
      counted: this.#counted,
      failures: this.#job.events.map((_, event) => this.#job.lines.map((_, line) => this.kernel.failures(line, event))),
      listenErrors: this.#built.listenErrors,
      captures: this.#self === 0 ? this.#writer.finish(endNs) : [],
    };
  }
}

/** The task that piscina runs once on each of its threads. */
export default function work({ worker }: { worker: number }): WorkerResult {
  return new Worker(workerData as Job, worker).run();
}
