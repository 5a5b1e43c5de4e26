// The emulated cluster as the shell holds it: built, paused, and taken through virtual time by the commands that wait for something.
import { PreparedRun } from "../engine/run.ts";
import type { RuleSets } from "../engine/rules.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { Programs, type Mail } from "../kernel/programs.ts";
import type { PreparedScenario } from "../scenario/prepare.ts";
import { namespacesOf, type Namespace } from "./namespaces.ts";

/** How long the cluster has been up when the first command comes: the first health checks are over. */
export const STARTED_NS = 1e9;
const LONGEST_NS = 1e15;

/** Somebody who is told whenever time has moved on, such as a capture under way. */
export type Watcher = () => void;

export class Emulation {
  readonly kernel: Kernel;
  readonly programs: Programs;
  readonly rules: RuleSets;
  readonly scenario: PreparedScenario;
  readonly namespaces: readonly Namespace[];
  readonly watchers = new Set<Watcher>();
  #nowNs = 0;
  #numbers = 0;
  readonly #mail = new Map<number, Mail[]>();

  /** Builds the cluster of a scenario, without its traffic and timeline. */
  constructor(scenario: PreparedScenario) {
    const plan = { ...scenario.plan, durationNs: LONGEST_NS, flows: [], captures: [], changes: [], lines: [] };
    // Nobody is in a hurry, and captures come and go.
    const { worker, built, rules } = new PreparedRun(plan).alone({ flowCache: false });
    this.kernel = worker.kernel;
    this.programs = new Programs(worker.kernel);
    this.rules = rules;
    this.scenario = scenario;
    this.namespaces = namespacesOf(scenario, built, worker.kernel);
    // A machine may meet a name server before a look-up names it.
    for (const { resolver } of this.namespaces) resolver.nameservers.forEach((ip) => this.kernel.addressNumber(ip));
    this.#advance(STARTED_NS);
  }

  /** Virtual time since the cluster was started, in nanoseconds. */
  get nowNs(): number {
    return this.#nowNs;
  }

  /** The number of a new socket of a program; only mail for such numbers is kept. */
  newNumber(): number {
    this.#numbers = (this.#numbers % 0xffff) + 1;
    this.#mail.set(this.#numbers, []);
    return this.#numbers;
  }

  /** Forgets a socket's number, and its mail. */
  forget(number: number): void {
    this.#mail.delete(number);
  }

  /** Runs until there is mail for a socket, or until `deadlineNs`: then it is undefined. Also undefined if the user says stop. */
  async mail(number: number, deadlineNs: number, signal?: AbortSignal): Promise<Mail | undefined> {
    for (;;) {
      const found = this.#mail.get(number)?.shift();
      if (found || this.#nowNs >= deadlineNs || signal?.aborted) return found;
      this.#advance(deadlineNs);
      // Lets the user's Ctrl-C in.
      await new Promise((resume) => setImmediate(resume));
    }
  }

  /** Lets time pass until a moment. */
  async until(deadlineNs: number, signal?: AbortSignal): Promise<void> {
    while (this.#nowNs < deadlineNs && !signal?.aborted) {
      this.#advance(Math.min(deadlineNs, this.#nowNs + STARTED_NS));
      await new Promise((resume) => setImmediate(resume));
    }
  }

  /** Runs until the next mail, or to the moment. */
  #advance(untilNs: number): void {
    const mails = this.programs.run(untilNs);
    this.#nowNs = mails.at(-1)?.atNs ?? untilNs;
    for (const mail of mails) this.#mail.get(mail.number)?.push(mail);
    for (const watcher of this.watchers) watcher();
  }
}
