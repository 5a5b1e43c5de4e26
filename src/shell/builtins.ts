// The commands of the shell itself: where to be, what there is, how time passes.
import type { Namespace } from "./namespaces.ts";
import type { Output, Session } from "./session.ts";
import { ToolError } from "./tool.ts";
import { TOOLS } from "./tools.ts";
import { globalAddresses } from "./tools/ip-links.ts";
import { dateOf } from "./tools/iptables.ts";

export interface Builtin {
  usage: string;
  run(
    session: Session,
    words: readonly string[],
    output: Output,
    place: Namespace | undefined,
  ): number | Promise<number>;
}

const enter: Builtin = {
  usage: "enter NAMESPACE: commands run there until exit",
  run(session, [name, ...more]) {
    if (name === undefined || more.length > 0)
      throw new ToolError("enter: name one namespace, such as shop/frontend-0");
    session.enter(session.namespace(name));
    return 0;
  },
};

const exit: Builtin = {
  usage: "exit: leaves the namespace, or at the top the shell",
  run(session) {
    session.leave();
    return session.status;
  },
};

const namespaces: Builtin = {
  usage: "namespaces: all of them, with the machine that they are on and their addresses",
  run({ emulation }, _, { out }) {
    const rows = emulation.namespaces.map(({ name, role, machine, handle: ns, devices }) => {
      const own = devices
        .filter(({ kind }) => kind !== "loopback")
        .flatMap(({ handle }) => globalAddresses(emulation.kernel, ns, handle));
      return [name, role, machine, own.join(",")];
    });
    const all = [["NAME", "ROLE", "MACHINE", "ADDRESSES"], ...rows];
    out(table(all));
    return 0;
  },
};

const jobs: Builtin = {
  usage: "jobs, kill %N: what runs in the background, and ending it",
  run(session, _, { out }) {
    for (const [number, { text }] of session.jobs) out(`[${number}]  Running                 ${text} &\n`);
    return 0;
  },
};

const kill: Builtin = {
  usage: jobs.usage,
  run(session, [word = ""]) {
    const number = Number(/^%(\d+)$/.exec(word)?.[1] ?? NaN);
    if (!session.jobs.has(number)) throw new ToolError(`kill: ${word}: no such job`, 1);
    session.end(number);
    return 0;
  },
};

const sleep: Builtin = {
  usage: "sleep SECONDS: lets virtual time pass",
  async run({ emulation }, [word = ""]) {
    const [, number, unit = "s"] = /^(\d+(?:\.\d+)?)(s|m|h|ms|us)?$/.exec(word) ?? [];
    if (number === undefined) throw new ToolError(`sleep: "${word}" is no time such as 2 or 500ms`, 1);
    const units: Readonly<Record<string, number>> = { s: 1e9, m: 60e9, h: 3600e9, ms: 1e6, us: 1e3 };
    await emulation.until(emulation.nowNs + Number(number) * (units[unit] ?? 1e9));
    return 0;
  },
};

const date: Builtin = {
  usage: "date: the virtual time",
  run({ emulation }, _, { out }) {
    const [day = "", at = "", month = "", year = "", time = ""] = dateOf(emulation.nowNs)
      .toUTCString()
      .replace(",", "")
      .split(" ");
    out(`${day} ${month} ${`${Number(at)}`.padStart(2)} ${time} UTC ${year}\n`);
    return 0;
  },
};

const help: Builtin = {
  usage: "help: this",
  run(_, __, { out }) {
    const own = [...new Set([...BUILTINS.values()].map(({ usage }) => usage))];
    const tools = [...new Set(TOOLS.values())].map(({ usage }) => usage);
    out(
      `A paused cluster; time passes while a command waits for something.\n\n` +
        `NAMESPACE COMMAND ...   runs a command there: node-1 ip r\n${own.map((usage) => `${usage}\n`).join("")}\n` +
        `In a namespace:\n${tools.map((usage) => `  ${usage}\n`).join("")}\n` +
        `Between commands: ; && ||. Behind one: | COMMAND and > FILE of your own machine.\n`,
    );
    return 0;
  },
};

/** Rows in columns as wide as they have to be. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join("   ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** By name. */
export const BUILTINS: ReadonlyMap<string, Builtin> = new Map(
  Object.entries({ enter, exit, quit: exit, namespaces, jobs, kill, sleep, date, help }),
);
