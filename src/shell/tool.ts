// What a tool of the shell is: a name, what help says of it, and a function from words to output and an exit status.
import type { Emulation } from "./emulation.ts";
import type { Namespace } from "./namespaces.ts";

export interface Context {
  emulation: Emulation;
  namespace: Namespace;
  out: (text: string) => void;
  err: (text: string) => void;
  /** Whether somebody sits at a terminal: what has no end of its own then ends with Ctrl-C. */
  interactive: boolean;
  signal: AbortSignal;
}

export interface Tool {
  /** The forms that are emulated, for help. */
  usage: string;
  /** The first word is behind the tool's name. Returns the exit status that the real tool would. */
  run(context: Context, words: readonly string[]): number | Promise<number>;
}

/** What a tool says on its error output when it cannot do what it was told. */
export class ToolError extends Error {
  readonly status: number;

  constructor(message: string, status = 2) {
    super(message);
    this.name = "ToolError";
    this.status = status;
  }
}
