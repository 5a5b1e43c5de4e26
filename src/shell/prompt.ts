// Lines for a session: typed at a terminal, with history and completion, or read from a pipe.
import { createInterface } from "node:readline";
import { BUILTINS } from "./builtins.ts";
import type { Session } from "./session.ts";
import { TOOLS } from "./tools.ts";

/** Asks for lines at the terminal until the session is over, or Ctrl-D. */
export async function converse(session: Session): Promise<void> {
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    completer: (line: string) => complete(session, line),
    historySize: 1000,
  });
  let running = false;
  lines.on("SIGINT", () => {
    session.interrupt();
    if (running) return;
    // As in a shell: the line is given up.
    process.stdout.write("^C\n");
    lines.write(null, { ctrl: true, name: "u" });
    lines.prompt();
  });
  process.stdout.write(
    `A paused cluster of ${session.emulation.namespaces.length} namespaces; help says what there is.\n`,
  );
  lines.setPrompt(session.prompt);
  lines.prompt();
  for await (const line of lines) {
    running = true;
    await session.line(line);
    running = false;
    if (session.over) break;
    lines.setPrompt(session.prompt);
    lines.prompt();
  }
  lines.close();
}

/** Runs the lines of a stream until it ends, or the session does. */
export async function readLines(session: Session, input: NodeJS.ReadableStream): Promise<void> {
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    await session.line(line);
    if (session.over) return;
  }
}

/** What the last word of a line may become: readline's form of it. */
export function complete(session: Session, line: string): [completions: string[], word: string] {
  const words = line.split(/\s+/);
  const word = words.at(-1) ?? "";
  const namespaces = session.emulation.namespaces.map(({ name }) => name);
  const commands = [...BUILTINS.keys(), ...TOOLS.keys()];
  // The namespace that the line names, or the one that the session is in, knows its devices.
  const place = session.emulation.namespaces.find(({ name }) => name === words[0]) ?? session.place;
  const isCommand = words.length === 1 || (words.length === 2 && namespaces.includes(words[0] ?? ""));
  const devices = place?.devices.map(({ name }) => name) ?? [];
  const services = session.emulation.scenario.cluster.services.map(({ name, namespace }) => `${name}.${namespace}`);
  const choices = isCommand ? [...commands, ...namespaces] : [...devices, ...namespaces, ...services];
  return [[...new Set(choices)].filter((choice) => choice.startsWith(word)).map((choice) => `${choice} `), word];
}
