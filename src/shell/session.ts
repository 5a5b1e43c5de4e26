// A session of the shell: where it stands, what its lines do, and the status that they leave.
import { spawnSync } from "node:child_process";
import { among } from "../errors.ts";
import { BUILTINS } from "./builtins.ts";
import type { Emulation } from "./emulation.ts";
import { findNamespaces, type Namespace } from "./namespaces.ts";
import { ToolError, type Context } from "./tool.ts";
import { TOOLS } from "./tools.ts";
import { LineError, parseLine, type Command } from "./words.ts";

const BAD_USE = 2;
const NOT_FOUND = 127;
const INTERRUPTED = 130;

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

  async #command({ words, rest, joint }: Command): Promise<number> {
    if (joint === "&") {
      this.#output.err("podwire sh: only tcpdump runs in the background\n");
      return BAD_USE;
    }
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
        if (!place)
          throw new ToolError(`say where: node-1 ${first} ..., or enter a namespace first; "namespaces" lists them`);
        const { emulation, interactive } = this;
        const context: Context = { emulation, namespace: place, interactive, signal: this.#stop.signal, ...output };
        return await tool.run(context, rest);
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
      if (!(error instanceof ToolError)) throw error;
      output.err(`${error.message}\n`);
      return error.status;
    }
  }
}
