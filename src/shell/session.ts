// A session of the shell: where it stands, what its lines do, and the status that they leave.
import { spawnSync } from "node:child_process";
import { among } from "../errors.ts";
import { BUILTINS } from "./builtins.ts";
import type { Emulation } from "./emulation.ts";
import { findNamespaces, type Namespace } from "./namespaces.ts";
import { ToolError, type Context } from "./tool.ts";
import { TOOLS } from "./tools.ts";
import { startDump, type Dump } from "./tools/tcpdump.ts";
import { LineError, parseLine, type Command } from "./words.ts";

const BAD_USE = 2;
const NOT_FOUND = 127;
const INTERRUPTED = 130;
const AFTERMATH_NS = 1e9;

export interface Output {
  out: (text: string) => void;
  err: (text: string) => void;
}

export class Session {
  readonly emulation: Emulation;
  readonly interactive: boolean;
  /** The status of the last command. */
  status = 0;
  /** `exit` was said at the top. */
  over = false;
  readonly #output: Output;
  readonly #jobs = new Map<number, { dump: Dump; text: string }>();
  #entered: Namespace[] = [];
  #stop = new AbortController();

  constructor(emulation: Emulation, output: Output, interactive = false) {
    this.emulation = emulation;
    this.interactive = interactive;
    this.#output = output;
  }

  /** The namespace that commands run in unless they name another. */
  get place(): Namespace | undefined {
    return this.#entered.at(-1);
  }

  get prompt(): string {
    const time = `${(this.emulation.nowNs / 1e9).toFixed(3)}s`;
    return this.place ? `${this.place.name} ${time}# ` : `podwire ${time}> `;
  }

  /** Ctrl-C: ends the command under way. */
  interrupt(): void {
    this.#stop.abort();
  }

  enter(namespace: Namespace): void {
    this.#entered.push(namespace);
  }

  /** Leaves the namespace, or at the top the shell. */
  leave(): void {
    if (this.#entered.pop() === undefined) this.over = true;
  }

  /** The namespace of a name. Throws a ToolError if there is none. */
  namespace(word: string): Namespace {
    const [found, other] = findNamespaces(this.emulation.namespaces, word);
    if (found && other) throw new ToolError(`${word} may be ${found.name} or ${other.name}; say which`);
    if (found) return found;
    const names = this.emulation.namespaces.map(({ name }) => name);
    throw new ToolError(`there is no namespace ${word}${among(names)}`);
  }

  /** Runs a line, command after command. */
  async line(text: string): Promise<void> {
    let commands: Command[];
    try {
      commands = parseLine(text);
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      this.#output.err(`podwire sh: ${error.message}\n`);
      this.status = BAD_USE;
      return;
    }
    this.#stop = new AbortController();
    let skip = false;
    for (const command of commands) {
      if (this.over || this.#stop.signal.aborted) return;
      if (!skip) this.status = await this.#command(command);
      if (this.#stop.signal.aborted) this.status = INTERRUPTED;
      skip = (command.joint === "&&" && this.status !== 0) || (command.joint === "||" && this.status === 0);
    }
  }

  /** What runs in the background, by number. */
  get jobs(): ReadonlyMap<number, { dump: Dump; text: string }> {
    return this.#jobs;
  }

  /** Ends a job, or all of them. */
  end(job?: number): void {
    for (const [number, { dump }] of this.#jobs) {
      if (job !== undefined && number !== job) continue;
      dump.stop();
      this.#jobs.delete(number);
    }
  }

  async #command(command: Command): Promise<number> {
    const status = command.joint === "&" ? this.#background(command) : await this.#foreground(command);
    // Captures that have seen enough end between commands.
    for (const [number, { dump }] of this.#jobs) if (dump.done) this.end(number);
    return status;
  }

  /** Begins a tcpdump in the background. */
  #background({ words, rest }: Command): number {
    const own = TOOLS.has(words[0] ?? "") ? words : words.slice(1);
    try {
      if (own[0] !== "tcpdump" || rest !== "")
        throw new ToolError("podwire sh: only a plain tcpdump runs in the background");
      const place = own === words ? this.#somewhere("tcpdump", this.place) : this.namespace(words[0] ?? "");
      const dump = startDump(this.#context(place, this.#output), own.slice(1));
      this.#jobs.set(Math.max(0, ...this.#jobs.keys()) + 1, { dump, text: words.join(" ") });
      return 0;
    } catch (error) {
      return complain(error, this.#output);
    }
  }

  #context(namespace: Namespace, output: Output): Context {
    const { emulation, interactive } = this;
    return { emulation, namespace, interactive, signal: this.#stop.signal, ...output };
  }

  /** The namespace to run in. Throws a ToolError if none is said. */
  #somewhere(tool: string, place: Namespace | undefined): Namespace {
    if (place) return place;
    throw new ToolError(`say where: node-1 ${tool} ..., or enter a namespace first; "namespaces" lists them`);
  }

  /** `tcpdump ... -- COMMAND`: a capture that lasts as long as the command. */
  async #beside(words: readonly string[], output: Output, place: Namespace): Promise<number> {
    const at = words.indexOf("--");
    const dump = startDump(this.#context(place, output), words.slice(0, at));
    const status = await this.run(words.slice(at + 1), output, place);
    // What the command left behind, such as the end of its connection, belongs to it.
    if (!dump.done) await this.emulation.until(this.emulation.nowNs + AFTERMATH_NS, this.#stop.signal);
    dump.stop();
    return status;
  }

  async #foreground({ words, rest }: Command): Promise<number> {
    const [, errors, pipe = ""] = /^(2>&1|2>\s*\/dev\/null)?\s*(.*)$/s.exec(rest) ?? [];
    let collected = "";
    const collect = (text: string): void => void (collected += text);
    const out = pipe === "" ? this.#output.out : collect;
    const err = errors === undefined ? this.#output.err : errors === "2>&1" ? out : () => undefined;
    const status = await this.run(words, { out, err });
    if (pipe === "") return status;
    // The output of an emulated command is text like any other.
    const {
      stdout,
      stderr,
      status: last,
    } = spawnSync("sh", ["-c", `cat ${pipe}`], { input: collected, encoding: "utf8" });
    this.#output.out(stdout);
    this.#output.err(stderr);
    return last ?? BAD_USE;
  }

  /** Runs one command; its words may begin with a namespace. */
  async run(words: readonly string[], output: Output, place = this.place): Promise<number> {
    const [first = "", ...rest] = words;
    try {
      const builtin = BUILTINS.get(first);
      if (builtin) return await builtin.run(this, rest, output, place);
      const tool = TOOLS.get(first);
      if (tool) {
        const where = this.#somewhere(first, place);
        if (first === "tcpdump" && rest.includes("--")) return await this.#beside(rest, output, where);
        return await tool.run(this.#context(where, output), rest);
      }
      if (findNamespaces(this.emulation.namespaces, first).length === 0) {
        output.err(`${first}: command not found\n`);
        return NOT_FOUND;
      }
      const namespace = this.namespace(first);
      if (rest.length > 0) return await this.run(rest, output, namespace);
      this.enter(namespace);
      return 0;
    } catch (error) {
      return complain(error, output);
    }
  }
}

/** Says what a tool could not do; returns its status. */
function complain(error: unknown, output: Output): number {
  if (!(error instanceof ToolError)) throw error;
  output.err(`${error.message}\n`);
  return error.status;
}
